//! A WordPiece vocabulary, counted from the training sentences.
//!
//! The tokenizers crate's own trainer numbers pieces in the order of a hash table, and breaks ties by those numbers.
//! The table is seeded anew in every process. A demo that promises the same output for the same seed counts for itself.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tagsmith_text::sentence::Sentence;

/// Pieces with a meaning of their own, in the order of BERT's ids for them.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Marks a piece that continues a word.
const CONTINUES: &str = "##";

/// Returns at most `size` pieces.
///
/// First come the special pieces and every printable ASCII character, at a word's start and inside. Then comes what
/// byte-pair merging of the most frequent neighbors yields, as long as a pair occurs twice. Of two pairs as frequent,
/// the one of lower ids merges first.
pub fn pieces(sentences: &[Sentence], size: usize) -> Vec<String> {
    let mut pieces: Vec<String> = SPECIAL.iter().map(|&piece| piece.to_owned()).collect();
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    let mut id_of = |piece: String, pieces: &mut Vec<String>| {
        *ids.entry(piece).or_insert_with_key(|piece| {
            pieces.push(piece.clone());
            pieces.len() as u32 - 1
        })
    };
    for character in '!'..='~' {
        id_of(character.to_string(), &mut pieces);
    }
    for character in '!'..='~' {
        id_of(format!("{CONTINUES}{character}"), &mut pieces);
    }
    let mut words: Vec<(Vec<u32>, u64)> = Vec::new();
    for (word, count) in frequencies(sentences) {
        let spelled = word.char_indices().map(|(at, character)| {
            let prefix = if at == 0 { "" } else { CONTINUES };
            id_of(format!("{prefix}{character}"), &mut pieces)
        });
        words.push((spelled.collect(), count));
    }
    let mut pairs = BTreeMap::new();
    for (word, count) in &words {
        count_pairs(word, *count as i64, &mut pairs);
    }
    while pieces.len() < size {
        let Some((&pair, &count)) = pairs.iter().rev().max_by_key(|&(_, &count)| count) else { break };
        if count < 2 {
            break;
        }
        let [left, right] = [pair.0, pair.1].map(|id| pieces[id as usize].clone());
        let merged = id_of(format!("{left}{}", right.strip_prefix(CONTINUES).unwrap_or(&right)), &mut pieces);
        for (word, count) in &mut words {
            if word.windows(2).any(|two| (two[0], two[1]) == pair) {
                count_pairs(word, -(*count as i64), &mut pairs);
                merge(word, pair, merged);
                count_pairs(word, *count as i64, &mut pairs);
            }
        }
    }
    pieces
}

/// A tokenizer.json with these pieces, cased, as BERT's cased checkpoints have it.
pub fn tokenizer_json(pieces: &[String]) -> Value {
    let special = |content: &str| {
        let id = SPECIAL.iter().position(|&special| special == content).expect("a special piece");
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true})
    };
    let vocabulary: serde_json::Map<String, Value> =
        pieces.iter().enumerate().map(|(id, piece)| (piece.clone(), json!(id))).collect();
    let part = |kind: &str, id: &str, type_id: u32| json!({kind: {"id": id, "type_id": type_id}});
    let template_id = |content: &str, id: u32| json!({"id": content, "ids": [id], "tokens": [content]});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": SPECIAL.iter().map(|&content| special(content)).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": false, "lowercase": false},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [part("SpecialToken", "[CLS]", 0), part("Sequence", "A", 0), part("SpecialToken", "[SEP]", 0)],
            "pair": [part("SpecialToken", "[CLS]", 0), part("Sequence", "A", 0), part("SpecialToken", "[SEP]", 0),
                part("Sequence", "B", 1), part("SpecialToken", "[SEP]", 1)],
            "special_tokens": {"[CLS]": template_id("[CLS]", 2), "[SEP]": template_id("[SEP]", 3)},
        },
        "decoder": {"type": "WordPiece", "prefix": CONTINUES, "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": CONTINUES,
            "max_input_chars_per_word": 100, "vocab": vocabulary},
    })
}

