//! README.md of a trained model: what model hubs read of it, and what people should.

use super::about::{About, Part};
use super::figures::{Figures, OF_TYPES};
use super::markdown_table::aligned;
use serde_json::{Value, json};
use std::path::Path;
use tagsmith_files::python_json::repr;
use tagsmith_files::{Error, atomic_write};
use tagsmith_message::counted;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::trainer::results;

/// What a model card is made of.
#[derive(Clone, Copy, Debug)]
pub struct Card<'a> {
    /// What the model is.
    pub kind: Kind,
    /// What the model is called: its folder's name.
    pub name: &'a str,
    /// The models it was fine-tuned from, those that have a name on a hub.
    pub base_models: &'a [&'a str],
    /// The data set it learned from, if that has a name.
    pub dataset: Option<&'a str>,
    /// The choices of its training, in order; none if it was not trained.
    pub hyperparameters: &'a [(String, String)],
    /// The run's log, with the last evaluation at its end.
    pub history: &'a [Record],
    /// The run's results; those of the test split are among them if it was measured.
    pub results: &'a Record,
    /// Data and labels of the run.
    pub about: &'a About,
}

/// What a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token classifier, which transformers loads.
    TokenClassifier,
    /// A label-conditioned span tagger.
    SpanTagger,
}

/// The names by which hubs know metrics. They know none for F0.5, which goes by its own.
const METRICS: [&str; 5] = ["f0.5", "precision", "recall", "f1", "accuracy"];

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
        let (evaluated, tested) = (self.evaluated(), Figures::of(self.results, "predict_"));
        let mut text = format!("---\n{}---\n\n", self.front_matter(&evaluated, &tested));
        text +=
            "<!-- tagsmith wrote this card from what it knew about the run. Complete it, then remove this line. -->\n";
        text += &format!("\n# {}\n\n", self.name);
        text += match self.kind {
            Kind::TokenClassifier => "A token classifier",
            Kind::SpanTagger => "A label-conditioned span tagger",
        };
        let links = self.base_models.iter().map(|base| format!("[{base}](https://huggingface.co/{base})"));
        let links: Vec<String> = links.collect();
        if !links.is_empty() {
            text += &format!(", fine-tuned from {}", links.join(" and "));
        } else if !self.about.model.is_empty() {
            text += &format!(", fine-tuned from the folder `{}`", self.about.model);
        }
        text += &match self.dataset {
            Some(dataset) => format!(" on the data set {dataset}.\n"),
            None => ".\n".to_owned(),
        };
        text += &reached("evaluation set", &evaluated);
        text += &reached("test set", &tested);
        text += &section("Model description", self.description());
        text += &section("Intended uses & limitations", None);
        text += &section("Training and evaluation data", self.data());
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

    /// The labels that the model tells apart.
    fn description(&self) -> Option<String> {
        let labels = &self.about.labels;
        let listed: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let what = match self.kind {
            Kind::TokenClassifier => "It gives each word one of",
            Kind::SpanTagger => "It finds entities of labels that are named when it is used. It learned",
        };
        (!labels.is_empty()).then(|| format!("{what} {}: {}.\n", counted(labels.len(), "label"), listed.join(", ")))
    }

    /// The splits with their files and sizes.
    fn data(&self) -> Option<String> {
        let row = |part: &Part| {
            let cells = [("Split", part.role), ("Data", part.source.as_str()), ("Size", part.size.as_str())];
            cells.map(|(name, cell)| (name.to_owned(), cell.replace('|', "\\|"))).to_vec()
        };
        let rows: Vec<_> = self.about.data.iter().map(row).collect();
        (!rows.is_empty()).then(|| aligned(&rows))
    }

    /// The figures of the evaluation that the results hold, or else of the log's last one.
    fn evaluated(&self) -> Figures<'_> {
        let figures = Figures::of(self.results, "eval_");
        if !figures.all.is_empty() {
            return figures;
        }
        let last = self.history.iter().rev().find(|record| is_evaluation(record));
        last.map(|record| Figures::of(record, "eval_")).unwrap_or_default()
    }

    /// The YAML between the two lines of dashes.
    fn front_matter(&self, evaluated: &Figures<'_>, tested: &Figures<'_>) -> String {
        let known = known_metrics(evaluated);
        let mut yaml = match self.kind {
            Kind::TokenClassifier => "library_name: transformers\n".to_owned(),
            Kind::SpanTagger => "library_name: tagsmith\npipeline_tag: token-classification\n".to_owned(),
        };
        match self.base_models {
            [] => {}
            [base] => yaml += &format!("base_model: {}\n", yaml_text(base)),
            bases => {
                yaml += "base_model:\n";
                yaml.extend(bases.iter().map(|base| format!("- {}\n", yaml_text(base))));
            }
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
        let results = self.result("validation", &known) + &self.result("test", &known_metrics(tested));
        yaml + &if results.is_empty() { "  results: []\n".to_owned() } else { format!("  results:\n{results}") }
    }

    /// A split's entry of the results. A hub refuses results that do not say on which data: the data set's name or,
    /// where there is none, the file's.
    fn result(&self, role: &str, metrics: &[(&str, String, String)]) -> String {
        let part = self.about.data.iter().find(|part| part.role == role);
        let named = self.dataset.or(part.map(|part| part.source.as_str()));
        let Some(dataset) = named.filter(|_| !metrics.is_empty()) else { return String::new() };
        let dataset = yaml_text(dataset);
        let mut yaml = "  - task:\n      name: Token Classification\n      type: token-classification\n".to_owned();
        yaml += &format!("    dataset:\n      name: {dataset}\n      type: {dataset}\n");
        if part.is_some() {
            yaml += &format!("      split: {role}\n");
        }
        yaml += "    metrics:\n";
        for (metric, name, value) in metrics {
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
            if !is_evaluation(record) {
                continue;
            }
            let mut row = vec![
                ("Training Loss".to_owned(), shortened(&training_loss)),
                ("Epoch".to_owned(), shortened(&record["epoch"])),
                ("Step".to_owned(), shortened(&record["step"])),
            ];
            row.extend(Figures::of(record, "eval_").all.into_iter().map(|(name, value)| {
                let name = if name == "loss" { "Validation Loss".to_owned() } else { display_name(name) };
                (name, shortened(value))
            }));
            rows.push(row);
        }
        aligned(&rows)
    }
}

