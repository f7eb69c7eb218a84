//! Decoding: legal tags by the schemes' definitions, best paths by enumeration and by pytorch-crf, and the file of biases.

use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use tagsmith_testkit::golden;
use tagsmith_text::decode::calibration::{Biases, Calibration, OperatingPoint};
use tagsmith_text::decode::chain::Chain;
use tagsmith_text::decode::grammar::{Error, Grammar};
use tagsmith_text::decode::viterbi::Viterbi;
use tagsmith_text::decode::{Decoded, Decoder};
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::{Scheme, Step, Style};

/// All sequences of up to `longest` of `count` labels, the shorter ones first.
fn sequences(count: usize, longest: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    let mut from = 0;
    for _ in 0..longest {
        let upto = all.len();
        for at in from..upto {
            all.extend((0..count).map(|label| [&all[at][..], &[label]].concat()).collect::<Vec<_>>());
        }
        from = upto;
    }
    all
}

fn grammar(labels: &[String], scheme: Scheme) -> Grammar {
    Grammar::new(labels, LabelScheme::Strict(scheme)).unwrap()
}

/// seqeval's table of a scheme: all sequences of its tags with their entities, each as a type, a start and an end.
fn table(scheme: &str) -> (Vec<String>, usize, Vec<String>) {
    let lines = golden::lines("score/tables.jsonl");
    let case = lines.iter().find(|case| case["reading"] == scheme && case["style"] == "prefix").unwrap();
    let labels = serde_json::from_value(case["alphabet"].clone()).unwrap();
    let spans = case["spans"].as_str().unwrap().split(';').map(str::to_owned).collect();
    (labels, case["longest"].as_u64().unwrap() as usize, spans)
}

/// Words that entities cover, from their text: `A02C34`.
fn covered(spans: &str) -> usize {
    let digits: Vec<usize> = spans.chars().filter_map(|c| c.to_digit(10)).map(|digit| digit as usize).collect();
    digits.chunks(2).map(|pair| pair[1] - pair[0]).sum()
}

/// A sequence is legal where seqeval's strict reading loses no word of it, and where the scheme writes it for its entities.
#[test]
fn legal_sequences_are_those_that_seqeval_reads_whole() {
    for name in ["IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"] {
        let scheme = Scheme::named(name).unwrap();
        let (labels, longest, spans) = table(name);
        let grammar = grammar(&labels, scheme);
        let all = sequences(labels.len(), longest).split_off(1);
        assert_eq!(all.len(), spans.len());
        let mut legal = 0;
        for (sequence, spans) in all.iter().zip(&spans) {
            let tags: Vec<&str> = sequence.iter().map(|&label| labels[label].as_str()).collect();
            let inside = tags.iter().filter(|tag| **tag != "O").count();
            assert_eq!(grammar.is_legal(sequence), covered(spans) == inside, "{name}: {tags:?}");
            legal += usize::from(grammar.is_legal(sequence));
            if grammar.is_legal(sequence) {
                let found = scheme.spans(&tags, Style::Prefix).unwrap();
                assert_eq!(scheme.tags(&found, tags.len(), Style::Prefix).unwrap(), tags, "{name}");
            }
        }
        // Wrong twins: the rules of another scheme of the same letters accept other sequences.
        let twin = match scheme {
            Scheme::Iob1 => Some(Scheme::Iob2),
            Scheme::Iob2 => Some(Scheme::Iob1),
            Scheme::Ioe1 => Some(Scheme::Ioe2),
            Scheme::Ioe2 => Some(Scheme::Ioe1),
            _ => None,
        };
        if let Some(twin) = twin {
            let twin = self::grammar(&labels, twin);
            assert!(all.iter().any(|sequence| twin.is_legal(sequence) != grammar.is_legal(sequence)), "{name}");
        }
        assert!(legal > 0 && legal < all.len(), "{name}: {legal} of {}", all.len());
    }
}

/// BMES is IOBES with `M` for `I`.
#[test]
fn bmes_is_iobes_in_another_letter() {
    let (labels, longest, spans) = table("IOBES");
    let written: Vec<String> = labels.iter().map(|label| label.replace("I-", "M-")).collect();
    let grammar = Grammar::new(&written, LabelScheme::Auto).unwrap();
    assert_eq!(grammar.name(), "BMES");
    for (sequence, spans) in sequences(labels.len(), longest).split_off(1).iter().zip(&spans) {
        let inside = sequence.iter().filter(|&&label| labels[label] != "O").count();
        assert_eq!(grammar.is_legal(sequence), covered(spans) == inside);
    }
}

