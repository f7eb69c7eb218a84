//! One GPU, real or emulated, and memory on it.

use crate::error::Error;
use crate::launch::Launch;
use crate::multiply::Multiply;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// What a GPU must be able to do. There are two: CUDA's driver and the emulator. All work of one device is done in the
/// order in which it is asked for; only [`Driver::download`] and [`Driver::wait`] wait for it.
pub trait Driver: Send + Sync + fmt::Debug {
    /// Returns the device's name, as the driver gives it.
    fn name(&self) -> String;

    /// Returns the bytes that are free, and all that the device has.
    ///
    /// # Errors
    /// What the driver says.
    fn memory(&self) -> Result<(u64, u64), Error>;

    /// Makes room for `bytes` bytes (more than 0), with unspecified content, aligned to 256.
    ///
    /// # Errors
    /// Too little memory; what the driver says.
    fn allocate(&self, bytes: u64) -> Result<u64, Error>;

    /// Takes note that room is used for `bytes` bytes from now on, and that what it held means nothing. The emulator then
    /// finds accesses behind them and reads of what nobody wrote.
    fn assign(&self, address: u64, bytes: u64);

    /// Gives room back that [`Driver::allocate`] made.
    fn free(&self, address: u64);

    /// Copies bytes to the device. The slice is free again when this returns.
    ///
    /// # Errors
    /// What the driver says.
    fn upload(&self, address: u64, bytes: &[u8]) -> Result<(), Error>;

    /// Copies bytes from the device, after all work that was asked for before.
    ///
    /// # Errors
    /// What the driver says, also of the work before.
    fn download(&self, address: u64, out: &mut [u8]) -> Result<(), Error>;

    /// Fills room with zeros.
    ///
    /// # Errors
    /// What the driver says.
    fn clear(&self, address: u64, bytes: u64) -> Result<(), Error>;

    /// Copies between two rooms of the device.
    ///
    /// # Errors
    /// What the driver says.
    fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<(), Error>;

    /// Launches a kernel.
    ///
    /// # Errors
    /// No such kernel; what the driver says; a fault that the emulator finds.
    fn launch(&self, launch: &Launch) -> Result<(), Error>;

    /// Computes a product.
    ///
    /// # Errors
    /// What the library says.
    fn multiply(&self, multiply: &Multiply) -> Result<(), Error>;

    /// Waits until all work is done.
    ///
    /// # Errors
    /// What the driver says of the work.
    fn wait(&self) -> Result<(), Error>;
}

/// A GPU. Clones are the same device.
#[derive(Clone, Debug)]
pub struct Gpu(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    driver: Box<dyn Driver>,
    /// Rooms that were dropped, by size.
    free: Mutex<BTreeMap<u64, Vec<u64>>>,
}

impl Gpu {
    /// Makes a GPU of its driver.
    pub fn new(driver: Box<dyn Driver>) -> Gpu {
        Gpu(Arc::new(Inside { driver, free: Mutex::default() }))
    }

    /// Returns the driver.
    pub fn driver(&self) -> &dyn Driver {
        &*self.0.driver
    }

    /// Returns room for `bytes` bytes with unspecified content: one that was dropped, or a new one.
    ///
    /// # Errors
    /// Too little memory; what the driver says.
    pub fn room(&self, bytes: u64) -> Result<Room, Error> {
        let size = bytes.max(1).next_multiple_of(GRAIN);
        let mut free = self.0.free.lock().expect("no thread panics while it holds the list of free rooms");
        // A room that is more than twice as large stays, for one that needs its size.
        let fit = free.range(size..=2 * size).next().map(|(&size, _)| size);
        if let Some(size) = fit {
            let rooms = free.get_mut(&size).expect("it was found");
            let address = rooms.pop().expect("an empty list is removed");
            if rooms.is_empty() {
                free.remove(&size);
            }
            drop(free);
            self.0.driver.assign(address, bytes);
            return Ok(Room { gpu: self.clone(), address, size, bytes });
        }
        drop(free);
        let address = self.0.driver.allocate(size).or_else(|error| match error {
            // Dropped rooms of other sizes may be what fills the device.
            Error::OutOfMemory { .. } => {
                self.release_free_memory();
                self.0.driver.allocate(size)
            }
            error => Err(error),
        })?;
        self.0.driver.assign(address, bytes);
        Ok(Room { gpu: self.clone(), address, size, bytes })
    }

    /// Gives the memory of all dropped rooms back to the driver.
    pub fn release_free_memory(&self) {
        let free = std::mem::take(&mut *self.0.free.lock().expect("no thread panics while it holds the list"));
        free.into_values().flatten().for_each(|address| self.0.driver.free(address));
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let free = std::mem::take(self.free.get_mut().expect("no thread panics while it holds the list"));
        free.into_values().flatten().for_each(|address| self.driver.free(address));
    }
}

/// Sizes of rooms are multiples of this many bytes, so that rooms of nearly one size are used again.
const GRAIN: u64 = 512;

/// Memory on a GPU. When it is dropped, the next one of its size takes it.
#[derive(Debug)]
pub struct Room {
    gpu: Gpu,
    address: u64,
    size: u64,
    bytes: u64,
}

impl Room {
    /// Returns where it begins on the device.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Returns the bytes that were asked for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the GPU it lies on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut free = self.gpu.0.free.lock().expect("no thread panics while it holds the list of free rooms");
        free.entry(self.size).or_default().push(self.address);
    }
}
