//! How much of a training's work a GPU would get as graphs, which need a chunk of work to repeat exactly. It is counted on a
//! device that does nothing: no GPU is needed.

use crate::launches::MEMORY;
use crate::shapes::{Size, batch_of, learner};
use tagsmith_kernel::device::chunks::{Key, Known, Meeting, Queue, graphs_of};
use tagsmith_kernel::device::{Asked, Work};
use tagsmith_kernel::{Device, Precision};
use tagsmith_ranks::World;
use tagsmith_tokens::learn::update;
use tagsmith_train::learner::Rate;

/// Sentences of an epoch and of an evaluation: CoNLL's.
const SENTENCES: [usize; 2] = [14_041, 3_250];

/// The least sub-tokens of a sentence, and the mean of those beyond, which are drawn from an exponential distribution. The mean
/// is CoNLL's, 21.
const LENGTHS: [f64; 2] = [5.0, 16.5];

/// What becomes of pieces of work: called, captured and launched, launched alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    called: usize,
    captured: usize,
    launched: usize,
}

/// Passes work on as the driver of a real GPU does.
struct Passing {
    queue: Queue,
    known: Known<()>,
    counts: Counts,
}

impl Passing {
    fn new(memory: u64) -> Passing {
        Passing { queue: Queue::default(), known: Known::new(graphs_of(memory)), counts: Counts::default() }
    }

    fn take(&mut self, asked: Vec<Asked>) {
        for asked in asked {
            match asked {
                Asked::Work(work) => {
                    if let Some(chunk) = self.queue.push(work) {
                        self.pass_on(&chunk);
                    }
                }
                Asked::Upload { .. } | Asked::Download { .. } => {
                    let chunk = self.queue.take();
                    self.pass_on(&chunk);
                }
            }
        }
    }

    fn pass_on(&mut self, chunk: &[Work]) {
        if chunk.is_empty() {
            return;
        }
        let key = Key::of(chunk);
        let count = match self.known.meet(&key) {
            Meeting::Pass => &mut self.counts.called,
            Meeting::Keep => {
                self.known.keep(key, ());
                &mut self.counts.captured
            }
            Meeting::Kept => &mut self.counts.launched,
        };
        *count += chunk.len();
    }
}

/// Numbers from 0 to 1, without 0.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    fn length(&mut self) -> usize {
        (LENGTHS[0] - LENGTHS[1] * self.next().ln()) as usize
    }

    fn shuffle(&mut self, lengths: &mut [usize]) {
        for i in (1..lengths.len()).rev() {
            lengths.swap(i, ((i + 1) as f64 * self.next()) as usize % (i + 1));
        }
    }
}

/// Counts epochs of training in a new order each, and evaluations of the same batches after each.
fn count(size: Size, precision: Precision, batch: usize, epochs: usize, sentences: [usize; 2]) -> Vec<[Counts; 2]> {
    let (device, recorder) = Device::recorded(MEMORY);
    let mut learner = learner(size, precision, &device).expect("there is room");
    let (mut draw, mut passing) = (Draw(1), Passing::new(MEMORY));
    let [mut training, mut held_out] = sentences.map(|count| (0..count).map(|_| draw.length()).collect::<Vec<_>>());
    held_out.sort_unstable();
    recorder.take_asked();
    let epoch = |_| {
        draw.shuffle(&mut training);
        for lengths in training.chunks(batch) {
            let update = update(vec![batch_of(size.vocab, lengths.iter().copied())]);
            learner.step(&World::alone(), &update, Rate::scheduled(1e-5, 1.0)).expect("it refuses nothing");
            passing.take(recorder.take_asked());
        }
        let trained = std::mem::take(&mut passing.counts);
        let model = &learner.model().model;
        for lengths in held_out.chunks(batch) {
            model.infer(&batch_of(size.vocab, lengths.iter().copied())).expect("it refuses nothing");
            passing.take(recorder.take_asked());
        }
        [trained, std::mem::take(&mut passing.counts)]
    };
    (0..epochs).map(epoch).collect()
}

/// Prints shares for batches of these sizes.
pub fn run(size: Size, precision: Precision, batches: &[usize]) {
    println!(
        "{} layers of {}, {precision:?}; computed from recorded work, never run on a real GPU",
        size.layers, size.hidden
    );
    println!(
        "{:>5} {:>5} {:10} {:>8} {:>7} {:>8} {:>8}",
        "batch", "epoch", "", "work", "called", "captured", "launched"
    );
    for &batch in batches {
        for (epoch, counts) in count(size, precision, batch, 5, SENTENCES).into_iter().enumerate() {
            for (what, Counts { called, captured, launched }) in ["training", "evaluation"].into_iter().zip(counts) {
                let all = called + captured + launched;
                let [called, captured, launched] = [called, captured, launched].map(|n| 100.0 * n as f64 / all as f64);
                println!("{batch:5} {:5} {what:10} {all:8} {called:6.1}% {captured:7.1}% {launched:7.1}%", epoch + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::TINY;

    /// One batch a phase: the same work each time.
    #[test]
    fn what_repeats_is_called_then_captured_then_launched() {
        let counts = count(TINY, Precision::F32, 40, 6, [40, 7]);
        let all = |counts: Counts| counts.called + counts.captured + counts.launched;
        // Rooms are settled after the first epochs.
        for phase in [0, 1] {
            let (first, last) = (counts[0][phase], counts[5][phase]);
            assert_eq!(first, Counts { called: all(first), ..Counts::default() });
            // Short pieces between uploads are never graphs.
            assert_eq!((all(last), last.captured), (all(first), 0));
            assert!(last.launched > last.called && last.called > 0, "{last:?}");
        }
    }
}
