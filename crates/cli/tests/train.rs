//! `tagsmith train` from files to files, with the two-layer model of golden/models/bert.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;
use tagsmith_testkit::golden;
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

/// Runs a training that works.
#[track_caller]
fn good(scratch: &Scratch, line: &str) -> Ran {
    scratch.good(&format!("train {line}"))
}

/// The last line on stderr of a training that cannot be.
#[track_caller]
fn bad(scratch: &Scratch, line: &str) -> String {
    Ran::of(&mut scratch.tagsmith(&format!("train {line}"))).ended(2).last().to_owned()
}

fn row(words: &str, tags: &str) -> String {
    let list = |text: &str| text.split_whitespace().map(Value::from).collect::<Value>();
    json!({"words": list(words), "ner": list(tags)}).to_string() + "\n"
}

/// Learns the ten sentences by heart.
const LEARN: &str = "--model_name_or_path model --train_file data.json --validation_file data.json --do_train --do_eval \
                     --learning_rate 1e-2 --num_train_epochs 30 --per_device_train_batch_size 2 --seed 7 --threads 1";

/// Keeps names, and hides numbers and their widths, which differ from machine to machine.
fn hide_numbers(text: &str) -> String {
    let is_number = |word: &str| word.starts_with(|letter: char| letter.is_ascii_digit());
    let line = |line: &str| {
        let words = line.split(' ').filter(|word| !word.is_empty());
        let shown: Vec<String> = words
            .map(|word| match word.trim_start_matches('\'') {
                number if is_number(number) => "#".to_owned() + number.trim_start_matches(|c| !"'},".contains(c)),
                _ => word.to_owned(),
            })
            .collect();
        shown.join(" ") + "\n"
    };
    text.lines().map(line).collect()
}

/// Hides how much memory there is and is needed.
fn without_sizes(text: &str) -> String {
    let line = |line: &str| {
        let Some(sizes) = line.strip_prefix("note: memory: ") else { return line.to_owned() + "\n" };
        let units = ["kB", "MB", "GB"].map(|unit| format!("# {unit}"));
        let hidden = hide_numbers(sizes);
        "note: memory: ".to_owned() + &units.iter().fold(hidden, |text, unit| text.replace(unit.as_str(), "#"))
    };
    text.lines().map(line).collect()
}

