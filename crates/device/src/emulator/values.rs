//! Values of registers, the 32 lanes of a warp at a time, and the functions that instructions are.
//!
//! A register's lanes are 64 bits each. A narrower value stands in the lowest bits, and the others are 0. Functions
//! compute all lanes, also those that take no part: who calls keeps the lanes that do.

pub mod compare;
pub mod convert;
pub mod float;
pub mod integer;
pub mod row;
