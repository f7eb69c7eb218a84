//! Which accesses come before those of a warp's lanes: what `bar.warp.sync` orders, and what the block acquired.
//!
//! Each barrier of a warp begins a step for the lanes that it names. A lane's step is the time of its accesses. For each
//! lane the warp knows which steps of the other lanes come before what the lane does next.

use crate::emulator::memory::mistake::Mistake;
use crate::emulator::memory::trace::{Actor, Clock, STEPS};
use std::ops::Range;
use std::rc::Rc;

/// The times of a warp's lanes since the last barrier of the block.
#[derive(Clone, Debug)]
pub struct Clocks {
    last: u32,
    floor: u32,
    steps: [u32; 32],
    /// For each lane, the steps of all lanes that come before. Empty while only whole warps met.
    seen: Vec<[u32; 32]>,
    /// Epochs of other blocks that come before.
    acquired: Rc<[Range<u32>]>,
}

impl Clocks {
    /// Returns the times behind a barrier of the block, before which it acquired these epochs.
    pub fn new(acquired: &Rc<[Range<u32>]>) -> Clocks {
        Clocks { last: 1, floor: 1, steps: [1; 32], seen: Vec::new(), acquired: acquired.clone() }
    }

    /// Lets all lanes of a warp meet, or those of a mask.
    ///
    /// # Errors
    /// Too many steps.
    pub fn meet(&mut self, lanes: u32, all: u32) -> Result<(), Mistake> {
        self.last += 1;
        if self.last >= STEPS {
            return Err(Mistake(format!("no more than {STEPS} barriers of a warp between two of its block yet")));
        }
        let named = |lane: usize| lanes >> lane & 1 == 1;
        if lanes == all {
            self.floor = self.last;
            self.steps = [self.last; 32];
            return Ok(());
        }
        if self.seen.is_empty() {
            self.seen = vec![[0; 32]; 32];
        }
        let mut joined = [0; 32];
        for lane in (0..32).filter(|&lane| named(lane)) {
            for (joined, seen) in joined.iter_mut().zip(self.seen[lane]) {
                *joined = seen.max(*joined);
            }
            joined[lane] = joined[lane].max(self.steps[lane]);
        }
        for lane in (0..32).filter(|&lane| named(lane)) {
            self.seen[lane] = joined;
            self.steps[lane] = self.last;
        }
        Ok(())
    }

    /// Returns who a lane is when it reaches memory.
    pub fn actor(&self, clock: Clock, warp: u32, lane: u32) -> Actor<'_> {
        let (step, seen) = (self.steps[lane as usize], self.seen.get(lane as usize));
        Actor { clock, warp, lane, step, floor: self.floor, seen, acquired: &self.acquired }
    }
}
