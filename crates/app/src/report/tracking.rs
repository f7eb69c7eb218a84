//! Where a run's log goes beside `trainer_state.json`: TensorBoard event files, CSV, JSON lines.
//!
//! Names are those of transformers' callbacks: `eval_f1` is `eval/f1` to TensorBoard, `loss` is `train/loss`.

use super::clock;
use super::tensorboard::EventFile;
use anyhow::Result;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tagsmith_files::Error;
use tagsmith_train::checkpoint::state::Record;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An event file that TensorBoard reads.
    TensorBoard,
    /// `log.csv`: step, epoch, name and value, a row a number.
    Csv,
    /// `log.jsonl`: an object a record, as in `log_history`.
    JsonLines,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 3] = [Format::TensorBoard, Format::Csv, Format::JsonLines];

    /// Returns the format's name, as transformers' `report_to` has it.
    pub fn name(self) -> &'static str {
        match self {
            Format::TensorBoard => "tensorboard",
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
        }
    }
}

/// The logs of a run. Their files are made when there is something to log.
#[derive(Debug)]
pub struct Tracker {
    folder: PathBuf,
    formats: Vec<Format>,
    host: String,
    open: Vec<Log>,
}

#[derive(Debug)]
enum Log {
    Events(EventFile),
    Csv(PathBuf, File),
    JsonLines(PathBuf, File),
}

impl Tracker {
    /// Logs in `folder`; `host` becomes part of the event file's name.
    pub fn new(folder: PathBuf, formats: Vec<Format>, host: String) -> Tracker {
        Tracker { folder, formats, host, open: Vec::new() }
    }

    /// Logs a record of `log_history`, or one like it.
    pub fn log(&mut self, record: &Record, step: u64) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.open.is_empty() {
            fs::create_dir_all(&self.folder).map_err(Error::io(&self.folder))?;
            for &format in &self.formats {
                self.open.push(self.opened(format, now.as_secs_f64())?);
            }
        }
        for log in &mut self.open {
            match log {
                Log::Events(events) => {
                    for (name, value) in numbers(record) {
                        // An infinity or no number at all is `null` in a record.
                        let value = value.as_f64().unwrap_or(f64::NAN) as f32;
                        events.scalar(now.as_secs_f64(), step, &scalar_name(name), value)?;
                    }
                }
                Log::Csv(path, file) => {
                    let epoch = record.get("epoch").map(Value::to_string).unwrap_or_default();
                    let rows: String = numbers(record)
                        .filter(|(name, _)| *name != "epoch")
                        .map(|(name, value)| format!("{step},{epoch},{},{}\n", cell(name), number(value)))
                        .collect();
                    file.write_all(rows.as_bytes()).map_err(Error::io(path))?;
                }
                Log::JsonLines(path, file) => {
                    let mut record = record.clone();
                    record.insert("step".to_owned(), json!(step));
                    let line = Value::Object(record).to_string() + "\n";
                    file.write_all(line.as_bytes()).map_err(Error::io(path))?;
                }
            }
        }
        Ok(())
    }

    fn opened(&self, format: Format, now: f64) -> Result<Log> {
        let append = |name: &str| -> Result<(PathBuf, File)> {
            let path = self.folder.join(name);
            let file = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io(&path))?;
            Ok((path, file))
        };
        Ok(match format {
            Format::TensorBoard => Log::Events(EventFile::create(&self.folder, &self.host, now)?),
            Format::Csv => {
                let (path, mut file) = append("log.csv")?;
                if file.metadata().map_err(Error::io(&path))?.len() == 0 {
                    file.write_all(b"step,epoch,name,value\n").map_err(Error::io(&path))?;
                }
                Log::Csv(path, file)
            }
            Format::JsonLines => {
                let (path, file) = append("log.jsonl")?;
                Log::JsonLines(path, file)
            }
        })
    }

    /// Files of these formats that are in the folder already: what is logged goes on at their end.
    pub fn begun_before(folder: &Path, formats: &[Format]) -> Vec<PathBuf> {
        let files = [(Format::Csv, "log.csv"), (Format::JsonLines, "log.jsonl")];
        let named = files.into_iter().filter(|(format, _)| formats.contains(format));
        named.map(|(_, name)| folder.join(name)).filter(|path| path.exists()).collect()
    }
}

