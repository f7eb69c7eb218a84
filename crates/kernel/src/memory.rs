//! Where numbers lie: tensors, and buffers that are used again.

pub mod floats;
pub mod tensor;
