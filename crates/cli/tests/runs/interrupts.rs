//! Commands that a person or a batch system ends: each says in a line what became of its output.

use crate::harness::write_span_run;
use serde_json::json;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

const TRAIN: &str = "train --model_name_or_path model --train_file data.json --validation_file data.json --do_train --do_eval \
                     --threads 1 --output_dir out";

/// Waits until something holds of a process that runs.
#[track_caller]
fn wait_until(child: &mut Child, holds: impl Fn(&Child) -> bool) {
    let began = Instant::now();
    while !holds(child) {
        assert!(began.elapsed() < Duration::from_secs(300) && child.try_wait().unwrap().is_none(), "it does not come");
        sleep(Duration::from_millis(20));
    }
}

/// Whether a process heeds a signal by now.
fn heeds(child: &Child, signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal - 1) & 1 == 1
}

/// Ends a process by a signal. It ends as the signal alone would have ended it.
#[track_caller]
fn ended(mut child: Child, name: &str, signal: i32) -> Ran {
    let _open = child.stdin.take();
    let kill = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    let status = output.status.signal();
    let ran = Ran::from(output);
    assert_eq!(status, Some(signal), "{}", ran.stderr);
    ran
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Hidden files of the folder and those in it.
fn hidden(scratch: &Scratch) -> Vec<String> {
    let inside = scratch.files(".").into_iter().filter(|name| scratch.path(name).is_dir());
    let names = inside.flat_map(|name| scratch.files(&name)).chain(scratch.files("."));
    names.filter(|name| name.starts_with('.')).collect()
}

/// A file that nobody ends: who reads it waits.
fn endless(scratch: &Scratch, name: &str) {
    assert!(Command::new("mkfifo").arg(scratch.path(name)).status().unwrap().success());
}

#[test]
fn an_interrupted_training_says_how_to_go_on() {
    let scratch = Scratch::with_tagger();
    let line = format!("{TRAIN} --max_steps 1000000 --save_steps 5 --save_total_limit 2");
    let mut child = start(&mut scratch.tagsmith(&line));
    wait_until(&mut child, |_| {
        let saved = fs::read_dir(scratch.path("out")).into_iter().flatten().flatten();
        saved.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("checkpoint-"))
    });
    // Ctrl-C is heard by the same code, but a job in the background is started with it ignored.
    let said = ended(child, "TERM", 15).stderr;
    let place = said.lines().find(|line| line.starts_with("interrupted after ")).unwrap_or_else(|| panic!("{said}"));
    assert!(
        place.contains("updates: out/checkpoint-") && place.ends_with(" is there, and this goes on from it:"),
        "{place}"
    );
    let command = said.lines().last().unwrap().trim();
    assert!(command.starts_with("tagsmith train ") && command.ends_with(" --resume_from_checkpoint last"), "{command}");
    // The command does what it says.
    let output = scratch.shell(&command.replace("1000000", "3"));
    assert!(output.status == 0, "{}", output.stderr);
}

#[test]
fn whatever_a_command_reads_it_says_what_became_of_its_output() {
    let scratch = Scratch::with_tagger();
    write_span_run(&scratch, &json!({"train_file": "endless"}));
    let options = json!({
        "model_name_or_path": "model", "train_file": "endless", "do_train": true, "output_dir": "runs", "max_steps": 1
    });
    scratch.write("plan.json", json!({"options": options, "runs": {"one": {}, "other": {"seed": 1}}}).to_string());
    scratch.write("old.jsonl", "old");
    endless(&scratch, "endless");
    let nothing = |folder: &str| format!("interrupted: neither a model nor results were written to `{folder}`");
    let evaluate =
        "evaluate_bi_encoder --pretrained_model_name_or_path bi_encoder --evaluation_file endless --threads 1";
    let predict = "predict --model model --threads 1";
    for (line, want) in [
        ("score -".to_owned(), "interrupted: nothing was written".to_owned()),
        (evaluate.to_owned(), "interrupted: nothing was written".to_owned()),
        (TRAIN.replace("--train_file data.json", "--train_file endless"), nothing("out")),
        (
            TRAIN.replace("--validation_file data.json", "--validation_file endless").replace("--do_train", ""),
            nothing("out"),
        ),
        ("train_bi_encoder run.json --threads 1".to_owned(), nothing("out")),
        (
            format!("{predict} endless"),
            "interrupted: standard output has the documents that were tagged so far".to_owned(),
        ),
        (format!("{predict} endless -o tagged.jsonl"), "interrupted: `tagged.jsonl` was not written".to_owned()),
        (format!("{predict} endless -o old.jsonl"), "interrupted: `old.jsonl` is as it was before".to_owned()),
        (
            format!("{predict} data.json endless --output-dir many"),
            "interrupted: what was finished is in `many`, and the same command goes on with the rest".to_owned(),
        ),
        ("compare plan.json".to_owned(), "interrupted: nothing was written to `runs`".to_owned()),
    ] {
        for (name, signal) in [("INT", 2), ("TERM", 15)] {
            let mut child = start(&mut scratch.tagsmith(&line));
            wait_until(&mut child, |child| heeds(child, signal));
            // A command has then read its options.
            sleep(Duration::from_millis(300));
            let ran = ended(child, name, signal);
            assert!(ran.stderr.ends_with(&format!("{want}\n")), "{line}: {}", ran.stderr);
            assert_eq!(ran.stderr.matches("interrupted").count(), 1, "{line}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{line}");
            // Nothing waits for another run: neither a lock, nor a part of a file, nor a folder made for them.
            assert!(hidden(&scratch).is_empty(), "{line}: {:?}", hidden(&scratch));
        }
    }
    assert!(!scratch.path("tagged.jsonl").exists() && !scratch.path("runs").exists());
    assert_eq!(scratch.read("old.jsonl"), "old");
}

