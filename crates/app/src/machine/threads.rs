//! How many threads to compute with: one a physical core that this process may use.
//!
//! Of the cores that other ranks may use as well, it takes a share. Two threads of one core share its arithmetic units, which a matrix product keeps busy alone.

use super::neighbors;
use crate::error::refusal;
use crate::events::Events;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, thread};
use tagsmith_message::{Remedy, Setting, counted};
use tagsmith_ranks::World;

/// Threads that may be asked for where the machine has fewer processors.
const ASKED_MAX: usize = 1024;

/// Sets up the threads that compute, as many as asked for, or else this rank's share of the cores. Returns their
/// number. A note says why it is not what the machine has.
///
/// # Errors
/// More threads are asked for than the machine can have use for, or than the system gives.
pub fn set(asked: Option<usize>, world: &World, events: &mut dyn Events) -> Result<usize> {
    let fewer = || Remedy::set(Setting::Threads).so_as("with a smaller number");
    let (threads, why) = choose(asked, world);
    let machine = thread::available_parallelism().map_or(1, usize::from);
    if threads > machine.max(ASKED_MAX) {
        let has = format!("this process may use {}", counted(machine, "processor"));
        return Err(refusal(format!("{threads} threads are asked for, and {has}"), fewer()));
    }
    why.iter().for_each(|why| events.say(why));
    match tagsmith_kernel::set_threads(threads) {
        Ok(()) => Ok(threads),
        Err(refused) if asked.is_some() => Err(refusal(format!("{refused} ({})", refused.reason), fewer())),
        Err(refused) => {
            events.say(format!("{refused} ({}): {} compute", refused.reason, counted(refused.given, "thread")));
            Ok(refused.given)
        }
    }
}

/// Returns how many threads compute, and why it is not what the machine has.
pub fn choose(asked: Option<usize>, world: &World) -> (usize, Option<String>) {
    match asked {
        Some(threads) => (threads, None),
        None => {
            let (mut processors, cores) = Processors::of_this_process();
            processors.share(&cores, &neighbors::cores(world, &cores));
            (processors.threads(), processors.why())
        }
    }
}

/// What there is to compute with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Processors {
    /// Logical processors of the machine.
    machine: usize,
    /// Logical processors that this process may run on.
    allowed: usize,
    /// The physical cores that these are.
    cores: usize,
    /// How many of them its share of time is worth (a container's quota).
    quota: usize,
    /// Ranks on the machine that may use some of the same cores, this one among them.
    ranks: usize,
    /// This rank's share of its cores.
    share: usize,
}

impl Processors {
    /// Where the system does not say more, everything is what the standard library finds. Beside it the cores by their
    /// first processors.
    fn of_this_process() -> (Processors, BTreeSet<usize>) {
        let quota = thread::available_parallelism().map_or(1, usize::from);
        let system = Path::new("/sys/devices/system/cpu");
        let allowed = fs::read_to_string("/proc/self/status").ok().and_then(|status| allowed(&status));
        let Some(allowed) = allowed.filter(|allowed| !allowed.is_empty()) else {
            let all = Processors { machine: quota, allowed: quota, cores: quota, quota, ranks: 1, share: quota };
            return (all, (0..quota).collect());
        };
        let online = fs::read_to_string(system.join("online")).ok().and_then(|list| processors(&list));
        let siblings =
            |number: usize| fs::read_to_string(system.join(format!("cpu{number}/topology/thread_siblings_list"))).ok();
        let cores = cores(&allowed, siblings);
        let processors = Processors {
            machine: online.map_or(allowed.len(), |online| online.len().max(allowed.len())),
            allowed: allowed.len(),
            cores: cores.len(),
            quota,
            ranks: 1,
            share: cores.len(),
        };
        (processors, cores)
    }

    /// Leaves to other ranks their share: a core that k ranks may use is a k-th of one to each. `ranks` are the cores
    /// of all ranks on this machine, `mine` among them.
    fn share(&mut self, mine: &BTreeSet<usize>, ranks: &[BTreeSet<usize>]) {
        let users = |core: &usize| ranks.iter().filter(|cores| cores.contains(core)).count();
        // In parts of a core that add up exactly: 5040 is a multiple of all numbers up to ten.
        let parts: usize = mine.iter().map(|core| 5040 / users(core).max(1)).sum();
        self.ranks = ranks.iter().filter(|cores| !cores.is_disjoint(mine)).count();
        self.share = parts / 5040;
        self.quota = if self.quota < self.cores { self.quota / self.ranks.max(1) } else { self.quota };
    }

    fn threads(self) -> usize {
        self.cores.min(self.quota).min(self.share).max(1)
    }

