//! `tagsmith train` from files to files, with the two-layer model of golden/models/bert.

use assert_cmd::Command;
use expect_test::{Expect, expect};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden/models/bert");

/// Words of a toy language; `##s` and `##ville` continue a word.
const PIECES: &str = "[PAD] [UNK] [CLS] [SEP] jo ann lee kim in at from to lives works near mill lake ##ville ##s the";

/// Ten sentences: a place follows `in`, `at`, `from`, `to` and `near`, and names are names.
const SENTENCES: [(&str, &str); 10] = [
    ("jo lives in millville", "B-PER O O B-LOC"),
    ("ann lee works at lake mill", "B-PER I-PER O O B-LOC I-LOC"),
    ("kim works near the lakes", "B-PER O O O B-LOC"),
    ("lee lives at mill lake", "B-PER O O B-LOC I-LOC"),
    ("the mills", "O B-LOC"),
    ("jo kim works in lakeville", "B-PER I-PER O O B-LOC"),
    ("from mill to lake", "O B-LOC O B-LOC"),
    ("ann lives near jo", "B-PER O O B-PER"),
    ("near millville lives kim lee", "O B-LOC O B-PER I-PER"),
    ("the lake", "O B-LOC"),
];

/// A scratch folder with a model and its data.
struct Scratch(TempDir);

