//! The bytes of a file or a stream, and its lines.

pub(crate) mod input;
pub(crate) mod lines;
