//! Commands as functions: requests in, results out, events recorded; no process, no terminal.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tagsmith_app::compare::{CompareRequest, PlannedRun, PlannedTask, compare};
use tagsmith_app::error::{Refusal, remedy};
use tagsmith_app::events::Recording;
use tagsmith_app::machine::device::DeviceArgs;
use tagsmith_app::options::{
    DataArgs, DecodingArgs, HubArgs, Interval, LearningArgs, MachineArgs, ModelArgs, Origin, OutputArgs, ReportArgs,
    TaskArgs, TimesArgs, TrainArgs,
};
use tagsmith_app::predict::output::{Destination, OutputFormat};
use tagsmith_app::predict::tagger::TaggerOptions;
use tagsmith_app::predict::{PredictOptions, PredictRequest, Work, predict};
use tagsmith_app::score::{ScoreRequest, score};
use tagsmith_app::train::{Hubs, train};
use tagsmith_data::documents::Source;
use tagsmith_hub::{Hub, Settings};
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_testkit::scratch::Scratch;
use tagsmith_train::memory::parse_size;

fn hub(folder: &Path) -> Hub {
    Hub::new(Settings::offline(folder.join("hub"), "a test forbids connections"), |_| {})
}

fn hubs(folder: &Path) -> Hubs {
    Hubs { downloads: hub(folder), uploads: hub(folder) }
}

/// Returns a training of one epoch, an update a pair of sentences, with an evaluation at its end.
fn training(folder: &Path) -> TrainArgs {
    let data = folder.join("data.json").display().to_string();
    TrainArgs {
        tasks: TaskArgs { do_train: true, do_eval: true, do_predict: false },
        output: OutputArgs {
            output_dir: folder.join("out"),
            overwrite_output_dir: false,
            resume_from_checkpoint: None,
        },
        machine: MachineArgs { device: DeviceArgs::default(), threads: Some(1), bf16: false, data_memory: None },
        reporting: ReportArgs::default(),
        model: ModelArgs {
            model_name_or_path: folder.join("model").display().to_string(),
            config_name: None,
            tokenizer_name: None,
            model_revision: "main".into(),
            ignore_mismatched_sizes: false,
            ignore_mismatched_labels: false,
            head: None,
        },
        data: DataArgs {
            task_name: "ner".into(),
            dataset_name: None,
            dataset_config_name: None,
            dataset_revision: None,
            train_file: Some(data.clone()),
            validation_file: Some(data),
            test_file: None,
            text_column_name: None,
            label_column_name: None,
            labels: None,
            bare_tags: false,
            allow_degenerate_data: false,
            label_scheme: "auto".into(),
            shuffle_seed: None,
            validation_size: None,
            split_seed: 42,
            max_seq_length: None,
            max_train_samples: None,
            max_eval_samples: None,
            max_predict_samples: None,
            label_all_tokens: false,
            label_all_tokens_as: "inside".into(),
        },
        decoding: DecodingArgs::default(),
        learning: LearningArgs {
            num_train_epochs: 1.0,
            max_steps: None,
            per_device_train_batch_size: 2,
            gradient_accumulation_steps: 1,
            batch_tokens: Some(4096),
            learning_rate: 1e-2,
            head_learning_rate: None,
            layer_lr_decay: 1.0,
            dropout: None,
            lr_scheduler_type: "linear".into(),
            lr_scheduler_kwargs: Map::new(),
            warmup_steps: 0.0,
            weight_decay: 0.0,
            adam_beta1: 0.9,
            adam_beta2: 0.999,
            adam_epsilon: 1e-8,
            max_grad_norm: 1.0,
            label_smoothing_factor: 0.0,
            loss: "cross_entropy".into(),
            focal_gamma: None,
            dice_alpha: None,
            teacher: None,
            distill_alpha: None,
            distill_temperature: None,
            class_weights: "none".into(),
            o_weight: None,
            loss_scaling: "token".into(),
            freeze: Vec::new(),
            gradient_checkpointing: false,
            train_sampling_strategy: "random".into(),
            dataloader_drop_last: false,
            seed: 7,
            data_seed: 7,
        },
        times: TimesArgs {
            logging_strategy: Interval::Epoch,
            logging_steps: 500.0,
            logging_first_step: false,
            eval_strategy: Interval::No,
            eval_steps: 500.0,
            eval_delay: 0.0,
            eval_on_start: false,
            per_device_eval_batch_size: 8,
            return_entity_level_metrics: false,
            detailed_scores: false,
            prediction_loss_only: false,
            save_strategy: Interval::No,
            save_steps: 500.0,
            save_total_limit: None,
            save_only_model: false,
            load_best_model_at_end: false,
            metric_for_best_model: None,
            greater_is_better: true,
            early_stopping_patience: None,
            early_stopping_threshold: 0.0,
        },
        hub: HubArgs::default(),
        rim: Map::new(),
        origin: Origin::default(),
    }
}

