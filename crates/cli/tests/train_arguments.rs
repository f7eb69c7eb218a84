//! The command line of `tagsmith train` as a person meets it: help, errors, exit status.

use expect_test::{Expect, expect, expect_file};
use std::process::{Command, Stdio};
use tagsmith_testkit::program::Ran;
use tagsmith_testkit::scratch::Scratch;

/// The program in a terminal of 80 columns, with an empty cache.
fn tagsmith(scratch: &Scratch, line: &str) -> Command {
    let mut command = scratch.tagsmith(line);
    command.env("COLUMNS", "80").env("HF_HUB_CACHE", "cache");
    command
}

/// Runs a line in an empty folder; it has to fail with status 2, and to print nothing but on stderr.
fn check(line: &str, want: Expect) {
    let ran = Ran::of(&mut tagsmith(&Scratch::empty(), line));
    assert_eq!((ran.status, ran.stdout.len()), (2, 0), "{line}: {}", ran.stderr);
    want.assert_eq(&ran.stderr);
}

#[test]
fn help_lists_what_is_needed_first() {
    let help = |line: &str| Ran::of(&mut tagsmith(&Scratch::empty(), line)).ended(0).stdout;
    let text = help("train --help");
    expect_file!["train_help.txt"].assert_eq(&text);
    assert!(text.lines().all(|line| line.chars().count() <= 120));
    assert_eq!(help("run_ner -h"), text);
    assert_eq!(help("train --seed 1 --help"), text);
    assert_eq!(help("help train").trim(), text.trim());
    assert_eq!(help("--version"), concat!("tagsmith ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_file_of_options_names_each_once() {
    let scratch = Scratch::empty();
    scratch.write("run.json", "{\"seed\": 1,\n \"seed\": 2}");
    let stderr = Ran::of(&mut tagsmith(&scratch, "train run.json")).ended(2).stderr;
    assert!(stderr.starts_with("error: `run.json` cannot be read: the key `seed` occurs twice at line 2 "), "{stderr}");
}

#[test]
fn errors_name_the_option_the_value_and_the_remedy() {
    check(
        "train --learnig_rate 1",
        expect![[r#"
        error: there is no option `--learnig_rate`
          hint: did you mean `--learning_rate`?
    "#]],
    );
    check(
        "run_ner --max_seq_length 12.5",
        expect![[r#"
        error: `--max_seq_length` needs a whole number, not `12.5`
          hint: `tagsmith train --help` lists the options
    "#]],
    );
    check(
        "train --save_s 3",
        expect![[r#"
        error: `--save_s` could be `--save_strategy`, `--save_steps`
          hint: write the option's name in full
    "#]],
    );
    check(
        "train --do_train maybe",
        expect![[r#"
        error: `--do_train` needs true or false (yes, t, y, 1, no, f, n, 0), not `maybe`
          hint: `tagsmith train --help` lists the options
    "#]],
    );
    check(
        "train --seed",
        expect![[r#"
        error: `--seed` needs a whole number
          hint: `tagsmith train --help` lists the options
    "#]],
    );
    check(
        "train stray",
        expect![[r#"
        error: `stray` follows no option
          hint: `tagsmith train --help` lists the options
    "#]],
    );
    check(
        "train --xyzzy",
        expect![[r#"
        error: there is no option `--xyzzy`
          hint: `tagsmith train --help` lists the options
    "#]],
    );
    check(
        "train --fsdp full_shard",
        expect![[r#"
            error: `--fsdp full_shard` cannot be honored: this version computes on the processor or on an NVIDIA GPU, one device a process: `--device` says which
              hint: leave `--fsdp` out
        "#]],
    );
    check(
        "train --no_dataloader_pin_memory=true",
        expect![[r#"
        error: `--no_dataloader_pin_memory` takes no value, but `true` is given
          hint: `tagsmith train --help` lists the options
    "#]],
    );
    check(
        "train missing.json",
        expect![[r#"
            error: `missing.json` cannot be read: No such file or directory (os error 2)
              hint: give a file that holds one JSON object of options and values
        "#]],
    );
    check(
        "train",
        expect![[r#"
            error: no model is given
              hint: start from one: --model_name_or_path FOLDER or NAME
        "#]],
    );
}

#[test]
fn missing_files_are_named_before_anything_runs() {
    let base = "train --model_name_or_path m --output_dir o --do_train";
    check(
        &format!("{base} --train_file none.json"),
        expect![[r#"
        error: none.json: there is no such file or folder: correct the path
    "#]],
    );
    check(
        &format!("{base} --dataset_name conll2003"),
        expect![[r#"
            note: the data set `conll2003` is `eriktks/conll2003` now
            error: eriktks/conll2003: there is no such folder here, the data set is not in the cache cache/datasets--eriktks--conll2003, and HF_HUB_OFFLINE forbids connections: run it once with a connection, or run `hf download eriktks/conll2003 --repo-type dataset` where there is a connection and copy the cache
        "#]],
    );
    check(
        &format!("{base} --train_file none.json --resume_from_checkpoint last"),
        expect![[r#"
        error: `o` holds no checkpoint: leave out `--resume_from_checkpoint` to begin anew
    "#]],
    );
    check(
        &format!("{base} --train_file none.json --resume_from_checkpoint o/checkpoint-1"),
        expect![[r#"
        error: `o/checkpoint-1` is not the folder of a checkpoint: pass `--resume_from_checkpoint` with the folder of one
    "#]],
    );
}

#[test]
fn a_launcher_of_several_processes_is_refused() {
    let line = "train --model_name_or_path m --train_file t.json --output_dir o --do_train";
    let said = Ran::of(tagsmith(&Scratch::empty(), line).env("WORLD_SIZE", "2")).ended(2).stderr;
    let want = "error: torchrun or accelerate started 2 processes (`WORLD_SIZE`), which does not start MPI, so that each \
                would do everything alone: run `mpirun -n 2 tagsmith …`";
    assert!(said.starts_with(want) && said.lines().count() == 1, "{said}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let scratch = Scratch::empty();
    let mut command = scratch.tagsmith("train --help");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(Ran::from(child.wait_with_output().unwrap()).ended(0).stderr, "");
}
