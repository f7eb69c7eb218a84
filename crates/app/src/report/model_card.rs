//! README.md of a trained model: what model hubs read of it, and what people should.

use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;
use tagsmith_files::python_json::repr;
use tagsmith_files::{Error, atomic_write};
use tagsmith_train::checkpoint::state::Record;

/// What a model card is made of.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// What the model is called: its folder's name.
    pub name: &'a str,
    /// The model it was fine-tuned from, if that has a name on a hub.
    pub base_model: Option<&'a str>,
    /// The data set it learned from, if that has a name.
    pub dataset: Option<&'a str>,
    /// The choices of its training, in order; none if it was not trained.
    pub hyperparameters: &'a [(String, String)],
    /// The run's log, with the last evaluation at its end.
    pub history: &'a [Record],
}

/// The names by which hubs know metrics.
const METRICS: [&str; 4] = ["precision", "recall", "f1", "accuracy"];

/// What an evaluation's record says apart from metrics.
const NO_METRICS: [&str; 5] = ["eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "epoch", "step"];

impl Card<'_> {
    /// Writes `README.md`.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        atomic_write::write(&folder.join("README.md"), self.text().as_bytes())
    }

    /// The card's text.
    ///
    /// # Source
    /// The structure is that of transformers 5.23's `TrainingSummary.to_model_card`, which hubs know how to read.
    pub fn text(&self) -> String {
        let results = self.results();
        let mut text = format!("---\n{}---\n\n", self.front_matter(&results));
        text +=
            "<!-- tagsmith wrote this card from what it knew about the run. Complete it, then remove this line. -->\n";
        text += &format!("\n# {}\n\n", self.name);
        text += &match self.base_model {
            Some(base) => format!("A token classifier, fine-tuned from [{base}](https://huggingface.co/{base})"),
            None => "A token classifier".to_owned(),
        };
        text += &match self.dataset {
            Some(dataset) => format!(" on the data set {dataset}.\n"),
            None => ".\n".to_owned(),
        };
        if !results.is_empty() {
            text += "\nOn the evaluation set it reaches:\n\n";
            for (name, value) in &results {
                text += &format!("- {name}: {}\n", shortened(value));
            }
        }
        for section in ["Model description", "Intended uses & limitations", "Training and evaluation data"] {
            text += &format!("\n## {section}\n\nNothing is known to tagsmith here: please add it.\n");
        }
        text += "\n## Training procedure\n";
        if !self.hyperparameters.is_empty() {
            text += "\n### Training hyperparameters\n\n";
            for (name, value) in self.hyperparameters {
                text += &format!("- {name}: {value}\n");
            }
        }
        let table = self.table();
        if !table.is_empty() {
            text += &format!("\n### Training results\n\n{table}");
        }
        text += &format!("\n### Framework versions\n\n- tagsmith {}\n", env!("CARGO_PKG_VERSION"));
        text
    }

    /// The last evaluation's metrics under their display names.
    fn results(&self) -> Vec<(String, &Value)> {
        let Some(last) = self.history.iter().rev().find(|record| record.contains_key("eval_loss")) else {
            return Vec::new();
        };
        metrics(last).map(|(key, value)| (display_name(key.trim_start_matches("eval_")), value)).collect()
    }

    /// The YAML between the two lines of dashes.
    fn front_matter(&self, results: &[(String, &Value)]) -> String {
        let known = |&(ref name, value): &(String, &Value)| {
            let metric = METRICS.into_iter().find(|metric| *metric == name.to_lowercase())?;
            Some((metric, name.clone(), yaml_number(value)))
        };
        let known: Vec<(&str, String, String)> = results.iter().filter_map(known).collect();
        let mut yaml = "library_name: transformers\n".to_owned();
        if let Some(base) = self.base_model {
            yaml += &format!("base_model: {}\n", yaml_text(base));
        }
        yaml += "tags:\n- generated_by_tagsmith\n";
        if let Some(dataset) = self.dataset {
            yaml += &format!("datasets:\n- {}\n", yaml_text(dataset));
        }
        if !known.is_empty() {
            yaml += "metrics:\n";
            yaml.extend(known.iter().map(|(metric, ..)| format!("- {metric}\n")));
        }
        yaml += &format!("model-index:\n- name: {}\n", yaml_text(self.name));
        // A hub refuses results that do not say on which data.
        let Some(dataset) = self.dataset.filter(|_| !known.is_empty()) else { return yaml + "  results: []\n" };
        yaml += "  results:\n  - task:\n      name: Token Classification\n      type: token-classification\n";
        let dataset = yaml_text(dataset);
        yaml += &format!("    dataset:\n      name: {dataset}\n      type: {dataset}\n    metrics:\n");
        for (metric, name, value) in known {
            yaml += &format!("    - name: {name}\n      type: {metric}\n      value: {value}\n");
        }
        yaml
    }

    /// A row for each evaluation during training, as a Markdown table.
    fn table(&self) -> String {
        let mut training_loss = json!("No log");
        let mut rows: Vec<Vec<(String, String)>> = Vec::new();
        let during = self.history.iter().take_while(|record| !record.contains_key("train_runtime"));
        if during.clone().count() == self.history.len() {
            return String::new();
        }
        for record in during {
            training_loss = record.get("loss").unwrap_or(&training_loss).clone();
            if !record.contains_key("eval_loss") {
                continue;
            }
            let mut row = vec![
                ("Training Loss".to_owned(), shortened(&training_loss)),
                ("Epoch".to_owned(), shortened(&record["epoch"])),
                ("Step".to_owned(), shortened(&record["step"])),
            ];
            row.extend(metrics(record).map(|(key, value)| {
                let name = key.trim_start_matches("eval_");
                let name = if name == "loss" { "Validation Loss".to_owned() } else { display_name(name) };
                (name, shortened(value))
            }));
            rows.push(row);
        }
        markdown(&rows)
    }
}

