//! What a fork of the process needs: no call in progress, and new threads in the child.
//!
//! A child has the memory of its parent but only the thread that forked. A lock that another thread held is never given
//! back there, and the pool has no threads. So a fork waits for calls in progress, and the child makes threads anew.

use pyo3::prelude::*;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Calls in progress, and whether a fork lets none begin.
struct Gate {
    inside: usize,
    closed: bool,
}

static GATE: Mutex<Gate> = Mutex::new(Gate { inside: 0, closed: false });
static CHANGED: Condvar = Condvar::new();

fn gate() -> MutexGuard<'static, Gate> {
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that no fork may interrupt.
pub struct Inside;

/// Begins a call that no fork may interrupt. Call it without Python's lock: it may wait.
pub fn enter() -> Inside {
    let mut gate = gate();
    while gate.closed {
        gate = CHANGED.wait(gate).unwrap_or_else(PoisonError::into_inner);
    }
    gate.inside += 1;
    Inside
}

impl Drop for Inside {
    fn drop(&mut self) {
        gate().inside -= 1;
        CHANGED.notify_all();
    }
}

/// Waits until no call is in progress, and lets none begin.
#[pyfunction]
pub fn before_fork(py: Python<'_>) {
    py.detach(|| {
        let mut gate = gate();
        while gate.inside > 0 || gate.closed {
            gate = CHANGED.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        gate.closed = true;
    });
}

/// Lets calls begin again.
#[pyfunction]
pub fn after_fork_in_parent() {
    gate().closed = false;
    CHANGED.notify_all();
}

/// Lets calls begin in the child, with threads of its own.
#[pyfunction]
pub fn after_fork_in_child() {
    tagsmith_kernel::forget_threads();
    gate().closed = false;
}
