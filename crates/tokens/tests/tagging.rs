//! Scores become labels and entities: against transformers' pipeline (`oracle/aggregate.py`) and hand-made scorers.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;
use tagsmith_encoder::batch::Batch;
use tagsmith_testkit::golden::{self, lines};
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::tagged::{Content, Input, Mention, Tagged, Tally};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::tag::decoders::{Asked, Decoders};
use tagsmith_tokens::tag::{self, Error, TagOptions, encode, softmax};

fn tokenizer(kind: &str) -> Tokenizer {
    Tokenizer::from_folder(&golden::path("pieces").join(kind)).unwrap()
}

fn options(labels: &[&str], strategy: Strategy) -> TagOptions {
    let labels: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
    let decoders = Decoders::new(&labels, LabelScheme::Auto, None);
    TagOptions {
        labels,
        asked: Asked::default(),
        chosen: decoders.choose(&Asked::default()).unwrap(),
        decoders,
        threshold: None,
        abstains_below: None,
        max_length: 512,
        stride: 128,
        batch_tokens: 1000,
        strategy,
        scheme: LabelScheme::Auto,
        in_pieces: false,
        outside: false,
        vocab_size: 10_000,
        type_vocab_size: 2,
    }
}

fn words(words: &[&str]) -> Content {
    Content::Words(words.iter().map(|word| word.to_string()).collect())
}

fn input(content: Content) -> Input {
    Input { place: "test:1".into(), content }
}

/// Encodes and tags.
fn tag(
    tokenizer: &Tokenizer,
    options: &TagOptions,
    inputs: Vec<Input>,
    tally: &mut Tally,
    infer: impl Fn(&Batch) -> Vec<f32>,
) -> Result<Vec<Tagged>, Error> {
    let inputs = inputs.iter().map(|input| encode(tokenizer, options, input)).collect::<Result<_, _>>()?;
    Ok(tag::tag((tokenizer, options), inputs, tally, |batch| Ok(infer(batch))).expect("the scorer has no rows to read"))
}

fn one(tokenizer: &Tokenizer, options: &TagOptions, content: Content, infer: impl Fn(&Batch) -> Vec<f32>) -> Tagged {
    tag(tokenizer, options, vec![input(content)], &mut Tally::default(), infer).unwrap().remove(0)
}

const KINDS: [&str; 4] = ["bert-cased", "bert-uncased", "roberta", "xlm-roberta"];
const PIPELINE_LABELS: [&str; 7] = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC", "E-LOC"];

/// What stands in the golden file: label, score, start, end.
fn entities(value: &Value) -> Vec<(String, f64, u32, u32)> {
    let entity = |entity: &Value| {
        let number = |at: usize| entity[at].as_u64().unwrap() as u32;
        (entity[0].as_str().unwrap().to_owned(), entity[1].as_f64().unwrap(), number(2), number(3))
    };
    value.as_array().unwrap().iter().map(entity).collect()
}

/// The pipeline's entities without white space at their ends: ours begin and end with letters.
fn trimmed(entities: Vec<(String, f64, u32, u32)>, text: &str) -> Vec<(String, f64, u32, u32)> {
    let letters: Vec<char> = text.chars().collect();
    let trim = |(label, score, mut start, mut end): (String, f64, u32, u32)| {
        while start < end && letters[start as usize].is_whitespace() {
            start += 1;
        }
        while start < end && letters[end as usize - 1].is_whitespace() {
            end -= 1;
        }
        (start < end).then_some((label, score, start, end))
    };
    entities.into_iter().filter_map(trim).collect()
}

/// Every golden line under one strategy's name; returns how many differ from what stands under `want_name`.
fn differing(strategy: Strategy, want_name: &str, corrupt: impl Fn(&mut Tagged)) -> usize {
    static LINES: LazyLock<(Vec<Value>, Vec<Value>)> =
        LazyLock::new(|| (lines("pieces/inputs.jsonl"), lines("aggregate/cases.jsonl")));
    static TOKENIZERS: LazyLock<HashMap<&str, Tokenizer>> =
        LazyLock::new(|| KINDS.into_iter().map(|kind| (kind, tokenizer(kind))).collect());
    let (inputs, expected) = &*LINES;
    let mut differing = 0;
    for line in expected {
        let given = &inputs[line["line"].as_u64().unwrap() as usize];
        let content = match line["mode"].as_str().unwrap() {
            "text" => Content::Text(given["text"].as_str().unwrap().into()),
            _ => Content::Words(serde_json::from_value(given["words"].clone()).unwrap()),
        };
        let scores: Vec<f32> =
            line["logits"].as_array().unwrap().iter().map(|it| it.as_i64().unwrap() as f32 / 4.0).collect();
        let kind = line["kind"].as_str().unwrap();
        let mut got = one(&TOKENIZERS[kind], &options(&PIPELINE_LABELS, strategy), content, |_| scores.clone());
        corrupt(&mut got);
        let want = trimmed(entities(&line[want_name]), &got.text);
        let same = got.entities.len() == want.len()
            && got.entities.iter().zip(&want).all(|(got, want)| {
                let score_is_close = (got.score as f64 - want.1).abs() <= 1e-5;
                got.label == want.0 && score_is_close && (got.start, got.end) == (want.2, want.3)
            });
        if !same {
            differing += 1;
        }
        assert_eq!(got.words.len(), got.labels.len());
    }
    differing
}

