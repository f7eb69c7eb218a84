//! Commands that are killed, at chosen points and at any time, and go on to the same bytes as if nobody had killed them.

use crate::harness::{with_encoder, write_span_run};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tagsmith_testkit::scratch::Scratch;
use tagsmith_train::checkpoint;

/// When a process is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After this part of the time that the whole work takes.
    Part(f64),
    /// The moment when a file or folder appears.
    There(&'static str),
    /// The moment when one disappears that was there.
    Gone(&'static str),
}

/// Something that a process does in the folder `out`.
struct Work {
    /// Makes what the process reads, and what is in `out` before it begins.
    prepare: fn(&Scratch),
    /// The line that begins the work, or goes on with it.
    line: fn(&Scratch) -> String,
    /// Points that random moments hit too seldom.
    moments: &'static [Moment],
    /// Files that must be equal in the end.
    results: &'static [&'static str],
    /// What must hold after each kill.
    check: fn(&Scratch, &Path),
}

const TRAIN: Work = Work {
    prepare: |scratch| {
        scratch.copy("run_ner/data.json", "data.json");
        // A finished model of other labels is there before.
        let row = json!({"words": ["jo", "lives", "in", "millville"], "ner": ["B-DRUG", "O", "O", "B-GENE"]});
        scratch.write("old.json", format!("{row}\n"));
        scratch.good(
            "train --model_name_or_path model --train_file old.json --output_dir out --do_train --max_steps 1 \
                      --save_strategy no --threads 1",
        );
        fs::create_dir(scratch.path("old")).unwrap();
        MODEL
            .iter()
            .for_each(|file| _ = fs::copy(scratch.path("out").join(file), scratch.path("old").join(file)).unwrap());
    },
    line: |scratch| {
        let goes_on =
            if checkpoint::newest(&scratch.path("out")).is_some() { "--resume_from_checkpoint last" } else { "" };
        format!(
            "train --model_name_or_path model --train_file data.json --validation_file data.json --test_file data.json \
             --output_dir out --do_train --do_eval --do_predict --learning_rate 1e-2 --max_steps 12 --save_steps 4 \
             --eval_strategy steps --eval_steps 2 --load_best_model_at_end --metric_for_best_model loss \
             --save_total_limit 2 --logging_steps 3 --per_device_train_batch_size 2 --seed 7 --threads 1 \
             --overwrite_output_dir {goes_on}"
        )
    },
    moments: &[
        Moment::There(".checkpoint-4.partial"),
        Moment::There(".checkpoint-8.partial/optimizer.safetensors"),
        Moment::There(".model.partial"),
        Moment::There(".model.partial/model.safetensors.partial"),
        Moment::There(".model.partial/config.json"),
        Moment::There(".model.partial/tokenizer.json"),
        Moment::There(".model.whole"),
        Moment::Gone("config.json"),
        Moment::Gone(".model.whole/tokenizer.json"),
        Moment::There("eval_results.json"),
        Moment::There("predictions.txt"),
    ],
    results: &[
        "model.safetensors",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "training_args.json",
        "predictions.txt",
        "trainer_state.json",
        "train_results.json",
        "eval_results.json",
        "predict_results.json",
        "all_results.json",
        "README.md",
    ],
    check: |scratch, whole| {
        // Whoever reads config.json finds one model: the one before, or the finished one.
        let read = |file: &str| fs::read(scratch.path("out").join(file)).unwrap_or_default();
        if scratch.path("out/config.json").exists() {
            let is = |of: &Path| MODEL.iter().all(|file| read(file) == fs::read(of.join(file)).unwrap());
            assert!(is(&scratch.path("old")) || is(whole), "a mix of two models");
        }
    },
};

