//! Words: sentences, tags, schemes, scores, tokens and their alignment.
//!
//! # What this crate does not do
//! It knows no tensor, opens no file but a tokenizer's (readers take `impl BufRead`), prints nothing and never panics on
//! content: whatever it meets becomes data, a [`note::Note`] or a located error.

pub mod aggregate;
pub mod align;
pub mod bare;
pub mod column;
pub mod columnar;
mod columns;
pub mod conll;
pub mod conllu;
pub mod csv;
pub mod distinct;
pub mod ged;
pub mod json;
pub mod label_file;
pub mod labels;
pub mod note;
mod pairwise;
pub mod parallel;
pub mod reader;
pub mod report;
pub mod rows;
pub mod scheme;
pub mod score;
pub mod sentence;
mod sentencepiece;
pub mod tokenizer;
pub mod tokenizer_files;
mod tokenizer_parts;
pub mod windows;
