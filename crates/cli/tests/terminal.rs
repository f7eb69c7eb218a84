//! The keyboard and the terminal: streams that nobody reads, limits, devices, other spellings, less talk.
#![cfg(unix)]

use serde_json::Value;
use std::fs;
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

/// Why no option can choose a device.
const NO_DEVICE: &str =
    "cannot be honored: this version computes on the processor or on an NVIDIA GPU, one device a process";

fn run(scratch: &Scratch, line: &str) -> Ran {
    Ran::of(&mut scratch.tagsmith(line))
}

const TRAIN: &str = "train --model_name_or_path model --train_file data.json --validation_file data.json --do_train --do_eval \
                     --threads 1 --output_dir out";

#[test]
fn nobody_has_to_read_standard_error() {
    for broken in ["2>/dev/full", "2>&-", "2>&1 >/dev/null | true"] {
        let scratch = Scratch::with_tagger();
        let output = scratch.shell(&format!("tagsmith {TRAIN} --max_steps 3 {broken}"));
        assert!(output.status == 0, "{broken}: {output:?}");
        // With a pipe, the shell returns the reader's status: the results say whether the work was done.
        for file in ["out/model.safetensors", "out/all_results.json"] {
            assert!(scratch.path(file).exists(), "{broken}: no {file}");
        }
    }
}

#[test]
fn a_full_standard_output_is_named_and_the_results_are_there() {
    let scratch = Scratch::with_tagger();
    let output = scratch.shell(&format!("tagsmith {TRAIN} --max_steps 3 >/dev/full"));
    let said = &output.stderr;
    assert_eq!(output.status, 2, "{said}");
    assert!(said.lines().last().unwrap().starts_with("error: standard output cannot be written to: "), "{said}");
    assert!(scratch.json("out/all_results.json").get("eval_f1").is_some());
    let output = scratch.shell("echo jo | tagsmith predict --model model >/dev/full");
    assert_eq!(output.status, 2);
    assert!(output.stderr.contains("standard output cannot be written to: "), "{}", output.stderr);
}

#[test]
fn a_file_that_may_not_grow_is_an_error_with_a_line() {
    let scratch = Scratch::with_tagger();
    let output = scratch.shell(&format!("ulimit -f 1; exec tagsmith {TRAIN} --max_steps 3"));
    let said = &output.stderr;
    assert_eq!(output.status, 2, "{:?} {said}", output.status);
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.contains("File too large"), "{said}");
}

/// A limit of files stands for a full disk: both are errors of the same write.
#[test]
fn a_file_of_sentences_that_may_not_grow_is_an_error_with_a_remedy() {
    let scratch = Scratch::with_tagger();
    let data = scratch.read("data.json");
    scratch.write("long.json", data.repeat(1_200_000 / data.len()));
    let line = TRAIN.replace("--train_file data.json", "--train_file long.json");
    let output = scratch.shell(&format!("ulimit -f 200; exec tagsmith {line} --max_steps 3 --data_memory 1kB"));
    let said = &output.stderr;
    assert_eq!(output.status, 2, "{:?} {said}", output.status);
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with(
            "error: what memory has no room for cannot be written to a file in `out`: File too large (os error 27): \
             pass `--data_memory` with more to keep it in memory, or pass `--output_dir` with a folder on a disk that \
             has room"
        ),
        "{said}"
    );
    assert!(!scratch.path("out").exists(), "nothing is left");
}

