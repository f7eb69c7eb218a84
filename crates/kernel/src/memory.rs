//! Memory for numbers: tensors, and buffers that are used again.

pub mod floats;
pub mod heap;
pub mod scalar;
pub mod tensor;
pub mod values;
