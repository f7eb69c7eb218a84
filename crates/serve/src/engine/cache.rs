//! Answers that are kept for the same question: exact, because an answer depends on the text and the choices alone.

use super::flow::Key;
use super::job::Document;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tagsmith_app::predict::tagger::Choices;
use tagsmith_text::tagged::Content;

/// Bytes of an entry beside its texts.
const ENTRY: usize = 256;

/// Bytes of a word, a label or an entity beside its text.
const ITEM: usize = 80;

/// The answers that were asked for of late, as many as have room.
pub struct Cache {
    entries: HashMap<Key, Entry>,
    /// The keys in the order of their last use.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
    bytes_max: usize,
}

struct Entry {
    document: Arc<Document>,
    bytes: usize,
    used: u64,
}

impl Cache {
    pub fn new(bytes_max: usize) -> Cache {
        Cache { entries: HashMap::new(), order: BTreeMap::new(), clock: 0, bytes: 0, bytes_max }
    }

    /// Returns a kept answer.
    pub fn get(&mut self, key: &Key) -> Option<Arc<Document>> {
        let entry = self.entries.get_mut(key)?;
        self.order.remove(&entry.used);
        self.clock += 1;
        entry.used = self.clock;
        self.order.insert(self.clock, *key);
        Some(entry.document.clone())
    }

    /// Keeps an answer. Those that were not used for longest go.
    pub fn put(&mut self, key: Key, document: &Arc<Document>) {
        let bytes = bytes_of(document);
        // One answer takes a quarter of the room at most, or a document would drive out everything else.
        if bytes > self.bytes_max / 4 || self.entries.contains_key(&key) {
            return;
        }
        while self.bytes + bytes > self.bytes_max {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
        self.clock += 1;
        self.bytes += bytes;
        self.order.insert(self.clock, key);
        self.entries.insert(key, Entry { document: document.clone(), bytes, used: self.clock });
    }
}

/// Returns the memory that a document takes, roughly.
fn bytes_of(document: &Document) -> usize {
    let tagged = &document.tagged;
    let words: usize = tagged.words.iter().map(|word| word.len() + ITEM).sum();
    let entities: usize = tagged.entities.iter().map(|it| it.text.len() + it.label.len() + 2 * ITEM).sum();
    ENTRY + tagged.text.len() + words + entities
}

/// Choices, as the beginning of keys.
pub struct Asked(Sha256);

impl Asked {
    pub fn new(choices: &Choices) -> Asked {
        let Choices { strategy, in_pieces, outside, stride, labels, threshold, decoding, operating_point } = choices;
        let labels = labels.as_ref().map(ToString::to_string);
        let of_words = format!("{strategy:?} {in_pieces:?} {outside:?} {stride:?} {labels:?}");
        let words = format!("{of_words} {threshold:?} {decoding:?} {operating_point:?}\n");
        let mut hash = Sha256::new();
        hash.update(words);
        Asked(hash)
    }

    /// Returns the key of an input.
    pub fn key(&self, content: &Content) -> Key {
        let mut hash = self.0.clone();
        match content {
            Content::Text(text) => hash.update(text),
            Content::Words(words) => {
                hash.update([0xff]);
                for word in words {
                    hash.update(word.len().to_le_bytes());
                    hash.update(word);
                }
            }
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tagsmith_text::tagged::Tagged;

    fn document(bytes: usize) -> Arc<Document> {
        let tagged = Tagged {
            text: "x".repeat(bytes - ENTRY),
            words: vec![],
            labels: vec![],
            entities: vec![],
            abstains_below: None,
        };
        Arc::new(Document { tagged, characters: 0, pieces: 0, windows: 0, notes: vec![], unread_from: None })
    }

    #[test]
    fn what_was_not_used_for_longest_goes() {
        let mut cache = Cache::new(4000);
        let key = |number: u8| [number; 32];
        (0..4).for_each(|number| cache.put(key(number), &document(1000)));
        assert!(cache.get(&key(0)).is_some());
        cache.put(key(4), &document(1000));
        let there: Vec<u8> = (0..5).filter(|&number| cache.entries.contains_key(&key(number))).collect();
        assert_eq!((there, cache.bytes, cache.order.len()), (vec![0, 2, 3, 4], 4000, 4));
        // An answer that would fill the room is not kept.
        cache.put(key(9), &document(1001));
        assert!(cache.get(&key(9)).is_none() && cache.bytes == 4000);
    }

    #[test]
    fn every_choice_and_every_text_has_a_key_of_its_own() {
        let text = |text: &str| Content::Text(text.into());
        let words = |words: &[&str]| Content::Words(words.iter().map(|word| (*word).to_owned()).collect());
        let of = |choices: Choices, content: &Content| Asked::new(&choices).key(content);
        let plain = Choices::default;
        let keys = [
            of(plain(), &text("ab")),
            of(plain(), &text("a")),
            of(plain(), &words(&["ab"])),
            of(plain(), &words(&["a", "b"])),
            of(plain(), &words(&["a", "", "b"])),
            of(Choices { stride: Some(3), ..plain() }, &text("ab")),
            of(Choices { labels: Some(json!(["a"])), ..plain() }, &text("ab")),
            of(Choices { labels: Some(json!(["b"])), ..plain() }, &text("ab")),
            of(Choices { threshold: Some("0.5".into()), ..plain() }, &text("ab")),
            of(Choices { in_pieces: Some(true), ..plain() }, &text("ab")),
            of(Choices { operating_point: Some("0.5".into()), ..plain() }, &text("ab")),
            of(Choices { outside: Some(true), ..plain() }, &text("ab")),
        ];
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(of(plain(), &text("ab")), keys[0]);
    }
}
