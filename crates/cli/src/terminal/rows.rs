//! The log of a training for a person at a terminal: a row an epoch, or a row an evaluation.

use serde_json::Value;
use tagsmith_train::checkpoint::state::Record;

/// Figures of an evaluation that a row shows, by the names under which they may be recorded.
const FIGURES: [(&str, &[&str]); 6] = [
    ("eval_loss", &["eval_loss"]),
    ("ged_f0.5", &["eval_ged_f0.5"]),
    ("precision", &["eval_precision", "eval_overall_precision"]),
    ("recall", &["eval_recall", "eval_overall_recall"]),
    ("f1", &["eval_f1", "eval_overall_f1"]),
    ("accuracy", &["eval_accuracy", "eval_overall_accuracy"]),
];

/// The rows of a run.
#[derive(Debug, Default)]
pub struct Rows {
    /// The last record of training that no row shows yet.
    pending: Option<Record>,
}

impl Rows {
    /// Takes in a record of the log. Returns the fields of the row there is to show, if there is one. That of an
    /// evaluation comes at once, that of training when a later epoch begins.
    pub fn take(&mut self, record: &Record) -> Option<Vec<String>> {
        if record.contains_key("train_runtime") {
            return self.finish();
        }
        if record.keys().any(|key| key.starts_with("eval_")) {
            return Some(row(self.pending.take().as_ref(), record));
        }
        let epoch = |record: &Record| record.get("epoch").and_then(Value::as_f64).unwrap_or(0.0).ceil();
        let before = self.pending.replace(record.clone());
        before.filter(|before| epoch(before) < epoch(record)).map(|before| row(Some(&before), &before))
    }

    /// Returns the fields of the row of the last epoch, if no row shows it yet.
    pub fn finish(&mut self) -> Option<Vec<String>> {
        self.pending.take().map(|record| row(Some(&record), &record))
    }
}

/// Returns the fields of a row of the last record of training and of an evaluation.
fn row(training: Option<&Record>, record: &Record) -> Vec<String> {
    let number = |record: &Record, key: &str| record.get(key).and_then(Value::as_f64);
    let mut row = vec![format!("epoch {:>6.2}", number(record, "epoch").unwrap_or(0.0))];
    if let Some(step) = number(record, "step") {
        row.push(format!("step {step:>6}"));
    }
    if let Some(loss) = training.and_then(|training| number(training, "loss")) {
        row.push(format!("loss {loss:.4}"));
    }
    let figures = FIGURES.iter().filter_map(|(name, keys)| {
        let figure = keys.iter().find_map(|key| number(record, key))?;
        Some(format!("{name} {figure:.4}"))
    });
    row.extend(figures);
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(records: Value) -> Vec<String> {
        let mut rows = Rows::default();
        let records: Vec<Record> = serde_json::from_value(records).unwrap();
        let mut shown: Vec<Vec<String>> = records.iter().filter_map(|record| rows.take(record)).collect();
        shown.extend(rows.finish());
        shown.into_iter().map(|row| row.join("  ")).collect()
    }

    #[test]
    fn an_evaluated_epoch_is_one_row() {
        let shown = rows(json!([
            {"loss": 0.5, "epoch": 0.5, "step": 5}, {"loss": 0.25, "epoch": 1.0, "step": 10},
            {"eval_loss": 0.125, "eval_f1": 0.75, "eval_accuracy": 0.9, "epoch": 1.0, "step": 10},
            {"loss": 0.1, "epoch": 2.0, "step": 20},
            {"eval_loss": 0.12, "eval_f1": 0.76, "eval_accuracy": 0.9, "epoch": 2.0, "step": 20},
            {"train_runtime": 1.0, "epoch": 2.0, "step": 20},
        ]));
        assert_eq!(
            shown,
            [
                "epoch   1.00  step     10  loss 0.2500  eval_loss 0.1250  f1 0.7500  accuracy 0.9000",
                "epoch   2.00  step     20  loss 0.1000  eval_loss 0.1200  f1 0.7600  accuracy 0.9000",
            ]
        );
    }

    #[test]
    fn without_evaluations_an_epoch_is_one_row_too() {
        let shown = rows(json!([
            {"loss": 0.5, "epoch": 0.5, "step": 5}, {"loss": 0.25, "epoch": 1.0, "step": 10},
            {"loss": 0.1, "epoch": 1.5, "step": 15}, {"loss": 0.05, "epoch": 2.0, "step": 20},
            {"train_runtime": 1.0, "epoch": 2.0, "step": 20},
        ]));
        let want = ["epoch   1.00  step     10  loss 0.2500", "epoch   2.00  step     20  loss 0.0500"];
        assert_eq!(shown, want);
    }
}
