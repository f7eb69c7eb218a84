//! What a run leaves behind: results files, the printed block and lines, predictions.

use crate::checkpoint::state::Record;
use crate::error::Error;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;
use tagsmith_files::atomic_write;
use tagsmith_files::python_json::{self, general, repr, rounded};

/// `{split}_runtime`, `{split}_samples_per_second` and `{split}_steps_per_second`, rounded as the Trainer does.
pub fn speed(split: &str, seconds: f64, samples: f64, steps: u64) -> Record {
    let mut record = Record::new();
    record.insert(format!("{split}_runtime"), json!(rounded(seconds, 4)));
    if seconds > 0.0 {
        record.insert(format!("{split}_samples_per_second"), json!(rounded(samples / seconds, 3)));
        record.insert(format!("{split}_steps_per_second"), json!(rounded(steps as f64 / seconds, 3)));
    }
    record
}

/// Writes `{split}_results.json` and merges the same numbers into `all_results.json`.
pub fn save_metrics(folder: &Path, split: &str, metrics: &Record) -> Result<(), Error> {
    write_results(&folder.join(format!("{split}_results.json")), metrics)?;
    let path = folder.join("all_results.json");
    let mut all = match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map_err(|error| {
            let problem = format!("is not an object of numbers ({error}): remove it, so that it can be written anew");
            Error::Files(tagsmith_files::Error::content(&path, problem))
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Record::new(),
        Err(error) => return Err(Error::at(&path)(error)),
    };
    all.extend(metrics.clone());
    write_results(&path, &all)
}

fn write_results(path: &Path, metrics: &Record) -> Result<(), Error> {
    Ok(atomic_write::write(path, python_json::json(&Value::Object(metrics.clone()), 4).as_bytes())?)
}

/// `training_args.json`: every choice of the run.
pub fn save_arguments(folder: &Path, arguments: &Value) -> Result<(), Error> {
    Ok(atomic_write::write(&folder.join("training_args.json"), (python_json::json(arguments, 2) + "\n").as_bytes())?)
}

/// One line a sentence, its labels separated by blanks.
pub fn save_predictions<S: AsRef<str>>(path: &Path, sentences: &[Vec<S>]) -> Result<(), Error> {
    let mut text = String::new();
    for sentence in sentences {
        let labels: Vec<&str> = sentence.iter().map(AsRef::as_ref).collect();
        text.push_str(&labels.join(" "));
        text.push('\n');
    }
    Ok(atomic_write::write(path, text.as_bytes())?)
}

/// Returns whether a figure, named without its split, is one of error detection.
pub fn is_of_errors(name: &str) -> bool {
    name.starts_with("ged_")
}

/// The block that is printed after training, evaluation and prediction, with a newline at its end. Figures of error
/// detection come first, F0.5 of all labels before the others.
///
/// # Source
/// transformers 5.23 `Trainer.log_metrics`.
pub fn metrics_block(split: &str, metrics: &Record) -> String {
    let mut rows: Vec<(&str, String)> =
        metrics.iter().map(|(key, value)| (key.as_str(), block_value(key, value))).collect();
    let place = |key: &str| {
        let name = key.split_once('_').map_or(key, |(_, name)| name);
        (!is_of_errors(name), name != "ged_f0.5")
    };
    rows.sort_by(|(a, _), (b, _)| (place(a), a).cmp(&(place(b), b)));
    let width = |text: &str| text.chars().count();
    let key_width = rows.iter().map(|(key, _)| width(key)).max().unwrap_or(0);
    let value_width = rows.iter().map(|(_, value)| width(value)).max().unwrap_or(0);
    let mut block = format!("***** {split} metrics *****\n");
    for (key, value) in rows {
        block.push_str(&format!("  {key:<key_width$} = {value:>value_width$}\n"));
    }
    block
}

fn block_value(key: &str, value: &Value) -> String {
    match value.as_f64() {
        Some(seconds) if key.contains("_runtime") => duration(seconds),
        Some(flos) if key == "total_flos" => format!("{}GF", (flos as u128) >> 30),
        Some(x) if value.is_f64() => repr(rounded(x, 4)),
        _ => value.to_string(),
    }
}

/// `0:00:12.34`, or `1 day, 1:01:01.50`; hundredths are cut off, not rounded.
fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    let hundredths = ((seconds - whole as f64) * 100.0) as u64;
    let days = match whole / 86_400 {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    format!("{days}{}:{:02}:{:02}.{hundredths:02}", whole / 3600 % 24, whole / 60 % 60, whole % 60)
}

/// The line that a log record prints: a Python dictionary whose floats are strings of four significant digits.
///
/// # Source
/// transformers 5.23 `ProgressCallback.on_log`, which leaves `total_flos` out.
pub fn log_line(record: &Record) -> String {
    let shown = record.iter().filter(|(key, _)| *key != "total_flos" && *key != "step");
    let items: Vec<String> = shown.map(|(key, value)| format!("{}: {}", quoted(key), line_value(value))).collect();
    format!("{{{}}}", items.join(", "))
}

fn line_value(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => quoted(&general(number.as_f64().expect("a float"))),
        // JSON has no such number; the Trainer prints it so.
        Value::Null => quoted("nan"),
        other => other.to_string(),
    }
}