#[test]
fn labels_show_their_scheme_or_say_that_they_do_not() {
    let name = |labels: &str| {
        let labels: Vec<&str> = labels.split(' ').collect();
        Grammar::new(&labels, LabelScheme::Auto).map(|grammar| grammar.name())
    };
    assert_eq!(name("O B-A I-A"), Ok("IOB2"));
    assert_eq!(name("O I-A E-A"), Ok("IOE2"));
    assert_eq!(name("O B-A I-A E-A S-A"), Ok("IOBES"));
    assert_eq!(name("B-A I-A L-A U-A O"), Ok("BILOU"));
    assert_eq!(name("O I-A I-B"), Ok("IO"));
    assert_eq!(name("O PER LOC"), Ok("IO"));
    assert_eq!(name("NOUN VERB X"), Err(Error::NoTags));
    let letters = Error::Undetectable { letters: "OBSU".into() };
    assert_eq!(letters.to_string(), "the letters O B S U of the labels do not tell the scheme");
    assert_eq!(name("O B-A S-A U-A"), Err(letters));
    // Every sequence of types is legal, and a slip among the labels is outside.
    let types = Grammar::new(&["O", "PER", "LOC"], LabelScheme::Auto).unwrap();
    assert!(sequences(3, 3).iter().all(|sequence| types.is_legal(sequence)));
    let slip = Grammar::new(&["O", "B-A", "I-A", "0"], LabelScheme::Auto).unwrap();
    assert!(slip.is_legal(&[3, 0, 1, 2, 3]) && !slip.is_legal(&[3, 2]) && !slip.is_legal(&[1, 3, 2]));
    // A letter alone is of another type than one that is written.
    let twins = Grammar::new(&["O", "B", "I", "B-_", "I-_"], LabelScheme::Auto).unwrap();
    assert!(twins.is_legal(&[1, 2, 3, 4]) && !twins.is_legal(&[1, 4]) && !twins.is_legal(&[3, 2]));
}

/// What a path's score is, by definition.
fn score(viterbi: &Viterbi, biases: &Biases, rows: &[Vec<f64>], path: &[usize]) -> f64 {
    let words: f64 = path.iter().zip(rows).map(|(&label, row)| row[label]).sum();
    let steps = path.windows(2).map(|pair| viterbi.grammar().step(pair[0], pair[1]).unwrap());
    words + steps.map(|step| biases.of(step)).sum::<f64>()
}

/// The best of all legal paths, one by one.
fn by_enumeration(viterbi: &Viterbi, biases: &Biases, rows: &[Vec<f64>]) -> Option<f64> {
    let labels = viterbi.grammar().labels();
    let legal = sequences(labels, rows.len()).into_iter().filter(|path| path.len() == rows.len());
    let legal = legal.filter(|path| viterbi.grammar().is_legal(path));
    legal.map(|path| score(viterbi, biases, rows, &path)).filter(|it| *it > f64::NEG_INFINITY).reduce(f64::max)
}

fn path(viterbi: &Viterbi, rows: &[Vec<f64>]) -> Option<Vec<usize>> {
    let path = viterbi.best_path(rows.len(), |word, label| rows[word][label])?;
    Some(path.into_iter().map(|label| label as usize).collect())
}

fn biases(values: [f64; 6]) -> Biases {
    Biases::KEYS.into_iter().zip(values).fold(Biases::default(), |biases, ((_, step), bias)| biases.with(step, bias))
}

/// Labels of a scheme: some of its letters for two types, and sometimes `O`.
fn labels() -> impl Strategy<Value = (Scheme, Vec<String>)> {
    let of = |scheme: Scheme| {
        let letters = scheme.letters().chars().filter(|letter| *letter != 'O');
        let mut all: Vec<String> =
            letters.flat_map(|letter| ["A", "C"].map(|kind| format!("{letter}-{kind}"))).collect();
        all.push("O".into());
        all
    };
    let scheme = prop::sample::select(Scheme::ALL.to_vec());
    scheme.prop_flat_map(move |scheme| {
        let all = of(scheme);
        let count = all.len();
        (Just(scheme), prop::sample::subsequence(all, 1..=count.min(5)).prop_shuffle())
    })
}