#[test]
fn entities_are_those_of_the_pipeline() {
    for name in Strategy::NAMES {
        let strategy = Strategy::named(name).unwrap();
        assert_eq!(differing(strategy, name, |_| {}), 0, "{name}");
        // No strategy passes for another.
        for other in Strategy::NAMES.into_iter().filter(|other| *other != name) {
            assert!(differing(strategy, other, |_| {}) > 20, "{name} for {other}");
        }
    }
}

#[test]
fn wrong_twins_of_the_pipeline_are_rejected() {
    let in_bytes = |tagged: &mut Tagged| {
        let byte = |at: u32| tagged.text.chars().take(at as usize).map(|letter| letter.len_utf8() as u32).sum::<u32>();
        let spans: Vec<(u32, u32)> = tagged.entities.iter().map(|it| (byte(it.start), byte(it.end))).collect();
        for (entity, span) in tagged.entities.iter_mut().zip(spans) {
            (entity.start, entity.end) = span;
        }
    };
    assert!(differing(Strategy::Simple, "simple", in_bytes) > 20, "offsets in bytes");
    // Entities of one type that touch were kept apart by a `B-`.
    let without_restarts = |tagged: &mut Tagged| {
        let mut merged: Vec<Mention> = Vec::new();
        for entity in tagged.entities.drain(..) {
            match merged.last_mut() {
                Some(last) if last.label == entity.label && entity.start <= last.end + 1 => last.end = entity.end,
                _ => merged.push(entity),
            }
        }
        tagged.entities = merged;
    };
    assert!(differing(Strategy::Simple, "simple", without_restarts) > 20, "`B-` begins anew");
}

#[test]
fn a_text_keeps_its_words_and_each_gets_one_label() {
    let tokenizer = tokenizer("bert-cased");
    let got = one(
        &tokenizer,
        &options(&["O", "B-LOC"], Strategy::Simple),
        Content::Text("Jo  (Zürich, 東京) naï\u{ad}ve 👩‍👩‍👧‍👦! \u{200b}".into()),
        |batch| batch.ids.iter().flat_map(|_| [1.0, 0.0]).collect(),
    );
    assert_eq!(got.words, ["Jo", "(", "Zürich", ",", "東", "京", ")", "naï\u{ad}ve", "👩‍👩‍👧‍👦", "!", "\u{200b}"]);
    assert_eq!(got.labels.len(), got.words.len());
    assert_eq!(got.labels[10].probability, 0.0);
    assert!(got.labels[..10].iter().all(|word| word.probability > 0.7));
}

#[test]
fn words_without_a_piece_get_a_stopgap_and_are_counted() {
    let tokenizer = tokenizer("bert-cased");
    // Scores by position: [CLS], then the words' pieces `a`, `b`, `c`, then [SEP].
    let scores = [[9.0, 0.0, 0.0], [0.0, 0.0, 5.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0], [9.0, 0.0, 0.0]].concat();
    let sentence = || words(&["a", "\u{ad}", "b", "", "c"]);
    let labels_of = |names: &[&str], tally: &mut Tally| {
        let inputs = vec![Input { place: "notes.conll:4".into(), content: sentence() }];
        let tagged = tag(&tokenizer, &options(names, Strategy::Simple), inputs, tally, |_| scores.clone()).unwrap();
        tagged[0].labels.iter().map(|word| names[word.label as usize]).collect::<Vec<_>>().join(" ")
    };
    let mut tally = Tally::default();
    assert_eq!(labels_of(&["O", "B", "C"], &mut tally), "C O B O C");
    let notes: Vec<String> = tally.notes().iter().map(ToString::to_string).collect();
    let said = "2 words give the model nothing to read and got a stopgap label";
    assert_eq!(notes, [format!("{said} (notes.conll:4 word 2 \"\\u{{ad}}\", notes.conll:4 word 4 \"\")")]);
    // Without an `O` the most frequent label of the other words stands in.
    assert_eq!(labels_of(&["UC", "B", "C"], &mut Tally::default()), "C C B C C");
    let nothing = one(&tokenizer, &options(&["UC", "B"], Strategy::Simple), words(&["\u{ad}"]), |_| vec![0.0; 4]);
    assert_eq!(nothing.labels[0].label, 0);
}

