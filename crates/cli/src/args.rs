//! The command line of `tagsmith train`: run_ner.py's, transformers 4 and 5 alike.
//!
//! `table` says what each option is and what becomes of it, and `program` what a program has otherwise. `parse` reads
//! words by Hugging Face's rules, `values` gives each option one value, and `train` checks the values and turns them
//! into a request. `words` spells the command lines of all other commands.

pub mod accelerate;
pub mod checks;
pub mod described;
pub mod help;
mod option;
mod origin;
mod parse;
mod plan;
pub mod program;
mod span_run;
mod table;
#[cfg(test)]
mod tests;
pub mod train;
mod value;
pub mod values;
pub mod words;

pub use option::DEVICE;
use parse::Given;
pub use parse::UsageError;
pub use plan::{Line, Plan, PlannedLine};
use program::Program;
pub use train::{RimArgs, TrainLine};

use serde_json::{Map, Value};
use std::path::Path;

/// Options in this file come before those of the command line, if it is in the working folder.
const ARGS_FILE: &str = "run_ner.args";

/// Reads a command line of `program`. It may begin with a JSON file of options; else `run_ner.args` of `folder` comes
/// before it.
pub fn parse(words: &[String], folder: &Path, program: &Program) -> Result<TrainLine, UsageError> {
    let mut lines = Vec::new();
    let given = match words {
        [file, more @ ..] if file.ends_with(".json") => {
            let mut given = parse::json_file(&folder.join(file), program)?;
            given.extend(parse::command_line(more, program)?);
            given
        }
        [option, file, ..] if is_file_of_options(option, &folder.join(file)) => {
            let message = format!("`{option}` names a model's configuration, and `{file}` holds options of a run");
            let remedy = format!("name the file first and without an option: `tagsmith {} {file}`", program.name);
            return Err(UsageError::Refused { message, remedy });
        }
        _ => {
            let mut all = args_file(&folder.join(ARGS_FILE), &mut lines)?;
            all.extend_from_slice(words);
            parse::command_line(&all, program)?
        }
    };
    resolve(&given, lines, program)
}

/// Reads options by their exact names, with values of their types.
pub fn of_object(options: &Map<String, Value>, program: &Program) -> Result<TrainLine, UsageError> {
    resolve(&parse::json_options(options, program)?, Vec::new(), program)
}

/// Returns whether `--config FILE` is meant as options of a run: the file is JSON and names an option that every run
/// needs.
fn is_file_of_options(option: &str, file: &Path) -> bool {
    const NEEDED: [&str; 3] = ["model_name_or_path", "output_dir", "token_encoder"];
    let is_config = option.starts_with("--config") && "--config_name".starts_with(&option.replace("-name", "_name"));
    is_config && parse::json_object(file).is_ok_and(|object| NEEDED.iter().any(|key| object.contains_key(*key)))
}

/// Resolves options as given.
fn resolve(given: &[Given], mut lines: Vec<String>, program: &Program) -> Result<TrainLine, UsageError> {
    let (values, settled) = values::settle(given, program)?;
    lines.extend(settled);
    let mut line = train::resolve(&values, lines)?;
    line.args.origin = origin::of(given, &line.args.output.output_dir, program);
    Ok(line)
}

/// Returns the words of the implicit file; none when there is no such file.
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
