//! Several runs in one file, for `tagsmith compare`.

mod search;

use super::parse::{Given, RUNS, UsageError, command_line, json_object, json_options, object, refused};
use super::program::RUN_NER;
use super::span_run::{self, SpanLine};
use super::{TrainLine, origin, resolve};
use search::Search;
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Runs to make one after another and to compare.
#[derive(Debug)]
pub struct Plan {
    /// The folder of the comparison, in which each run has a folder.
    pub output_dir: PathBuf,
    /// The runs, rung by rung. Without a search there is one rung.
    pub rungs: Vec<Vec<PlannedLine>>,
    /// One of how many runs of a rung goes on to the next.
    pub eta: usize,
}

/// A run of a plan.
#[derive(Debug)]
pub struct PlannedLine {
    /// The name that the plan gives it.
    pub name: String,
    /// What the run trains.
    pub line: Line,
}

/// What a run of a plan trains.
#[derive(Debug)]
pub enum Line {
    /// A token classifier, by the options of `tagsmith train`.
    Tokens(Box<TrainLine>),
    /// A span tagger, by the keys of its trainer's file.
    Spans(Box<SpanLine>),
}

impl Line {
    fn output_dir(&mut self) -> &mut PathBuf {
        match self {
            Line::Tokens(line) => &mut line.args.output.output_dir,
            Line::Spans(line) => &mut line.request.config.run.output,
        }
    }
}

/// The keys of a plan beside its runs.
const OPTIONS: &str = "options";
const SEARCH: &str = "search";

impl Plan {
    /// Reads `PLAN.json [OPTIONS]`.
    ///
    /// `options` are those of all runs, and `runs` maps each run's name to options of its own, or `search` draws them. The
    /// words after the file count for all runs.
    pub fn read(words: &[String]) -> Result<Plan, UsageError> {
        let [file, more @ ..] = words else {
            return Err(refused("no plan is given", "give a file: tagsmith compare PLAN.json"));
        };
        let plan = json_object(Path::new(file))?;
        if let Some(strange) = plan.keys().find(|key| ![OPTIONS, RUNS, SEARCH].contains(&key.as_str())) {
            if !plan.contains_key(RUNS) && RUN_NER.options().any(|option| option.name == strange) {
                let message = format!("`{file}` holds the options of one run, and is not a plan of several");
                return Err(refused(message, format!("`tagsmith train {file}` makes one run")));
            }
            return Err(refused(
                format!("{file}: `{strange}` is not a part of a plan"),
                "a plan is an object of `options`, which all runs share, and `runs`, names and options of each, or `search`",
            ));
        }
        let shared = object(file, OPTIONS, plan.get(OPTIONS).unwrap_or(&Json::Object(Map::new())))?;
        if let Some(search) = plan.get(SEARCH) {
            if plan.contains_key(RUNS) {
                let remedy = "leave out one of them: a search makes the runs";
                return Err(refused(format!("{file}: there are both `runs` and a `search`"), remedy));
            }
            return Plan::searching(file, &Search::read(file, search)?, &shared, more);
        }
        let named = object(file, RUNS, plan.get(RUNS).unwrap_or(&Json::Null))?;
        let mut runs = Vec::new();
        let mut folders = BTreeSet::new();
        let mut output_dir = PathBuf::new();
        for (name, options) in &named {
            let own = object(file, name, options)?;
            if own.contains_key("output_dir") {
                let remedy = "say `output_dir` once, among the `options`: each run has a folder in it";
                return Err(refused(format!("{file}: `{name}` has an `output_dir` of its own"), remedy));
            }
            let folder = folder_of(name);
            if folder.is_empty() || !folders.insert(folder.clone()) {
                return Err(refused(
                    format!(
                        "{file}: the run `{name}` would have the folder `{folder}`, which is not a name or is another run's"
                    ),
                    "give the runs names that differ in letters or digits",
                ));
            }
            let line = line_in(&folder, line(file, &shared, &own, more)?, &mut output_dir);
            runs.push(PlannedLine { name: name.clone(), line });
        }
        if runs.is_empty() {
            return Err(refused(format!("{file}: there are no runs"), "name at least one among `runs`"));
        }
        Ok(Plan { output_dir, rungs: vec![runs], eta: 1 })
    }

    /// Returns the plan of a search.
    fn searching(file: &str, search: &Search, shared: &Map<String, Json>, more: &[String]) -> Result<Plan, UsageError> {
        let mut output_dir = PathBuf::new();
        let mut rungs = Vec::new();
        for trials in search.rungs(file, shared)? {
            let mut runs = Vec::new();
            for trial in trials {
                let line = line_in(&trial.folder, line(file, shared, &trial.options, more)?, &mut output_dir);
                runs.push(PlannedLine { name: trial.name, line });
            }
            rungs.push(runs);
        }
        Ok(Plan { output_dir, rungs, eta: search.eta as usize })
    }
}

