//! How fast the model reads, and how much is promised.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of text that are a piece, where nobody has counted yet. English has some four letters a piece.
const BYTES_OF_A_PIECE: usize = 3;

/// What is left of earlier measurements after another one.
const DECAY: f64 = 0.95;

/// Returns how many pieces a text of some bytes is taken for before it is cut.
pub fn guess(bytes: usize) -> usize {
    bytes / BYTES_OF_A_PIECE + 2
}

/// Pieces that were read of late, and the time it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    pieces: f64,
    seconds: f64,
}

impl Pace {
    /// Takes in a batch.
    pub fn measure(&mut self, pieces: usize, time: Duration) {
        self.pieces = self.pieces * DECAY + pieces as f64;
        self.seconds = self.seconds * DECAY + time.as_secs_f64();
    }

    /// Returns the time that some pieces take; none as long as nothing was measured.
    pub fn time(self, pieces: usize) -> Duration {
        if self.pieces == 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(pieces as f64 * self.seconds / self.pieces).unwrap_or(Duration::MAX)
    }
}

/// Returns what a mutex guards. A thread that panicked leaves it whole: no guard is held across foreign code.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is promised: the pieces that each request has still to be read, and the bytes of its texts.
#[derive(Debug, Default)]
pub struct Ledger {
    requests: BTreeMap<u64, Promised>,
    next: u64,
    bytes: usize,
}

/// What one request was promised.
#[derive(Clone, Copy, Debug)]
struct Promised {
    pieces: usize,
    windows: usize,
    bytes: usize,
}

/// A request's place in the ledger, which goes with it.
pub struct Entry {
    ledger: Arc<Mutex<Ledger>>,
    number: u64,
}

impl Entry {
    /// Corrects what is still to be read.
    pub fn correct(&self, pieces: usize, windows: usize) {
        if let Some(request) = locked(&self.ledger).requests.get_mut(&self.number) {
            (request.pieces, request.windows) = (pieces, windows);
        }
    }

    /// Strikes the request out.
    pub fn strike(&self) {
        locked(&self.ledger).strike(self.number);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.strike();
    }
}

impl Ledger {
    /// Enters a request. Nobody holds the ledger.
    pub fn enter(ledger: &Arc<Mutex<Ledger>>, pieces: usize, bytes: usize) -> Entry {
        let mut own = locked(ledger);
        own.next += 1;
        own.bytes += bytes;
        let number = own.next;
        own.requests.insert(number, Promised { pieces, windows: 0, bytes });
        drop(own);
        Entry { ledger: ledger.clone(), number }
    }

    fn strike(&mut self, number: u64) {
        if let Some(request) = self.requests.remove(&number) {
            self.bytes -= request.bytes;
        }
    }

    /// Counts the pieces that are read before a new request of `pieces` has its last. Requests take turns: of each other one
    /// as many are read as of the new one, at most.
    pub fn ahead_of(&self, pieces: usize) -> usize {
        self.requests.values().map(|request| request.pieces.min(pieces)).sum()
    }

    /// Counts the pieces of all requests that are still to be read.
    pub fn pieces(&self) -> usize {
        self.requests.values().map(|request| request.pieces).sum()
    }

    /// Counts the windows of all requests that are still to be read.
    pub fn windows(&self) -> usize {
        self.requests.values().map(|request| request.windows).sum()
    }

    /// Counts the bytes of all requests.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts the requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_request_waits_for_little_of_a_long_one() {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let long = Ledger::enter(&ledger, 100_000, 400_000);
        let short = Ledger::enter(&ledger, 30, 100);
        let figures = || {
            let ledger = locked(&ledger);
            (ledger.ahead_of(20), ledger.pieces(), ledger.bytes(), ledger.len())
        };
        assert_eq!(figures(), (40, 100_030, 400_100, 2));
        long.correct(10, 1);
        assert_eq!(figures(), (30, 40, 400_100, 2));
        long.strike();
        drop(long);
        assert_eq!(figures(), (20, 30, 100, 1));
        drop(short);
        assert_eq!(figures(), (0, 0, 0, 0));
    }

    #[test]
    fn the_pace_follows_what_is_measured() {
        let mut pace = Pace::default();
        assert_eq!(pace.time(1 << 30), Duration::ZERO);
        pace.measure(1000, Duration::from_secs(1));
        assert_eq!(pace.time(500), Duration::from_millis(500));
        (0..200).for_each(|_| pace.measure(1000, Duration::from_secs(2)));
        assert!((pace.time(1000).as_secs_f64() - 2.0).abs() < 0.01);
    }
}
