//! The figures of one evaluation, and how a person reads a number.

use serde_json::Value;
use std::collections::BTreeSet;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer::results;

/// Names of the four figures that a type of entities has of its own.
pub const OF_TYPES: [&str; 4] = ["precision", "recall", "f1", "number"];

/// What a record holds beside figures, without the split's name.
const NO_FIGURES: [&str; 4] = ["runtime", "samples_per_second", "steps_per_second", "samples"];

/// The figures that a record has for a split: those of the whole, and those of each type of entities.
#[derive(Debug, Default, PartialEq)]
pub struct Figures<'a> {
    /// Name without the split's, and value. The order is one of the names alone, because a resumed run has read its
    /// records from a file, where they are sorted.
    pub all: Vec<(&'a str, &'a Value)>,
    /// Each type and its figures, as [`OF_TYPES`] names them.
    pub types: Vec<(&'a str, [Option<&'a Value>; 4])>,
}

impl<'a> Figures<'a> {
    /// Finds the figures whose names begin with `eval_` or `predict_`, say, in a record.
    pub fn of(record: &'a Record, prefix: &str) -> Figures<'a> {
        let named = || record.iter().filter_map(|(key, value)| Some((key.strip_prefix(prefix)?, value)));
        let types: BTreeSet<&str> = named().filter_map(|(key, _)| key.strip_suffix("_number")).collect();
        let mut figures = Figures::default();
        for (key, value) in named().filter(|(key, _)| !NO_FIGURES.contains(key)) {
            let of_type = OF_TYPES.iter().enumerate().find_map(|(at, name)| {
                let kind = key.strip_suffix(name)?.strip_suffix('_')?;
                types.contains(kind).then_some((kind, at))
            });
            let Some((kind, at)) = of_type else {
                figures.all.push((key, value));
                continue;
            };
            let place = figures.types.iter().position(|(name, _)| *name == kind).unwrap_or_else(|| {
                figures.types.push((kind, [None; 4]));
                figures.types.len() - 1
            });
            figures.types[place].1[at] = Some(value);
        }
        figures.all.sort_by_key(|(name, _)| place(name));
        figures.types.sort_by_key(|(name, _)| *name);
        figures
    }
}

/// The last words of names, in the order in which people read the figures.
const WORDS: [&str; 6] = ["loss", "f0.5", "precision", "recall", "f1", "accuracy"];

/// Returns the place of a figure: losses come first, then the figures of error detection. The others follow, those beside
/// each other that share the words before the last one.
fn place(name: &str) -> (usize, &str, usize, &str) {
    let (of, word) = name.rsplit_once('_').unwrap_or(("", name));
    let number = WORDS.iter().position(|known| *known == word).unwrap_or(WORDS.len());
    match word {
        "loss" => (0, "", number, name),
        _ if results::is_of_errors(name) => (1, of, number, name),
        _ => (2, of, number, name),
    }
}

/// Writes a figure with four decimals; a smaller one as `5e-5`, so that something is left of it.
pub(super) fn figure(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || value.abs() >= 1e-3 {
        return format!("{value:.4}");
    }
    let text = format!("{value:.2e}");
    let (digits, power) = text.split_once('e').expect("it was written so");
    format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Writes a value of JSON as a person would type it: texts bare, small numbers as `5e-5`.
pub(crate) fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Number(number) if number.is_f64() => {
            let x = number.as_f64().unwrap_or(f64::NAN);
            if x != 0.0 && x.abs() < 1e-3 { format!("{x:e}") } else { value.to_string() }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn small_numbers_keep_their_digits() {
        let shown = [0.5, 0.0, 0.001, 0.00005, 0.000123456, -0.0002, 1234.5].map(figure);
        assert_eq!(shown, ["0.5000", "0.0000", "0.0010", "5e-5", "1.23e-4", "-2e-4", "1234.5000"]);
        let values = json!([0.00005, 5e-5, 1e-8, 0.1, 3, null, "a b", [1], true, 0.0]);
        let shown: Vec<String> = values.as_array().unwrap().iter().map(typed).collect();
        assert_eq!(shown, ["5e-5", "5e-5", "1e-8", "0.1", "3", "none", "a b", "[1]", "true", "0.0"]);
    }

    #[test]
    fn figures_of_types_are_parted_from_those_of_all() {
        // The names are those of run_ner.py with `--return_entity_level_metrics`; a type may hold an underscore.
        let record = json!({
            "eval_loss": 0.5, "eval_WORK_OF_ART_precision": 0.1, "eval_WORK_OF_ART_recall": 0.2,
            "eval_WORK_OF_ART_f1": 0.3, "eval_WORK_OF_ART_number": 4, "eval_overall_f1": 0.6, "eval_runtime": 1.0,
            "eval_samples": 3, "train_loss": 2.0, "epoch": 1.0, "predict_f1": 0.9,
        });
        let record: Record = serde_json::from_value(record).unwrap();
        let found = Figures::of(&record, "eval_");
        let all: Vec<&str> = found.all.iter().map(|(name, _)| *name).collect();
        assert_eq!(all, ["loss", "overall_f1"]);
        assert_eq!(found.types.len(), 1);
        assert_eq!(found.types[0].0, "WORK_OF_ART");
        assert_eq!(found.types[0].1.map(Option::unwrap), [&json!(0.1), &json!(0.2), &json!(0.3), &json!(4)]);
        assert_eq!(Figures::of(&record, "predict_").all, [("f1", &json!(0.9))]);
    }

    /// Seqeval's figures take labels of errors for entities.
    #[test]
    fn figures_of_error_detection_come_first() {
        let names = ["accuracy", "f1", "f1_macro", "loss", "precision", "recall"];
        let of_errors = ["bin_f0.5", "bin_precision", "err_f0.5", "err_recall", "f0.5", "f1", "precision", "recall"];
        let keys = names.map(str::to_owned).into_iter().chain(of_errors.map(|name| format!("ged_{name}")));
        let record: Record = keys.map(|name| (format!("eval_{name}"), json!(0.5))).collect();
        let found: Vec<&str> = Figures::of(&record, "eval_").all.iter().map(|(name, _)| *name).collect();
        let want = "loss ged_f0.5 ged_precision ged_recall ged_f1 ged_bin_f0.5 ged_bin_precision ged_err_f0.5 \
                    ged_err_recall precision recall f1 accuracy f1_macro";
        assert_eq!(found.join(" "), want);
    }

    #[test]
    fn the_order_of_a_record_does_not_matter() {
        // As the Trainer logs them, and as its state file has them: sorted.
        let logged = ["loss", "token_loss", "precision", "recall", "f1", "accuracy"];
        let mut sorted = logged;
        sorted.sort();
        for order in [logged, sorted] {
            let record: Record = order.iter().map(|name| (format!("eval_{name}"), json!(0.5))).collect();
            let found: Vec<&str> = Figures::of(&record, "eval_").all.iter().map(|(name, _)| *name).collect();
            assert_eq!(found, logged);
        }
    }
}
