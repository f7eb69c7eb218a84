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
    scratch.put_tagger("electra", "teacher");
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
fn a_student_learns_from_a_teacher_of_the_same_labels() {
    let scratch = Scratch::with_tagger();
    scratch.put_tagger("distilbert", "teacher");
    let bits = |folder: &str| fs::read(scratch.path(folder).join("model.safetensors")).expect("a model");
    let ran = scratch.good(&format!("{BASE} taught --max_steps 3 --teacher teacher"));
    assert!(ran.stderr.contains("the teacher teacher has scored the words of 10 sentences"), "{}", ran.stderr);
    scratch.good(&format!("{BASE} cut --max_steps 3 --teacher teacher --batch_tokens 6 --data_memory 1kB"));
    assert!(bits("taught") == bits("cut"), "neither cuts nor files change a bit");
    scratch.good(&format!("{BASE} plain --max_steps 3"));
    scratch.good(&format!("{BASE} none --max_steps 3 --teacher teacher --distill_alpha 0"));
    assert!(bits("none") == bits("plain") && bits("taught") != bits("plain"));
    let mut config = scratch.json("teacher/config.json");
    config["id2label"]["0"] = "B-ORG".into();
    scratch.write("teacher/config.json", config.to_string());
    let error = bad(&scratch, "--teacher teacher");
    let want =
        "the teacher teacher knows other labels than the run: only the teacher has `B-ORG`, only the run has `O`";
    assert!(error.contains(want), "{error}");
    assert!(bad(&scratch, "--distill_alpha 0.3").contains("`--distill_alpha` is about a teacher"));
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

/// Writes the ten sentences of golden/run_ner as CoNLL columns.
fn columns(tag_of: impl Fn(usize, usize, &str) -> String) -> String {
    let mut text = String::new();
    for (number, sentence) in golden::lines("run_ner/data.json").iter().enumerate() {
        let list = |key: &str| sentence[key].as_array().expect("a list").clone();
        for (word, (form, tag)) in list("words").iter().zip(list("ner")).enumerate() {
            let tag = tag_of(number, word, tag.as_str().expect("a tag"));
            text += &format!("{}\t{tag}\n", form.as_str().expect("a word"));
        }
        text += "\n";
    }
    text
}

#[test]
fn words_without_a_label_teach_nothing_in_any_format() {
    let scratch = Scratch::with_tagger();
    let is_unknown = |sentence, word| (sentence, word) == (0, 3) || (sentence, word) == (3, 1);
    let with = |mark: &'static str| {
        columns(move |sentence, word, tag| if is_unknown(sentence, word) { mark.into() } else { tag.to_owned() })
    };
    let labels = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"];
    let json = |integers: bool| {
        let mut text = String::new();
        for (number, mut sentence) in golden::lines("run_ner/data.json").into_iter().enumerate() {
            for (word, tag) in sentence["ner"].as_array_mut().expect("a list").iter_mut().enumerate() {
                let id = labels.iter().position(|label| tag == label).expect("a label");
                *tag = match (is_unknown(number, word), integers) {
                    (true, _) => json!(if integers { json!(-100) } else { json!("-100") }),
                    (false, true) => json!(id),
                    (false, false) => tag.clone(),
                };
            }
            text += &format!("{sentence}\n");
        }
        text
    };
    scratch.write("mark.conll", with("?"));
    scratch.write("number.conll", with("-100"));
    scratch.write("outside.conll", with("O"));
    scratch.write("strings.json", json(false));
    scratch.write("integers.json", json(true));
    scratch.write("labels.txt", labels.join("\n"));
    let run = |file: &str, more: &str| {
        let line =
            format!("{BASE} {file}.out --train_file {file} --max_steps 4 --validation_file {file} --do_eval {more}");
        let said = scratch.good(&line.replace("--train_file data.json ", "")).stderr;
        (fs::read(scratch.path(&format!("{file}.out/model.safetensors"))).expect("a model"), said)
    };
    let (want, said) = run("mark.conll", "");
    let note = "train: 2 words are tagged `?`: they are neither learned nor scored (mark.conll:1: word 4, mark.conll:";
    assert!(said.contains(note), "{said}");
    assert!(!said.contains("begins an entity with `I-`"), "{said}");
    for (file, more) in [("number.conll", ""), ("strings.json", ""), ("integers.json", "--labels labels.txt")] {
        let (bits, said) = run(file, more);
        assert!(said.contains("2 words are tagged `?`"), "{file}: {said}");
        assert!(bits == want, "{file} teaches something else");
    }
    // A wrong twin: the same words are outside of entities.
    assert!(run("outside.conll", "").0 != want);
}

#[test]
fn words_without_a_gold_label_are_left_out_of_scores_on_both_sides() {
    let scratch = Scratch::empty();
    scratch.write("gold.conll", "a B-PER\nb ?\nc I-PER\n\nd ?\ne B-LOC\n");
    scratch.write("pred.conll", "a B-PER\nb O\nc I-PER\n\nd B-ORG\ne O\n");
    // seqeval on [[B-PER, I-PER], [B-LOC]] and [[B-PER, I-PER], [O]]: 1 correct, 1 predicted, 2 gold.
    let ran = scratch.good("score gold.conll pred.conll --json");
    let got: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let figures =
        ["overall_precision", "overall_recall", "overall_f1"].map(|name| got[name].as_f64().expect("a figure"));
    assert!(figures.iter().zip([1.0, 0.5, 2.0 / 3.0]).all(|(got, want)| (got - want).abs() < 1e-9), "{got}");
    assert_eq!(got["words"], 3);
    assert!(got["notes"].to_string().contains("2 words have no gold label and are left out on both sides"), "{got}");
}