/// Python's `repr` of a string without control characters.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\");
    if text.contains('\'') && !text.contains('"') {
        return format!("\"{text}\"");
    }
    format!("'{}'", text.replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_testkit::golden::trainer as golden;

    #[test]
    fn blocks_and_files_are_the_trainers() {
        for row in golden::rows("blocks") {
            let (split, metrics) = (row["split"].as_str().unwrap(), row["metrics"].as_object().unwrap());
            assert_eq!(metrics_block(split, metrics), row["block"].as_str().unwrap());

            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("all_results.json"), r#"{"stale": 0.1, "epoch": 1.0}"#).unwrap();
            save_metrics(folder.path(), split, metrics).unwrap();
            let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
            assert_eq!(read(&format!("{split}_results.json")), row["file"].as_str().unwrap());
            assert_eq!(read("all_results.json"), row["all"].as_str().unwrap());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something is left lying about");
        }
    }

    #[test]
    fn figures_of_error_detection_come_first() {
        let names = ["eval_accuracy", "eval_f1", "eval_ged_bin_f0.5", "eval_ged_f0.5", "eval_ged_precision", "epoch"];
        let record: Record = names.map(|name| (name.to_owned(), json!(0.5))).into_iter().collect();
        let block = metrics_block("eval", &record);
        let order: Vec<&str> = block.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        let first = ["eval_ged_f0.5", "eval_ged_bin_f0.5", "eval_ged_precision"];
        assert_eq!(order, [&first[..], &["epoch", "eval_accuracy", "eval_f1"]].concat());
    }

    #[test]
    fn lines_are_those_of_the_progress_callback() {
        for row in golden::rows("lines") {
            let mut record = Record::new();
            for pair in row["logs"].as_array().unwrap() {
                let (key, text) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
                let value = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<f64>().map(Value::from));
                record.insert(key.to_owned(), value.unwrap());
            }
            // An infinity has no place in JSON, so our records never hold one.
            let want = row["line"].as_str().unwrap().replace("'inf'", "'nan'");
            assert_eq!(log_line(&record), want);
        }
    }

    #[test]
    fn a_damaged_results_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("all_results.json"), "{\"epoch\": ").unwrap();
        let error = save_metrics(folder.path(), "eval", &Record::new()).unwrap_err();
        assert!(error.to_string().contains("all_results.json") && error.to_string().contains("remove it"), "{error}");
    }

    #[test]
    fn predictions_are_a_line_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.txt");
        save_predictions(&path, &[vec!["B-PER", "O"], vec![], vec!["O"]]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "B-PER O\n\nO\n");
    }

    #[test]
    fn speeds_are_rounded() {
        let record = speed("train", 3.0, 10.0, 4);
        let want = json!({"train_runtime": 3.0, "train_samples_per_second": 3.333, "train_steps_per_second": 1.333});
        assert_eq!(Value::Object(record), want);
    }
}
