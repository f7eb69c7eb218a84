//! Who wrote and read a place of memory last, and whether an access races with that.
//!
//! Two accesses of one launch race if they reach one place, one of them writes, not both are atomic, and nothing orders
//! them. What orders accesses is: a thread's own program; a barrier of the block; `bar.warp.sync` among the lanes that it
//! names. Blocks of a launch are ordered where they meet by `.acq_rel` operations alone.

use super::mistake::Mistake;
use std::ops::Range;

/// Where a launch and a block stand. Each barrier of each block begins an epoch, and epochs are never used again.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The first epoch of the launch.
    pub launch: u32,
    /// The first epoch of the block.
    pub block: u32,
    /// The epoch since the block's last barrier.
    pub now: u32,
}

/// Who reaches memory.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'w> {
    /// The time.
    pub clock: Clock,
    /// The warp's number in its block.
    pub warp: u32,
    /// The lane.
    pub lane: u32,
    /// The lane's time between barriers of its warp.
    pub step: u32,
    /// What any lane of the warp did before this time comes before what this lane does now.
    pub floor: u32,
    /// For each lane of the warp, the last time that comes before what this lane does now.
    pub seen: Option<&'w [u32; 32]>,
    /// Epochs of other blocks that come before what the block does now.
    pub acquired: &'w [Range<u32>],
}

/// What an access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It reads.
    Read,
    /// It reads what must be constant while the kernel runs.
    ReadConstant,
    /// It writes.
    Write,
    /// It reads and writes at once.
    Atomic,
}

/// Accesses of one kind. `mark` holds the warp, flags and the last step.
#[derive(Clone, Copy, Debug, Default)]
struct Accesses {
    epoch: u32,
    lanes: u32,
    mark: u32,
}

/// The bits of the warp's number.
const WARP: u32 = 31;
/// Set if several warps of the block did it in this epoch.
const SEVERAL_WARPS: u32 = 1 << 5;
/// Set if another block of the launch did it too.
const OTHER_BLOCKS: u32 = 1 << 6;
/// Set if one of the launch's reads was by `.nc`.
const CONSTANT: u32 = 1 << 7;
/// Where the step begins.
const STEP: u32 = 8;

/// The most steps between two barriers of a block.
pub const STEPS: u32 = 1 << (32 - STEP);

/// The epoch of what the host wrote.
pub const HOST: u32 = 1;

/// Who wrote and read a place last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace {
    /// The last write that was not atomic. An access that races with an earlier one races with this one too, or was found.
    write: Accesses,
    atomic: Accesses,
    read: Accesses,
}

impl Accesses {
    const NONE: Accesses = Accesses { epoch: 0, lanes: 0, mark: 0 };

    fn of(actor: &Actor<'_>, flags: u32) -> Accesses {
        let mark = actor.warp | flags | actor.step << STEP;
        Accesses { epoch: actor.clock.now, lanes: 1 << actor.lane, mark }
    }

    /// Returns whether another block of this launch is among them.
    fn is_of_other_block(&self, clock: Clock) -> bool {
        self.epoch >= clock.launch && (self.epoch < clock.block || self.mark & OTHER_BLOCKS != 0)
    }

    /// Returns the race with an access of this actor, if there is one.
    fn race(&self, actor: &Actor<'_>, did: &str) -> Result<(), Mistake> {
        let clock = actor.clock;
        if self.epoch < clock.launch {
            return Ok(());
        }
        if self.is_of_other_block(clock) {
            let came_before = actor.acquired.iter().any(|epochs| epochs.contains(&self.epoch));
            return match self.mark & OTHER_BLOCKS == 0 && came_before {
                true => Ok(()),
                false => Err(Mistake(format!("a race: another block {did} here"))),
            };
        }
        if self.epoch < clock.now {
            return Ok(());
        }
        if self.mark & SEVERAL_WARPS != 0 {
            return Err(Mistake(format!("a race: threads of several warps {} here", did.trim_end_matches('s'))));
        }
        let others = if self.mark & WARP == actor.warp { self.lanes & !(1 << actor.lane) } else { self.lanes };
        if others == 0 {
            return Ok(());
        }
        let step = self.mark >> STEP;
        if self.mark & WARP == actor.warp {
            let before = |lane: u32| actor.seen.is_some_and(|seen| step <= seen[lane as usize]);
            if step < actor.floor || (0..32).filter(|lane| others >> lane & 1 == 1).all(before) {
                return Ok(());
            }
        }
        let thread = (self.mark & WARP) * 32 + others.trailing_zeros();
        Err(Mistake(format!("a race: thread {thread} {did} here")))
    }

    /// Adds an access to those of the same kind. Returns whether it is the launch's first.
    fn add(&mut self, actor: &Actor<'_>, flags: u32) -> bool {
        let clock = actor.clock;
        let is_first = self.epoch < clock.launch;
        if self.epoch != clock.now {
            let others = if self.is_of_other_block(clock) { OTHER_BLOCKS } else { 0 };
            let constant = if is_first { 0 } else { self.mark & CONSTANT };
            *self = Accesses::of(actor, others | constant);
        } else if self.mark & (WARP | SEVERAL_WARPS) == actor.warp {
            self.lanes |= 1 << actor.lane;
            let step = (self.mark >> STEP).max(actor.step);
            self.mark = self.mark & ((1 << STEP) - 1) | step << STEP;
        } else {
            self.mark |= SEVERAL_WARPS;
        }
        self.mark |= flags;
        is_first
    }
}

impl Trace {
    /// What the host wrote.
    pub const WRITTEN: Trace =
        Trace { write: Accesses { epoch: HOST, lanes: 0, mark: 0 }, atomic: Accesses::NONE, read: Accesses::NONE };

    /// Returns whether anybody wrote the place.
    pub fn is_written(&self) -> bool {
        self.write.epoch != 0
    }

    /// Takes note of an access. Returns whether it is the launch's first of its kind here; atomic operations are writes.
    ///
    /// # Errors
    /// A race; a read of what nobody wrote; a read by `.nc` of what the launch writes.
    pub fn note(&mut self, kind: Kind, actor: &Actor<'_>) -> Result<bool, Mistake> {
        if kind != Kind::Write && !self.is_written() {
            return Err(Mistake("a read of what nobody wrote".to_owned()));
        }
        let launch = actor.clock.launch;
        let is_changed = self.write.epoch >= launch || self.atomic.epoch >= launch;
        let must_stay = self.read.epoch >= launch && self.read.mark & CONSTANT != 0;
        if kind == Kind::ReadConstant && is_changed {
            return Err(Mistake("a read by `.nc` of what this launch writes".to_owned()));
        }
        if matches!(kind, Kind::Write | Kind::Atomic) && must_stay {
            return Err(Mistake("a write of what this launch reads by `.nc`".to_owned()));
        }
        self.write.race(actor, "writes")?;
        if kind != Kind::Atomic {
            self.atomic.race(actor, "writes")?;
        }
        match kind {
            Kind::Read => return Ok(self.read.add(actor, 0)),
            Kind::ReadConstant => return Ok(self.read.add(actor, CONSTANT)),
            Kind::Write | Kind::Atomic => self.read.race(actor, "reads")?,
        }
        if kind == Kind::Atomic {
            self.atomic.add(actor, 0);
        } else {
            self.write = Accesses::of(actor, 0);
        }
        Ok(!is_changed)
    }
}
