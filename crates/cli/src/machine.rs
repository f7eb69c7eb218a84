//! What the machine lets this process use: processors, their instructions, and memory.

pub mod memory;
pub mod neighbours;
pub mod precision;
pub mod threads;
