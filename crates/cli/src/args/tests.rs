//! The table and the parser against what transformers says (golden/arguments/options.json, oracle/arguments.py), and our
//! own rules one by one.

use super::option::{Fate, Kind, NO_DEVICE, Opt, Vocabulary};
use super::parse::{UsageError, command_line, json_file};
use super::program::{RUN_NER, WITHOUT_TRAINER};
use super::table::OPTIONS;
use super::value::Value;
use super::{parse, train};
use crate::args::values::{Values, settle};
use serde_json::Value as Json;
use std::path::Path;
use tagsmith_app::options::{Interval, Resume, TrainArgs};

fn golden() -> Json {
    serde_json::from_str(include_str!("../../../../golden/arguments/options.json")).unwrap()
}

fn row(name: &str) -> &'static Opt {
    OPTIONS.iter().find(|option| option.name == name).unwrap_or_else(|| panic!("`{name}` is not in the table"))
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(String::from).collect()
}

/// The values of a line after `--model_name_or_path m`, as the golden file writes them: those that differ from the
/// defaults, whatever their fate.
fn changed(line: &str) -> Result<serde_json::Map<String, Json>, UsageError> {
    let mut map = serde_json::Map::new();
    for one in command_line(&words(line), &RUN_NER)? {
        let json = match &one.value {
            Value::Flag(on) => Json::from(*on),
            Value::Int(number) => Json::from(*number),
            Value::Float(number) => Json::from(*number),
            Value::Text(text) => Json::from(text.clone()),
            Value::List(words) => Json::from(words.clone()),
            Value::Dict(object) => Json::from(Json::Object(object.clone()).to_string()),
        };
        map.remove(one.option.name);
        // Unset and empty differ in the golden file, but not to `is_default_of`.
        if RUN_NER.default_value(one.option) != Some(one.value) {
            map.insert(one.option.name.into(), json);
        }
    }
    Ok(map)
}

#[test]
fn every_option_of_run_ner_has_its_type_and_default() {
    let golden = golden();
    for (vocabulary, part) in
        [(Vocabulary::New, "run_ner"), (Vocabulary::New, "transformers 5"), (Vocabulary::Old, "transformers 4")]
    {
        for theirs in golden[part].as_array().unwrap() {
            let name = theirs["name"].as_str().unwrap();
            let ours = row(name);
            assert!(ours.vocabulary <= vocabulary, "`{name}` is of {part}");
            check_kind(ours, theirs);
            check_default(ours, &theirs["default"], part);
        }
    }
    let known: Vec<_> = ["run_ner", "transformers 5", "transformers 4"]
        .iter()
        .flat_map(|part| golden[*part].as_array().unwrap())
        .map(|row| row["name"].as_str().unwrap())
        .chain(["evaluation_strategy", "use_auth_token"])
        .collect();
    for ours in OPTIONS.iter().filter(|option| option.vocabulary != Vocabulary::Beyond) {
        assert!(known.contains(&ours.name), "`{}` is in no vocabulary of run_ner.py", ours.name);
    }
}

fn check_kind(ours: &Opt, theirs: &Json) {
    let kind = theirs["kind"].as_str().unwrap();
    let agrees = match ours.kind {
        Kind::Flag => matches!(kind, "flag" | "optional flag"),
        Kind::Int => kind == "int",
        // In transformers 4 the warm-up was whole.
        Kind::Float => kind == "float" || ours.name == "warmup_steps",
        // A word is taken where their parser takes true and false alone but their class three words.
        Kind::Text => matches!(kind, "string" | "object") || ours.name == "include_num_input_tokens_seen",
        Kind::Choice(_) => matches!(kind, "choice" | "string"),
        Kind::List => matches!(kind, "list" | "string"),
        Kind::Dict => matches!(kind, "string" | "dict" | "object"),
    };
    assert!(agrees, "`{}` is {:?} here and {kind} there", ours.name, ours.kind);
    if let (Kind::Choice(words), Some(choices)) = (ours.kind, theirs["choices"].as_array()) {
        for choice in choices {
            assert!(words.contains(&choice.as_str().unwrap()), "`{}` has no {choice}", ours.name);
        }
    }
}

