//! Bytes with a trace of who reached them.

use super::mistake::Mistake;
use super::trace::{Actor, Kind, Trace};

/// The largest piece of memory that has one trace, as a power of two: 16 bytes.
const LARGEST: u32 = 4;

/// Bytes, and traces of pieces of them. Pieces are as small as the smallest access that there was.
#[derive(Debug)]
pub struct Tracked {
    bytes: Vec<u8>,
    len: usize,
    traces: Vec<Trace>,
    /// The size of a piece is two to this power.
    shift: u32,
}

impl Tracked {
    /// Makes bytes that nobody wrote.
    pub fn new(len: usize) -> Tracked {
        let mut tracked = Tracked { bytes: vec![0; len], len: 0, traces: Vec::new(), shift: LARGEST };
        tracked.assign(len);
        tracked
    }

    /// Returns the bytes that are used.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Uses this many of the bytes from now on, and forgets what they hold.
    pub fn assign(&mut self, len: usize) {
        self.len = len.min(self.bytes.len());
        self.shift = LARGEST;
        self.traces.clear();
        self.traces.resize(self.len.div_ceil(1 << LARGEST), Trace::default());
    }

    /// Forgets what the bytes hold, and keeps the size of pieces.
    pub fn forget(&mut self) {
        self.traces.fill(Trace::default());
    }

    /// Forgets when bytes were written and read, but not whether.
    pub fn forget_times(&mut self) {
        for trace in &mut self.traces {
            *trace = if trace.is_written() { Trace::WRITTEN } else { Trace::default() };
        }
    }

    /// Makes pieces so small that they lie wholly inside or outside of a range. A piece knows of one access at most to
    /// all its bytes, so each of its halves knows the same.
    fn refine(&mut self, from: usize, len: usize) {
        let len = if from + len == self.len { len.next_multiple_of(1 << self.shift) } else { len };
        let shift = (from | len).trailing_zeros();
        if shift < self.shift {
            let halves = 1 << (self.shift - shift);
            let traces = self.traces.iter().flat_map(|trace| std::iter::repeat_n(*trace, halves));
            self.traces = traces.collect();
            self.shift = shift;
        }
    }

    fn pieces(&mut self, from: usize, len: usize) -> &mut [Trace] {
        self.refine(from, len);
        let end = (from + len).div_ceil(1 << self.shift);
        &mut self.traces[from >> self.shift..end]
    }

    /// Takes note of an access of a thread, inside the bytes that are used. Returns how many of them the launch had not
    /// reached in this way.
    ///
    /// # Errors
    /// A race; a read of what nobody wrote.
    pub fn note(&mut self, from: usize, len: usize, kind: Kind, actor: &Actor<'_>) -> Result<u64, Mistake> {
        let mut first = 0;
        for trace in self.pieces(from, len) {
            first += u64::from(trace.note(kind, actor)?);
        }
        Ok((first << self.shift).min(len as u64))
    }

    /// Returns bytes, without taking note of it.
    pub fn bytes(&self, from: usize, len: usize) -> &[u8] {
        &self.bytes[from..from + len]
    }

    /// Returns bytes to write, without taking note of it.
    pub fn bytes_mut(&mut self, from: usize, len: usize) -> &mut [u8] {
        &mut self.bytes[from..from + len]
    }

    /// Takes note that the host wrote bytes.
    pub fn host_writes(&mut self, from: usize, len: usize) {
        self.pieces(from, len).fill(Trace::WRITTEN);
    }

    /// Finds the first byte of a range that nobody wrote.
    pub fn unwritten(&self, from: usize, len: usize) -> Option<usize> {
        let pieces = from >> self.shift..(from + len).div_ceil(1 << self.shift);
        let found = self.traces[pieces.clone()].iter().position(|trace| !trace.is_written())?;
        Some(((pieces.start + found) << self.shift).max(from))
    }
}
