//! The memory that a run will hold, counted before its first step. Here are the parts that every model has: weights,
//! gradients, what ranks exchange, and the optimizer. P are parameters, E the width of a table; 4 bytes a number.
//!
//! | what | numbers |
//! |---|---|
//! | weights | P without the tables, and those rows of a table that occur × E |
//! | gradients | P without the tables, and the rows of a table that one update's examples can touch × E |
//! | exchange, with more than one rank | what one stage of backward completes, and twice the rows that all ranks' examples can touch × E |
//! | optimizer | twice the weights that learn and occur in training |
//! | a table | 24 bytes a row for the weights, 8 for the optimizer and 20 for those that learn |

use std::fmt;
use tagsmith_kernel::params::Slot;

/// Bytes of a number.
pub const FLOAT: u64 = 4;
/// Bytes of a number in bf16.
pub const ROUNDED: u64 = 2;
/// Bytes of a table's row, whether or not it is in memory.
const ROW: u64 = 24;
/// Bytes of a row in the optimizer: where its moments are, and which updates it has made.
const DEFERRED_ROW: u64 = 8;
/// Bytes of a row's moments beside their numbers.
const MOMENTS: u64 = 20;

/// Bytes that a run holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Weights of the model.
    pub weights: u64,
    /// Gradients, and those of other ranks on their way.
    pub gradients: u64,
    /// Moments of AdamW.
    pub optimizer: u64,
    /// Numbers that the largest micro-batch, or an evaluation, has in use.
    pub activations: u64,
    /// Rows of that micro-batch, whatever the order: as if the longest examples met.
    pub rows: usize,
    /// The tokenized examples, their order, and what an evaluation finds.
    pub data: u64,
    /// Data at most while they were read, before anything but the weights was there.
    pub reading: u64,
}

impl Footprint {
    /// The most bytes at any time: in reading or in learning.
    pub fn total(&self) -> u64 {
        self.learning().max(self.weights + self.reading)
    }

    /// The bytes in learning: the sum of all parts.
    pub fn learning(&self) -> u64 {
        let Footprint { weights, gradients, optimizer, activations, rows: _, data, reading: _ } = *self;
        weights + gradients + optimizer + activations + data
    }
}

/// `1.3 GB: weights 90.9 MB, …`; reading is named where it takes more than learning.
impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Footprint { weights, gradients, optimizer, activations, rows, data, reading } = *self;
        let [weights, gradients, optimizer, activations, data] =
            [weights, gradients, optimizer, activations, data].map(size);
        write!(
            f,
            "{}: weights {weights}, gradients {gradients}, optimizer {optimizer}, activations {activations} \
             (at most {rows} pieces at once), data {data}",
            size(self.total())
        )?;
        match self.total() > self.learning() {
            true => write!(f, " ({} while they were read)", size(reading)),
            false => Ok(()),
        }
    }
}

/// Whose memory is counted, and how many bytes of it a run may take.
#[derive(Clone, Copy, Debug)]
pub enum Memory {
    /// The process's, which learns. The system may not say how much there is.
    Process(Option<u64>),
    /// The process's, while a GPU learns.
    BesideGpu(Option<u64>),
    /// A GPU's.
    Gpu(u64),
}

impl Memory {
    /// Returns the memories that a run takes a part of. The process may use `allowed` bytes; where a GPU learns, `free` bytes
    /// of it.
    pub fn of_run(allowed: Option<u64>, free: Option<u64>) -> Vec<Memory> {
        match free {
            None => vec![Memory::Process(allowed)],
            Some(free) => vec![Memory::BesideGpu(allowed), Memory::Gpu(free)],
        }
    }

    /// Returns what lies in this memory: of a run on the processor, or of one on a GPU.
    pub fn count(self, on_processor: impl Fn() -> Footprint, on_gpu: impl Fn() -> Footprint) -> Footprint {
        match self {
            Memory::Process(_) => on_processor(),
            Memory::BesideGpu(_) => Footprint { gradients: 0, optimizer: 0, activations: 0, ..on_processor() },
            Memory::Gpu(_) => on_gpu(),
        }
    }

    /// Returns the bytes that a run may take, if they are known.
    pub fn allowed(self) -> Option<u64> {
        match self {
            Memory::Process(allowed) | Memory::BesideGpu(allowed) => allowed,
            Memory::Gpu(free) => Some(free),
        }
    }

    /// Says what a run takes, and how much there is.
    pub fn tell(self, taken: &Footprint) -> String {
        let of = if let Memory::Gpu(_) = self { "the GPU's memory" } else { "memory" };
        format!("{of}: {taken}; {self}")
    }
}

/// `this process may use 3.0 GB`.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.allowed()) {
            (_, None) => f.write_str("the system does not say how much there is"),
            (Memory::Gpu(_), Some(free)) => write!(f, "this process may use {} of the GPU", size(free)),
            (_, Some(allowed)) => write!(f, "this process may use {}", size(allowed)),
        }
    }
}

/// Writes bytes as a person reads them, in powers of 1000.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}