fn check_default(ours: &Opt, theirs: &Json, part: &str) {
    let same = match (RUN_NER.default_value(ours), theirs) {
        (None, Json::Null) => true,
        (None, Json::Bool(false)) => ours.kind == Kind::Flag,
        (None, Json::Array(items)) => items.is_empty(),
        (None, Json::String(text)) => text.is_empty(),
        (Some(Value::Flag(a)), b) => b == a,
        (Some(Value::Int(a)), b) => b.as_i64() == Some(a),
        (Some(Value::Float(a)), b) => b.as_f64() == Some(a),
        (Some(Value::Text(a)), b) => b.as_str() == Some(&a),
        _ => false,
    };
    // Where the two versions differ, ours is version 5's.
    let moved = part == "transformers 4"
        && ["report_to", "trackio_space_id", "include_num_input_tokens_seen"].contains(&ours.name);
    assert!(same || moved, "`{}` is {:?} here and {theirs} in {part}", ours.name, ours.default);
}

#[test]
fn command_lines_read_as_transformers_reads_them() {
    for case in golden()["cases"].as_array().unwrap() {
        let line = case["line"].as_str().unwrap();
        let ours = changed(line);
        let error = match case.get("values") {
            Some(values) => {
                assert_eq!(ours.map(Json::Object).as_ref(), Ok(values), "{line}");
                continue;
            }
            None => case["error"].as_str().unwrap(),
        };
        let candidates: Vec<_> = case["candidates"].as_array().into_iter().flatten().collect();
        if let [only] = candidates[..] {
            // Python before 3.12 finds an option's two spellings ambiguous; newer ones do not, nor do we.
            assert!(ours.unwrap().contains_key(only.as_str().unwrap()), "{line}");
            continue;
        }
        match (error, ours.expect_err(line)) {
            ("ambiguous", UsageError::Ambiguous { could, .. }) => {
                let mut could: Vec<_> = could.iter().map(|name| Json::from(name.trim_matches(['`', '-']))).collect();
                could.sort_by_key(|name| name.to_string());
                assert_eq!(could.iter().collect::<Vec<_>>(), candidates, "{line}");
            }
            ("unknown", UsageError::Unknown { spelled, .. } | UsageError::Stray(spelled)) => {
                assert_eq!(spelled, case["strangers"][0].as_str().unwrap(), "{line}");
            }
            ("no value", UsageError::NoValue { .. }) => {}
            ("needless value", UsageError::NeedlessValue { .. }) => {}
            ("wrong value", UsageError::WrongValue { .. }) => {}
            (_, ours) => panic!("{line}: {error} there, {ours:?} here"),
        }
    }
}

/// A value that differs from the default.
fn other_value(option: &Opt) -> String {
    match (option.name, option.kind) {
        ("checkpointing_steps", _) => "epoch".into(),
        ("warmup_ratio", _) => "0.5".into(),
        (_, Kind::Flag) => (option.default != Some("true")).to_string(),
        (_, Kind::Int) => "3".into(),
        (_, Kind::Float) => "0.25".into(),
        (_, Kind::Text | Kind::List) => "x".into(),
        (_, Kind::Choice(words)) => words.iter().find(|&&word| option.default != Some(word)).unwrap().to_string(),
        (_, Kind::Dict) => r#"{"a":"1"}"#.into(),
    }
}

