//! Expressions of a tokenizer.json: those of published models cut as the library cuts, and no other one runs for ever.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tagsmith_text::tokenizer::Tokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// Expressions of published models, with their sources.
const PUBLISHED: [(&str, &str); 4] = [
    ("GPT-2, encoder.py", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"),
    (
        "Llama 3, tokenizer.json",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    (
        "o200k, openai_public.py of tiktoken",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ),
    (
        "CLIP, simple_tokenizer.py",
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    ),
];

/// A tokenizer.json whose pieces are bytes, so that ids and words show every cut.
fn tokenizer(normalizer: Value, steps: &[Value]) -> Vec<u8> {
    let mut letters: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    letters.sort_unstable();
    let vocab: Map<String, Value> =
        (0..).zip(letters).map(|(id, letter): (u32, char)| (letter.to_string(), id.into())).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "post_processor": null, "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": [],
        },
    })
    .to_string()
    .into_bytes()
}

fn bytes(use_regex: bool, add_prefix_space: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true, "use_regex": use_regex})
}

fn split(pattern: &str, behavior: &str, invert: bool) -> Value {
    json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert})
}

fn replace(pattern: &str, content: &str) -> Value {
    json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": content})
}

/// Ids, offsets and cuts, as the library has them.
type Found = (Vec<u32>, Vec<(u32, u32)>, Vec<Option<u32>>);

/// A tokenizer, read by the library and here.
struct Both {
    library: tokenizers::Tokenizer,
    ours: Tokenizer,
}

impl Both {
    fn new(json: &[u8]) -> Both {
        let library = tokenizers::Tokenizer::from_bytes(json).unwrap();
        Both { library, ours: Tokenizer::from_bytes(json, b"{}").unwrap() }
    }

    fn of_library(&self, text: &str) -> Found {
        let encoding = self.library.encode_char_offsets(text, true).unwrap();
        let offsets = encoding.get_offsets().iter().map(|&(start, end)| (start as u32, end as u32)).collect();
        (encoding.get_ids().to_vec(), offsets, encoding.get_word_ids().to_vec())
    }

    fn found(&self, text: &str) -> Result<Found, String> {
        let pieces = self.ours.encode_running(text).map_err(|error| error.to_string())?;
        Ok((pieces.ids, pieces.offsets, pieces.words))
    }

    fn agree(&self, text: &str) -> bool {
        self.found(text) == Ok(self.of_library(text))
    }
}

/// Tokenizers of published models, as far as expressions matter.
static ALL: LazyLock<Vec<Both>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (_, pattern) in PUBLISHED {
        for (behavior, invert) in [("Isolated", false), ("Removed", true), ("MergedWithPrevious", false)] {
            all.push(tokenizer(Value::Null, &[split(pattern, behavior, invert), bytes(false, false)]));
        }
    }
    all.push(tokenizer(Value::Null, &[bytes(true, false)]));
    all.push(tokenizer(Value::Null, &[bytes(true, true)]));
    let spaces =
        json!({"type": "Sequence", "normalizers": [{"type": "NFC"}, replace(r"\s+", " "), {"type": "Lowercase"}]});
    all.push(tokenizer(spaces, &[bytes(true, false)]));
    all.iter().map(|json| Both::new(json)).collect()
});

proptest! {
    #[test]
    fn published_expressions_cut_as_the_library_does(text in "[aAbBéÉ中ƒ０1 '\u{301}\n\t.,!/<|>s]{0,80}") {
        for (number, both) in ALL.iter().enumerate() {
            prop_assert!(both.agree(&text), "{number}: {text:?}");
        }
    }
}

#[test]
fn long_texts_are_cut_by_published_expressions() {
    let texts = ["a", "A", "Aa", " ", " \n", "\n", "中", "1", "!", "a b", "'s", "É"];
    for (number, both) in ALL.iter().enumerate() {
        for text in texts {
            assert!(both.agree(&text.repeat(3000)), "{number}: {text:?}");
        }
    }
}

