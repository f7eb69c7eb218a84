//! What readers yield, row by row, and the split that rows become.

pub(crate) mod row;
pub(crate) mod split_builder;
pub(crate) mod tag_names;