#[test]
fn more_threads_than_there_can_be_are_refused() {
    let scratch = Scratch::with_tagger();
    for line in [
        format!("{} --threads 20000", TRAIN.replace("--threads 1", "")),
        "predict --model model data.json --threads 20000".into(),
    ] {
        let output = run(&scratch, &line);
        let said = &output.stderr;
        assert_eq!(output.status, 2, "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("error: 20000 threads are asked for, and this process may use "), "{said}");
        assert!(last.ends_with(": pass `--threads` with a smaller number"), "{said}");
    }
}

#[test]
fn limits_that_leave_no_room_are_refused_in_a_line() {
    let scratch = Scratch::with_tagger();
    for limit in ["-d 9000", "-s 64"] {
        let output = scratch.shell(&format!("ulimit {limit}; exec tagsmith {TRAIN} --max_steps 3"));
        let said = &output.stderr;
        assert_eq!(output.status, 2, "{limit}: {:?} {said}", output.status);
        assert!(
            said.starts_with(&format!("error: `ulimit {}` leaves ", &limit[..2])) && said.lines().count() == 1,
            "{said}"
        );
    }
}

/// From too little to begin with to enough for all, no limit ends a command without a line. A word of ten million letters
/// takes more than the check at the start can know of.
#[test]
fn whatever_the_limit_a_command_ends_well_or_with_one_line() {
    let scratch = Scratch::with_tagger();
    scratch.write("word.conll", format!("{} B-PER\njo O\n\nkim O\n", "a".repeat(10_000_000)));
    let word = TRAIN.replace("--train_file data.json", "--train_file word.conll");
    let lines = [
        (format!("{TRAIN} --threads 2 --max_steps 2 --overwrite_output_dir"), false),
        (format!("{word} --max_steps 1 --overwrite_output_dir"), true),
        ("predict --model model data.json --threads 2".to_owned(), false),
    ];
    for (line, is_exhausted) in lines {
        let (mut refused, mut exhausted, mut done) = (0, 0, 0);
        for (option, limits) in
            [("-v", [60_000, 220_000, 240_000, 280_000, 2_000_000]), ("-d", [9_000, 56_000, 60_000, 90_000, 2_000_000])]
        {
            for limit in limits {
                let output = scratch.shell(&format!("ulimit {option} {limit}; exec tagsmith {line}"));
                let said = &output.stderr;
                match output.status {
                    0 => done += 1,
                    2 => {
                        let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
                        assert!(errors == 1 && said.lines().last().unwrap().starts_with("error: "), "{limit}: {said}");
                        refused += usize::from(said.contains("error: `ulimit "));
                        exhausted +=
                            usize::from(said.contains("error: the system gives this process no more memory ("));
                    }
                    _ => panic!("{option} {limit}: {:?} {line}: {said}", output.status),
                }
            }
        }
        assert!(refused > 0 && done > 0, "{line}: {refused} {exhausted} {done}");
        assert!(exhausted > 0 || !is_exhausted, "{line}: no limit is reached while the word is read");
    }
}

#[test]
fn every_way_of_asking_for_devices_that_do_not_compute_gets_one_sentence() {
    let scratch = Scratch::with_tagger();
    let kinds = ["MULTI_NPU", "TPU", "MULTI_XPU", "FSDP"];
    for kind in kinds {
        scratch.write(kind, format!("distributed_type: {kind}\nnum_processes: 2\n"));
    }
    let lines = [
        "--device mps",
        "--device cuda:x",
        "--gpus 0 1",
        "--n_gpu 2",
        "--tpu_num_cores 8",
        "--use_mps_device",
        "--ddp_backend nccl",
        "--fsdp full_shard",
        "--deepspeed {\"a\":1}",
        "--device_map balanced",
    ];
    let of_train = lines.iter().map(|more| format!("{TRAIN} {more}"));
    let of_files = kinds.iter().map(|kind| format!("{TRAIN} --accelerate_config {kind}"));
    let of_others = [
        "predict --model model data.json --device xpu",
        "evaluate_bi_encoder --pretrained_model_name_or_path m --evaluation_file f --gpu x",
        "train_spans c.json --device mps",
    ];
    for line in of_train.chain(of_files).chain(of_others.map(str::to_owned)) {
        let output = run(&scratch, &line);
        let said = &output.stderr;
        assert_eq!(output.status, 2, "{line}: {said}");
        assert!(said.contains(NO_DEVICE), "{line}: {said}");
    }
}

#[test]
fn a_preset_and_a_file_of_options_go_together() {
    let scratch = Scratch::with_tagger();
    let file = r#"{"model_name_or_path": "model", "train_file": "data.json", "validation_file": "data.json", "max_steps": 2, "max_seq_length": 16}"#;
    scratch.write("options.json", file);
    let output = run(&scratch, "run-ner-no-trainer options.json --output_dir out --checkpointing_steps 1");
    assert!(output.status == 0, "{}", output.stderr);
    let arguments = scratch.json("out/training_args.json");
    assert_eq!((arguments["max_grad_norm"].as_f64(), arguments["save_steps"].as_f64()), (Some(0.0), Some(1.0)));
    assert!(scratch.path("out/checkpoint-1").exists(), "{}", output.stderr);
    // What a run writes starts a run.
    let output = run(&scratch, "train out/training_args.json --output_dir again");
    assert!(output.status == 0, "{}", output.stderr);
    assert_eq!(
        fs::read(scratch.path("again/model.safetensors")).unwrap(),
        fs::read(scratch.path("out/model.safetensors")).unwrap()
    );
}

#[test]
fn a_comparison_has_its_table_alone_on_standard_output() {
    let scratch = Scratch::with_tagger();
    let plan = r#"{"options": {"model_name_or_path": "model", "train_file": "data.json", "output_dir": "out", "do_train": true,
        "max_steps": 2, "logging_steps": 1}, "runs": {"one": {}, "another run": {"seed": 1}}}"#;
    scratch.write("plan.json", plan);
    let output = run(&scratch, "compare plan.json");
    assert!(output.status == 0, "{}", output.stderr);
    let table = &output.stdout;
    let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
    assert!(widths.len() == 4 && widths.iter().all(|width| *width == widths[0]), "{table}");
    assert!(table.lines().all(|line| line.starts_with('|')), "{table}");
    assert!(
        output.stderr.contains("run 2 of 2: another run") && output.stderr.contains("train metrics"),
        "{}",
        output.stderr
    );
}

