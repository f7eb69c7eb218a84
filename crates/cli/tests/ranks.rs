//! Several processes on MPI, on one machine: the same numbers as one process, to the bit where that is promised.
//!
//! Every test runs with Open MPI and with MPICH, where their launchers are on the path; one that is missing is said in a line.

use serde_json::{Map, Value, json};
use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tagsmith_testkit::golden;
use tagsmith_testkit::program::{self, Ran};
use tagsmith_testkit::scratch::Scratch;

/// How far losses of twenty steps may be from one process's, relative to themselves. Ranks add sums of some hundred
/// numbers in another order, which moves a gradient by 2⁻²⁴ × 10 of itself; ten times that is left for the steps.
const LOSS_APART: f64 = 1e-5;
/// How far a weight may be, relative to the largest of its tensor. AdamW divides a gradient by its own size, so with a
/// tiny ε what is rounding alone would move a weight by the whole rate; ε is 10⁻³ here.
const WEIGHT_APART: f32 = 2e-5;

/// An MPI whose launcher may be on the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mpi {
    Open,
    Mpich,
}

impl Mpi {
    /// The names of its launcher where several are installed beside each other, and what each says of its version.
    fn launchers(self) -> (&'static [&'static str], &'static str) {
        match self {
            Mpi::Open => (&["mpirun.openmpi", "mpirun"], "Open MPI"),
            Mpi::Mpich => (&["mpiexec.hydra", "mpirun.mpich", "mpirun"], "HYDRA"),
        }
    }

    /// Returns the launcher's name. Says in a line that there is none.
    #[allow(clippy::print_stderr)]
    fn launcher(self) -> Option<&'static str> {
        let (names, word) = self.launchers();
        let says = |name: &&&str| {
            let output = Command::new(name).arg("--version").output();
            output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(word))
        };
        let found = names.iter().find(says).copied();
        if found.is_none() {
            eprintln!("skipped: none of {names:?} is {word}'s");
        }
        found
    }
}

/// Makes a test of each of these functions and each MPI.
macro_rules! with_every_mpi {
    ($($test:ident)*) => {
        mod open_mpi {
            $(#[test] fn $test() {
                let launcher = super::Mpi::Open.launcher();
                launcher.into_iter().for_each(|launcher| super::$test(super::Mpi::Open, launcher));
            })*
        }
        mod mpich {
            $(#[test] fn $test() {
                let launcher = super::Mpi::Mpich.launcher();
                launcher.into_iter().for_each(|launcher| super::$test(super::Mpi::Mpich, launcher));
            })*
        }
    };
}

with_every_mpi! {
    ranks_learn_what_one_process_learns_and_the_same_bits_again
    ranks_with_an_emulated_gpu_each_learn_what_one_process_learns
    accumulation_and_bounded_batches_change_nothing_either
    an_evaluation_of_ranks_is_one_process_s_to_the_bit
    ranks_share_one_file_and_its_order_stays
    a_run_goes_on_with_another_number_of_ranks_and_says_so
    a_killed_rank_ends_the_job_and_the_last_checkpoint_is_whole
    what_fails_on_every_rank_is_said_once
    a_rank_that_reads_something_else_ends_the_job
    the_rehearsal_succeeds
    accelerate_s_number_of_processes_is_heeded
    span_taggers_learn_together_what_one_learns_by_accumulation
}

/// A scratch folder with a model and its data, in which ranks run.
struct Ranks {
    scratch: Scratch,
    mpi: Mpi,
    launcher: &'static str,
}

impl Deref for Ranks {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        &self.scratch
    }
}

impl Ranks {
    fn new(mpi: Mpi, launcher: &'static str) -> Ranks {
        let scratch = Scratch::with_tagger();
        // Dropout is on: its masks must not depend on the ranks.
        let mut config = scratch.json("model/config.json");
        config["hidden_dropout_prob"] = json!(0.1);
        config["attention_probs_dropout_prob"] = json!(0.1);
        scratch.write("model/config.json", config.to_string());
        // Sixteen sentences to learn, thirteen to evaluate.
        let data = golden::text("run_ner/data.json");
        let lines =
            |count: usize| data.lines().cycle().take(count).map(|line| line.to_owned() + "\n").collect::<String>();
        scratch.write("train.json", lines(16));
        scratch.write("test.json", lines(13));
        Ranks { scratch, mpi, launcher }
    }

