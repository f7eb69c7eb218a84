//! What a device is asked for.

use crate::launch::Launch;
use crate::multiply::Multiply;
use crate::traffic::Traffic;

/// Work within the device.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// The launch of a kernel.
    Launch(Launch),
    /// A product.
    Multiply(Multiply),
    /// Bytes that are copied to another place.
    Copy {
        /// Where they lie.
        from: u64,
        /// Where they go.
        to: u64,
        /// How many they are.
        bytes: u64,
    },
    /// Bytes that become zeros.
    Clear {
        /// Where they lie.
        address: u64,
        /// How many they are.
        bytes: u64,
    },
}

/// Something that a device was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Work within the device.
    Work(Work),
    /// Bytes from the host.
    Upload {
        /// Where they go.
        address: u64,
        /// How many they are.
        bytes: u64,
    },
    /// Bytes to the host.
    Download {
        /// Where they lie.
        address: u64,
        /// How many they are.
        bytes: u64,
    },
}

impl Asked {
    /// Returns the bytes of the device's memory that it reads and writes at least.
    pub fn traffic(&self) -> Traffic {
        match self {
            Asked::Work(Work::Launch(launch)) => launch.traffic,
            Asked::Work(Work::Multiply(multiply)) => multiply.traffic(),
            Asked::Work(Work::Copy { bytes, .. }) => Traffic { read: *bytes, written: *bytes },
            Asked::Work(Work::Clear { bytes, .. }) | Asked::Upload { bytes, .. } => {
                Traffic { read: 0, written: *bytes }
            }
            Asked::Download { bytes, .. } => Traffic { read: *bytes, written: 0 },
        }
    }
}