#[test]
fn a_training_reports_what_happens_and_returns_its_results() {
    let folder = Scratch::with_tagger();
    let args = training(folder.folder());
    let mut events = Recording::default();
    let finished = train(&args, &hubs(folder.folder()), &World::alone(), &mut events).unwrap();
    assert_eq!((finished.name.as_str(), finished.metric.as_str()), ("out", "f1"));
    assert_eq!(events.updates, 5, "ten sentences, two an update");
    let measured: Vec<&String> = events.events.iter().filter(|event| event.starts_with("measured")).collect();
    assert_eq!(measured, ["measured train", "measured eval"]);
    let notes: Vec<String> = events.notes.iter().map(ToString::to_string).collect();
    assert!(notes.iter().any(|note| note.starts_with("train: ")), "{notes:?}");
    let written: Value = serde_json::from_slice(&fs::read(folder.path("out/all_results.json")).unwrap()).unwrap();
    for name in ["eval_f1", "eval_loss", "train_loss"] {
        assert_eq!(finished.results[name], written[name], "{name}");
    }

    // A second run into the same folder is refused, with what can be done about it as data.
    let error = train(&args, &hubs(folder.folder()), &World::alone(), &mut events).err().unwrap();
    assert!(error.downcast_ref::<Refusal>().is_some(), "{error:#}");
    let want = Remedy::AnyOf(vec![Remedy::set(Setting::OverwriteOutput).so_as("to write over it")]);
    assert_eq!(remedy(&error), Some(want));
}

#[test]
fn a_comparison_goes_on_after_what_failed() {
    let folder = Scratch::with_tagger();
    let run = |name: &str, change: &dyn Fn(&mut TrainArgs)| {
        let mut args = training(folder.folder());
        args.output.output_dir = folder.path("all").join(name);
        change(&mut args);
        let task = PlannedTask::Tokens(Box::new((args, hubs(folder.folder()))));
        PlannedRun { name: name.into(), task, notes: Vec::new() }
    };
    let runs = vec![run("plain", &|_| {}), run("lost", &|args| args.data.train_file = Some("no/such/file".into()))];
    let mut events = Recording::default();
    let request = CompareRequest { output_dir: folder.path("all"), rungs: vec![runs], eta: 1 };
    let (table, outcome) = compare(request, &World::alone(), &mut events);
    assert!(outcome.unwrap_err().to_string().contains("the run `lost`"));
    assert!(table.unwrap().contains("plain"));
    let runs: Vec<&str> = events
        .events
        .iter()
        .map(String::as_str)
        .filter(|it| it.ends_with(" begins") || it.ends_with(" ends"))
        .collect();
    assert_eq!(runs, ["plain begins", "plain ends", "lost begins"]);
}

/// The best two of a rung's four trials go on, by their evaluations' loss.
#[test]
fn the_better_trials_of_a_rung_go_on() {
    let folder = Scratch::with_tagger();
    let rung = |rung: usize| {
        let trial = |trial: usize| {
            let mut args = training(folder.folder());
            args.output.output_dir = folder.path("all").join(format!("{rung}-{trial}"));
            // The second and the fourth learn something.
            args.learning.learning_rate = if trial % 2 == 1 { 0.01 } else { 1e-9 };
            args.times.metric_for_best_model = Some("loss".into());
            args.times.greater_is_better = false;
            let task = PlannedTask::Tokens(Box::new((args, hubs(folder.folder()))));
            PlannedRun { name: format!("{rung}-{trial}"), task, notes: Vec::new() }
        };
        (0..4).map(trial).collect::<Vec<_>>()
    };
    let mut events = Recording::default();
    let request = CompareRequest { output_dir: folder.path("all"), rungs: vec![rung(0), rung(1)], eta: 2 };
    let (table, outcome) = compare(request, &World::alone(), &mut events);
    outcome.unwrap();
    let table = table.unwrap();
    let figure = |name: &str| -> f64 {
        let file = folder.path("all").join(name).join("all_results.json");
        serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap()["eval_loss"].as_f64().unwrap()
    };
    assert!(figure("0-1") < figure("0-0") && figure("0-3") < figure("0-2"));
    let made: Vec<String> =
        ["1-0", "1-1", "1-2", "1-3"].iter().filter(|it| table.contains(*it)).map(|it| (*it).to_owned()).collect();
    assert_eq!(made, ["1-1", "1-3"], "{table}");
    assert!(!folder.path("all/1-0").exists());
}

/// A stream whose bytes a test can see.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn options(model: PathBuf) -> PredictOptions {
    PredictOptions {
        model: model.display().to_string(),
        input_format: None,
        text_column: None,
        tagger: TaggerOptions::default(),
        threads: Some(1),
    }
}

