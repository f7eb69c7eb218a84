//! A job of MPI: its ranks, what they gather and the messages between them.
//!
//! The library is loaded when a launcher of several processes is there. So one program serves every MPI, and none.

pub mod find;
mod library;

use crate::launcher::Maker;
use crate::message::Message;
pub use library::progress;
use library::{Library, Session};
use std::time::{Duration, Instant};

/// Bytes that are gathered in one round, in all: MPI counts in 31 bits.
const ROUND_BYTES: usize = 1 << 30;

/// A job that this process has joined.
pub struct Joined {
    session: Session,
    name: String,
}

impl Joined {
    /// Joins the job that a launcher of this maker started. Calls come from this thread only, so that MPI needs no locks.
    ///
    /// # Errors
    /// No library is found, or the one that is found refuses.
    pub fn join(maker: Maker) -> Result<Joined, String> {
        let found = find::of(maker)?;
        let name = format!("{} ({})", found.name(), found.path.display());
        let library = Library::load(found.path.as_os_str(), true).map_err(|reason| format!("{name}: {reason}"))?;
        let session = library.begin().map_err(|reason| format!("{name}: {reason}"))?;
        Ok(Joined { session, name })
    }

    /// Returns the library's name and version, and where it was found.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn rank(&self) -> usize {
        self.session.rank()
    }

    pub fn size(&self) -> usize {
        self.session.size()
    }

    pub fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let size = self.size();
        let count = (bytes.len() as u64).to_le_bytes();
        let counts = self.session.gather(&count, &vec![count.len(); size]);
        let of = |count: &[u8]| u64::from_le_bytes(count.try_into().expect("eight bytes")) as usize;
        let counts: Vec<usize> = counts.chunks_exact(count.len()).map(of).collect();
        let most = ROUND_BYTES / size;
        let mut gathered: Vec<Vec<u8>> = counts.iter().map(|&count| Vec::with_capacity(count)).collect();
        let rounds = counts.iter().map(|count| count.div_ceil(most)).max().unwrap_or(0);
        for round in 0..rounds {
            let part = |count: usize| (round * most).min(count)..((round + 1) * most).min(count);
            let lengths: Vec<usize> = counts.iter().map(|&count| part(count).len()).collect();
            let all = self.session.gather(&bytes[part(bytes.len())], &lengths);
            let mut rest = &all[..];
            for (length, to) in lengths.into_iter().zip(&mut gathered) {
                let (part, after) = rest.split_at(length);
                to.extend_from_slice(part);
                rest = after;
            }
        }
        gathered
    }

    /// Runs `work` while the messages are underway. Returns its value, and how long they took beyond it.
    pub fn during<T>(&self, messages: Vec<Message<'_>>, work: impl FnOnce() -> T) -> (T, Duration) {
        let (mut work, mut done) = (Some(work), None);
        self.session.during(messages, &mut || {
            let value = work.take().map(|work| work());
            done = value.map(|value| (value, Instant::now()));
        });
        let (value, began) = done.expect("it works once");
        (value, began.elapsed())
    }

    pub fn abort(&self, status: i32) -> ! {
        self.session.abort(status)
    }
}
