//! Entities in documents of any length: windows, and what they find merged.

use crate::config::{Architecture, Threshold};
use crate::decode::{Candidate, Mode, accept};
use crate::encode::{Encoding, Prompt, plain_labels};
use crate::error::Error;
use crate::evaluate::{Finder, range};
use crate::folder::Tokenizers;
use crate::model::Model;
use std::ops::Range;
use tagsmith_text::align::windows::Plan;
use tagsmith_text::tagged::Content;
use tagsmith_text::tokenizer::{Pieces, Tokenizer};

/// An entity, half-open in code points of running text or in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Its first code point or word.
    pub start: usize,
    /// One past its last.
    pub end: usize,
    /// Its label's number.
    pub kind: usize,
    /// Its probability.
    pub score: f64,
}

/// What was found in some inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Of each input, in the order of its text.
    pub entities: Vec<Vec<Found>>,
    /// How many windows were read.
    pub windows: usize,
    /// Special tokens that the inputs spell: read as ordinary letters. In an overlap of windows they count twice.
    pub spelled: usize,
}

/// A label as the user names it, and as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What entities are called.
    pub name: String,
    /// What is encoded: the name, or the name with its description.
    pub read: String,
}

impl Label {
    /// A label that is read as `name: description`.
    pub fn new(name: &str, description: Option<&str>) -> Label {
        let read = description.map_or_else(|| name.to_owned(), |description| format!("{name}: {description}"));
        Label { name: name.to_owned(), read }
    }
}

/// A model that looks for some labels in whatever it is given.
pub struct Predictor<'a> {
    finder: Finder<'a>,
    tokenizer: &'a Tokenizer,
    threshold: Threshold,
    mode: Mode,
    /// Pieces in a window without the prompt.
    room: usize,
    stride: usize,
}

/// Pieces by which a text can differ when it stands after a prompt.
const SEAM: usize = 2;

impl<'a> Predictor<'a> {
    /// `stride` is a quarter of a window if none.
    ///
    /// # Errors
    /// No label, an empty or a repeated one; more labels than a prompt holds; a stride that fills the window.
    pub fn new(
        model: &'a Model,
        tokenizers: &'a Tokenizers,
        encoding: Encoding,
        labels: &[Label],
        threshold: Threshold,
        mode: Mode,
        stride: Option<usize>,
    ) -> Result<Predictor<'a>, Error> {
        let read: Vec<String> = labels.iter().map(|label| label.read.clone()).collect();
        let finder = Finder::new(model, tokenizers, encoding, read.clone())?;
        let max_length = encoding.max_length;
        let mut room = max_length;
        if model.config.architecture == Architecture::CrossEncoder {
            let (plain, _) = plain_labels(&tokenizers.text, &read)?;
            let prompt = tokenizers.text.encode_running(&Prompt::new(&model.config, &plain).items.join(" "))?;
            let special = prompt.prefix + prompt.suffix;
            // A window with less text than this would see entities without their surroundings.
            let least = special + SEAM + (max_length / 8).max(1);
            room = max_length.saturating_sub(prompt.content().len() + SEAM);
            if room < least {
                return Err(Error::PromptTooLong { labels: labels.len(), pieces: max_length });
            }
        }
        let stride = stride.unwrap_or(room / 4);
        Ok(Predictor { finder, tokenizer: &tokenizers.text, threshold, mode, room, stride })
    }

    /// What the user should know about the labels.
    pub fn notes(&self) -> &[String] {
        &self.finder.notes
    }

    /// The entities of each input, in the order of the text.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn find(&self, inputs: &[Content]) -> Result<Reading, Error> {
        let (mut windows, mut owners) = (Vec::new(), Vec::new());
        for (number, input) in inputs.iter().enumerate() {
            if input.is_empty() {
                continue;
            }
            let ranges = self.windows(input)?;
            for (i, range) in ranges.iter().enumerate() {
                let before = i.checked_sub(1).map(|i| ranges[i].end);
                let after = ranges.get(i + 1).map(|next| next.start);
                windows.push(part(input, range));
                owners.push((number, range.clone(), before, after));
            }
        }
        let findings = self.finder.find(&windows.iter().collect::<Vec<_>>(), self.threshold)?;
        let mut candidates: Vec<Vec<Candidate>> = vec![Vec::new(); inputs.len()];
        for ((found, window), (number, whole, before, after)) in findings.iter().zip(&windows).zip(owners) {
            for it in &found.candidates {
                let (start, end) = range(&found.encoded, window, it);
                if start >= end {
                    continue;
                }
                let (start, end) = (whole.start + start, whole.start + end);
                // What touches a cut and lies in the overlap is seen whole by the neighbour.
                let cut_before = start == whole.start && before.is_some_and(|before| end <= before);
                let cut_after = end == whole.end && after.is_some_and(|after| start >= after);
                if !cut_before && !cut_after {
                    candidates[number].push(Candidate { start, end: end - 1, ..*it });
                }
            }
        }
        let entities = candidates.into_iter().map(|candidates| {
            let found = |it: Candidate| Found { start: it.start, end: it.end + 1, kind: it.kind, score: it.score };
            let mut entities: Vec<Found> = accept(unique(candidates), self.mode).into_iter().map(found).collect();
            entities.sort_by_key(|it| (it.start, it.end, it.kind));
            entities
        });
        let spelled = findings.iter().map(|found| found.encoded.spelled).sum();
        Ok(Reading { entities: entities.collect(), windows: windows.len(), spelled })
    }

    /// Ranges of code points or words, cut at word borders.
    fn windows(&self, input: &Content) -> Result<Vec<Range<usize>>, Error> {
        let pieces = match input {
            Content::Text(text) => self.tokenizer.encode_running(text)?,
            Content::Words(words) => self.tokenizer.encode_words(words)?,
        };
        let plan = Plan::new(&pieces, self.room, self.stride)?;
        if plan.windows.len() == 1 {
            return Ok(std::iter::once(0..input.len()).collect());
        }
        let covers = |piece: usize| match input {
            Content::Text(_) => (pieces.offsets[piece].0 as usize, pieces.offsets[piece].1 as usize),
            Content::Words(_) => word(&pieces, piece),
        };
        Ok(plan.windows.iter().map(|window| covers(window.start).0..covers(window.end - 1).1).collect())
    }
}

fn word(pieces: &Pieces, piece: usize) -> (usize, usize) {
    pieces.words[piece].map_or((0, 0), |word| (word as usize, word as usize + 1))
}

fn part(input: &Content, range: &Range<usize>) -> Content {
    match input {
        Content::Text(text) => Content::Text(text.chars().skip(range.start).take(range.len()).collect()),
        Content::Words(words) => Content::Words(words[range.clone()].to_vec()),
    }
}

/// The best of each span and label: neighbouring windows may both see it.
fn unique(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates
        .sort_by(|a, b| (a.start, a.end, a.kind).cmp(&(b.start, b.end, b.kind)).then(b.score.total_cmp(&a.score)));
    candidates.dedup_by_key(|it| (it.start, it.end, it.kind));
    candidates
}
