//! Labels as people have them: other schemes, a slip among tags, types alone, other names than the checkpoint's.

use crate::harness::with_encoder;
use serde_json::Value;
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

/// A word and its label a line.
fn columns(sentences: &[&str]) -> String {
    let lines = |sentence: &&str| sentence.split(' ').map(|pair| pair.replace('/', "\t") + "\n").collect::<String>();
    sentences.iter().map(lines).collect::<Vec<_>>().join("\n")
}

const BMES: [&str; 4] = [
    "jo/S-PER lives/O in/O millville/S-LOC",
    "ann/B-PER lee/E-PER works/O at/O lake/B-LOC mill/E-LOC",
    "lee/B-PER jo/M-PER ann/E-PER lives/O at/O lake/S-LOC",
    "mill/S-LOC works/O in/O millville/S-LOC",
];

const RUN: &str = "train --model_name_or_path model --do_train --do_eval --do_predict --max_seq_length 16 --threads 1 \
                   --learning_rate 5e-3 --save_strategy no --overwrite_output_dir";

/// Trains a few steps, and returns the results and what `score` says of the predictions.
fn trained(scratch: &Scratch, file: &str, more: &str, score: &str) -> (Value, Value, String) {
    let files = format!("--train_file {file} --validation_file {file} --test_file {file}");
    let ran = scratch.good(&format!("{RUN} {files} --output_dir out --max_steps 6 {more}"));
    let scored = scratch.good(&format!("score {file} out/predictions.txt --json {score}"));
    (scratch.json("out/all_results.json"), serde_json::from_str(&scored.stdout).unwrap(), ran.stderr)
}

/// Whether the figures of training are those of the scorer, which is tested against seqeval.
fn same(results: &Value, scored: &Value) -> bool {
    results["eval_f1"] == scored["overall_f1"]
        && results["eval_precision"] == scored["overall_precision"]
        && results["eval_f1_macro"] == scored["macro"]["f1"]
        && results["predict_f1_macro"] == scored["macro"]["f1"]
}

#[test]
fn f1_is_seqevals_whatever_one_label_is() {
    let scratch = with_encoder();
    scratch.write("bmes.conll", columns(&BMES));
    let slip = columns(&BMES).replacen("lives\tO", "lives\t0", 1);
    scratch.write("slip.conll", &slip);
    scratch
        .write("types.conll", columns(&BMES).replace("B-", "").replace("M-", "").replace("E-", "").replace("S-", ""));
    for file in ["bmes.conll", "slip.conll", "types.conll"] {
        let (results, scored, said) = trained(&scratch, file, "", "--mode conlleval");
        assert!(same(&results, &scored), "{file}: {results} {scored}");
        assert_ne!(results["eval_f1"], results["eval_accuracy"], "{file}: {results}");
        assert_eq!(said.contains("is it a slip? (`0` slip.conll:2)"), file == "slip.conll", "{said}");
        let hint =
            "pass `--bare_tags` to make a run of one type an entity, or pass `--label_scheme words` to score words";
        assert_eq!(said.contains(hint), file == "types.conll", "{said}");
    }
    // The slip is pointed out to whoever scores, too.
    scratch.good("score slip.conll bmes.conll").says("is it a slip? (`0` slip.conll:2)");
}

/// Bare types with the digit `0` where the letter `O` is meant: what to do is said, and `0` never becomes a type.
#[test]
fn a_zero_for_words_outside_is_said() {
    let scratch = with_encoder();
    let types = columns(&BMES).replace("B-", "").replace("M-", "").replace("E-", "").replace("S-", "");
    scratch.write("zero.conll", types.replace("\tO", "\t0"));
    let line = format!("{RUN} --train_file zero.conll --validation_file zero.conll --test_file zero.conll");
    scratch.good(&format!("{line} --output_dir out --max_steps 2 --quiet")).says(
        "warning: the labels are types without a letter, and the digit `0` stands where the letter `O` marks words \
         outside: words are scored, not entities: write `O` for `0`, and pass `--bare_tags` to make a run of one type an \
         entity, or pass `--label_scheme words` to leave this note out",
    );
    let error = scratch.bad(&format!("{line} --output_dir no --bare_tags"));
    let want = "error: zero.conll: the label `0` is a digit, and would become entities `B-0`: write the letter `O` for \
                words outside entities, or leave out `--bare_tags`";
    assert_eq!(error, want);
}

#[test]
fn a_scheme_can_be_asked_for() {
    let scratch = with_encoder();
    scratch.write("bmes.conll", columns(&BMES));
    let (results, scored, _) = trained(&scratch, "bmes.conll", "--label_scheme bmes", "--label_scheme bmes");
    assert!(same(&results, &scored) && scored["method"] == "strict BMES", "{results} {scored}");
    let (results, scored, _) = trained(&scratch, "bmes.conll", "--label_scheme words", "--scheme words");
    assert!(same(&results, &scored) && scored["method"] == "words", "{results} {scored}");
    let [f1, accuracy] = ["eval_f1", "eval_accuracy"].map(|name| results[name].as_f64().unwrap());
    assert!((f1 - accuracy).abs() < 1e-12, "{results}");
    let files = "--train_file bmes.conll --validation_file bmes.conll --test_file bmes.conll";
    let error = scratch.bad(&format!("{RUN} {files} --output_dir no --label_scheme iob2"));
    let said = "does not belong to IOB2, whose letters are I O B: leave out `--label_scheme`";
    assert!(error.starts_with("error: bmes.conll:1: word 1: the tag `S-PER` ") && error.ends_with(said), "{error}");
    let error = scratch.bad("predict --model out --label-scheme iob2 bmes.conll");
    assert!(error.contains("does not belong to IOB2") && error.ends_with("leave out `--label-scheme`"), "{error}");
}

