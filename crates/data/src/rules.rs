//! The rules that all formats share: what is a comment, a header, an id and a sentence end, and which columns are read.

pub(crate) mod choose_columns;
pub(crate) mod comments;
pub(crate) mod headers;
pub(crate) mod ids;
pub(crate) mod sentence_ends;