/// Gives a run its folder in the comparison's, whose name is put into `output_dir`.
fn line_in(folder: &str, mut line: Line, output_dir: &mut PathBuf) -> Line {
    let own_dir = line.output_dir();
    *output_dir = std::mem::take(own_dir);
    *own_dir = output_dir.join(folder);
    if let Line::Tokens(line) = &mut line {
        origin::move_to(&mut line.args.origin, &line.args.output.output_dir);
    }
    line
}

/// What a run trains: `shared` keys, those of its `own`, and what is typed behind the plan.
fn line(file: &str, shared: &Map<String, Json>, own: &Map<String, Json>, typed: &[String]) -> Result<Line, UsageError> {
    let mut keys = shared.clone();
    keys.extend(own.clone());
    if span_run::is_span_run(&keys) {
        let typed = span_run::keys_of(typed)?;
        return Ok(Line::Spans(Box::new(span_run::resolve(file, keys, &typed)?)));
    }
    let given: Vec<Given> =
        [json_options(shared, &RUN_NER)?, json_options(own, &RUN_NER)?, command_line(typed, &RUN_NER)?]
            .into_iter()
            .flatten()
            .collect();
    Ok(Line::Tokens(Box::new(resolve(&given, Vec::new(), &RUN_NER)?)))
}

