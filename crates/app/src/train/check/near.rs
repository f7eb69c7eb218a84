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

#[cfg(test)]
mod tests {
    use super::super::corpus::File;
    use super::*;
    use tagsmith_text::sentence::{Columns, Sentence, Sentences, Split, TagKind};

    /// A corpus of one file, a sentence a text.
    fn corpus(texts: &[String]) -> Corpus {
        let sentence = |(number, text): (usize, &String)| Sentence {
            words: text.split(' ').map(str::to_owned).collect(),
            tags: Vec::new(),
            line: number as u64 + 1,
        };
        let sentences: Vec<Sentence> = texts.iter().enumerate().map(sentence).collect();
        let split = Split {
            source: "f".into(),
            sentences: Sentences::in_memory(&sentences),
            tag_names: Vec::new(),
            tag_kind: TagKind::Absent,
            columns: Columns::default(),
            notes: Vec::new(),
        };
        Corpus { files: vec![File::new(split, false)] }
    }

    /// A word of letters for two numbers: digits make no difference.
    fn word(pair: usize, at: usize) -> String {
        let letters =
            |number: usize| number.to_string().bytes().map(|digit| char::from(digit + 49)).collect::<String>();
        format!("{}x{}", letters(pair), letters(at))
    }

    /// Pairs of all likenesses around the bound, and what comparing each pair by itself says of them.
    #[test]
    fn what_is_found_is_what_all_pairs_say() {
        let mut texts = Vec::new();
        for pair in 0..300 {
            let words: Vec<String> = (0..20 + pair % 60).map(|at| word(pair, at)).collect();
            // One of them goes on for some words that the other one lacks.
            let more: Vec<String> = (0..pair % 9).map(|at| word(pair, 1000 + at)).collect();
            texts.push(words.join(" "));
            texts.push([&words[..], &more[..], &["End".to_owned()]].concat().join(" "));
        }
        let corpus = corpus(&texts);
        let mut near = Near::default();
        corpus.for_each(|sight| near.see(sight)).expect("they are in memory");
        let [leaks, found] = near.finish(&corpus).expect("they are in memory");
        let likeness = |a: &str, b: &str| {
            let [a, b] = [a, b].map(|text| runs(&text.split(' ').map(str::to_owned).collect::<Vec<_>>()));
            let shared = a.intersection(&b).count();
            shared as f64 / (a.len() + b.len() - shared) as f64
        };
        let want = texts.chunks(2).filter(|pair| likeness(&pair[0], &pair[1]) >= LIKENESS).count();
        assert!((50..250).contains(&want), "{want}");
        // One pair in two thousand may be missed.
        assert!(found.count == want || found.count + 1 == want, "{} of {want}", found.count);
        assert_eq!(leaks.count, 0);
    }

    #[test]
    fn case_digits_and_punctuation_make_no_difference() {
        let of = |text: &str| runs(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("On 12 May , we met Jo"), of("on 37 may we met jo"));
        assert_ne!(of("on 12 may we met Jo"), of("on 12 may we met Al"));
        assert_eq!(of("too few words").len(), 0);
    }
}
