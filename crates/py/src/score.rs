//! Scores of labels.

use crate::callback::Callback;
use crate::error::{Told, raised, told};
use crate::fork;
use crate::json::to_python;
use crate::options::Asked;
use anyhow::{Context, anyhow};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tagsmith_app::score::evaluate::EvaluateRequest;
use tagsmith_app::score::{Chance, Mode, ScoreRequest, Unit, score as score_request};
use tagsmith_cli::keywords::Keywords;
use tagsmith_data::labeled::LabelFile;
use tagsmith_message::{Note, Setting};
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::reading::Rules as Reading;
use tagsmith_text::labels::scheme::{Scheme, Style};
use tagsmith_text::score::analysis::Analyzer;
use tagsmith_text::score::semeval::Pairing;
use tagsmith_text::score::{Method, Scorer, ZeroDivision, table};

/// Returns the way of reading tags: a scheme's strict rules, or those of the CoNLL script.
fn method(scheme: Option<&str>, suffix: bool) -> anyhow::Result<Method> {
    let style = if suffix { Style::Suffix } else { Style::Prefix };
    match scheme.map(named).transpose()? {
        Some(scheme) => Ok(Method::Strict(scheme, style)),
        None => Ok(Method::Conlleval(style)),
    }
}

fn named(scheme: &str) -> anyhow::Result<Scheme> {
    match LabelScheme::named(scheme) {
        Some(LabelScheme::Strict(scheme)) => Ok(scheme),
        _ => Err(anyhow!("there is no scheme `{scheme}`")),
    }
}

fn zero_division(value: f64) -> ZeroDivision {
    if value == 0.0 { ZeroDivision::Zero } else { ZeroDivision::One }
}

/// Scores predicted labels of sentences against gold ones. `labels` says how: entities by the CoNLL script's rules
/// (`conlleval`), by a scheme's (`IOB2`), word by word (`words`), or as the labels show (none). Returns the figures and
/// notes.
///
/// # Errors
/// Sentences of different lengths; labels that the scheme does not know.
#[pyfunction]
#[pyo3(signature = (gold, predicted, labels=None, suffix=false, zero_division_value=0.0))]
pub fn score<'py>(
    py: Python<'py>,
    gold: Vec<Vec<String>>,
    predicted: Vec<Vec<String>>,
    labels: Option<&str>,
    suffix: bool,
    zero_division_value: f64,
) -> PyResult<(Bound<'py, PyAny>, Vec<Told>)> {
    let scored = py.detach(|| -> anyhow::Result<(Value, Vec<Note>)> {
        let style = if suffix { Style::Suffix } else { Style::Prefix };
        let mut notes = Vec::new();
        let method = match labels {
            None => {
                let mut names: Vec<&str> = gold.iter().flatten().map(String::as_str).collect();
                names.sort_unstable();
                names.dedup();
                let (method, note) = Method::for_labels(&names, style);
                notes.extend(note);
                method
            }
            Some("words") => Method::Words,
            Some("conlleval") => method(None, suffix)?,
            Some(scheme) => method(Some(scheme), suffix)?,
        };
        if gold.len() != predicted.len() {
            let (gold, predicted) = (gold.len(), predicted.len());
            return Err(anyhow!("there are {gold} gold sentences but {predicted} predicted ones"));
        }
        let mut scorer = Scorer::new(method);
        let zero_division = zero_division(zero_division_value);
        let mut analyzer = Analyzer::new(Pairing::Passes, None, zero_division);
        for (number, (gold, predicted)) in (1..).zip(gold.iter().zip(&predicted)) {
            scorer.add(gold, predicted).with_context(|| format!("sentence {number}"))?;
            analyzer.add(&scorer, &scorer.found(), &[]);
        }
        let score = scorer.score(zero_division);
        notes.extend(score.notes.iter().cloned());
        let mut figures = table::json(&score, method);
        if method.reading().is_some() {
            figures.as_object_mut().expect("it was made as one").extend(analyzer.finish(&scorer).json());
        }
        Ok((figures, notes))
    });
    let (figures, notes) = scored.map_err(|error| raised("score", &error))?;
    Ok((to_python(py, &figures)?, told("score", &notes)))
}

/// How a file's labels are scored.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Rules {
    mode: Option<String>,
    label_scheme: Option<String>,
    suffix: bool,
    zero_division: f64,
    parity: Option<String>,
    train: Option<String>,
    confidence: Option<f64>,
    resamples: Option<usize>,
    unit: Option<String>,
    seed: Option<u64>,
}

