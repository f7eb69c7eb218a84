//! `tagsmith train` with other losses: the commands of docs/losses.md, what is said, and what is refused.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tagsmith_testkit::golden;
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

const BASE: &str =
    "train --model_name_or_path model --train_file data.json --do_train --threads 1 --seed 7 --output_dir";

#[track_caller]
fn bad(scratch: &Scratch, line: &str) -> String {
    Ran::of(&mut scratch.tagsmith(&format!("{BASE} no {line}"))).ended(2).stderr.clone()
}

#[test]
fn every_command_of_the_page_runs() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/losses.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let scratch = Scratch::with_tagger();
    scratch.copy("run_ner/data.json", "train.json");
    let weights = json!({"O": 0.5, "B-PER": 2.0, "I-PER": 2.0, "B-LOC": 1.0, "I-LOC": 1.0});
    scratch.write("weights.json", weights.to_string());
    let blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let ran = scratch.shell(&format!("{command} --num_train_epochs 1 --threads 1"));
        assert_eq!(ran.status, 0, "{command}\n{}", ran.stderr);
    }
    assert_eq!(scratch.json("out/listed/training_args.json")["label_weights"], weights);
}

/// Weights are scikit-learn's `balanced`: 10 sentences of golden/run_ner, counted here.
#[test]
fn weights_are_told_saved_and_read_again() {
    let scratch = Scratch::with_tagger();
    let mut counts = std::collections::BTreeMap::new();
    for sentence in golden::lines("run_ner/data.json") {
        for tag in sentence["ner"].as_array().expect("a list of tags") {
            *counts.entry(tag.as_str().expect("a tag").to_owned()).or_insert(0u32) += 1;
        }
    }
    let all: u32 = counts.values().sum();
    let ran = scratch.good(&format!("{BASE} one --max_steps 3 --class_weights inverse --o_weight 0.25"));
    assert!(ran.stderr.contains("weights of labels, from "), "{}", ran.stderr);
    assert!(ran.stderr.contains("cross-entropy without weights"), "{}", ran.stderr);
    let saved = scratch.json("one/training_args.json");
    for (label, count) in &counts {
        let want = if label == "O" { 0.25 } else { f64::from(all) / f64::from(counts.len() as u32 * count) };
        let got = saved["label_weights"][label].as_f64().expect("a weight");
        assert!((got - want).abs() < 1e-12, "{label}: {got} for {want}");
    }
    // A run's file makes the run again; and weights, focal loss and dice loss each change what is learned.
    scratch.good("train one/training_args.json --output_dir again");
    let bits = |folder: &str| fs::read(scratch.path(folder).join("model.safetensors")).expect("a model");
    assert!(bits("one") == bits("again"));
    scratch.good(&format!("{BASE} plain --max_steps 3"));
    for (folder, option) in [("focal", "--loss focal"), ("dice", "--loss dice")] {
        scratch.good(&format!("{BASE} {folder} --max_steps 3 {option}"));
        assert!(bits(folder) != bits("plain") && bits(folder) != bits("one"), "{folder}");
    }
    let Value::Object(plain) = scratch.json("plain/training_args.json") else { panic!("it is an object") };
    assert!(!plain.contains_key("label_weights"));
    // Smoothing and focal loss of γ 0 are cross-entropy's.
    scratch.good(&format!("{BASE} zero --max_steps 3 --loss focal --focal_gamma 0"));
    assert!(bits("zero") == bits("plain"));
}

#[test]
fn what_cannot_be_is_refused_in_a_line() {
    let scratch = Scratch::with_tagger();
    scratch.write("few.json", r#"{"O": 1}"#);
    scratch.write("more.json", r#"{"O": 1, "B-PER": 1, "I-PER": 1, "B-LOC": 1, "I-LOC": 1, "B-ORG": 2}"#);
    scratch.write("zero.json", r#"{"O": 0, "B-PER": 1, "I-PER": 1, "B-LOC": 1, "I-LOC": 1}"#);
    for (line, want) in [
        ("--loss focal --label_smoothing_factor 0.1", "`--label_smoothing_factor` is defined for cross-entropy"),
        ("--focal_gamma 2", "`--focal_gamma` is about another loss"),
        ("--loss dice --dice_alpha -1", "a number of 0 or more"),
        ("--class_weights effective:1", "effective:0.999"),
        (
            "--class_weights few.json",
            "few.json: there is no weight for `B-LOC`, `I-LOC`, `B-PER`, `I-PER`: list a number",
        ),
        ("--class_weights more.json", "more.json: the labels of the run do not have `B-ORG`: list"),
        ("--class_weights zero.json", "zero.json: the weight of `O` is 0, not a number above 0: list"),
        ("--class_weights absent.json", "absent.json"),
        ("--o_weight 0", "a number above 0"),
    ] {
        let error = bad(&scratch, line);
        assert!(error.contains(want), "{line}: {error}");
    }
    assert!(!scratch.path("no").exists());
}
