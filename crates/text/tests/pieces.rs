//! Words and texts become the pieces that transformers 5.23.0 makes of them (`oracle/pieces.py`).

use std::path::PathBuf;

use serde_json::Value;
use tagsmith_message::Note;
use tagsmith_testkit::golden;
use tagsmith_text::align::{AlignOptions, Aligner, Example, IGNORE, LabelAll};
use tagsmith_text::labels::LabelSet;
use tagsmith_text::sentence::Sentence;
use tagsmith_text::tokenizer::{Error, Pieces, Tokenizer};

const LABELS: [&str; 6] = ["B-LOC", "B-MISC", "B-PER", "I-LOC", "I-PER", "O"];

fn golden(name: &str) -> PathBuf {
    golden::path("pieces").join(name)
}

fn lines(name: &str) -> Vec<Value> {
    golden::lines(format!("pieces/{name}"))
}

fn tokenizer(kind: &str) -> Tokenizer {
    Tokenizer::from_folder(&golden(kind)).unwrap()
}

fn numbers(value: &Value) -> Vec<i64> {
    value.as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
}

fn ids(ids: &[u32]) -> Vec<i64> {
    ids.iter().map(|&id| id.into()).collect()
}

fn offsets(pieces: &Pieces) -> Vec<i64> {
    pieces.offsets.iter().flat_map(|&(start, end)| [start.into(), end.into()]).collect()
}

