//! Files of tensors: safetensors, and what `torch.save` writes.
//!
//! # What this crate does not do
//! It knows no architecture and no name of a parameter. Nothing of a pickle is ever executed.

pub mod error;
pub mod origin;
mod pickle;
pub mod tensors;
mod torch_file;

pub use error::Error;
