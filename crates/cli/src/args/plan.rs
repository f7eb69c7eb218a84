//! Several runs in one file, for `tagsmith compare`.

use super::parse::{Given, UsageError, command_line, json_object, json_options};
use super::{TrainLine, resolve};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Runs to make one after another and to compare.
#[derive(Debug)]
pub struct Plan {
    /// The folder of the comparison, in which each run has a folder.
    pub output_dir: PathBuf,
    /// The runs.
    pub runs: Vec<PlannedLine>,
}

/// A run of a plan.
#[derive(Debug)]
pub struct PlannedLine {
    /// The name that the plan gives it.
    pub name: String,
    /// The run's options.
    pub line: TrainLine,
}

/// The two keys of a plan.
const OPTIONS: &str = "options";
const RUNS: &str = "runs";

impl Plan {
    /// Reads `PLAN.json [OPTIONS]`.
    ///
    /// `options` are those of all runs, and `runs` maps each run's name to options of its own. The words after the file
    /// count for all runs.
    pub fn read(words: &[String]) -> Result<Plan, UsageError> {
        let [file, more @ ..] = words else {
            return Err(refused("no plan is given", "give a file: tagsmith compare PLAN.json"));
        };
        let plan = json_object(Path::new(file))?;
        if let Some(strange) = plan.keys().find(|key| ![OPTIONS, RUNS].contains(&key.as_str())) {
            return Err(refused(
                format!("{file}: `{strange}` is not a part of a plan"),
                "a plan is an object of `options`, which all runs share, and `runs`, names and options of each",
            ));
        }
        let shared = json_options(&object(file, OPTIONS, plan.get(OPTIONS).unwrap_or(&Json::Object(Map::new())))?)?;
        let more = command_line(more)?;
        let named = object(file, RUNS, plan.get(RUNS).unwrap_or(&Json::Null))?;
        let mut runs = Vec::new();
        let mut folders = BTreeSet::new();
        let mut output_dir = PathBuf::new();
        for (name, options) in &named {
            let own = json_options(&object(file, name, options)?)?;
            if own.iter().any(|given| given.option.name == "output_dir") {
                let remedy = "say `output_dir` once, among the `options`: each run has a folder in it";
                return Err(refused(format!("{file}: `{name}` has an `output_dir` of its own"), remedy));
            }
            let given: Vec<Given> = [&shared, &own, &more].into_iter().flatten().cloned().collect();
            let mut line = resolve(&given, Vec::new())?;
            let folder = folder_of(name);
            if folder.is_empty() || !folders.insert(folder.clone()) {
                return Err(refused(
                    format!(
                        "{file}: the run `{name}` would have the folder `{folder}`, which is not a name or is another run's"
                    ),
                    "give the runs names that differ in letters or digits",
                ));
            }
            let own_dir = &mut line.args.output.output_dir;
            output_dir = std::mem::take(own_dir);
            *own_dir = output_dir.join(folder);
            runs.push(PlannedLine { name: name.clone(), line });
        }
        if runs.is_empty() {
            return Err(refused(format!("{file}: there are no runs"), "name at least one among `runs`"));
        }
        Ok(Plan { output_dir, runs })
    }
}

fn object(file: &str, name: &str, value: &Json) -> Result<Map<String, Json>, UsageError> {
    value.as_object().cloned().ok_or_else(|| UsageError::File {
        file: file.to_owned(),
        reason: format!("`{name}` is not an object of names and values"),
    })
}

/// A run's name as a folder's: letters and digits, in lower case, with hyphens for whatever is between them.
fn folder_of(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
}

fn refused(message: impl Into<String>, remedy: impl Into<String>) -> UsageError {
    UsageError::Refused { message: message.into(), remedy: remedy.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn read(plan: &str, more: &str) -> Result<Plan, UsageError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.json");
        std::fs::write(&file, plan).unwrap();
        let words = [file.display().to_string()].into_iter().chain(more.split_whitespace().map(String::from));
        Plan::read(&words.collect::<Vec<_>>())
    }

    const PLAN: &str = r#"{
        "options": {"model_name_or_path": "m", "train_file": "t", "output_dir": "o", "do_train": true, "seed": 1},
        "runs": {"1,000 sentences": {"max_train_samples": 1000}, "Frozen!": {"freeze": ["embeddings"], "seed": 2}}
    }"#;

    #[test]
    fn each_run_has_its_own_options_among_the_shared() {
        let plan = read(PLAN, "").unwrap();
        assert_eq!(plan.output_dir, Path::new("o"));
        let runs: Vec<_> = plan
            .runs
            .iter()
            .map(|run| (run.name.as_str(), run.line.args.output.output_dir.to_str().unwrap()))
            .collect();
        assert_eq!(runs, [("1,000 sentences", "o/1-000-sentences"), ("Frozen!", "o/frozen")]);
        let [first, second] = [&plan.runs[0].line.args, &plan.runs[1].line.args];
        assert_eq!((first.data.max_train_samples, first.learning.seed), (Some(1000), 1));
        assert_eq!((second.data.max_train_samples, second.learning.seed), (None, 2));
        assert_eq!(second.learning.freeze, ["embeddings"]);
        // What is typed counts for all.
        let plan = read(PLAN, "--seed 3 --output_dir p").unwrap();
        assert!(plan.runs.iter().all(|run| run.line.args.learning.seed == 3));
        assert_eq!(plan.runs[1].line.args.output.output_dir, Path::new("p/frozen"));
    }

    #[test]
    fn a_plan_that_is_none_is_refused() {
        let error = |plan: &str, more: &str| {
            let error = read(plan, more).expect_err(plan);
            let text = error.to_string();
            text.rfind("plan.json").map_or(text.clone(), |at| text[at..].to_owned())
        };
        let errors = [
            error("{", ""),
            error("{\"runs\": []}", ""),
            error("{\"options\": {}}", ""),
            error("{\"options\": {}, \"runs\": {}}", ""),
            error("{\"option\": {}, \"runs\": {}}", ""),
            error("{\"runs\": {\"a\": {\"sed\": 1}}}", ""),
            error("{\"runs\": {\"a\": {\"output_dir\": \"x\"}}}", ""),
            error(&PLAN.replace("Frozen!", "1.000 Sentences"), ""),
            error(&PLAN.replace("Frozen!", "!"), ""),
            error(PLAN, "stray"),
            error(PLAN, "--do_train false"),
        ];
        expect![[r#"
            plan.json` cannot be read: EOF while parsing an object at line 1 column 1
            plan.json` cannot be read: `runs` is not an object of names and values
            plan.json` cannot be read: `runs` is not an object of names and values
            plan.json: there are no runs
            plan.json: `option` is not a part of a plan
            there is no option `sed`
            plan.json: `a` has an `output_dir` of its own
            plan.json: the run `1.000 Sentences` would have the folder `1-000-sentences`, which is not a name or is another run's
            plan.json: the run `!` would have the folder ``, which is not a name or is another run's
            `stray` follows no option
            there is nothing to do"#]]
        .assert_eq(&errors.join("\n"));
        assert_eq!(Plan::read(&[]).unwrap_err().to_string(), "no plan is given");
    }
}
