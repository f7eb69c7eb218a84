//! The rules that all formats share: what is a comment, a header, an id and a sentence end, and which columns are read.

pub(crate) mod annotation_tools;
pub(crate) mod choose_columns;
pub(crate) mod column_layout;
pub(crate) mod comments;
pub(crate) mod headers;
pub(crate) mod ids;
pub(crate) mod known_names;
pub(crate) mod sentence_ends;
pub(crate) mod table_layout;