proptest! {
    /// The path is legal, its score is the highest there is, and without a legal path there is none.
    #[test]
    fn a_best_path_is_legal_and_no_path_is_better(
        (scheme, labels) in labels(),
        numbers in prop::collection::vec(prop_oneof![6 => -3.0..3.0f64, 2 => Just(0.0), 1 => Just(f64::NEG_INFINITY)], 25),
        words in 0usize..5,
        values in prop::array::uniform6(-2.0..2.0f64),
    ) {
        let Ok(grammar) = Grammar::new(&labels, LabelScheme::Strict(scheme)) else { return Ok(()) };
        let biases = biases(values);
        let viterbi = Viterbi::new(grammar, biases);
        let rows: Vec<Vec<f64>> = numbers.chunks(labels.len()).take(words).map(<[f64]>::to_vec).collect();
        let best = by_enumeration(&viterbi, &biases, &rows);
        let Some(path) = path(&viterbi, &rows) else {
            prop_assert_eq!(best, None);
            return Ok(());
        };
        prop_assert!(viterbi.grammar().is_legal(&path));
        let found = score(&viterbi, &biases, &rows, &path);
        prop_assert!((found - best.unwrap()).abs() < 1e-9, "{} is not {:?}", found, best);
    }
}

/// A case of pytorch-crf: labels, biases, scores, the best path and its score.
type Case = (LabelScheme, Vec<String>, [f64; 6], Vec<Vec<f64>>, Vec<usize>, f64);

/// A way to find a path by the scheme, the labels, the biases and the scores.
type Finder<'f> = &'f dyn Fn(LabelScheme, &[String], [f64; 6], &[Vec<f64>]) -> Option<Vec<usize>>;

fn cases() -> Vec<Case> {
    let read = |case: &Value| {
        let scheme = match case["scheme"].as_str().unwrap() {
            "IO" => LabelScheme::Auto,
            name => LabelScheme::named(name).unwrap(),
        };
        let labels = serde_json::from_value(case["labels"].clone()).unwrap();
        let bias = |key: &str| case["biases"][key.strip_prefix("transition_bias_").unwrap()].as_f64().unwrap();
        let biases = Biases::KEYS.map(|(key, _)| bias(key));
        let scores = serde_json::from_value(case["scores"].clone()).unwrap();
        let path = serde_json::from_value(case["path"].clone()).unwrap();
        (scheme, labels, biases, scores, path, case["score"].as_f64().unwrap())
    };
    golden::lines("decoding/paths.jsonl").iter().map(read).collect()
}

#[test]
fn paths_are_those_of_pytorch_crf() {
    for (scheme, labels, values, rows, want, want_score) in cases() {
        let viterbi = Viterbi::new(Grammar::new(&labels, scheme).unwrap(), biases(values));
        let got = path(&viterbi, &rows).unwrap();
        assert_eq!(got, want, "{labels:?}");
        let got = score(&viterbi, &biases(values), &rows, &got);
        assert!((got - want_score).abs() < 1e-9, "{got} is not {want_score}");
    }
}

/// Wrong twins: two biases swapped, no biases, the other way to read IOB, words without rules.
#[test]
fn wrong_twins_find_other_paths() {
    let differing = |twin: Finder<'_>| {
        let all = cases();
        let differing = all.iter().filter(|(scheme, labels, values, rows, want, _)| {
            twin(*scheme, labels, *values, rows).is_none_or(|path| path != *want)
        });
        differing.count()
    };
    let found = |scheme, labels: &[String], values, rows: &[Vec<f64>]| {
        path(&Viterbi::new(Grammar::new(labels, scheme).unwrap(), biases(values)), rows)
    };
    assert_eq!(differing(&found), 0);
    for (a, b) in [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 5)] {
        let swapped = |scheme, labels: &[String], mut values: [f64; 6], rows: &[Vec<f64>]| {
            values.swap(a, b);
            found(scheme, labels, values, rows)
        };
        assert!(differing(&swapped) > 2, "biases {a} and {b}: {}", differing(&swapped));
    }
    assert!(differing(&|scheme, labels, _, rows| found(scheme, labels, [0.0; 6], rows)) > 20);
    let backwards = |scheme, labels: &[String], values, rows: &[Vec<f64>]| {
        let rows: Vec<Vec<f64>> = rows.iter().rev().cloned().collect();
        let mut path = found(scheme, labels, values, &rows)?;
        path.reverse();
        Some(path)
    };
    assert!(differing(&backwards) > 20);
    let alone = |_, _: &[String], _, rows: &[Vec<f64>]| {
        let best = |row: &Vec<f64>| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        Some(rows.iter().map(best).collect())
    };
    assert!(differing(&alone) > 20);
}

