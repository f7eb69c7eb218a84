//! Entities that are too long to be one, and those that go on after a sentence ends.

use super::corpus::Sight;
use super::finding::{Findings, Kind};

/// The share of entities that are not too long.
const USUAL: f64 = 0.999;
/// The fewest entities that tell what is usual.
const ENOUGH: u64 = 1000;

/// Counts of entities by length.
#[derive(Default)]
pub struct EntityLengths {
    /// Entities of each number of words.
    counts: Vec<u64>,
}

impl EntityLengths {
    /// Counts the entities of a sentence.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for span in &sight.spans {
            let words = span.words();
            if self.counts.len() <= words {
                self.counts.resize(words + 1, 0);
            }
            self.counts[words] += 1;
        }
    }

    /// Returns the most words of a usual entity; none where too few entities say so.
    pub fn usual(&self) -> Option<usize> {
        let all: u64 = self.counts.iter().sum();
        let mut sum = 0;
        let enough = |count: &u64| {
            sum += count;
            sum as f64 >= USUAL * all as f64
        };
        (all >= ENOUGH).then(|| self.counts.iter().position(enough)).flatten()
    }
}

/// Findings about long entities.
pub struct LongEntities {
    usual: Option<usize>,
    long: Findings,
    over: Findings,
}

impl LongEntities {
    /// Returns no findings yet.
    pub fn new(lengths: &EntityLengths) -> LongEntities {
        LongEntities {
            usual: lengths.usual(),
            long: Findings::new(Kind::LongEntity),
            over: Findings::new(Kind::OverSentenceEnd),
        }
    }

    /// Looks at a sentence.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for span in &sight.spans {
            let (range, words) = (span.start..span.end, span.words());
            if let Some(usual) = self.usual.filter(|&usual| words > usual) {
                let what = format!("{words} words; 99.9 % of all entities have at most {usual}");
                self.long.add(|| sight.finding(range.clone(), what));
            }
            let inside = &sight.sentence.words[span.start..span.end - 1];
            // A full stop after one letter or before a small letter belongs to an abbreviation.
            let ends = |at: &usize| match inside[*at].as_str() {
                "!" | "?" | "。" | "！" | "？" => true,
                "." => {
                    let before = at.checked_sub(1).map_or("", |before| inside[before].as_str());
                    let after = &sight.sentence.words[span.start + at + 1];
                    before.chars().count() > 3 && after.starts_with(char::is_uppercase)
                }
                _ => false,
            };
            if let Some(at) = (0..inside.len()).find(ends) {
                let what = format!("`{}` ends a sentence inside the entity", inside[at]);
                self.over.add(|| sight.finding(range.clone(), what));
            }
        }
    }

    /// Returns the findings.
    pub fn finish(self) -> [Findings; 2] {
        [self.long, self.over]
    }
}