/// What TensorBoard shows of a record.
fn numbers(record: &Record) -> impl Iterator<Item = (&str, &Value)> {
    record
        .iter()
        .filter(|(name, value)| *name != "step" && (value.is_number() || value.is_null()))
        .map(|(name, value)| (name.as_str(), value))
}

/// # Source
/// transformers 5.23 `integration_utils.rewrite_logs`.
fn scalar_name(name: &str) -> String {
    for split in ["eval", "test"] {
        if let Some(rest) = name.strip_prefix(split).and_then(|rest| rest.strip_prefix('_')) {
            return format!("{split}/{rest}");
        }
    }
    format!("train/{name}")
}

fn number(value: &Value) -> String {
    if value.is_null() { "nan".to_owned() } else { value.to_string() }
}

/// A name as a cell of a CSV row.
fn cell(name: &str) -> String {
    if name.contains([',', '"', '\n', '\r']) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

/// The folder of a run that began so many seconds after 1970, by transformers' pattern: `Nov25_02-22-37_host`, in UTC.
pub fn folder_name(seconds: u64, host: &str) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [_, month, day, hour, minute, second] = clock::of(seconds);
    format!("{}{day:02}_{hour:02}-{minute:02}-{second:02}_{host}", MONTHS[month as usize - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn tables_hold_every_number() {
        let folder = tempfile::tempdir().unwrap();
        let formats = vec![Format::Csv, Format::JsonLines];
        let log = |text: &str, step| {
            let mut tracker = Tracker::new(folder.path().join("runs"), formats.clone(), "host".into());
            tracker.log(&record(text), step).unwrap();
            tracker.log(&record(r#"{"eval_A,\"B\"_f1": null, "epoch": 1.0}"#), step + 1).unwrap();
        };
        assert!(!folder.path().join("runs").exists());
        log(r#"{"loss": 0.5, "learning_rate": 1e-5, "epoch": 0.5, "step": 3}"#, 3);
        let begun = Tracker::begun_before(&folder.path().join("runs"), &formats);
        assert_eq!(begun, [folder.path().join("runs/log.csv"), folder.path().join("runs/log.jsonl")]);
        assert!(Tracker::begun_before(&folder.path().join("runs"), &[Format::TensorBoard]).is_empty());
        // A resumed run goes on where the file ends.
        log(r#"{"loss": 0.25, "epoch": 2.0, "step": 5}"#, 5);
        let read = |name: &str| fs::read_to_string(folder.path().join("runs").join(name)).unwrap();
        let rows = [
            "step,epoch,name,value",
            "3,0.5,loss,0.5",
            "3,0.5,learning_rate,0.00001",
            r#"4,1.0,"eval_A,""B""_f1",nan"#,
            "5,2.0,loss,0.25",
            r#"6,1.0,"eval_A,""B""_f1",nan"#,
        ];
        assert_eq!(read("log.csv").lines().collect::<Vec<_>>(), rows);
        let records = [
            r#"{"loss":0.5,"learning_rate":0.00001,"epoch":0.5,"step":3}"#,
            r#"{"eval_A,\"B\"_f1":null,"epoch":1.0,"step":4}"#,
            r#"{"loss":0.25,"epoch":2.0,"step":5}"#,
            r#"{"eval_A,\"B\"_f1":null,"epoch":1.0,"step":6}"#,
        ];
        assert_eq!(read("log.jsonl").lines().collect::<Vec<_>>(), records);
    }

    #[test]
    fn scalars_have_the_callbacks_names() {
        let names = ["loss", "eval_f1", "eval_LOC_f1", "test_loss", "evaluation", "train_loss"].map(scalar_name);
        assert_eq!(
            names,
            ["train/loss", "eval/f1", "eval/LOC_f1", "test/loss", "train/evaluation", "train/train_loss"]
        );
    }

    #[test]
    fn folders_are_named_by_the_time() {
        // From `date -u -d @N`.
        for (seconds, want) in [
            (0, "Jan01_00-00-00_h"),
            (951_782_400, "Feb29_00-00-00_h"),
            (1_709_164_799, "Feb28_23-59-59_h"),
            (1_735_689_599, "Dec31_23-59-59_h"),
            (1_795_573_357, "Nov25_02-22-37_h"),
            (4_107_542_400, "Mar01_00-00-00_h"),
        ] {
            assert_eq!(folder_name(seconds, "h"), want, "{seconds}");
        }
    }
}