#[test]
fn a_run_leaves_what_run_ner_leaves() {
    let scratch = Scratch::with_tagger();
    // A sentence longer than a sequence, a word that is nothing, and nothing at all.
    let (known, known_tags) = ("ann lee works at lake mill", "B-PER I-PER O O B-LOC I-LOC");
    let long = format!("{known} ").repeat(8);
    let tags = format!("{known_tags} ").repeat(8);
    let test = [row(known, known_tags), row(&long, &tags), row("jo \u{200b} works", "B-PER O O"), row("", "")].concat();
    scratch.write("test.json", test);
    let ran =
        good(&scratch, &format!("{LEARN} --output_dir out --test_file test.json --do_predict --logging_steps 75"));
    check(
        &without_sizes(&ran.stderr),
        expect![[r#"
            note: train: data.json: 10 sentences, 42 words from the column `words`, labels from `ner` (strings)
            note: validation: data.json: 10 sentences, 42 words from the column `words`, labels from `ner` (strings)
            warning: validation: 10 of 10 sentences stand in the training split too, so its score says nothing about other texts (data.json:1, data.json:2, data.json:3, …)
            note: test: test.json: 4 sentences, 57 words from the column `words`, labels from `ner` (strings)
            warning: test: 1 of 4 sentences stands in the training split too (test.json:1)
            note: test: 1 sentence has no words; it is kept (test.json:4)
            note: the labels are taken in the checkpoint's order, not the data's
            note: 5 labels: O B-LOC I-LOC B-PER I-PER
            note: check: errors: 1 hidden_letter; warnings: 11 leak, 1 duplicate
            note: check: of 14 sentences to measure on, 11 stand in the data to learn from; of 37 mentions of entities, 100 % were seen
            note: check: 2 types, the fewest mentions: 8 PER, 10 LOC
            warning: test: 1 sentence has more than 16 pieces and was cut there: 34 words lost (test.json:2)
            warning: test: 1 word gives no piece, so it is neither trained nor scored (test.json:3 word 2 "\u{200b}")
            note: the first sentence, as word·pieces/label: jo·1/B-PER lives·1/O in·1/O millville·2/B-LOC
            note: memory: #: weights #, gradients #, optimizer #, activations # (at most # pieces at once), data #; this process may use #
            note: saved out/checkpoint-150
            warning: predictions.txt: 1 word gives the model nothing to read and got a stopgap label (test.json:3 word 2 "\u{200b}")
            note: predictions.txt: 1 input is longer than the model reads at once and went through overlapping windows (test.json:2: 5 windows)
            note: the model is in out; to tag with it: tagsmith predict --model out FILE
        "#]],
    );
    check(
        &hide_numbers(&ran.stdout),
        expect![[r#"
            {'loss': #', 'grad_norm': #', 'learning_rate': #', 'epoch': #'}
            {'loss': #', 'grad_norm': #', 'learning_rate': #', 'epoch': #'}
            {'train_runtime': #', 'train_samples_per_second': #', 'train_steps_per_second': #', 'train_loss': #', 'epoch': #'}
            ***** train metrics *****
            epoch = #
            total_flos = #
            train_loss = #
            train_runtime = #
            train_samples = #
            train_samples_per_second = #
            train_steps_per_second = #
            ***** eval metrics *****
            epoch = #
            eval_accuracy = #
            eval_f1 = #
            eval_f1_macro = #
            eval_loss = #
            eval_precision = #
            eval_recall = #
            eval_runtime = #
            eval_samples = #
            eval_samples_per_second = #
            eval_steps_per_second = #
            eval_token_loss = #
            ***** predict metrics *****
            predict_accuracy = #
            predict_f1 = #
            predict_f1_macro = #
            predict_loss = #
            predict_precision = #
            predict_recall = #
            predict_runtime = #
            predict_samples_per_second = #
            predict_steps_per_second = #
            predict_token_loss = #
        "#]],
    );

    check(
        &scratch.files("out").join("\n"),
        expect![[r#"
            README.md
            all_results.json
            checkpoint-150
            config.json
            eval_results.json
            model.safetensors
            predict_results.json
            predictions.txt
            tokenizer.json
            tokenizer_config.json
            train_results.json
            trainer_state.json
            training_args.json"#]],
    );
    check(
        &scratch.files("out/checkpoint-150").join("\n"),
        expect![[r#"
        config.json
        loop_state.json
        manifest.json
        model.safetensors
        optimizer.safetensors
        tokenizer.json
        tokenizer_config.json
        trainer_state.json
        training_args.json"#]],
    );
    let results = scratch.json("out/all_results.json");
    assert!(results["eval_f1"].as_f64().unwrap() > 0.95, "{results}");
    assert!(results["train_loss"].as_f64().unwrap() < 0.5, "{results}");
    assert_eq!((results["epoch"].as_f64(), results["train_samples"].as_u64()), (Some(30.0), Some(10)));
    assert_eq!(scratch.json("out/config.json")["id2label"]["3"], "B-PER");

    let predictions = scratch.read("out/predictions.txt");
    let counts: Vec<usize> = predictions.lines().map(|line| line.split_whitespace().count()).collect();
    assert_eq!(counts, [6, 48, 3, 0]);
    // This one it knows by heart.
    assert!(predictions.starts_with(&format!("{known_tags}\n")), "{predictions}");
}

fn check(got: &str, want: Expect) {
    want.assert_eq(got);
}

#[test]
fn a_finished_model_evaluates_as_it_did_when_it_was_made() {
    let scratch = Scratch::with_tagger();
    good(&scratch, &format!("{LEARN} --output_dir out --num_train_epochs 4"));
    let ran =
        good(&scratch, "--model_name_or_path out --validation_file data.json --do_eval --output_dir again --json");
    let (before, after) = (scratch.json("out/eval_results.json"), scratch.json("again/eval_results.json"));
    for key in ["eval_loss", "eval_f1", "eval_precision", "eval_recall", "eval_accuracy", "eval_token_loss"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    // Not trained in this run: there are no epochs.
    assert_eq!((&before["epoch"], after.get("epoch")), (&json!(4.0), None));
    // Standard output is the object alone.
    let printed: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(printed["eval_loss"], after["eval_loss"]);
}

#[test]
fn an_output_folder_that_holds_a_run_is_refused_resumed_or_written_over() {
    let scratch = Scratch::with_tagger();
    let line = format!("{LEARN} --output_dir out --num_train_epochs 2 --save_steps 5");
    good(&scratch, &line);
    let weights = || fs::read(scratch.path("out/model.safetensors")).unwrap();
    let finished = weights();
    check(
        &bad(&scratch, &line),
        expect![
            "error: `out` holds another run (checkpoint-10): pass `--overwrite_output_dir` to write over it, or pass `--resume_from_checkpoint last` to go on with it"
        ],
    );
    assert!(good(&scratch, &format!("{line} --overwrite_output_dir")).stderr.contains("deletes none of them"));
    assert!(weights() == finished, "the same run gives the same weights");

    // Interrupted half-way and resumed, it is the uninterrupted run to the last bit.
    fs::remove_dir_all(scratch.path("out/checkpoint-10")).unwrap();
    scratch.write("out/model.safetensors", "lost");
    let ran = good(&scratch, &format!("{line} --resume_from_checkpoint last"));
    assert!(ran.stderr.contains("note: going on from out/checkpoint-5"), "{}", ran.stderr);
    assert!(weights() == finished, "a resumed run gives the same weights");
    check(
        &bad(&scratch, &format!("{line} --resume_from_checkpoint nowhere")),
        expect![
            "error: `nowhere` is not the folder of a checkpoint: pass `--resume_from_checkpoint` with the folder of one"
        ],
    );
}

#[test]
fn a_run_outlives_whoever_reads_along() {
    let scratch = Scratch::with_tagger();
    let line = format!("train --output_dir out {LEARN} --num_train_epochs 1 --logging_steps 1");
    let mut child = scratch.tagsmith(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    Ran::from(child.wait_with_output().unwrap()).ended(0);
    assert!(scratch.json("out/all_results.json").get("eval_f1").is_some());
}

#[test]
fn options_of_the_seeds_work_together() {
    let scratch = Scratch::with_tagger();
    let ran = good(
        &scratch,
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
    let scratch = Scratch::with_tagger();
    let other = |tags: &str| row("jo lives in millville", tags);
    scratch.write("two.json", other("B-PER O O B-ORG"));
    scratch.write("five.json", other("B-PER I-PER B-ORG I-ORG") + &other("O O O O"));
    let base = "--model_name_or_path model --output_dir out --do_train";
    let errors = [
        bad(&scratch, &format!("{base} --train_file two.json")),
        bad(&scratch, &format!("{base} --train_file five.json")),
        bad(&scratch, &format!("{base} --train_file data.json --max_seq_length 33")),
        bad(&scratch, &format!("{base} --train_file data.json --label_column pos")),
        bad(
            &scratch,
            &format!(
                "{base} --train_file data.json --validation_file data.json --eval_strategy epoch --metric_for_best_model f2"
            ),
        ),
        bad(&scratch, &format!("{base} --train_file data.json --freeze nothing.like.this")),
        bad(&scratch, &format!("{base} --train_file data.json --lr_scheduler_type greedy")),
    ];
    check(
        &errors.join("\n"),
        expect![[r#"
            error: the checkpoint's head has 5 labels (`O`, `B-LOC`, `I-LOC`, `B-PER`, `I-PER`) but the data has 3 (`B-ORG`, `B-PER`, `O`): pass `--ignore_mismatched_sizes` to start with a new head
            error: the checkpoint's labels are not the data's: only the checkpoint has `B-LOC`, `I-LOC`, only the data has `B-ORG`, `I-ORG`: pass `--ignore_mismatched_labels` to give the data's labels to the rows of those that it lacks
            error: the longest sequence is to have 33 pieces, but the model has 32 positions: pass `--max_seq_length` with at most 32
            error: data.json:1: there is no column `pos` among `words`, `ner`: pass `--label_column_name` with one of them
            error: evaluation does not return the metric `f2` that chooses the best model: pass `--metric_for_best_model` with one of loss, token_loss, precision, recall, f1, accuracy, f1_macro
            error: `nothing.like.this` matches no parameter to freeze; names look like `bert.encoder.layer.0.output.LayerNorm.weight`
            error: `greedy` is not offered: its floor of 1e-3 lies above every rate that fine-tunes an encoder; use `reduce_lr_on_plateau` to follow a metric"#]],
    );
    assert!(!scratch.path("out").exists(), "nothing is left where nothing was done");
    // Each of the first two has its flag.
    let steps = "--max_steps 1 --save_strategy no";
    let ran = good(&scratch, &format!("{base} --train_file two.json --ignore_mismatched_sizes {steps}"));
    assert!(ran.stderr.contains("head starts anew"), "{}", ran.stderr);
    let flags = "--ignore_mismatched_labels --overwrite_output_dir";
    let ran = good(&scratch, &format!("{base} --train_file five.json {flags} {steps}"));
    assert!(
        ran.stderr
            .contains("the head's rows of `B-LOC`, `I-LOC` become `B-ORG`, `I-ORG`; all other rows keep their labels"),
        "{}",
        ran.stderr
    );
}

#[test]
fn metrics_by_type_have_run_ners_names() {
    let scratch = Scratch::with_tagger();
    let line = "--return_entity_level_metrics --eval_strategy epoch --save_strategy epoch --load_best_model_at_end \
                --metric_for_best_model f1 --num_train_epochs 1";
    let ran = good(&scratch, &format!("{LEARN} --output_dir out {line}"));
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
    let scratch = Scratch::with_tagger();
    let line = "run_ner_no_trainer --model_name_or_path model --train_file data.json --validation_file data.json \
                --output_dir out --max_length 12 --num_train_epochs 1 --learning_rate 2e-5 --task_name ner";
    scratch.good(line);
    assert!(!scratch.files("out").iter().any(|name| name.starts_with("checkpoint-")));
    let arguments = scratch.json("out/training_args.json");
    assert_eq!(arguments["max_seq_length"], 12);
    assert_eq!(arguments["max_grad_norm"], 0.0);
    assert_eq!(arguments["eval_strategy"], "epoch");
}

/// Everything run_ner.py and the Trainer log, return and predict; the largest relative difference of their floats.
fn distance(scratch: &Scratch, case: &Value, more: &str) -> f64 {
    let line = case["line"].as_str().unwrap();
    good(
        scratch,
        &format!(
            "--model_name_or_path model --train_file data.json --validation_file data.json --test_file data.json \
         --do_train --do_eval --do_predict --output_dir out --overwrite_output_dir {line} {more}"
        ),
    );
    // The final evaluation is in the Trainer's log, but not in the file that run_ner.py wrote before it.
    let want = case["log"].as_array().unwrap().split_last().unwrap().1;
    let state = scratch.json("out/trainer_state.json");
    let got = state["log_history"].as_array().unwrap();
    let mut distance: f64 = if got.len() == want.len() { 0.0 } else { f64::INFINITY };
    for (got, want) in got.iter().zip(want) {
        distance = distance.max(record_distance(got, want));
    }
    for split in ["train", "eval", "predict"] {
        let got = scratch.json(&format!("out/{split}_results.json"));
        distance = distance.max(record_distance(&got, &case[split]));
    }
    distance
}

/// Every name of the original has its value; what is whole is exact.
fn record_distance(got: &Value, want: &Value) -> f64 {
    let mut distance: f64 = 0.0;
    for (name, want) in want.as_object().unwrap() {
        let Some(got) = got.get(name) else { return f64::INFINITY };
        let (got, want) = (got.as_f64().unwrap(), want.as_f64().unwrap());
        let apart = (got - want).abs() / want.abs().max(1e-3);
        distance = distance.max(if apart.is_nan() { f64::INFINITY } else { apart });
    }
    distance
}

/// f32 arithmetic in another order, over up to 24 updates at a high rate: 1e-6 was measured.
const TOLERANCE: f64 = 3e-5;

#[test]
fn the_numbers_are_those_of_run_ner() {
    let cases = golden::json("run_ner/expect.json");
    // Options that have to change the numbers of their case, or the comparison would prove nothing.
    let twins: [&[&str]; 3] = [
        &["--seed 8", "--weight_decay 0.02", "--warmup_steps 3", "--per_device_eval_batch_size 4"],
        &["--label_smoothing_factor 0", "--max_grad_norm 1", "--adam_beta2 0.999", "--data_seed 12"],
        &["--label_all_tokens false", "--label_all_tokens_as repeat", "--max_seq_length 7"],
    ];
    let cases = cases.as_array().unwrap();
    assert_eq!(cases.len(), twins.len());
    for (case, twins) in cases.iter().zip(twins) {
        let scratch = Scratch::with_tagger();
        let apart = distance(&scratch, case, "");
        assert!(apart <= TOLERANCE, "{}: {apart:e}", case["line"]);
        // One label a word; the original has none for words that were cut off.
        let predictions = scratch.read("out/predictions.txt");
        if case["line"].as_str().unwrap().contains("--max_seq_length") {
            let data = scratch.read("data.json");
            let words = |row: &str| serde_json::from_str::<Value>(row).unwrap()["words"].as_array().unwrap().len();
            let counts: Vec<usize> = predictions.lines().map(|line| line.split(' ').count()).collect();
            assert_eq!(counts, data.lines().map(words).collect::<Vec<_>>());
        } else {
            let want: Vec<&str> =
                case["predictions"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
            assert_eq!(predictions.lines().collect::<Vec<_>>(), want);
        }
        for twin in twins {
            let apart = distance(&scratch, case, twin);
            assert!(apart > 10.0 * TOLERANCE, "{twin} changes nothing: {apart:e}");
        }
    }
}

#[test]
fn a_test_split_without_labels_is_tagged() {
    let scratch = Scratch::with_tagger();
    fs::create_dir(scratch.path("data")).unwrap();
    scratch.write("data/train.conll", "jo B-PER\nlives O\nin O\nmillville B-LOC\n\nann B-PER\nlee I-PER\n");
    scratch.write("data/test.conll", "ann\nlives\n\njo\n");
    let base = "--model_name_or_path model --do_predict --ignore_mismatched_sizes";
    let ran = good(&scratch, &format!("{base} --dataset_name data --do_train --max_steps 1 --output_dir out"));
    let note = "note: test: there is one column, read as words without labels (columns are parted by a tab or spaces)";
    assert!(ran.stderr.lines().any(|line| line == note), "{}", ran.stderr);
    assert!(ran.stderr.contains("the test split has no labels, so it is tagged but not measured"), "{}", ran.stderr);
    let counts = |folder: &str| -> Vec<usize> {
        let lines = scratch.read(&format!("{folder}/predictions.txt"));
        lines.lines().map(|line| line.split(' ').count()).collect()
    };
    assert_eq!(counts("out"), [2, 1]);

    // Without any labels at hand, those of the checkpoint name the predictions.
    let ran = good(&scratch, &format!("{base} --test_file data/test.conll --output_dir alone"));
    assert!(ran.stderr.contains("note: no split has labels: the checkpoint's 5 are used"), "{}", ran.stderr);
    assert_eq!(counts("alone"), [2, 1]);
    check(
        &bad(
            &scratch,
            &format!("{base} --train_file data/test.conll --do_train --test_file data/test.conll --output_dir no"),
        ),
        expect![
            "error: data/test.conll: there is no label column, and training needs labels: pass `--label_column_name` to name it"
        ],
    );
    assert!(!scratch.path("no").exists());
}

/// The steps of the records in the log that have this key.
fn steps_with(scratch: &Scratch, folder: &str, key: &str) -> Vec<u64> {
    let state = scratch.json(&format!("{folder}/trainer_state.json"));
    let records = state["log_history"].as_array().unwrap().iter();
    records.filter(|record| record.get(key).is_some()).map(|record| record["step"].as_u64().unwrap()).collect()
}

#[test]
fn evaluations_that_count_the_loss_alone() {
    let scratch = Scratch::with_tagger();
    let line = format!("{LEARN} --output_dir out --num_train_epochs 2 --eval_strategy epoch --save_strategy no");
    good(&scratch, &format!("{line} --prediction_loss_only --eval_on_start"));
    assert_eq!(steps_with(&scratch, "out", "eval_loss"), [0, 5, 10]);
    assert_eq!(steps_with(&scratch, "out", "eval_f1"), [0u64; 0]);
    assert!(scratch.json("out/eval_results.json").get("eval_f1").is_none());
    // The option is what leaves the scores and the first evaluation away.
    good(&scratch, &format!("{line} --overwrite_output_dir"));
    assert_eq!(steps_with(&scratch, "out", "eval_f1"), [5, 10]);
}

#[test]
fn early_stopping_waits_and_best_checkpoints_alone_are_saved() {
    let scratch = Scratch::with_tagger();
    // No evaluation can be a whole unit better than the one before it.
    let line = format!(
        "{LEARN} --output_dir out --num_train_epochs 9 --eval_strategy epoch --save_strategy best \
         --metric_for_best_model loss --early_stopping_patience 2 --early_stopping_threshold 100"
    );
    let ran = good(&scratch, &line);
    // The first is better than none; then patience runs out.
    assert!(ran.stderr.contains("note: stopping early at step 15"), "{}", ran.stderr);
    assert_eq!(steps_with(&scratch, "out", "eval_loss"), [5, 10, 15]);
    let state = scratch.json("out/trainer_state.json");
    let losses: Vec<f64> =
        state["log_history"].as_array().unwrap().iter().filter_map(|record| record["eval_loss"].as_f64()).collect();
    let mut best = f64::INFINITY;
    let mut want = Vec::new();
    for (loss, step) in losses.into_iter().zip([5, 10, 15]) {
        if loss < best {
            (best, want) = (loss, [want, vec![format!("checkpoint-{step}")]].concat());
        }
    }
    want.sort();
    let saved: Vec<String> = scratch.files("out").into_iter().filter(|name| name.starts_with("checkpoint-")).collect();
    assert_eq!(saved, want);
    assert!(!want.is_empty());
}