/// Label 1 for the word pieces with odd ids; surer the farther a piece is from the edges of its sequence.
fn by_context(batch: &Batch) -> Vec<f32> {
    let mut scores = Vec::new();
    for pair in batch.starts.windows(2) {
        let rows = (pair[1] - pair[0]) as usize;
        for at in 0..rows {
            let context = at.min(rows - 1 - at) as f32 / 8.0;
            let odd = batch.ids[pair[0] as usize + at] % 2 == 1;
            // Near an edge the model errs.
            scores.extend(if odd == (at.min(rows - 1 - at) > 3) { [0.0, context] } else { [context, 0.0] });
        }
    }
    scores
}

#[test]
fn long_inputs_are_read_in_windows_and_taken_where_they_are_surest() {
    let tokenizer = tokenizer("bert-cased");
    let long: Vec<String> =
        (0..200).map(|at| ["cat", "mill", "Rotterdam", "days", "."][at * 7 % 5].to_owned()).collect();
    let mut options = options(&["O", "B-X"], Strategy::First);
    (options.max_length, options.stride, options.batch_tokens) = (26, 12, 60);
    let mut tally = Tally::default();
    let inputs = vec![input(Content::Words(long.clone())), input(words(&["cat"]))];
    let got = tag(&tokenizer, &options, inputs, &mut tally, by_context).unwrap();
    assert_eq!(got[0].labels.len(), 200);
    assert!(tally.windows > 10);
    let note = tally.notes()[0].to_string();
    let said = "1 input is longer than the model reads at once and went through overlapping windows";
    assert_eq!(note, format!("{said} (test:1: {} windows)", tally.windows - 1));

    // Far from the ends of the text the surest window has the word at least 4 pieces from an edge, so the model
    // does not err; a reader that took the last window, or cut without overlap, would.
    let pieces = tokenizer.encode_words(&long).unwrap();
    let firsts = pieces.first_of_words(200);
    for (word, first) in firsts.iter().enumerate().skip(5).take(190) {
        let want = pieces.ids[first.unwrap() as usize] % 2;
        assert_eq!(got[0].labels[word].label, want, "word {word}");
    }
    options.stride = 0;
    let apart =
        tag(&tokenizer, &options, vec![input(Content::Words(long))], &mut Tally::default(), by_context).unwrap();
    assert_ne!(apart[0].labels, got[0].labels);
}

#[test]
fn windows_change_nothing_for_a_model_without_context() {
    for kind in ["bert-cased", "roberta", "split-bytes", "xlm-roberta"] {
        let tokenizer = tokenizer(kind);
        let by_id = |batch: &Batch| batch.ids.iter().flat_map(|&id| [(id % 7) as f32, (id % 5) as f32, 1.5]).collect();
        let texts: Vec<String> =
            lines("pieces/inputs.jsonl").iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect();
        let text = texts.join(" ");
        let mut whole = options(&["O", "B-X", "I-X"], Strategy::Simple);
        (whole.max_length, whole.type_vocab_size) = (1_000_000, 3);
        let parts = TagOptions { max_length: 200, stride: 30, batch_tokens: 64, ..whole.clone() };
        let whole = one(&tokenizer, &whole, Content::Text(text.clone()), by_id);
        let parts = one(&tokenizer, &parts, Content::Text(text), by_id);
        assert!(whole.labels == parts.labels, "{kind}");
        assert!(whole.entities == parts.entities, "{kind}");
        assert!(whole.entities.len() > 100);
    }
}

#[test]
fn what_the_model_has_no_row_for_is_located() {
    let tokenizer = tokenizer("split-bytes");
    let mut options = options(&["O"], Strategy::Simple);
    let tagged = |options: &TagOptions| {
        let error = tag(&tokenizer, options, vec![input(words(&["cat"]))], &mut Tally::default(), |_| unreachable!());
        error.err().unwrap()
    };
    let message = "test:1: the tokenizer gives token type 2 but the model has 2: they are not of one checkpoint";
    assert_eq!(tagged(&options).to_string(), message);
    options.vocab_size = 3;
    assert!(matches!(tagged(&options), Error::Table { what: "token id", rows: 3, .. }));
    (options.vocab_size, options.type_vocab_size, options.max_length) = (10_000, 0, 2);
    assert!(matches!(tagged(&options), Error::Input { .. }));
}

