//! Where commands compute: on machines without a GPU, with one whose driver does nothing, and on an emulated one.

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
    for line in
        [gpu, "nvidia driver  CUDA 12.4, gpu/libcuda.so.1\n", "cublaslt       CUDA 12.2, gpu/libcublasLt.so.12\n"]
    {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let facts: serde_json::Value =
        serde_json::from_str(&run("env --json --cuda_libraries gpu").ended(0).stdout).unwrap();
    assert_eq!((&facts["gpus"][1]["number"], &facts["gpus"][1]["compute_capability"]), (&1.into(), &"9.0".into()));
    let tested = run("env --test --cuda_libraries gpu").ended(1).stdout;
    assert!(tested.starts_with(&format!("GPU 0, Fake 70: {FAILS}")) && tested.contains("GPU 1, Fake 71: "), "{tested}");
    let tested = run("env --test --device emulated").ended(0).stdout;
    assert!(tested.starts_with("the emulated GPU: passes its self-test ("), "{tested}");
    let tested = run("env --test --device cuda:5 --cuda_libraries gpu").ended(2);
    assert!(tested.error().contains("there is no GPU 5: the driver shows 2"), "{}", tested.stderr);
}

#[test]
fn what_no_gpu_does_is_the_processors_or_refused() {
    let scratch = scratch();
    let run = |line: &str| run(scratch.folder(), line);
    let train = "train --model_name_or_path model --train_file data.json --do_train --max_steps 1 --output_dir out";
    let ran = run(&format!("{train} --cuda_libraries gpu")).ended(0);
    assert!(!ran.stderr.contains("GPU"), "{}", ran.stderr);
    let arguments = scratch.json("out/training_args.json");
    assert_eq!((&arguments["device"], &arguments["cuda_libraries"]), (&"auto".into(), &"gpu".into()));
    run("train out/training_args.json --overwrite_output_dir --no_cuda")
        .ended(0)
        .says("`--no_cuda` is called `--device cpu` now");
    assert_eq!(scratch.json("out/training_args.json")["device"], "cpu");
    for device in ["cuda", "emulated"] {
        let ran = run(&format!("{train} --overwrite_output_dir --device {device} --cuda_libraries gpu")).ended(2);
        assert_eq!(ran.error(), "error: training computes on the processor only: leave out `--device`");
    }
}
