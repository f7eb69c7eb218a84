//! Requests take turns.
//!
//! A request that had no turn yet is *fresh*; one that needs more than a turn *waits*. A batch is of fresh requests or of
//! waiting ones, in turns while there are both. So a short request is computed with other short ones, after one turn of the
//! waiting ones at most. Those that wait get every other batch, at least.

use super::flow::Flow;
use super::pace::locked;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

/// A turn of the waiting ones is this part of a batch. Products are at full speed from some 500 pieces on.
const TURNS_OF_A_BATCH: usize = 4;

/// Requests whose windows can be computed.
pub struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// Rows of a batch, at most.
    batch: usize,
    /// Rows of one request's share of a batch, at most.
    turn: usize,
}

#[derive(Default)]
struct State {
    fresh: VecDeque<Box<Flow>>,
    waiting: VecDeque<Box<Flow>>,
    /// Whether the last batch was of fresh requests.
    was_fresh: bool,
    is_closed: bool,
}

/// A request's windows in a batch.
pub struct Turn {
    pub flow: Box<Flow>,
    /// The inputs' numbers, and the windows' numbers in them.
    pub windows: Vec<(usize, usize)>,
}

impl Queue {
    pub fn new(batch: usize) -> Queue {
        let turn = (batch / TURNS_OF_A_BATCH).max(1);
        Queue { state: Mutex::default(), wake: Condvar::new(), batch, turn }
    }

    /// Puts a request in that had no turn yet.
    pub fn enter(&self, flow: Box<Flow>) {
        self.put(flow, |state| &mut state.fresh);
    }

    /// Puts a request back that needs more turns.
    pub fn come_back(&self, flow: Box<Flow>) {
        self.put(flow, |state| &mut state.waiting);
    }

    fn put(&self, flow: Box<Flow>, list: impl FnOnce(&mut State) -> &mut VecDeque<Box<Flow>>) {
        let mut state = locked(&self.state);
        if !state.is_closed {
            list(&mut state).push_back(flow);
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Returns the next batch, as soon as there is one; none after the end.
    pub fn next(&self) -> Option<Vec<Turn>> {
        let mut state = locked(&self.state);
        loop {
            if state.is_closed {
                return None;
            }
            let batch = self.take(&mut state);
            if !batch.is_empty() {
                return Some(batch);
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn take(&self, state: &mut State) -> Vec<Turn> {
        // Work that nobody waits for goes.
        state.fresh.retain(|flow| !flow.is_given_up());
        state.waiting.retain(|flow| !flow.is_given_up());
        let of_fresh = !state.fresh.is_empty() && (state.waiting.is_empty() || !state.was_fresh);
        state.was_fresh = of_fresh;
        let (list, mut left) = if of_fresh { (&mut state.fresh, self.batch) } else { (&mut state.waiting, self.turn) };
        let mut batch: Vec<Turn> = Vec::new();
        let mut at = 0;
        while let Some(flow) = list.get(at) {
            let fits = match (batch.first(), flow.first()) {
                (Some(first), Some(own)) => own.shares_batches_with(first.flow.encoded(first.windows[0].0)),
                (None, Some(_)) => true,
                (_, None) => unreachable!("queue: a request without windows"),
            };
            if !fits {
                at += 1;
                continue;
            }
            let windows = flow.turn(self.turn.min(left));
            let rows: usize = windows.iter().map(|&(part, window)| flow.encoded(part).rows(window)).sum();
            if !batch.is_empty() && rows > left {
                break;
            }
            let flow = list.remove(at).expect("queue: it was there");
            batch.push(Turn { flow, windows });
            left = left.saturating_sub(rows);
            if left == 0 {
                break;
            }
        }
        batch
    }

    /// Ends the queue and everything in it.
    pub fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        let dropped: Vec<Box<Flow>> = std::mem::take(&mut state.fresh).into_iter().collect();
        let more: Vec<Box<Flow>> = std::mem::take(&mut state.waiting).into_iter().collect();
        drop(state);
        drop((dropped, more));
        self.wake.notify_all();
    }
}