fn words(line: &Value) -> Vec<String> {
    line["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn check_words(kind: &str, expectations: &str) {
    let tokenizer = tokenizer(kind);
    for (at, (line, want)) in
        lines("inputs.jsonl").iter().zip(lines(&format!("{expectations}/expect.jsonl"))).enumerate()
    {
        let pieces = tokenizer.encode_words(&words(line)).unwrap();
        let place = format!("{kind}, line {}: {}", at + 1, line["words"]);
        assert_eq!(ids(&pieces.ids), numbers(&want["ids"]), "{place}");
        assert_eq!(ids(&pieces.types), numbers(&want["types"]), "{place}");
        let of: Vec<i64> = pieces.words.iter().map(|word| word.map_or(-1, i64::from)).collect();
        assert_eq!(of, numbers(&want["words"]), "{place}");
        assert_eq!(offsets(&pieces), numbers(&want["offsets"]), "{place}");
    }
}

fn check_text(kind: &str) {
    let tokenizer = tokenizer(kind);
    for (at, (line, want)) in lines("inputs.jsonl").iter().zip(lines(&format!("{kind}/expect.jsonl"))).enumerate() {
        let text = tokenizer.encode_text(line["text"].as_str().unwrap()).unwrap();
        let place = format!("{kind}, line {}: {}", at + 1, line["text"]);
        assert_eq!(ids(&text.pieces.ids), numbers(&want["text_ids"]), "{place}");
        assert_eq!(offsets(&text.pieces), numbers(&want["text_offsets"]), "{place}");
    }
}

#[test]
fn words_give_the_pieces_of_transformers() {
    for kind in ["bert-cased", "bert-uncased", "roberta", "split-bytes", "xlm-roberta"] {
        check_words(kind, kind);
    }
    // Whether the files ask for the space or the words need it, the pieces are the same.
    check_words("roberta-prefix", "roberta");
}

#[test]
fn texts_give_the_pieces_of_transformers() {
    for kind in ["bert-cased", "bert-uncased", "roberta", "roberta-prefix", "split-bytes", "xlm-roberta"] {
        check_text(kind);
    }
}

/// Offsets in bytes and words without their space would both be other numbers.
#[test]
fn the_wrong_pieces_are_not_expected() {
    let want = &lines("roberta/expect.jsonl")[0];
    let glued = tokenizer("roberta").encode_text("JomovedtoZürichinMay2021.").unwrap();
    assert_ne!(ids(&glued.pieces.ids), numbers(&want["ids"]));
    // `Zürich` has seven bytes: the last piece of word 3 ends at code point 6.
    let of_word_3: Vec<usize> =
        (0..).zip(numbers(&want["words"])).filter(|pair| pair.1 == 3).map(|pair| pair.0).collect();
    assert_eq!(numbers(&want["offsets"])[of_word_3.last().unwrap() * 2 + 1], 6);
}

#[test]
fn what_was_switched_off_or_added_is_said() {
    let said = |kind: &str| -> Vec<String> { tokenizer(kind).notes.iter().map(|note| note.to_string()).collect() };
    assert_eq!(
        said("bert-uncased"),
        ["truncation to 5 pieces in `tokenizer.json` is switched off", "padding in `tokenizer.json` is switched off"]
    );
    let space = "the tokenizer puts no space before words; given words get one, as inside a text";
    assert_eq!(said("roberta"), [space]);
    assert_eq!(said("split-bytes"), [space]);
    assert!(said("roberta-prefix").is_empty() && said("xlm-roberta").is_empty() && said("bert-cased").is_empty());
}

#[test]
fn the_longest_sequence_is_read_and_the_sentinel_is_none() {
    assert_eq!(tokenizer("bert-cased").model_max_length, Some(512));
    assert_eq!(tokenizer("split-bytes").model_max_length, None);
}

#[test]
fn a_saved_tokenizer_encodes_words_the_same_everywhere() {
    for kind in ["roberta", "split-bytes"] {
        let folder = std::env::temp_dir().join(format!("tagsmith-pieces-{kind}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        tokenizer(kind).save(&folder).unwrap();
        let saved = Tokenizer::from_folder(&folder).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(saved.notes, []);
        for (line, want) in lines("inputs.jsonl").iter().zip(lines(&format!("{kind}/expect.jsonl"))) {
            assert_eq!(ids(&saved.encode_words(&words(line)).unwrap().ids), numbers(&want["ids"]));
        }
    }
}

#[test]
fn bad_files_are_located() {
    let message = |result: Result<Tokenizer, Error>| result.err().unwrap().to_string();
    let good = std::fs::read(golden("bert-cased/tokenizer.json")).unwrap();
    assert!(message(Tokenizer::from_bytes(b"{}", b"{}")).starts_with("`tokenizer.json` is not a tokenizer's: "));
    assert!(message(Tokenizer::from_bytes(&good[..300], b"{}")).starts_with("`tokenizer.json` is not a tokenizer's: "));
    assert!(message(Tokenizer::from_bytes(&good, b"[]")).starts_with("`tokenizer_config.json` is not a tokenizer's: "));
    let missing = message(Tokenizer::from_folder(&golden("nowhere")));
    assert!(missing.contains("holds no `tokenizer.json`"), "{missing}");
}

/// What transformers makes of tokenizer_config.json's switches (golden/class_switches, by oracle/class_switches.py).
#[test]
fn switches_are_those_of_transformers_classes() {
    let text = std::fs::read_to_string(golden("../class_switches/cases.jsonl")).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let texts: Vec<String> = serde_json::from_value(lines.next().unwrap()).unwrap();
    let (mut checked, mut changed) = (0, 0);
    for case in lines {
        let kind = case["kind"].as_str().unwrap();
        let json = std::fs::read(golden(&format!("{kind}/tokenizer.json"))).unwrap();
        let mut json: Value = serde_json::from_slice(&json).unwrap();
        let unchanged = Tokenizer::from_bytes(json.to_string().as_bytes(), b"{}").unwrap();
        for (key, value) in case["json"].as_object().unwrap() {
            json[key] = value.clone();
        }
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, content: &Value| std::fs::write(folder.path().join(name), content.to_string()).unwrap();
        write("tokenizer.json", &json);
        write("tokenizer_config.json", &case["config"]);
        if case["model"] != serde_json::json!({}) {
            write("config.json", &case["model"]);
        }
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let mut differs = false;
        for (text, want) in texts.iter().zip(case["ids"].as_array().unwrap()) {
            let got = ids(&tokenizer.encode_running(text).unwrap().ids);
            assert_eq!(got, numbers(want), "{case}: {text}");
            differs |= ids(&unchanged.encode_running(text).unwrap().ids) != got;
        }
        // What changes a piece is said.
        let said: Vec<String> = tokenizer.notes.iter().map(ToString::to_string).collect();
        let about = |note: &String| !note.contains("no space before words");
        assert!(!differs || said.iter().any(about), "{case}: {said:?}");
        (checked, changed) = (checked + 1, changed + usize::from(differs));
    }
    assert!(checked == 24 && changed >= 8, "{checked} {changed}");
}

#[test]
fn switches_that_do_nothing_are_told() {
    let said = |kind: &str, config: &str| -> Vec<String> {
        let json = std::fs::read(golden(&format!("{kind}/tokenizer.json"))).unwrap();
        let notes = Tokenizer::from_bytes(&json, config.as_bytes()).unwrap().notes;
        notes.iter().map(ToString::to_string).filter(|note| !note.ends_with("switched off")).collect()
    };
    let fast = |more: &str| format!("{{\"tokenizer_class\": \"PreTrainedTokenizerFast\"{more}}}");
    assert_eq!(said("bert-cased", &fast("")), [""; 0]);
    assert_eq!(said("bert-cased", &fast(", \"do_lower_case\": false")), [""; 0]);
    let effect = "has no effect: its class takes `tokenizer.json` as it is, as in transformers";
    assert_eq!(
        said("bert-cased", &fast(", \"do_lower_case\": true, \"strip_accents\": true")),
        ["do_lower_case", "strip_accents"]
            .map(|key| format!("`{key}` is true in `tokenizer_config.json` and {effect}"))
    );
    assert_eq!(
        said("bert-uncased", r#"{"tokenizer_class": "BertTokenizer", "strip_accents": false}"#),
        ["`strip_accents` is false in `tokenizer_config.json` and overrides `tokenizer.json`"]
    );
    assert_eq!(
        said("bert-cased", r#"{"tokenizer_class": "BertTokenizer"}"#),
        ["`do_lower_case` is true by default in transformers' BertTokenizer, which overrides `tokenizer.json`"]
    );
}

/// Damage that the tokenizers library panics on, and files that would fill any memory.
#[test]
fn what_no_tokenizer_has_is_refused() {
    let good: Value = serde_json::from_slice(&std::fs::read(golden("bert-cased/tokenizer.json")).unwrap()).unwrap();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut json = good.clone();
        change(&mut json);
        Tokenizer::from_bytes(json.to_string().as_bytes(), b"{}").err().expect("it is refused").to_string()
    };
    let doubling = serde_json::json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let steps = |count: usize| serde_json::json!({"type": "Sequence", "normalizers": vec![doubling.clone(); count]});
    assert_eq!(
        refused(&|json| json["normalizer"] = steps(30)),
        "`tokenizer.json` is not a tokenizer's: its normalizer can make a text 1073741824 times as long; more than 64 \
         times is taken for a mistake"
    );
    assert!(refused(&|json| json["normalizer"] = steps(200)).contains("18446744073709551615 times"));
    let long = serde_json::json!({"type": "Replace", "pattern": {"String": "a"}, "content": "b".repeat(1_000_000)});
    assert!(refused(&|json| json["normalizer"] = long.clone()).contains("1000000 times as long"));
    for id in [1_000_000_000u32, 1 << 31] {
        let said = refused(&|json| json["model"]["vocab"]["harbourside"] = id.into());
        assert!(said.contains(&format!("the piece `harbourside` has the id {id}; 16777216 and more")), "{said}");
    }
    assert_eq!(
        refused(&|json| json["post_processor"]["special_tokens"] = serde_json::json!({})),
        "`tokenizer.json` is not a tokenizer's: its post_processor puts `[CLS]` beside a text and does not define it in \
         `special_tokens`"
    );
    // What real tokenizers do stays: a mark for a space, and a table of characters.
    let mut json = good.clone();
    json["normalizer"] = steps(6);
    assert!(Tokenizer::from_bytes(json.to_string().as_bytes(), b"{}").is_ok());

    // A file that was cut off inside its decoder makes the library panic.
    let text = good.to_string();
    let at = text.find("\"decoder\":{").unwrap() + 16;
    let said = Tokenizer::from_bytes(&text.as_bytes()[..at], b"{}").err().unwrap().to_string();
    assert!(said.contains("EOF while parsing") && said.ends_with("copy or download it again, whole"), "{said}");
}

#[test]
fn pieces_beyond_the_models_rows_are_told() {
    let tokenizer = tokenizer("bert-cased");
    assert_eq!(tokenizer.pieces_beyond(tokenizer.id_bound()), None);
    let note = tokenizer.pieces_beyond(tokenizer.id_bound() - 2).unwrap();
    assert_eq!(note.count, 2);
    assert!(note.to_string().contains(" 898 of 898 rows"), "{note}");
}

#[test]
fn the_configuration_decides_about_case() {
    let json = std::fs::read(golden("bert-cased/tokenizer.json")).unwrap();
    let tokenizer = Tokenizer::from_bytes(&json, br#"{"do_lower_case": true}"#).unwrap();
    assert_eq!(tokenizer.notes.len(), 1);
    let pieces = |word: &str| tokenizer.encode_words(&[word.to_owned()]).unwrap().ids;
    assert_eq!(pieces("HARBOUR"), pieces("harbour"));
}

/// Examples, with notes about what was lost.
#[derive(PartialEq)]
struct Aligned {
    examples: Vec<Example>,
    notes: Vec<Note>,
}

/// The sentences of inputs.jsonl, aligned by `options`, and as the golden file has them under `key`.
fn aligned(kind: &str, options: AlignOptions) -> (Vec<Value>, Aligned) {
    let sentences: Vec<Sentence> = (1..)
        .zip(lines("inputs.jsonl"))
        .map(|(line, input)| Sentence {
            words: words(&input),
            tags: numbers(&input["labels"]).iter().map(|&label| label as u32).collect(),
            line,
        })
        .collect();
    let labels = LabelSet::new(LABELS.map(String::from).to_vec()).unwrap();
    let label_ids: Vec<Option<u32>> = (0..labels.len() as u32).map(Some).collect();
    let tokenizer = tokenizer(kind);
    let on = |threads, block| {
        let mut aligner = Aligner::new(&tokenizer, "inputs", &labels, &label_ids, options, threads);
        let examples: Vec<_> = sentences.chunks(block).flat_map(|block| aligner.align(block).unwrap()).collect();
        Aligned { examples, notes: aligner.into_notes() }
    };
    let result = on(1, usize::MAX);
    for (threads, block) in [(3, usize::MAX), (1, 1), (2, 3), (3, 17)] {
        assert!(on(threads, block) == result, "{threads} threads and blocks of {block} change the examples");
    }
    (lines(&format!("{kind}/expect.jsonl")), result)
}

fn labels_of(aligned: &Aligned) -> Vec<Vec<i64>> {
    aligned.examples.iter().map(|example| example.labels.iter().map(|&label| label.into()).collect()).collect()
}

#[test]
fn labels_are_aligned_as_run_ner_does() {
    for kind in ["bert-cased", "roberta"] {
        let mut all = Vec::new();
        for (label_all, key) in
            [(LabelAll::FirstOnly, "first"), (LabelAll::MapToInside, "inside"), (LabelAll::Repeat, "repeat")]
        {
            let (want, got) = aligned(kind, AlignOptions { max_length: None, label_all, stride: None });
            let want: Vec<Vec<i64>> = want.iter().map(|line| numbers(&line[key])).collect();
            assert_eq!(labels_of(&got), want, "{kind} {key}");
            all.push(want);
        }
        assert!(all[0] != all[1] && all[1] != all[2], "the three ways differ on these inputs");
    }
}

#[test]
fn truncation_is_that_of_transformers_and_is_counted() {
    for kind in ["bert-cased", "roberta"] {
        let options = AlignOptions { max_length: Some(16), label_all: LabelAll::FirstOnly, stride: None };
        let (want, got) = aligned(kind, options);
        let cut = want.iter().filter(|line| !line["cut"].is_null()).count();
        let counted = |labels: &Value| numbers(labels).iter().filter(|&&label| label != IGNORE as i64).count();
        let lost: usize = want
            .iter()
            .filter(|line| !line["cut"].is_null())
            .map(|line| counted(&line["first"]) - counted(&line["cut"]))
            .sum();
        let want: Vec<Vec<i64>> = want
            .iter()
            .map(|line| numbers(if line["cut"].is_null() { &line["first"] } else { &line["cut"] }))
            .collect();
        assert_eq!(labels_of(&got), want, "{kind}");
        assert_eq!(got.notes[0].count, cut);
        assert_eq!(
            got.notes[0].what.plural(),
            format!("sentences have more than 16 pieces and were cut there: {lost} words lost")
        );
    }
}

#[test]
fn windows_at_training_count_every_word_once() {
    let whole = AlignOptions { max_length: None, label_all: LabelAll::MapToInside, stride: None };
    let (_, whole) = aligned("bert-cased", whole);
    let windows = AlignOptions { max_length: Some(16), label_all: LabelAll::MapToInside, stride: Some(5) };
    let (_, windows) = aligned("bert-cased", windows);
    assert!(windows.examples.len() > whole.examples.len());
    assert!(windows.examples.iter().all(|example| example.ids.len() <= 16));
    let seen = |aligned: &Aligned| -> Vec<(u32, u32, i32)> {
        let rows = aligned.examples.iter().flat_map(|example| {
            example.words.iter().zip(&example.labels).map(|(word, &label)| (example.sentence, *word, label))
        });
        rows.filter(|row| row.2 != IGNORE).map(|(sentence, word, label)| (sentence, word.unwrap(), label)).collect()
    };
    // Words of more than 13 pieces lose some, and the note says so.
    assert!(windows.notes.iter().any(|note| note.what.plural().starts_with("words are longer than a whole window")));
    let firsts = |rows: Vec<(u32, u32, i32)>| -> Vec<(u32, u32)> {
        let mut words: Vec<(u32, u32)> = rows.into_iter().map(|(sentence, word, _)| (sentence, word)).collect();
        words.dedup();
        words
    };
    assert_eq!(firsts(seen(&windows)), firsts(seen(&whole)));
}

#[test]
fn words_without_a_piece_are_located() {
    let (_, got) =
        aligned("bert-cased", AlignOptions { max_length: None, label_all: LabelAll::FirstOnly, stride: None });
    let want: usize = lines("inputs.jsonl")
        .iter()
        .zip(lines("bert-cased/expect.jsonl"))
        .map(|(input, want)| {
            let with: std::collections::BTreeSet<i64> =
                numbers(&want["words"]).into_iter().filter(|&word| word >= 0).collect();
            words(input).len() - with.len()
        })
        .sum();
    let note = &got.notes[0];
    assert_eq!(note.what.plural(), "words give no piece, so they are neither trained nor scored");
    assert_eq!(note.count, want);
    assert_eq!(note.places[0], r#"inputs:40 word 2 "\u{ad}""#);
}
