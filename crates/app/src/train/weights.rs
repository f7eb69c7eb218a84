//! The weights of a run's labels: what was asked for, counted in the examples or read from a file, and told as a table.

use crate::error::refusal;
use crate::events::Events;
use crate::options::LearningArgs;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use tagsmith_files::json_fields::read_object;
use tagsmith_message::{Remedy, Setting, counted, quote, quote_all};
use tagsmith_text::labels::LabelSet;
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::learn::weights::{Rule, counts};

/// What `class_weights` asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeights {
    /// No weights.
    None,
    /// Weights by a rule from how often labels are counted.
    Counted(Rule),
    /// Weights that a JSON file lists.
    Listed(String),
}

impl ClassWeights {
    /// The rules' words. Anything else is the name of a file.
    pub const WORDS: &'static str = "`none`, `inverse`, `sqrt_inverse`, `effective:0.999` or a file of JSON";

    /// Reads the option; none where β of `effective` is not a number from 0 to below 1.
    pub fn named(text: &str) -> Option<ClassWeights> {
        Some(match (text, text.strip_prefix("effective:")) {
            ("none", _) => ClassWeights::None,
            ("inverse", _) => ClassWeights::Counted(Rule::Inverse),
            ("sqrt_inverse", _) => ClassWeights::Counted(Rule::SqrtInverse),
            (_, Some(beta)) => {
                let beta = beta.parse().ok().filter(|beta| (0.0..1.0).contains(beta))?;
                ClassWeights::Counted(Rule::Effective { beta })
            }
            _ => ClassWeights::Listed(text.to_owned()),
        })
    }
}

/// Returns the weight of each label, and says them; nothing where all labels have the same weight.
///
/// # Errors
/// A file that does not list a weight above 0 for each label and for nothing else; no label `O` to give a weight to.
pub fn weights(
    learning: &LearningArgs,
    labels: &LabelSet,
    examples: &Examples,
    events: &mut dyn Events,
) -> anyhow::Result<Vec<f64>> {
    let asked = ClassWeights::named(&learning.class_weights).expect("the option was checked");
    if asked == ClassWeights::None && learning.o_weight.is_none() {
        return Ok(Vec::new());
    }
    let counts = counts(examples, labels.len())?;
    let mut weights = match &asked {
        ClassWeights::None => vec![1.0; labels.len()],
        ClassWeights::Counted(rule) => rule.weights(&counts),
        ClassWeights::Listed(file) => listed(Path::new(file), labels)?,
    };
    if let Some(weight) = learning.o_weight {
        let outside = labels.id("O").ok_or_else(|| {
            let message = "there is no label `O` to give a weight to";
            refusal(message, Remedy::Unset(Setting::OutsideWeight))
        })?;
        weights[outside as usize] = weight;
    }
    events.say(table(labels.names(), &counts, &weights));
    events.say("the evaluation's loss is cross-entropy without weights, so that it can be compared with other runs'");
    Ok(weights)
}

/// Reads a weight for each label.
fn listed(file: &Path, labels: &LabelSet) -> anyhow::Result<Vec<f64>> {
    let object = read_object(file)?;
    let refuse = |problem: String| {
        let clause = "list a number above 0 for each label, as `{\"O\": 0.5, \"B-PER\": 2}`";
        Err(refusal(format!("{}: {problem}", file.display()), Remedy::to_do(clause)))
    };
    let missing: Vec<&str> =
        labels.names().iter().map(String::as_str).filter(|&name| !object.contains_key(name)).collect();
    if !missing.is_empty() {
        return refuse(format!("there is no weight for {}", quote_all(missing.into_iter())));
    }
    let foreign: Vec<&str> = object.keys().map(String::as_str).filter(|name| labels.id(name).is_none()).collect();
    if !foreign.is_empty() {
        return refuse(format!("the labels of the run do not have {}", quote_all(foreign.into_iter())));
    }
    let mut weights = Vec::with_capacity(labels.len());
    for name in labels.names() {
        match object[name].as_f64().filter(|&weight| weight > 0.0 && weight.is_finite()) {
            Some(weight) => weights.push(weight),
            None => return refuse(format!("the weight of {} is {}, not a number above 0", quote(name), object[name])),
        }
    }
    Ok(weights)
}

/// Returns weights as a run's training_args.json lists them.
pub fn json(labels: &LabelSet, weights: &[f64]) -> Value {
    let entries = labels.names().iter().zip(weights).map(|(name, weight)| (name.clone(), json!(weight)));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// Returns a table: a line a label, with its weight, how often it is counted, and its share of all weight.
fn table(names: &[String], counts: &[u64], weights: &[f64]) -> String {
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("label".len());
    let all: f64 = counts.iter().zip(weights).map(|(&count, weight)| count as f64 * weight).sum();
    let words: u64 = counts.iter().sum();
    let mut text = format!("weights of labels, from {}:", counted(words as usize, "counted label"));
    write!(text, "\n  {:width$}  {:>10}  {:>10}  {:>8}", "label", "weight", "counted", "share")
        .expect("a string takes all");
    for ((name, count), weight) in names.iter().zip(counts).zip(weights) {
        let share = 100.0 * *count as f64 * weight / all.max(f64::MIN_POSITIVE);
        write!(text, "\n  {name:width$}  {weight:>10.4}  {count:>10}  {share:>7.2}%").expect("a string takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_anything_else_is_a_file() {
        let effective = |beta| Some(ClassWeights::Counted(Rule::Effective { beta }));
        assert_eq!(ClassWeights::named("effective:0.999"), effective(0.999));
        assert_eq!(ClassWeights::named("effective:1"), None);
        assert_eq!(ClassWeights::named("effective:much"), None);
        assert_eq!(ClassWeights::named("w.json"), Some(ClassWeights::Listed("w.json".into())));
    }

    #[test]
    fn a_table_has_a_line_a_label() {
        let names = ["O", "B-PER"].map(String::from);
        let got = table(&names, &[30, 10], &[0.5, 1.5]);
        let want = "weights of labels, from 40 counted labels:\n  label      weight     counted     share\n  \
                    O          0.5000          30    50.00%\n  B-PER      1.5000          10    50.00%";
        assert_eq!(got, want);
    }
}