    /// Why there are fewer threads than the machine has logical processors.
    fn why(self) -> Option<String> {
        let Processors { machine, allowed, cores, quota, ranks, share } = self;
        let threads = self.threads();
        let (counted_threads, all) = (counted(threads, "thread"), counted(machine, "logical processor"));
        let mut line = format!("{counted_threads}: the machine has {all}");
        if allowed < machine {
            line += &format!(", this process may use {allowed}");
        }
        if cores < allowed {
            let are = if cores == 1 { "is" } else { "are" };
            line += &format!(", which {are} {}", counted(cores, "physical core"));
        }
        if quota < allowed {
            line += &format!(", and its quota is the time of {quota}");
        }
        if share < cores {
            line += &format!(", which {ranks} ranks share");
        }
        (threads < machine).then_some(line)
    }
}

/// The processors in `/proc/self/status`.
fn allowed(status: &str) -> Option<Vec<usize>> {
    processors(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

/// The numbers of a list such as `0-3,8`.
fn processors(list: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for range in list.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        numbers.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(numbers)
}

/// Which cores these processors are, each by its first processor; `siblings` lists the processors of one's core, as the
/// system writes it.
fn cores(allowed: &[usize], siblings: impl Fn(usize) -> Option<String>) -> BTreeSet<usize> {
    let first = |number: usize| processors(&siblings(number)?)?.into_iter().min();
    allowed.iter().map(|&number| first(number).unwrap_or(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_ranges_and_numbers() {
        let check = |list: &str, want: Option<&[usize]>| assert_eq!(processors(list).as_deref(), want, "{list:?}");
        check("0-3,8\n", Some(&[0, 1, 2, 3, 8]));
        check("\t5", Some(&[5]));
        check("\n", Some(&[]));
        check("0-", None);
        check("all", None);
        assert_eq!(allowed("Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t2-3\n"), Some(vec![2, 3]));
        assert_eq!(allowed("Name:\tx\n"), None);
    }

    #[test]
    fn two_threads_of_a_core_count_once() {
        // Four cores of two threads, numbered as Linux does: 0 and 4 are one core.
        let siblings = |number: usize| Some(format!("{},{}\n", number % 4, number % 4 + 4));
        let check = |allowed: &[usize], want| assert_eq!(cores(allowed, siblings).len(), want, "{allowed:?}");
        check(&[0, 1, 2, 3, 4, 5, 6, 7], 4);
        check(&[0, 4], 1);
        check(&[0, 1], 2);
        check(&[0, 1, 5], 2);
        // A system that says nothing has as many cores as processors.
        assert_eq!(cores(&[0, 1, 5], |_| None).len(), 3);
    }

    #[test]
    fn the_line_says_what_takes_threads_away() {
        let check = |machine, allowed, cores, quota, want: (usize, Option<&str>)| {
            let processors = Processors { machine, allowed, cores, quota, ranks: 1, share: cores };
            assert_eq!((processors.threads(), processors.why().as_deref()), want);
        };
        check(8, 8, 8, 8, (8, None));
        check(
            8,
            4,
            2,
            4,
            (
                2,
                Some(
                    "2 threads: the machine has 8 logical processors, this process may use 4, which are 2 physical cores",
                ),
            ),
        );
        check(
            64,
            64,
            32,
            3,
            (
                3,
                Some(
                    "3 threads: the machine has 64 logical processors, which are 32 physical cores, and its quota is the time of 3",
                ),
            ),
        );
        check(4, 4, 4, 0, (1, Some("1 thread: the machine has 4 logical processors, and its quota is the time of 0")));
    }

    #[test]
    fn ranks_share_the_cores_that_more_than_one_may_use() {
        let check = |mine: &[usize], others: &[&[usize]], quota, want: (usize, usize)| {
            let set = |cores: &[usize]| cores.iter().copied().collect::<BTreeSet<_>>();
            let cores = mine.len();
            let mut processors = Processors { machine: 16, allowed: 2 * cores, cores, quota, ranks: 1, share: cores };
            let all: Vec<_> = [mine].iter().chain(others).map(|cores| set(cores)).collect();
            processors.share(&set(mine), &all);
            assert_eq!((processors.threads(), processors.ranks), want, "{mine:?} {others:?}");
        };
        let eight: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7];
        check(eight, &[], 16, (8, 1));
        // Nobody is pinned: equal shares, and at least one thread.
        check(eight, &[eight], 16, (4, 2));
        check(eight, &[eight, eight], 16, (2, 3));
        check(&[0, 1], &[&[0, 1], &[0, 1], &[0, 1]], 16, (1, 4));
        // Pinned to cores of their own.
        check(&[0, 1, 2, 3], &[&[4, 5, 6, 7]], 16, (4, 1));
        // Pinned by pairs.
        check(&[0, 1, 2, 3], &[&[0, 1, 2, 3], &[4, 5, 6, 7], &[4, 5, 6, 7]], 16, (2, 2));
        // A container's quota is shared too.
        check(eight, &[eight], 6, (3, 2));
    }
}
