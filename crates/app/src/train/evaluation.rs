//! The figures of a model on a split's examples, as the Trainer records them.

use super::decoding::Way;
use crate::error::refusal;
use crate::events::{Events, Progress};
use crate::options::{LearningArgs, TimesArgs};
use crate::report::diagnosis::{Diagnosis, Judgment};
use crate::report::entities::{Counted, Gatherer};
use anyhow::ensure;
use serde_json::json;
use std::cell::Cell;
use std::time::Instant;
use tagsmith_message::{Note, Remedy, Setting, Wording, counted};
use tagsmith_ranks::World;
use tagsmith_text::align::IGNORE;
use tagsmith_text::labels::LabelSet;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::{self, LabelKind, Style};
use tagsmith_text::score::bootstrap::Interval;
use tagsmith_text::score::error_classes::ErrorClass;
use tagsmith_text::score::error_detection;
use tagsmith_text::score::semeval::Answer;
use tagsmith_text::score::units::{Figure, Part};
use tagsmith_text::score::{Method, Score, Scorer, ZeroDivision};
use tagsmith_text::sentence::Split;
use tagsmith_tokens::error::Error;
use tagsmith_tokens::evaluate::{EvalOptions, Evaluation, evaluate_by};
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::model::Model;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer::results;

/// Rows that the model reads at once where it does not learn: enough for full speed, and they fit the caches.
const READ_AT_ONCE: usize = 2048;

/// Returns how many rows the model reads at once in evaluation and prediction: no more than where it learns.
pub fn rows_at_once(learning: &LearningArgs) -> usize {
    learning.batch_tokens.map_or(READ_AT_ONCE, |most| most.min(READ_AT_ONCE))
}

/// Refuses an evaluation of a model whose scores are not numbers: its figures would say that it finds nothing.
pub fn refuse_no_numbers(split: &str, evaluation: &Evaluation) -> anyhow::Result<()> {
    let pieces: usize = evaluation.predictions.iter().map(Vec::len).sum();
    let bad = evaluation.not_finite;
    ensure!(
        bad == 0,
        "{split}: the model's scores are not numbers for {bad} of {}: its weights were spoiled in training, or by \
         whoever wrote them",
        counted(pieces, "piece")
    );
    Ok(())
}

/// Returns what decoding did to a split's labels, where it did anything.
pub fn notes_of_decoding(split: &str, evaluation: &Evaluation) -> Vec<Note> {
    let changed = "{} {has|have} another label than {its|their} most probable one, so that tags are legal";
    let pathless = "{} {has|have} no legal path of labels, so each word got its most probable label";
    let note = |what: &'static str, count: usize, unit: &str| {
        let counted = counted(count, unit);
        (count > 0).then(|| Note::once(Wording::new(what, &[&counted]).of(count)).about(split))
    };
    let changed = note(changed, evaluation.changed, "word");
    changed.into_iter().chain(note(pathless, evaluation.without_path, "sentence").map(Note::important)).collect()
}

/// Returns what can be done where the labels are not tags.
fn remedy(labels: &LabelSet) -> Remedy {
    let words = Remedy::SetTo(Setting::LabelScheme, LabelScheme::Words.name().into());
    match LabelKind::of(labels.names(), Style::Prefix) {
        LabelKind::Types => Remedy::AnyOf(vec![
            Remedy::set(Setting::BareTags).so_as("to make a run of one type an entity"),
            words.so_as("to score words"),
        ]),
        LabelKind::Classes if scheme::has_zero_for_outside(labels.names()) => Remedy::AnyOf(vec![
            Remedy::AllOf(vec![Remedy::to_do("write `O` for `0`"), Remedy::set(Setting::BareTags)])
                .so_as("to make a run of one type an entity"),
            words.so_as("to leave this note out"),
        ]),
        _ => words.so_as("to leave this note out"),
    }
}

/// The way in which every split of a run is measured.
pub struct Measure<'a> {
    /// The labels in the order of the head's rows.
    pub labels: &'a LabelSet,
    world: &'a World,
    method: Method,
    /// Whether labels are types without a letter, which no rules of tags can take apart.
    has_types: bool,
    /// The way from scores to labels.
    way: Way,
    options: EvalOptions,
    entity_level: bool,
    detailed: bool,
    loss_only: bool,
    /// A scorer that has counted nothing yet, where errors are detected.
    errors: Option<error_detection::Scorer>,
}

