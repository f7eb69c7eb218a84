//! Ranks: several processes that compute together, exchange numbers and sum them.
//!
//! Messages are MPI's: the feature `mpi` links it, and without the feature there is one rank. Crates above see the
//! difference only in [`World::size`]. All ranks make the same calls in the same order, from the thread that joined.
//!
//! MPI does not add numbers, since it does not promise an order of additions. Parts travel, and the rank that receives
//! them adds them in the order of ranks. So a sum's bits are a function of its parts and of the number of ranks.
//!
//! # What this crate does not do
//! It has no sockets, and it does not start processes: a launcher does.

#[cfg(not(feature = "mpi"))]
mod alone;
pub mod launcher;
mod message;
#[cfg(feature = "mpi")]
mod mpi;

#[cfg(feature = "mpi")]
use self::mpi as engine;
use crate::launcher::Launcher;
pub use crate::message::Message;
#[cfg(not(feature = "mpi"))]
use alone as engine;
use engine::Joined;
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
        if !launcher.starts_mpi() || library().is_none() {
            return launcher.refuse_several(library().is_some()).map(|()| World::alone());
        }
        let world = World { joined: Joined::join()?, waited: Cell::default() };
        if world.size() != launcher.size() {
            return Err(format!(
                "{} started {} processes, but {} sees {}: use the launcher of that MPI",
                launcher.name(),
                launcher.size(),
                engine::NAME,
                world.size()
            ));
        }
        Ok(world)
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
            Some(joined) if !self.is_first() => joined.redirect_output().map(Some),
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

/// Lets the messages of [`World::during`] move on. The `work` of that call calls it now and then, on the thread that
/// joined.
pub fn progress() {
    engine::progress();
}

/// Returns the name and version of the MPI that this build can join, if there is one.
pub fn library() -> Option<String> {
    engine::library()
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