fn is_evaluation(record: &Record) -> bool {
    record.contains_key("eval_loss") || record.contains_key("eval_f1")
}

/// A section of the card. Where nothing is known, it asks for text.
fn section(title: &str, known: Option<String>) -> String {
    let text = known.unwrap_or_else(|| "Nothing is known to tagsmith here: please add it.\n".to_owned());
    format!("\n## {title}\n\n{text}")
}

/// The figures on a split: those of all as a list, those of each type as a table.
fn reached(set: &str, figures: &Figures<'_>) -> String {
    if figures.all.is_empty() {
        return String::new();
    }
    let mut text = format!("\nOn the {set} it reaches:\n\n");
    for (name, value) in &figures.all {
        text += &format!("- {}: {}\n", display_name(name), shortened(value));
    }
    let row = |(kind, values): &(&str, [Option<&Value>; 4])| {
        let cells = OF_TYPES
            .iter()
            .zip(values)
            .map(|(name, value)| (display_name(name), value.map_or_else(String::new, shortened)));
        [("Type".to_owned(), kind.replace('|', "\\|"))].into_iter().chain(cells).collect()
    };
    let rows: Vec<Vec<(String, String)>> = figures.types.iter().map(row).collect();
    if !rows.is_empty() {
        text += &format!("\n{}", aligned(&rows));
    }
    text
}