impl<'a> Measure<'a> {
    /// Chooses the scores that are asked for, or that fit the labels. A note says where the labels are not tags of
    /// entities.
    ///
    /// # Errors
    /// Labels that are not of the scheme that is asked for; error detection without a label of right words.
    pub fn new(
        labels: &'a LabelSet,
        (asked, times, learning): (LabelScheme, &TimesArgs, &LearningArgs),
        way: Way,
        finds_errors: bool,
        world: &'a World,
        events: &mut dyn Events,
    ) -> anyhow::Result<Self> {
        const STYLE: Style = Style::Prefix;
        asked
            .check(labels.names(), STYLE)
            .map_err(|error| refusal(error.to_string(), Remedy::Unset(Setting::LabelScheme)))?;
        let (mut method, note) = Method::of(asked, labels.names(), STYLE);
        let errors = finds_errors.then(|| error_detection::Scorer::new(labels.names())).transpose()?;
        if let Some(errors) = &errors {
            if asked != LabelScheme::Auto {
                let message = format!("the label scheme {} is about entities, and errors are detected", asked.name());
                return Err(refusal(message, Remedy::Unset(Setting::LabelScheme)));
            }
            method = Method::Conlleval(STYLE);
            events.say(format!(
                "words whose label is not `{}` are errors: `ged_…` are their figures; precision, recall and f1 are \
                 seqeval's, which takes the labels for entities",
                errors.correct_label()
            ));
        } else if let Some(note) = note {
            events.note(&note.with_remedy(remedy(labels)));
        }
        let has_types = asked == LabelScheme::Auto && LabelKind::of(labels.names(), STYLE) == LabelKind::Types;
        let options = EvalOptions {
            batch_size: times.per_device_eval_batch_size,
            batch_tokens: rows_at_once(learning),
            label_smoothing: learning.label_smoothing_factor,
        };
        let (entity_level, detailed, loss_only) =
            (times.return_entity_level_metrics, times.detailed_scores, times.prediction_loss_only);
        Ok(Measure { labels, world, method, has_types, way, options, entity_level, detailed, loss_only, errors })
    }

