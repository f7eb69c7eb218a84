//! What the threads of a launch share.

use crate::emulator::memory::Memory;
use crate::emulator::memory::mistake::Mistake;
use crate::emulator::memory::space::{LOCAL_WINDOW, SHARED_WINDOW, WINDOW};
use crate::emulator::memory::trace::{Actor, Clock, Kind};
use crate::emulator::memory::tracked::Tracked;
use crate::emulator::ptx::instruction::{Kernel, Space};
use crate::emulator::random::Random;
use crate::launch::Launch;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// What a launch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Instructions of threads.
    pub instructions: u64,
    /// Bytes of global memory that were read, each once.
    pub bytes_read: u64,
    /// Bytes of global memory that were written, each once.
    pub bytes_written: u64,
    /// Bytes of all loads from global memory.
    pub bytes_loaded: u64,
    /// Bytes of all stores to global memory.
    pub bytes_stored: u64,
}

/// What the threads of a launch share.
pub struct Context<'l> {
    /// The kernel.
    pub kernel: &'l Kernel,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block along x, y and z.
    pub block: [u32; 3],
    /// The place of the block that runs.
    pub position: [u32; 3],
    /// The arguments' bytes.
    pub arguments: Vec<u8>,
    /// Global memory.
    pub memory: &'l mut Memory,
    /// The block's shared memory.
    pub shared: Tracked,
    /// The time.
    pub clock: Clock,
    /// Decides the order of threads.
    pub random: Random,
    /// What was done.
    pub counts: Counts,
    /// Epochs of other blocks that come before what the block does now.
    pub acquired: Rc<[Range<u32>]>,
    /// Epochs that a thread acquired. They come before what the others do from the next barrier on.
    arriving: Vec<Range<u32>>,
    /// The epochs that blocks released at each address.
    released: HashMap<u64, Vec<Range<u32>>>,
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into global memory.
    Global(u64),
    /// Into the block's memory.
    Shared(u64),
    /// Into the thread's memory.
    Local(u64),
}

impl Place {
    /// Resolves an address.
    pub fn of(space: Space, address: u64) -> Place {
        match space {
            Space::Global => Place::Global(address),
            Space::Shared => Place::Shared(address),
            Space::Local => Place::Local(address),
            Space::Generic if address.wrapping_sub(SHARED_WINDOW) < WINDOW => Place::Shared(address - SHARED_WINDOW),
            Space::Generic if address.wrapping_sub(LOCAL_WINDOW) < WINDOW => Place::Local(address - LOCAL_WINDOW),
            Space::Generic => Place::Global(address),
        }
    }
}

impl<'l> Context<'l> {
    /// Makes what threads share, before the first block.
    pub fn new(
        kernel: &'l Kernel,
        launch: &Launch,
        memory: &'l mut Memory,
        arguments: Vec<u8>,
        random: Random,
        first: u32,
    ) -> Context<'l> {
        let shared = Tracked::new(kernel.shared as usize);
        let clock = Clock { launch: first, block: first, now: first };
        let (grid, block) = (launch.grid, launch.block);
        let (position, counts) = ([0; 3], Counts::default());
        Context {
            kernel,
            grid,
            block,
            position,
            arguments,
            memory,
            shared,
            clock,
            random,
            counts,
            acquired: Rc::default(),
            arriving: Vec::new(),
            released: HashMap::new(),
        }
    }

    /// Begins a block: its shared memory holds nothing.
    ///
    /// # Errors
    /// Too many barriers.
    pub fn begin_block(&mut self) -> Result<(), Mistake> {
        self.clock.now = self.memory.begin_epoch()?;
        self.clock.block = self.clock.now;
        self.shared.forget();
        self.acquired = Rc::default();
        self.arriving.clear();
        Ok(())
    }

    /// Begins the time behind a barrier.
    ///
    /// # Errors
    /// Too many barriers.
    pub fn pass_barrier(&mut self) -> Result<(), Mistake> {
        self.clock.now = self.memory.begin_epoch()?;
        if !self.arriving.is_empty() {
            self.acquired = self.acquired.iter().cloned().chain(self.arriving.drain(..)).collect();
        }
        Ok(())
    }

    /// Acquires what blocks released at an address, and releases there what the block did before its last barrier.
    pub fn acquire_and_release(&mut self, address: u64) {
        let released = self.released.entry(address).or_default();
        self.arriving.extend(released.iter().cloned());
        released.extend(self.acquired.iter().cloned());
        released.push(self.clock.block..self.clock.now);
    }

    /// Takes note of an access to global memory and returns its bytes.
    ///
    /// # Errors
    /// It is outside, a race, or a read of what nobody wrote.
    pub fn global(&mut self, address: u64, len: usize, kind: Kind, actor: &Actor<'_>) -> Result<&mut [u8], Mistake> {
        let counts = &mut self.counts;
        let (bytes, first) = self.memory.access(address, len, kind, actor)?;
        if kind != Kind::Write {
            counts.bytes_loaded += len as u64;
            counts.bytes_read += first;
        }
        if matches!(kind, Kind::Write | Kind::Atomic) {
            counts.bytes_stored += len as u64;
            counts.bytes_written += first;
        }
        Ok(bytes)
    }

    /// Takes note of an access to shared memory and returns its bytes.
    ///
    /// # Errors
    /// It is outside, a race, or a read of what nobody wrote.
    pub fn shared(&mut self, address: u64, len: usize, kind: Kind, actor: &Actor<'_>) -> Result<&mut [u8], Mistake> {
        let all = self.shared.len();
        if address.checked_add(len as u64).is_none_or(|end| end > all as u64) {
            return Err(Mistake(format!(
                "{len} bytes at {address:#x} lie outside the block's {all} bytes of shared memory"
            )));
        }
        self.shared.note(address as usize, len, kind, actor)?;
        Ok(self.shared.bytes_mut(address as usize, len))
    }
}
