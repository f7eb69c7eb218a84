//! `--report_to`: what is logged, where, and under which names.

use crate::harness::with_data;
use expect_test::expect;
use serde_json::Value;
use std::fs;
use tagsmith_testkit::program::Ran;

const RUN: &str = "train --model_name_or_path model --train_file data.json --validation_file data.json --do_train \
                   --do_eval --num_train_epochs 2 --eval_strategy epoch --logging_steps 2 --save_strategy no \
                   --per_device_train_batch_size 2 --threads 1";

/// The payloads of an event file, whose lengths and checksum places have to be right.
fn events(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = file;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        found.push(&rest[12..12 + length]);
        rest = &rest[12 + length + 4..];
    }
    found
}

#[test]
fn every_record_is_in_every_format() {
    let scratch = with_data();
    let ran = scratch.good(&format!("{RUN} --output_dir out --report_to all --logging_dir logs"));
    ran.says("note: the log goes to logs as tensorboard, csv, jsonl");
    let mut history = scratch.json("out/trainer_state.json")["log_history"].as_array().unwrap().clone();
    let lines: Vec<Value> =
        scratch.read("logs/log.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // The final evaluation is logged after the file of the state is written, at the last step.
    let last = lines.last().unwrap();
    assert_eq!((last["step"].as_u64(), last["epoch"].as_f64()), (Some(10), Some(2.0)));
    assert_eq!(last["eval_f1"], scratch.json("out/eval_results.json")["eval_f1"]);
    history.push(last.clone());
    assert_eq!(lines, history);
    assert!(lines.len() >= 8, "{} records", lines.len());

    let numbers = |record: &Value| record.as_object().unwrap().keys().filter(|name| *name != "step").count();
    let table = scratch.read("logs/log.csv");
    let epochs = lines.iter().filter(|record| record.get("epoch").is_some()).count();
    assert_eq!(table.lines().count(), 1 + lines.iter().map(numbers).sum::<usize>() - epochs);
    assert!(table.starts_with("step,epoch,name,value\n2,0.4,loss,"), "{table}");

    let files: Vec<_> =
        scratch.files("logs").into_iter().filter(|name| name.starts_with("events.out.tfevents.")).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let file = fs::read(scratch.path("logs").join(&files[0])).unwrap();
    let found = events(&file);
    assert_eq!(found.len(), 1 + lines.iter().map(numbers).sum::<usize>());
    let holds =
        |name: &str| found.iter().filter(|event| event.windows(name.len()).any(|part| part == name.as_bytes())).count();
    assert_eq!(
        (holds("brain.Event:2"), holds("train/loss"), holds("eval/precision"), holds("train/train_loss")),
        (1, 5, 3, 1)
    );
    assert_eq!((holds("eval/f1"), holds("eval/f1_macro")), (6, 3));
}

#[test]
fn the_folder_is_told_by_option_variable_or_time() {
    let scratch = with_data();
    let quick = "--max_steps 2 --eval_strategy no";
    scratch.good(&format!("{RUN} {quick} --output_dir out --report_to tensorboard"));
    let runs = scratch.files("out/runs");
    assert_eq!(runs.len(), 1);
    // `Nov25_02-22-37_host`
    let (date, host) = runs[0].split_at(15);
    assert!(date.chars().filter(|letter| letter.is_ascii_digit()).count() == 8 && !host.is_empty(), "{runs:?}");
    assert_eq!(scratch.files(&format!("out/runs/{}", runs[0])).len(), 1);

    let mut command = scratch.tagsmith(&format!("{RUN} {quick} --output_dir out2 --report_to csv,jsonl"));
    Ran::of(command.env("TENSORBOARD_LOGGING_DIR", "from_variable")).ended(0);
    assert_eq!(scratch.files("from_variable"), ["log.csv", "log.jsonl"]);
    let before = scratch.read("from_variable/log.csv");
    let mut command = scratch.tagsmith(&format!("{RUN} {quick} --output_dir out3 --report_to csv"));
    Ran::of(command.env("TENSORBOARD_LOGGING_DIR", "from_variable"))
        .ended(0)
        .says("`from_variable/log.csv` holds an earlier log, which goes on");
    assert!(scratch.read("from_variable/log.csv").starts_with(&before));

    // Evaluation alone logs at step 0.
    scratch.good(
        "train --model_name_or_path out --validation_file data.json --do_eval --output_dir out4 --report_to jsonl \
         --logging_dir logs4",
    );
    let line: Value = serde_json::from_str(&scratch.read("logs4/log.jsonl")).unwrap();
    assert_eq!((line["step"].as_u64(), line["eval_f1"].is_number()), (Some(0), true));
}

#[test]
fn what_reports_nowhere_is_said() {
    let scratch = with_data();
    let quick = format!("{RUN} --max_steps 1 --eval_strategy no --overwrite_output_dir --output_dir out");
    let ran = scratch.good(&format!("{quick} --report_to wandb,csv --logging_dir logs"));
    ran.says("note: `--report_to wandb` reports nowhere: this build writes tensorboard, csv, jsonl");
    assert_eq!(scratch.files("logs"), ["log.csv"]);
    scratch.good(&format!("{quick} --logging_dir empty")).says("`--logging_dir` stays empty");
    assert!(!scratch.path("empty").exists());
    expect![
        "error: `--report_to` needs none, all, or some of tensorboard, csv, jsonl parted by commas, not `tensorbord`"
    ]
    .assert_eq(&scratch.bad(&format!("{quick} --report_to tensorbord")));
    // The other script's word for all of them.
    let ran = scratch.good(&format!("{quick} --with_tracking --logging_dir tracked"));
    ran.says("`--with_tracking` is called `--report_to all` now");
    assert_eq!(scratch.files("tracked").len(), 3);
    // A log that cannot be written fails the run with a line.
    scratch.write("file", "");
    let error = scratch.bad(&format!("{quick} --report_to csv --logging_dir file"));
    assert!(error.starts_with("error: file: "), "{error}");
}