    /// A command of so many ranks; the last of several contexts is of one.
    fn command(&self, ranks: usize, contexts: &[&str]) -> Command {
        let program = program::path();
        let mut command =
            program::isolated(if ranks == 1 { program.as_path() } else { Path::new(self.launcher) }, self.folder());
        let words = contexts.iter().map(|context| context.split_whitespace());
        for (number, words) in words.enumerate() {
            if ranks > 1 {
                let count = if number == 0 { ranks + 1 - contexts.len() } else { 1 };
                command.args((number > 0).then_some(":"));
                if self.mpi == Mpi::Open {
                    command.arg("--oversubscribe");
                }
                if number == 0 || self.mpi == Mpi::Open {
                    command.args(["--bind-to", "none"]);
                }
                command.args(["-n", &count.to_string()]).arg(&program);
            }
            command.args(words);
        }
        // The tests may run as root, in a container of few processors.
        for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_mpi_yield_when_idle"] {
            command.env(name, "1");
        }
        command.env("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
        command
    }

    fn run(&self, ranks: usize, words: &str) -> Ran {
        Ran::of(&mut self.command(ranks, &[words]))
    }

    #[track_caller]
    fn good(&self, ranks: usize, words: &str) -> Ran {
        self.run(ranks, words).ended(0)
    }

    /// The weights of a finished model, tensor by tensor.
    fn weights(&self, folder: &str) -> Vec<(String, Vec<f32>)> {
        let bytes = fs::read(self.path(folder).join("model.safetensors")).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let tensors = header.iter().filter(|(name, _)| *name != "__metadata__").map(|(name, tensor)| {
            let at = |i: usize| 8 + length + tensor["data_offsets"][i].as_u64().unwrap() as usize;
            let words = bytes[at(0)..at(1)].chunks_exact(4);
            (name.clone(), words.map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect())
        });
        tensors.collect()
    }

    fn losses(&self, folder: &str) -> Vec<f64> {
        let state = self.json(&format!("{folder}/trainer_state.json"));
        state["log_history"].as_array().unwrap().iter().filter_map(|record| record["loss"].as_f64()).collect()
    }
}

/// Lines on stderr that are our own errors.
fn errors(output: &Ran) -> Vec<String> {
    output.stderr.lines().filter(|line| line.contains("error: ")).map(str::to_owned).collect()
}

/// Twenty steps of eight sentences on any number of ranks.
fn train(ranks: usize, output: &str) -> String {
    format!(
        "train --model_name_or_path model --train_file train.json --do_train --output_dir {output} --max_steps 20 \
         --per_device_train_batch_size {} --learning_rate 1e-2 --adam_epsilon 1e-3 --weight_decay 0.01 \
         --logging_steps 1 --save_strategy no --seed 7 --threads 1",
        8 / ranks
    )
}

#[track_caller]
fn assert_close(scratch: &Ranks, one: &str, other: &str, apart: (f64, f32)) {
    let (a, b) = (scratch.losses(one), scratch.losses(other));
    assert_eq!(a.len(), b.len());
    for (step, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!((a / b - 1.0).abs() <= apart.0, "step {step}: {one} has {a}, {other} has {b}");
    }
    for ((name, a), (_, b)) in scratch.weights(one).iter().zip(scratch.weights(other)) {
        let largest = a.iter().fold(0.0, |most: f32, x| most.max(x.abs()));
        let worst = a.iter().zip(&b).fold(0.0, |worst: f32, (a, b)| worst.max((a - b).abs()));
        assert!(worst <= apart.1 * largest.max(1e-3), "{name}: {one} and {other} are {worst} apart, of {largest}");
    }
}

fn ranks_learn_what_one_process_learns_and_the_same_bits_again(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    scratch.good(1, &train(1, "one"));
    assert!(scratch.losses("one").len() == 20);
    for ranks in [2, 4] {
        let output = scratch.good(ranks, &train(ranks, &format!("of-{ranks}")));
        assert_close(&scratch, "one", &format!("of-{ranks}"), (LOSS_APART, WEIGHT_APART));
        // One prints; and it says how long ranks wait.
        let (out, err) = (output.stdout, output.stderr);
        assert_eq!(out.matches("***** train metrics *****").count(), 1, "{out}");
        assert_eq!(err.matches("note: memory: ").count(), 1, "{err}");
        assert_eq!(out.matches("'wait_per_step'").count(), 20, "{out}");
        scratch.good(ranks, &train(ranks, &format!("again-{ranks}")));
        assert!(scratch.weights(&format!("of-{ranks}")) == scratch.weights(&format!("again-{ranks}")), "{ranks} ranks");
        assert_eq!(scratch.losses(&format!("of-{ranks}")), scratch.losses(&format!("again-{ranks}")));
    }
    // Wrong twins: another seed of dropout, and a batch of half the size.
    scratch.good(1, &train(1, "seed").replace("--seed 7", "--seed 8 --data_seed 7"));
    scratch.good(1, &train(2, "half"));
    for twin in ["seed", "half"] {
        let (a, b) = (scratch.losses("one"), scratch.losses(twin));
        assert!(a.iter().zip(b).any(|(a, b)| (a / b - 1.0).abs() > 100.0 * LOSS_APART), "{twin} passes");
    }
}