#[test]
fn less_is_said_where_less_is_wanted() {
    let scratch = Scratch::with_tagger();
    let long = "jo lives in millville ".repeat(8);
    let words: Vec<&str> = long.split_whitespace().collect();
    let row = serde_json::json!({"words": words, "ner": vec!["O"; words.len()]});
    let data = fs::read_to_string(scratch.path("data.json")).unwrap();
    scratch.write("data.json", data + &row.to_string() + "\n");
    let said = |more: &str| {
        let output = run(&scratch, &format!("{TRAIN} --overwrite_output_dir --max_steps 2 {more}"));
        assert!(output.status == 0, "{}", output.stderr);
        output.stderr
    };
    let all = said("");
    let lost = "warning: train: ";
    assert!(all.contains(lost) && all.contains("words lost") && all.contains("note: "), "{all}");
    for quiet in ["--quiet", "--log_level warning"] {
        let less = said(quiet);
        assert!(less.lines().count() > 0 && less.lines().all(|line| line.starts_with("warning: ")), "{quiet}: {less}");
    }
    assert_eq!(said("--log_level error"), "");
    let output = run(&scratch, "predict --model model data.json --quiet -o tagged.jsonl");
    assert!(output.status == 0 && !output.stderr.contains("note: "), "{}", output.stderr);
}

#[test]
fn a_finished_run_says_where_it_is_and_an_evaluation_has_no_epoch() {
    let scratch = Scratch::with_tagger();
    let output = run(&scratch, &format!("{TRAIN} --max_steps 2"));
    let last = output.stderr.lines().last().unwrap_or_default().to_owned();
    assert_eq!(last, "note: the model is in out; to tag with it: tagsmith predict --model out FILE");
    let line = "train --model_name_or_path out --validation_file data.json --do_eval --output_dir measured";
    let output = run(&scratch, line);
    assert!(output.stderr.ends_with("note: the results are in measured\n"), "{}", output.stderr);
    // transformers' Trainer adds `epoch` where there was one.
    assert!(scratch.json("measured/eval_results.json").get("epoch").is_none());
    assert!(scratch.json("out/eval_results.json").get("epoch").is_some());
}

#[test]
fn what_cannot_be_written_is_said_before_a_model_is_read() {
    let scratch = Scratch::with_tagger();
    let output = run(&scratch, "predict --model nowhere/model data.json -o nowhere/out.jsonl");
    let said = &output.stderr;
    assert_eq!(output.status, 2, "{said}");
    assert!(said.starts_with("error: nowhere/out.jsonl: cannot write here") && said.lines().count() == 1, "{said}");
    fs::create_dir(scratch.path("folder")).unwrap();
    let output = run(&scratch, "predict --model nowhere/model folder");
    let want = "error: folder: this is a folder, whose files become files: pass `--output-dir` to say where\n";
    assert_eq!((output.status, output.stderr.as_str()), (2, want));
}

#[test]
fn scores_are_of_standard_input_too() {
    let scratch = Scratch::with_tagger();
    scratch.write("gold.conll", "Jo B-PER\nruns O\n\nAnn B-PER\n");
    let score =
        |line: &str| scratch.shell(&format!("printf 'Jo B-PER\\nruns O\\n\\nAnn O\\n' | tagsmith score {line}"));
    // Two entities, one of them found: precision 1, recall 1/2.
    let output = score("gold.conll - --json");
    assert!(output.status == 0, "{}", output.stderr);
    let figures: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((figures["overall_precision"].as_f64(), figures["overall_recall"].as_f64()), (Some(1.0), Some(0.5)));
    assert_eq!(score("- gold.conll --min_f1 0.5").status, 0);
    assert_eq!(score("- -").status, 2);
}

