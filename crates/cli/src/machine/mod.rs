//! What the machine lets this process use: processors and memory.

pub mod memory;
pub mod threads;