#[test]
fn documents_of_a_stream_are_tagged_into_a_stream() {
    let folder = Scratch::with_tagger();
    let mut args = training(folder.folder());
    args.tasks.do_eval = false;
    let mut events = Recording::default();
    train(&args, &hubs(folder.folder()), &World::alone(), &mut events).unwrap();
    let request = |text: &str, options: PredictOptions| {
        let out = Shared::default();
        let work = Work::One {
            source: Source::Stream { name: "a stream".into(), bytes: Box::new(Cursor::new(text.to_owned())) },
            destination: Destination::Stream(Box::new(out.clone())),
            format: OutputFormat::Jsonl,
        };
        (PredictRequest { work, options }, out)
    };
    let (asked, out) = request("one two three\nfour\n", options(folder.path("out")));
    let predicted = predict(asked, &hub(folder.folder()), &World::alone(), &mut events).unwrap();
    assert_eq!((predicted.documents, predicted.words), (2, 4));
    let lines = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((lines.lines().count(), &first["text"]), (2, &Value::from("one two three")));

    // A model with labels of its own looks for no others.
    let mut with_labels = options(folder.path("out"));
    with_labels.tagger.labels = Some(Value::from(vec!["person"]));
    let (asked, _) = request("one\n", with_labels);
    let error = predict(asked, &hub(folder.folder()), &World::alone(), &mut events).err().unwrap();
    assert!(remedy(&error) == Some(Remedy::Unset(Setting::Labels)));
}

#[test]
fn labels_are_scored_and_refusals_name_settings() {
    let folder = Scratch::empty();
    let file = |name: &str, content: &str| {
        let path = folder.folder().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let gold = file("gold.conll", "Jo B-PER\nmoved O\n\nGraz B-LOC\n");
    let pred = file("predictions.txt", "B-PER O\nO\n");
    let scored = score(&ScoreRequest { gold: gold.clone(), pred: Some(pred), ..ScoreRequest::default() }).unwrap();
    assert_eq!(scored.f1(), 2.0 / 3.0);
    assert_eq!(scored.json(&ToString::to_string)["number"], 2);

    let json = file("both.jsonl", "{\"tokens\": [\"a\"], \"ner_tags\": [\"O\"]}\n");
    let error = score(&ScoreRequest { gold: json, ..ScoreRequest::default() }).unwrap_err();
    let named = Remedy::AnyOf(vec![Remedy::set(Setting::PredColumn), Remedy::to_do("name the predictions' file")]);
    assert_eq!(remedy(&error), Some(named));
}

/// Returns what a run left, by file: JSON without times, everything else as it is. The options are left out.
fn left_by(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn without_times(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.retain(|name, _| !name.ends_with("runtime") && !name.ends_with("per_second"));
                map.values_mut().for_each(without_times);
            }
            Value::Array(values) => values.iter_mut().for_each(without_times),
            _ => {}
        }
    }
    let mut left = BTreeMap::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name != "training_args.json" && name != "manifest.json" && name != "report.html" {
                let mut bytes = fs::read(&path).unwrap();
                if name.ends_with(".json") {
                    let mut value = serde_json::from_slice(&bytes).unwrap();
                    without_times(&mut value);
                    bytes = value.to_string().into_bytes();
                }
                if name == "README.md" {
                    let folder = run.parent().unwrap().to_str().unwrap();
                    bytes = String::from_utf8(bytes).unwrap().replace(folder, "FOLDER").into_bytes();
                }
                left.insert(path.strip_prefix(run).unwrap().to_owned(), bytes);
            }
        }
    }
    left
}

