//! Figures of sets of labeled ranges.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A range with a label, half-open or inclusive as its maker has it.
pub type Labeled = (usize, usize, String);

/// True and false positives and false negatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Predicted and gold.
    pub tp: u64,
    /// Predicted alone.
    pub fp: u64,
    /// Gold alone.
    pub fn_: u64,
}

/// The counts of every label that is gold or predicted somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    classes: BTreeMap<String, Counts>,
}

impl Score {
    /// Adds a text: its gold and its predicted ranges, each counted once.
    pub fn add(&mut self, gold: &[Labeled], predicted: &[Labeled]) {
        let (gold, predicted): (BTreeSet<_>, BTreeSet<_>) = (gold.iter().collect(), predicted.iter().collect());
        for it in gold.union(&predicted) {
            let counts = self.classes.entry(it.2.clone()).or_default();
            match (gold.contains(it), predicted.contains(it)) {
                (true, true) => counts.tp += 1,
                (false, _) => counts.fp += 1,
                (true, false) => counts.fn_ += 1,
            }
        }
    }

    /// Adds a gold entity that nothing predicted could have equaled.
    pub fn add_missed(&mut self, label: &str) {
        self.classes.entry(label.to_owned()).or_default().fn_ += 1;
    }

    /// The sums over labels.
    pub fn total(&self) -> Counts {
        let add = |a: Counts, b: &Counts| Counts { tp: a.tp + b.tp, fp: a.fp + b.fp, fn_: a.fn_ + b.fn_ };
        self.classes.values().fold(Counts::default(), add)
    }

    /// The plain means of the classes' precision, recall and F1.
    pub fn mean(&self) -> [f64; 3] {
        let mut means = [0.0; 3];
        for counts in self.classes.values() {
            let shares = counts.figures().map(|figure| figure / self.classes.len() as f64);
            means.iter_mut().zip(shares).for_each(|(mean, share)| *mean += share);
        }
        means
    }

    /// `per_class`, `micro` and `macro`.
    pub fn to_json(&self) -> Map<String, Value> {
        let count = self.classes.len();
        let classes: Map<String, Value> =
            self.classes.iter().map(|(label, counts)| (label.clone(), counts.to_json())).collect();
        let mut json = Map::new();
        json.insert("per_class".into(), Value::Object(classes));
        json.insert("micro".into(), self.total().to_json());
        let [precision, recall, f1] = self.mean();
        let classes = json!({"precision": precision, "recall": recall, "f1": f1, "num_classes": count});
        json.insert("macro".into(), classes);
        json
    }
}

impl Counts {
    /// Precision, recall and F1, each 0 where it is undefined.
    pub fn figures(&self) -> [f64; 3] {
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let (precision, recall) = (share(self.tp, self.tp + self.fp), share(self.tp, self.tp + self.fn_));
        let sum = precision + recall;
        [precision, recall, if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 }]
    }

    fn to_json(self) -> Value {
        let [precision, recall, f1] = self.figures();
        json!({"tp": self.tp, "fp": self.fp, "fn": self.fn_, "precision": precision, "recall": recall, "f1": f1})
    }
}
