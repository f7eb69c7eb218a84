//! Sentences that stand there again: in the same data, in the other data, and with other labels.

use super::corpus::{Corpus, Place, Sight, finding};
use super::finding::{Findings, KEPT, Kind};
use anyhow::Result;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Sentences by their words.
#[derive(Default)]
pub struct Duplicates {
    /// The first sentence with such words in the data to learn from, and in the other data, with its labels.
    first: HashMap<u64, [Option<(Place, u64)>; 2]>,
    /// What was met: the kind, the later sentence, the earlier one.
    met: Vec<(Kind, Place, Place)>,
}

/// Returns a number that stands for a value. Two sentences of a million have the same one by chance once in 40 million files.
fn number(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Duplicates {
    /// Looks at a sentence. Returns whether its words are new.
    pub fn see(&mut self, sight: &Sight<'_>) -> bool {
        let words = number(&sight.sentence.words);
        let labels =
            number((0..sight.sentence.tags.len()).map(|at| sight.file.label(sight.sentence, at)).collect::<Vec<_>>());
        let side = usize::from(sight.file.is_other);
        let known = self.first.entry(words).or_default();
        let earlier = known[side].or(known[1 - side]);
        if let Some((place, other_labels)) = earlier {
            if other_labels != labels {
                self.met.push((Kind::OtherLabels, sight.place, place));
            }
            if known[side].is_some() {
                self.met.push((Kind::Duplicate, sight.place, place));
            }
        }
        if side == 1
            && let Some((place, _)) = known[0]
        {
            self.met.push((Kind::Leak, sight.place, place));
        }
        known[side].get_or_insert((sight.place, labels));
        earlier.is_none()
    }

    /// Returns the findings.
    ///
    /// # Errors
    /// A file of sentences cannot be read.
    pub fn finish(self, corpus: &Corpus) -> Result<[Findings; 3]> {
        let mut all = [Kind::Leak, Kind::OtherLabels, Kind::Duplicate].map(Findings::new);
        for (kind, place, earlier) in self.met {
            let findings = all.iter_mut().find(|findings| findings.kind == kind).expect("it is one of these");
            if findings.kept.len() == KEPT {
                findings.count += 1;
                continue;
            }
            let (file, sentence) = corpus.get(place)?;
            let (other_file, other) = corpus.get(earlier)?;
            let shown = format!("{}:{}", other_file.split.source, other.line);
            let what = match kind {
                Kind::OtherLabels => {
                    let differs = |at: &usize| file.label(&sentence, *at) != other_file.label(&other, *at);
                    let at = (0..sentence.words.len()).find(differs).unwrap_or_default();
                    let label = |label: Option<&str>| label.unwrap_or("no label").to_owned();
                    let (here, there) = (label(file.label(&sentence, at)), label(other_file.label(&other, at)));
                    findings
                        .add(|| finding(file, &sentence, at..at + 1, format!("`{here}` here, `{there}` in {shown}")));
                    continue;
                }
                _ => format!("as in {shown}"),
            };
            findings.add(|| finding(file, &sentence, 0..0, what));
        }
        Ok(all)
    }
}