/// Metrics that hubs know: the hub's name, the card's, and the value. `overall_f1` is the hub's `f1`.
///
/// In error detection `ged_f1` is: seqeval's figures but accuracy take labels of errors for entities.
fn known_metrics(figures: &Figures<'_>) -> Vec<(&'static str, String, String)> {
    let detects_errors = figures.all.iter().any(|(name, _)| results::is_of_errors(name));
    let known = |&(name, value): &(&str, &Value)| {
        let of_labels = name.strip_prefix("overall_").unwrap_or(name);
        let bare = match detects_errors && of_labels != "accuracy" {
            true => name.strip_prefix("ged_")?,
            false => of_labels,
        };
        let metric = METRICS.into_iter().find(|metric| *metric == bare)?;
        Some((metric, display_name(name), yaml_number(value)))
    };
    figures.all.iter().filter_map(known).collect()
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
    use expect_test::expect;
    use tagsmith_testkit::golden::trainer as golden;

    #[test]
    fn hubs_read_it_as_the_trainers() {
        for case in golden::rows("cards") {
            let history: Vec<Record> = serde_json::from_value(case["history"].clone()).unwrap();
            let base_models: Vec<&str> = case["base_model"].as_str().into_iter().collect();
            let card = Card {
                kind: Kind::TokenClassifier,
                name: case["name"].as_str().unwrap(),
                base_models: &base_models,
                dataset: case["dataset"].as_str(),
                hyperparameters: &[("seed".to_owned(), "42".to_owned())],
                history: &history,
                results: &Record::new(),
                about: &About::default(),
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
            assert!(text.contains(table));
            // The figures of a type stand in a table here, and not as `Per Number: 12`.
            let of_types = lines(|line| line.starts_with("| PER ")).len();
            let tables = lines(|line| line.starts_with('|')).len() - 3 * of_types;
            assert_eq!(tables, table.lines().count());
            let is_of_all = |result: &&Value| !result.as_str().unwrap().starts_with("- Per ");
            for result in case["results"].as_array().unwrap().iter().filter(is_of_all) {
                assert!(text.contains(&format!("\n{}\n", result.as_str().unwrap())), "{result} is not in\n{text}");
            }
        }
    }

    #[test]
    fn a_card_tells_data_labels_and_figures_of_types() {
        let record = |value: Value| -> Record { serde_json::from_value(value).unwrap() };
        let history = [
            record(json!({"train_runtime": 1.0, "epoch": 1.0, "step": 2})),
            record(json!({
                "eval_loss": 0.5, "eval_LOC_precision": 0.5, "eval_LOC_recall": 1.0, "eval_LOC_f1": 0.66666,
                "eval_LOC_number": 98, "eval_overall_f1": 0.66666, "eval_overall_accuracy": 0.75, "epoch": 1.0,
            })),
        ];
        let part = |role, source: &str, size: &str| Part { role, source: source.to_owned(), size: size.to_owned() };
        let about = About {
            model: "my-encoder".into(),
            data: vec![
                part("train", "train.conll", "20 sentences, 99 words"),
                part("validation", "dev.conll", "5 sentences, 24 words"),
                part("test", "test.conll", "5 sentences, 25 words"),
            ],
            labels: ["B-LOC", "I-LOC", "O"].map(String::from).to_vec(),
            ended: String::new(),
            hashes: Vec::new(),
        };
        let card = Card {
            kind: Kind::TokenClassifier,
            name: "places",
            base_models: &[],
            dataset: None,
            hyperparameters: &[],
            history: &history,
            results: &record(json!({"predict_overall_f1": 0.5, "predict_runtime": 3.0})),
            about: &about,
        };
        let text = card.text();
        // What the hub's model index wants: a task, a data set with a name, metrics by the hub's names.
        expect![[r#"
            library_name: transformers
            tags:
            - generated_by_tagsmith
            metrics:
            - f1
            - accuracy
            model-index:
            - name: places
              results:
              - task:
                  name: Token Classification
                  type: token-classification
                dataset:
                  name: dev.conll
                  type: dev.conll
                  split: validation
                metrics:
                - name: Overall F1
                  type: f1
                  value: 0.66666
                - name: Overall Accuracy
                  type: accuracy
                  value: 0.75
              - task:
                  name: Token Classification
                  type: token-classification
                dataset:
                  name: test.conll
                  type: test.conll
                  split: test
                metrics:
                - name: Overall F1
                  type: f1
                  value: 0.5
        "#]]
        .assert_eq(text.split("---\n").nth(1).unwrap());
        for line in [
            "A token classifier, fine-tuned from the folder `my-encoder`.",
            "| LOC  | 0.5       | 1.0    | 0.6667 | 98     |",
            "On the test set it reaches:\n\n- Overall F1: 0.5\n",
            "It gives each word one of 3 labels: `B-LOC`, `I-LOC`, `O`.",
            "| train      | train.conll | 20 sentences, 99 words |",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("Loc Number"));
        assert_eq!(text.matches("Nothing is known").count(), 1, "its uses alone are not known");
    }

    /// Figures of all labels, not seqeval's, which take labels of errors for entities.
    #[test]
    fn hubs_read_figures_of_error_detection() {
        let names =
            ["accuracy", "f1", "precision", "recall", "ged_bin_f0.5", "ged_err_f1", "ged_f0.5", "ged_precision"];
        let results: Record = names.iter().zip(1..).map(|(name, at)| (format!("eval_{name}"), json!(at))).collect();
        let figures = Figures::of(&results, "eval_");
        let known: Vec<String> =
            known_metrics(&figures).iter().map(|(metric, name, value)| format!("{metric}, {name}: {value}")).collect();
        assert_eq!(known, ["f0.5, Ged F0.5: 7", "precision, Ged Precision: 8", "accuracy, Accuracy: 1"]);
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