#[test]
fn every_option_meets_its_fate() {
    for option in OPTIONS {
        let line = format!("--{} {}", option.name, other_value(option));
        let settled = settle(&command_line(&words(&line), &RUN_NER).unwrap(), &RUN_NER);
        match option.fate {
            Fate::Works => {
                let (values, lines) = settled.unwrap();
                assert!(values.is_given(option.name), "{line}");
                assert_eq!(lines, [""; 0], "{line}");
            }
            Fate::NoEffect => {
                let (_, lines) = settled.unwrap();
                assert_eq!(lines, [format!("`--{}` changes nothing: {}", option.name, option.text)]);
            }
            Fate::Renamed(to) => {
                let (values, lines) = settled.unwrap();
                assert!(row(to).kind == Kind::Float || row(to).kind == option.kind, "{line}");
                assert_eq!(lines.len(), 1, "{line}");
                let without_effect = matches!(row(to).fate, Fate::NoEffect);
                assert!(without_effect || values.is_given(to), "{line}");
                assert!(without_effect == lines[0].contains("changes nothing"), "{line}");
            }
            Fate::Translated(into) => {
                let (values, lines) = settled.unwrap();
                for (to, word) in into(&other_value(option)).unwrap() {
                    assert!(values.is_given(to), "{line}");
                    assert!(lines[0].contains(&format!("`--{to} {word}`")), "{lines:?}");
                }
            }
            Fate::Device(into) => {
                let typed = if option.kind == Kind::Flag { "true" } else { "0" };
                let device = into(typed).expect("it says something");
                let line = format!("--{} {typed}", option.name);
                let (values, lines) = settle(&command_line(&words(&line), &RUN_NER).unwrap(), &RUN_NER).unwrap();
                assert_eq!(values.text("device"), Some(device.clone()));
                assert_eq!(lines, [format!("`--{}` is called `--device {device}` now", option.name)]);
                if option.kind != Kind::Flag {
                    let line = format!("--{} {}", option.name, if option.kind == Kind::Int { "77" } else { "77x" });
                    let error = settle(&command_line(&words(&line), &RUN_NER).unwrap(), &RUN_NER).unwrap_err();
                    assert!(error.to_string().ends_with(&format!(" cannot be honored: {NO_DEVICE}")), "{error}");
                }
            }
            Fate::Refused => {
                let error = settled.unwrap_err();
                assert_eq!(error.to_string(), format!("`--{}` cannot be honored: {}", option.name, option.text));
                assert_eq!(error.hint("train"), format!("leave `--{}` out", option.name));
            }
            Fate::Devices(without) => {
                let error = settled.unwrap_err();
                assert!(error.to_string().ends_with(&format!(" cannot be honored: {NO_DEVICE}")), "{line}: {error}");
                assert_eq!(error.hint("train"), format!("leave `--{}` out", option.name));
                for value in without {
                    let line = format!("--{} {value}", option.name);
                    let (_, lines) = settle(&command_line(&words(&line), &RUN_NER).unwrap(), &RUN_NER).unwrap();
                    assert_eq!(lines, [format!("`{line}` changes nothing: {NO_DEVICE}")]);
                }
            }
        }
    }
}

#[test]
fn a_default_given_says_nothing_and_is_never_refused() {
    for option in OPTIONS {
        let Some(default) = option.default else { continue };
        if matches!(option.fate, Fate::Renamed(_) | Fate::Translated(_)) {
            continue;
        }
        let given = command_line(&[format!("--{}={default}", option.name)], &RUN_NER).unwrap();
        let (_, lines) = settle(&given, &RUN_NER).unwrap();
        assert_eq!(lines, [""; 0], "{}", option.name);
    }
}

#[test]
fn names_are_unique_and_lines_of_help_short() {
    for (index, option) in OPTIONS.iter().enumerate() {
        assert!(OPTIONS[..index].iter().all(|earlier| earlier.name != option.name), "{} twice", option.name);
        assert!(!option.text.is_empty(), "{}", option.name);
    }
}

fn resolved(line: &str) -> Result<(TrainArgs, Vec<String>), UsageError> {
    parse(&words(line), Path::new("/nonexistent"), &RUN_NER).map(|line| (line.args, line.lines))
}

const BASE: &str = "--model_name_or_path m --dataset_name d --output_dir o --do_train";

fn good(more: &str) -> (TrainArgs, Vec<String>) {
    resolved(&format!("{BASE} {more}")).unwrap_or_else(|error| panic!("{more}: {error}"))
}

