//! Errors that are not mistakes of the program: rows that cannot be read, and devices that fail.

use crate::device;
use crate::params::table::UnreadableRows;

/// The reason why a model's numbers cannot be computed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Rows of a table cannot be read from their origin.
    #[error(transparent)]
    Rows(#[from] UnreadableRows),
    /// A device has too little memory, or failed.
    #[error(transparent)]
    Device(#[from] device::Error),
}