/// A model of BMES finds the entities that its tags mean: no letter is an entity of its own.
#[test]
fn entities_of_predict_follow_the_models_scheme() {
    let scratch = with_encoder();
    scratch.write("bmes.conll", columns(&BMES));
    let files = "--train_file bmes.conll --validation_file bmes.conll --test_file bmes.conll";
    scratch.good(&format!("{RUN} {files} --output_dir out --num_train_epochs 60 --per_device_train_batch_size 2"));
    let results = scratch.json("out/all_results.json");
    assert_eq!(results["eval_f1"], 1.0, "the model knows its four sentences: {results}");
    let want = [
        ["jo PER", "millville LOC"].to_vec(),
        ["ann lee PER", "lake mill LOC"].to_vec(),
        ["lee jo ann PER", "lake LOC"].to_vec(),
        ["mill LOC", "millville LOC"].to_vec(),
    ];
    let found = |more: &str| -> Vec<Vec<String>> {
        let ran = scratch.good(&format!("predict --model out bmes.conll {more}"));
        let documents = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let show = |it: &Value| format!("{} {}", it["text"].as_str().unwrap(), it["label"].as_str().unwrap());
        documents.map(|it| it["entities"].as_array().unwrap().iter().map(show).collect()).collect()
    };
    for more in ["", "--label-scheme BMES"] {
        assert_eq!(found(more), want, "{more}");
    }
    assert_eq!(found("--label-scheme words")[1], ["ann B-PER", "lee E-PER", "lake B-LOC", "mill E-LOC"]);
}

#[test]
fn the_mean_of_the_types_f1_chooses_the_best_model() {
    let scratch = with_encoder();
    scratch.write("bmes.conll", columns(&BMES));
    let files = "--train_file bmes.conll --validation_file bmes.conll --test_file bmes.conll";
    for more in ["", "--return_entity_level_metrics"] {
        let line = RUN.replace("--save_strategy no", "--save_strategy steps");
        let ran = scratch.good(&format!(
            "{line} {files} --output_dir out --max_steps 6 --eval_strategy steps --eval_steps 2 --save_steps 2 \
             --load_best_model_at_end --metric_for_best_model f1_macro --report_to csv {more}"
        ));
        ran.says("loaded the best model");
        let (state, results) = (scratch.json("out/trainer_state.json"), scratch.json("out/all_results.json"));
        let history = state["log_history"].as_array().unwrap();
        let means: Vec<f64> = history.iter().filter_map(|it| it["eval_f1_macro"].as_f64()).collect();
        assert_eq!(means.len(), 3, "{state}");
        let best = means.iter().copied().fold(0.0, f64::max);
        assert_eq!(state["best_metric"].as_f64(), Some(best), "{state}");
        assert_eq!(results["eval_f1_macro"].as_f64(), Some(best), "{results}");
    }
}

/// Labels that data and checkpoint share keep their rows: data that name a type otherwise are scored as before.
#[test]
fn a_type_of_another_name_takes_the_rows_of_the_old_one() {
    let scratch = with_encoder();
    scratch.write("old.conll", columns(&BMES));
    scratch.write("new.conll", columns(&BMES).replace("PER", "ABC"));
    let (old, ..) = trained(&scratch, "old.conll", "", "");
    let line = "train --model_name_or_path out --do_eval --validation_file new.conll --output_dir renamed --threads 1";
    let ran = scratch.good(&format!("{line} --max_seq_length 16 --ignore_mismatched_labels"));
    ran.says(
        "the head's rows of `B-PER`, `E-PER`, `M-PER`, `S-PER` become `B-ABC`, `E-ABC`, `M-ABC`, `S-ABC`; all other",
    );
    let new = scratch.json("renamed/all_results.json");
    for figure in ["eval_accuracy", "eval_f1", "eval_loss"] {
        assert_eq!(new[figure], old[figure], "{figure}");
    }
}

/// The library of tokenizers panics on such files: for the user they are damage like any other.
#[test]
fn a_damaged_tokenizer_is_one_line() {
    let scratch = with_encoder();
    scratch.write("bmes.conll", columns(&BMES));
    trained(&scratch, "bmes.conll", "", "");
    let whole = scratch.read("out/tokenizer.json");
    let mut json: Value = serde_json::from_str(&whole).unwrap();
    json["decoder"] = serde_json::json!({"type": "WordPiece", "prefix": "##", "cleanup": true});
    let text = json.to_string();
    let at = text.find("\"decoder\":{").unwrap() + 20;
    for (content, want) in [(&text[..at], "copy or download it again, whole"), ("{\"decoder\": {}}", "")] {
        scratch.write("out/tokenizer.json", content);
        for line in [
            "predict --model out bmes.conll",
            "train --model_name_or_path out --do_eval --validation_file bmes.conll --output_dir x",
        ] {
            let said = Ran::of(&mut scratch.tagsmith(line)).ended(2).stderr;
            assert!(!said.contains("panicked"), "{said}");
            let error = said.lines().rfind(|line| line.starts_with("error: ")).unwrap();
            assert!(error.contains("`tokenizer.json` is not a tokenizer's") && error.ends_with(want), "{error}");
        }
    }
}
