//! Batches: ids, spans and gold entities, against the original's collator.

use crate::harness::{LABELS, cases, encode, example, folder, labels};
use serde_json::Value;
use std::collections::BTreeSet;
use tagsmith_spans::batch::collate;
use tagsmith_spans::batch::encode::{Encoded, Encoding, Masking, Prompt, added_tokens, plain_labels};
use tagsmith_spans::config::Config;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::model::SPAN;
use tagsmith_text::example::Example;
use tagsmith_text::tagged::Content;
use tagsmith_text::tokenizer::Tokenizer;

/// Makes a case's batch again and holds it against what the original's collator made.
fn check_batch(case: &Value, tokenizer: &Tokenizer, max_length: usize, parity: Parity) {
    let text = |key: &str| case[key].as_str().expect("a string");
    let (name, format, masking) = (text("architecture"), text("format"), text("masking"));
    let what = format!("{} {name} {format} {masking} {parity:?}", case["tokenizer"]);
    let mut config = Config { longest: 4, ..Config::read(&folder(name)).expect("it reads") };
    config.reproduce(parity);
    let examples: Vec<Example> =
        case["examples"].as_array().expect("a list").iter().map(|value| example(value, format)).collect();
    let encoded = encode(&config, tokenizer, &examples, masking, max_length);
    let refs: Vec<&Encoded> = encoded.iter().collect();
    let alone = added_tokens(&config).is_empty().then(|| collate::labels(tokenizer, &labels()).expect("labels").0);
    let (scene, listed) = collate::batch(&config, &refs, alone);
    let mut lost = 0;
    let mut all = Vec::new();
    let begin = case["begin"].as_u64().expect("a number") as usize;
    for (row, (encoded, example)) in encoded.iter().zip(&examples).enumerate() {
        let ids: Vec<u32> = serde_json::from_value(case["ids"][row].clone()).expect("ids");
        assert_eq!(encoded.ids, ids, "{what}: ids of {row}");
        let spans: Vec<(usize, usize)> = serde_json::from_value(case["spans"][row].clone()).expect("spans");
        let ours = listed[row].spans.iter().filter(|&&span| encoded.findable(&config, span));
        let ours: Vec<_> = ours.map(|(i, j)| (i - begin, j - begin)).collect();
        assert_eq!(ours, spans, "{what}: spans of {row}");
        let (gold, gone) = encoded.gold(example, &labels(), &config);
        lost += gone;
        let mut named: Vec<(usize, usize, &str)> =
            gold.iter().map(|&(i, j, kind)| (i - begin, j - begin, LABELS[kind])).collect();
        named.sort_unstable();
        let want: Vec<(usize, usize, String)> = serde_json::from_value(case["gold"][row].clone()).expect("gold");
        let want: Vec<_> = want.iter().map(|(i, j, label)| (*i, *j, label.as_str())).collect();
        assert_eq!(named, want, "{what}: gold of {row}");
        all.push(gold);
    }
    assert_eq!(lost as u64, case["lost"].as_u64().expect("a number"), "{what}: lost");
    let gold = collate::gold(&config, &refs, &all, &listed, &scene);
    let counted = gold.masks[SPAN].iter().filter(|counts| **counts).count();
    let spans: usize =
        case["spans"].as_array().expect("a list").iter().map(|row| row.as_array().map_or(0, Vec::len)).sum();
    assert_eq!(counted, spans, "{what}: spans that count");
    if parity == Parity::default() {
        let padded = ["width", "enumerated"].map(|key| examples.len() * case[key].as_u64().expect("a number") as usize);
        assert_eq!(gold.whole.padded, padded, "{what}: padded");
    }
}

/// The cases of a list, with their tokenizers: the golden one, or one of golden/pieces.
fn check_batches(key: &str, count: usize, max_length: usize) {
    let cases = cases();
    let cases = cases[key].as_array().expect("a list");
    assert_eq!(cases.len(), count);
    for case in cases {
        let config = Config::read(&folder(case["architecture"].as_str().expect("a name"))).expect("it reads");
        let at = case["tokenizer"].as_str().map_or_else(|| folder(""), |kind| folder("../pieces").join(kind));
        let mut tokenizer = Tokenizer::from_folder(&at).expect("the golden tokenizer reads");
        tokenizer.add_special(added_tokens(&config)).expect("it takes tokens");
        let names = case["parity"].as_array().into_iter().flatten().filter_map(Value::as_str);
        check_batch(case, &tokenizer, max_length, Parity::named(names));
    }
}

#[test]
fn batches_are_the_originals_without_padding() {
    check_batches("collated", 16, 30);
}

#[test]
fn prompts_of_other_families_are_the_originals() {
    check_batches("families", 24, 80);
}

#[test]
fn batches_with_the_originals_defects_are_the_originals() {
    check_batches("with_defects", 12, 30);
    // They do differ from those without.
    let cases = cases();
    let losts: BTreeSet<u64> =
        cases["with_defects"].as_array().expect("a list").iter().filter_map(|case| case["lost"].as_u64()).collect();
    assert!(losts.len() > 1);
}

#[test]
fn special_tokens_in_texts_and_labels_are_ordinary_letters() {
    let config = Config::read(&folder("contrastive_cross_encoder")).expect("it reads");
    for kind in ["", "../pieces/roberta", "../pieces/xlm-roberta"] {
        let mut tokenizer = Tokenizer::from_folder(&folder(kind)).expect("the golden tokenizer reads");
        tokenizer.add_special(added_tokens(&config)).expect("it takes tokens");
        let encoding = Encoding { max_length: 200, masking: Masking::None };
        let (plain, in_labels) = plain_labels(&tokenizer, &["place".into(), "a [LABEL] b".into()]).expect("it encodes");
        assert_eq!((plain, in_labels), (vec!["place".into(), "a  LABEL] b".into()], 1), "{kind}");
        let prompt = Prompt::new(&config, &labels());
        let encode = |input: Content| encoding.encode(&tokenizer, Some(&prompt), &input).expect("it encodes");
        let end = if kind.is_empty() { ("[SEP]", " SEP]") } else { ("</s>", " /s>") };
        let write = |label: &str, end: &str| format!("jo {label}  anna {end}[SPAN_THRESHOLD] york");
        let text = encode(Content::Text(write("[LABEL]", end.0)));
        let blanked = write(" LABEL]", end.1).replace("[SPAN", " SPAN");
        let want = encode(Content::Text(blanked.clone()));
        assert_eq!((text.spelled, want.spelled), (3, 0), "{kind}");
        assert_eq!(Encoded { spelled: 0, ..text.clone() }, want, "{kind}");
        assert_eq!(text.markers.len(), LABELS.len(), "{kind}");
        // What the tokenizer alone makes of it has the prompt's own tokens in the text.
        let raw = tokenizer.encode_running(&write("[LABEL]", end.0)).expect("it encodes");
        assert!(raw.ids.contains(&tokenizer.token_id("[LABEL]").expect("it was added")), "{kind}");
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let read = encode(Content::Words(words("jo [LABEL] x[SPAN_THRESHOLD] york")));
        let mut apart = words("jo [LABEL] x[SPAN_THRESHOLD] york");
        (apart[1], apart[2]) = (" LABEL]".into(), "x SPAN_THRESHOLD]".into());
        assert_eq!(Encoded { spelled: 0, ..read.clone() }, encode(Content::Words(apart)), "{kind}");
        assert_eq!(read.spelled, 2, "{kind}");
        // An unknown word is not a special token that somebody wrote.
        assert_eq!(encode(Content::Text("\u{1F600}".into())).spelled, 0, "{kind}");
    }
}
