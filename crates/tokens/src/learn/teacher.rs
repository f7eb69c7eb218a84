//! A teacher's scores of the words to learn: computed once, kept in bounded memory.

use crate::batch::collate;
use crate::error::Error;
use crate::model::Model;
use tagsmith_encoder::batch::by_tokens;
use tagsmith_files::records::{Records, Room};
use tagsmith_ranks::World;
use tagsmith_text::align::{Example, IGNORE};

/// How a student learns from a teacher.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distillation {
    /// The part of the loss that is the distance from the teacher; the rest is that of the labels.
    pub alpha: f64,
    /// The temperature T of both.
    pub temperature: f64,
}

/// A teacher's scores for each word of each sentence, K a word. A word that the teacher does not read has NaNs.
#[derive(Debug)]
pub struct Targets {
    records: Records,
    labels: usize,
}

impl Targets {
    /// Returns an empty list that takes a part of `room`.
    pub fn new(room: &Room, labels: usize) -> Targets {
        Targets { records: Records::new(room), labels }
    }

    /// Adds the scores of the next sentences, of so many words each. `examples` are what the teacher reads of them.
    /// `order` has for each label of the student its number in the teacher. Ranks share the work.
    ///
    /// # Errors
    /// What the teacher cannot compute; a file that is needed and cannot be written.
    pub fn extend(
        &mut self,
        (teacher, order): (&Model, &[usize]),
        (examples, words): (&[Example], &[usize]),
        rows_at_once: usize,
        world: &World,
    ) -> Result<(), Error> {
        let k = self.labels;
        let lengths: Vec<usize> = examples.iter().map(|example| example.ids.len()).collect();
        let groups = by_tokens(&lengths, rows_at_once);
        let share = |rank: usize| groups.iter().skip(rank).step_by(world.size());
        let mut found = Vec::new();
        for group in share(world.rank()) {
            let group: Vec<Example> = group.iter().map(|&at| examples[at].clone()).collect();
            let batch = collate(&group);
            teacher.fetch(&batch)?;
            let scores = teacher.infer(&batch)?;
            for (example, &start) in group.iter().zip(&batch.starts) {
                let mut of_words = vec![f32::NAN; words[example.sentence as usize] * k];
                let mut before = None;
                for (row, word) in example.words.iter().enumerate() {
                    let Some(word) = word.filter(|_| std::mem::replace(&mut before, *word) != *word) else { continue };
                    let scores = &scores[(start as usize + row) * k..][..k];
                    let to = &mut of_words[word as usize * k..][..k];
                    to.iter_mut().zip(order).for_each(|(to, &label)| *to = scores[label]);
                }
                found.extend(of_words.iter().flat_map(|score| score.to_le_bytes()));
            }
        }
        let mut records = vec![Vec::new(); examples.len()];
        for (rank, found) in world.gather(&found).iter().enumerate() {
            let mut rest = &found[..];
            for &at in share(rank).flatten() {
                let record;
                (record, rest) = rest.split_at(4 * k * words[examples[at].sentence as usize]);
                records[at] = record.to_vec();
            }
        }
        records.iter().try_for_each(|record| self.records.push(record))?;
        Ok(())
    }

    /// Returns the scores of the counted rows of a sentence's example, K a row; none where the teacher did not read one.
    ///
    /// # Errors
    /// The file of the scores cannot be read.
    pub fn of(&self, at: usize, example: &Example) -> Result<Option<Vec<f32>>, tagsmith_files::Error> {
        let mut record = Vec::new();
        self.records.get(at, &mut record)?;
        let mut scores = Vec::new();
        for (label, word) in example.labels.iter().zip(&example.words) {
            if let Some(word) = word.filter(|_| *label != IGNORE) {
                let bytes = &record[4 * self.labels * word as usize..][..4 * self.labels];
                scores.extend(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
        }
        Ok(scores.iter().all(|score| !score.is_nan()).then_some(scores))
    }

    /// Returns the bytes in memory.
    pub fn bytes_in_memory(&self) -> u64 {
        self.records.bytes_in_memory() + self.records.bytes_of_index()
    }
}
