//! The command line of `tagsmith train`: run_ner.py's, transformers 4 and 5 alike.
//!
//! `table` says what each option is and what becomes of it; `parse` reads words by Hugging Face's rules, `settle`
//! gives each option one value, `train_args` checks them and names them.

pub mod help;
mod hub_args;
mod option;
mod parse;
mod plan;
mod table;
#[cfg(test)]
mod tests;
mod train_args;
mod value;
pub mod values;

use parse::Given;
pub use parse::UsageError;
pub use plan::Plan;
pub use train_args::{DataArgs, Interval, Resume, TrainArgs};

use std::path::Path;

/// Options in this file come before those of the command line, if it is in the working folder.
const ARGS_FILE: &str = "run_ner.args";

/// Reads a command line, which may begin with a JSON file of options, or else with `run_ner.args` of `folder` before it. Returns the lines there are to say too.
pub fn parse(words: &[String], folder: &Path) -> Result<(TrainArgs, Vec<String>), UsageError> {
    let mut lines = Vec::new();
    let given = match words {
        [file, more @ ..] if file.ends_with(".json") => {
            let mut given = parse::json_file(&folder.join(file))?;
            given.extend(parse::command_line(more)?);
            given
        }
        _ => {
            let mut all = args_file(&folder.join(ARGS_FILE), &mut lines)?;
            all.extend_from_slice(words);
            parse::command_line(&all)?
        }
    };
    resolve(&given, lines)
}

/// The choices that options as given come to, and the lines there are to say.
fn resolve(given: &[Given], mut lines: Vec<String>) -> Result<(TrainArgs, Vec<String>), UsageError> {
    let (values, settled) = values::settle(given)?;
    lines.extend(settled);
    let args = TrainArgs::resolve(&values, &mut lines)?;
    Ok((args, lines))
}

/// The words of the implicit file; none when there is no such file.
fn args_file(path: &Path, lines: &mut Vec<String>) -> Result<Vec<String>, UsageError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| UsageError::File { file: ARGS_FILE.into(), reason: error.to_string() })?;
    let words: Vec<String> = text.split_whitespace().map(String::from).collect();
    lines.push(format!("`{ARGS_FILE}` comes before the command line: {}", words.join(" ")));
    Ok(words)
}
