//! The emulated GPU: each instruction against its definition in the PTX ISA, and each fault planted and found.

mod barriers;
mod harness;
mod integers;
mod memory;
mod races;
mod warps;
