//! A GPU that does nothing and writes down what it is asked for: so the work of a run is counted at any size.

use crate::Error;
use crate::asked::{Asked, Work};
use crate::gpu::Driver;
use crate::launch::Launch;
use crate::multiply::Multiply;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// A driver without a device. It has room, refuses nothing that fits, and all that is read from it is 0. Clones are the same
/// one.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    size: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<Asked>,
    /// The bytes of each room, by its address.
    rooms: BTreeMap<u64, u64>,
    taken: u64,
    most_taken: u64,
    /// The end of the last room. No address is given twice.
    end: u64,
}

impl Recorder {
    /// Makes a driver with `memory` bytes.
    pub fn new(memory: u64) -> Recorder {
        Recorder(Arc::new(Inside { size: memory, state: Mutex::default() }))
    }

    /// Returns what was asked for since the last call, in its order.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    /// Returns the most bytes that rooms ever took together.
    pub fn most_taken(&self) -> u64 {
        self.state().most_taken
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no thread panics while it holds the record")
    }

    fn note(&self, asked: Asked) -> Result<(), Error> {
        self.state().asked.push(asked);
        Ok(())
    }
}

impl Driver for Recorder {
    fn name(&self) -> String {
        "recorder".to_owned()
    }

    fn memory(&self) -> Result<(u64, u64), Error> {
        Ok((self.0.size - self.state().taken, self.0.size))
    }

    fn allocate(&self, bytes: u64) -> Result<u64, Error> {
        const ALIGNED: u64 = 256;
        let mut state = self.state();
        let free = self.0.size - state.taken;
        if bytes > free {
            return Err(Error::OutOfMemory { device: self.name(), asked: bytes, free, all: self.0.size });
        }
        let address = state.end.max(ALIGNED);
        state.end = (address + bytes).next_multiple_of(ALIGNED);
        state.rooms.insert(address, bytes);
        state.taken += bytes;
        state.most_taken = state.most_taken.max(state.taken);
        Ok(address)
    }

    fn assign(&self, _address: u64, _bytes: u64) {}

    fn free(&self, address: u64) {
        let mut state = self.state();
        let bytes = state.rooms.remove(&address).expect("a room is given back once");
        state.taken -= bytes;
    }

    fn upload(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.note(Asked::Upload { address, bytes: bytes.len() as u64 })
    }

    fn download(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
        out.fill(0);
        self.note(Asked::Download { address, bytes: out.len() as u64 })
    }

    fn clear(&self, address: u64, bytes: u64) -> Result<(), Error> {
        self.note(Asked::Work(Work::Clear { address, bytes }))
    }

    fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<(), Error> {
        self.note(Asked::Work(Work::Copy { from, to, bytes }))
    }

    fn launch(&self, launch: &Launch) -> Result<(), Error> {
        self.note(Asked::Work(Work::Launch(launch.clone())))
    }

    fn multiply(&self, multiply: &Multiply) -> Result<(), Error> {
        self.note(Asked::Work(Work::Multiply(*multiply)))
    }

    fn wait(&self) -> Result<(), Error> {
        Ok(())
    }
}
