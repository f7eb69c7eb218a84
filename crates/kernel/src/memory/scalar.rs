//! One number that an operation computed, and that its caller reads later.

use crate::device::Error;
use tagsmith_device::gpu::Room;

/// A number in f64, on the processor or on a device. The device computes it while the caller goes on; only
/// [`Scalar::read`] waits.
#[derive(Debug)]
pub struct Scalar(Place);

#[derive(Debug)]
enum Place {
    Host(f64),
    Device(Room),
}

impl Scalar {
    /// Wraps a number of the processor.
    pub(crate) fn host(value: f64) -> Scalar {
        Scalar(Place::Host(value))
    }

    /// Wraps a number of a device: the first 8 bytes of a room.
    pub(crate) fn device(room: Room) -> Scalar {
        Scalar(Place::Device(room))
    }

    /// Returns the number, after all work that was asked for before.
    ///
    /// # Errors
    /// The first error of the device that the number lies on.
    pub fn read(&self) -> Result<f64, Error> {
        match &self.0 {
            Place::Host(value) => Ok(*value),
            Place::Device(room) => {
                let mut bytes = [0; size_of::<f64>()];
                room.download(0, &mut bytes)?;
                Ok(f64::from_ne_bytes(bytes))
            }
        }
    }
}
