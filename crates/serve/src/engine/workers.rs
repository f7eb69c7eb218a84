//! What there is to do beside computing, and who may do it.

use super::flow::Flow;
use super::pace::locked;
use crate::refusal::{Kind, Refusal};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes from which a request is a large one. One worker is left for those that are not.
const LARGE: usize = 16 << 10;

/// Something to do for a request.
pub enum Task {
    /// Cut its texts into windows.
    Encode(Box<Flow>),
    /// Read its entities off.
    Finish(Box<Flow>),
    /// Something else that takes a processor's time.
    Aside(Box<dyn FnOnce() + Send>),
}

/// What the workers have to do.
pub struct Workers {
    state: Mutex<State>,
    wake: Condvar,
    /// Workers that may have large requests at a time.
    large_max: usize,
}

#[derive(Default)]
struct State {
    small: VecDeque<Task>,
    large: VecDeque<Task>,
    /// Workers that have a large request.
    busy: usize,
    is_closed: bool,
}

impl Workers {
    pub fn new(count: usize) -> Workers {
        Workers { state: Mutex::default(), wake: Condvar::new(), large_max: count.saturating_sub(1).max(1) }
    }

    /// Gives the workers a task about texts of some bytes.
    pub fn give(&self, task: Task, bytes: usize) {
        let mut state = locked(&self.state);
        if state.is_closed {
            return;
        }
        let list = if bytes >= LARGE { &mut state.large } else { &mut state.small };
        list.push_back(task);
        drop(state);
        // The one that wakes may be one that has no turn for a large request.
        self.wake.notify_all();
    }

    /// Returns the next task, and whether it is a large one; none after the end.
    pub fn next(&self) -> Option<(Task, bool)> {
        let mut state = locked(&self.state);
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(task) = state.small.pop_front() {
                return Some((task, false));
            }
            if state.busy < self.large_max
                && let Some(task) = state.large.pop_front()
            {
                state.busy += 1;
                return Some((task, true));
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Hears that a task is done.
    pub fn done(&self, was_large: bool) {
        if was_large {
            locked(&self.state).busy -= 1;
            self.wake.notify_all();
        }
    }

    /// Ends the workers and drops what they had to do.
    pub fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        let dropped = (std::mem::take(&mut state.small), std::mem::take(&mut state.large));
        drop(state);
        drop(dropped);
        self.wake.notify_all();
    }
}

/// Runs work whose panic is a mistake of this program and fails one request alone.
pub fn caught<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let mistake =
        |_| Err(Refusal::new(Kind::Internal, "a mistake of this program: its log on standard error has more"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(mistake)
}

/// Returns the refusal of an engine that is closed.
pub fn closing() -> Refusal {
    Refusal::new(Kind::Unavailable, "the server is ending").after(1)
}
