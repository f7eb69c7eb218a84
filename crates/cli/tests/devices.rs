//! Where commands compute: on machines without a GPU, with one whose driver does nothing, and on an emulated one.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tagsmith_testkit::fake_gpu;
use tagsmith_testkit::program::{self, Ran};
use tagsmith_testkit::scratch::Scratch;

fn run(folder: &Path, line: &str) -> Ran {
    let mut command = program::isolated(program::path(), folder);
    Ran::of(command.args(line.split(' ').filter(|word| !word.is_empty())))
}

/// A folder with a tagger, data, and a driver whose GPUs compute nothing (`gpu`), also without cublasLt (`driver`).
fn scratch() -> Scratch {
    let scratch = Scratch::with_tagger();
    fake_gpu::put(&scratch.path("gpu"), fake_gpu::library(), fake_gpu::NAMES);
    fake_gpu::put(&scratch.path("driver"), fake_gpu::library(), &fake_gpu::NAMES[..1]);
    scratch
}

const PREDICT: &str = "predict --model model --threads 1 data.json -o";
const FAILS: &str = "it fails its self-test: embedding in F32: y is off by ";

#[test]
fn the_processor_computes_without_a_word_where_there_is_no_gpu() {
    let scratch = Scratch::with_tagger();
    let ran = run(scratch.folder(), &format!("{PREDICT} auto.jsonl")).ended(0);
    assert!(!ran.stderr.contains("GPU"), "{}", ran.stderr);
    let ran = run(scratch.folder(), &format!("{PREDICT} cuda.jsonl --device cuda")).ended(2);
    let error = ran.error();
    // A driver that is there is told to show no GPU.
    assert!(error.contains("there is no NVIDIA driver") || error.contains("CUDA_VISIBLE_DEVICES"), "{error}");
    assert!(error.ends_with("pass `--device cpu` to do without"), "{error}");
    assert!(!scratch.path("cuda.jsonl").exists());
}

