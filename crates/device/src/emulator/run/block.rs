//! A block: its warps in a random order, until all ended.

use super::context::Context;
use super::warp::{LaneMistake, Warp, each};
use crate::Error;
use crate::emulator::memory::mistake::Mistake;
use crate::emulator::ptx::instruction::{Kernel, Op};
use crate::emulator::values::row::LANES;

/// The warps of a block, used for one block after the other.
pub struct Block {
    warps: Vec<Warp>,
    threads: u32,
    budget: u64,
}

/// A warp runs at most two to this power instructions in a row.
const LONGEST: usize = 9;

impl Block {
    /// Makes the warps of blocks of this many threads.
    pub fn new(kernel: &Kernel, threads: u32, budget: u64) -> Block {
        let lanes = LANES as u32;
        let warps = (0..threads.div_ceil(lanes)).map(|number| {
            let here = (threads - number * lanes).min(lanes);
            Warp::new(kernel, number, u32::MAX >> (lanes - here))
        });
        Block { warps: warps.collect(), threads, budget }
    }

    /// Runs a block to its end.
    ///
    /// # Errors
    /// A fault that was found.
    pub fn run(&mut self, context: &mut Context<'_>) -> Result<(), Error> {
        let located = |mistake: Mistake, context: &Context<'_>| {
            Error::Fault(format!("{}, block {:?}: {mistake}", context.kernel.name, context.position))
        };
        context.begin_block().map_err(|mistake| located(mistake, context))?;
        for warp in &mut self.warps {
            warp.start(context, self.budget);
        }
        let mut ready: Vec<usize> = (0..self.warps.len()).collect();
        loop {
            while !ready.is_empty() {
                let chosen = context.random.below(ready.len());
                let steps = 1 << context.random.below(LONGEST + 1);
                let warp = &mut self.warps[ready[chosen]];
                warp.run(steps, context)?;
                if !warp.can_run() {
                    ready.swap_remove(chosen);
                }
            }
            if self.warps.iter().all(|warp| warp.ended == warp.lanes) {
                return Ok(());
            }
            self.check_barrier(context)?;
            context.pass_barrier().map_err(|mistake| located(mistake, context))?;
            self.warps.iter_mut().for_each(|warp| warp.leave_barrier(context));
            ready.extend(0..self.warps.len());
        }
    }

    /// Checks that all threads of the block stand at one barrier.
    fn check_barrier(&self, context: &Context<'_>) -> Result<(), Error> {
        if let Some(stuck) = self.warps.iter().find_map(|warp| warp.stuck(context)) {
            return Err(stuck);
        }
        let groups = || self.warps.iter().flat_map(|warp| warp.at_barrier.iter().map(move |group| (warp, group)));
        let Some((first_warp, first)) = groups().next() else { return Ok(()) };
        let line_of = |at: u32| context.kernel.code[at as usize].line;
        let fault = |warp: &Warp, lanes: u32, line: u32, what: String| {
            let mistake = LaneMistake { lane: lanes.trailing_zeros(), mistake: Mistake(what) };
            Err(warp.fault(mistake, line, context))
        };
        if let Some((warp, other)) = groups().find(|(_, group)| group.at != first.at) {
            let what = format!("the barrier is not the one in line {} that others wait at", line_of(first.at));
            return fault(warp, other.lanes, line_of(other.at), what);
        }
        let here: u32 = groups().map(|(_, group)| group.lanes.count_ones()).sum();
        if here != self.threads {
            let what = format!("{here} of {} threads come to the barrier, and the others ended", self.threads);
            return fault(first_warp, first.lanes, line_of(first.at), what);
        }
        let Op::Barrier { number } = context.kernel.code[first.at as usize].op else { return Ok(()) };
        let mut agreed = None;
        for warp in &self.warps {
            let line = line_of(first.at);
            let numbers = warp.row(number, warp.lanes).map_err(|mistake| warp.fault(mistake, line, context))?;
            for lane in each(warp.lanes) {
                let found = numbers[lane as usize];
                if found > 15 || *agreed.get_or_insert(found) != found {
                    let what = format!("the number of the barrier is {found}: above 15, or not that of other threads");
                    return fault(warp, 1 << lane, line, what);
                }
            }
        }
        Ok(())
    }
}
