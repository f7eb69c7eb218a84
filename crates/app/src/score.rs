//! Precision, recall and F1 of predicted labels against gold ones.

mod error_detection;
pub mod evaluate;
mod request;

use crate::error::refusal;
use anyhow::{Context, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use tagsmith_data::format::Format;
use tagsmith_data::labeled::{LabelFile, Labeled};
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::Style;
use tagsmith_text::labels::unlabeled;
use tagsmith_text::score::error_detection as errors;
use tagsmith_text::score::table;
use tagsmith_text::score::{Method, Score, Scorer};

pub use request::{Mode, STREAM, ScoreRequest};

/// Scores of predicted labels.
#[derive(Clone, Debug)]
pub struct Scored {
    /// What happened to the files, and how they were scored.
    pub notes: Vec<Note>,
    /// The figures.
    pub figures: Figures,
}

/// Figures of predicted labels.
#[derive(Clone, Debug)]
pub enum Figures {
    /// Figures of entities or words, and the method that found them.
    Labels(Score, Method),
    /// Figures of error detection, and the label of words without an error.
    Errors(errors::Score, String),
}

impl Scored {
    fn new(mut notes: Vec<Note>, figures: Figures) -> Scored {
        Note::important_first(&mut notes);
        Scored { notes, figures }
    }

    /// Returns the figure that says most: the micro F1, or the macro F1 of error detection.
    pub fn f1(&self) -> f64 {
        match &self.figures {
            Figures::Labels(score, _) => score.micro.f1,
            Figures::Errors(score, _) => score.all.f1,
        }
    }

    /// Returns everything as a JSON object. `show` writes a note.
    pub fn json(&self, show: &dyn Fn(&Note) -> String) -> Value {
        let mut object = match &self.figures {
            Figures::Labels(score, method) => table::json(score, *method),
            Figures::Errors(score, correct) => error_detection::json(score, correct),
        };
        object["notes"] = self.notes.iter().map(|note| Value::from(show(note))).collect();
        object
    }

    /// Returns a table with `digits` digits after the point.
    pub fn table(&self, digits: usize) -> String {
        match &self.figures {
            Figures::Labels(score, method) => {
                let Score { sentences, words, accuracy, .. } = score;
                format!(
                    "{}\naccuracy {accuracy:.digits$} over {} in {}; scored by {method}\n",
                    table::table(score, digits),
                    counted(*words as usize, "word"),
                    counted(*sentences as usize, "sentence")
                )
            }
            Figures::Errors(score, _) => error_detection::table(score, digits),
        }
    }
}

/// Scores predicted labels as `request` asks.
///
/// # Errors
/// A request that cannot be done, with a remedy; files that cannot be read, or that do not label the same words.
pub fn score(request: &ScoreRequest) -> anyhow::Result<Scored> {
    let (gold, predicted) = read_both(request)?;
    score_labeled(request, &gold, &predicted)
}

/// Scores labels that were read as `request` asks.
///
/// # Errors
/// A request that cannot be done, with a remedy; labels that are not of the same words.
pub(crate) fn score_labeled(request: &ScoreRequest, gold: &Labeled, predicted: &Labeled) -> anyhow::Result<Scored> {
    let mut notes = gold.notes.clone();
    notes.extend(predicted.notes.iter().filter(|note| !gold.notes.contains(note)).cloned());
    same_shape(gold, predicted)?;
    if request.mode == Some(Mode::ErrorDetection) {
        error_detection::refuse_others(request)?;
        notes.extend(words_differ(gold, predicted));
        let (score, correct) = error_detection::score(request, gold, predicted, &mut notes)?;
        return Ok(Scored::new(notes, Figures::Errors(score, correct)));
    }
    if request.labels.is_some() {
        let remedies = vec![Remedy::Unset(Setting::Labels), Remedy::SetTo(Setting::Mode, "ged".into())];
        return Err(refusal("a list of labels is for error detection alone", Remedy::AnyOf(remedies)));
    }
    let method = method(request, gold, &mut notes)?;
    let mut scorer = Scorer::new(method);
    let mut left_out = unlabeled::left_out();
    for (gold_sentence, sentence) in gold.sentences.iter().zip(&predicted.sentences) {
        let place = |word| format!("{}:{}: word {}", gold.source, gold_sentence.line, word + 1);
        let (of_gold, of_predicted) = unlabeled::known(&gold_sentence.labels, &sentence.labels, &mut left_out, place);
        scorer.add(&of_gold, &of_predicted).with_context(|| {
            format!("{}:{} against {}:{}", gold.source, gold_sentence.line, predicted.source, sentence.line)
        })?;
    }
    let score = scorer.score(request.zero_division);
    notes.extend((left_out.count > 0).then_some(left_out));
    notes.extend(words_differ(gold, predicted));
    notes.extend(score.notes.iter().cloned());
    Ok(Scored::new(notes, Figures::Labels(score, method)))
}

/// Returns the note about words that both files have, but spelled otherwise.
fn words_differ(gold: &Labeled, predicted: &Labeled) -> Option<Note> {
    let mut note =
        Note::naming("{word|words} of {} {is|are} spelled otherwise in {}", &[&gold.source, &predicted.source])
            .important();
    for (gold_sentence, sentence) in gold.sentences.iter().zip(&predicted.sentences) {
        for (gold_word, word) in gold_sentence.words.iter().zip(&sentence.words) {
            if gold_word != word {
                note.add(|| format!("`{gold_word}` {}:{}", gold.source, gold_sentence.line));
            }
        }
    }
    (note.count > 0).then_some(note)
}

/// Returns the method that the request asks for, or else the one that the gold labels show.
fn method(request: &ScoreRequest, gold: &Labeled, notes: &mut Vec<Note>) -> anyhow::Result<Method> {
    let style = if request.suffix { Style::Suffix } else { Style::Prefix };
    let labels = gold.sentences.iter().flat_map(|sentence| &sentence.labels).map(String::as_str);
    let labels = labels.filter(|label| !unlabeled::is_written(label));
    let asked = request.label_scheme;
    Ok(match (request.mode, asked) {
        (None | Some(Mode::Strict), LabelScheme::Strict(_)) | (None | Some(Mode::Words), LabelScheme::Words) => {
            Method::of(asked, &[""; 0], style).0
        }
        (Some(Mode::Strict), LabelScheme::Auto) => {
            let (method, note) = Method::strict_detected(labels, style)
                .map_err(|error| refusal(format!("{}: {error}", gold.source), Remedy::set(Setting::LabelScheme)))?;
            notes.push(note);
            method
        }
        (Some(Mode::Conlleval), LabelScheme::Auto) => Method::Conlleval(style),
        (Some(_), LabelScheme::Auto) => Method::Words,
        (Some(mode), asked) => {
            let (message, other) = match asked {
                LabelScheme::Words => ("the label scheme `words` scores words".to_owned(), Mode::Words),
                asked => (format!("the scheme {} is for strict scores", asked.name().to_uppercase()), Mode::Strict),
            };
            let remedies = vec![Remedy::Unset(Setting::LabelScheme), Remedy::SetTo(Setting::Mode, other.name().into())];
            return Err(refusal(format!("{message}, not the mode `{}`", mode.name()), Remedy::AnyOf(remedies)));
        }
        (None, LabelScheme::Auto) => {
            let labels: Vec<&str> = labels.collect::<BTreeSet<_>>().into_iter().collect();
            let (method, note) = Method::for_labels(&labels, style);
            let other = match method {
                Method::Words => {
                    Remedy::SetTo(Setting::Mode, "conlleval".into()).so_as("to score entities as seqeval would")
                }
                _ => Remedy::SetTo(Setting::Mode, "words".into()).so_as("to score words"),
            };
            let suffix = Remedy::set(Setting::Suffix).so_as("for tags like `PER-B`");
            notes.extend(note.map(|note| note.with_remedy(Remedy::AnyOf(vec![other, suffix]))));
            method
        }
    })
}

/// Refuses files that do not label the same words, naming the first place where they part.
fn same_shape(gold: &Labeled, predicted: &Labeled) -> anyhow::Result<()> {
    let advice =
        "both must label the same words in the same sentences (predictions cut at a length limit cannot be scored)";
    for (index, (left, right)) in gold.sentences.iter().zip(&predicted.sentences).enumerate() {
        let (words, labels) = (left.labels.len(), right.labels.len());
        if words != labels {
            bail!(
                "{}:{}: sentence {} has {} but {} at {}:{}: {advice}",
                gold.source,
                left.line,
                index + 1,
                counted(words, "gold label"),
                counted(labels, "predicted label"),
                predicted.source,
                right.line
            );
        }
    }
    let (ours, theirs) = (gold.sentences.len(), predicted.sentences.len());
    let (more, less) = if ours > theirs { (gold, predicted) } else { (predicted, gold) };
    if let Some(first) = more.sentences.get(less.sentences.len()) {
        bail!(
            "{}:{}: sentence {} has no counterpart in {}, which ends after {}: {advice}",
            more.source,
            first.line,
            less.sentences.len() + 1,
            less.source,
            less.sentences.len()
        );
    }
    Ok(())
}

fn read_both(request: &ScoreRequest) -> anyhow::Result<(Labeled, Labeled)> {
    let ScoreRequest { gold: gold_path, pred, gold_column, pred_column, gold_format, pred_format, .. } = request;
    let (gold_column, pred_column) = (gold_column.as_deref(), pred_column.as_deref());
    let missing_label = (request.mode == Some(Mode::ErrorDetection)).then_some(errors::CORRECT[0]);
    let open = |path: &str, format| match &request.stream {
        Some(content) if path == STREAM => Ok(LabelFile::of_stream("standard input", content.clone(), format)),
        _ => LabelFile::open(Path::new(path), format),
    };
    if gold_path == STREAM && pred.as_deref() == Some(STREAM) {
        return Err(refusal("both files are the same stream", Remedy::to_do("name one of the files")));
    }
    let gold = open(gold_path, *gold_format)?;
    let read = |file: &LabelFile, column, setting| file.read(column, setting, missing_label);
    if let Some(path) = pred {
        let predicted = open(path, *pred_format)?;
        let gold = read(&gold, gold_column, Setting::GoldColumn)?;
        return Ok((gold, read(&predicted, pred_column, Setting::PredColumn)?));
    }
    if pred_format.is_some() {
        let message = "a format is given for the predictions, but no second file";
        let remedy = Remedy::AnyOf(vec![Remedy::to_do("name the file"), Remedy::Unset(Setting::PredFormat)]);
        return Err(refusal(message, remedy));
    }
    let name_the_file = || Remedy::to_do("name the predictions' file");
    let (gold_column, pred_column) = match gold.format() {
        Format::Conll => (gold_column.or(Some("-2")), pred_column.or(Some("-1"))),
        Format::LabelLines | Format::Labels => {
            let message = format!("{gold_path} is read as `{}`, which holds one label a word", gold.format().name());
            let remedy = Remedy::AnyOf(vec![name_the_file(), Remedy::set(Setting::GoldFormat)]);
            return Err(refusal(message, remedy));
        }
        _ if pred_column.is_some() => (gold_column, pred_column),
        _ => {
            let message = format!("{gold_path}: nothing says where the predictions are");
            let remedy = Remedy::AnyOf(vec![Remedy::set(Setting::PredColumn), name_the_file()]);
            return Err(refusal(message, remedy));
        }
    };
    Ok((read(&gold, gold_column, Setting::GoldColumn)?, read(&gold, pred_column, Setting::PredColumn)?))
}