/// [`TRAIN`] with sentences and pieces in files, which grow beyond what waits in memory to be written.
const BEYOND: Work = Work {
    prepare: |scratch| {
        (TRAIN.prepare)(scratch);
        write_long(scratch);
        // What a process leaves that is killed before its file has lost its name.
        scratch.write("out/.records-1-0.partial", "left");
    },
    line: |scratch| format!("{} --data_memory 0", long_line(scratch)),
    moments: &[
        Moment::There(".tagsmith.lock"),
        Moment::Gone(".records-1-0.partial"),
        Moment::There(".checkpoint-4.partial"),
        Moment::There("predictions.txt"),
    ],
    ..TRAIN
};

/// [`TRAIN`] on an emulated GPU.
const EMULATED: Work = Work {
    line: |scratch| {
        let line = (TRAIN.line)(scratch).replace("--max_steps 12 --save_steps 4", "--max_steps 4 --save_steps 2");
        format!("{line} --device emulated")
    },
    moments: &[
        Moment::There(".checkpoint-2.partial/optimizer.safetensors"),
        Moment::There(".model.partial/model.safetensors.partial"),
    ],
    ..TRAIN
};

/// Writes `long.json`, whose texts take some 330 KB as bytes, and whose pieces take as much.
fn write_long(scratch: &Scratch) {
    let data = scratch.read("data.json");
    scratch.write("long.json", data.repeat(1_000_000 / data.len()));
}

fn long_line(scratch: &Scratch) -> String {
    (TRAIN.line)(scratch).replace("--train_file data.json", "--train_file long.json")
}

/// The files that make a model.
const MODEL: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

const SPANS: Work = Work {
    prepare: |scratch| write_span_run(scratch, &json!({"max_steps": 8, "save_total_limit": 2})),
    line: |_| "train-bi-encoder run.json --threads 1 --resume".to_owned(),
    moments: &[
        Moment::There(".checkpoint-4.partial"),
        Moment::There("trainer_state.json"),
        Moment::There("test_results.json"),
    ],
    results: &[
        "best_checkpoint/model.safetensors",
        "best_checkpoint/config.json",
        "test_results.json",
        "trainer_state.json",
        "train_results.json",
        "eval_results.json",
        "made_from.json",
    ],
    check: |scratch, _| {
        // The link says that the run is done.
        let is_done = scratch.path("out/best_checkpoint").exists();
        assert!(!is_done || scratch.path("out/test_results.json").exists(), "a run that is done lacks its results");
    },
};

/// [`SPANS`] on an emulated GPU.
const EMULATED_SPANS: Work = Work {
    prepare: |scratch| write_span_run(scratch, &json!({"max_steps": 4, "eval_steps": 2, "save_total_limit": 2})),
    line: |_| "train-bi-encoder run.json --threads 1 --resume --device emulated".to_owned(),
    moments: &[Moment::There(".checkpoint-2.partial/optimizer.safetensors"), Moment::There("test_results.json")],
    ..SPANS
};

const PREDICT: Work = Work {
    prepare: |scratch| {
        scratch.put_tagger("bert", "model");
        for number in 0..6 {
            let line = format!("jo lives in millville . ann works at lake mill {number} .\n");
            scratch.write(&format!("texts/{number}.txt"), line.repeat(40));
        }
    },
    line: |_| "predict --model model texts --output-dir out --threads 1".to_owned(),
    moments: &[Moment::There("0.jsonl"), Moment::There("3.jsonl"), Moment::There("5.jsonl")],
    results: &["0.jsonl", "1.jsonl", "2.jsonl", "3.jsonl", "4.jsonl", "5.jsonl", "predict_run.json"],
    check: |scratch, whole| {
        for number in 0..6 {
            let file = format!("{number}.jsonl");
            let made = fs::read(scratch.path("out").join(&file)).ok();
            assert!(made.is_none_or(|made| made == fs::read(whole.join(&file)).unwrap()), "{file} is not whole");
        }
    },
};

/// How the kills went.
#[derive(Debug, Default)]
struct Figures {
    runs: usize,
    kills: usize,
    /// Kills that came too late: the process had ended.
    missed: usize,
}