fn bad(line: &str) -> String {
    let error = resolved(line).expect_err(line);
    format!("{error}; {}", error.hint("train"))
}

#[test]
fn memory_for_sentences_is_a_size() {
    let resolve = |size: &str| resolved(&format!("{BASE} --data_memory {size}"));
    let memory = |size: &str| resolve(size).unwrap().0.machine.data_memory;
    assert_eq!(["500MB", "1.5gb", "0"].map(memory), [500_000_000, 1_500_000_000, 0].map(Some));
    assert_eq!(resolved(BASE).unwrap().0.machine.data_memory, None);
    let refused = resolve("2GiB").unwrap_err().to_string();
    assert!(refused.contains("--data_memory") && refused.contains("a size such as `500MB` or `2GB`"), "{refused}");
}

#[test]
fn the_seeds_command_lines_resolve() {
    let (args, lines) = resolved(
        "--model_name_or_path ARBERTv2 --do_train --per_device_train_batch_size 32 --per_device_eval_batch_size 16 \
         --gradient_accumulation_steps 4 --max_seq_length 256 --gradient_checkpointing --num_train_epochs 10 \
         --dataset_name areta_v4 --output_dir out --learning_rate 5e-5 --evaluation_strategy epoch \
         --save_strategy epoch --logging_steps 50 --save_total_limit 2 --seed 7 --overwrite_output_dir \
         --text_column words --label_column tags --dataloader_num_workers 4 --dataloader_pin_memory True \
         --cache_dir cache --load_best_model_at_end --metric_for_best_model f1 --fp16",
    )
    .unwrap();
    assert_eq!(args.data.text_column_name.as_deref(), Some("words"));
    assert_eq!(args.data.label_column_name.as_deref(), Some("tags"));
    assert_eq!((args.times.eval_strategy, args.times.save_strategy), (Interval::Epoch, Interval::Epoch));
    assert_eq!((args.learning.per_device_train_batch_size, args.learning.gradient_accumulation_steps), (32, 4));
    assert_eq!(
        (args.data.max_seq_length, args.times.save_total_limit, args.learning.seed, args.learning.data_seed),
        (Some(256), Some(2), 7, 7)
    );
    assert!(
        args.learning.gradient_checkpointing && args.output.overwrite_output_dir && args.times.load_best_model_at_end
    );
    // Forced by the evaluation strategy.
    assert!(args.tasks.do_train && args.tasks.do_eval && !args.tasks.do_predict);
    assert_eq!((args.times.metric_for_best_model.as_deref(), args.times.greater_is_better), (Some("f1"), true));
    expect_test::expect![[r#"
        `--text_column` is read as `--text_column_name`
        `--label_column` is read as `--label_column_name`
        `--dataloader_num_workers` changes nothing: batches are views of the data in memory, there are no loader processes
        `--evaluation_strategy` is called `--eval_strategy epoch` now
        `--fp16` runs in bf16, which has the range of f32: no loss is scaled (and nothing is padded to 8)"#]]
    .assert_eq(&lines.join("\n"));

    let (args, lines) = resolved(
        "--model_name_or_path google-bert/bert-base-uncased --train_file a.json --validation_file b.json \
         --output_dir /tmp/test-ner --do_train --do_eval",
    )
    .unwrap();
    assert_eq!(lines, [""; 0]);
    // transformers 5's defaults.
    assert_eq!(
        (args.learning.num_train_epochs, args.learning.learning_rate, args.learning.weight_decay),
        (3.0, 5e-5, 0.0)
    );
    assert_eq!(
        (args.times.eval_strategy, args.times.save_strategy, args.times.save_steps),
        (Interval::No, Interval::Steps, 500.0)
    );
    assert_eq!((args.times.logging_steps, args.learning.max_grad_norm, args.learning.max_steps), (500.0, 1.0, None));
    assert_eq!(args.learning.lr_scheduler_type, "linear");
}

#[test]
fn old_names_give_way_to_new_ones() {
    assert_eq!(good("--warmup_ratio 0.1").0.learning.warmup_steps, 0.1);
    // transformers 4 reads the ratio only where the steps are 0.
    let (args, lines) = good("--warmup_steps 7 --warmup_ratio 0.1");
    assert_eq!((args.learning.warmup_steps, lines.len()), (7.0, 1));
    assert_eq!(good("--warmup_steps 0 --warmup_ratio 0.1").0.learning.warmup_steps, 0.1);
    assert_eq!(good("--max_length 9 --max_seq_length 8").0.data.max_seq_length, Some(8));
    assert_eq!(good("--group_by_length").0.learning.train_sampling_strategy, "group_by_length");
    assert_eq!(good("--checkpointing_steps 12").0.times.save_steps, 12.0);
    assert_eq!(good("--checkpointing_steps epoch").0.times.save_strategy, Interval::Epoch);
    assert_eq!(good("--max_train_steps 5 --num_warmup_steps 2").0.learning.max_steps, Some(5));
    assert!(good("--activation_checkpointing").0.learning.gradient_checkpointing);
    expect_test::expect!["`--warmup_ratio` needs what `--warmup_steps below 1` can say, not `1`; `tagsmith train --help` lists the options"]
        .assert_eq(&bad(&format!("{BASE} --warmup_ratio 1")));
}

#[test]
fn abbreviations_are_those_of_run_ner_first() {
    // Unique to run_ner.py, though `max_train_steps`, `freeze` and `label_all_tokens_as` exist beyond it.
    assert_eq!(good("--max_train 5").0.data.max_train_samples, Some(5));
    assert!(good("--label_all").0.data.label_all_tokens);
    assert_eq!(good("--early_stopping_p 5 --eval_strategy epoch").0.times.early_stopping_patience, Some(5));
}

#[test]
fn dictionaries_come_from_the_line_or_a_file() {
    let (args, _) = good(r#"--lr_scheduler_kwargs {"num_cycles":"2","power":"1.5","flag":"TRUE","name":"x"}"#);
    assert_eq!(
        Json::Object(args.learning.lr_scheduler_kwargs),
        serde_json::json!({"num_cycles": 2, "power": 1.5, "flag": true, "name": "x"})
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schedule.json");
    std::fs::write(&file, r#"{"num_cycles": 3}"#).unwrap();
    let (args, _) = good(&format!("--lr_scheduler_kwargs {}", file.display()));
    assert_eq!(Json::Object(args.learning.lr_scheduler_kwargs), serde_json::json!({"num_cycles": 3}));
    assert!(bad(&format!("{BASE} --lr_scheduler_kwargs {{broken")).contains("a JSON object"));
}

#[test]
fn one_json_file_is_the_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("run.json"), text).unwrap();
    let read = || parse(&["run.json".into()], folder.path(), &RUN_NER).map(|line| (line.args, line.lines));
    // The .args file counts for command lines only.
    std::fs::write(folder.path().join("run_ner.args"), "--seed 5").unwrap();
    write(
        r#"{"model_name_or_path": "m", "dataset_name": "d", "output_dir": "o", "do_train": true, "max_steps": 4,
            "learning_rate": 1, "data_seed": null, "freeze": ["embeddings"], "lr_scheduler_kwargs": {"a": "1"}}"#,
    );
    let (args, lines) = read().unwrap();
    assert_eq!((args.learning.max_steps, args.learning.learning_rate, args.learning.seed), (Some(4), 1.0, 42));
    assert_eq!(args.learning.freeze, ["embeddings"]);
    // Nothing is coerced in a file.
    assert_eq!(Json::Object(args.learning.lr_scheduler_kwargs), serde_json::json!({"a": "1"}));
    assert_eq!(lines, [""; 0]);
    write(r#"{"seed": "7"}"#);
    assert_eq!(read().unwrap_err().to_string(), "`seed` needs a whole number, not `\"7\"`");
    write(r#"{"text_column": "w"}"#);
    assert_eq!(read().unwrap_err().to_string(), "there is no option `text_column`");
    write("[1]");
    assert!(matches!(read(), Err(UsageError::File { .. })));
    assert!(matches!(json_file(Path::new("/nonexistent.json"), &RUN_NER), Err(UsageError::File { .. })));
}

#[test]
fn what_a_run_writes_starts_a_run() {
    let folder = tempfile::tempdir().unwrap();
    for more in [
        "",
        "--report_to tensorboard,csv --freeze embeddings pooler --lr_scheduler_type polynomial --lr_scheduler_kwargs {\"power\":2}",
        "--eval_strategy epoch --save_strategy epoch --load_best_model_at_end --metric_for_best_model f1 --max_steps 4",
        "--validation_size 0.5 --split_seed 3 --seed 7 --threads 2 --fp16 --loss_scaling mean-of-means --quiet --json",
        "--label_all_tokens --label_all_tokens_as repeat --early_stopping_patience 2 --eval_strategy steps --eval_steps 0.5",
        "--save_total_limit 2 --gradient_checkpointing --warmup_steps 0.1 --max_seq_length 9 --html_report --report_to csv --logging_dir l",
    ] {
        let (args, _) = good(more);
        let text = serde_json::to_string(&args).unwrap();
        std::fs::write(folder.path().join("training_args.json"), &text).unwrap();
        let again = parse(&["training_args.json".into()], folder.path(), &RUN_NER);
        let mut again = again.unwrap_or_else(|error| panic!("{more}: {error}: {text}"));
        // The command that makes the run again is another one.
        again.args.origin = args.origin.clone();
        assert_eq!(again.args, args, "{more}");
        assert_eq!(again.lines, [""; 0], "{more}");
    }
}

#[test]
fn a_file_of_another_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("plan.json", r#"{"options": {"seed": 1}, "runs": {"a": {}}}"#);
    write("x.json", r#"{"model_name_or_path": "m", "output_dir": "o"}"#);
    let error = |line: &str| parse(&words(line), folder.path(), &RUN_NER).unwrap_err();
    let plan = error("plan.json");
    assert!(plan.to_string().ends_with("plan.json` is a plan of several runs, not the options of one"), "{plan}");
    assert!(plan.hint("train").starts_with("`tagsmith compare "), "{}", plan.hint("train"));
    assert_eq!(
        error("--config x.json").hint("train"),
        "name the file first and without an option: `tagsmith train x.json`"
    );
}

#[test]
fn a_preset_is_a_default_that_nobody_has_given() {
    let resolved = |line: &str| {
        let line = format!("--model_name_or_path m --train_file t --validation_file v --output_dir o {line}");
        parse(&words(&line), Path::new("/nonexistent"), &WITHOUT_TRAINER).unwrap()
    };
    let plain = resolved("").args;
    assert!(plain.tasks.do_train && plain.tasks.do_eval);
    assert_eq!((plain.data.max_seq_length, plain.learning.max_grad_norm), (Some(128), 0.0));
    assert_eq!((plain.times.eval_strategy, plain.times.save_strategy), (Interval::Epoch, Interval::No));
    // The script's own options work in the command that stands in for it.
    let line = resolved("--checkpointing_steps epoch");
    assert_eq!(line.args.times.save_strategy, Interval::Epoch);
    assert_eq!(line.lines, ["`--checkpointing_steps` is called `--save_strategy epoch` now"]);
    assert_eq!(resolved("--checkpointing_steps 5").args.times.save_steps, 5.0);
    assert_eq!(resolved("--max_length 64").args.data.max_seq_length, Some(64));
    // What is the default of run_ner.py is a choice here.
    assert_eq!(resolved("--max_grad_norm 1").args.learning.max_grad_norm, 1.0);
    assert_eq!(resolved("--eval_strategy no --do_eval no").args.times.eval_strategy, Interval::No);
    let debugged = resolved("--debug").args.data;
    assert_eq!((debugged.max_train_samples, debugged.max_eval_samples), (Some(100), Some(100)));
    assert_eq!(resolved("--debug false").args.data.max_train_samples, None);
    // A preset comes after no file: the file's options stand first, and the command line has the last word.
    let folder = tempfile::tempdir().unwrap();
    let file = r#"{"model_name_or_path": "m", "train_file": "t", "validation_file": "v", "max_seq_length": 32}"#;
    std::fs::write(folder.path().join("r.json"), file).unwrap();
    let line = parse(&words("r.json --output_dir o"), folder.path(), &WITHOUT_TRAINER).unwrap();
    assert_eq!((line.args.data.max_seq_length, line.args.times.eval_strategy), (Some(32), Interval::Epoch));
    // run_ner.py's `--debug` is another one.
    assert!(bad("--debug").starts_with("`--debug` cannot be honored: PyTorch's debug modes"), "{}", bad("--debug"));
}

#[test]
fn the_args_file_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run_ner.args"), "--seed 5\n  --max_steps 3\n").unwrap();
    let train::TrainLine { args, lines, .. } =
        parse(&words(&format!("{BASE} --seed 6")), folder.path(), &RUN_NER).unwrap();
    assert_eq!((args.learning.seed, args.learning.max_steps), (6, Some(3)));
    assert_eq!(lines, ["`run_ner.args` comes before the command line: --seed 5 --max_steps 3"]);
}

#[test]
fn names_nobody_knows_get_a_suggestion() {
    let meant = |line: &str| match command_line(&words(line), &RUN_NER).unwrap_err() {
        UsageError::Unknown { meant, .. } | UsageError::Ambiguous { meant, .. } => meant.unwrap_or_default(),
        UsageError::WrongValue { meant, .. } => meant.unwrap_or_default().to_owned(),
        other => panic!("{other:?}"),
    };
    for (line, want) in [
        ("--learnig_rate 1", "learning_rate"),
        ("--max-seq-lenght 1", "max_seq_length"),
        ("--epochs 1", "num_train_epochs"),
        ("--num_epochs 3", "num_train_epochs"),
        ("--batch_size 3", "per_device_train_batch_size"),
        ("--lr 1e-5", "learning_rate"),
        ("--wd 0.1", "weight_decay"),
        ("-do_train", "do_train"),
        ("--lr_scheduler_type cosin", "cosine"),
        ("--eval_strategy epochs", "epoch"),
        ("--save_s 3", ""),
        ("--xyzzy 1", ""),
    ] {
        assert_eq!(meant(line), want, "{line}");
    }
    assert_eq!(meant(&format!("--{}", "a".repeat(100_000))), "");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let errors: Vec<String> = [
        "",
        "--model_name_or_path m --dataset_name d",
        "--model_name_or_path m --do_train --validation_file v.json",
        "--model_name_or_path m --do_train --train_file t.json --do_predict",
        "--model_name_or_path m --do_train --train_file t.json --eval_strategy epoch",
        "BASE --fp16 --bf16",
        "BASE --early_stopping_patience 2",
        "BASE --early_stopping_threshold 0.5",
        "BASE --eval_strategy steps --logging_strategy no --logging_steps 0",
        "BASE --logging_steps 0",
        "BASE --logging_steps 1.5",
        "BASE --save_steps 0",
        "BASE --optim adafactor",
        "BASE --adafactor",
        "BASE --lr_scheduler_type reduce_lr_on_plateau",
        "BASE --train_sampling_strategy batch_rebalance",
        "BASE --per_device_train_batch_size 0",
        "BASE --seed -1",
        "BASE --adam_beta1 1",
        "BASE --learning_rate -1",
        "BASE --warmup_steps -1",
        "BASE --learning_rate nan",
        "BASE --label_all_tokens_as repeat",
    ]
    .iter()
    .map(|line| bad(&line.replace("BASE", BASE)))
    .collect();
    expect_test::expect![[r#"
        no model is given; start from one: --model_name_or_path FOLDER or NAME
        there is nothing to do; say --do_train, --do_eval or --do_predict
        `--do_train` has no data; say --train_file FILE, or --dataset_name NAME
        `--do_predict` has no data; say --test_file FILE, or --dataset_name NAME
        `--eval_strategy` has no data; say --validation_file FILE, or --dataset_name NAME
        `--fp16` and `--bf16` exclude each other; leave one of them out
        `--early_stopping_patience` needs evaluations to look at; say --eval_strategy epoch or steps
        `--early_stopping_threshold` works with a patience only; say --early_stopping_patience N
        `--eval_strategy steps` has no steps; say --eval_steps N
        `--logging_steps 0` is not an interval; say --logging_strategy no for no log
        `--logging_steps` needs a whole number of updates, or a part of all below 1, not `1.5`; `tagsmith train --help` lists the options
        `--save_steps 0` is not an interval; say --save_strategy no for no checkpoints
        the optimizer `adafactor` is not in this build, AdamW is; leave `--optim` out, or say `--optim adamw_torch`
        the optimizer `adafactor` is not in this build, AdamW is; leave `--optim` out, or say `--optim adamw_torch`
        the schedule `reduce_lr_on_plateau` needs evaluations to look at; say --eval_strategy epoch or steps
        `--train_sampling_strategy batch_rebalance` is not in this build; take `random`, `sequential` or `group_by_length`
        `--per_device_train_batch_size` needs a number of 1 or more, not `0`; `tagsmith train --help` lists the options
        `--seed` needs a number of 0 or more, not `-1`; `tagsmith train --help` lists the options
        `--adam_beta1` needs a number from 0 to below 1, not `1`; `tagsmith train --help` lists the options
        `--learning_rate` needs a number of 0 or more, not `-1`; `tagsmith train --help` lists the options
        `--warmup_steps` needs a number of 0 or more, not `-1`; `tagsmith train --help` lists the options
        `--learning_rate` needs a number, not `nan`; `tagsmith train --help` lists the options
        `--label_all_tokens_as` labels nothing by itself; say --label_all_tokens too"#]].assert_eq(&errors.join("\n"));
}

#[test]
fn options_that_agree_are_accepted() {
    good("--load_best_model_at_end --eval_strategy steps --eval_steps 100");
    good("--load_best_model_at_end --eval_strategy steps --eval_steps 0.1 --save_steps 0.3");
    good("--load_best_model_at_end --eval_strategy epoch --save_strategy epoch");
    good("--load_best_model_at_end --eval_strategy epoch --save_strategy best");
    let (args, _) = good("--early_stopping_patience 2 --eval_strategy epoch");
    assert_eq!((args.times.metric_for_best_model.as_deref(), args.times.greater_is_better), (Some("loss"), false));
    assert_eq!(good("--metric_for_best_model eval_f1").0.times.metric_for_best_model.as_deref(), Some("f1"));
    assert!(!good("--metric_for_best_model f1 --greater_is_better no").0.times.greater_is_better);
    assert_eq!(good("--eval_strategy steps --logging_steps 7").0.times.eval_steps, 7.0);
    assert_eq!(good("--save_total_limit 0").0.times.save_total_limit, None);
    assert_eq!(good("--max_steps 0").0.learning.max_steps, None);
    assert_eq!(good("--resume_from_checkpoint True").0.output.resume_from_checkpoint, Some(Resume::Last));
    assert_eq!(good("--resume_from_checkpoint c").0.output.resume_from_checkpoint, Some(Resume::Folder("c".into())));
    assert_eq!(good("").0.output.resume_from_checkpoint, None);
    // A test file alone is enough to predict, though the original asks for another.
    resolved("--model_name_or_path m --test_file t.json --do_predict --output_dir o").unwrap();
}

#[test]
fn every_resolved_default_is_a_works_option() {
    // `Values` panics on a name that is not in the table, has another kind, or does not work.
    assert!(train::resolve(&Values::default(), Vec::new()).is_err());
    good("");
}
