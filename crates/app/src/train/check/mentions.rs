//! Mentions of the same words: with several types, without a label, and whether training has them.

use super::corpus::{Corpus, Sight};
use super::finding::{Findings, Kind};
use anyhow::Result;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// The fewest mentions of words that make their other places suspicious.
const OFTEN: u64 = 5;
/// The longest mention, in words, that is looked for where it has no label.
const LONGEST: usize = 6;

/// The mentions of some words.
#[derive(Clone, Debug, Default)]
struct Surface {
    /// Each type: how many mentions in the data to learn from, and how many in the other data.
    types: Vec<(u32, [u64; 2])>,
}

impl Surface {
    fn labeled(&self) -> u64 {
        self.types.iter().map(|(_, counts)| counts[0] + counts[1]).sum()
    }

    /// Returns the type that most mentions have, and how many.
    fn usual(&self) -> (u32, u64) {
        let count = |(kind, counts): &(u32, [u64; 2])| (*kind, counts[0] + counts[1]);
        self.types.iter().map(count).max_by_key(|(kind, count)| (*count, Reverse(*kind))).unwrap_or_default()
    }
}

/// All mentions, by their words.
#[derive(Default)]
pub struct Mentions {
    surfaces: HashMap<String, Surface>,
    kinds: Vec<String>,
    /// Words that begin a mention of several words, so that few others are looked up.
    beginnings: HashMap<String, usize>,
}

/// How much of the other data's mentions training has, by type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Mentions of the other data.
    pub mentions: u64,
    /// Mentions among them whose words have this type in the data to learn from.
    pub seen: u64,
}

impl Seen {
    /// Returns the counts as JSON.
    pub fn json(&self) -> Value {
        json!({ "mentions": self.mentions, "seen": self.seen, "never": self.mentions - self.seen })
    }
}

impl Mentions {
    fn kind(&mut self, name: &str) -> u32 {
        let found = self.kinds.iter().position(|kind| kind == name);
        found.unwrap_or_else(|| {
            self.kinds.push(name.to_owned());
            self.kinds.len() - 1
        }) as u32
    }

    /// Takes in the entities of a sentence.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for span in &sight.spans {
            let kind = self.kind(span.kind);
            let mention = sight.mention(span);
            let words = span.words();
            let longest = self.beginnings.entry(sight.sentence.words[span.start].clone()).or_default();
            *longest = (*longest).max(words);
            let surface = self.surfaces.entry(mention).or_default();
            let side = usize::from(sight.file.is_other);
            match surface.types.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, counts)) => counts[side] += 1,
                None => {
                    let mut counts = [0; 2];
                    counts[side] = 1;
                    surface.types.push((kind, counts));
                }
            }
        }
    }

    /// Returns how often some words are a mention.
    pub fn count(&self, words: &str) -> u64 {
        self.surfaces.get(words).map_or(0, Surface::labeled)
    }

    /// Returns how much of the other data's mentions the data to learn from have, by type.
    pub fn seen(&self) -> BTreeMap<String, Seen> {
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        for surface in self.surfaces.values() {
            for (kind, [learned, other]) in surface.types.iter().filter(|(_, counts)| counts[1] > 0) {
                let of = seen.entry(self.kinds[*kind as usize].clone()).or_default();
                of.mentions += other;
                of.seen += if *learned > 0 { *other } else { 0 };
            }
        }
        seen
    }

    /// Returns mentions whose words mostly have another type, and words without a label that are an entity in at least five
    /// other places. Where words lack a label more often than they have one, they are no finding.
    ///
    /// # Errors
    /// A file of sentences cannot be read.
    pub fn finish(&self, corpus: &Corpus) -> Result<[Findings; 2]> {
        let mut unlabeled: HashMap<String, u64> = HashMap::new();
        corpus.for_each(|sight| {
            self.each_unlabeled(sight, |words, _, _| match unlabeled.get_mut(words) {
                Some(count) => *count += 1,
                None => _ = unlabeled.insert(words.to_owned(), 1),
            });
        })?;
        let mut all = [Kind::OtherType, Kind::Unlabeled].map(Findings::new);
        corpus.for_each(|sight| {
            for span in &sight.spans {
                let surface = &self.surfaces[&sight.mention(span)];
                let (usual, count) = surface.usual();
                if surface.types.len() > 1 && self.kinds[usual as usize] != span.kind && count > 1 {
                    let what = || format!("{} here; in all {}", span.kind, self.types(surface));
                    all[0].add(|| sight.finding(span.start..span.end, what()));
                }
            }
            self.each_unlabeled(sight, |words, surface, range| {
                let (without, with) = (unlabeled.get(words).copied().unwrap_or_default(), surface.labeled());
                if without <= with {
                    let usual = &self.kinds[surface.usual().0 as usize];
                    let what = || format!("{usual} elsewhere: {with} with a label, {without} without");
                    all[1].add(|| sight.finding(range, what()));
                }
            });
        })?;
        Ok(all)
    }

    /// Returns the types of some words, the usual one first: `41 LOC, 3 PER`.
    fn types(&self, surface: &Surface) -> String {
        let each = surface.types.iter().map(|(kind, counts)| (counts[0] + counts[1], &self.kinds[*kind as usize]));
        let mut each: Vec<_> = each.collect();
        each.sort_by_key(|(count, kind)| (Reverse(*count), *kind));
        each.iter().map(|(count, kind)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
    }

    /// Hands words without a label that are a mention elsewhere to `each`, with the mentions and the place. The longest mention
    /// at a place counts.
    fn each_unlabeled(&self, sight: &Sight<'_>, mut each: impl FnMut(&str, &Surface, Range<usize>)) {
        let words = &sight.sentence.words;
        if sight.sentence.tags.len() != words.len() {
            return;
        }
        let mut inside = vec![false; words.len()];
        sight.spans.iter().for_each(|span| inside[span.start..span.end].fill(true));
        let mut at = 0;
        while at < words.len() {
            let longest = self.beginnings.get(&words[at]).copied().unwrap_or_default();
            let free = inside[at..].iter().take_while(|inside| !**inside).count();
            let found = (1..=longest.min(LONGEST).min(free)).rev().find_map(|count| {
                let mention = words[at..at + count].join(" ");
                let surface = self.surfaces.get(&mention).filter(|surface| surface.labeled() >= OFTEN)?;
                Some((mention, surface, count))
            });
            at += match found {
                Some((mention, surface, count)) => {
                    each(&mention, surface, at..at + count);
                    count
                }
                None => 1,
            };
        }
    }
}
