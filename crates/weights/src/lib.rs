//! Files of tensors: safetensors, and the files that `torch.save` writes.
//!
//! # What this crate does not do
//! It knows no architecture and no name of a parameter. It never executes anything that a pickle asks for.

pub mod error;
pub mod origin;
mod pickle;
mod place;
pub mod tensors;
mod torch_file;

pub use error::Error;
