//! Decoding from the command line: legal paths, operating points, thresholds, calibration, and a chain as the head.

use serde_json::Value;
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;
use tagsmith_text::decode::grammar::Grammar;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// A folder with a small model in `model`, which nobody trained, and words of three sentences.
fn scratch() -> Scratch {
    let scratch = Scratch::with_tagger();
    let words =
        "jo O\nlives O\nin O\nmillville O\n\nann O\nlee O\nworks O\nat O\nlake O\nmill O\n\nkim O\nworks O\nnear O\n";
    scratch.write("words.conll", words);
    scratch
}

fn run(scratch: &Scratch, line: &str) -> Ran {
    Ran::of(&mut scratch.tagsmith(line))
}

/// The labels of each sentence that `predict` writes.
fn labels(scratch: &Scratch, options: &str) -> (Vec<Vec<String>>, String) {
    let line = format!("predict --model model --threads 1 --output-format conll words.conll {options}");
    let ran = run(scratch, &line).ended(0);
    let sentence = |lines: &str| lines.lines().map(|line| line.rsplit('\t').next().unwrap().to_owned()).collect();
    (ran.stdout.trim_end().split("\n\n").map(sentence).collect(), ran.stderr)
}

const NAMES: [&str; 5] = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"];

fn is_legal(labels: &[String]) -> bool {
    let ids: Vec<usize> = labels.iter().map(|label| NAMES.iter().position(|name| name == label).unwrap()).collect();
    Grammar::new(&NAMES, LabelScheme::Auto).unwrap().is_legal(&ids)
}

/// The file of an operating point with one bias.
fn calibration(name: &str, key: &str, bias: f64) -> String {
    let keys = [
        "background_stay",
        "background_to_start",
        "end_to_background",
        "end_to_start",
        "inside_to_continue",
        "inside_to_end",
    ];
    let value = |known: &str| if known == key { bias } else { 0.0 };
    let biases: Vec<String> =
        keys.iter().map(|known| format!("\"transition_bias_{known}\": {:?}", value(known))).collect();
    format!("{{\"operating_points\": {{\"{name}\": {{\"biases\": {{{}}}}}}}}}", biases.join(", "))
}

#[test]
fn legal_paths_are_legal_and_said() {
    let scratch = scratch();
    let (plain, said) = labels(&scratch, "");
    assert!(!plain.iter().all(|sentence| is_legal(sentence)), "a model that nobody trained breaks rules: {plain:?}");
    assert!(!said.contains("legal"), "{said}");
    let (legal, said) = labels(&scratch, "--decoding viterbi");
    assert!(legal.iter().all(|sentence| is_legal(sentence)), "{legal:?}");
    assert!(said.contains("sentences get their best legal path: tags are IOB2, with no biases"), "{said}");
    let changed = plain.iter().flatten().zip(legal.iter().flatten()).filter(|(a, b)| a != b).count();
    assert!(said.contains(&format!("{changed} words have another label than their most probable one")), "{said}");
    // Every strategy gives words the same labels, and entities of what the strategy looks at.
    for strategy in ["none", "simple", "average", "max"] {
        let (other, _) = labels(&scratch, &format!("--decoding viterbi --aggregation-strategy {strategy}"));
        assert_eq!(other, legal, "{strategy}");
    }
    // `evaluate` sees what `predict` writes.
    let lines = run(&scratch, "predict --model model --threads 1 --output-format conll --decoding viterbi words.conll");
    scratch.write("legal.conll", lines.stdout);
    let ran = run(&scratch, "evaluate model legal.conll --threads 1 --decoding viterbi --json").ended(0);
    let figures: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(figures["overall_accuracy"], 1.0, "{figures}");
}

