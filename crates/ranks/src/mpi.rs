//! The engine of a build with MPI: ranks of an MPI job.

use crate::message::Message;
use mpi::Threading;
use mpi::datatype::PartitionMut;
use mpi::environment::{Universe, initialize_with_threading, library_version};
use mpi::request::{self, WaitGuard};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Source};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

pub const NAME: &str = "MPI";

/// Bytes that are gathered in one round, in all: MPI counts in 31 bits.
const ROUND_BYTES: usize = 1 << 30;

/// A job that this process has joined.
pub struct Joined {
    ranks: SimpleCommunicator,
    /// Ends MPI when it is dropped, after everything else.
    _universe: Universe,
}

impl Joined {
    /// Joins the job. Calls come from this thread only, so that MPI needs no locks.
    pub fn join() -> Result<Option<Joined>, String> {
        let Some((universe, threading)) = initialize_with_threading(Threading::Funneled) else {
            panic!("ranks: a process joins once");
        };
        if threading < Threading::Funneled {
            return Err(format!("{} does not allow other threads beside its own: use another MPI", version()));
        }
        Ok(Some(Joined { ranks: universe.world(), _universe: universe }))
    }

    pub fn rank(&self) -> usize {
        self.ranks.rank() as usize
    }

    pub fn size(&self) -> usize {
        self.ranks.size() as usize
    }

    pub fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let size = self.size();
        let mut counts = vec![0u64; size];
        self.ranks.all_gather_into(&(bytes.len() as u64), &mut counts[..]);
        let most = ROUND_BYTES / size;
        let mut gathered: Vec<Vec<u8>> = counts.iter().map(|&count| Vec::with_capacity(count as usize)).collect();
        let rounds = counts.iter().map(|&count| (count as usize).div_ceil(most)).max().unwrap_or(0);
        for round in 0..rounds {
            let part = |count: usize| round * most..count.min((round + 1) * most).max(round * most);
            let lengths: Vec<i32> = counts.iter().map(|&count| part(count as usize).len() as i32).collect();
            let starts: Vec<i32> = lengths
                .iter()
                .scan(0, |end, length| {
                    *end += length;
                    Some(*end - length)
                })
                .collect();
            let mut all = vec![0u8; lengths.iter().sum::<i32>() as usize];
            let mine = if part(bytes.len()).is_empty() { &[] } else { &bytes[part(bytes.len())] };
            self.ranks.all_gather_varcount_into(mine, &mut PartitionMut::new(&mut all[..], &lengths[..], &starts[..]));
            let mut rest = &all[..];
            for (length, to) in lengths.into_iter().zip(&mut gathered) {
                let (part, after) = rest.split_at(length as usize);
                to.extend_from_slice(part);
                rest = after;
            }
        }
        gathered
    }

    pub fn during<T>(&self, messages: Vec<Message<'_>>, work: impl FnOnce() -> T) -> (T, Duration) {
        request::scope(|scope| {
            let mut underway = Vec::new();
            let process = |rank: usize| self.ranks.process_at_rank(rank as i32);
            // Between two ranks messages are matched in the order in which both begin them.
            for message in messages {
                match message {
                    Message::To(ranks, floats) => {
                        let sent = ranks.into_iter().map(|rank| process(rank).immediate_send(scope, floats));
                        underway.extend(sent.map(WaitGuard::from));
                    }
                    Message::From(rank, floats) => {
                        underway.push(WaitGuard::from(process(rank).immediate_receive_into(scope, floats)));
                    }
                }
            }
            let value = work();
            let began = Instant::now();
            drop(underway);
            (value, began.elapsed())
        })
    }

    pub fn abort(&self, status: i32) -> ! {
        self.ranks.abort(status)
    }

    pub fn redirect_output(&self) -> io::Result<Box<dyn Write + Send>> {
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdout(&nowhere)?;
        rustix::stdio::dup2_stderr(&nowhere)?;
        Ok(Box::new(stderr))
    }
}

/// Moves messages on: MPI does that whenever it is called.
pub fn progress() {
    SimpleCommunicator::world().any_process().immediate_probe();
}

pub fn library() -> Option<String> {
    Some(version())
}

/// Returns the first line of the library's description of itself.
fn version() -> String {
    let version = library_version().unwrap_or_default();
    version.lines().next().unwrap_or("MPI").trim_end_matches('\0').to_owned()
}
