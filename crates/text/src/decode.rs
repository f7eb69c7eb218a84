//! What a model says of words becomes labels: each word by itself, or the best path that the tags' scheme allows.
//!
//! A path's score is the sum of its labels' log-probabilities and, for each pair of neighbors, one of six biases
//! ([`calibration::Biases`]). Pairs that the scheme does not allow are in no path.

pub mod calibration;
pub mod chain;
pub mod grammar;
pub mod search;
pub mod viterbi;

use crate::decode::chain::Chain;
use crate::decode::viterbi::Viterbi;
use std::sync::Arc;

/// The way in which words get labels, as a user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoding {
    /// Each word gets its most probable label.
    Argmax,
    /// A sentence gets the best of the paths that the scheme allows.
    Viterbi,
}

impl Decoding {
    /// Names of all ways, in the order of the variants.
    pub const NAMES: [&str; 2] = ["argmax", "viterbi"];

    /// Returns the way of that name.
    pub fn named(name: &str) -> Option<Decoding> {
        [Decoding::Argmax, Decoding::Viterbi].into_iter().find(|way| way.name() == name)
    }

    /// Returns the way's name.
    pub fn name(self) -> &'static str {
        Decoding::NAMES[self as usize]
    }
}

/// What gives the words of a sentence their labels.
#[derive(Clone, Debug, Default)]
pub enum Decoder {
    /// Each word gets its most probable label.
    #[default]
    Argmax,
    /// A sentence gets its best legal path.
    Viterbi(Arc<Viterbi>),
    /// A sentence gets its best path by the numbers of a chain.
    Chain(Arc<Chain>),
}

/// The labels of a sentence's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The label of each word.
    pub labels: Vec<u32>,
    /// Words whose label is not their most probable one.
    pub changed: usize,
    /// Whether no path is legal, so that each word has its most probable label.
    pub has_no_path: bool,
}

/// The least probability that a path can have at a word: that of a label whose probability is 0 in 32 bits.
const LEAST: f64 = f32::from_bits(1) as f64;

impl Decoder {
    /// Returns whether labels are of whole words, because those of their neighbors matter.
    pub fn reads_words(&self) -> bool {
        !matches!(self, Decoder::Argmax)
    }

    /// Returns labels for words with these probabilities, each (K). A word without any has `stopgap` on every path.
    ///
    /// # Panics
    /// If a row has another number of labels than the decoder.
    pub fn decode(&self, rows: &[Option<&[f32]>], stopgap: u32) -> Decoded {
        let log = |probability: f32| f64::from(probability).max(LEAST).ln();
        self.decode_by(rows, stopgap, log)
    }

    /// Returns labels for words with these scores, each (K), divided by a temperature: logarithms of probabilities, up to a
    /// number for each word.
    ///
    /// # Panics
    /// If a row has another number of labels than the decoder.
    pub fn decode_scores(&self, rows: &[&[f32]], temperature: f32) -> Decoded {
        let rows: Vec<Option<&[f32]>> = rows.iter().copied().map(Some).collect();
        self.decode_by(&rows, 0, |score| f64::from(score) / f64::from(temperature))
    }

    fn decode_by(&self, rows: &[Option<&[f32]>], stopgap: u32, log: impl Fn(f32) -> f64) -> Decoded {
        let most = |row: &Option<&[f32]>| row.map_or(stopgap, |row| most_probable(row).0 as u32);
        let argmax: Vec<u32> = rows.iter().map(most).collect();
        let score = |word: usize, label: usize| match rows[word] {
            Some(row) => log(row[label]),
            None if label as u32 == stopgap => 0.0,
            None => f64::NEG_INFINITY,
        };
        let path = match self {
            Decoder::Argmax => return Decoded { labels: argmax, ..Decoded::default() },
            Decoder::Viterbi(viterbi) => viterbi.best_path(rows.len(), score),
            Decoder::Chain(chain) => chain.best_path(rows.len(), score),
        };
        match path {
            None => Decoded { labels: argmax, changed: 0, has_no_path: true },
            Some(path) => {
                let changed = path.iter().zip(&argmax).filter(|(label, most)| label != most).count();
                Decoded { labels: path, changed, has_no_path: false }
            }
        }
    }
}

/// Returns the label of the highest probability, the first of equals, and that probability.
pub fn most_probable(probabilities: &[f32]) -> (usize, f32) {
    let mut best = (0, probabilities[0]);
    for (label, &probability) in probabilities.iter().enumerate().skip(1) {
        if probability > best.1 {
            best = (label, probability);
        }
    }
    best
}
