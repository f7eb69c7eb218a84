//! A warp: its registers, and which of its lanes stand where.
//!
//! Lanes at one instruction form a group and run together, as vectors. Which group runs, and for how long, is random.

use super::clocks::Clocks;
use super::context::Context;
use crate::Error;
use crate::emulator::memory::mistake::Mistake;
use crate::emulator::ptx::instruction::{Instruction, Kernel, Op, Relation, Special, Truth};
use crate::emulator::values::row::{LANES, Row};
use std::rc::Rc;

/// Lanes that stand at one instruction.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The number of the instruction.
    pub at: u32,
    /// The lanes.
    pub lanes: u32,
}

/// Lanes that wait for others of their warp.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// The lanes that wait, and where.
    pub group: Group,
    /// The lanes that must come.
    pub named: u32,
}

/// A copy that happens when it is waited for.
#[derive(Clone, Debug)]
pub struct PendingCopy {
    /// The lane that asked for it.
    pub lane: u32,
    /// The number of its group among the lane's.
    pub group: u32,
    /// Where it leads in shared memory.
    pub to: u64,
    /// What is copied.
    pub bytes: Vec<u8>,
}

/// What is wrong in one lane.
pub struct LaneMistake {
    /// The lane.
    pub lane: u32,
    /// What is wrong.
    pub mistake: Mistake,
}

/// A warp of the block that runs.
#[derive(Debug)]
pub struct Warp {
    /// The number in the block.
    pub number: u32,
    /// The lanes that are threads: all, but in a block's last warp.
    pub lanes: u32,
    /// Registers.
    pub rows: Vec<Row>,
    /// For each register, the lanes where it has a value.
    pub defined: Vec<u32>,
    /// Registers of truth values: a bit a lane.
    pub truths: Vec<u32>,
    /// For each register of truth values, the lanes where it has a value.
    pub truths_defined: Vec<u32>,
    /// Groups that can run.
    pub groups: Vec<Group>,
    /// Groups that wait for other lanes.
    pub waiting: Vec<Waiting>,
    /// Groups at a barrier of the block.
    pub at_barrier: Vec<Group>,
    /// Lanes that ended.
    pub ended: u32,
    /// Each lane's local memory, one behind the other, and which of its bytes were written.
    pub local: Vec<u8>,
    /// Which bytes of local memory were written.
    pub local_written: Vec<bool>,
    /// Times of the lanes.
    pub clocks: Clocks,
    /// Copies that nobody waited for yet.
    pub copies: Vec<PendingCopy>,
    /// For each lane, the groups of copies that it closed.
    pub copy_groups: [u32; LANES],
    /// Instructions that the warp may still run in this block.
    pub budget: u64,
}

/// Returns the lanes of a mask, from the lowest on.
pub fn each(mut lanes: u32) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let lane = lanes.trailing_zeros();
        lanes &= lanes.wrapping_sub(1);
        (lane < 32).then_some(lane)
    })
}

impl Warp {
    /// Makes a warp of a block.
    pub fn new(kernel: &Kernel, number: u32, lanes: u32) -> Warp {
        Warp {
            number,
            lanes,
            rows: vec![[0; LANES]; kernel.registers as usize],
            defined: vec![0; kernel.registers as usize],
            truths: vec![0; kernel.truths as usize],
            truths_defined: vec![0; kernel.truths as usize],
            groups: Vec::new(),
            waiting: Vec::new(),
            at_barrier: Vec::new(),
            ended: 0,
            local: vec![0; kernel.local as usize * LANES],
            local_written: vec![false; kernel.local as usize * LANES],
            clocks: Clocks::new(&Rc::default()),
            copies: Vec::new(),
            copy_groups: [0; LANES],
            budget: 0,
        }
    }

    /// Begins a block.
    pub fn start(&mut self, context: &Context<'_>, budget: u64) {
        let kernel = context.kernel;
        self.defined.fill(0);
        self.truths_defined.fill(0);
        self.local_written.fill(false);
        self.groups = vec![Group { at: 0, lanes: self.lanes }];
        self.waiting.clear();
        self.at_barrier.clear();
        self.ended = 0;
        self.clocks = Clocks::new(&context.acquired);
        self.copies.clear();
        self.copy_groups = [0; LANES];
        self.budget = budget;
        for &(register, value) in &kernel.constants {
            self.rows[register as usize] = [value; LANES];
            self.defined[register as usize] = u32::MAX;
        }
        if let Some(always) = kernel.always {
            self.truths[always as usize] = u32::MAX;
            self.truths_defined[always as usize] = u32::MAX;
        }
        for &(register, special) in &kernel.specials {
            let value = |lane| special_value(special, self.number * LANES as u32 + lane as u32, lane as u32, context);
            self.rows[register as usize] = std::array::from_fn(value);
            self.defined[register as usize] = u32::MAX;
        }
    }

