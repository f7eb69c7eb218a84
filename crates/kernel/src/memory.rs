//! Memory for numbers: tensors, buffers that are used again, and messages between the GPUs of several processes.

pub mod floats;
pub mod heap;
pub mod messages;
pub mod scalar;
pub mod tensor;
pub mod values;
