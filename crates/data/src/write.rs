//! Tagged documents as files of data, each format in one file of this folder.

pub mod conll;
pub mod json_lines;
pub mod parquet;
