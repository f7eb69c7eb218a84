//! Sentences that are nearly the same: those whose runs of five words are to nine tenths the same.
//!
//! Comparing all pairs would take the square of the data. MinHash (Broder, 1997) finds candidates in one pass. Of two sets, the
//! smallest of all elements' numbers is the same with a probability that is their likeness. Six such numbers in a row are a
//! band. Two sentences with one of ten bands in common are compared, run by run. That finds likenesses of 0.9 with a
//! probability of 0.9995.

use super::corpus::{Corpus, Place, Sight, finding};
use super::finding::{Findings, Kind};
use anyhow::Result;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Words of a run.
const RUN: usize = 5;
/// Bands of a sentence, and numbers of a band.
const BANDS: usize = 10;
const ROWS: usize = 6;
/// The least likeness that is told: shared runs in proportion to all runs.
const LIKENESS: f64 = 0.9;
/// Candidates of one sentence that are compared.
const CANDIDATES: usize = 4;

/// Signatures of sentences.
#[derive(Default)]
pub struct Near {
    places: Vec<Place>,
    bands: Vec<[u32; BANDS]>,
}

/// Returns the numbers of a sentence's runs. Upper and lower case, digits and punctuation make no difference. A sentence without a whole run
/// has none.
fn runs(words: &[String]) -> HashSet<u64> {
    let plain: Vec<String> = words
        .iter()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| word.chars().map(|c| if c.is_numeric() { '0' } else { c }).flat_map(char::to_lowercase).collect())
        .collect();
    let number = |run: &[String]| {
        let mut hasher = DefaultHasher::new();
        run.hash(&mut hasher);
        hasher.finish()
    };
    plain.windows(RUN).map(number).collect()
}

/// Returns number `row` of another order of all numbers.
fn reordered(number: u64, row: usize) -> u64 {
    let mut bits = number ^ (row as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits ^ (bits >> 29)
}

impl Near {
    /// Takes in a sentence whose words are new.
    pub fn see(&mut self, sight: &Sight<'_>) {
        let runs = runs(&sight.sentence.words);
        if runs.is_empty() {
            return;
        }
        let least = |row: usize| runs.iter().map(|&run| reordered(run, row)).min().unwrap_or_default();
        let band = |band: usize| {
            let mut hasher = DefaultHasher::new();
            (0..ROWS).for_each(|row| hasher.write_u64(least(band * ROWS + row)));
            hasher.finish() as u32
        };
        self.places.push(sight.place);
        self.bands.push(std::array::from_fn(band));
    }

    /// Returns the findings in the order of the data. A sentence is told once, with the earliest that is like it.
    ///
    /// # Errors
    /// A file of sentences cannot be read.
    pub fn finish(self, corpus: &Corpus) -> Result<[Findings; 2]> {
        let mut candidates: Vec<Vec<u32>> = vec![Vec::new(); self.places.len()];
        let mut order: Vec<u32> = (0..self.places.len() as u32).collect();
        for band in 0..BANDS {
            let key = |at: &u32| (self.bands[*at as usize][band], *at);
            order.sort_unstable_by_key(key);
            for group in order.chunk_by(|a, b| key(a).0 == key(b).0) {
                // The first of a group stands for it: all of a group are compared with it, never with each other.
                for later in &group[1..] {
                    let of = &mut candidates[*later as usize];
                    if of.len() < CANDIDATES && !of.contains(&group[0]) {
                        of.push(group[0]);
                    }
                }
            }
        }
        let mut all = [Kind::NearLeak, Kind::NearDuplicate].map(Findings::new);
        for (at, mut earlier) in candidates.into_iter().enumerate().filter(|(_, earlier)| !earlier.is_empty()) {
            let (file, sentence) = corpus.get(self.places[at])?;
            let ours = runs(&sentence.words);
            earlier.sort_unstable();
            for earlier in earlier {
                let (other_file, other) = corpus.get(self.places[earlier as usize])?;
                let theirs = runs(&other.words);
                let shared = ours.intersection(&theirs).count();
                let likeness = shared as f64 / (ours.len() + theirs.len() - shared) as f64;
                if likeness >= LIKENESS {
                    let findings = &mut all[usize::from(file.is_other == other_file.is_other)];
                    let place = format!("{}:{}", other_file.split.source, other.line);
                    findings.add(|| finding(file, &sentence, 0..0, format!("{:.0} % as in {place}", likeness * 100.0)));
                    break;
                }
            }
        }
        Ok(all)
    }
}
