//! The emulated GPU: each instruction against its definition in the PTX ISA, and each fault planted and found.

mod barriers;
mod conversions;
mod floats;
mod harness;
mod integers;
mod launches;
mod memory;
mod products;
mod races;
mod text;
mod warps;
