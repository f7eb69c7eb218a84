//! What the machine lets this process use: processors, their instructions, and memory.

pub mod memory;
pub mod precision;
pub mod threads;
