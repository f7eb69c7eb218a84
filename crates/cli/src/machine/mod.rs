//! What the machine lets this process use.

pub mod threads;
