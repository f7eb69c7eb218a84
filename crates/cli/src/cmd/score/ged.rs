//! `tagsmith score --mode ged`: error detection, a label a word.

use super::{Labelled, Outcome, open_file, text};
use anyhow::bail;
use clap::ArgMatches;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::BufReader;
use tagsmith_data::format::label_list;
use tagsmith_message::Note;
use tagsmith_text::score::error_detection::{LabelFigures, Score, Scorer, canonical};

/// Scores files that label the same words.
pub fn outcome(
    matches: &ArgMatches,
    gold: &Labelled,
    predicted: &Labelled,
    mut notes: Vec<Note>,
) -> anyhow::Result<Outcome> {
    let mut scorer = Scorer::new(&labels(matches, gold, predicted, &mut notes)?)?;
    for (gold_sentence, sentence) in gold.sentences.iter().zip(&predicted.sentences) {
        for (gold_label, label) in gold_sentence.labels.iter().zip(&sentence.labels) {
            scorer.add(gold_label, label, || format!("{}:{}", gold.source, gold_sentence.line));
        }
    }
    let score = scorer.score();
    notes.extend(score.notes.iter().cloned());
    let text = if matches.get_flag("json") {
        let mut object = json(&score, scorer.correct_label());
        object["notes"] = notes.iter().map(|note| Value::from(note.to_string())).collect();
        format!("{object:#}\n")
    } else {
        let digits = usize::from(*matches.get_one::<u8>("digits").expect("clap fills the default in"));
        let figures = score.metrics().into_iter().chain([("accuracy".to_owned(), json!(score.accuracy))]);
        let lines = figures.map(|(name, value)| format!("{name}\t{:.digits$}\n", value.as_f64().expect("a figure")));
        format!("{}\n{}", score.table(digits), lines.collect::<String>())
    };
    Ok(Outcome { f1: score.all.f1, notes, text })
}

/// The labels of `--labels`, or else those that occur.
fn labels(
    matches: &ArgMatches,
    gold: &Labelled,
    predicted: &Labelled,
    notes: &mut Vec<Note>,
) -> anyhow::Result<Vec<String>> {
    if let Some(path) = text(matches, "labels") {
        let listed = label_list::read(BufReader::new(open_file(path)?), path)?;
        return Ok(listed.names().to_vec());
    }
    let sentences = gold.sentences.iter().chain(&predicted.sentences);
    let occurring: BTreeSet<String> =
        sentences.flat_map(|sentence| &sentence.labels).map(|label| canonical(label).into_owned()).collect();
    notes.push(Note::once(format!(
        "means are over the {} labels that occur: `--labels FILE` names those that could",
        occurring.len()
    )));
    Ok(occurring.into_iter().collect())
}

fn json(score: &Score, correct_label: &str) -> Value {
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

/// Refuses the arguments that are about entities.
pub fn refuse_others(matches: &ArgMatches) -> anyhow::Result<()> {
    let given = [
        ("scheme", text(matches, "scheme").is_some()),
        ("suffix", matches.get_flag("suffix")),
        ("zero-division", text(matches, "zero-division") == Some("1")),
    ];
    match given.into_iter().find(|&(_, given)| given) {
        Some((name, _)) => bail!("`--{name}` is about entities, and `--mode ged` scores words: drop one"),
        None => Ok(()),
    }
}