fn ranks_with_an_emulated_gpu_each_learn_what_one_process_learns(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    let short = |ranks, output: &str| train(ranks, output).replace("--max_steps 20", "--max_steps 6");
    scratch.good(1, &short(1, "cpu"));
    scratch.good(1, &(short(1, "one") + " --device emulated"));
    for output in ["two", "again"] {
        let said = scratch.good(2, &(short(2, output) + " --device emulated")).stderr;
        // They say how gradients travel, once.
        let how = "gradients travel through host memory: emulated GPUs have no links\n";
        assert_eq!(said.matches(how).count(), 1, "{said}");
    }
    for one in ["cpu", "one"] {
        assert_close(&scratch, one, "two", (LOSS_APART, WEIGHT_APART));
    }
    assert!(scratch.weights("two") == scratch.weights("again"));
    // Three ranks of two sentences, where the order of sums matters, for as long as sixteen sentences fill their rounds.
    let six = |output: &str| short(4, output).replace("--max_steps 6", "--max_steps 2") + " --device emulated";
    scratch.good(3, &six("three"));
    scratch.good(1, &six("six").replace("--per_device_train_batch_size 2", "--per_device_train_batch_size 6"));
    assert_close(&scratch, "six", "three", (LOSS_APART, WEIGHT_APART));
    scratch.good(2, &(short(4, "half") + " --device emulated"));
    let (a, b) = (scratch.losses("one"), scratch.losses("half"));
    assert!(a.iter().zip(b).any(|(a, b)| (a / b - 1.0).abs() > 100.0 * LOSS_APART), "half a batch passes");
}

fn accumulation_and_bounded_batches_change_nothing_either(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    scratch.good(1, &(train(1, "one") + " --gradient_accumulation_steps 2"));
    scratch.good(2, &(train(2, "two") + " --gradient_accumulation_steps 2 --batch_tokens 12 --gradient_checkpointing"));
    assert_close(&scratch, "one", "two", (LOSS_APART, WEIGHT_APART));
    // Ranks divide by the weights of all of them. Weights that each rank adds up alone would be others.
    let weighted = " --class_weights inverse --o_weight 0.3 --loss focal --batch_tokens 12 --teacher model";
    scratch.good(1, &(train(1, "one-weighted") + weighted));
    scratch.good(2, &(train(2, "two-weighted") + weighted));
    assert_close(&scratch, "one-weighted", "two-weighted", (LOSS_APART, WEIGHT_APART));
}

fn an_evaluation_of_ranks_is_one_process_s_to_the_bit(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    let evaluate = |ranks: usize| {
        let line = "train --model_name_or_path model --validation_file test.json --test_file test.json --do_eval \
                    --do_predict --return_entity_level_metrics --threads 1 --per_device_eval_batch_size 3 --output_dir";
        scratch.good(ranks, &format!("{line} of-{ranks}"));
        let timeless = |(key, value): (String, Value)| {
            (!key.ends_with("_runtime") && !key.ends_with("_per_second")).then_some((key, value))
        };
        let Value::Object(results) = scratch.json(&format!("of-{ranks}/all_results.json")) else { panic!("no object") };
        (
            results.into_iter().filter_map(timeless).collect::<Map<_, _>>(),
            scratch.read(&format!("of-{ranks}/predictions.txt")),
        )
    };
    let one = evaluate(1);
    assert_eq!(one.1.lines().count(), 13);
    assert_eq!(one.0["eval_samples"], 13);
    for ranks in [2, 4] {
        assert!(evaluate(ranks) == one, "{ranks} ranks");
    }
}

