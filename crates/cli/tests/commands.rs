//! Commands beside the great ones: `evaluate`, `completions`, `man`, and the version for programs.

use serde_json::Value;
use std::fs;
use tagsmith_testkit::program::{self, Ran};
use tagsmith_testkit::scratch::Scratch;

/// A folder with a small model in `model`.
fn scratch() -> Scratch {
    let scratch = Scratch::empty();
    scratch.put_tagger("bert", "model");
    scratch
}

fn run(scratch: &Scratch, line: &str) -> Ran {
    Ran::of(&mut scratch.tagsmith(line))
}

/// Labels that are wrong by construction give figures that a person can count.
#[test]
fn a_model_is_evaluated_on_a_file() {
    let scratch = scratch();
    scratch.write("words.conll", "Jo O\nmoved O\nto O\nGraz O\n\nAda O\nLin O\nsings O\nin O\nWien O\n");
    let predicted =
        run(&scratch, "predict --model model --threads 1 --output-format conll words.conll").ended(0).stdout;
    scratch.write("same.conll", &predicted);
    let figures = |ran: Ran| -> Value { serde_json::from_str(&ran.ended(0).stdout).expect("JSON") };
    let same = figures(run(&scratch, "evaluate model same.conll --threads 1 --json"));
    assert_eq!((&same["overall_f1"], &same["overall_accuracy"]), (&1.0.into(), &1.0.into()), "{same}");
    assert_eq!((&same["words"], &same["sentences"]), (&9.into(), &2.into()));

    // Word by word: one label of nine is another.
    let (first, rest) = predicted.split_once('\n').expect("lines");
    let (word, label) = first.split_once('\t').expect("columns");
    let other = ["O", "B-PER"].into_iter().find(|other| *other != label).expect("one of two is another");
    scratch.write("other.conll", format!("{word}\t{other}\n{rest}"));
    let words = figures(run(&scratch, "evaluate model other.conll --threads 1 --json --mode words"));
    assert_eq!(words["overall_f1"].as_f64(), Some(8.0 / 9.0), "{words}");
    let missed = run(&scratch, "evaluate model other.conll --threads 1 --mode words --min-f1 0.9").ended(1);
    assert!(missed.stderr.contains("f1 0.8888888888888888 is below --min-f1 0.9"), "{}", missed.stderr);
    // The figures are those of `score`.
    let scored = figures(run(&scratch, "score other.conll same.conll --json --mode words"));
    assert_eq!(scored["types"], words["types"]);
}

#[test]
fn what_cannot_be_evaluated_is_said_in_a_line() {
    let scratch = scratch();
    scratch.write("labels.txt", "O B-PER\nO\n");
    let ran = run(&scratch, "evaluate model labels.txt --threads 1").ended(2);
    ran.says("labels.txt: there are labels without words, and a model reads words: name a file of words and labels");
    scratch.write("empty.conll", "");
    let ran = run(&scratch, "evaluate model empty.conll --threads 1").ended(2);
    ran.says("empty.conll: there is no word to evaluate on: name a file of words and labels");
    let ran = run(&scratch, "evaluate model missing.conll").ended(2);
    assert!(ran.error().contains("missing.conll"), "{}", ran.stderr);
    scratch.write("words.conll", "Jo O\n");
    let ran = run(&scratch, "evaluate model words.conll --threads 1 --labels person").ended(2);
    assert!(ran.error().ends_with("leave out `--labels`"), "{}", ran.stderr);
    let ran = run(&scratch, "evaluate nowhere words.conll --threads 1").ended(2);
    assert!(ran.error().contains("nowhere"), "{}", ran.stderr);
}

/// A span tagger looks for the types of the file.
#[test]
fn a_span_tagger_is_evaluated_too() {
    let scratch = Scratch::empty();
    scratch.put_span_tagger("bi_encoder");
    scratch.write("words.conll", "anna B-person\nlives O\nin O\nhamburg B-place\n");
    let ran = run(&scratch, "evaluate bi_encoder words.conll --threads 1 --threshold 0.01 --json").ended(0);
    ran.says("the model looks for the types in words.conll: `person`, `place`");
    let figures: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&figures["number"], &figures["words"]), (&2.into(), &4.into()), "{figures}");
    // A run's folder stands for its best checkpoint, as for `predict`.
    scratch.write("run/best_checkpoint", "../bi_encoder");
    let of_run = run(&scratch, "evaluate run words.conll --threads 1 --threshold 0.01 --json").ended(0);
    of_run.says("run: this is the folder of a run; the model is its best checkpoint");
    assert_eq!(of_run.stdout, ran.stdout);
    let ran = run(&scratch, "evaluate bi_encoder words.conll --threads 1 --decoding nested").ended(2);
    assert!(ran.error().ends_with("leave out `--decoding`"), "{}", ran.stderr);
}

