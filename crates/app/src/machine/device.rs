//! Where a model runs.

use tagsmith_kernel::Device;
use tagsmith_kernel::device::Error;

/// Where a model runs, as the user says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The processor.
    #[default]
    Processor,
    /// A GPU that the processor emulates, instruction by instruction: for tests, and for reports of what is wrong.
    Emulated,
}

impl DeviceChoice {
    /// The choices' names, in the order of the variants.
    pub const NAMES: [&str; 2] = ["cpu", "emulated"];

    /// Returns the choice of that name.
    pub fn named(name: &str) -> Option<DeviceChoice> {
        match name {
            "cpu" => Some(DeviceChoice::Processor),
            "emulated" => Some(DeviceChoice::Emulated),
            _ => None,
        }
    }

    /// Opens the device.
    ///
    /// # Errors
    /// Kernels that the emulator does not know.
    pub fn open(self) -> Result<Device, Error> {
        match self {
            DeviceChoice::Processor => Ok(Device::Processor),
            DeviceChoice::Emulated => Device::emulated(1),
        }
    }
}
