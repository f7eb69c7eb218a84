//! Precision, recall and F1 of predicted labels against gold ones.

pub mod calibrate;
mod chance;
mod error_detection;
pub mod evaluate;
mod judge;
mod request;
mod shown;

use crate::error::refusal;
use anyhow::bail;
use std::collections::BTreeSet;
use std::path::Path;
use tagsmith_data::format::Format;
use tagsmith_data::labeled::{LabelFile, Labeled};
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::Style;
use tagsmith_text::labels::unlabeled;
use tagsmith_text::score::analysis::Analysis;
use tagsmith_text::score::calibration::Calibration;
use tagsmith_text::score::error_detection as errors;
use tagsmith_text::score::seen::Known;
use tagsmith_text::score::{Method, Score, Scorer};

pub use chance::{Comparison, Intervals};
use judge::judge;
pub use request::{Chance, Mode, STREAM, ScoreRequest, Unit};

/// Scores of predicted labels.
#[derive(Clone, Debug)]
pub struct Scored {
    /// What happened to the files, and how they were scored.
    pub notes: Vec<Note>,
    /// The figures.
    pub figures: Figures,
    /// Whether SemEval's figures stand in the place of seqeval's.
    shows_semeval: bool,
    /// What became of the entities, where entities are scored.
    pub analysis: Option<Analysis>,
    /// The intervals of the figures, where they were asked for.
    pub intervals: Option<Intervals>,
    /// The second prediction beside the first, where there are two.
    pub comparison: Option<Box<Comparison>>,
    /// Whether the model's probabilities mean what they say, where a model was asked.
    pub calibration: Option<Calibrations>,
}

/// Figures of predicted labels.
#[derive(Clone, Debug)]
pub enum Figures {
    /// Figures of entities or words, and the method that found them.
    Labels(Score, Method),
    /// Figures of error detection, and the label of words without an error.
    Errors(errors::Score, String),
}

/// Reliability curves of a model's probabilities.
#[derive(Clone, Copy, Debug, Default)]
pub struct Calibrations {
    /// All words.
    pub words: Calibration,
    /// Words that the model takes for a part of an entity. Most words are outside, and the model is sure of them.
    pub entity_words: Calibration,
}

impl Scored {
    fn new(mut notes: Vec<Note>, figures: Figures) -> Scored {
        Note::important_first(&mut notes);
        Scored {
            notes,
            figures,
            shows_semeval: false,
            analysis: None,
            intervals: None,
            comparison: None,
            calibration: None,
        }
    }

    /// Returns the figure that says most: the micro F1, or the macro F1 of error detection.
    pub fn f1(&self) -> f64 {
        match &self.figures {
            Figures::Labels(score, _) => score.micro.f1,
            Figures::Errors(score, _) => score.all.f1,
        }
    }
}

/// Scores predicted labels as `request` asks.
///
/// # Errors
/// A request that cannot be done, with a remedy; files that cannot be read, or that do not label the same words.
pub fn score(request: &ScoreRequest) -> anyhow::Result<Scored> {
    let (gold, predicted) = read_both(request)?;
    let second = read_second(request)?;
    score_labeled(request, &gold, &predicted, second.as_ref())
}

