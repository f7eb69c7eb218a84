//! Chunks of work: where one ends, when two are alike, and which ones were met before.
//!
//! Two chunks are alike where they differ in plain numbers of kernels alone, such as a rate or the key of a dropout. So a
//! graph of one can do the other after those numbers were changed. Addresses, grids and products are part of what a chunk is:
//! cublasLt's kernels are not ours to change.

use crate::asked::Work;
use crate::launch::Arg;
use crate::multiply::Matrix;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most work in a chunk. The device computes one while the host collects the next. It must last longer than that, and
/// a step must have several: BERT-base's has some 420 pieces of work.
pub const CHUNK: usize = 64;

/// The least work for which a graph is made. Shorter chunks stand between uploads, and a graph's launch takes about as long as
/// three calls.
const WORTH: usize = 8;

/// A graph may go for another one when it was not launched for so many chunks, times the number of graphs. Making one takes
/// longer than the calls. So those of shapes that return must not go in turn before they do.
const PATIENCE: u64 = 4;

/// How many chunks are remembered that were met once. A number of 64 bits stands for each.
const REMEMBERED: usize = 1 << 16;

/// Bytes of the device that a node of a graph is taken to need, as was seen with a driver of CUDA 11.2. (NVIDIA's developer
/// forum, "Increasing memory footprint with large task graphs".)
const NODE: u64 = 64 << 10;

/// The share of the device's memory that graphs may take.
const SHARE: u64 = 32;

/// Returns how many graphs may be kept by a device with so many bytes.
pub fn graphs_of(memory: u64) -> usize {
    usize::try_from(memory / SHARE / (CHUNK as u64 * NODE)).unwrap_or(usize::MAX).max(1)
}

/// Work that was asked for and not passed on yet.
#[derive(Debug, Default)]
pub struct Queue(Vec<Work>);

impl Queue {
    /// Adds work, and returns a chunk if it is complete.
    pub fn push(&mut self, work: Work) -> Option<Vec<Work>> {
        self.0.push(work);
        (self.0.len() == CHUNK).then(|| self.take())
    }

    /// Returns the chunk as far as it is, which may be empty.
    pub fn take(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.0)
    }
}

/// What is the same in chunks that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The hash of the work, which is computed once.
    number: u64,
    work: Vec<Fixed>,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.number.hash(hasher);
    }
}

/// What is fixed in a piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Fixed {
    /// Arguments that are no addresses are left out.
    Launch {
        kernel: &'static str,
        grid: [u32; 3],
        block: [u32; 3],
        addresses: Vec<Option<u64>>,
    },
    /// Factors and result, what is transposed, the bits of beta, the bias.
    Multiply {
        matrices: [Matrix; 3],
        transposes: [bool; 2],
        beta: u32,
        bias: u64,
    },
    Copy {
        from: u64,
        to: u64,
        bytes: u64,
    },
    Clear {
        address: u64,
        bytes: u64,
    },
}

impl Key {
    /// Returns the key of a chunk.
    pub fn of(chunk: &[Work]) -> Key {
        let work: Vec<Fixed> = chunk.iter().map(Fixed::of).collect();
        let mut hasher = DefaultHasher::new();
        work.hash(&mut hasher);
        Key { number: hasher.finish(), work }
    }
}

impl Fixed {
    fn of(work: &Work) -> Fixed {
        match work {
            Work::Launch(launch) => {
                let address = |arg: &Arg| if let Arg::Address(address) = arg { Some(*address) } else { None };
                let addresses = launch.args.iter().map(address).collect();
                Fixed::Launch { kernel: launch.kernel, grid: launch.grid, block: launch.block, addresses }
            }
            Work::Multiply(multiply) => Fixed::Multiply {
                matrices: [multiply.a, multiply.b, multiply.c],
                transposes: [multiply.transposes_a, multiply.transposes_b],
                beta: multiply.beta.to_bits(),
                bias: multiply.bias,
            },
            &Work::Copy { from, to, bytes } => Fixed::Copy { from, to, bytes },
            &Work::Clear { address, bytes } => Fixed::Clear { address, bytes },
        }
    }
}

/// Chunks that were met, and what was made of those that were met again.
#[derive(Debug)]
pub struct Known<T> {
    /// The most things that are kept.
    most: usize,
    /// Numbers of the keys that were met.
    met: HashSet<u64>,
    kept: HashMap<Key, Kept<T>>,
    /// How many chunks were met that are not short.
    time: u64,
}

#[derive(Debug)]
struct Kept<T> {
    thing: T,
    /// When it was met last.
    met: u64,
}

/// What is to be done with a chunk that is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Nothing is kept for it, and nothing is to be kept: it is new or short, or there is no place.
    Pass,
    /// It was met before: something may be kept for it.
    Keep,
    /// Something is kept for it.
    Kept,
}

impl<T> Known<T> {
    /// Knows no chunk, and keeps at most `most` things, more than 0.
    pub fn new(most: usize) -> Known<T> {
        Known { most, met: HashSet::new(), kept: HashMap::new(), time: 0 }
    }

    /// Meets a chunk.
    pub fn meet(&mut self, key: &Key) -> Meeting {
        if key.work.len() < WORTH {
            return Meeting::Pass;
        }
        self.time += 1;
        if let Some(kept) = self.kept.get_mut(key) {
            kept.met = self.time;
            return Meeting::Kept;
        }
        if self.met.len() == REMEMBERED {
            self.met.clear();
        }
        // Two keys of one number do no harm: one is then taken for met before.
        let new = self.met.insert(key.number);
        if new || !self.has_place() { Meeting::Pass } else { Meeting::Keep }
    }