#[test]
fn operating_points_are_read_strictly_and_used() {
    let scratch = scratch();
    scratch.write("model/viterbi_calibration.json", calibration("quiet", "background_stay", 1000.0));
    let (all_outside, said) = labels(&scratch, "--decoding viterbi --operating-point quiet");
    assert!(all_outside.iter().flatten().all(|label| label == "O"), "{all_outside:?}");
    assert!(said.contains("the operating point `quiet` of viterbi_calibration.json"), "{said}");
    let (_, said) = labels(&scratch, "--decoding viterbi");
    assert!(said.contains("no biases; its file has no `default`"), "{said}");
    let bad = |options: &str| scratch.bad(&format!("predict --model model words.conll --threads 1 {options}"));
    let error = bad("--decoding viterbi --operating-point loud");
    let want = "there is no operating point `loud` beside the model: there are `quiet`: leave out `--operating-point`";
    assert!(error.contains(want), "{error}");
    let error = bad("--operating-point quiet");
    assert!(error.ends_with("pass `--decoding viterbi`"), "{error}");
    let error = bad("--temperature 0");
    assert!(error.contains("`--temperature 0`: a number above 0 is needed"), "{error}");
    scratch.write("model/viterbi_calibration.json", "{\"operating_points\": {\"default\": {\"bias\": 1}}}");
    let error = bad("");
    let want = "viterbi_calibration.json: has a key `bias` in the operating point `default` that is not known there";
    assert!(error.contains(want), "{error}");
}

#[test]
fn thresholds_leave_out_and_abstention_marks() {
    let scratch = scratch();
    let (plain, _) = labels(&scratch, "");
    let (none, said) = labels(&scratch, "--threshold 1");
    assert!(none.iter().flatten().all(|label| label == "O"), "{none:?}");
    assert!(said.contains("below the threshold and left out"), "{said}");
    assert_eq!(labels(&scratch, "--threshold 0").0, plain);
    let (marked, said) = labels(&scratch, "--abstain-below 1");
    assert!(marked.iter().flatten().all(|label| label == "?"), "{marked:?}");
    assert!(said.contains("13 words are abstained from"), "{said}");
    let line = "predict --model model --threads 1 --output-format jsonl words.conll --abstain-below";
    let marked = run(&scratch, &format!("{line} 1")).ended(0).stdout;
    assert!(marked.contains("\"abstained\":true"), "{marked}");
    assert!(!run(&scratch, &format!("{line} 0")).ended(0).stdout.contains("abstained"));
    let error = scratch.bad("predict --model model words.conll --abstain-below 2");
    assert!(error.contains("`--abstain-below 2`: a number from 0 to 1 is needed"), "{error}");
    let error = scratch.bad("predict --model model words.conll --threshold cls");
    assert!(error.contains("the threshold `cls` is not a number from 0 to 1: pass `--threshold` with one"), "{error}");
}

/// Labels that the model finds by other biases than 0 are found again by calibration, or others as good.
#[test]
fn calibration_finds_biases_and_leaves_others_alone() {
    let scratch = scratch();
    scratch.write("model/viterbi_calibration.json", calibration("other", "background_stay", 2.0));
    let wanted = run(
        &scratch,
        "predict --model model --threads 1 --output-format conll --decoding viterbi --operating-point other words.conll",
    );
    scratch.write("wanted.conll", wanted.ended(0).stdout);
    let ran = run(&scratch, "calibrate model --data wanted.conll --threads 1 --json").ended(0);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let f1 = |name: &str| found["scores"][name]["f1"].as_f64().unwrap();
    assert!(f1("default") >= f1("viterbi") && f1("default") >= f1("argmax"), "{found}");
    assert!(found["loss"]["after"].as_f64().unwrap() <= found["loss"]["before"].as_f64().unwrap(), "{found}");
    let file = scratch.json("model/viterbi_calibration.json");
    assert_eq!(file["operating_points"]["other"]["biases"]["transition_bias_background_stay"], 2.0);
    assert_eq!(file["operating_points"]["default"]["biases"], found["biases"]);
    assert_eq!(file["operating_points"]["default"]["temperature"], found["temperature"]);
    // What `evaluate` reports by the operating point is what calibration reported.
    let ran = run(&scratch, "evaluate model wanted.conll --threads 1 --decoding viterbi --json").ended(0);
    let figures: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!((figures["overall_f1"].as_f64().unwrap() - f1("default")).abs() < 1e-12, "{figures} {found}");
    let text = run(&scratch, "calibrate model --data wanted.conll --threads 1 --optimize recall@P=0.2 --name more");
    let text = text.ended(0).stdout;
    assert!(text.contains("the operating point `more` is in") && text.contains("argmax"), "{text}");
    let names = scratch.json("model/viterbi_calibration.json");
    let names: Vec<&String> = names["operating_points"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["other", "default", "more"]);
}

