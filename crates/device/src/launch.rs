//! Kernels as they are launched: a name, a grid of blocks, and arguments.

use crate::traffic::Traffic;

/// One argument of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arg {
    /// An address on the device, or 0 where the kernel takes none.
    Address(u64),
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer without sign.
    U64(u64),
    /// A 32-bit float.
    F32(f32),
}

/// A launch of a kernel of our PTX.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z.
    pub block: [u32; 3],
    /// Arguments in the order of the kernel's parameters.
    pub args: Vec<Arg>,
    /// What the kernel moves. Rows that it takes by their numbers count as often as they are taken.
    pub traffic: Traffic,
}