/// Reads bytes as [`size`] writes them: `500 MB`, `1.5GB`, `800 kB`. A number without a unit is bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    const UNITS: [(&str, f64); 5] = [("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12), ("b", 1.0)];
    let text = text.trim().to_ascii_lowercase();
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.unwrap_or((&text, 1.0));
    let number = number.trim_end();
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let bytes = number.parse::<f64>().ok()? * unit;
    (bytes < 2f64.powi(63)).then_some(bytes.round() as u64)
}

/// Rows of a table that a run has to do with.
#[derive(Clone, Copy, Debug)]
pub struct TableRows {
    /// Rows that occur.
    pub read: u64,
    /// Rows that occur in training.
    pub learned: u64,
    /// Rows that one rank can touch in one update.
    pub update: u64,
}

/// Ranks that learn together, and what they exchange at once.
#[derive(Clone, Copy, Debug)]
pub struct Ranks {
    /// Number of ranks.
    pub count: u64,
    /// Numbers that one stage of backward completes at most.
    pub stage: u64,
}

/// Counts the numbers in dense parameters.
pub fn dense<'s>(slots: impl IntoIterator<Item = &'s Slot>) -> u64 {
    slots.into_iter().filter(|slot| !slot.sparse).map(|slot| slot.len() as u64).sum()
}

/// Counts the bytes of weights, gradients (with those on their way between ranks) and optimizer; `rows` returns the rows
/// of a table.
pub fn parameters(slots: &[Slot], ranks: Ranks, rows: impl Fn(&Slot) -> TableRows) -> [u64; 3] {
    let exchanging = u64::from(ranks.count > 1);
    let mut bytes = [0, exchanging * FLOAT * ranks.stage, 0];
    for slot in slots {
        let numbers = slot.len() as u64;
        let of_slot = match slot.sparse {
            false => [FLOAT * numbers, FLOAT * numbers, FLOAT * 2 * numbers * u64::from(!slot.frozen)],
            true => {
                let (v, e) = (slot.shape[0] as u64, slot.shape[1] as u64);
                let TableRows { read, learned, update } = rows(slot);
                let moments = v * DEFERRED_ROW + learned.min(v) * (MOMENTS + FLOAT * 2 * e);
                let learning = u64::from(!slot.frozen);
                let touched = update.min(v) + exchanging * 2 * ranks.count * update;
                [v * ROW + read.min(v) * FLOAT * e, learning * touched * FLOAT * e, learning * moments]
            }
        };
        bytes.iter_mut().zip(of_slot).for_each(|(sum, bytes)| *sum += bytes);
    }
    bytes
}

/// Counts the bytes of weights, gradients (with other ranks' parts of a stage's) and optimizer on a device, where tables are
/// whole. With bf16 a device holds the weights rounded, too.
pub fn parameters_on_device(slots: &[Slot], ranks: Ranks, rounded: bool) -> [u64; 3] {
    let count =
        |counts: &dyn Fn(&&Slot) -> bool| slots.iter().filter(counts).map(|slot| slot.len() as u64).sum::<u64>();
    let (all, learning) = (count(&|_| true), count(&|slot| !slot.frozen));
    // Tables are complete in one stage.
    let received = (ranks.stage + count(&|slot| slot.sparse && !slot.frozen)) * (ranks.count - 1) / ranks.count;
    [(FLOAT + u64::from(rounded) * ROUNDED) * all, FLOAT * (all + received), 2 * FLOAT * learning]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        let check = |text: &str, want: Option<u64>| assert_eq!(parse_size(text), want, "{text:?}");
        check("500 MB", Some(500_000_000));
        check("1.5GB", Some(1_500_000_000));
        check("800 kB", Some(800_000));
        check(" 2tb ", Some(2_000_000_000_000));
        check("12", Some(12));
        check("12 b", Some(12));
        check("0", Some(0));
        for text in ["", "GB", "-1 GB", "1 GiB", "1e300 GB", "inf", "nan", "1 2", "a quarter", ".5 GB"] {
            check(text, None);
        }
        for bytes in [1_300, 999_900, 90_900_000, 1_300_000_000, 74_000_000_000] {
            check(&size(bytes), Some(bytes));
        }
    }

    #[test]
    fn reading_counts_where_it_takes_more_than_learning() {
        let footprint = Footprint {
            weights: 10_000,
            gradients: 10_000,
            optimizer: 20_000,
            activations: 5_000,
            rows: 7,
            data: 1_000,
            reading: 36_000,
        };
        assert_eq!([footprint.learning(), footprint.total()], [46_000; 2]);
        assert!(footprint.to_string().ends_with("data 1.0 kB"), "{footprint}");
        let more = Footprint { reading: 37_000, ..footprint };
        assert_eq!([more.learning(), more.total()], [46_000, 47_000]);
        assert!(more.to_string().starts_with("47.0 kB: weights 10.0 kB, "), "{more}");
        assert!(more.to_string().ends_with("data 1.0 kB (37.0 kB while they were read)"), "{more}");
    }
}