/// Scores labels that were read as `request` asks.
///
/// # Errors
/// A request that cannot be done, with a remedy; labels that are not of the same words.
pub(crate) fn score_labeled(
    request: &ScoreRequest,
    gold: &Labeled,
    predicted: &Labeled,
    second: Option<&Labeled>,
) -> anyhow::Result<Scored> {
    let mut notes = gold.notes.clone();
    for other in [Some(predicted), second].into_iter().flatten() {
        notes.extend(other.notes.iter().filter(|note| !gold.notes.contains(note)).cloned());
        same_shape(gold, other)?;
    }
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
    let known = known(request, method, gold, &mut notes)?;
    let documents = chance::documents(request, gold)?;
    let mut scorer = Scorer::new(method);
    let first = judge(request, (&mut scorer, known.as_ref()), gold, predicted)?;
    notes.extend((first.left_out.count > 0).then(|| first.left_out.clone()));
    notes.extend(words_differ(gold, predicted));
    notes.extend(first.score.notes.iter().cloned());
    let mut scored = Scored::new(notes, Figures::Labels(first.score.clone(), method));
    scored.shows_semeval = request.mode == Some(Mode::SemEval);
    scored.analysis.clone_from(&first.analysis);
    let draw = request.chance.unwrap_or_default();
    if request.chance.is_some() {
        scored.intervals =
            Some(Intervals::of(request, &draw, documents.as_deref(), first.units.clone(), scorer.kinds()));
    }
    if let Some(second) = second {
        scored.notes.extend(words_differ(gold, second));
        let other = judge(request, (&mut scorer, known.as_ref()), gold, second)?;
        scored.comparison = Some(Box::new(Comparison::of(
            request,
            &draw,
            documents.as_deref(),
            (predicted, first),
            (second, other),
            scorer.kinds(),
        )));
        Note::important_first(&mut scored.notes);
    }
    Ok(scored)
}

/// Returns the mentions of the training data, where they are asked for.
fn known(
    request: &ScoreRequest,
    method: Method,
    gold: &Labeled,
    notes: &mut Vec<Note>,
) -> anyhow::Result<Option<Known>> {
    let Some(path) = &request.known else { return Ok(None) };
    let unset = || Remedy::Unset(Setting::KnownFile);
    let Some(reading) = method.reading() else {
        return Err(refusal("mentions are entities, and words are scored", unset()));
    };
    if gold.sentences.iter().any(|sentence| sentence.words.is_empty() && !sentence.labels.is_empty()) {
        let message = format!("{} has labels without words, so nothing says which mentions were seen", gold.source);
        return Err(refusal(message, unset()));
    }
    let training = LabelFile::open(Path::new(path), None)?.read(None, Setting::GoldColumn, None)?;
    let mut known = Known::default();
    training.sentences.iter().for_each(|sentence| known.learn(&sentence.words, &sentence.labels, reading));
    notes.extend(training.notes.into_iter().filter(|note| note.important));
    if known.is_empty() {
        notes.push(Note::once(format!("{path} has no mention, so none was seen")).important());
    }
    Ok(Some(known))
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
        (None | Some(Mode::Strict | Mode::SemEval), LabelScheme::Strict(_))
        | (None | Some(Mode::Words), LabelScheme::Words) => Method::of(asked, &[""; 0], style).0,
        (Some(Mode::Strict), LabelScheme::Auto) => {
            let (method, note) = Method::strict_detected(labels, style)
                .map_err(|error| refusal(format!("{}: {error}", gold.source), Remedy::set(Setting::LabelScheme)))?;
            notes.push(note);
            method
        }
        (Some(Mode::Conlleval), LabelScheme::Auto) => Method::Conlleval(style),
        (Some(Mode::SemEval), LabelScheme::Auto) => {
            let labels: Vec<&str> = labels.collect::<BTreeSet<_>>().into_iter().collect();
            match Method::for_labels(&labels, style) {
                (Method::Words, note) => {
                    let why = note.map_or_else(String::new, |note| format!(": {note}"));
                    return Err(refusal(
                        format!("the mode `semeval` is about entities{why}"),
                        Remedy::Unset(Setting::Mode),
                    ));
                }
                (method, note) => {
                    notes.extend(note);
                    method
                }
            }
        }
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

/// Reads the second prediction, if there is one.
fn read_second(request: &ScoreRequest) -> anyhow::Result<Option<Labeled>> {
    let Some(path) = request.second.as_deref() else { return Ok(None) };
    if path == STREAM || request.pred.is_none() {
        return Err(refusal("two predictions are compared as two files", Remedy::to_do("name both files")));
    }
    let file = LabelFile::open(Path::new(path), request.pred_format)?;
    Ok(Some(file.read(request.pred_column.as_deref(), Setting::PredColumn, None)?))
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
