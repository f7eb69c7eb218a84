//! How fast the model reads, and how much is promised.

use std::collections::BTreeMap;
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

/// What is promised: the pieces that each request has still to be read, and the bytes of its texts.
#[derive(Debug, Default)]
pub struct Ledger {
    requests: BTreeMap<u64, (usize, usize)>,
    bytes: usize,
}

impl Ledger {
    /// Enters a request.
    pub fn enter(&mut self, number: u64, pieces: usize, bytes: usize) {
        self.requests.insert(number, (pieces, bytes));
        self.bytes += bytes;
    }

    /// Corrects the pieces that a request has still to be read.
    pub fn correct(&mut self, number: u64, pieces: usize) {
        if let Some(request) = self.requests.get_mut(&number) {
            request.0 = pieces;
        }
    }

    /// Strikes a request out.
    pub fn strike(&mut self, number: u64) {
        if let Some((_, bytes)) = self.requests.remove(&number) {
            self.bytes -= bytes;
        }
    }

    /// Counts the pieces that are read before a new request of `pieces` has its last: requests take turns, so of each other
    /// one as many as of the new one at most.
    pub fn ahead_of(&self, pieces: usize) -> usize {
        self.requests.values().map(|&(left, _)| left.min(pieces)).sum()
    }

    /// Counts the pieces of all requests.
    pub fn pieces(&self) -> usize {
        self.requests.values().map(|&(left, _)| left).sum()
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
        let mut ledger = Ledger::default();
        ledger.enter(1, 100_000, 400_000);
        ledger.enter(2, 30, 100);
        assert_eq!((ledger.ahead_of(20), ledger.pieces(), ledger.bytes()), (40, 100_030, 400_100));
        ledger.correct(1, 10);
        assert_eq!(ledger.ahead_of(20), 30);
        ledger.strike(1);
        ledger.strike(1);
        assert_eq!((ledger.ahead_of(20), ledger.bytes(), ledger.len()), (20, 100, 1));
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
