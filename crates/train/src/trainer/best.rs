//! Which evaluation was the best, and when to stop waiting for a better one.

use crate::checkpoint::state::{EarlyStoppingState, Record};
use crate::error::Error;
use serde_json::Value;

/// The metric that decides, and in which direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Criterion {
    /// The metric's key in an evaluation's record, `eval_` included.
    pub key: String,
    /// Whether a higher value is a better one.
    pub greater_is_better: bool,
    /// A value that the first evaluation has to improve on; without it any number is the best so far.
    pub floor: Option<f64>,
}

impl Criterion {
    /// `--metric_for_best_model` with or without `eval_`; unless told, a name that ends in `loss` falls and any other
    /// rises.
    pub fn new(metric: &str, greater_is_better: Option<bool>) -> Criterion {
        let key = if metric.starts_with("eval_") { metric.to_owned() } else { format!("eval_{metric}") };
        Criterion { key, greater_is_better: greater_is_better.unwrap_or(!metric.ends_with("loss")), floor: None }
    }

    /// The metric's value in an evaluation's record; not a number where the record has `null`.
    pub fn value(&self, record: &Record) -> Result<f64, Error> {
        match record.get(&self.key) {
            Some(value) => Ok(value.as_f64().unwrap_or(f64::NAN)),
            None => Err(Error::Metric { wanted: self.key.clone(), available: record.keys().cloned().collect() }),
        }
    }

    /// The metric's value in the first evaluation of a step in a log.
    pub fn at(&self, log: &[Record], step: u64) -> Option<f64> {
        let of_step = |record: &&Record| record.get("step").and_then(Value::as_u64) == Some(step);
        log.iter().filter(of_step).find_map(|record| record.get(&self.key)?.as_f64())
    }

    /// The steps of evaluations in a log, the best first; of equal ones the earlier comes first.
    pub fn ranked(&self, log: &[Record]) -> Vec<u64> {
        let of = |record: &Record| Some((record.get("step")?.as_u64()?, record.get(&self.key)?.as_f64()?));
        let mut ranked: Vec<(u64, f64)> = log.iter().filter_map(of).collect();
        ranked.sort_by(|a, b| {
            let rising = a.1.total_cmp(&b.1);
            (if self.greater_is_better { rising.reverse() } else { rising }).then(a.0.cmp(&b.0))
        });
        ranked.into_iter().map(|(step, _)| step).collect()
    }

    /// Whether `value` is strictly better than the best so far: of equals the earlier stays.
    pub fn improves(&self, value: f64, best: Option<f64>) -> bool {
        match best.or(self.floor) {
            None => !value.is_nan(),
            Some(best) if self.greater_is_better => value > best,
            Some(best) => value < best,
        }
    }
}

impl EarlyStoppingState {
    /// Takes in one evaluation, before the best is updated by it. Returns whether to stop.
    pub fn observe(&mut self, criterion: &Criterion, value: f64, best: Option<f64>) -> bool {
        let far_enough = best.or(criterion.floor).is_none_or(|best| (value - best).abs() > self.threshold);
        if criterion.improves(value, best) && far_enough {
            self.without_improvement = 0;
        } else {
            self.without_improvement += 1;
        }
        self.exhausted()
    }

    /// Whether patience has run out.
    pub fn exhausted(&self) -> bool {
        self.without_improvement >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_directions() {
        let check = |metric, told, key: &str, greater_is_better| {
            assert_eq!(Criterion::new(metric, told), Criterion { key: key.to_owned(), greater_is_better, floor: None });
        };
        check("f1", None, "eval_f1", true);
        check("eval_f1", None, "eval_f1", true);
        check("loss", None, "eval_loss", false);
        check("token_loss", None, "eval_token_loss", false);
        check("f1", Some(false), "eval_f1", false);
        check("loss", Some(true), "eval_loss", true);
    }

    #[test]
    fn a_missing_metric_names_those_there_are() {
        let record = json!({"eval_loss": 1.0, "eval_overall_f1": 0.5});
        let error = Criterion::new("f1", None).value(record.as_object().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "evaluation has no `eval_f1` to choose the best model by; it has eval_loss, eval_overall_f1"
        );
    }

    #[test]
    fn what_is_no_number_is_never_the_best() {
        let rising = Criterion::new("f1", None);
        assert!(!rising.improves(f64::NAN, None) && !rising.improves(f64::NAN, Some(0.1)));
        assert!(rising.improves(0.0, None) && !rising.improves(0.5, Some(0.5)));
        let from_zero = Criterion { floor: Some(0.0), ..rising };
        assert!(!from_zero.improves(0.0, None) && from_zero.improves(0.1, None) && !from_zero.improves(0.1, Some(0.2)));
        let mut early = EarlyStoppingState { patience: 2, threshold: 0.0, without_improvement: 0 };
        assert!(!early.observe(&from_zero, 0.0, None) && early.observe(&from_zero, 0.0, None));
    }
}