#[test]
fn accelerates_own_default_is_read_and_named() {
    let scratch = Scratch::with_tagger();
    scratch.write(
        "hf/accelerate/default_config.yaml",
        "distributed_type: MULTI_GPU\nnum_processes: 2\nmixed_precision: bf16\n",
    );
    let mut command = scratch.tagsmith(&format!("{TRAIN} --max_steps 1"));
    let output = Ran::of(command.env("HF_HOME", scratch.path("hf")));
    assert!(output.status == 0, "{}", output.stderr);
    output.says("default_config.yaml` asks for bf16: products are computed as `--bf16` does");
    output.says(
        "default_config.yaml`: accelerate's configuration asks for 2 processes, and there is one: run `mpirun -n 2",
    );
    // One that cannot be honored stops nobody who did not name it.
    scratch.write("hf/accelerate/default_config.yaml", "distributed_type: FSDP\n");
    let mut command = scratch.tagsmith(&format!("{TRAIN} --max_steps 1 --overwrite_output_dir"));
    let output = Ran::of(command.env("HF_HOME", scratch.path("hf"))).ended(0);
    output.says("accelerate's default configuration is left out: ");
}

#[test]
#[cfg(target_os = "linux")]
fn rows_of_the_log_fit_the_terminal() {
    let scratch = Scratch::with_tagger();
    let line = format!("tagsmith {TRAIN} --overwrite_output_dir --max_steps 6 --eval_strategy steps --eval_steps 3");
    for (more, columns) in [("", 60), ("--json", 60), ("", 40)] {
        let shown = scratch.on_terminal(columns, &format!("{line} {more}"));
        let row = shown.iter().position(|line| line.starts_with("epoch ")).unwrap_or_else(|| panic!("{shown:#?}"));
        let more = shown[row + 1..].iter().take_while(|line| line.starts_with("    ")).count();
        let row = &shown[row..=row + more];
        assert!(more > 0 && row.iter().all(|line| line.chars().count() <= columns), "{row:#?}");
        let whole = row.join(" ");
        assert!(whole.contains("eval_loss ") && whole.contains("accuracy "), "{whole}");
        assert!(!shown.iter().any(|line| line.contains("{'eval_loss'")), "{shown:#?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_bar_before_the_first_update_does_not_know_how_long_the_run_takes() {
    let scratch = Scratch::with_tagger();
    let written = scratch.written_to_terminal(100, &format!("tagsmith {TRAIN} --max_steps 3"));
    assert!(written.contains(" 0/3 [0s < ?]"), "{written}");
    assert!(!written.contains(" 0/3 [0s < 0s]"), "{written}");
}

#[test]
#[cfg(target_os = "linux")]
fn results_on_a_terminal_have_no_bar_among_them() {
    let scratch = Scratch::with_tagger();
    let line = "tagsmith predict --model model --threads 1 long.txt";
    // Work that takes a moment has a bar: how many sentences that is, the machine decides.
    let has_bar = |sentences: &usize| {
        scratch.write("long.txt", "jo lives in millville and ann works there\n".repeat(*sentences));
        scratch.written_to_terminal(80, &format!("{line} -o tagged.jsonl")).contains("prediction ")
    };
    let sentences = [12_000, 48_000, 192_000].into_iter().find(has_bar).expect("long work has a bar");
    let among = scratch.written_to_terminal(80, line);
    assert!(!among.contains("prediction ") && among.lines().count() > sentences);
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_without_control_sequences_gets_none() {
    let scratch = Scratch::with_tagger();
    let escapes = |line: &str| scratch.written_to_terminal(80, line).matches('\u{1b}').count();
    let predict = "tagsmith predict --model model data.json --input-format jsonl --text-column words";
    assert!(escapes(predict) > 0, "the model finds nothing to color");
    assert_eq!(escapes(&format!("TERM=dumb {predict}")), 0);
    assert_eq!(escapes(&format!("NO_COLOR=1 {predict}")), 0);
    let train = format!("tagsmith {TRAIN} --overwrite_output_dir --max_steps 3");
    assert!(escapes(&train) > 0);
    assert_eq!(escapes(&format!("TERM=dumb {train}")), 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_comparison_on_a_narrow_terminal_is_a_list() {
    let scratch = Scratch::with_tagger();
    let plan = r#"{"options": {"model_name_or_path": "model", "train_file": "data.json", "output_dir": "out", "do_train": true,
        "max_steps": 2, "logging_steps": 1}, "runs": {"one": {}, "another run": {"seed": 1}}}"#;
    scratch.write("plan.json", plan);
    let has = |shown: &[String], begins: &str| shown.iter().any(|line| line.starts_with(begins));
    let narrow = scratch.on_terminal(40, "tagsmith compare plan.json");
    assert!(has(&narrow, "run ") && has(&narrow, "updates ") && !has(&narrow, "|"), "{narrow:#?}");
    let wide = scratch.on_terminal(300, "tagsmith compare plan.json --overwrite_output_dir");
    assert!(has(&wide, "| run ") && !has(&wide, "updates "), "{wide:#?}");
}