fn decoder(labels: &[&str], biases: Biases) -> Decoder {
    Decoder::Viterbi(Arc::new(Viterbi::new(Grammar::new(labels, LabelScheme::Auto).unwrap(), biases)))
}

#[test]
fn words_get_their_labels_and_what_was_changed_is_counted() {
    let rows = [[0.6f32, 0.1, 0.3], [0.1, 0.3, 0.6], [0.2, 0.1, 0.7]];
    let rows: Vec<Option<&[f32]>> = rows.iter().map(|row| Some(&row[..])).collect();
    let decoder = decoder(&["O", "B-A", "I-A"], Biases::default());
    let all = |labels: &[u32], changed| Decoded { labels: labels.to_vec(), changed, has_no_path: false };
    // By hand: `O I I` is not legal; `O B I` has 0.6·0.3·0.7, more than `B I I`'s 0.1·0.6·0.7.
    assert_eq!(decoder.decode(&rows, 0), all(&[0, 1, 2], 1));
    assert_eq!(Decoder::Argmax.decode(&rows, 0), all(&[0, 2, 2], 0));
    // A word that the model read nothing of is outside on every path, so nothing continues after it.
    let gap = [rows[1], None, rows[2]];
    assert_eq!(decoder.decode(&gap, 0), all(&[1, 0, 0], 2));
    // A probability of 0 is the least that 32 bits have, so that a path is left.
    let sure: [Option<&[f32]>; 1] = [Some(&[0.0, 0.0, 1.0])];
    assert_eq!(decoder.decode(&sure, 0), all(&[0], 1));
    assert_eq!(decoder.decode(&[], 0), all(&[], 0));
    // Scores before the softmax give the same labels.
    let logits: [&[f32]; 2] = [&[2.0, 0.0, 1.9], &[0.0, 1.0, 2.0]];
    assert_eq!(decoder.decode_scores(&logits, 1.0), all(&[0, 1], 1));
}

#[test]
fn without_a_legal_path_each_word_has_its_most_probable_label() {
    let rows = [[0.4f32, 0.6]];
    let rows: Vec<Option<&[f32]>> = rows.iter().map(|row| Some(&row[..])).collect();
    let grammar = Grammar::new(&["I-A", "E-A", "B-A"], LabelScheme::named("iobes").unwrap()).unwrap();
    let decoder = Decoder::Viterbi(Arc::new(Viterbi::new(grammar, Biases::default())));
    let three: [Option<&[f32]>; 1] = [Some(&[0.2, 0.5, 0.3])];
    // One word can be neither begun nor ended without `S` and `O`.
    assert_eq!(decoder.decode(&three, 0), Decoded { labels: vec![1], changed: 0, has_no_path: true });
    assert_eq!(Decoder::Argmax.decode(&rows, 0).labels, [1]);
}

/// The file as OpenAI publishes it beside privacy-filter.
const PUBLISHED: &str = r#"{"operating_points": {"default": {"biases": {"transition_bias_background_stay": 0.0,
    "transition_bias_background_to_start": 0.0, "transition_bias_end_to_background": 0.0,
    "transition_bias_end_to_start": 0.0, "transition_bias_inside_to_continue": 0.0,
    "transition_bias_inside_to_end": 0.0}}}}"#;

