//! One GPU, real or emulated, and memory on it.
//!
//! An operation asks for work and cannot fail. So a [`Gpu`] keeps its first error, and does nothing from then on. Each
//! read of a result ([`Room::download`], [`Gpu::wait`]) returns that error.

use crate::error::Error;
use crate::launch::Launch;
use crate::link::{Key, Link, Message};
use crate::multiply::Multiply;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What a GPU must be able to do. There are three: CUDA's driver, the emulator and the recorder. All work of one device is done in the
/// order in which it is asked for. Only [`Driver::download`] and [`Driver::wait`] wait for it, so errors of work may be told
/// by a later call.
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

    /// Returns what a user should know of how the device works, if there is something.
    fn remark(&self) -> Option<String> {
        None
    }

    /// Returns where the device is plugged into its machine; `None` for one that no other process can have.
    fn slot(&self) -> Option<String> {
        None
    }

    /// Links the device, as member `place` of `members`, to those of the other processes that call this with the same key.
    /// It waits for all of them.
    ///
    /// # Errors
    /// The device has no links; what the library says.
    fn link(&self, _key: &Key, _place: usize, _members: usize) -> Result<Box<dyn Link>, Error> {
        Err(Error::Unsupported(format!("{} has no links to other GPUs", self.name())))
    }
}

/// A GPU. Clones are the same device.
#[derive(Clone, Debug)]
pub struct Gpu(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    /// The link to other processes' GPUs. It goes before the driver.
    link: Mutex<Option<Box<dyn Link>>>,
    driver: Box<dyn Driver>,
    /// Rooms that were dropped, by size.
    free: Mutex<BTreeMap<u64, BTreeSet<u64>>>,
    /// The first error, after which nothing is done any more.
    failed: OnceLock<Error>,
}

impl Gpu {
    /// Makes a GPU of its driver.
    pub fn new(driver: Box<dyn Driver>) -> Gpu {
        Gpu(Arc::new(Inside { link: Mutex::default(), driver, free: Mutex::default(), failed: OnceLock::new() }))
    }

    /// Returns the driver.
    pub fn driver(&self) -> &dyn Driver {
        &*self.0.driver
    }

    /// Returns whether both are one device.
    pub fn is(&self, other: &Gpu) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns room for `bytes` bytes with unspecified content: one that was dropped, or a new one. If there is not enough
    /// memory, the room's address is 0 and the device has failed.
    pub fn room(&self, bytes: u64) -> Room {
        let size = bytes.max(1).next_multiple_of(GRAIN);
        let (address, size) = self.take_free(size).unwrap_or_else(|| (self.allocate(size), size));
        if address != 0 {
            self.0.driver.assign(address, bytes);
        }
        Room { gpu: self.clone(), address, size, bytes }
    }

    /// Launches a kernel.
    pub fn launch(&self, launch: &Launch) {
        self.ask(|driver| driver.launch(launch));
    }

    /// Computes a product.
    pub fn multiply(&self, multiply: &Multiply) {
        self.ask(|driver| driver.multiply(multiply));
    }

    /// Waits until all work is done.
    ///
    /// # Errors
    /// The device's first error.
    pub fn wait(&self) -> Result<(), Error> {
        self.ask(|driver| driver.wait());
        self.check()
    }

    /// Returns the device's first error, if it is known already. It waits for nothing.
    ///
    /// # Errors
    /// The device's first error.
    pub fn check(&self) -> Result<(), Error> {
        self.0.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Links this GPU to those of other processes, see [`Driver::link`].
    ///
    /// # Errors
    /// The device has no links; what the library says.
    pub fn link(&self, key: &Key, place: usize, members: usize) -> Result<(), Error> {
        let link = self.driver().link(key, place, members)?;
        *self.the_link() = Some(link);
        Ok(())
    }

    /// Returns whether this GPU is linked to others.
    pub fn is_linked(&self) -> bool {
        self.the_link().is_some()
    }

    /// Exchanges memory with the GPUs that this one is linked to, see [`Link::exchange`].
    ///
    /// # Panics
    /// If it is not linked.
    pub fn exchange(&self, messages: &[Message]) {
        if !messages.is_empty() {
            let link = self.the_link();
            self.ask(|_| link.as_ref().expect("gpu: messages need a link").exchange(messages));
        }
    }

    /// Ends the link, if there is one: see [`Link::end`].
    ///
    /// # Errors
    /// The device's first error; what the library says.
    pub fn unlink(&self) -> Result<(), Error> {
        self.check()?;
        let link = self.the_link().take();
        link.map_or(Ok(()), Link::end)
    }

    fn the_link(&self) -> MutexGuard<'_, Option<Box<dyn Link>>> {
        self.0.link.lock().expect("no thread panics while it holds the link")
    }

