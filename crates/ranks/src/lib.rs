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
use std::ops::Range;
use std::time::{Duration, Instant};

/// All ranks of a job, as one of them sees them.
pub struct World {
    joined: Option<Joined>,
    waited: Cell<Duration>,
}

/// Floats that are underway while something else is computed. They are cut into a part for each rank: [`World::part`].
#[derive(Debug)]
pub enum Transfer<'a> {
    /// Each rank gets its part from every other.
    Exchange {
        /// What this rank has; its own part stays.
        parts: &'a [f32],
        /// This rank's part as the others have it, in their order.
        receive: &'a mut [f32],
    },
    /// Each rank's part goes to every other.
    Gather {
        /// This rank's part is sent, the others' are received.
        parts: &'a mut [f32],
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

    /// This rank's part of so many numbers: all but the last have equally many, whole cache lines.
    pub fn part(&self, len: usize) -> Range<usize> {
        part(len, self.rank(), self.size())
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
    /// If there is one rank, or what is received has no room for a part of each other.
    pub fn during<T>(&self, transfers: Vec<Transfer<'_>>, work: impl FnOnce() -> T) -> T {
        let Some(joined) = &self.joined else { panic!("ranks: one alone has nobody to exchange with") };
        for transfer in &transfers {
            if let Transfer::Exchange { parts, receive } = transfer {
                let others = (self.size() - 1) * self.part(parts.len()).len();
                assert_eq!(receive.len(), others, "ranks: a part comes from each other rank");
            }
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
    pub fn redirect_output(&self) -> std::io::Result<Option<Box<dyn Write + Send>>> {
        match &self.joined {
            Some(joined) if !self.is_first() => joined.redirect_output().map(Some),
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

/// Floats in a cache line, which no two ranks' parts share.
const LINE: usize = 16;

fn part(len: usize, rank: usize, ranks: usize) -> Range<usize> {
    let size = len.div_ceil(ranks).next_multiple_of(LINE);
    (rank * size).min(len)..((rank + 1) * size).min(len)
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
        assert!(world.redirect_output().unwrap().is_none());
        assert_eq!(world.waited(), 0.0);
    }

    #[test]
    fn each_number_is_in_one_rank_s_part() {
        for ranks in 1..6 {
            for len in [0, 1, 15, 16, 17, 64, 100, 1000] {
                let parts = (0..ranks).map(|rank| part(len, rank, ranks));
                assert_eq!(parts.flatten().collect::<Vec<_>>(), (0..len).collect::<Vec<_>>(), "{len} on {ranks}");
            }
        }
    }
}
