//! Several processes that compute together, each one a rank: who is who, what all know, what is summed.
//!
//! Messages are MPI's: the feature `mpi` links it, and without the feature there is one rank. Nobody above this crate
//! can tell the difference but by [`World::size`]. All ranks make the same calls in the same order, from the thread
//! that joined.
//!
//! No sum is left to MPI, whose order of additions is its own affair: parts travel, and whoever receives them adds them
//! in the order of ranks. So a sum's bits are a function of its parts and of how many ranks there are.

#[cfg(feature = "mpi")]
#[path = "mpi.rs"]
mod engine;
#[cfg(not(feature = "mpi"))]
#[path = "alone.rs"]
mod engine;
pub mod launcher;

use engine::Joined;
use launcher::Launcher;
use std::cell::Cell;
use std::io::Write;
use std::time::{Duration, Instant};

/// All ranks of a job, as one of them sees them.
pub struct World {
    joined: Option<Joined>,
    waited: Cell<Duration>,
}

/// Floats that are underway while something else is computed. A rank's `send` is cut into as many equal parts as there
/// are ranks.
#[derive(Debug)]
pub enum Transfer<'a> {
    /// Part j goes to rank j; part j of `receive` comes from rank j.
    Exchange {
        /// One part for each rank.
        send: &'a [f32],
        /// One part from each rank.
        receive: &'a mut [f32],
    },
    /// All of `send` goes to every rank; part j of `receive` is rank j's.
    Gather {
        /// The same for all.
        send: &'a [f32],
        /// What each rank sent.
        receive: &'a mut [f32],
    },
}

impl World {
    /// One rank, this process.
    pub fn alone() -> World {
        World { joined: None, waited: Cell::default() }
    }

    /// Joins the job that a launcher started this process for; without one it is alone. The calling thread is the one
    /// that may use the world.
    ///
    /// # Errors
    /// A launcher of several processes that cannot compute together, with the command that can.
    pub fn join() -> Result<World, String> {
        World::join_as(&Launcher::of_this_process())
    }

    fn join_as(launcher: &Launcher) -> Result<World, String> {
        if !launcher.starts_mpi() {
            return launcher.refuse_several().map(|()| World::alone());
        }
        let world = World { joined: Joined::join(launcher)?, waited: Cell::default() };
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

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.joined.as_ref().map_or(0, Joined::rank)
    }

    /// How many ranks there are.
    pub fn size(&self) -> usize {
        self.joined.as_ref().map_or(1, Joined::size)
    }

    /// Whether this is the rank that prints and writes.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// The bytes of every rank, in the order of ranks, on every rank.
    pub fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        match &self.joined {
            None => vec![bytes.to_vec()],
            Some(joined) => self.waiting(|| joined.gather(bytes)),
        }
    }

    /// The numbers of every rank, in the order of ranks, on every rank; each rank has as many.
    pub fn gather_numbers(&self, numbers: &[f64]) -> Vec<Vec<f64>> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let of = |bytes: Vec<u8>| bytes.chunks_exact(8).map(number).collect();
        self.gather(&bytes).into_iter().map(of).collect()
    }

    /// The sum over ranks, in their order, on every rank. Counts below 2⁵³ are exact.
    pub fn sum(&self, number: f64) -> f64 {
        self.gather_numbers(&[number]).iter().map(|numbers| numbers[0]).sum()
    }

    /// Waits until every rank is here.
    pub fn barrier(&self) {
        self.gather(&[]);
    }

    /// Runs `work` while the transfers are underway; both are over when it returns. The transfers of all ranks have the
    /// same kinds and sizes.
    ///
    /// # Panics
    /// If there is one rank, or a buffer has not a part for each.
    pub fn during<T>(&self, transfers: Vec<Transfer<'_>>, work: impl FnOnce() -> T) -> T {
        let Some(joined) = &self.joined else { panic!("ranks: one alone has nobody to exchange with") };
        for transfer in &transfers {
            let (Transfer::Exchange { send, receive } | Transfer::Gather { send, receive }) = transfer;
            let parts = if matches!(transfer, Transfer::Gather { .. }) { self.size() } else { 1 };
            assert_eq!(receive.len(), parts * send.len(), "ranks: what is sent is received");
            assert!(receive.len().is_multiple_of(self.size()), "ranks: each has an equal part");
        }
        let (value, waited) = joined.during(transfers, work);
        self.waited.set(self.waited.get() + waited);
        value
    }

    /// Ends all ranks at once with this exit status.
    pub fn abort(&self, status: i32) -> ! {
        match &self.joined {
            None => std::process::exit(status),
            Some(joined) => joined.abort(status),
        }
    }

    /// Seconds that this rank has spent waiting for others and for messages.
    pub fn waited(&self) -> f64 {
        self.waited.get().as_secs_f64()
    }

    /// From now on what this process prints is not shown; returns stderr as it was, for its last words. `None` if it
    /// is the first rank, which goes on printing.
    ///
    /// # Errors
    /// What the system says.
    pub fn hush(&self) -> std::io::Result<Option<Box<dyn Write + Send>>> {
        match &self.joined {
            Some(joined) if !self.is_first() => joined.hush().map(Some),
            _ => Ok(None),
        }
    }

    fn waiting<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let value = work();
        self.waited.set(self.waited.get() + began.elapsed());
        value
    }
}

/// Lets the messages of [`World::during`] move on: to be called now and then by its `work`, on the thread that joined.
pub fn progress() {
    engine::progress();
}

/// What this build can join: an MPI and its version, or none.
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
        assert!(world.hush().unwrap().is_none());
        assert_eq!(world.waited(), 0.0);
    }
}
