//! Words: sentences, tags, schemes, scores, tokens and their alignment.
//!
//! # What this crate does not do
//! It knows no tensor, opens no file but a tokenizer's (readers take `impl BufRead`), prints nothing and never panics
//! on content. Whatever it meets becomes data, a [`tagsmith_message::Note`] or a located error.

pub mod align;
pub mod decode;
pub mod example;
pub mod labels;
pub mod parallel;
pub mod score;
pub mod sentence;
pub mod tagged;
pub mod tokenizer;