/// A run's name as a folder's: letters and digits, in lower case, with hyphens for whatever is between them.
fn folder_of(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
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

    fn tokens(run: &PlannedLine) -> &TrainLine {
        match &run.line {
            Line::Tokens(line) => line,
            Line::Spans(_) => panic!("{}: a span tagger", run.name),
        }
    }

    fn spans(run: &PlannedLine) -> &SpanLine {
        match &run.line {
            Line::Spans(line) => line,
            Line::Tokens(_) => panic!("{}: a token classifier", run.name),
        }
    }

    const SPANS: &str = r#"{
        "options": {"token_encoder": "m", "type_encoder": "m", "dataset_name": "d", "train_file": "t", "output_dir": "o",
            "do_train": true, "max_steps": 5, "eval_steps": 5, "save_total_limit": 1, "decoding": "nested"},
        "runs": {"both": {"architecture": "bi_encoder"},
            "one": {"architecture": "cross_encoder", "type_encoder": null, "seed": 7, "parity": "tags, overlapping"}}
    }"#;

    #[test]
    fn runs_may_train_span_taggers() {
        let plan = read(SPANS, "--max_steps 9 --resume-from-checkpoint last").unwrap();
        assert_eq!(plan.output_dir, Path::new("o"));
        let [first, second] = [&spans(&plan.rungs[0][0]).request, &spans(&plan.rungs[0][1]).request];
        assert_eq!((first.config.run.output.as_path(), second.config.seed), (Path::new("o/both"), 7));
        assert!(first.resume && first.decoding.name() == "nested" && first.config.run.max_steps == Some(9));
        assert!(!first.parity.tags && second.parity.tags && second.parity.overlapping && !second.parity.last_piece);
        let error = |plan: &str, more: &str| {
            let text = read(plan, more).expect_err(plan).to_string();
            text.rfind("plan.json").map_or(text.clone(), |at| text[at..].to_owned())
        };
        let errors = [
            error(&SPANS.replace("nested", "deep"), ""),
            error(&SPANS.replace("overlapping", "overlap"), ""),
            error(&SPANS.replace("\"seed\"", "\"sed\""), ""),
            error(SPANS, "--max_stepps 9"),
            error(SPANS, "9"),
            error(SPANS, "--resume_from_checkpoint checkpoint-3"),
            error(&SPANS.replace("\"do_train\": true", "\"do_train\": 1"), ""),
            error(SPANS, "--learning-rte 1e-5"),
            error(SPANS, "--seed --bf16"),
            error(SPANS, "--bf16 9"),
            error(SPANS, "--learning_rate fast"),
            error(SPANS, "--learning_rate=-1"),
            error(SPANS, "--decoding deep"),
            error(SPANS, "--parity tags,overlap"),
            error(SPANS, "--save_st 3"),
            error(SPANS, "--xyzzy"),
            error(SPANS, "--architecture tri_encoder"),
        ];
        expect![[r#"
            plan.json: `decoding` is `deep`; there are flat, nested, per_type
            plan.json: `parity` is `overlap`; there are longest_span, last_piece, softmax_mask, overlapping, tags
            plan.json: `sed` is not a key that is known here: did you mean `seed`?
            there is no option `--max_stepps`
            `9` follows no option
            `--resume_from_checkpoint` is "checkpoint-3"; a span tagger's is `last`
            plan.json: `do_train` is 1, neither true nor false
            there is no option `--learning-rte`
            `--seed` needs a whole number
            `--bf16` needs true or false (yes, t, y, 1, no, f, n, 0), not `9`
            `--learning_rate` needs a number, not `fast`
            `--learning_rate` is -1, not a number from 0
            `--decoding` is `deep`; there are flat, nested, per_type
            `--parity` is `overlap`; there are longest_span, last_piece, softmax_mask, overlapping, tags
            `--save_st` could be `--save_strategy`, `--save_steps`
            there is no option `--xyzzy`
            `--architecture` is `tri_encoder`; there are bi_encoder, contrastive_bi_encoder, cross_encoder, contrastive_cross_encoder"#]]
        .assert_eq(&errors.join("\n"));
    }

    #[test]
    fn words_after_a_plan_of_span_taggers_are_read_as_those_of_token_classifiers() {
        let of = |more: &str| read(SPANS, more).unwrap();
        let first = |plan: &Plan| spans(&plan.rungs[0][0]).request.clone();
        // Hyphens, a beginning, Python's truth, a number without its zero, several files, the last of two.
        let request = first(&of("--max-st 7 --bf16 --do_train False --do_eval --validation_file a b --dropout .5"));
        assert_eq!(
            (request.config.run.max_steps, request.config.bf16, request.config.does),
            (Some(7), true, [false, true, false])
        );
        assert_eq!(
            (&request.config.files[1][..], request.config.model.dropout),
            (&["a".to_owned(), "b".to_owned()][..], 0.5)
        );
        assert_eq!(first(&of("--train_file [\"a\",\"b\"]")).config.files[0], ["a", "b"]);
        assert_eq!(first(&of("--seed 3 --seed=4")).config.seed, 4);
        // A text stays a text.
        assert_eq!(of("--output_dir 2024").output_dir, Path::new("2024"));
        assert!(first(&of("--resume_from_checkpoint true")).resume && !first(&of("--resume false")).resume);
        let hint = |more: &str| read(SPANS, more).unwrap_err().hint("compare");
        assert_eq!(hint("--learning_rte 1e-5"), "did you mean `--learning_rate`?");
        assert_eq!(hint("--learning_rate -1"), "give another value, or leave `--learning_rate` out");
    }

    #[test]
    fn each_run_has_its_own_options_among_the_shared() {
        let plan = read(PLAN, "").unwrap();
        assert_eq!(plan.output_dir, Path::new("o"));
        let runs: Vec<_> = plan.rungs[0]
            .iter()
            .map(|run| (run.name.as_str(), tokens(run).args.output.output_dir.to_str().unwrap()))
            .collect();
        assert_eq!(runs, [("1,000 sentences", "o/1-000-sentences"), ("Frozen!", "o/frozen")]);
        let [first, second] = [&tokens(&plan.rungs[0][0]).args, &tokens(&plan.rungs[0][1]).args];
        assert_eq!((first.data.max_train_samples, first.learning.seed), (Some(1000), 1));
        assert_eq!((second.data.max_train_samples, second.learning.seed), (None, 2));
        assert_eq!(second.learning.freeze, ["embeddings"]);
        // What is typed counts for all.
        let plan = read(PLAN, "--seed 3 --output_dir p").unwrap();
        assert!(plan.rungs[0].iter().all(|run| tokens(run).args.learning.seed == 3));
        assert_eq!(tokens(&plan.rungs[0][1]).args.output.output_dir, Path::new("p/frozen"));
    }

    #[test]
    fn a_search_makes_runs_of_its_trials() {
        let plan = r#"{
            "options": {"model_name_or_path": "m", "train_file": "t", "output_dir": "o", "do_train": true, "max_steps": 90},
            "search": {"trials": 4, "rungs": 2, "ranges": {"warmup_steps": {"from": 5, "to": 9}}}
        }"#;
        let read = read(plan, "--seed 3").unwrap();
        assert_eq!((read.output_dir.as_path(), read.eta, read.rungs.len()), (Path::new("o"), 3, 2));
        for (number, (short, long)) in (1..).zip(read.rungs[0].iter().zip(&read.rungs[1])) {
            let [short, long] = [tokens(short), tokens(long)].map(|line| &line.args);
            assert_eq!(short.output.output_dir, Path::new(&format!("o/rung-1-trial-{number}")));
            assert_eq!((short.learning.max_steps, long.learning.max_steps), (Some(30), Some(90)));
            assert_eq!((short.learning.seed, short.learning.warmup_steps), (3, long.learning.warmup_steps));
        }
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
            error("{\"seed\": 1}", ""),
            error("{\"runs\": {\"a\": {\"sed\": 1}}}", ""),
            error("{\"runs\": {\"a\": {\"output_dir\": \"x\"}}}", ""),
            error(&PLAN.replace("\"runs\"", "\"search\": {}, \"runs\""), ""),
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
            plan.json` holds the options of one run, and is not a plan of several
            there is no option `sed`
            plan.json: `a` has an `output_dir` of its own
            plan.json: there are both `runs` and a `search`
            plan.json: the run `1.000 Sentences` would have the folder `1-000-sentences`, which is not a name or is another run's
            plan.json: the run `!` would have the folder ``, which is not a name or is another run's
            `stray` follows no option
            there is nothing to do"#]]
        .assert_eq(&errors.join("\n"));
        assert_eq!(Plan::read(&[]).unwrap_err().to_string(), "no plan is given");
    }
}