fn metrics(record: &Record) -> impl Iterator<Item = (&String, &Value)> {
    record.iter().filter(|(key, _)| !NO_METRICS.contains(&key.as_str()))
}

/// `overall_f1` becomes `Overall F1`.
fn display_name(key: &str) -> String {
    let capitalized = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map_or(String::new(), |first| first.to_uppercase().collect::<String>() + &letters.as_str().to_lowercase())
    };
    key.split('_').map(capitalized).collect::<Vec<_>>().join(" ")
}

/// Four decimals where there are more.
fn shortened(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let x = number.as_f64().expect("a float");
            let exact = repr(x);
            let decimals = exact.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            if decimals > 4 { format!("{x:.4}") } else { exact }
        }
        other => other.to_string(),
    }
}

/// The first row decides the columns; a later row leaves those it lacks empty.
fn markdown(rows: &[Vec<(String, String)>]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let cell = |row: &[(String, String)], column: &str| {
        row.iter().find(|(name, _)| name == column).map_or(String::new(), |(_, value)| value.clone())
    };
    let mut header = String::new();
    let mut rule = String::new();
    let mut lines = vec![String::new(); rows.len()];
    for (column, _) in first {
        let cells: Vec<String> = rows.iter().map(|row| cell(row, column)).collect();
        let width = cells.iter().chain([column]).map(|text| text.chars().count()).max().unwrap_or(0);
        write!(header, "| {column:<width$} ").expect("memory takes every letter");
        write!(rule, "|:{}:", "-".repeat(width)).expect("memory takes every letter");
        for (line, cell) in lines.iter_mut().zip(&cells) {
            write!(line, "| {cell:<width$} ").expect("memory takes every letter");
        }
    }
    let lines = [header, rule].into_iter().chain(lines);
    lines.map(|line| line + "|\n").collect()
}

/// Plain where YAML could take it for nothing else, quoted otherwise.
fn yaml_text(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./ ".contains(character);
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic()) && !text.ends_with(' ');
    let reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    if is_word && text.chars().all(plain) && !reserved.contains(&text.to_lowercase().as_str()) {
        return text.to_owned();
    }
    if text.chars().any(char::is_control) {
        return json!(text).to_string();
    }
    format!("'{}'", text.replace('\'', "''"))
}

/// YAML 1.1 takes `1e-05` for a word: it wants `1.0e-05`.
fn yaml_number(value: &Value) -> String {
    match value.as_f64() {
        Some(x) if value.is_f64() => {
            let text = repr(x);
            if text.contains('.') { text } else { text.replace('e', ".0e") }
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_testkit::golden::trainer as golden;

    #[test]
    fn hubs_read_it_as_the_trainers() {
        for case in golden::rows("cards") {
            let history: Vec<Record> = serde_json::from_value(case["history"].clone()).unwrap();
            let card = Card {
                name: case["name"].as_str().unwrap(),
                base_model: case["base_model"].as_str(),
                dataset: case["dataset"].as_str(),
                hyperparameters: &[("seed".to_owned(), "42".to_owned())],
                history: &history,
            };
            let text = card.text();
            let parts: Vec<&str> = text.splitn(3, "---\n").collect();
            assert_eq!(parts[1], case["front"].as_str().unwrap());
            let lines = |is_wanted: fn(&str) -> bool| {
                let lines: Vec<&str> = parts[2].lines().filter(|line| is_wanted(line)).collect();
                lines.iter().map(|line| json!(line)).collect::<Vec<Value>>()
            };
            let table = case["table"].as_str().unwrap();
            // The Trainer writes the heading of an empty table, too.
            let headings = case["headings"].as_array().unwrap().iter();
            let headings: Vec<Value> =
                headings.filter(|line| !table.is_empty() || **line != "### Training results").cloned().collect();
            assert_eq!(lines(|line| line.starts_with('#')), headings);
            assert_eq!(lines(|line| line.starts_with('|')).len(), table.lines().count());
            assert!(text.contains(table));
            for result in case["results"].as_array().unwrap() {
                assert!(text.contains(&format!("\n{}\n", result.as_str().unwrap())), "{result} is not in\n{text}");
            }
        }
    }

    #[test]
    fn texts_that_yaml_would_misread_are_quoted() {
        let check = |text, want| assert_eq!(yaml_text(text), want);
        check("org/my-model_2.0", "org/my-model_2.0");
        check("two words", "two words");
        check("no", "'no'");
        check("12", "'12'");
        check("it's", "'it''s'");
        check("a: b", "'a: b'");
        check("- a", "'- a'");
        check("a\nb", "\"a\\nb\"");
        check("", "''");
    }
}
