//! A run that is over, and its figures.

use super::about::About;
use super::diagnosis::Diagnosis;
use crate::options::Origin;
use crate::train::check::Checked;
use serde_json::Value;
use tagsmith_train::checkpoint::state::Record;

/// A run that is over.
pub struct Finished {
    /// What to call it.
    pub name: String,
    /// The log, with the final evaluation at its end if there was one.
    pub history: Vec<Record>,
    /// All results, by name.
    pub results: Record,
    /// The figure that says most, without `eval_`: what chooses the best model, or else the F1 or the accuracy.
    pub metric: String,
    /// What the model gets wrong, if it was evaluated for that.
    pub diagnosis: Option<Diagnosis>,
    /// What the model gets wrong in the test split, if that was measured.
    pub tested: Option<Diagnosis>,
    /// What was found in the data before anything was learned, if that was looked for.
    pub checked: Option<Checked>,
    /// Every choice of the run.
    pub settings: Value,
    /// Where those choices come from.
    pub origin: Origin,
    /// What the run was made of.
    pub about: About,
}

impl Finished {
    /// Steps and values that the log has under a name, in order; evaluations at one step count once.
    pub(super) fn series(&self, name: &str) -> Vec<(f64, f64)> {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for record in &self.history {
            let (step, value) = (record.get("step").and_then(Value::as_f64), record.get(name).and_then(Value::as_f64));
            if let (Some(step), Some(value)) = (step, value)
                && points.last().is_none_or(|last| last.0 != step)
            {
                points.push((step, value));
            }
        }
        points
    }

    pub(super) fn result(&self, name: &str) -> Option<f64> {
        self.results.get(name).and_then(Value::as_f64)
    }
}