    /// Runs the model over the examples and returns their figures. The record's names begin with `prefix`. `watch` hears
    /// how far the work is.
    ///
    /// # Errors
    /// Rows of the model's word table, or a file of examples, that cannot be read.
    pub fn run(
        &self,
        prefix: &str,
        model: &Model,
        examples: &Examples,
        watch: &dyn Fn(Progress<'_>),
    ) -> Result<(Record, Evaluation), Error> {
        let start = Instant::now();
        let work = if prefix == "predict" { "prediction" } else { "evaluation" };
        // Ranks have equal shares, near enough for a bar.
        let all = examples.pieces() as usize / self.world.size();
        let done = Cell::new(0);
        let progress = |done: usize, of: usize| watch(Progress::in_pieces(work, done, of));
        let reading = self.way.reading(model)?;
        let evaluation = evaluate_by(&reading, examples, self.labels.len(), self.options, self.world, |batch| {
            let scores = model.infer(batch)?;
            done.set(done.get() + batch.rows());
            progress(done.get(), all.max(done.get() + 1));
            Ok(scores)
        })?;
        progress(done.get(), done.get());
        let mut record = Record::new();
        if evaluation.counted > 0 {
            record.insert(format!("{prefix}_loss"), json!(evaluation.loss));
            record.insert(format!("{prefix}_token_loss"), json!(evaluation.token_loss));
        }
        if evaluation.counted > 0 && !self.loss_only {
            for (name, value) in self.metrics(examples, Some(&evaluation.predictions))? {
                record.insert(format!("{prefix}_{name}"), value);
            }
        }
        let steps = examples.len().div_ceil(self.options.batch_size) as u64;
        record.extend(results::speed(prefix, start.elapsed().as_secs_f64(), examples.len() as f64, steps));
        Ok((record, evaluation))
    }

    /// Returns all figures of predicted labels, by name. Without predictions, the gold labels are measured.
    fn metrics(&self, examples: &Examples, predictions: Option<&[Vec<u32>]>) -> Result<Record, Error> {
        let mut metrics = self.score(examples, predictions)?.metrics(self.entity_level);
        if self.detailed && self.method.reading().is_some() {
            metrics.extend(self.details(examples, predictions)?);
        }
        if let Some(score) = self.score_errors(examples, predictions)? {
            metrics.extend(score.metrics().into_iter().map(|(name, value)| (format!("ged_{name}"), value)));
        }
        Ok(metrics)
    }

    /// Returns the figures of detailed scores, by name. They are F1 by SemEval's answers, the 95 % intervals of F1 over resamples
    /// of the sentences, and the numbers of errors by class.
    fn details(&self, examples: &Examples, predictions: Option<&[Vec<u32>]>) -> Result<Record, Error> {
        let Some(mut gatherer) = Gatherer::new(self.method, self.labels.names()) else { return Ok(Record::new()) };
        let mut number = 0;
        for_each_counted(examples, predictions, |gold, predicted| {
            let words = gold.iter().zip(predicted).enumerate();
            let words: Vec<Counted> =
                words.map(|(at, (gold, predicted))| (at, *gold as usize, *predicted as usize)).collect();
            gatherer.add(number, &words, None);
            number += 1;
        })?;
        let entities = gatherer.finish();
        let mut record = Record::new();
        for (answer, tally) in Answer::ALL.into_iter().zip(entities.analysis.semeval.all()) {
            record.insert(format!("semeval_{}_f1", answer.name()), json!(tally.metrics(ZeroDivision::Zero).f1));
        }
        let figures = Figure::all(entities.units.kinds.len());
        for (name, figure) in [("f1", Figure::Micro(Part::F1)), ("f1_macro", Figure::Macro(Part::F1))] {
            let at = figures.iter().position(|it| *it == figure);
            if let Some(Interval { low, high }) = at.and_then(|at| entities.intervals.get(at).copied().flatten()) {
                record.insert(format!("{name}_low"), json!(low));
                record.insert(format!("{name}_high"), json!(high));
            }
        }
        for (class, count) in ErrorClass::ALL.into_iter().zip(entities.analysis.classes.all()).skip(1) {
            record.insert(format!("errors_{}", class.key()), json!(count));
        }
        Ok(record)
    }

    /// Returns how well errors are detected, where that is the task and anything is labeled.
    pub fn error_score(
        &self,
        examples: &Examples,
        evaluation: &Evaluation,
    ) -> Result<Option<error_detection::Score>, Error> {
        match evaluation.counted {
            0 => Ok(None),
            _ => self.score_errors(examples, Some(&evaluation.predictions)),
        }
    }

    /// Returns what the model gets wrong in a split, where anything of it is labeled.
    pub fn diagnosis(
        &self,
        split: &Split,
        examples: &Examples,
        evaluation: &Evaluation,
    ) -> Result<Option<Diagnosis>, Error> {
        if evaluation.counted == 0 {
            return Ok(None);
        }
        let (predictions, names) = (&evaluation.predictions, self.labels.names());
        let found = (&predictions[..], &evaluation.probabilities[..]);
        let diagnose = |judgment| Ok(Some(Diagnosis::new(split, examples, found, names, judgment)?));
        // The labels of errors, and types alone, are not tags of entities.
        let method = if self.has_types { Method::Words } else { self.method };
        match (&self.errors, self.score_errors(examples, Some(predictions))?) {
            (Some(scorer), Some(score)) => diagnose(Judgment::Errors(&score, scorer.correct_label())),
            _ => diagnose(Judgment::Labels(method, &self.score_by(method, examples, Some(predictions))?)),
        }
    }

    /// Returns the name of the figure that says most about a run: `chosen`, or else what the labels are scored by.
    pub fn main_metric(&self, chosen: Option<&str>, examples: &Examples) -> anyhow::Result<String> {
        let by_labels = match self.method {
            _ if self.errors.is_some() => "ged_f0.5",
            Method::Words => "accuracy",
            Method::Conlleval(_) | Method::Strict(..) if self.entity_level => "overall_f1",
            Method::Conlleval(_) | Method::Strict(..) => "f1",
        };
        let loss = if self.loss_only || examples.is_empty() { Some("loss") } else { None };
        match chosen.filter(|name| !name.ends_with("loss")) {
            Some(name) if loss.is_none() => self.metric_name(name, examples),
            _ => Ok(loss.unwrap_or(by_labels).to_owned()),
        }
    }

    /// Returns what is to be known about a metric that chooses the best model: in error detection, seqeval's figures
    /// take labels for entities.
    pub fn about_metric(&self, name: &str) -> Option<Note> {
        let is_of_entities = !results::is_of_errors(name) && !name.ends_with("loss") && !name.ends_with("accuracy");
        (self.errors.is_some() && is_of_entities).then(|| {
            let what = format!(
                "`{name}` chooses the best model and is seqeval's, which takes labels of errors for entities; `ged_f0.5` \
                 says how well errors are detected"
            );
            let remedy = Remedy::SetTo(Setting::Metric, "ged_f0.5".into()).so_as("to choose by it");
            Note::once(what).with_remedy(remedy).important()
        })
    }

    fn score_errors(
        &self,
        examples: &Examples,
        predictions: Option<&[Vec<u32>]>,
    ) -> Result<Option<error_detection::Score>, Error> {
        let Some(mut scorer) = self.errors.clone() else { return Ok(None) };
        let names = self.labels.names();
        for_each_counted(examples, predictions, |gold, predicted| {
            for (&gold, &predicted) in gold.iter().zip(predicted) {
                scorer.add(&names[gold as usize], &names[predicted as usize], String::new);
            }
        })?;
        Ok(Some(scorer.score()))
    }

    /// Scores predicted labels, one for each piece, where the examples' labels count.
    fn score(&self, examples: &Examples, predictions: Option<&[Vec<u32>]>) -> Result<Score, Error> {
        self.score_by(self.method, examples, predictions)
    }

    fn score_by(&self, method: Method, examples: &Examples, predictions: Option<&[Vec<u32>]>) -> Result<Score, Error> {
        let mut scorer = Scorer::with_labels(method, self.labels.names());
        for_each_counted(examples, predictions, |gold, predicted| {
            scorer.add_ids(gold, predicted).expect("one label a piece on both sides, each of the scheme");
        })?;
        Ok(scorer.score(ZeroDivision::Zero))
    }

    /// Returns the name under which evaluation will report `metric`. `f1` and `overall_f1` mean the same, and so do
    /// `f0.5` and `ged_f0.5`.
    ///
    /// The names are known before training: the gold labels are scored against themselves.
    pub fn metric_name(&self, metric: &str, examples: &Examples) -> anyhow::Result<String> {
        let scores = if self.loss_only { Record::new() } else { self.metrics(examples, None)? };
        let names: Vec<&str> = ["loss", "token_loss"].into_iter().chain(scores.keys().map(String::as_str)).collect();
        let long = format!("overall_{metric}");
        let short = metric.strip_prefix("overall_").unwrap_or(metric);
        let of_errors = format!("ged_{metric}");
        for name in [metric, &long, short, &of_errors] {
            if names.contains(&name) {
                return Ok(name.into());
            }
        }
        Err(refusal(
            format!("evaluation does not return the metric `{metric}` that chooses the best model"),
            Remedy::set(Setting::Metric).so_as(format!("with one of {}", names.join(", "))),
        ))
    }
}

/// Hands the gold labels of each example that count, and the predicted ones, to `each`. Without predictions, the gold
/// labels stand for them.
fn for_each_counted(
    examples: &Examples,
    predictions: Option<&[Vec<u32>]>,
    mut each: impl FnMut(&[u32], &[u32]),
) -> Result<(), Error> {
    for (number, example) in examples.iter().enumerate() {
        let labels = example?.labels;
        let counted: Vec<usize> = (0..labels.len()).filter(|&at| labels[at] != IGNORE).collect();
        let gold: Vec<u32> = counted.iter().map(|&at| labels[at] as u32).collect();
        match predictions {
            None => each(&gold, &gold),
            Some(of_all) => each(&gold, &counted.iter().map(|&at| of_all[number][at]).collect::<Vec<_>>()),
        }
    }
    Ok(())
}
