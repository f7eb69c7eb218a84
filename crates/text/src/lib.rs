//! Words: sentences, tags, schemes, scores, tokens and their alignment.
//!
//! # What this crate does not do
//! It knows no tensor, opens no file (readers take `impl BufRead`), prints nothing and never panics on content:
//! whatever it meets becomes data, a [`note::Note`] or a located error.

pub mod note;
pub mod sentence;