#[test]
fn what_cannot_be_calibrated_is_said_in_a_line() {
    let scratch = scratch();
    scratch.put_span_tagger("bi_encoder");
    for (line, want) in [
        ("calibrate nowhere --data words.conll", "`nowhere` is not a folder, and the result belongs beside the model"),
        ("calibrate bi_encoder --data words.conll", "a span tagger has no tags to decode"),
        ("calibrate model --data words.conll --optimize best", "there are f1, recall@P=X and precision@R=X"),
        ("calibrate model --data missing.conll", "missing.conll"),
    ] {
        let error = scratch.bad(&format!("{line} --threads 1"));
        assert!(error.contains(want), "{error}");
    }
    assert!(!scratch.path("model/viterbi_calibration.json").exists());
}

/// A chain is trained, saved, evaluated as it was trained, and used by `predict`; the head stays what it is.
#[test]
fn a_chain_is_trained_saved_and_used() {
    let scratch = scratch();
    let train = "train --model_name_or_path model --train_file data.json --validation_file data.json --do_train --do_eval \
                 --max_steps 3 --learning_rate 1e-2 --threads 1 --save_strategy no --seed 1";
    run(&scratch, &format!("{train} --head crf --output_dir chained")).ended(0);
    assert_eq!(scratch.json("chained/config.json")["tagsmith_head"], "crf");
    let weights = scratch.path("chained/model.safetensors");
    let bytes = std::fs::read(weights).unwrap();
    for name in ["crf.start_transitions", "crf.transitions", "crf.end_transitions"] {
        assert!(bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
    // The loss of an evaluation alone is that after training.
    let loss = |folder: &str| scratch.json(&format!("{folder}/eval_results.json"))["eval_loss"].as_f64().unwrap();
    let evaluate = "train --validation_file data.json --do_eval --threads 1";
    run(&scratch, &format!("{evaluate} --model_name_or_path chained --output_dir again")).ended(0);
    assert!((loss("again") - loss("chained")).abs() < 1e-9, "{} {}", loss("again"), loss("chained"));
    // A head of words has another loss, and begins where the chain began.
    run(&scratch, &format!("{train} --output_dir plain")).ended(0);
    assert!((loss("plain") - loss("chained")).abs() > 1e-6);
    assert!(scratch.json("plain/config.json").get("tagsmith_head").is_none());
    for options in ["", "--decoding viterbi", "--decoding argmax"] {
        let line = format!("predict --model chained --threads 1 --output-format conll words.conll {options}");
        run(&scratch, &line).ended(0);
    }
    // Training goes on with the head that the model has.
    let on = train.replace("--model_name_or_path model", "--model_name_or_path chained");
    run(&scratch, &format!("{on} --output_dir on")).ended(0);
    assert_eq!(scratch.json("on/config.json")["tagsmith_head"], "crf");
    let error = scratch.bad(&format!("{train} --head crf --label_smoothing_factor 0.1 --output_dir smooth"));
    assert!(error.contains("a loss of whole sentences: pass `--head softmax`"), "{error}");
    let error = scratch.bad(&format!("{evaluate} --model_name_or_path model --head crf --output_dir other"));
    assert!(error.contains("a head is changed by training alone"), "{error}");
    let error = scratch.bad(&format!("{train} --head crf --device emulated --output_dir gpu"));
    assert!(error.contains("trained on the processor alone: pass `--device cpu`"), "{error}");
    scratch.write("chained/config.json", scratch.read("chained/config.json").replace("\"crf\"", "\"chain\""));
    let error = scratch.bad("predict --model chained --threads 1 words.conll");
    assert!(error.contains("`tagsmith_head` names a head that is not known; there are softmax and crf"), "{error}");
}