impl Rules {
    /// Returns a request to score a file of gold labels.
    ///
    /// # Errors
    /// A mode, a scheme, a program or a unit that does not exist; a confidence that is not between 0 and 1.
    pub fn request(self, gold: String) -> PyResult<ScoreRequest> {
        let chance = self.chance().map_err(|error| raised("score", &error))?;
        let mode = self.mode.map(|name| Mode::named(&name).ok_or_else(|| anyhow!("there is no mode `{name}`")));
        let scheme = |name: String| LabelScheme::named(&name).ok_or_else(|| anyhow!("there is no scheme `{name}`"));
        let label_scheme = self.label_scheme.map(scheme);
        let pairing = match self.parity.as_deref() {
            None => Pairing::Passes,
            Some("nervaluate") => Pairing::Nervaluate,
            Some(other) => return Err(raised("score", &anyhow!("there is no program `{other}` to be like"))),
        };
        Ok(ScoreRequest {
            gold,
            mode: mode.transpose().map_err(|error| raised("score", &error))?,
            label_scheme: label_scheme.transpose().map_err(|error| raised("score", &error))?.unwrap_or_default(),
            suffix: self.suffix,
            zero_division: zero_division(self.zero_division),
            pairing,
            known: self.train,
            chance,
            ..ScoreRequest::default()
        })
    }

    /// Returns what chance draws, where anything of it is asked for.
    fn chance(&self) -> anyhow::Result<Option<Chance>> {
        if self.confidence.is_none() && self.resamples.is_none() && self.unit.is_none() {
            return Ok(None);
        }
        let usual = Chance::default();
        let named = |name: &String| Unit::named(name).ok_or_else(|| anyhow!("there is no unit `{name}`"));
        let chance = Chance {
            confidence: self.confidence.unwrap_or(usual.confidence),
            resamples: self.resamples.unwrap_or(usual.resamples),
            unit: self.unit.as_ref().map(named).transpose()?.unwrap_or_default(),
            seed: self.seed.unwrap_or(usual.seed),
            ..usual
        };
        if !(chance.confidence > 0.0 && chance.confidence < 1.0) || chance.resamples == 0 {
            return Err(anyhow!("an interval holds a share between 0 and 1 of at least one resample"));
        }
        Ok(Some(chance))
    }
}

/// Scores a file of predicted labels as `tagsmith score` does, and compares it with a second one if there is one. Returns
/// what its `--json` prints.
///
/// # Errors
/// See [`tagsmith_app::score::score`].
#[pyfunction]
#[pyo3(signature = (gold, predicted, rules, second=None))]
pub fn score_files<'py>(
    py: Python<'py>,
    gold: String,
    predicted: Option<String>,
    rules: Rules,
    second: Option<String>,
) -> PyResult<Bound<'py, PyAny>> {
    let request = ScoreRequest { pred: predicted, second, ..rules.request(gold)? };
    let scored = py.detach(|| score_request(&request));
    let scored = scored.map_err(|error| raised("score", &error))?;
    to_python(py, &scored.json(&|note| Keywords::of("score").note(note)))
}

/// Evaluates a model as `tagsmith evaluate` does. Returns what its `--json` prints; `callback` hears the events.
///
/// # Errors
/// See [`tagsmith_app::score::evaluate::evaluate`].
#[pyfunction]
#[pyo3(signature = (model, file, rules, callback, **options))]
pub fn evaluate<'py>(
    py: Python<'py>,
    model: String,
    file: String,
    rules: Rules,
    callback: Py<PyAny>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let asked = Asked::by(options)?;
    let hub = asked.hub();
    let Asked { tagger, threads, .. } = asked;
    let request = EvaluateRequest { model, tagger, score: rules.request(file)?, threads };
    Callback::hears(py, "evaluate", Some(callback), |events| {
        let _inside = fork::enter();
        let scored = tagsmith_app::score::evaluate::evaluate(&request, &hub, events)?;
        Ok(scored.json(&|note| Keywords::of("evaluate").note(note)))
    })
}

/// Returns the entities of a sentence's tags: type, first word, last word.
///
/// # Errors
/// A tag that the scheme does not know.
#[pyfunction]
#[pyo3(signature = (tags, scheme=None, suffix=false))]
pub fn entities(tags: Vec<String>, scheme: Option<&str>, suffix: bool) -> PyResult<Vec<(String, usize, usize)>> {
    let found = || -> anyhow::Result<Vec<(String, usize, usize)>> {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let spans = match method(scheme, suffix)? {
            Method::Strict(scheme, style) => scheme.spans(&tags, style)?,
            Method::Conlleval(style) => Reading::Conlleval.spans(&tags, style),
            Method::Words => unreachable!("words are no entities"),
        };
        Ok(spans.into_iter().map(|span| (span.kind.to_owned(), span.start, span.end - 1)).collect())
    };
    found().map_err(|error| raised("score", &error))
}

/// Reads a file of words and labels, as training does. Returns the words and labels of its sentences, and notes.
///
/// # Errors
/// A file that cannot be read.
#[pyfunction]
pub fn read<'py>(py: Python<'py>, file: PathBuf) -> PyResult<(Bound<'py, PyAny>, Vec<Told>)> {
    let labeled = py.detach(|| LabelFile::open(Path::new(&file), None)?.read(None, Setting::LabelColumn, None));
    let labeled = labeled.map_err(|error| raised("train", &error.into()))?;
    let sentences: Value = labeled
        .sentences
        .iter()
        .map(|sentence| json!({ "words": sentence.words, "labels": sentence.labels }))
        .collect();
    Ok((to_python(py, &sentences)?, told("train", &labeled.notes)))
}
