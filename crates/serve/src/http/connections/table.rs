//! The connections that there are, and which of them go when they must.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};

/// The connections that there are.
pub struct Table {
    all: Mutex<BTreeMap<u64, Arc<Connection>>>,
    /// When the times of connections begin.
    pub began: Instant,
    /// Places for more connections.
    pub places: Semaphore,
}

/// What is known of a connection.
pub struct Connection {
    /// Milliseconds from the table's beginning to the last byte that was read or written.
    pub last: AtomicU64,
    /// Whether the client does not take what is written.
    pub is_stuck: AtomicBool,
    /// Requests in progress: one or none.
    pub requests: AtomicUsize,
    /// Tells the connection to end.
    pub end: Notify,
}

impl Table {
    /// Returns a table of no connections.
    pub fn new(places: usize) -> Table {
        Table { all: Mutex::default(), began: Instant::now(), places: Semaphore::new(places) }
    }

    /// Returns the connections by their numbers.
    pub fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Ends the connection that has been idle for longest. Returns whether there was one.
    pub fn end_idlest(&self) -> bool {
        let all = self.all();
        let idle = all.values().filter(|it| it.requests.load(Ordering::Acquire) == 0);
        let idlest = idle.min_by_key(|it| it.last.load(Ordering::Relaxed));
        idlest.inspect(|it| it.end.notify_one()).is_some()
    }

    /// Ends connections whose clients do not take their answers.
    pub fn end_stuck(&self, patience: Duration) {
        let before = self.now().saturating_sub(patience.as_millis() as u64);
        let is_stuck =
            |it: &&Arc<Connection>| it.is_stuck.load(Ordering::Relaxed) && it.last.load(Ordering::Relaxed) < before;
        self.all().values().filter(is_stuck).for_each(|it| it.end.notify_one());
    }

    /// Counts requests in progress.
    pub fn requests(&self) -> usize {
        self.all().values().map(|it| it.requests.load(Ordering::Acquire)).sum()
    }
}