/// Expressions that take exponentially or quadratically many steps back. Without look-around and back references the
/// search needs no steps back, and the text is cut.
const HOSTILE: [(&str, bool); 8] = [
    ("(a+)+$", false),
    ("(a|aa)+$", false),
    ("(?:a?){30}a{30}", false),
    ("(a+)+$(?!b)", true),
    ("(?:(?:a|aa)+b)(?=c)", false),
    ("(a*)*\\1b", true),
    ("(?=(?:a+)+b).", false),
    ("a+a+a+(?=b)", false),
];

#[test]
fn a_hostile_expression_ends_with_a_line() {
    let mut others = Vec::new();
    for (pattern, refused) in HOSTILE {
        let of_split = tokenizer(Value::Null, &[split(pattern, "Isolated", false), bytes(false, false)]);
        let of_replace = tokenizer(replace(pattern, "x"), &[bytes(false, false)]);
        for both in [of_split, of_replace].map(|json| Both::new(&json)) {
            for length in [60, 5000] {
                // The last letter is one that none of these matches, after which a search for the end begins again.
                let text = "a".repeat(length) + "!";
                let began = Instant::now();
                let found = both.found(&text);
                assert!(began.elapsed() < Duration::from_secs(20), "{pattern} took {:?}", began.elapsed());
                match found {
                    Ok(found) => {
                        others.extend(refused.then_some((pattern, length)));
                        assert!(found == both.of_library(&text), "{pattern}");
                    }
                    Err(error) => {
                        let start = format!(
                            "the tokenizer cannot cut this into pieces: its expression `{pattern}` goes back more than \
                             10000 steps at one place of `aaa"
                        );
                        assert!(error.starts_with(&start) && error.lines().count() == 1, "{error}");
                        others.extend((!refused).then_some((pattern, length)));
                    }
                }
            }
        }
    }
    assert_eq!(others, [], "these are cut, or refused, and were not expected to be");
}

/// An expression without steps back may read the rest of a text anew at each of its letters: `(?:a+b)|a` does. So whoever
/// reads a text, no expression cuts more than it can read in minutes.
#[test]
fn expressions_cut_no_more_than_a_mebibyte() {
    let hostile = "(?:a+b)|a";
    let with = [
        tokenizer(Value::Null, &[split(hostile, "Isolated", false), bytes(false, false)]),
        tokenizer(replace(hostile, "x"), &[bytes(false, false)]),
        tokenizer(json!({"type": "Sequence", "normalizers": [replace("c", "d")]}), &[bytes(false, false)]),
        tokenizer(Value::Null, &[bytes(true, false)]),
    ];
    let long = "a".repeat((1 << 20) + 1);
    for json in with {
        let ours = Tokenizer::from_bytes(&json, b"{}").unwrap();
        for (what, error) in [
            ("text", ours.encode_running(&long).map(|_| ()).unwrap_err()),
            ("word", ours.encode_words(&["b".to_owned(), long.clone()]).map(|_| ()).unwrap_err()),
        ] {
            let said = error.to_string();
            let start = format!(
                "the tokenizer cannot cut this into pieces: it cuts with expressions, and a {what} of at most 1 MiB: `aaa"
            );
            assert!(said.starts_with(&start) && said.ends_with(" has 1048577 bytes: split it"), "{said}");
        }
    }
    // Up to the limit a text is cut as the library cuts it, and without expressions there is none.
    let most = "a b ".repeat(1 << 18);
    assert!(ALL[0].agree(&most));
    let without = Both::new(&tokenizer(Value::Null, &[json!({"type": "WhitespaceSplit"}), bytes(false, false)]));
    assert!(without.agree(&most.repeat(2)));
}

/// The wrong twin: the library leaves the rest of the text uncut, and says nothing.
#[test]
fn the_library_alone_is_silent() {
    let json = tokenizer(Value::Null, &[split("(?:a+)+b(?=c)|[0-9]", "Isolated", false), bytes(false, false)]);
    let text = format!("{} 1 2", "a".repeat(40));
    let both = Both::new(&json);
    let (_, _, cuts) = both.of_library(&text);
    assert!(cuts.iter().all(|&cut| cut == Some(0)), "the digits are parts of their own: {cuts:?}");
    assert!(both.found(&text).is_err());
}
