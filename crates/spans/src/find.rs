//! A model looks for labels in encoded texts: the one act behind tagging and evaluation.

pub mod decode;

use crate::batch::collate;
use crate::batch::encode::{Encoded, Encoding, Prompt, plain_labels};
use crate::config::{Architecture, Config, Threshold};
use crate::error::Error;
use crate::find::decode::{Candidate, candidates, probability};
use crate::folder::Tokenizers;
use crate::model::Model;
use std::collections::HashSet;
use tagsmith_encoder::batch::{Batch, by_tokens};
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_message::{Note, Wording, counted};
use tagsmith_ranks::World;
use tagsmith_text::tagged::{Content, Watch};
use tagsmith_text::tokenizer::Tokenizer;

/// Pieces that are computed at once; a longer text is computed alone.
pub const BATCH_PIECES: usize = 2048;

/// The labels to look for, as a model reads them. A bi-encoder's vectors are computed once.
pub struct Query {
    /// The labels' names.
    pub labels: Vec<String>,
    /// The text before each input of a cross-encoder.
    pub prompt: Option<Prompt>,
    batch: Option<Batch>,
    vectors: Option<Tensor>,
    /// Notes about labels that are read in another way than they are written.
    pub notes: Vec<Note>,
}

impl Query {
    /// Encodes the labels.
    ///
    /// # Errors
    /// No label, an empty or a repeated one; a label that the tokenizer refuses; rows of a word table that cannot be read.
    pub fn new(model: &Model, tokenizers: &Tokenizers, labels: Vec<String>) -> Result<Query, Error> {
        Query::with_threshold(model, tokenizers, labels, model.config.threshold_token)
    }

    /// Encodes the labels for a threshold that a prompt may hold.
    ///
    /// # Errors
    /// The errors of [`Query::new`].
    pub fn with_threshold(
        model: &Model,
        tokenizers: &Tokenizers,
        labels: Vec<String>,
        learned: Threshold,
    ) -> Result<Query, Error> {
        check_labels(&labels)?;
        let cross = model.config.architecture == Architecture::CrossEncoder;
        let reader = tokenizers.labels.as_ref().filter(|_| !cross).unwrap_or(&tokenizers.text);
        let (plain, spelled) = plain_labels(reader, &labels)?;
        let (mut prompt, mut batch, mut cut) = (None, None, 0);
        if cross {
            let config = Config { threshold_token: learned, ..model.config.clone() };
            prompt = Some(Prompt::new(&config, &plain));
        } else {
            let (labels, longer) = collate::labels(reader, &plain)?;
            (batch, cut) = (Some(labels), longer);
        }
        let vectors = batch.as_ref().map(|batch| model.label_vectors(batch)).transpose()?;
        Ok(Query { labels, prompt, batch, vectors, notes: label_notes(spelled, cut) })
    }

    /// Returns the inputs as the model reads them, in their order.
    ///
    /// # Errors
    /// An input that the tokenizer refuses; more labels than a prompt holds.
    pub fn encode(
        &self,
        tokenizer: &Tokenizer,
        encoding: Encoding,
        inputs: &[&Content],
    ) -> Result<Vec<Encoded>, Error> {
        inputs.iter().map(|input| encoding.encode(tokenizer, self.prompt.as_ref(), input)).collect()
    }

    /// Returns each input's spans whose score is above `bar`, in the inputs' order. Ranks share the work, and each of them
    /// gets all candidates. `watch` hears how far this rank is.
    ///
    /// # Errors
    /// Rows of a word table that cannot be read; scores that are not numbers.
    pub fn find(
        &self,
        model: &Model,
        world: &World,
        encoded: &[&Encoded],
        bar: Threshold,
        batch_pieces: usize,
        watch: Watch<'_>,
    ) -> Result<Vec<Vec<Candidate>>, Error> {
        let lengths: Vec<usize> = encoded.iter().map(|encoded| encoded.ids.len()).collect();
        // The longest come first, so that later batches live in their memory.
        let batches = by_tokens(&lengths, batch_pieces);
        // Batches are sorted by length, so that every so-many-th is as much work for each rank.
        let share = |rank: usize| batches.iter().skip(rank).step_by(world.size());
        let mut mine = Vec::new();
        let all: usize = share(world.rank()).flatten().map(|&number| lengths[number]).sum();
        let mut done = 0;
        for batch in share(world.rank()) {
            let inputs: Vec<&Encoded> = batch.iter().map(|&number| encoded[number]).collect();
            for candidates in self.score(model, &inputs, &vec![bar; inputs.len()])? {
                mine.extend((candidates.len() as u64).to_le_bytes());
                candidates.iter().for_each(|it| mine.extend(to_bytes(it)));
            }
            done += batch.iter().map(|&number| lengths[number]).sum::<usize>();
            watch(done, all);
        }
        let mut found: Vec<Vec<Candidate>> = vec![Vec::new(); encoded.len()];
        for (rank, bytes) in world.gather(&mine).iter().enumerate() {
            let mut words = bytes.chunks_exact(8).map(|word| word.try_into().expect("eight bytes"));
            let mut next = || words.next().expect("ranks send what they announce");
            for &number in share(rank).flatten() {
                let count = u64::from_le_bytes(next());
                found[number] = (0..count).map(|_| from_bytes(&mut next)).collect();
            }
        }
        Ok(found)
    }