    /// Returns whether lanes can run.
    pub fn can_run(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Puts lanes to those that can run.
    pub fn put(&mut self, group: Group) {
        match self.groups.iter_mut().find(|other| other.at == group.at) {
            Some(other) => other.lanes |= group.lanes,
            None => self.groups.push(group),
        }
    }

    /// Lets all lanes go on from the block's barrier.
    pub fn leave_barrier(&mut self, context: &Context<'_>) {
        for group in std::mem::take(&mut self.at_barrier) {
            self.put(Group { at: group.at + 1, lanes: group.lanes });
        }
        self.clocks = Clocks::new(&context.acquired);
    }

    /// Runs some instructions. Lanes that are behind run first, so that lanes meet again; at times a random group does.
    ///
    /// # Errors
    /// A fault that was found.
    pub fn run(&mut self, mut steps: u32, context: &mut Context<'_>) -> Result<(), Error> {
        let kernel = context.kernel;
        let in_order = self.groups.len() < 2 || context.random.below(8) > 0;
        while steps > 0 && !self.groups.is_empty() {
            let first = |groups: &[Group]| (0..groups.len()).min_by_key(|&i| groups[i].at).unwrap_or(0);
            let chosen = if in_order { first(&self.groups) } else { context.random.below(self.groups.len()) };
            let mut group = self.groups.swap_remove(chosen);
            let next = self.groups.iter().map(|group| group.at).min().filter(|_| in_order).unwrap_or(u32::MAX);
            while steps > 0 && group.at < next && group.lanes != 0 {
                let instruction = &kernel.code[group.at as usize];
                steps -= 1;
                self.count(group, instruction, context)?;
                let lanes = match instruction.guard {
                    None => group.lanes,
                    Some(guard) => self
                        .holding(guard, group.lanes)
                        .map_err(|mistake| self.fault(mistake, instruction.line, context))?,
                };
                match &instruction.op {
                    Op::Branch { to } if lanes == group.lanes => group.at = *to,
                    Op::Branch { .. } if lanes == 0 => group.at += 1,
                    Op::Branch { to } => {
                        self.put(Group { at: *to, lanes });
                        self.put(Group { at: group.at + 1, lanes: group.lanes & !lanes });
                        group.lanes = 0;
                    }
                    Op::Exit => {
                        self.end(lanes, instruction.line, context)?;
                        group = Group { at: group.at + 1, lanes: group.lanes & !lanes };
                    }
                    Op::Barrier { .. } if lanes != 0 => {
                        self.at_barrier.push(Group { at: group.at, lanes });
                        group = Group { at: group.at + 1, lanes: group.lanes & !lanes };
                    }
                    Op::Collective { what, lanes: named } if lanes != 0 => {
                        let stays =
                            self.meet(what, *named, Group { at: group.at, lanes }, instruction.line, context)?;
                        group = Group { at: group.at + 1, lanes: group.lanes & !lanes | stays };
                    }
                    op => {
                        if lanes != 0 {
                            self.execute(op, lanes, context)
                                .map_err(|mistake| self.fault(mistake, instruction.line, context))?;
                        }
                        group.at += 1;
                    }
                }
            }
            if group.lanes != 0 {
                self.put(group);
            }
        }
        Ok(())
    }

    fn count(&mut self, group: Group, instruction: &Instruction, context: &mut Context<'_>) -> Result<(), Error> {
        context.counts.instructions += u64::from(group.lanes.count_ones());
        match self.budget.checked_sub(1) {
            Some(left) => self.budget = left,
            None => {
                let mistake = Mistake("the warp ran more instructions than the budget allows: an endless loop?".into());
                let lane = group.lanes.trailing_zeros();
                return Err(self.fault(LaneMistake { lane, mistake }, instruction.line, context));
            }
        }
        Ok(())
    }

    fn end(&mut self, lanes: u32, line: u32, context: &Context<'_>) -> Result<(), Error> {
        if let Some(copy) = self.copies.iter().find(|copy| lanes >> copy.lane & 1 == 1) {
            let mistake = Mistake("the thread ends, and nobody waited for its `cp.async`".to_owned());
            return Err(self.fault(LaneMistake { lane: copy.lane, mistake }, line, context));
        }
        self.ended |= lanes;
        Ok(())
    }

    /// Returns those of some lanes where a truth value holds.
    ///
    /// # Errors
    /// A lane where nobody wrote it.
    pub fn holding(&self, truth: Truth, lanes: u32) -> Result<u32, LaneMistake> {
        let unknown = lanes & !self.truths_defined[truth.register as usize];
        if unknown != 0 {
            return Err(unwritten(unknown));
        }
        let bits = self.truths[truth.register as usize];
        Ok(lanes & if truth.is_negated { !bits } else { bits })
    }

    /// Returns an error that names the place.
    pub fn fault(&self, mistake: LaneMistake, line: u32, context: &Context<'_>) -> Error {
        let LaneMistake { lane, mistake } = mistake;
        let thread = self.number * LANES as u32 + lane;
        let (kernel, block) = (&context.kernel.name, context.position);
        Error::Fault(format!("{kernel}, PTX line {line}, block {block:?}, thread {thread}: {mistake}"))
    }
}

/// The mistake that the lowest of some lanes reads a register that has no value.
pub fn unwritten(lanes: u32) -> LaneMistake {
    let mistake = Mistake("a read of a register that nobody wrote".to_owned());
    LaneMistake { lane: lanes.trailing_zeros(), mistake }
}

fn special_value(special: Special, thread: u32, lane: u32, context: &Context<'_>) -> u64 {
    let [x, y, _] = context.block;
    let value = match special {
        Special::Thread(axis) => [thread % x, thread / x % y, thread / x / y][axis],
        Special::Threads(axis) => context.block[axis],
        Special::Block(axis) => context.position[axis],
        Special::Blocks(axis) => context.grid[axis],
        Special::Lane => lane,
        Special::Lanes(relation) => {
            let below = (1u32 << lane) - 1;
            match relation {
                Relation::Equal => 1 << lane,
                Relation::Less => below,
                Relation::LessOrEqual => below | 1 << lane,
                Relation::Greater => !(below | 1 << lane),
                Relation::GreaterOrEqual => !below,
            }
        }
    };
    value.into()
}
