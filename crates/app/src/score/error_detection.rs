//! Scores of error detection, a label a word.

use super::request::ScoreRequest;
use crate::error::refusal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tagsmith_data::format::label_list;
use tagsmith_data::labeled::Labeled;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::score::ZeroDivision;
use tagsmith_text::score::error_detection::{LabelFigures, Score, Scorer, canonical};
use tagsmith_text::score::semeval::Pairing;

/// Scores files that label the same words.
pub fn score(
    request: &ScoreRequest,
    gold: &Labeled,
    predicted: &Labeled,
    notes: &mut Vec<Note>,
) -> anyhow::Result<(Score, String)> {
    let mut scorer = Scorer::new(&labels(request.labels.as_deref(), gold, predicted, notes)?)?;
    for (gold_sentence, sentence) in gold.sentences.iter().zip(&predicted.sentences) {
        for (gold_label, label) in gold_sentence.labels.iter().zip(&sentence.labels) {
            scorer.add(gold_label, label, || format!("{}:{}", gold.source, gold_sentence.line));
        }
    }
    let score = scorer.score();
    notes.extend(score.notes.iter().cloned());
    Ok((score, scorer.correct_label().to_owned()))
}

/// Returns a table whose columns line up: each label's figures, then the figures of all.
pub fn table(score: &Score, digits: usize) -> String {
    let figures = score.metrics().into_iter().chain([("accuracy".to_owned(), json!(score.accuracy))]);
    let lines = figures.map(|(name, value)| format!("{name}\t{:.digits$}\n", value.as_f64().expect("a figure")));
    format!("{}\n{}", aligned(&score.table(digits)), aligned(&lines.collect::<String>()))
}

/// Returns lines whose fields, parted by tabs, stand in columns: names to the left, figures to the right.
fn aligned(lines: &str) -> String {
    let rows: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
    let letters = |field: &str| field.chars().count();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|field| letters(field)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<&str>| {
        let fields = row.iter().zip(&widths).enumerate();
        let fields = fields.map(|(at, (field, &width))| match at {
            0 => format!("{field:<width$}"),
            _ => format!("  {field:>width$}"),
        });
        fields.collect::<String>().trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// Returns the labels of the list, or else the labels that occur.
fn labels(
    list: Option<&str>,
    gold: &Labeled,
    predicted: &Labeled,
    notes: &mut Vec<Note>,
) -> anyhow::Result<Vec<String>> {
    if let Some(path) = list {
        let listed = label_list::read(Path::new(path))?;
        return Ok(listed.names().to_vec());
    }
    let sentences = gold.sentences.iter().chain(&predicted.sentences);
    let occurring: BTreeSet<String> =
        sentences.flat_map(|sentence| &sentence.labels).map(|label| canonical(label).into_owned()).collect();
    let which = match occurring.len() {
        1 => "1 label that occurs".to_owned(),
        count => format!("{} that occur", counted(count, "label")),
    };
    let note = Note::once(format!("means are over the {which}"));
    notes.push(note.with_remedy(Remedy::set(Setting::Labels).so_as("to name those that could")));
    Ok(occurring.into_iter().collect())
}

/// Returns all figures as a JSON object.
pub fn json(score: &Score, correct_label: &str) -> Value {
    let mut object = json!({ "method": "ged", "correct_label": correct_label });
    let rows = score.labels.iter().map(|LabelFigures { label, figures, support }| {
        let row = json!({
            "precision": figures.precision, "recall": figures.recall, "f1": figures.f1, "f0.5": figures.f_half,
            "number": support,
        });
        (label.clone(), row)
    });
    object["labels"] = Value::Object(rows.collect());
    let map = object.as_object_mut().expect("it was made as one");
    map.extend(score.metrics());
    map.insert("accuracy".into(), json!(score.accuracy));
    map.insert("words".into(), json!(score.words));
    object
}

/// Refuses what only scores of entities can take into account.
pub fn refuse_others(request: &ScoreRequest) -> anyhow::Result<()> {
    let given = [
        (Setting::LabelScheme, "a scheme", request.label_scheme != LabelScheme::Auto),
        (Setting::Suffix, "the place of a tag's letter", request.suffix),
        (Setting::ZeroDivision, "a ratio without a denominator", request.zero_division == ZeroDivision::One),
        (Setting::Parity, "the pairing of entities", request.pairing != Pairing::Passes),
        (Setting::KnownFile, "what training had of a mention", request.known.is_some()),
    ];
    match given.into_iter().find(|&(.., given)| given) {
        Some((setting, what, _)) => {
            Err(refusal(format!("{what} is about entities, and error detection scores words"), Remedy::Unset(setting)))
        }
        None if request.second.is_some() => {
            let remedy = Remedy::to_do("name one file of predictions");
            Err(refusal("two predictions are compared by their entities or words, not by errors detected", remedy))
        }
        None if request.chance.is_some() => {
            Err(refusal("figures of error detection have no intervals", Remedy::Unset(Setting::Confidence)))
        }
        None => Ok(()),
    }
}