#[test]
fn softmax_is_stable() {
    // e / (e + 1) and 1 / (e + 1).
    let got = softmax(&[10_001.0, 10_000.0]);
    assert!((got[0] - 0.731_058_6).abs() < 1e-6 && (got[1] - 0.268_941_4).abs() < 1e-6);
}

/// Byte-level pieces begin with the space before their word, and a template, as ModernBERT's tokenizer has it, does not
/// trim them.
#[test]
fn entities_begin_and_end_with_letters() {
    let json = std::fs::read(golden::path("pieces/roberta/tokenizer.json")).unwrap();
    let mut json: Value = serde_json::from_slice(&json).unwrap();
    let [first, last] = [&json["post_processor"]["cls"], &json["post_processor"]["sep"]].map(Clone::clone);
    let special = |token: &Value| serde_json::json!({"SpecialToken": {"id": token[0], "type_id": 0}});
    let define = |token: &Value| serde_json::json!({"id": token[0], "ids": [token[1]], "tokens": [token[0]]});
    let sequence = |name: &str| serde_json::json!({"Sequence": {"id": name, "type_id": 0}});
    let mut defined = serde_json::Map::new();
    for token in [&first, &last] {
        defined.insert(token[0].as_str().unwrap().into(), define(token));
    }
    json["post_processor"] = serde_json::json!({
        "type": "TemplateProcessing", "single": [special(&first), sequence("A"), special(&last)],
        "pair": [special(&first), sequence("A"), sequence("B"), special(&last)], "special_tokens": defined,
    });
    let tokenizer = Tokenizer::from_bytes(json.to_string().as_bytes(), b"{}").unwrap();
    let text = "Laura moved  to \u{a0} Madrid \n\n and Zürich .";
    // The pieces do begin with spaces: it is the entities that must not.
    let pieces = tokenizer.encode_running(text).unwrap();
    let letters: Vec<char> = text.chars().collect();
    let begins_blank = |&(start, end): &(u32, u32)| start < end && letters[start as usize].is_whitespace();
    assert!(pieces.offsets.iter().filter(|place| begins_blank(place)).count() > 3);
    for name in Strategy::NAMES {
        // Pieces are persons and places in turn, so that some entities are white space alone.
        let infer = |batch: &Batch| -> Vec<f32> {
            (0..batch.rows()).flat_map(|at| if at % 2 == 0 { [0.0, 9.0, 0.0] } else { [0.0, 0.0, 9.0] }).collect()
        };
        let options = options(&["O", "B-PER", "B-LOC"], Strategy::named(name).unwrap());
        let mut tally = Tally::default();
        let tagged = tag(&tokenizer, &options, vec![input(Content::Text(text.into()))], &mut tally, infer).unwrap();
        let entities = &tagged[0].entities;
        assert!(entities.len() > 3, "{name}: {entities:?}");
        for Mention { text: found, start, end, .. } in entities {
            assert_eq!(found.trim(), found, "{name}");
            assert!(!found.is_empty(), "{name}");
            assert_eq!(*found, letters[*start as usize..*end as usize].iter().collect::<String>(), "{name}");
        }
        if name == "none" {
            assert!(
                tally.notes().iter().any(|note| note.what.plural().contains("white space alone")),
                "{:?}",
                tally.notes()
            );
        }
    }
}

/// A text without spaces is one word. Each of its pieces is read, though no window holds them all.
#[test]
fn a_word_longer_than_a_window_is_read_whole() {
    let text = "กรุงเทพเป็นเมืองใหญ่".repeat(20);
    for kind in ["xlm-roberta", "roberta"] {
        let tokenizer = tokenizer(kind);
        let count = tokenizer.encode_running(&text).unwrap().content().len();
        let options = TagOptions { max_length: 30, stride: 8, ..options(&["O", "B-X"], Strategy::None) };
        assert!(count > 60, "{kind}: {count}");
        let mut tally = Tally::default();
        // Every piece is an entity under `none`.
        let infer = |batch: &Batch| [0.0, 9.0].repeat(batch.rows());
        let inputs = vec![input(Content::Text(text.clone())), input(words(&[text.as_str()]))];
        let tagged = tag(&tokenizer, &options, inputs, &mut tally, infer).unwrap();
        assert_eq!((tagged[0].words.len(), tagged[0].labels.len()), (1, 1), "{kind}");
        for tagged in &tagged {
            let read: std::collections::BTreeSet<u32> =
                tagged.entities.iter().flat_map(|it| it.start..it.end).collect();
            assert_eq!(read.len(), text.chars().count(), "{kind}: every letter is read");
        }
        let said: Vec<&str> = tally.notes().iter().map(|note| note.what.plural()).collect();
        assert!(said.contains(&"words are longer than a whole window and were read in parts"), "{said:?}");
    }
}
