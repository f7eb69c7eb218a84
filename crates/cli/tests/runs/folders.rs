//! Output folders: who may write to them, what they hold before and after, and models of no use.

use crate::harness::{with_data, with_encoder, write_span_run};
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

/// A training of the ten sentences of golden/run_ner.
const TRAIN: &str = "train --model_name_or_path model --train_file data.json --validation_file data.json --do_train \
                     --do_eval --learning_rate 1e-2 --per_device_train_batch_size 2 --seed 7 --threads 1 \
                     --output_dir out";

/// The line of the report: an evaluation between checkpoints is the best, and none is saved before the end.
#[test]
fn a_best_model_between_checkpoints_is_loaded_and_the_results_are_its_own() {
    let scratch = with_data();
    let ran = scratch.good(&format!(
        "{TRAIN} --max_steps 20 --eval_strategy steps --eval_steps 5 --load_best_model_at_end --metric_for_best_model loss"
    ));
    let state = scratch.json("out/trainer_state.json");
    let (step, best) = (state["best_global_step"].as_u64().unwrap(), state["best_metric"].as_f64().unwrap());
    ran.says(&format!("note: loaded the best model, `out/checkpoint-{step}`: `eval_loss` is {best}"));
    // The final evaluation is of the loaded model, and in no other order of sums.
    assert_eq!(scratch.json("out/all_results.json")["eval_loss"].as_f64(), Some(best));
    assert!(scratch.path("out/model.safetensors").exists());
}

#[test]
fn a_resumed_run_has_the_train_loss_of_an_uninterrupted_one() {
    let scratch = with_data();
    let line = format!("{TRAIN} --max_steps 12 --save_steps 5");
    scratch.good(&line);
    let loss = || scratch.json("out/all_results.json")["train_loss"].clone();
    let (whole, card) = (loss(), scratch.read("out/README.md"));
    fs::remove_dir_all(scratch.path("out/checkpoint-12")).unwrap();
    scratch.good(&format!("{line} --resume_from_checkpoint last"));
    assert_eq!(loss(), whole);
    assert_eq!(scratch.json("out/train_results.json")["train_loss"], whole);
    assert_eq!(scratch.read("out/README.md"), card);
    // With nothing left, it says so, and the loss is the same.
    let ran = scratch.good(&format!("{line} --resume_from_checkpoint last"));
    ran.says("note: nothing is left to train: the checkpoint is of step 12, the last one");
    assert_eq!(loss(), whole);
}

/// A rate that spoils the weights in the last step leaves no model, and says so.
#[test]
fn weights_that_are_lost_are_no_model() {
    let scratch = with_data();
    for rate in ["1e39", "1e20"] {
        let error = scratch.bad(&format!("{TRAIN} --max_steps 1 --learning_rate {rate} --save_strategy no"));
        assert!(
            error.starts_with("error: step 1: ") && error.contains(": the weights are lost; there is no"),
            "{error}"
        );
        assert!(error.contains("pass `--learning_rate` with a smaller number"), "{error}");
        assert!(!scratch.path("out").exists(), "nothing is left: {:?}", scratch.files("out"));
    }
}

