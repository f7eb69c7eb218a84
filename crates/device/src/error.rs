//! What goes wrong on a GPU.

/// Why a GPU did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
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
    /// The device or a library cannot do what is needed.
    #[error("{0}")]
    Unsupported(String),
    /// A launch, a copy or a product that is not right, or a kernel that did what it must not do. The latter only the
    /// emulator finds.
    #[error("{0}")]
    Fault(String),
}
