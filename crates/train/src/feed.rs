//! The batches of a run in their order, collated on a thread ahead of the steps: neither waits on the other, unless it
//! is the slower one throughout.

use crate::trainer::order::Order;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;
use tagsmith_encoder::batch::{Batch, IGNORE};
use tagsmith_text::align::Example;
use tagsmith_tokens::batch::{collate, cut};

/// Updates that may wait for the step.
const UPDATES_AHEAD: usize = 2;

/// What one rank learns from in one update, and what it has to know of all ranks'.
pub(crate) struct Update {
    /// Its rows, in parts that are computed one after the other.
    pub micro_batches: Vec<Batch>,
    /// Of each part the number of its first row in the whole update.
    pub first_rows: Vec<usize>,
    /// Labels counted on all ranks.
    pub counted: usize,
    /// Pieces on all ranks.
    pub pieces: usize,
    /// How many batches of the Trainer's these are on all ranks.
    pub batches: usize,
    /// The pieces of these with every sentence padded to its batch's longest, as the Trainer counts.
    pub padded_pieces: usize,
}

/// Where a run's batches come from.
#[derive(Clone, Copy)]
pub(crate) struct Feed<'a> {
    /// Which sentences follow which.
    pub order: Order<'a>,
    /// The sentences.
    pub examples: &'a [Example],
    /// Rows of a micro-batch at most; without it a batch is one.
    pub batch_tokens: Option<usize>,
    /// Whose batches these are.
    pub rank: usize,
}

impl<'a> Feed<'a> {
    /// Sends the updates of these epochs, without the first `done` of the first. Dropping the receiver ends it.
    pub fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, 'a>,
        epochs: Range<u64>,
        mut done: usize,
    ) -> Receiver<Update> {
        let (sender, receiver) = sync_channel(UPDATES_AHEAD);
        scope.spawn(move || {
            for epoch in epochs {
                for batches in self.order.updates(epoch).iter().skip(done) {
                    if sender.send(self.update(batches)).is_err() {
                        return;
                    }
                }
                done = 0;
            }
        });
        receiver
    }

    fn update(&self, batches: &[Vec<usize>]) -> Update {
        let (micro_batches, first_rows) = (Vec::new(), Vec::new());
        let mut update =
            Update { micro_batches, first_rows, counted: 0, pieces: 0, batches: batches.len(), padded_pieces: 0 };
        for (number, batch) in batches.iter().enumerate() {
            let examples: Vec<&Example> = batch.iter().map(|&at| &self.examples[at]).collect();
            let lengths: Vec<usize> = examples.iter().map(|example| example.ids.len()).collect();
            if number % self.order.ranks == self.rank {
                let mut first_row = update.pieces;
                for part in cut(&lengths, self.batch_tokens.unwrap_or(usize::MAX)) {
                    update.first_rows.push(first_row);
                    first_row += lengths[part.clone()].iter().sum::<usize>();
                    update.micro_batches.push(collate(&examples[part]));
                }
            }
            let counts = |label: &&i32| **label != IGNORE;
            update.counted +=
                examples.iter().map(|example| example.labels.iter().filter(counts).count()).sum::<usize>();
            update.pieces += lengths.iter().sum::<usize>();
            update.padded_pieces += lengths.iter().max().unwrap_or(&0) * lengths.len();
        }
        update
    }
}