#[test]
fn sentences_in_a_file_are_learned_evaluated_and_tagged_alike() {
    let run = |change: &dyn Fn(&mut TrainArgs)| {
        let folder = Scratch::with_tagger();
        let mut args = training(folder.folder());
        args.tasks.do_predict = true;
        args.data.test_file = args.data.train_file.clone();
        args.learning.num_train_epochs = 2.0;
        args.times.save_strategy = Interval::Epoch;
        args.reporting.html_report = true;
        // Sentences that are cut are tagged in windows.
        args.data.max_seq_length = Some(8);
        change(&mut args);
        let mut events = Recording::default();
        train(&args, &hubs(folder.folder()), &World::alone(), &mut events).unwrap();
        let in_files = events.notes.iter().filter(|note| note.what.plural().contains(" are in a file in ")).count();
        let others = |note: &&Note| {
            !note.what.plural().contains(" are in a file in ") && !note.what.plural().starts_with("memory: ")
        };
        let notes: Vec<String> = events.notes.iter().filter(others).map(ToString::to_string).collect();
        let here = folder.folder().display().to_string();
        let notes: Vec<String> = notes.iter().map(|note| note.replace(&here, "")).collect();
        (in_files, notes, left_by(&args.output.output_dir))
    };
    let (in_files, notes, in_memory) = run(&|_| {});
    assert_eq!(in_files, 0);
    for name in ["model.safetensors", "predictions.txt", "trainer_state.json"] {
        assert!(in_memory.contains_key(Path::new(name)), "{name}");
    }
    // Nothing at all, and the first sentences alone, stay in memory. Three splits, of which texts and pieces lie in files.
    for (bytes, want) in [(0, 6), (100, 6)] {
        let (in_files, notes_now, left) = run(&|args| args.machine.data_memory = Some(bytes));
        assert_eq!(in_files, want, "{bytes}");
        assert!(notes_now == notes, "{notes_now:?} {notes:?}");
        assert!(left.keys().eq(in_memory.keys()), "{bytes}: {:?}", left.keys());
        let other: Vec<_> =
            left.iter().filter(|(name, content)| in_memory[*name] != **content).map(|it| it.0).collect();
        assert!(other.is_empty(), "{bytes}: {other:?}");
    }
    // Another order is seen.
    let (_, _, twin) = run(&|args| (args.machine.data_memory, args.learning.data_seed) = (Some(0), 8));
    assert!(twin.keys().eq(in_memory.keys()) && twin != in_memory);
    // So is a part that is held out of a shuffled split.
    let divided = |bytes| {
        run(&|args| {
            (args.data.validation_file, args.data.validation_size) = (None, Some(3.0));
            (args.data.shuffle_seed, args.machine.data_memory) = (Some(1), bytes);
        })
    };
    let (of_memory, of_file) = (divided(None), divided(Some(0)));
    assert!(of_memory.2 == of_file.2 && of_memory.1 == of_file.1 && of_memory.2 != in_memory);
}

/// Names the number of sentences to a process that reads them.
#[cfg(target_os = "linux")]
const SENTENCES: &str = "TAGSMITH_TEST_SENTENCES";

/// What a process has had stays with it: each number of sentences is read in one of its own.
#[cfg(target_os = "linux")]
#[test]
fn reading_takes_what_the_plan_says() {
    if let Ok(sentences) = std::env::var(SENTENCES) {
        return read_and_measure(sentences.parse().unwrap());
    }
    let measured = |sentences: usize| {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "reading_takes_what_the_plan_says", "--nocapture"]);
        let ran = alone.env(SENTENCES, sentences.to_string()).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
        let line = said.lines().find_map(|line| line.split_once("measured ").map(|(_, rest)| rest.to_owned()));
        let numbers: Vec<f64> = line.unwrap().split(' ').map(|number| number.parse().unwrap()).collect();
        <[f64; 3]>::try_from(numbers).unwrap()
    };
    let (few, many) = (measured(5_000), measured(200_000));
    let [grown, planned, learned] = [0, 1, 2].map(|at| many[at] - few[at]);
    assert!(grown > 10e6, "{grown}");
    let share = grown / planned;
    assert!((0.85..=1.15).contains(&share), "grew by {grown}, planned {planned}");
    // A plan that forgets the texts is refused.
    assert!(!(0.85..=1.15).contains(&(grown / learned)), "grew by {grown}, without texts {learned}");
}

/// Trains one update on so many short sentences. Says the peak of the process, the plan, and the plan's pieces alone.
#[cfg(target_os = "linux")]
#[allow(clippy::print_stdout)]
fn read_and_measure(sentences: usize) {
    let folder = Scratch::with_tagger();
    let mut text = String::new();
    for number in 0..sentences {
        let words = 4 + number % 7;
        (0..words).for_each(|at| text += &format!("word{} {}\n", number * 7 + at, ["O", "B-PER", "I-PER"][at % 3]));
        text.push('\n');
    }
    let file = folder.path("train.conll");
    fs::write(&file, &text).unwrap();
    drop(text);
    let mut args = training(folder.folder());
    args.tasks.do_eval = false;
    args.times.eval_strategy = Interval::No;
    args.data.validation_file = None;
    args.data.train_file = Some(file.display().to_string());
    args.learning.max_steps = Some(1);
    args.model.ignore_mismatched_sizes = true;
    args.model.ignore_mismatched_labels = true;
    args.data.text_column_name = Some("0".into());
    args.data.label_column_name = Some("1".into());
    let mut events = Recording::default();
    train(&args, &hubs(folder.folder()), &World::alone(), &mut events).unwrap();
    let memory = events.notes.iter().find_map(|note| note.what.plural().strip_prefix("memory: ")).unwrap();
    let size = |text: &str| parse_size(text).unwrap_or_else(|| panic!("{memory}"));
    let total = size(memory.split(": ").next().unwrap());
    let data = memory.split("data ").nth(1).unwrap().split([';', '(']).next().unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let peak = peak.trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
    println!("measured {peak} {total} {}", size(data));
}
