//! Why a model's numbers are not to be had, although nothing is wrong in the program.

use crate::device;
use crate::params::table::UnreadableRows;

/// Rows that cannot be read, or a device that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Rows of a table cannot be read from their origin.
    #[error(transparent)]
    Rows(#[from] UnreadableRows),
    /// A device has too little memory, or failed.
    #[error(transparent)]
    Device(#[from] device::Error),
}