fn ranks_share_one_file_and_its_order_stays(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    let words = ["jo", "lives", "in", "york"];
    let lines = (0..200).map(|i| format!("{}\n", json!({"words": &words[..1 + i % 4]})));
    scratch.write("long.jsonl", lines.collect::<String>());
    for options in ["", " --output-format conll", " --bf16 --output-format parquet"] {
        let tag = |ranks: usize| {
            let said = scratch.good(ranks, &format!("predict --model model long.jsonl --output of-{ranks}{options}"));
            assert!(said.stderr.contains("200 documents, 500 words, 200 windows"), "{}", said.stderr);
            fs::read(scratch.path(&format!("of-{ranks}"))).unwrap()
        };
        let one = tag(1);
        assert!(!one.is_empty() && tag(2) == one && tag(4) == one, "{options}");
    }
    let output = scratch.run(2, "predict --model model -");
    assert!(errors(&output)[0].contains("name a file that all ranks can read"), "{:?}", errors(&output));
    // A bad line: what stands before it is tagged, and one rank says which it is.
    let lines = format!("{}\n{}\n[]\n", json!({"words": ["jo"]}), json!({"words": ["york"]}));
    scratch.write("bad.jsonl", lines);
    let output = scratch.run(2, "predict --model model bad.jsonl");
    let said = errors(&output);
    assert_eq!((output.status, said.len(), output.stdout.lines().count()), (2, 1, 2), "{said:?}");
    assert!(said[0].starts_with("error: bad.jsonl:3: "), "{said:?}");
}

fn a_run_goes_on_with_another_number_of_ranks_and_says_so(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    let saving = |ranks: usize, output: &str| {
        train(ranks, output).replace("--save_strategy no", "--save_steps 10 --validation_file test.json --do_eval")
    };
    scratch.good(1, &saving(1, "whole"));
    scratch.good(4, &saving(4, "parts"));
    fs::remove_dir_all(scratch.path("parts/checkpoint-20")).unwrap();
    let output = scratch.good(2, &(saving(2, "parts") + " --resume_from_checkpoint last"));
    let said = output.stderr;
    assert!(said.contains("the checkpoint is of 4 ranks, this is 2 ranks: an update is of 8 examples"), "{said}");
    assert_close(&scratch, "whole", "parts", (LOSS_APART, WEIGHT_APART));
    assert_eq!(scratch.json("parts/checkpoint-20/loop_state.json")["ranks"], 2);
}

/// Processes whose parent is `parent`.
fn children(parent: u32) -> Vec<u32> {
    let of = |entry: fs::DirEntry| {
        let process: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let its_parent: u32 = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        (its_parent == parent).then_some(process)
    };
    fs::read_dir("/proc").unwrap().flatten().filter_map(of).collect()
}

/// The ranks of a job on this machine: Open MPI's launcher starts them, and MPICH's a process that does.
fn ranks_of(launcher: u32) -> Vec<u32> {
    let started = children(launcher);
    if started.len() == 1 { children(started[0]) } else { started }
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(300), "{what} does not happen");
        sleep(Duration::from_millis(20));
    }
}

fn a_killed_rank_ends_the_job_and_the_last_checkpoint_is_whole(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    let long = train(2, "out")
        .replace("--max_steps 20", "--max_steps 1000000")
        .replace("--save_strategy no", "--save_steps 5 --save_total_limit 3");
    let piped = |command: &mut Command| -> Child {
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the launcher starts")
    };
    let job = piped(&mut scratch.command(2, &[&long]));
    // Not that of one step: a fast run removes it before a slow test looks.
    await_that("a checkpoint", || tagsmith_train::checkpoint::newest(&scratch.path("out")).is_some());
    let ranks = ranks_of(job.id());
    assert_eq!(ranks.len(), 2, "{ranks:?}");
    assert!(Command::new("kill").args(["-9", &ranks[1].to_string()]).status().unwrap().success());
    let output = Ran::from(job.wait_with_output().unwrap());
    assert_ne!(output.status, 0);
    // MPICH's launcher says it on standard output, which leads nowhere here.
    assert!(mpi == Mpi::Mpich || output.stderr.contains("signal 9"), "{}", output.stderr);
    await_that("the other rank's end", || !Path::new(&format!("/proc/{}", ranks[0])).exists());
    // The newest checkpoint is verified when it is taken up, here by one process.
    let newest = tagsmith_train::checkpoint::newest(&scratch.path("out")).unwrap();
    tagsmith_train::checkpoint::verify(&newest).unwrap();
    let step: u64 = newest.to_str().unwrap().rsplit('-').next().unwrap().parse().unwrap();
    let more = format!("--max_steps {} --resume_from_checkpoint last", step + 2);
    scratch.good(1, &long.replace("--max_steps 1000000", &more));
    assert_eq!(scratch.json("out/trainer_state.json")["global_step"], step + 2);
}