/// Kills `work` as often as asked. In each run it is killed one to four times, then it goes on to its end.
fn kill(work: &Work, kills: usize, seed: u64) -> Figures {
    let whole = with_encoder();
    (work.prepare)(&whole);
    let began = Instant::now();
    whole.good(&(work.line)(&whole));
    let (time, want) = (began.elapsed().as_secs_f64(), results(&whole, work));
    let mut random = seed;
    let mut next = || {
        // Knuth's MMIX generator; its upper bits are the good ones.
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) as f64 / (1u64 << 31) as f64
    };
    let mut figures = Figures::default();
    let mut chosen = work.moments.iter().copied();
    while figures.kills < kills {
        let scratch = with_encoder();
        (work.prepare)(&scratch);
        let times = 1 + (next() * 4.0) as usize;
        for _ in 0..times {
            let moment = chosen.next().unwrap_or_else(|| match (next() * 3.0) as usize {
                0 => work.moments[(next() * work.moments.len() as f64) as usize],
                _ => Moment::Part(next()),
            });
            match killed(&scratch, &(work.line)(&scratch), moment, time) {
                true => figures.kills += 1,
                false => {
                    figures.missed += 1;
                    break;
                }
            }
            check(&scratch, moment);
            (work.check)(&scratch, &whole.path("out"));
        }
        // It goes on, if it did not end before.
        if want != results(&scratch, work) || !hidden(&scratch).is_empty() {
            scratch.good(&(work.line)(&scratch));
        }
        let got = results(&scratch, work);
        for ((name, got), (_, want)) in got.iter().zip(&want) {
            assert!(got == want, "run {}: {name} differs", figures.runs);
        }
        assert!(hidden(&scratch).is_empty(), "{:?}", hidden(&scratch));
        figures.runs += 1;
    }
    figures
}

/// What an interrupted run leaves.
fn hidden(scratch: &Scratch) -> Vec<String> {
    scratch.files("out").into_iter().filter(|name| name.starts_with('.')).collect()
}

/// Runs a line and kills the process at a moment. Returns whether it was still there to be killed.
fn killed(scratch: &Scratch, line: &str, moment: Moment, time: f64) -> bool {
    let out = scratch.path("out");
    let mut child = scratch.tagsmith(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    if let Moment::Part(part) = moment {
        sleep(Duration::from_secs_f64(part * time));
    }
    let mut seen = false;
    loop {
        let is_now = match moment {
            Moment::Part(_) => true,
            Moment::There(name) => out.join(name).exists(),
            Moment::Gone(name) => {
                let there = out.join(name).exists();
                seen |= there;
                seen && !there
            }
        };
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{line}: {status}");
            return false;
        }
        if is_now {
            child.kill().unwrap();
            // A process that was a zombie by then had ended well.
            return !child.wait().unwrap().success();
        }
    }
}

/// Whatever has a name is whole.
fn check(scratch: &Scratch, moment: Moment) {
    let out = scratch.path("out");
    for step in checkpoint::steps(&out) {
        checkpoint::verify(&checkpoint::folder(&out, step)).unwrap_or_else(|error| panic!("{moment:?}: {error}"));
    }
    let Ok(entries) = fs::read_dir(&out) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let is_json = path.extension().is_some_and(|ending| ending == "json");
        if is_json && !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            let text = fs::read_to_string(&path).unwrap();
            serde_json::from_str::<Value>(&text).unwrap_or_else(|error| panic!("{moment:?}: {path:?}: {error}"));
        }
    }
}

/// The results' content without what the clock says.
fn results(scratch: &Scratch, work: &Work) -> Vec<(&'static str, String)> {
    let content = |name: &&'static str| {
        let bytes = fs::read(scratch.path("out").join(name)).unwrap_or_default();
        let content = match serde_json::from_slice::<Value>(&bytes) {
            Ok(json) if name.ends_with(".json") => timeless(json).to_string(),
            _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        (*name, content)
    };
    work.results.iter().map(content).collect()
}

