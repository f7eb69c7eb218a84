//! Windows of generic addresses.

/// Where shared memory begins among generic addresses.
pub const SHARED_WINDOW: u64 = 1 << 60;

/// Where local memory begins among generic addresses.
pub const LOCAL_WINDOW: u64 = 1 << 61;

/// The bytes of a window.
pub const WINDOW: u64 = 1 << 32;