impl Scratch {
    fn new() -> Scratch {
        let scratch = Scratch(TempDir::new().unwrap());
        let model = scratch.path("model");
        fs::create_dir(&model).unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(Path::new(GOLDEN).join(file), model.join(file)).unwrap();
        }
        fs::write(model.join("tokenizer.json"), tokenizer().to_string()).unwrap();
        fs::write(model.join("tokenizer_config.json"), r#"{"model_max_length": 16}"#).unwrap();
        let rows: String = SENTENCES.iter().map(|(words, tags)| row(words, tags)).collect();
        fs::write(scratch.path("data.json"), rows).unwrap();
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    fn files(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn run(&self, line: &str) -> Ran {
        let mut command = Command::cargo_bin("tagsmith").unwrap();
        command.current_dir(self.0.path()).arg("train").args(line.split_whitespace());
        for name in ["WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        Ran {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn good(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.status, 0, "{line}\n{}", ran.stderr);
        ran
    }

    /// The last line on stderr of a run that cannot be.
    fn bad(&self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.status, 2, "{line}\n{}", ran.stderr);
        ran.stderr.lines().last().unwrap().to_owned()
    }
}

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn row(words: &str, tags: &str) -> String {
    let list = |text: &str| text.split_whitespace().map(Value::from).collect::<Value>();
    json!({"words": list(words), "ner": list(tags)}).to_string() + "\n"
}

/// WordPiece over the toy language.
fn tokenizer() -> Value {
    let vocabulary: serde_json::Map<String, Value> =
        PIECES.split(' ').enumerate().map(|(id, piece)| (piece.to_owned(), id.into())).collect();
    let special = |id: usize| {
        json!({"id": id, "content": PIECES.split(' ').nth(id), "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(0), special(1), special(2), special(3)],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                       "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

/// Learns the ten sentences by heart.
const LEARN: &str = "--model_name_or_path model --train_file data.json --validation_file data.json --do_train --do_eval \
                     --learning_rate 1e-2 --num_train_epochs 30 --per_device_train_batch_size 2 --seed 7 --threads 1";

/// Keeps names, and hides numbers that differ from machine to machine.
fn hide_numbers(text: &str) -> String {
    let mut shown = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' if shown.ends_with('#') => {}
            '0'..='9' => shown.push('#'),
            letter => shown.push(letter),
        }
    }
    shown
}

#[test]
fn a_run_leaves_what_run_ner_leaves() {
    let scratch = Scratch::new();
    // A sentence longer than a sequence, a word that is nothing, and nothing at all.
    let long = "ann lee works at lake mill ".repeat(8);
    let tags = "B-PER I-PER O O B-LOC I-LOC ".repeat(8);
    let test = [row(&long, &tags), row("jo \u{200b} works", "B-PER O O"), row("", "")].concat();
    fs::write(scratch.path("test.json"), test).unwrap();
    let ran = scratch.good(&format!("{LEARN} --output_dir out --test_file test.json --do_predict --logging_steps 75"));
    check(&ran.stderr, expect![[""]]);
    check(&hide_numbers(&ran.stdout), expect![[""]]);

    check(&scratch.files("out").join("\n"), expect![[""]]);
    check(&scratch.files("out/checkpoint-150").join("\n"), expect![[""]]);
    let results = scratch.json("out/all_results.json");
    assert!(results["eval_f1"].as_f64().unwrap() > 0.95, "{results}");
    assert!(results["train_loss"].as_f64().unwrap() < 0.5, "{results}");
    assert_eq!((results["epoch"].as_f64(), results["train_samples"].as_u64()), (Some(30.0), Some(10)));
    assert_eq!(scratch.json("out/config.json")["id2label"]["3"], "B-PER");

    let predictions = scratch.read("out/predictions.txt");
    let counts: Vec<usize> = predictions.lines().map(|line| line.split_whitespace().count()).collect();
    assert_eq!(counts, [48, 3, 0]);
    // The model knows the sentence by heart; it says it eight times, in several windows.
    assert!(predictions.starts_with("B-PER I-PER O O B-LOC I-LOC "), "{predictions}");
}

fn check(got: &str, want: Expect) {
    want.assert_eq(got);
}

#[test]
fn a_finished_model_evaluates_as_it_did_when_it_was_made() {
    let scratch = Scratch::new();
    scratch.good(&format!("{LEARN} --output_dir out --num_train_epochs 4"));
    let ran = scratch.good("--model_name_or_path out --validation_file data.json --do_eval --output_dir again --json");
    let (before, after) = (scratch.json("out/eval_results.json"), scratch.json("again/eval_results.json"));
    for key in ["eval_loss", "eval_f1", "eval_precision", "eval_recall", "eval_accuracy", "eval_token_loss"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    // Not trained in this run.
    assert_eq!((&before["epoch"], &after["epoch"]), (&json!(4.0), &json!(0)));
    // Standard output is the object alone.
    let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(printed["eval_loss"], after["eval_loss"]);
}

#[test]
fn an_output_folder_that_holds_a_run_is_refused_resumed_or_written_over() {
    let scratch = Scratch::new();
    let line = format!("{LEARN} --output_dir out --num_train_epochs 2 --save_steps 5");
    scratch.good(&line);
    let weights = || fs::read(scratch.path("out/model.safetensors")).unwrap();
    let finished = weights();
    check(&scratch.bad(&line), expect![[""]]);
    assert!(scratch.good(&format!("{line} --overwrite_output_dir")).stderr.contains("deletes none of them"));
    assert!(weights() == finished, "the same run gives the same weights");

    // Interrupted half-way and resumed, it is the uninterrupted run to the last bit.
    fs::remove_dir_all(scratch.path("out/checkpoint-10")).unwrap();
    fs::write(scratch.path("out/model.safetensors"), "lost").unwrap();
    let ran = scratch.good(&format!("{line} --resume_from_checkpoint last"));
    assert!(ran.stderr.contains("note: going on from out/checkpoint-5"), "{}", ran.stderr);
    assert!(weights() == finished, "a resumed run gives the same weights");
    check(&scratch.bad(&format!("{line} --resume_from_checkpoint nowhere")), expect![[""]]);
}

#[test]
fn options_of_the_seeds_work_together() {
    let scratch = Scratch::new();
    let ran = scratch.good(
        "--model_name_or_path model --do_train --per_device_train_batch_size 2 --per_device_eval_batch_size 4 \
         --gradient_accumulation_steps 2 --max_seq_length 16 --gradient_checkpointing --num_train_epochs 6 \
         --train_file data.json --validation_file data.json --output_dir out --learning_rate 5e-3 \
         --evaluation_strategy epoch --save_strategy epoch --logging_steps 5 --save_total_limit 1 --seed 3 \
         --overwrite_output_dir --text_column words --label_column ner --dataloader_num_workers 4 \
         --dataloader_pin_memory True --cache_dir cache --load_best_model_at_end --metric_for_best_model f1 --fp16 \
         --freeze embeddings --warmup_steps 0.1 --report_to none",
    );
    assert!(ran.stderr.contains("note: loaded the best model"), "{}", ran.stderr);
    let state = scratch.json("out/trainer_state.json");
    let best = state["best_model_checkpoint"].as_str().unwrap();
    // The limit of one keeps the best alone.
    let kept: Vec<String> = scratch.files("out").into_iter().filter(|name| name.starts_with("checkpoint-")).collect();
    assert_eq!(format!("out/{}", kept.join(" ")), best);
    let results = scratch.json("out/all_results.json");
    assert_eq!(results["eval_f1"], state["best_metric"]);
    // Frozen: as they came.
    let embeddings = |folder: &str| {
        let bytes = fs::read(scratch.path(folder).join("model.safetensors")).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let described: Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
        let name = "bert.embeddings.word_embeddings.weight";
        let at = |end: usize| 8 + header + described[name]["data_offsets"][end].as_u64().unwrap() as usize;
        bytes[at(0)..at(1)].to_vec()
    };
    assert!(embeddings("out") == embeddings("model"));
}

#[test]
fn what_cannot_be_is_said_before_the_first_step() {
    let scratch = Scratch::new();
    let other = |tags: &str| row("jo lives in millville", tags);
    fs::write(scratch.path("two.json"), other("B-PER O O B-ORG")).unwrap();
    fs::write(scratch.path("five.json"), other("B-PER I-PER B-ORG I-ORG") + &other("O O O O")).unwrap();
    let base = "--model_name_or_path model --output_dir out --do_train";
    let errors = [
        scratch.bad(&format!("{base} --train_file two.json")),
        scratch.bad(&format!("{base} --train_file five.json")),
        scratch.bad(&format!("{base} --train_file data.json --max_seq_length 33")),
        scratch.bad(&format!("{base} --train_file data.json --label_column pos")),
        scratch.bad(&format!(
            "{base} --train_file data.json --validation_file data.json --eval_strategy epoch --metric_for_best_model f2"
        )),
        scratch.bad(&format!("{base} --train_file data.json --freeze nothing.like.this")),
        scratch.bad(&format!("{base} --train_file data.json --lr_scheduler_type greedy")),
    ];
    check(&errors.join("\n"), expect![[""]]);
    // Each of the first two has its flag.
    let steps = "--max_steps 1 --save_strategy no";
    let ran = scratch.good(&format!("{base} --train_file two.json --ignore_mismatched_sizes {steps}"));
    assert!(ran.stderr.contains("head starts anew"), "{}", ran.stderr);
    let flags = "--ignore_mismatched_labels --overwrite_output_dir";
    let ran = scratch.good(&format!("{base} --train_file five.json {flags} {steps}"));
    assert!(ran.stderr.contains("the head's rows get other labels"), "{}", ran.stderr);
}

#[test]
fn metrics_by_type_have_run_ners_names() {
    let scratch = Scratch::new();
    let line = "--return_entity_level_metrics --eval_strategy epoch --save_strategy epoch --load_best_model_at_end \
                --metric_for_best_model f1 --num_train_epochs 1";
    let ran = scratch.good(&format!("{LEARN} --output_dir out {line}"));
    assert!(ran.stderr.contains("the metric `f1` is called `overall_f1` in this run"), "{}", ran.stderr);
    let results = scratch.json("out/eval_results.json");
    for name in ["LOC_number", "PER_f1", "overall_accuracy", "overall_f1", "overall_precision", "overall_recall"] {
        assert!(results.get(format!("eval_{name}")).is_some(), "{name}: {results}");
    }
    assert_eq!(results.get("eval_f1"), None);
    assert_eq!((&results["eval_LOC_number"], &results["eval_PER_number"]), (&json!(10), &json!(8)));
}

#[test]
fn without_trainer_means_its_defaults() {
    let scratch = Scratch::new();
    let mut command = Command::cargo_bin("tagsmith").unwrap();
    let line = "run_ner_no_trainer --model_name_or_path model --train_file data.json --validation_file data.json \
                --output_dir out --max_length 12 --num_train_epochs 1 --learning_rate 2e-5 --task_name ner";
    let output = command.current_dir(scratch.0.path()).args(line.split_whitespace()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!scratch.files("out").iter().any(|name| name.starts_with("checkpoint-")));
    let arguments = scratch.json("out/training_args.json");
    assert_eq!(arguments["max_seq_length"], 12);
    assert_eq!(arguments["max_grad_norm"], 0.0);
    assert_eq!(arguments["eval_strategy"], "epoch");
}