/// How often each word occurs, punctuation apart as BERT's pre-tokenizer has it.
fn frequencies(sentences: &[Sentence]) -> BTreeMap<&str, u64> {
    let mut frequencies = BTreeMap::new();
    for word in sentences.iter().flat_map(|sentence| &sentence.words) {
        for run in word.split_inclusive(|character: char| character.is_ascii_punctuation()) {
            let (run, mark) = match run.char_indices().next_back() {
                Some((at, last)) if last.is_ascii_punctuation() => run.split_at(at),
                _ => (run, ""),
            };
            for part in [run, mark] {
                if !part.is_empty() {
                    *frequencies.entry(part).or_default() += 1;
                }
            }
        }
    }
    frequencies
}

/// Adds `count` to each pair of neighbors of `word`.
fn count_pairs(word: &[u32], count: i64, pairs: &mut BTreeMap<(u32, u32), i64>) {
    for two in word.windows(2) {
        *pairs.entry((two[0], two[1])).or_default() += count;
    }
}

/// Replaces each `pair` in `word`, from the left, by `merged`.
fn merge(word: &mut Vec<u32>, pair: (u32, u32), merged: u32) {
    let mut kept = Vec::with_capacity(word.len());
    for &id in word.iter() {
        match kept.last_mut() {
            Some(last) if (*last, id) == pair => *last = merged,
            _ => kept.push(id),
        }
    }
    *word = kept;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::corpus::{Corpus, Sizes};
    use tagsmith_text::tokenizer::Tokenizer;

    fn sentence(words: &str) -> Sentence {
        Sentence { words: words.split(' ').map(str::to_owned).collect(), tags: Vec::new(), line: 1 }
    }

    /// The words and counts of the example usual since Sennrich, Haddow and Birch (2016), merged by hand.
    ///
    /// `es` and then `est` occur 9 times, `lo` and `low` 7, `ne`, `west` and `newest` 6. `wi`, `dest` and `widest`
    /// occur 3 times, `er` and `lower` twice.
    #[test]
    fn the_most_frequent_neighbors_merge_first() {
        let words = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3), ("once", 1)];
        let sentences: Vec<Sentence> =
            words.iter().flat_map(|&(word, count)| std::iter::repeat_n(sentence(word), count)).collect();
        let pieces = pieces(&sentences, 1_000);
        let merged =
            ["##es", "##est", "lo", "low", "ne", "##west", "newest", "wi", "##dest", "widest", "##er", "lower"];
        assert_eq!(pieces[..5], SPECIAL);
        assert_eq!(pieces[5 + 2 * 94..], merged);
        assert_eq!(super::pieces(&sentences, 5 + 2 * 94 + 3).last().map(String::as_str), Some("lo"));
    }

    #[test]
    fn punctuation_is_no_part_of_a_word() {
        let sentences = [sentence("O'Brien & Sons ' K. 1,200")];
        let counted: Vec<(&str, u64)> = frequencies(&sentences).into_iter().collect();
        let expected = [
            ("&", 1),
            ("'", 2),
            (",", 1),
            (".", 1),
            ("1", 1),
            ("200", 1),
            ("Brien", 1),
            ("K", 1),
            ("O", 1),
            ("Sons", 1),
        ];
        assert_eq!(counted, expected);
    }

    /// Names of the test are cut into pieces, never lost: each word has a piece and no piece is unknown.
    #[test]
    fn the_tokenizers_crate_reads_it_and_knows_every_word() {
        let corpus = Corpus::generate(1, Sizes { train: 1_000, validation: 1, test: 200 });
        let pieces = pieces(&corpus.train.sentences, 800);
        assert_eq!(pieces.len(), 800);
        let json = tokenizer_json(&pieces).to_string();
        let tokenizer = Tokenizer::from_bytes(json.as_bytes(), b"{}").unwrap();
        assert_eq!((tokenizer.id_bound(), tokenizer.notes.len()), (800, 0));
        for sentence in &corpus.test.sentences {
            let cut = tokenizer.encode_words(&sentence.words).unwrap();
            assert_eq!((cut.ids[0], cut.ids[cut.len() - 1]), (2, 3), "[CLS] and [SEP] stand around");
            assert!(cut.first_of_words(sentence.words.len()).iter().all(Option::is_some), "{:?}", sentence.words);
            assert!(!cut.ids.contains(&1), "{:?}", sentence.words);
        }
    }
}