/// A model of finite weights whose scores are infinite: golden/models/bert with a bias of its head near f32's end.
#[test]
fn scores_that_are_no_numbers_are_an_error_everywhere() {
    let scratch = Scratch::with_tagger();
    let mut bytes = fs::read(scratch.path("model/model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let [start, end] = [0, 1].map(|i| header["classifier.weight"]["data_offsets"][i].as_u64().unwrap() as usize);
    for number in bytes[8 + length..][start..end].chunks_exact_mut(4) {
        number.copy_from_slice(&3e38f32.to_le_bytes());
    }
    scratch.write("model/model.safetensors", bytes);
    scratch.write("text.txt", "jo lives in millville .\n");
    let error = scratch.bad("predict --model model text.txt -o tagged.jsonl");
    assert!(error.starts_with("error: text.txt:1: the model's scores are not numbers"), "{error}");
    assert!(!scratch.path("tagged.jsonl").exists());
    let error = scratch.bad("train --model_name_or_path model --validation_file data.json --do_eval --output_dir out");
    assert!(error.starts_with("error: validation: the model's scores are not numbers for "), "{error}");
    assert!(!scratch.path("out").exists());
    let error = scratch.bad("train --model_name_or_path model --test_file data.json --do_predict --output_dir out");
    assert!(error.starts_with("error: test: the model's scores are not numbers for "), "{error}");
}

/// A span tagger with the numbers of its head near f32's end.
#[test]
fn a_span_tagger_whose_scores_are_no_numbers_is_an_error_too() {
    let scratch = with_encoder();
    write_span_run(&scratch, &json!({}));
    let mut bytes = fs::read(scratch.path("bi_encoder/model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let is_of_head = |(name, tensor): &(&String, &Value)| {
        !name.contains("_encoder.") && !name.starts_with("__") && tensor["shape"].as_array().unwrap().len() > 1
    };
    for (_, tensor) in header.as_object().unwrap().iter().filter(is_of_head) {
        let [start, end] = [0, 1].map(|i| tensor["data_offsets"][i].as_u64().unwrap() as usize);
        for number in bytes[8 + length..][start..end].chunks_exact_mut(4) {
            number.copy_from_slice(&3e38f32.to_le_bytes());
        }
    }
    scratch.write("bi_encoder/model.safetensors", bytes);
    scratch.write("text.txt", "jo lives in new york\n");
    let said = "the model's scores are not numbers";
    let error = scratch.bad("predict --model bi_encoder --labels person --threshold 0.5 text.txt");
    assert!(error.contains(said), "{error}");
    let evaluate = "evaluate_bi_encoder --pretrained_model_name_or_path bi_encoder --evaluation_file data.jsonl";
    assert!(scratch.bad(evaluate).contains(said));
    assert!(!scratch.path("evals").exists());
}

#[test]
fn a_folder_in_use_is_refused_and_a_dead_owner_is_not() {
    let scratch = with_data();
    let line = format!("{TRAIN} --overwrite_output_dir");
    let mut first = scratch
        .tagsmith(&line)
        .args(["--num_train_epochs", "100000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !scratch.path("out/.tagsmith.lock").exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended");
    }
    let owner = format!("process {} on ", first.id());
    let others = [
        format!("{line} --max_steps 1"),
        "predict --model model data.json --output-dir out".to_owned(),
        "demo --tiny --output_dir out".to_owned(),
    ];
    let errors: Vec<String> = others.iter().map(|line| scratch.bad(line)).collect();
    first.kill().unwrap();
    first.wait().unwrap();
    for error in errors {
        assert!(error.starts_with(&format!("error: `out` is in use: {owner}")), "{error}");
        assert!(error.contains("writes to it: wait until it has ended, or pass `--output"), "{error}");
    }
    let ran = scratch.good(&format!("{line} --max_steps 1"));
    ran.says(&format!("note: `out` was in use by {owner}"));
    ran.says("which has ended: its lock is taken over");
    assert!(!scratch.path("out/.tagsmith.lock").exists());
}

/// A word of ten million letters takes more memory than the check at the start can know of.
#[test]
fn a_run_that_gets_no_memory_leaves_nothing_in_its_folder() {
    let scratch = with_data();
    scratch.write("word.conll", format!("{} B-PER\njo O\n\nkim O\n", "a".repeat(10_000_000)));
    let run = |data: &str| format!("{} --max_steps 1 --overwrite_output_dir", TRAIN.replace("data.json", data));
    let mut exhausted = 0;
    for limit in (100_000..600_000).step_by(40_000) {
        let ran = scratch.shell(&format!("ulimit -v {limit}; exec tagsmith {}", run("word.conll")));
        if ran.stderr.contains("error: the system gives this process no more memory (") {
            exhausted += 1;
            assert!(!scratch.path("out").exists(), "{:?}", scratch.files("out"));
        }
        fs::remove_dir_all(scratch.path("out")).ok();
    }
    assert!(exhausted > 0, "no limit is reached while the word is read");
    let ran = scratch.good(&run("data.json"));
    assert!(!ran.stderr.contains("taken over"), "{}", ran.stderr);
}

/// Each command finds a folder that cannot be written to before it works, and says the reason once.
#[test]
fn a_folder_that_cannot_be_written_to_is_found_at_the_start() {
    let scratch = Scratch::with_tagger();
    scratch.write("file", "");
    write_span_run(&scratch, &json!({"output_dir": "file/out"}));
    scratch.good(&format!("{TRAIN} --max_steps 2 --save_steps 1"));
    let plan = json!({
        "options": {"model_name_or_path": "model", "train_file": "data.json", "output_dir": "file/out", "do_train": true},
        "runs": {"one": {}},
    });
    scratch.write("plan.json", plan.to_string());
    let train = TRAIN.replace("--output_dir out", "--output_dir file/out");
    for line in [
        train.clone(),
        format!("{train} --resume_from_checkpoint out/checkpoint-1"),
        "compare plan.json".to_owned(),
        "demo --output_dir file/out".to_owned(),
        "train-bi-encoder run.json".to_owned(),
        "evaluate_bi_encoder --pretrained_model_name_or_path bi_encoder --evaluation_file data.jsonl --output_dir file/out"
            .to_owned(),
        "predict --model model data.json --output-dir file/out".to_owned(),
    ] {
        let error = scratch.bad(&line);
        let want = "error: the output folder cannot be written to: file/out: Not a directory (os error 20)";
        assert_eq!(error, want, "{line}");
    }
    // The model is not there either: the place to write comes first.
    let error = scratch.bad("predict --model none data.json -o file/tagged.jsonl");
    assert_eq!(error, "error: file/tagged.jsonl: cannot write here: Not a directory (os error 20)");
}

#[test]
fn what_a_killed_prediction_left_is_removed_and_said() {
    let scratch = Scratch::with_tagger();
    scratch.write("text.txt", "jo lives in millville .\n");
    scratch.write("out/.text.jsonl.4000000.part", "half");
    scratch.write("out/.other.jsonl.4000001.part", "half");
    let ran = scratch.good("predict --model model text.txt --output-dir out");
    ran.says(
        "note: removed 2 unfinished files that killed predictions left in out: `.other.jsonl.4000001.part`, `.text",
    );
    assert_eq!(scratch.files("out"), ["predict_run.json", "text.jsonl"]);
    // One file: what was left of it, and of no other.
    scratch.write("out/.one.jsonl.4000000.part", "half");
    scratch.write("out/.two.jsonl.4000000.part", "half");
    let ran = scratch.good("predict --model model text.txt -o out/one.jsonl");
    ran.says("note: removed 1 unfinished file that killed predictions left in out: `.one.jsonl.4000000.part`");
    assert!(scratch.path("out/.two.jsonl.4000000.part").exists());
}

/// A run that was killed after its model was whole, and before all files were in their places.
#[test]
fn a_model_that_waits_for_its_places_is_said_and_put_there() {
    let scratch = with_data();
    let line = format!("{TRAIN} --max_steps 2 --save_steps 1");
    scratch.good(&line);
    let model = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
    let bytes = |file: &str| fs::read(scratch.path("out").join(file)).unwrap();
    let before = model.map(bytes);
    fs::create_dir(scratch.path("out/.model.whole")).unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::rename(scratch.path("out").join(file), scratch.path("out/.model.whole").join(file)).unwrap();
    }
    scratch.write("text.txt", "jo\n");
    let error = scratch.bad("predict --model out text.txt");
    let want = "error: `out`: a run was interrupted while it saved this model: go on with that run, which then puts the \
                files into their places";
    assert_eq!(error, want);
    let ran = scratch.good(&format!("{line} --resume_from_checkpoint last"));
    ran.says("note: the model that an interrupted run had saved in `out` is in its place now");
    assert!(model.map(bytes) == before);
}

#[test]
fn a_used_folder_of_a_span_run_is_compared() {
    let scratch = with_encoder();
    write_span_run(&scratch, &json!({}));
    let line = "train-bi-encoder run.json --threads 1";
    scratch.good(line);
    scratch.good(line).says("note: `out/best_checkpoint` exists: this run is done; remove `out` to train again");
    // What changes nothing of what is learned is not compared.
    write_span_run(&scratch, &json!({"report_to": "none", "disable_tqdm": true}));
    scratch.good(line).says("this run is done");
    let refused = |line: &str, difference: &str| {
        let want = format!(
            "error: `out` holds another finished run: {difference}: pass `output_dir` with another folder, or remove the \
             folder to train again"
        );
        assert_eq!(scratch.bad(line), want);
    };
    write_span_run(&scratch, &json!({"max_steps": 6, "learning_rate": 1e-4}));
    refused(line, "`learning_rate` was not set, now it is `0.0001`; `max_steps` was `4`, now it is `6`");
    write_span_run(&scratch, &json!({}));
    refused(&format!("{line} --decoding nested"), "`decoding` was `\"flat\"`, now it is `\"nested\"`");
    let data = scratch.read("data.jsonl");
    scratch.write("data.jsonl", data.replace("york", "jork"));
    refused(line, "the test data are other; the training data are other; the validation data are other");
    scratch.write("data.jsonl", data);
    write_span_run(&scratch, &json!({"train_file": "none-*.jsonl"}));
    let error = scratch.bad(line);
    assert!(error.contains("none-*.jsonl"), "{error}");
    // A run of an earlier version recorded no data.
    write_span_run(&scratch, &json!({}));
    fs::remove_file(scratch.path("out/made_from.json")).unwrap();
    scratch.good(line).says("this run is done (which data it was made from is not recorded)");
    write_span_run(&scratch, &json!({"max_steps": 6}));
    refused(line, "`max_steps` was `4`, now it is `6`");
}

#[test]
fn evaluations_keep_each_others_results_and_say_what_they_are_of() {
    let scratch = with_encoder();
    write_span_run(&scratch, &json!({}));
    let evaluate = "evaluate_bi_encoder --pretrained_model_name_or_path bi_encoder --evaluation_file data.jsonl";
    let thresholds = ["0.1", "0.3", "0.5", "0.7"];
    let mut written: Vec<String> = thresholds
        .map(|threshold| {
            let Ran { stderr, .. } = scratch.good(&format!("{evaluate} --threshold {threshold}"));
            stderr.lines().find_map(|line| line.strip_prefix("written: ")).unwrap().to_owned()
        })
        .into();
    for (file, threshold) in written.iter().zip(thresholds) {
        let text = scratch.read(file);
        assert!(text.contains(&format!("\"threshold\": {threshold},\n")), "{text}");
        let json = scratch.json(file);
        assert_eq!((&json["model"], &json["eval_from"]), (&json!("bi_encoder"), &json!("data.jsonl")));
        assert_eq!(json["annotation_format"], "text");
    }
    written.dedup();
    assert_eq!((written.len(), scratch.files("evals").len()), (4, 4));
}

#[test]
fn folders_of_span_runs_are_understood() {
    let scratch = with_data();
    write_span_run(&scratch, &json!({}));
    scratch.good("train-bi-encoder run.json --threads 1");
    scratch.write("text.txt", "jo lives in new york\n");
    let predict = "predict --labels person,place --threshold 0.05 text.txt --model";
    scratch.good(&format!("{predict} out")).says("note: out: this is the folder of a run; the model is its best");
    let best = fs::read_link(scratch.path("out/best_checkpoint")).unwrap();
    let checkpoint = format!("out/{}", best.display());
    let train = TRAIN.replace("--output_dir out", "--output_dir other");
    for model in ["out", &checkpoint] {
        let error = scratch.bad(&train.replace("model_name_or_path model", &format!("model_name_or_path {model}")));
        let want = format!("error: `{model}` is a label-conditioned span tagger, and this trains token classifiers: ");
        assert!(error.starts_with(&want), "{error}");
    }
    // A run that has not ended.
    fs::remove_file(scratch.path("out/best_checkpoint")).unwrap();
    let want = format!(
        "error: `out` is the folder of a run that has not ended, and holds no model: let the run end, or name a \
         checkpoint, such as `{checkpoint}`"
    );
    assert_eq!(scratch.bad(&format!("{predict} out")), want);
    let evaluate = "evaluate_bi_encoder --evaluation_file data.jsonl --pretrained_model_name_or_path out";
    assert_eq!(scratch.bad(evaluate), want);
}

/// The file of the report: a state whose log has a record without its step.
#[test]
fn a_damaged_log_is_refused_before_the_first_step() {
    let scratch = with_data();
    let line = format!("{TRAIN} --max_steps 4 --save_steps 2 --logging_steps 1");
    scratch.good(&line);
    fs::remove_dir_all(scratch.path("out/checkpoint-4")).unwrap();
    let file = "out/checkpoint-2/trainer_state.json";
    let mut state = scratch.json(file);
    state["log_history"][0].as_object_mut().unwrap().remove("step");
    scratch.write(file, state.to_string());
    // The manifest is of the damaged file.
    scratch.write("out/checkpoint-2/manifest.json", json!({"files": []}).to_string());
    let error = scratch.bad(&format!("{line} --resume_from_checkpoint last"));
    let want = "`out/checkpoint-2` cannot be resumed: `trainer_state.json` is not a trainer state: record 1 of its log has \
                no valid `step`";
    assert!(error.starts_with(&format!("error: {want}")), "{error}");
}
