//! What a piece of work moves at least.

use std::ops::Add;

/// Bytes of the device's memory that a launch or a product reads and writes, each counted once: what a cache cannot save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that are read.
    pub read: u64,
    /// Bytes that are written.
    pub written: u64,
}

impl Traffic {
    /// Returns the traffic of operands that are read and of those that are written, each a number of elements and the bytes
    /// of one.
    pub(crate) fn of(read: &[(usize, u64)], written: &[(usize, u64)]) -> Traffic {
        let bytes = |operands: &[(usize, u64)]| operands.iter().map(|&(n, size)| n as u64 * size).sum();
        Traffic { read: bytes(read), written: bytes(written) }
    }
}

impl Add for Traffic {
    type Output = Traffic;

    fn add(self, other: Traffic) -> Traffic {
        Traffic { read: self.read + other.read, written: self.written + other.written }
    }
}
