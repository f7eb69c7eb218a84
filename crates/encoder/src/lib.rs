//! Encoders by family: which operations, in which order, with which weights.
//!
//! A family (`bert`, `modernbert`) stands in a folder of its own. It imports `shape`, `facts`, `setting`, `slots` and
//! `architecture`; `config`, `layout` and `encoder` choose between the families, each in one `match`.
//!
//! # What this crate does not do
//! It knows no words, no labels' meaning and no devices. It reads a Hugging Face folder and writes none: a folder is
//! written with its head. There is one path through an encoder: `infer` computes the layers of `forward` and drops at
//! once what backward would need.

pub mod batch;
pub mod bert;
pub mod config;
pub mod encoder;
pub mod family;
pub mod folder;
pub mod layout;
pub mod memory;
pub mod modernbert;
pub mod new_weights;