#[test]
fn the_published_file_is_read_and_written_with_the_same_keys() {
    let mut file = Calibration::read(PUBLISHED.as_bytes()).unwrap();
    assert_eq!(file.point("default"), Some(OperatingPoint::default()));
    assert_eq!(file.point("recall"), None);
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(&file.text()), value(PUBLISHED));
    let biases = Biases::default().with(Step::InsideToEnd, -0.25);
    file.set("recall", OperatingPoint { biases, temperature: Some(1.5) });
    let text = file.text();
    let again = Calibration::read(text.as_bytes()).unwrap();
    assert_eq!(again, file);
    assert_eq!(again.names().collect::<Vec<_>>(), ["default", "recall"]);
    let written = value(&text);
    let of = &written["operating_points"]["recall"];
    assert_eq!(of["biases"]["transition_bias_inside_to_end"], -0.25);
    assert_eq!(of["temperature"], 1.5);
    // Each key is of its own step.
    let keys: HashMap<&str, Step> = Biases::KEYS.into_iter().collect();
    assert_eq!(keys["transition_bias_background_stay"], Step::BackgroundStay);
    assert_eq!(keys["transition_bias_background_to_start"], Step::BackgroundToStart);
    assert_eq!(keys["transition_bias_end_to_background"], Step::EndToBackground);
    assert_eq!(keys["transition_bias_end_to_start"], Step::EndToStart);
    assert_eq!(keys["transition_bias_inside_to_continue"], Step::InsideToContinue);
    assert_eq!(keys["transition_bias_inside_to_end"], Step::InsideToEnd);
}

#[test]
fn a_file_of_another_form_is_refused_with_a_reason() {
    let stay = "\"transition_bias_background_stay\": 0.0";
    for (text, said) in [
        ("[]".to_owned(), "has no object where the file should be"),
        ("{\"operating_points\": {}}".into(), "has no object of operating points under `operating_points`"),
        ("{}".into(), "has no object of operating points under `operating_points`"),
        (PUBLISHED.replace("operating_points", "points"), "has a key `points` in the file that is not known there"),
        (PUBLISHED.replace(stay, "\"other\": 0.0"), "has a key `other` in `biases` of the operating point `default`"),
        (PUBLISHED.replace(&format!("{stay},"), ""), "has no number under `transition_bias_background_stay` of the"),
        (PUBLISHED.replace(stay, "\"transition_bias_background_stay\": \"0\""), "has no number under"),
        (PUBLISHED.replace(stay, &format!("{stay}, {stay}")), "occurs twice"),
        (PUBLISHED.replace("{\"biases\"", "{\"temperature\": 0, \"biases\""), "no number above 0 under `temperature`"),
        (PUBLISHED.replace("0.0", "1e999"), "is not JSON that can be read"),
        ("{".into(), "is not JSON that can be read"),
        ("[".repeat(100_000), "is not JSON that can be read"),
    ] {
        let error = Calibration::read(text.as_bytes()).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

/// The best paths of conditional random fields, by pytorch-crf; transposed numbers of pairs find others.
#[test]
fn paths_of_chains_are_those_of_pytorch_crf() {
    let mut differing = 0;
    for case in golden::lines("decoding/crf.jsonl") {
        let numbers = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
        let pairs: Vec<Vec<f64>> = serde_json::from_value(case["transitions"].clone()).unwrap();
        let labels = pairs.len();
        let chain = Chain { start: numbers("start"), transitions: pairs.concat(), end: numbers("end") };
        let turned = (0..labels * labels).map(|at| pairs[at % labels][at / labels]).collect();
        let twin = Chain { transitions: turned, ..chain.clone() };
        for sentence in case["sentences"].as_array().unwrap() {
            let rows: Vec<Vec<f64>> = serde_json::from_value(sentence["scores"].clone()).unwrap();
            let want: Vec<u32> = serde_json::from_value(sentence["path"].clone()).unwrap();
            let of = |chain: &Chain| chain.best_path(rows.len(), |word, label| rows[word][label]).unwrap();
            assert_eq!(of(&chain), want);
            differing += usize::from(of(&twin) != want);
        }
    }
    assert!(differing > 3, "{differing}");
}

proptest! {
    /// A chain of zeros that allows legal paths alone finds what the rules find.
    #[test]
    fn a_restricted_chain_finds_what_the_rules_find(
        (scheme, labels) in labels(),
        numbers in prop::collection::vec(-3.0..3.0f64, 30),
        words in 0usize..6,
        values in prop::array::uniform6(-2.0..2.0f64),
    ) {
        let Ok(grammar) = Grammar::new(&labels, LabelScheme::Strict(scheme)) else { return Ok(()) };
        let (biases, k) = (biases(values), labels.len());
        let zeros = Chain { start: vec![0.0; k], transitions: vec![0.0; k * k], end: vec![0.0; k] };
        let chain = zeros.restricted(&grammar, &biases);
        let score = |word: usize, label: usize| numbers[(word * k + label) % numbers.len()];
        let of_rules = Viterbi::new(grammar, biases).best_path(words, score);
        prop_assert_eq!(chain.best_path(words, score), of_rules);
    }
}