fn what_fails_on_every_rank_is_said_once(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    let output = scratch.run(4, &train(4, "out").replace("train.json", "absent.json"));
    assert_eq!(output.status, 2);
    let said = errors(&output);
    assert!(said.len() == 1 && said[0].starts_with("error: absent.json"), "{said:?}");
    assert!(output.stdout.is_empty(), "{}", output.stdout);
    assert!(!scratch.path("out").exists());
    let output = scratch.run(2, "train --no_such_option");
    assert_eq!((output.status, errors(&output).len()), (2, 1), "{}", output.stderr);
    let output = scratch.run(2, "score train.json train.json");
    assert!(errors(&output)[0].contains("`score` runs in one process"), "{}", output.stderr);
}

fn a_rank_that_reads_something_else_ends_the_job(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    // As many sentences, one of them another.
    let train_file = scratch.read("train.json");
    let (first, rest) = train_file.split_once('\n').unwrap();
    let last = rest.lines().nth(3).unwrap();
    assert_ne!(first, last);
    scratch.write("other.json", format!("{last}\n{rest}"));
    let line = train(2, "out");
    let other = line.replace("train.json", "other.json");
    let output = Ran::of(&mut scratch.command(2, &[&line, &other]));
    assert_eq!(output.status, 2, "{}", output.stderr);
    let said = errors(&output);
    assert!(said.len() == 1 && said[0].contains("rank 1 has other data or options than rank 0"), "{said:?}");
    assert!(!scratch.path("out").exists());
    // What only one of them finds out, that one says.
    let output = Ran::of(&mut scratch.command(2, &[&line, &line.replace("train.json", "absent.json")]));
    let said = errors(&output);
    assert!(said.len() == 1 && said[0].starts_with("rank 1: error: absent.json"), "{said:?}");
}

#[test]
fn launchers_without_mpi_are_refused_with_the_command() {
    let scratch = Scratch::empty();
    let mut command = scratch.tagsmith(&train(1, "out"));
    let output = Ran::of(command.envs([("WORLD_SIZE", "4"), ("RANK", "2")]));
    let said = output.stderr;
    assert_eq!(output.status, 2);
    assert!(
        said.contains("torchrun or accelerate started 4 processes") && said.contains("mpirun -n 4 tagsmith"),
        "{said}"
    );
}

fn the_rehearsal_succeeds(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    for ranks in [1, 2, 4] {
        let out = scratch.good(ranks, "env --test").stdout;
        assert_eq!(out.lines().filter(|line| line.starts_with("ok ")).count(), 4, "{out}");
        assert_eq!(out.matches("Test is a success!").count(), 1, "{out}");
    }
    let facts: Value = serde_json::from_str(&scratch.good(2, "env --json").stdout).unwrap();
    assert!(
        facts["mpi"].as_str().unwrap().contains("MPI") && facts["ranks"] == "2, 2 of them on this machine",
        "{facts}"
    );
}

fn accelerate_s_number_of_processes_is_heeded(mpi: Mpi, launcher: &'static str) {
    let scratch = Ranks::new(mpi, launcher);
    let yaml = "distributed_type: MULTI_CPU\nnum_processes: 2\nmixed_precision: bf16\n";
    scratch.write("accelerate.yaml", yaml);
    let with = |ranks, output: &str| train(ranks, output) + " --accelerate_config accelerate.yaml";
    let refused = scratch.run(1, &with(1, "one"));
    assert!(errors(&refused)[0].contains("mpirun -n 2 tagsmith"), "{:?}", errors(&refused));
    let said = scratch.good(2, &with(2, "two")).stderr;
    assert!(said.contains("asks for bf16") && said.contains("note: products in bf16"), "{said}");
}

/// Steps of a span tagger as its log has them.
fn span_records(scratch: &Ranks, output: &str) -> Vec<Value> {
    let state = scratch.json(&format!("{output}/trainer_state.json"));
    // The summary has the clock's share in it.
    let is_timeless = |record: &&Value| record.get("train_runtime").is_none();
    state["log_history"].as_array().unwrap().iter().filter(is_timeless).cloned().collect()
}

