//! Ranks: several processes that compute together, exchange numbers and sum them.
//!
//! Messages are MPI's, whose library is loaded when a launcher has started several processes. Crates above see the difference
//! only in [`World::size`]. All ranks make the same calls in the same order, from the thread that joined.
//!
//! MPI does not add numbers, since it does not promise an order of additions. Parts travel, and the rank that receives
//! them adds them in the order of ranks. So a sum's bits are a function of its parts and of the number of ranks.
//!
//! # What this crate does not do
//! It has no sockets, and it does not start processes: a launcher does.

pub mod launcher;
mod message;
mod mpi;
mod output;

use crate::launcher::Launcher;
pub use crate::message::Message;
pub use mpi::progress;
use mpi::{Joined, find};
use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, Instant};

/// All ranks of a job, as this process sees them.
pub struct World {
    joined: Option<Joined>,
    waited: Cell<Duration>,
}

impl World {
    /// Makes a world of one rank, this process.
    pub fn alone() -> World {
        World { joined: None, waited: Cell::default() }
    }

    /// Joins the job that a launcher started this process for; without a launcher the process is alone. Only the calling
    /// thread may use the world.
    ///
    /// # Errors
    /// A launcher that started several processes which cannot compute together; the error names the right command.
    pub fn join() -> Result<World, String> {
        World::join_as(&Launcher::of_this_process())
    }

    fn join_as(launcher: &Launcher) -> Result<World, String> {
        if launcher.size() <= 1 {
            return Ok(World::alone());
        }
        let Some(maker) = launcher.maker() else { return Err(launcher.without_mpi()) };
        let joined = Joined::join(maker).map_err(|reason| launcher.refusal(&reason))?;
        if joined.size() != launcher.size() {
            let problem = format!("{} sees {}: use the launcher of that MPI", joined.name(), joined.size());
            return Err(launcher.refusal(&problem));
        }
        Ok(World { joined: Some(joined), waited: Cell::default() })
    }

    /// Returns the MPI that this rank has joined: its name, its version, and where its library is. `None` of a process alone.
    pub fn mpi(&self) -> Option<&str> {
        self.joined.as_ref().map(Joined::name)
    }

    /// Returns the number of this process, counted from 0.
    pub fn rank(&self) -> usize {
        self.joined.as_ref().map_or(0, Joined::rank)
    }

    /// Returns how many ranks there are.
    pub fn size(&self) -> usize {
        self.joined.as_ref().map_or(1, Joined::size)
    }

    /// Whether this is the rank that prints and writes.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Returns the bytes of every rank, in the order of ranks, on every rank.
    pub fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        match &self.joined {
            None => vec![bytes.to_vec()],
            Some(joined) => self.waiting(|| joined.gather(bytes)),
        }
    }

    /// Returns the numbers of every rank, in the order of ranks, on every rank. Each rank has equally many.
    pub fn gather_numbers(&self, numbers: &[f64]) -> Vec<Vec<f64>> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let of = |bytes: Vec<u8>| bytes.chunks_exact(8).map(number).collect();
        self.gather(&bytes).into_iter().map(of).collect()
    }

    /// Returns the sum over ranks, in their order, on every rank. Counts below 2⁵³ are exact.
    pub fn sum(&self, number: f64) -> f64 {
        self.gather_numbers(&[number]).iter().map(|numbers| numbers[0]).sum()
    }

    /// Waits until every rank is here.
    pub fn barrier(&self) {
        self.gather(&[]);
    }

    /// Runs `work` while the messages are underway, and returns when both are over.
    ///
    /// # Panics
    /// If there is one rank.
    pub fn during<T>(&self, messages: Vec<Message<'_>>, work: impl FnOnce() -> T) -> T {
        let Some(joined) = &self.joined else { panic!("ranks: one alone has nobody to exchange with") };
        let (value, waited) = joined.during(messages, work);
        self.waited.set(self.waited.get() + waited);
        value
    }

    /// Ends all ranks of a job at once, with this exit status. Returns if this process is alone.
    pub fn abort(&self, status: i32) {
        if let Some(joined) = &self.joined {
            joined.abort(status);
        }
    }

    /// Returns the seconds that this rank has spent waiting for others and for messages.
    pub fn waited(&self) -> f64 {
        self.waited.get().as_secs_f64()
    }

    /// Discards what this process prints from now on, unless it is the first rank. Returns stderr as it was, for a last
    /// message; `None` for the first rank, which goes on printing.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn redirect_output(&self) -> std::io::Result<Option<Box<dyn Write + Send>>> {
        match &self.joined {
            Some(_) if !self.is_first() => output::discard().map(Some),
            _ => Ok(None),
        }
    }

    /// Runs `work` and counts its time as waiting.
    fn waiting<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let value = work();
        self.waited.set(self.waited.get() + began.elapsed());
        value
    }
}

/// Returns the MPI libraries that a job could join, each with its name, its version and where it is. They are loaded, and
/// not begun.
///
/// # Errors
/// There is none, or this program cannot load libraries.
pub fn libraries() -> Result<Vec<String>, String> {
    let named = |found: &find::Found| format!("{} ({})", found.name(), found.path.display());
    find::all().map(|all| all.iter().map(named).collect())
}

/// Returns whether this program can load an MPI library: a static one cannot.
pub fn can_load_mpi() -> bool {
    find::can_load().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rank_is_everybody() {
        let world = World::alone();
        assert_eq!((world.rank(), world.size(), world.is_first()), (0, 1, true));
        assert_eq!(world.gather(b"mine"), [b"mine"]);
        assert_eq!(world.gather_numbers(&[1.5, -0.0]), [[1.5, -0.0]]);
        assert_eq!(world.sum(0.1), 0.1);
        assert!(world.redirect_output().unwrap().is_none());
        assert_eq!(world.waited(), 0.0);
    }
}