    /// Whether something may be kept, for which the oldest may have to go.
    fn has_place(&self) -> bool {
        let patience = PATIENCE * self.most as u64;
        self.kept.len() < self.most || self.oldest().is_some_and(|(_, met)| met + patience < self.time)
    }

    /// Returns what was not met for longest, and when it was.
    fn oldest(&self) -> Option<(&Key, u64)> {
        self.kept.iter().map(|(key, kept)| (key, kept.met)).min_by_key(|(_, met)| *met)
    }

    /// Returns what is kept for a chunk.
    pub fn kept(&mut self, key: &Key) -> Option<&mut T> {
        self.kept.get_mut(key).map(|kept| &mut kept.thing)
    }

    /// Keeps something for a chunk that was just met. Where all places are taken, what was not met for longest goes.
    pub fn keep(&mut self, key: Key, thing: T) {
        if self.kept.len() == self.most {
            let oldest = self.oldest().map(|(key, _)| key.clone());
            oldest.and_then(|key| self.kept.remove(&key));
        }
        self.kept.insert(key, Kept { thing, met: self.time });
    }

    /// Lets go of all that is kept, and returns whether that was something.
    pub fn forget(&mut self) -> bool {
        let any = !self.kept.is_empty();
        self.kept.clear();
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Launch;
    use crate::multiply::{Element, Multiply};
    use crate::traffic::Traffic;

    fn launch(grid: u32, address: u64, number: u64) -> Work {
        let args = vec![Arg::Address(address), Arg::U64(number), Arg::I32(number as i32), Arg::F32(number as f32)];
        Work::Launch(Launch { kernel: "a", grid: [grid, 1, 1], block: [32, 1, 1], args, traffic: Traffic::default() })
    }

    fn key(work: Work) -> Key {
        Key::of(&[work])
    }

    #[test]
    fn plain_numbers_of_kernels_are_all_that_may_differ() {
        let matrix = |address, rows| Matrix { address, element: Element::F32, rows, columns: 2, leading: rows };
        let multiply = Multiply {
            a: matrix(512, 2),
            transposes_a: false,
            b: matrix(1024, 2),
            transposes_b: false,
            c: matrix(1536, 2),
            beta: 0.0,
            bias: 0,
        };
        let all = [
            launch(1, 256, 1),
            launch(2, 256, 1),
            launch(1, 512, 1),
            Work::Launch(Launch { kernel: "b", ..of(launch(1, 256, 1)) }),
            Work::Launch(Launch { block: [64, 1, 1], ..of(launch(1, 256, 1)) }),
            Work::Multiply(multiply),
            Work::Multiply(Multiply { a: matrix(768, 2), ..multiply }),
            Work::Multiply(Multiply { b: matrix(768, 2), ..multiply }),
            Work::Multiply(Multiply { c: matrix(768, 2), ..multiply }),
            Work::Multiply(Multiply { transposes_a: true, ..multiply }),
            Work::Multiply(Multiply { transposes_b: true, ..multiply }),
            Work::Multiply(Multiply { beta: 1.0, ..multiply }),
            Work::Multiply(Multiply { bias: 256, ..multiply }),
            Work::Copy { from: 0, to: 256, bytes: 8 },
            Work::Copy { from: 512, to: 256, bytes: 8 },
            Work::Copy { from: 0, to: 512, bytes: 8 },
            Work::Copy { from: 0, to: 256, bytes: 16 },
            Work::Clear { address: 256, bytes: 8 },
            Work::Clear { address: 512, bytes: 8 },
            Work::Clear { address: 256, bytes: 16 },
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(key(one.clone()) == key(other.clone()), i == j, "{one:?} and {other:?}");
            }
        }
        assert_eq!(key(launch(1, 256, 1)), key(launch(1, 256, 7)));
        // An address is not taken for a number, nor one chunk for its beginning.
        let address = |arg| Work::Launch(Launch { args: vec![arg], ..of(launch(1, 0, 0)) });
        assert_ne!(key(address(Arg::Address(5))), key(address(Arg::U64(5))));
        assert_ne!(Key::of(&all[..2]), Key::of(&all[..3]));
    }

    fn of(work: Work) -> Launch {
        match work {
            Work::Launch(launch) => launch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_not_met_for_longest_goes_after_a_while() {
        let keys = [1, 2, 3, 4].map(|grid| Key::of(&[(); WORTH].map(|()| launch(grid, 0, 0))));
        let mut known = Known::new(2);
        let mut meet = |i: usize| {
            let meeting = known.meet(&keys[i]);
            if meeting == Meeting::Keep {
                known.keep(keys[i].clone(), i);
            }
            assert_eq!(known.kept(&keys[i]).copied(), (meeting != Meeting::Pass).then_some(i));
            meeting
        };
        use Meeting::{Keep, Kept, Pass};
        let order = [0, 0, 0, 1, 1, 0, 2, 2, 2];
        assert_eq!(order.map(&mut meet), [Pass, Keep, Kept, Pass, Keep, Kept, Pass, Pass, Pass]);
        // Key 1 was met last at time 5. Four times two places later its place is free.
        let order = [0, 2, 0, 0, 2, 0, 1, 2];
        assert_eq!(order.map(&mut meet), [Kept, Pass, Kept, Kept, Keep, Kept, Pass, Kept]);
        assert!(known.forget() && !known.forget());
        assert_eq!(known.meet(&keys[0]), Keep);
        assert_eq!(known.meet(&keys[3]), Pass);
        // A short chunk is never kept.
        let short = Key::of(&[(); WORTH - 1].map(|()| launch(1, 0, 0)));
        assert_eq!([(); 3].map(|()| known.meet(&short)), [Pass; 3]);
    }
}