fn span_taggers_learn_together_what_one_learns_by_accumulation(mpi: Mpi, launcher: &'static str) {
    for model in ["bi_encoder", "contrastive_cross_encoder"] {
        let scratch = Ranks::new(mpi, launcher);
        scratch.put_span_tagger(model);
        let one_entity = |text: &str, start: usize, end: usize, label: &str| {
            json!({"text": text, "char_spans": [{"start": start, "end": end, "label": label}]}).to_string() + "\n"
        };
        let data = [
            one_entity("jo lives in new york", 0, 2, "person"),
            one_entity("anna works at the mill", 0, 4, "person"),
            one_entity("rotterdam or hamburg", 0, 9, "place"),
            one_entity("hamburg city", 0, 7, "place"),
            one_entity("anna lives in hamburg", 14, 21, "place"),
            one_entity("jo works at the mill", 12, 20, "place"),
        ];
        scratch.write("data.jsonl", data.concat());
        // A text without an entity is not a batch: its rank has nothing to add to the others' step.
        let empty = json!({"text": "the city", "char_spans": []}).to_string() + "\n";
        scratch.write("gaps.jsonl", [&data.concat()[..], &empty, &empty, &empty].concat());
        let loss = if model.starts_with("contrastive") { "contrastive" } else { "bce" };
        let threshold = if model.starts_with("contrastive") { json!("label_token") } else { json!(0.5) };
        let run = |ranks: usize, accumulation: usize, train_file: &str, output: &str| {
            let config = json!({
                "architecture": model, "loss_fn": loss, "prediction_threshold": threshold, "token_encoder": "none",
                "type_encoder": "none", "model_checkpoint": model, "dataset_name": "few", "train_file": train_file,
                "validation_file": "data.jsonl", "test_file": ["data.jsonl"], "output_dir": output, "dropout": 0.1,
                "linear_hidden_size": 12, "span_width_embedding_size": 6, "max_span_length": 4, "max_seq_length": 64,
                "start_loss_weight": 0, "end_loss_weight": 0, "span_loss_weight": 1, "max_steps": 6, "eval_steps": 3,
                "logging_steps": 1, "save_total_limit": 2, "do_train": true, "do_eval": true, "do_predict": true,
                "per_device_train_batch_size": 1, "gradient_accumulation_steps": accumulation,
            });
            scratch.write("run.json", config.to_string());
            scratch.good(ranks, "train_spans run.json --threads 1");
            let timeless = |mut record: Value| {
                let record = record.as_object_mut().unwrap();
                record.retain(|key, _| !key.starts_with("wait_") && key != "epoch");
                record.clone()
            };
            span_records(&scratch, output).into_iter().map(timeless).collect::<Vec<_>>()
        };
        let (one, two) = (run(1, 2, "data.jsonl", "one"), run(2, 1, "data.jsonl", "two"));
        assert!(one.len() == two.len() && one.iter().filter(|record| record.contains_key("grad_norm")).count() == 6);
        for (a, b) in one.iter().zip(&two) {
            // Evaluations have none.
            let apart = |key: &str| a.get(key).map(|x| (x.as_f64().unwrap() - b[key].as_f64().unwrap()).abs());
            assert!(apart("loss").is_none_or(|apart| apart <= 2e-4), "{model}: {a:?} {b:?}");
            let near = |apart: f64| apart <= 1e-3 * a["grad_norm"].as_f64().unwrap();
            assert!(apart("grad_norm").is_none_or(near), "{model}: {a:?} {b:?}");
        }
        assert_eq!(two, run(2, 1, "data.jsonl", "again"), "{model}");
        // The wrong twin: half of the update.
        assert_ne!(run(1, 1, "data.jsonl", "half")[0]["grad_norm"], two[0]["grad_norm"]);
        assert_eq!(run(4, 1, "gaps.jsonl", "gaps"), run(4, 1, "gaps.jsonl", "gaps-again"), "{model}");
        // An evaluation of ranks is that of one, to the bit.
        let evaluator = if model.ends_with("cross_encoder") { "evaluate_cross_encoder" } else { "evaluate_bi_encoder" };
        let figures = |ranks: usize| {
            let line = "--pretrained_model_name_or_path two/best_checkpoint --evaluation_file data.jsonl --threads 1";
            let out = scratch.good(ranks, &format!("{evaluator} {line} --output_dir evals-{ranks}")).stdout;
            let mut files = fs::read_dir(scratch.path(&format!("evals-{ranks}"))).unwrap();
            let file = fs::read_to_string(files.next().unwrap().unwrap().path()).unwrap();
            assert!(files.next().is_none(), "one rank writes");
            (out, file)
        };
        assert_eq!(figures(1), figures(4));
    }
}
