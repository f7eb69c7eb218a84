//! Random numbers: this project's, PyTorch's and numpy's.

pub mod numpy;
pub mod stream;
pub mod torch;