#[test]
fn a_gpu_that_fails_its_self_test_is_told_and_not_used() {
    let scratch = scratch();
    let run = |line: &str| run(scratch.folder(), line);
    run(&format!("{PREDICT} cpu.jsonl --device cpu --cuda-libraries gpu")).ended(0);
    let ran = run(&format!("{PREDICT} auto.jsonl --cuda-libraries gpu")).ended(0);
    for number in [0, 1] {
        ran.says(&format!("warning: GPU {number}, Fake {}, is not used: {FAILS}", 70 + number));
    }
    let read = |name: &str| fs::read(scratch.path(name)).expect("it is written");
    assert!(read("auto.jsonl") == read("cpu.jsonl"));
    let ran = run(&format!("{PREDICT} cuda.jsonl --device cuda:1 --cuda-libraries gpu")).ended(2);
    assert!(ran.error().starts_with(&format!("error: GPU 1, Fake 71, is not used: {FAILS}")), "{}", ran.stderr);
    assert!(ran.error().ends_with(": pass `--device cpu` to do without"), "{}", ran.stderr);
    let ran = run(&format!("{PREDICT} cuda.jsonl --device cuda:2 --cuda-libraries gpu")).ended(2);
    assert!(
        ran.error().starts_with("error: there is no GPU 2: the driver shows 2, counted from 0: "),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_missing_library_is_told_with_what_brings_it() {
    let scratch = scratch();
    // A library that a machine has would be found in the system's places.
    let run = |line: &str| run(scratch.folder(), line);
    let env = run("env --cuda_libraries driver").ended(0);
    assert!(env.stdout.contains("\nnccl           "), "{}", env.stdout);
    if !env.stdout.contains("pip install nvidia-cublas-cu12") {
        return;
    }
    let ran = run(&format!("{PREDICT} cuda.jsonl --device cuda --cuda-libraries driver")).ended(2);
    let error = ran.error();
    assert!(
        error.contains("`pip install nvidia-cublas-cu12`") && error.ends_with("pass `--cuda-libraries`"),
        "{error}"
    );
    let ran = run(&format!("{PREDICT} auto.jsonl --cuda-libraries driver")).ended(0);
    ran.says("warning: GPU 0, Fake 70, is not used: there is no libcublasLt.so.12");
}

#[test]
fn gpus_are_listed_and_tested() {
    let scratch = scratch();
    let run = |line: &str| run(scratch.folder(), line);
    let text = run("env --cuda_libraries gpu").ended(0).stdout;
    let gpu = "gpus           number 1, name Fake 71, compute capability 9.0, memory 1.1 GB, free 1.1 GB\n";
    let libraries = [
        "nvidia driver  CUDA 12.4, gpu/libcuda.so.1\n",
        "cublaslt       CUDA 12.2, gpu/libcublasLt.so.12\n",
        "nccl           2.27.3, gpu/libnccl.so.2\n",
    ];
    for line in libraries.into_iter().chain([gpu]) {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let facts: Value = serde_json::from_str(&run("env --json --cuda_libraries gpu").ended(0).stdout).unwrap();
    assert_eq!((&facts["gpus"][1]["number"], &facts["gpus"][1]["compute_capability"]), (&1.into(), &"9.0".into()));
    let tested = run("env --test --cuda_libraries gpu").ended(1).stdout;
    assert!(tested.starts_with(&format!("GPU 0, Fake 70: {FAILS}")) && tested.contains("GPU 1, Fake 71: "), "{tested}");
    let tested = run("env --test --device emulated").ended(0).stdout;
    assert!(tested.starts_with("the emulated GPU: passes its self-test ("), "{tested}");
    let tested = run("env --test --device cuda:5 --cuda_libraries gpu").ended(2);
    assert!(tested.error().contains("there is no GPU 5: the driver shows 2"), "{}", tested.stderr);
}

const TRAIN: &str = "train --model_name_or_path model --train_file data.json --validation_file data.json --test_file data.json \
                     --do_train --do_eval --do_predict --max_steps 6 --save_steps 3 --logging_steps 1 --eval_strategy steps \
                     --eval_steps 3 --per_device_train_batch_size 2 --learning_rate 1e-2 --adam_epsilon 1e-3 --threads 1";

/// How far a loss or a figure of six steps may be from the processor's: sums of some hundred numbers in another order move a
/// gradient by 2⁻²⁴ × 10 of itself, and ε is 10⁻³, so that AdamW makes no steps of what is rounding alone.
const APART: f64 = 1e-5;

/// The numbers of every record of a run, but those of the clock.
fn numbers(scratch: &Scratch, output: &str) -> Vec<(String, f64)> {
    let state = scratch.json(&format!("{output}/trainer_state.json"));
    let records = state["log_history"].as_array().expect("a run has records").clone();
    let of_record = |record: Value| {
        let numbers = record.as_object().expect("a record is an object").clone().into_iter();
        numbers.filter_map(|(key, value)| Some((key, value.as_f64()?))).collect::<Vec<_>>()
    };
    let is_of_clock = |key: &str| key.ends_with("_runtime") || key.ends_with("_per_second");
    records.into_iter().flat_map(of_record).filter(|(key, _)| !is_of_clock(key)).collect()
}

#[track_caller]
fn assert_near(got: &[(String, f64)], want: &[(String, f64)]) {
    assert_eq!(got.len(), want.len());
    for ((name, got), (other, want)) in got.iter().zip(want) {
        let apart = (got - want).abs() / want.abs().max(1.0);
        assert!(name == other && apart <= APART, "{name} is {got}, {other} is {want}");
    }
}

/// A folder with a tagger that drops, and its data.
fn dropping() -> Scratch {
    let scratch = scratch();
    let mut config = scratch.json("model/config.json");
    config["hidden_dropout_prob"] = json!(0.1);
    config["attention_probs_dropout_prob"] = json!(0.1);
    scratch.write("model/config.json", config.to_string());
    scratch
}

#[test]
fn a_run_on_an_emulated_gpu_is_the_processors_and_goes_on_where_it_was() {
    let scratch = dropping();
    let run = |line: &str| run(scratch.folder(), line);
    run(&format!("{TRAIN} --output_dir cpu --device cpu")).ended(0);
    let ran = run(&format!("{TRAIN} --output_dir there --device emulated")).ended(0);
    ran.says("a GPU is emulated");
    ran.says("the GPU's memory: ");
    assert_near(&numbers(&scratch, "there"), &numbers(&scratch, "cpu"));
    assert_eq!(scratch.files("there"), scratch.files("cpu"));
    assert_eq!(scratch.read("there/predictions.txt"), scratch.read("cpu/predictions.txt"));
    // The same run again has the same bits, and so has one that went on from its middle.
    let weights = |folder: &str| fs::read(scratch.path(folder).join("model.safetensors")).expect("it is written");
    let go_on = "--overwrite_output_dir --resume_from_checkpoint";
    run(&format!("{TRAIN} --output_dir there --device emulated {go_on} there/checkpoint-3")).ended(0);
    let again = weights("there");
    run(&format!("{TRAIN} --output_dir whole --device emulated")).ended(0);
    assert!(weights("whole") == again && weights("cpu") != again);
    // A run may go on elsewhere, and says so.
    let moved = "the checkpoint was computed on emulator, this run computes on cpu: sums are rounded otherwise";
    run(&format!("{TRAIN} --output_dir there --device cpu {go_on} there/checkpoint-3")).ended(0).says(moved);
    assert_near(&numbers(&scratch, "there"), &numbers(&scratch, "cpu"));
    let moved = "the checkpoint was computed on cpu, this run computes on emulator: sums are rounded otherwise";
    run(&format!("{TRAIN} --output_dir cpu --device emulated {go_on} cpu/checkpoint-3")).ended(0).says(moved);
    assert_near(&numbers(&scratch, "cpu"), &numbers(&scratch, "there"));
    // Another seed drops others: the comparison sees it.
    run(&format!("{TRAIN} --output_dir other --device cpu --seed 43")).ended(0);
    let (other, want) = (numbers(&scratch, "other"), numbers(&scratch, "cpu"));
    assert!(other.iter().zip(&want).any(|((_, a), (_, b))| (a - b).abs() > 100.0 * APART));
}

#[test]
fn in_bf16_with_frozen_words_and_checkpointed_layers_a_run_on_an_emulated_gpu_ends_well() {
    let scratch = dropping();
    let line =
        format!("{TRAIN} --bf16 --gradient_checkpointing --freeze embeddings --output_dir out --device emulated");
    let ran = run(scratch.folder(), &line).ended(0);
    ran.says("activations and products in bf16; sums, statistics and weights in f32");
    let cpu =
        run(scratch.folder(), &line.replace("--output_dir out --device emulated", "--output_dir cpu --device cpu"));
    cpu.ended(0);
    // Nine products in a row round two factors each by 2⁻⁹; six steps are of that model.
    let losses = |output| numbers(&scratch, output).into_iter().filter(|(key, _)| key == "loss").map(|(_, loss)| loss);
    for (there, here) in losses("out").zip(losses("cpu")) {
        assert!((there / here - 1.0).abs() <= 18.0 / 512.0, "{there} {here}");
    }
}

#[test]
fn training_takes_a_gpu_that_passes_its_self_test_or_says_why_not() {
    let scratch = scratch();
    let run = |line: &str| run(scratch.folder(), line);
    let train = "train --model_name_or_path model --train_file data.json --do_train --max_steps 1 --output_dir out";
    let ran = run(&format!("{train} --cuda_libraries gpu")).ended(0);
    ran.says(&format!("warning: GPU 0, Fake 70, is not used: {FAILS}"));
    let arguments = scratch.json("out/training_args.json");
    assert_eq!((&arguments["device"], &arguments["cuda_libraries"]), (&"auto".into(), &"gpu".into()));
    let again = run("train out/training_args.json --overwrite_output_dir --no_cuda").ended(0);
    again.says("`--no_cuda` is called `--device cpu` now");
    assert_eq!(scratch.json("out/training_args.json")["device"], "cpu");
    let ran = run(&format!("{train} --overwrite_output_dir --device cuda:1 --cuda_libraries gpu")).ended(2);
    assert!(ran.error().starts_with(&format!("error: GPU 1, Fake 71, is not used: {FAILS}")), "{}", ran.stderr);
}
