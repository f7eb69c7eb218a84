//! What a model's answers to a split's examples are worth, as the Trainer records it.

use super::say;
use crate::args::TrainArgs;
use anyhow::bail;
use serde_json::json;
use std::time::Instant;
use tagsmith_model::model::Model;
use tagsmith_ranks::World;
use tagsmith_tagger::eval::{EvalOptions, Evaluation, evaluate};
use tagsmith_text::align::{Example, IGNORE};
use tagsmith_text::labels::LabelSet;
use tagsmith_text::scheme::Style;
use tagsmith_text::score::{Method, Score, Scorer, ZeroDivision};
use tagsmith_train::outputs;
use tagsmith_train::state::Record;

/// Rows that the model reads at once where it does not learn: enough for full speed, and they fit the caches.
const READ_AT_ONCE: usize = 2048;

/// Rows that the model reads at once in evaluation and prediction: no more than where it learns.
pub fn rows_at_once(args: &TrainArgs) -> usize {
    args.learning.batch_tokens.map_or(READ_AT_ONCE, |most| most.min(READ_AT_ONCE))
}

/// How every split of a run is measured.
pub struct Measure<'a> {
    labels: &'a LabelSet,
    world: &'a World,
    method: Method,
    options: EvalOptions,
    entity_level: bool,
    loss_only: bool,
}

impl<'a> Measure<'a> {
    /// Says so where the labels are no entity tags.
    pub fn new(labels: &'a LabelSet, args: &TrainArgs, world: &'a World) -> Self {
        let (method, note) = Method::for_labels(labels.names(), Style::Prefix);
        if let Some(note) = note {
            say(note);
        }
        let options = EvalOptions {
            batch_size: args.times.per_device_eval_batch_size,
            batch_tokens: rows_at_once(args),
            label_smoothing: args.learning.label_smoothing_factor,
        };
        let (entity_level, loss_only) = (args.times.return_entity_level_metrics, args.times.prediction_loss_only);
        Measure { labels, world, method, options, entity_level, loss_only }
    }

    /// Runs the model over the examples. The record's names begin with `prefix`.
    pub fn run(&self, prefix: &str, model: &Model, examples: &[Example]) -> (Record, Evaluation) {
        let start = Instant::now();
        let evaluation = evaluate(examples, self.labels.len(), self.options, self.world, |batch| model.infer(batch));
        let mut record = Record::new();
        if evaluation.counted > 0 {
            record.insert(format!("{prefix}_loss"), json!(evaluation.loss));
            record.insert(format!("{prefix}_token_loss"), json!(evaluation.token_loss));
        }
        if evaluation.counted > 0 && !self.loss_only {
            let score = self.score(examples, &evaluation.predictions);
            for (name, value) in score.metrics(self.entity_level) {
                record.insert(format!("{prefix}_{name}"), value);
            }
        }
        let steps = examples.len().div_ceil(self.options.batch_size) as u64;
        record.extend(outputs::speed(prefix, start.elapsed().as_secs_f64(), examples.len() as f64, steps));
        (record, evaluation)
    }

    /// Scores predicted labels, one a piece, where the examples' labels count.
    fn score(&self, examples: &[Example], predictions: &[Vec<u32>]) -> Score {
        let mut scorer = Scorer::with_labels(self.method, self.labels.names());
        for (example, predicted) in examples.iter().zip(predictions) {
            let counted = || example.labels.iter().zip(predicted).filter(|&(&gold, _)| gold != IGNORE);
            let gold: Vec<u32> = counted().map(|(&gold, _)| gold as u32).collect();
            let predicted: Vec<u32> = counted().map(|(_, &predicted)| predicted).collect();
            scorer.add_ids(&gold, &predicted).expect("one label a piece on both sides, and no strict scheme");
        }
        scorer.score(ZeroDivision::Zero)
    }

    /// The name under which evaluation will report `metric`. `f1` and `overall_f1` mean the same.
    ///
    /// Found out before training, by scoring the gold labels against themselves.
    pub fn metric_name(&self, metric: &str, examples: &[Example]) -> anyhow::Result<String> {
        let gold: Vec<Vec<u32>> =
            examples.iter().map(|example| example.labels.iter().map(|&label| label.max(0) as u32).collect()).collect();
        let scores =
            if self.loss_only { Record::new() } else { self.score(examples, &gold).metrics(self.entity_level) };
        let names: Vec<&str> = ["loss", "token_loss"].into_iter().chain(scores.keys().map(String::as_str)).collect();
        let long = format!("overall_{metric}");
        let short = metric.strip_prefix("overall_").unwrap_or(metric);
        for name in [metric, &long, short] {
            if names.contains(&name) {
                if name != metric {
                    say(format!("the metric `{metric}` is called `{name}` in this run"));
                }
                return Ok(name.into());
            }
        }
        bail!("`--metric_for_best_model {metric}` is nothing that evaluation returns; it returns {}", names.join(", "));
    }
}
