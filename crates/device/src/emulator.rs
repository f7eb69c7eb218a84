//! An emulated GPU: it runs our kernels' PTX on the processor, instruction by instruction, and finds what is wrong.
//!
//! `docs/emulator.md` says what it runs and what it finds.

mod memory;
mod products;
mod ptx;
mod random;
mod run;
mod types;
mod values;

use crate::Error;
use crate::gpu::Driver;
use crate::launch::Launch;
use crate::multiply::Multiply;
use memory::Memory;
use memory::mistake::Mistake;
use ptx::Module;
use random::Random;
use std::sync::{Arc, Mutex, MutexGuard};

/// The memory of an emulated GPU, unless it is given.
const MEMORY: u64 = 16 << 30;

/// How many instructions a warp may run in a block, unless it is given.
const BUDGET: u64 = 1 << 27;

/// One piece of work that the device did, and how many bytes it read and wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The kernel's name, or `multiply`, `copy`, `clear`, `upload`, `download`.
    pub name: String,
    /// Blocks along x, y and z; 0 where there are none.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z; 0 where there are none.
    pub block: [u32; 3],
    /// Bytes of the device's memory that were read, each counted once.
    pub bytes_read: u64,
    /// Bytes of the device's memory that were written, each counted once.
    pub bytes_written: u64,
    /// Bytes of all loads: a byte that two threads read counts twice.
    pub bytes_loaded: u64,
    /// Bytes of all stores.
    pub bytes_stored: u64,
    /// Instructions of all threads.
    pub instructions: u64,
}

/// An emulated GPU. Clones are the same device.
#[derive(Clone, Debug)]
pub struct Emulator(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    module: Module,
    seed: u64,
    size: u64,
    budget: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    memory: Memory,
    /// Launches so far, for their random orders.
    launches: u64,
    work: Vec<Work>,
}

impl Emulator {
    /// Makes a device that has the kernels of a PTX text. The seed decides the order in which threads run.
    ///
    /// # Errors
    /// A line of the text that the emulator does not know.
    pub fn new(ptx: &str, seed: u64) -> Result<Emulator, Error> {
        Emulator::with_limits(ptx, seed, MEMORY, BUDGET)
    }

    /// Makes a device with `memory` bytes, where a warp may run `budget` instructions in a block.
    ///
    /// # Errors
    /// A line of the text that the emulator does not know.
    pub fn with_limits(ptx: &str, seed: u64, memory: u64, budget: u64) -> Result<Emulator, Error> {
        let module = Module::parse(ptx)?;
        let state = State { memory: Memory::new(module.variables), launches: 0, work: Vec::new() };
        Ok(Emulator(Arc::new(Inside { module, seed, size: memory, budget, state: Mutex::new(state) })))
    }

    /// Returns the names of the kernels, in order.
    pub fn kernels(&self) -> Vec<&str> {
        self.0.module.kernels.keys().map(String::as_str).collect()
    }

    /// Returns what the device did since it was made or since [`Emulator::forget_work`].
    pub fn work(&self) -> Vec<Work> {
        self.state().work.clone()
    }

    /// Forgets what the device did.
    pub fn forget_work(&self) {
        self.state().work.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves memory as it is, which is still a device's memory.
        self.0.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, name: &str, read: u64, written: u64) {
        self.work.push(Work {
            name: name.to_owned(),
            grid: [0; 3],
            block: [0; 3],
            bytes_read: read,
            bytes_written: written,
            bytes_loaded: read,
            bytes_stored: written,
            instructions: 0,
        });
    }
}

fn fault(what: &str) -> impl Fn(Mistake) -> Error {
    move |mistake| Error::Fault(format!("{what}: {mistake}"))
}

impl Driver for Emulator {
    fn name(&self) -> String {
        "emulator".to_owned()
    }

    fn memory(&self) -> Result<(u64, u64), Error> {
        Ok((self.0.size - self.state().memory.taken(), self.0.size))
    }

    fn allocate(&self, bytes: u64) -> Result<u64, Error> {
        let mut state = self.state();
        let free = self.0.size - state.memory.taken();
        if bytes > free {
            return Err(Error::OutOfMemory { device: self.name(), asked: bytes, free, all: self.0.size });
        }
        if bytes == 0 {
            return Err(Error::Fault("room for 0 bytes was asked for".to_owned()));
        }
        Ok(state.memory.allocate(bytes))
    }

    fn assign(&self, address: u64, bytes: u64) {
        self.state().memory.assign(address, bytes);
    }

    fn free(&self, address: u64) {
        self.state().memory.free(address);
    }

    fn upload(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let (mut state, len) = (self.state(), bytes.len() as u64);
        if len > 0 {
            state.memory.host_write(address, len).map_err(fault("an upload"))?.copy_from_slice(bytes);
        }
        state.note("upload", 0, len);
        Ok(())
    }

    fn download(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
        let (mut state, len) = (self.state(), out.len() as u64);
        if len > 0 {
            out.copy_from_slice(state.memory.host_read(address, len).map_err(fault("a download"))?);
        }
        state.note("download", len, 0);
        Ok(())
    }

    fn clear(&self, address: u64, bytes: u64) -> Result<(), Error> {
        let mut state = self.state();
        if bytes > 0 {
            state.memory.host_write(address, bytes).map_err(fault("a clear"))?.fill(0);
        }
        state.note("clear", 0, bytes);
        Ok(())
    }

    fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<(), Error> {
        let mut state = self.state();
        if from < to.saturating_add(bytes) && to < from.saturating_add(bytes) {
            return Err(Error::Fault(format!("a copy of {bytes} bytes from {from:#x} to {to:#x} overlaps itself")));
        }
        if bytes > 0 {
            let copied = state.memory.host_read(from, bytes).map_err(fault("a copy"))?.to_vec();
            state.memory.host_write(to, bytes).map_err(fault("a copy"))?.copy_from_slice(&copied);
        }
        state.note("copy", bytes, bytes);
        Ok(())
    }

    fn launch(&self, launch: &Launch) -> Result<(), Error> {
        let Some(kernel) = self.0.module.kernels.get(launch.kernel) else {
            return Err(Error::Fault(format!("there is no kernel `{}`", launch.kernel)));
        };
        let mut state = self.state();
        state.launches += 1;
        let random = Random::new(self.0.seed, state.launches);
        let counts = run::launch(kernel, launch, &mut state.memory, random, self.0.budget)?;
        state.work.push(Work {
            name: launch.kernel.to_owned(),
            grid: launch.grid,
            block: launch.block,
            bytes_read: counts.bytes_read,
            bytes_written: counts.bytes_written,
            bytes_loaded: counts.bytes_loaded,
            bytes_stored: counts.bytes_stored,
            instructions: counts.instructions,
        });
        Ok(())
    }

    fn multiply(&self, multiply: &Multiply) -> Result<(), Error> {
        let mut state = self.state();
        products::multiply(multiply, &mut state.memory).map_err(fault("a product"))?;
        let traffic = multiply.traffic();
        state.note("multiply", traffic.read, traffic.written);
        Ok(())
    }

    fn wait(&self) -> Result<(), Error> {
        Ok(())
    }
}