#[test]
fn shells_and_manuals_know_every_command_and_its_options() {
    let scratch = Scratch::empty();
    let commands = ["train", "predict", "evaluate", "score", "compare", "demo", "env", "download", "train_bi_encoder"];
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let text = run(&scratch, &format!("completions {shell}")).ended(0).stdout;
        for word in commands.into_iter().chain([
            "learning_rate",
            "lr_scheduler_type",
            "cosine",
            "min-f1",
            "reduce_lr_on_plateau",
        ]) {
            assert!(text.contains(word), "{shell} does not know `{word}`");
        }
        // What is refused is not offered.
        assert!(!text.contains("tpu_num_cores"), "{shell}");
    }
    assert!(run(&scratch, "completions csh").ended(2).error().contains("csh"));
    run(&scratch, "man --dir pages").ended(0);
    for command in commands {
        let page = fs::read_to_string(scratch.path(&format!("pages/tagsmith-{command}.1"))).expect(command);
        assert!(page.contains(".SH OPTIONS"), "{command}");
    }
    let page = fs::read_to_string(scratch.path("pages/tagsmith-train.1")).expect("a page");
    assert!(page.contains(r"\-\-learning_rate") && page.contains(r"\-\-freeze"), "{page}");
}

/// bash itself reads its completions.
#[test]
fn bash_completes_options() {
    let scratch = Scratch::empty();
    let text = run(&scratch, "completions bash").ended(0).stdout;
    scratch.write("completions", text);
    let ask = "source ./completions; COMP_WORDS=(tagsmith train --learning_r); COMP_CWORD=2; \
               _tagsmith tagsmith --learning_r train; echo \"${COMPREPLY[@]}\"";
    let output = program::isolated("bash", scratch.folder()).args(["-c", ask]).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "--learning_rate");
}

#[test]
fn the_version_is_json_for_programs() {
    let scratch = Scratch::empty();
    for line in ["--version --json", "--json -V"] {
        let version: Value = serde_json::from_str(&run(&scratch, line).ended(0).stdout).expect("JSON");
        assert_eq!((&version["name"], &version["version"]), (&"tagsmith".into(), &env!("CARGO_PKG_VERSION").into()));
        assert!(version["target"].as_str().is_some_and(|target| target.contains(std::env::consts::ARCH)), "{version}");
        let levels = version["instructions"]["available"].as_array().expect("levels");
        assert!(levels.contains(&version["instructions"]["in_use"]), "{version}");
    }
    assert_eq!(run(&scratch, "--version").ended(0).stdout, concat!("tagsmith ", env!("CARGO_PKG_VERSION"), "\n"));
}

/// Questions are answered as accelerate's are; what does not fit is asked again.
#[test]
fn accelerates_configuration_is_asked_for_and_read() {
    let scratch = Scratch::empty();
    let config = |line: &str, answers: &str| {
        let mut command = scratch.tagsmith(line);
        Ran::fed(command.env("HF_HOME", scratch.path("hf")), answers)
    };
    let ran = config("accelerate config --config_file a.yaml", "what\nmulti_cpu\n0\n3\nbf16\n").ended(0);
    ran.says("`what` is none of NO, MULTI_CPU, MULTI_GPU");
    ran.says("`0` is not a number from 1 on");
    let text = fs::read_to_string(scratch.path("a.yaml")).expect("a file");
    for line in ["distributed_type: MULTI_CPU", "num_processes: 3", "mixed_precision: bf16", "use_cpu: true"] {
        assert!(text.lines().any(|it| it == line), "{text}");
    }
    assert!(config("accelerate config --config_file b.yaml", "NO\n").ended(2).error().contains("nothing is written"));
    assert!(!scratch.path("b.yaml").exists());
    config("accelerate config default --mixed_precision fp16", "").ended(0);
    let text = fs::read_to_string(scratch.path("hf/accelerate/default_config.yaml")).expect("the default file");
    assert!(text.contains("distributed_type: 'NO'\n") && text.contains("mixed_precision: fp16\n"), "{text}");
}

/// The scripts start this program; what else has their name stays.
#[test]
fn the_originals_scripts_start_the_program() {
    let scratch = Scratch::empty();
    run(&scratch, "shims scripts").ended(0);
    run(&scratch, "shims scripts").ended(0);
    let names = ["run_ner", "run_ner_no_trainer", "train_bi_encoder", "evaluate_cross_encoder"];
    for name in names {
        let text = fs::read_to_string(scratch.path(&format!("scripts/{name}.py"))).expect("a script");
        assert!(text.contains(program::path().to_str().expect("a path")) && !text.contains('@'), "{text}");
    }
    scratch.write("mine/run_ner.py", "print(1)\n");
    assert!(run(&scratch, "shims mine").ended(2).error().contains("run_ner.py: there is another file of this name"));
    assert!(!scratch.path("mine/train_bi_encoder.py").exists());
    run(&scratch, "shims mine --overwrite").ended(0);
}