#[test]
fn an_interrupted_comparison_keeps_the_runs_before() {
    let scratch = Scratch::with_tagger();
    let options = json!({"model_name_or_path": "model", "do_train": true, "output_dir": "runs", "max_steps": 1});
    let runs = json!({"one": {"train_file": "data.json"}, "other": {"train_file": "endless"}});
    scratch.write("plan.json", json!({"options": options, "runs": runs}).to_string());
    endless(&scratch, "endless");
    let mut child = start(&mut scratch.tagsmith("compare plan.json"));
    wait_until(&mut child, |_| scratch.path("runs/other").exists());
    let ran = ended(child, "TERM", 15);
    let goes_on = "tagsmith compare plan.json --resume_from_checkpoint last";
    let want = format!("interrupted: what was finished is in `runs`, and this goes on from it:\n  {goes_on}\n");
    assert!(ran.stderr.ends_with(&want), "{}", ran.stderr);
    assert!(scratch.path("runs/one/model.safetensors").exists() && !scratch.path("runs/other").exists());
    assert!(hidden(&scratch).is_empty(), "{:?}", hidden(&scratch));
}

#[test]
fn whoever_waits_for_the_hub_can_be_interrupted() {
    let scratch = Scratch::with_tagger();
    // It takes connections, and answers nobody.
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let line = TRAIN.replace("--model_name_or_path model", "--model_name_or_path org/tiny");
    let mut command = scratch.tagsmith(&line);
    let address = format!("http://{}", hub.local_addr().unwrap());
    command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", address).env("HF_HOME", scratch.path("home"));
    let child = start(&mut command);
    let _connection = hub.accept().unwrap();
    let ran = ended(child, "TERM", 15);
    assert_eq!(ran.last(), "interrupted: neither a model nor results were written to `out`");
}

#[test]
fn an_interrupted_prediction_has_written_whole_documents() {
    let scratch = Scratch::with_tagger();
    let mut child = start(&mut scratch.tagsmith("predict --model model --threads 1"));
    let mut stdin = child.stdin.take().unwrap();
    let writes = spawn(move || {
        while stdin.write_all("jo lives in millville . ann works at lake mill .\n".repeat(40).as_bytes()).is_ok() {}
    });
    let mut stdout = child.stdout.take().unwrap();
    let reads = spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    sleep(Duration::from_millis(1500));
    let ran = ended(child, "TERM", 15);
    writes.join().unwrap();
    assert_eq!(ran.last(), "interrupted: standard output has the documents that were tagged so far");
    let text = reads.join().unwrap().unwrap();
    assert!(text.ends_with("}\n") && text.len() > 10_000, "{}", text.len());
}

#[test]
fn no_bar_is_left_on_the_terminal() {
    let scratch = Scratch::with_tagger();
    scratch.write("long.txt", "jo lives in millville . ann works at lake mill .\n".repeat(200_000));
    let line =
        "(tagsmith predict --model model --threads 1 long.txt -o tagged.jsonl & sleep 3; kill -TERM $!; wait $!; echo)";
    let written = scratch.written_to_terminal(80, line);
    assert!(written.contains("prediction "), "the work has no bar: {written}");
    let shown = scratch.on_terminal(80, line);
    let said = "interrupted: `tagged.jsonl` was not written";
    assert!(shown.iter().any(|line| line == said), "{shown:#?}");
    assert!(!shown.iter().any(|line| line.contains("prediction ")), "{shown:#?}");
}
