//! Words that one part of the data cuts where the other does not: `can't` here, `ca n't` there.

use super::corpus::Sight;
use super::finding::{Findings, Kind};
use std::collections::HashMap;
use tagsmith_message::counted;

/// How often words are one word, and how often two, in the data to learn from and in the other data. Only words with
/// an apostrophe, a hyphen or other punctuation beside letters are looked at: others are not cut.
#[derive(Default)]
pub struct Drift {
    whole: HashMap<String, [u64; 2]>,
    cut: HashMap<String, [u64; 2]>,
}

/// Returns whether a word has both letters and punctuation.
fn is_mixed(word: &str) -> bool {
    word.chars().any(char::is_alphanumeric) && word.chars().any(|letter| !letter.is_alphanumeric())
}

impl Drift {
    /// Takes in a sentence.
    pub fn see(&mut self, sight: &Sight<'_>) {
        let side = usize::from(sight.file.is_other);
        let count = |of: &mut HashMap<String, [u64; 2]>, word: String| of.entry(word).or_default()[side] += 1;
        let words = &sight.sentence.words;
        for (at, word) in words.iter().enumerate() {
            if is_mixed(word) {
                count(&mut self.whole, word.clone());
            }
            // A word of punctuation alone stands beside others everywhere.
            if let Some(next) = words.get(at + 1).filter(|next| is_mixed(next) || is_mixed(word)) {
                count(&mut self.cut, format!("{word}{next}"));
            }
        }
    }

    /// Returns findings without places yet.
    pub fn judged(self) -> Judged {
        let usual = |counts: Option<&[u64; 2]>, side: usize| counts.map_or(0, |counts| counts[side]);
        let mut wrong = HashMap::new();
        for (word, whole) in &self.whole {
            let Some(cut) = self.cut.get(word) else { continue };
            let [learned_whole, other_whole] = *whole;
            let (learned_cut, other_cut) = (usual(Some(cut), 0), usual(Some(cut), 1));
            if learned_cut > 0 && learned_whole == 0 && other_whole > 0 {
                wrong.insert(word.clone(), (true, learned_cut));
            } else if learned_whole > 0 && learned_cut == 0 && other_cut > 0 {
                wrong.insert(word.clone(), (false, learned_whole));
            }
        }
        Judged { wrong, findings: Findings::new(Kind::OtherWords) }
    }
}

/// Words that are cut in two ways.
pub struct Judged {
    /// Whether the other data have one word, and how often the data to learn from have it otherwise.
    wrong: HashMap<String, (bool, u64)>,
    findings: Findings,
}

impl Judged {
    /// Looks at a sentence of the other data.
    pub fn see(&mut self, sight: &Sight<'_>) {
        if self.wrong.is_empty() || !sight.file.is_other {
            return;
        }
        let words = &sight.sentence.words;
        for (at, word) in words.iter().enumerate() {
            if let Some((true, count)) = self.wrong.get(word) {
                let what =
                    format!("`{word}` is two words in the data to learn from, {}", counted(*count as usize, "time"));
                self.findings.add(|| sight.finding(at..at + 1, what));
            }
            let Some(next) = words.get(at + 1) else { continue };
            if let Some((false, count)) = self.wrong.get(&format!("{word}{next}")) {
                let what = format!(
                    "`{word}{next}` is one word in the data to learn from, {}",
                    counted(*count as usize, "time")
                );
                self.findings.add(|| sight.finding(at..at + 2, what));
            }
        }
    }

    /// Returns the findings.
    pub fn finish(self) -> Findings {
        self.findings
    }
}