fn timeless(json: Value) -> Value {
    let of_clock = |key: &str| ["_runtime", "_per_second", "wait_per_step"].iter().any(|end| key.ends_with(end));
    match json {
        Value::Object(map) => {
            map.into_iter().filter(|(key, _)| !of_clock(key)).map(|(key, value)| (key, timeless(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(timeless).collect(),
        other => other,
    }
}

/// The number of kills in all. The long form is `TAGSMITH_KILLS=500 cargo test --release --test runs kills`.
fn kills() -> usize {
    std::env::var("TAGSMITH_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(45)
}

#[test]
fn killed_trainings_end_with_the_same_bytes() {
    let asked = kills() * 7 / 10;
    let figures = kill(&TRAIN, asked, 1);
    assert!(figures.kills >= asked, "{figures:?}");
}

#[test]
fn killed_trainings_on_an_emulated_gpu_end_with_the_same_bytes() {
    let asked = kills() / 10;
    for work in [&EMULATED, &EMULATED_SPANS] {
        let figures = kill(work, asked, 6);
        assert!(figures.kills >= asked, "{figures:?}");
    }
}

#[test]
fn a_span_tagger_s_run_on_an_emulated_gpu_is_the_processors() {
    let losses = |kind: &str, device: &str| -> Vec<f64> {
        let scratch = with_encoder();
        write_span_run(&scratch, &json!({"loss_fn": kind}));
        scratch.good(&format!("train-bi-encoder run.json --threads 1 --device {device}"));
        let history = scratch.json("out/trainer_state.json")["log_history"].clone();
        history.as_array().unwrap().iter().filter_map(|record| record["loss"].as_f64()).collect()
    };
    for kind in ["bce", "dice_focal"] {
        let (here, there) = (losses(kind, "cpu"), losses(kind, "emulated"));
        assert!(here.len() == 4 && there.len() == 4);
        for (here, there) in here.iter().zip(&there) {
            // Sums of some hundred numbers in another order: 2⁻²⁴ × 10 of a gradient, and ten times that for the steps.
            assert!((there / here - 1.0).abs() <= 1e-5, "{kind}: {here} {there}");
        }
        assert!((here[3] / here[0] - 1.0).abs() > 1e-3, "{kind}: it learns nothing: {here:?}");
    }
}

#[test]
fn killed_trainings_with_sentences_in_files_end_with_the_same_bytes() {
    // The files are in use, and where the sentences lie changes no result.
    let [in_memory, in_files] = [(); 2].map(|()| with_encoder());
    for scratch in [&in_memory, &in_files] {
        (TRAIN.prepare)(scratch);
        write_long(scratch);
    }
    in_memory.good(&long_line(&in_memory));
    let ran = in_files.good(&(BEYOND.line)(&in_files));
    ran.says("of texts are in a file in `out`");
    ran.says("of pieces are in a file in `out`");
    let [want, got] = [&in_memory, &in_files].map(|scratch| results(scratch, &BEYOND));
    for ((name, want), (_, got)) in want.iter().zip(&got).filter(|((name, _), _)| *name != "training_args.json") {
        assert!(want == got, "{name} differs");
    }
    let asked = kills() / 5;
    let figures = kill(&BEYOND, asked, 4);
    assert!(figures.kills >= asked, "{figures:?}");
}

#[test]
fn killed_trainings_of_span_taggers_end_with_the_same_bytes() {
    let asked = kills() / 5;
    let figures = kill(&SPANS, asked, 2);
    assert!(figures.kills >= asked, "{figures:?}");
}

#[test]
fn killed_predictions_end_with_the_same_bytes() {
    let asked = kills() / 10;
    let figures = kill(&PREDICT, asked, 3);
    assert!(figures.kills >= asked, "{figures:?}");
}
