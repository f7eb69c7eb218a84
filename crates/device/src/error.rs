//! What goes wrong on a GPU.

/// Why a GPU did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No driver or library that is needed is there.
    #[error("{0}")]
    Missing(String),
    /// The device has less memory free than was asked for.
    #[error("{device}: {asked} bytes do not fit; {free} bytes of {all} are free")]
    OutOfMemory {
        /// The device's name.
        device: String,
        /// The bytes that were asked for.
        asked: u64,
        /// The bytes that are free.
        free: u64,
        /// The bytes that the device has.
        all: u64,
    },
    /// A call of the driver or a library failed.
    #[error("{call}: {code} ({meaning})")]
    Call {
        /// The name of the function.
        call: &'static str,
        /// The code that it returned, by its name in the header.
        code: String,
        /// What the header says of the code.
        meaning: String,
    },
    /// A kernel did what it must not do: found by the emulator only.
    #[error("{0}")]
    Fault(String),
}
