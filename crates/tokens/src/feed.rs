//! A token classifier's updates: sentences in their order, collated.

use crate::batch::collate;
use crate::error::Error;
use crate::examples::Examples;
use crate::learn::teacher::Targets;
use crate::learn::weights::weight_of;
use crate::memory::rows_at_once;
use tagsmith_encoder::batch::Batch;
use tagsmith_message::Note;
use tagsmith_ranks::World;
use tagsmith_text::align::{Example, IGNORE};
use tagsmith_train::trainable::{Feed, MicroBatch, Totals, Update, Updates};
use tagsmith_train::trainer::cut::{cut, longer_than_allowed};
use tagsmith_train::trainer::options::Options;
use tagsmith_train::trainer::order::Order;
use tagsmith_train::trainer::same_on_all_ranks::fingerprint;

/// A token classifier's updates.
pub struct TokenFeed<'a> {
    examples: &'a Examples,
    options: &'a Options,
    weights: &'a [f64],
    teacher: Option<&'a Targets>,
    ranks: usize,
    rank: usize,
}

impl<'a> TokenFeed<'a> {
    /// A feed of this rank's share of the examples' updates. `weights` are those of the loss: see
    /// [`crate::learn::LossOptions`].
    pub fn new(examples: &'a Examples, options: &'a Options, weights: &'a [f64], world: &World) -> TokenFeed<'a> {
        TokenFeed { examples, options, weights, teacher: None, ranks: world.size(), rank: world.rank() }
    }

    /// Returns the feed with a teacher's scores in its batches, if there is a teacher. It has read every counted word.
    #[must_use]
    pub fn taught_by(self, teacher: Option<&'a Targets>) -> TokenFeed<'a> {
        TokenFeed { teacher, ..self }
    }

    fn order(&self) -> Order<'_> {
        let Options { sampling, data_seed, batch_size, accumulation, drop_last, .. } = *self.options;
        let (lengths, ranks) = (self.examples.lengths(), self.ranks);
        Order { sampling, seed: data_seed, lengths, weights: &[], batch_size, accumulation, drop_last, ranks }
    }

    /// The epoch's update of that number, whose batches these are.
    fn update(&self, number: usize, batches: &[Vec<usize>]) -> Result<Update<Batch>, Error> {
        let (mut micro_batches, mut padded_pieces) = (Vec::new(), 0);
        let mut totals = Totals { batches: batches.len(), ..Totals::default() };
        for (number, batch) in batches.iter().enumerate() {
            let examples = self.examples.get_all(batch)?;
            let lengths: Vec<usize> = examples.iter().map(|example| example.ids.len()).collect();
            if number % self.ranks == self.rank {
                let mut place = totals.pieces;
                for part in cut(&lengths, self.options.batch_tokens.unwrap_or(usize::MAX)) {
                    let rows = lengths[part.clone()].iter().sum::<usize>();
                    let mut batch_of_part = collate(&examples[part.clone()]);
                    for (&at, example) in batch[part.clone()].iter().zip(&examples[part]) {
                        let Some(teacher) = self.teacher else { break };
                        batch_of_part.teacher.extend(teacher.of(at, example)?.expect("the teacher read every word"));
                    }
                    micro_batches.push(MicroBatch { batch: batch_of_part, place: place as u64 });
                    place += rows;
                }
            }
            for Example { labels, .. } in &examples {
                totals.counted += labels.iter().filter(|&&label| label != IGNORE).count();
                totals.weight += weight_of(labels, self.weights);
            }
            totals.pieces += lengths.iter().sum::<usize>();
            padded_pieces += lengths.iter().max().unwrap_or(&0) * lengths.len();
        }
        let batches_done = (number * self.options.accumulation + batches.len() / self.ranks) as u64;
        Ok(Update { micro_batches, totals, batches_done, padded_pieces, notes: Vec::new() })
    }
}

impl Feed for TokenFeed<'_> {
    type Batch = Batch;
    type Error = Error;

    fn examples(&self) -> usize {
        self.examples.len()
    }

    fn updates(&self, epoch: u64, done: u64) -> Updates<'_, Batch, Error> {
        let updates = self.order().updates(epoch).enumerate().skip(done as usize);
        Box::new(updates.map(|(number, batches)| self.update(number, &batches)))
    }

    fn fingerprint(&self) -> Result<u64, Error> {
        let numbers = |example: Example| -> Vec<u8> {
            let ids = example.ids.iter().flat_map(|id| id.to_le_bytes());
            ids.chain(example.labels.iter().flat_map(|label| label.to_le_bytes())).collect()
        };
        let mut failed = None;
        let readable = |example: Result<_, _>| example.map_err(|error| failed = Some(error)).ok();
        let sum = fingerprint(self.examples.iter().map_while(readable).map(numbers));
        failed.map_or(Ok(sum), |error| Err(error.into()))
    }

    fn rows_at_once(&self) -> usize {
        rows_at_once(self.examples, self.options.batch_size, self.options.batch_tokens)
    }

    fn notes(&self) -> Vec<Note> {
        let longer = |tokens_max| longer_than_allowed(self.examples.lengths(), tokens_max, "sentence");
        self.options.batch_tokens.and_then(longer).map(Note::once).into_iter().collect()
    }
}