    /// Gives the memory of all dropped rooms back to the driver.
    pub fn release_free_memory(&self) {
        let free = std::mem::take(&mut *self.0.free.lock().expect("no thread panics while it holds the list"));
        free.into_values().flatten().for_each(|address| self.0.driver.free(address));
    }

    /// Asks the driver for something, unless the device has failed. Returns what the driver returns.
    fn ask<T>(&self, what: impl FnOnce(&dyn Driver) -> Result<T, Error>) -> Option<T> {
        if self.0.failed.get().is_some() {
            return None;
        }
        match what(self.driver()) {
            Ok(value) => Some(value),
            Err(error) => {
                // Another thread may have been faster: the first error stays.
                _ = self.0.failed.set(error);
                None
            }
        }
    }

    /// Takes a room that was dropped: its address and size. Which one depends on the rooms that are free, whatever the order in
    /// which they were dropped. So steps of one shape take the same rooms.
    fn take_free(&self, size: u64) -> Option<(u64, u64)> {
        let mut free = self.0.free.lock().expect("no thread panics while it holds the list of free rooms");
        // A room that is more than twice as large stays, for one that needs its size.
        let (&size, rooms) = free.range_mut(size..=2 * size).next()?;
        let address = rooms.pop_first().expect("an empty set is removed");
        if rooms.is_empty() {
            free.remove(&size);
        }
        Some((address, size))
    }

    /// Makes new room. Where memory is short, dropped rooms go back to the driver first. Returns 0 if there is none.
    fn allocate(&self, size: u64) -> u64 {
        let address = self.ask(|driver| match driver.allocate(size) {
            Err(Error::OutOfMemory { .. }) => {
                self.release_free_memory();
                driver.allocate(size)
            }
            result => result,
        });
        address.unwrap_or(0)
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
    /// Returns where it begins on the device: 0 if there was not enough memory.
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

    /// Copies bytes to the device, from byte `at` of the room on. The slice is free again when this returns.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub fn upload(&self, at: u64, bytes: &[u8]) {
        self.assert_inside(at, bytes.len() as u64);
        if !bytes.is_empty() {
            self.gpu.ask(|driver| driver.upload(self.address + at, bytes));
        }
    }

    /// Copies bytes from the device, from byte `at` of the room on, after all work that was asked for before.
    ///
    /// # Errors
    /// The device's first error.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub fn download(&self, at: u64, out: &mut [u8]) -> Result<(), Error> {
        self.assert_inside(at, out.len() as u64);
        if !out.is_empty() {
            self.gpu.ask(|driver| driver.download(self.address + at, out));
        }
        self.gpu.check()
    }

    /// Fills `bytes` bytes with zeros, from byte `at` of the room on.
    ///
    /// # Panics
    /// If they do not lie inside.
    pub fn clear(&self, at: u64, bytes: u64) {
        self.assert_inside(at, bytes);
        if bytes > 0 {
            self.gpu.ask(|driver| driver.clear(self.address + at, bytes));
        }
    }

    /// Copies `bytes` bytes from byte `from` of another room of this device to byte `at` of this one.
    ///
    /// # Panics
    /// If they do not lie inside, or the rooms lie on two devices.
    pub fn copy(&self, at: u64, other: &Room, from: u64, bytes: u64) {
        self.assert_inside(at, bytes);
        other.assert_inside(from, bytes);
        assert!(self.gpu.is(&other.gpu), "room: the rooms lie on two devices");
        if bytes > 0 {
            self.gpu.ask(|driver| driver.copy(other.address + from, self.address + at, bytes));
        }
    }

    fn assert_inside(&self, at: u64, bytes: u64) {
        let inside = at.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        assert!(inside, "room: {bytes} bytes from {at} on, of {}", self.bytes);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.address != 0 {
            let mut free = self.gpu.0.free.lock().expect("no thread panics while it holds the list of free rooms");
            free.entry(self.size).or_default().insert(self.address);
        }
    }
}
