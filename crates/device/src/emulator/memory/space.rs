//! Windows of generic addresses.

/// Where the variables of a module begin in global memory, below all rooms.
pub const VARIABLES: u64 = 1 << 31;

/// Where shared memory begins among generic addresses.
pub const SHARED_WINDOW: u64 = 1 << 60;

/// Where local memory begins among generic addresses.
pub const LOCAL_WINDOW: u64 = 1 << 61;

/// The bytes of a window.
pub const WINDOW: u64 = 1 << 32;