    /// Returns each input's spans whose score is above its bar. The model reads all inputs at once.
    ///
    /// # Errors
    /// Rows of a word table that cannot be read; scores that are not numbers.
    pub fn score(&self, model: &Model, encoded: &[&Encoded], bars: &[Threshold]) -> Result<Vec<Vec<Candidate>>, Error> {
        let c = self.labels.len();
        let (batch, listed) = collate::batch(&model.config, encoded, self.batch.clone());
        let scores = model.infer(&batch, self.vectors.as_ref())?;
        if scores.data().iter().any(|score| !score.is_finite()) {
            return Err(Error::NotNumbers);
        }
        let candidates_of = |(number, listed): (usize, &collate::Listed)| {
            let bars: Vec<f64> = match bars[number] {
                Threshold::Number(number) => vec![f64::from(number); c],
                // Column 0 stands before the spans.
                _ => scores.row(batch.texts[number].spans.start).iter().map(|&x| probability(x)).collect(),
            };
            let spans = listed.spans.iter().zip(&listed.rows);
            let spans = spans.filter(|(span, _)| encoded[number].findable(&model.config, **span));
            candidates(spans.map(|(&span, &row)| (span, scores.row(row))), &bars)
        };
        Ok(listed.iter().enumerate().map(candidates_of).collect())
    }
}

/// Four words: start, end, kind and score.
fn to_bytes(it: &Candidate) -> impl Iterator<Item = u8> {
    let [start, end, kind] = [it.start, it.end, it.kind].map(|number| number as u64);
    [start, end, kind, it.score.to_bits()].into_iter().flat_map(u64::to_le_bytes)
}

fn from_bytes(next: &mut impl FnMut() -> [u8; 8]) -> Candidate {
    let [start, end, kind] = [(); 3].map(|()| u64::from_le_bytes(next()) as usize);
    Candidate { start, end, kind, score: f64::from_le_bytes(next()) }
}

/// Returns notes about labels that spell special tokens, and about labels whose ends were cut off.
pub(crate) fn label_notes(spelled: usize, cut: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    if spelled > 0 {
        let tokens = counted(spelled, "special token");
        notes.push(Note::once(format!("labels spell {tokens} (such as `[SEP]`): read as ordinary letters")));
    }
    if cut > 0 {
        let what = "{} {is|are} longer than {} pieces: {its end is|their ends are} not read";
        let said = Wording::new(what, &[&counted(cut, "label"), &collate::LABEL_PIECES]);
        notes.push(Note::once(said.of(cut)).important());
    }
    notes
}

/// Refuses an empty list of labels, and an empty or a repeated label.
fn check_labels(labels: &[String]) -> Result<(), Error> {
    if labels.is_empty() {
        return Err(Error::Setting("there is no label to look for: name at least one".into()));
    }
    let mut seen = HashSet::new();
    for (number, label) in labels.iter().enumerate() {
        if label.trim().is_empty() {
            return Err(Error::Setting(format!("label {} is empty: give it a name", number + 1)));
        }
        if !seen.insert(label) {
            return Err(Error::Setting(format!("the label `{label}` is given twice: name every label once")));
        }
    }
    Ok(())
}

/// Returns the code points (without white space around them) or words that a candidate covers, half-open.
pub fn range(encoded: &Encoded, input: &Content, it: &Candidate) -> (usize, usize) {
    let (mut start, mut end) = (encoded.covers[it.start].0, encoded.covers[it.end].1);
    if let Content::Text(text) = input {
        let inside: Vec<char> = text.chars().skip(start).take(end.saturating_sub(start)).collect();
        start += inside.iter().take_while(|char| char.is_whitespace()).count();
        end -= inside.iter().rev().take_while(|char| char.is_whitespace()).count().min(end.saturating_sub(start));
    }
    (start, end)
}
