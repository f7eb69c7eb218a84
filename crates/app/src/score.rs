//! Precision, recall and F1 of predicted labels against gold ones.

mod error_detection;

use crate::error::{self, refusal};
use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use tagsmith_data::format::{conll, conllu, json};
use tagsmith_data::split_builder::ReadOptions;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_text::labels::scheme::{Scheme, Style, is_iob_like};
use tagsmith_text::score::error_detection as errors;
use tagsmith_text::score::table;
use tagsmith_text::score::{Method, Score, Scorer, ZeroDivision};
use tagsmith_text::sentence::{Split, TagKind};

/// A request to score.
#[derive(Clone, Debug, Default)]
pub struct ScoreRequest {
    /// The file with the gold labels.
    pub gold: String,
    /// The file with the predicted labels; without it, `gold` holds both.
    pub pred: Option<String>,
    /// The column or key of the gold labels.
    pub gold_column: Option<String>,
    /// The column or key of the predicted labels.
    pub pred_column: Option<String>,
    /// The format of `gold`; without it, the file shows it.
    pub gold_format: Option<Format>,
    /// The format of `pred`; without it, the file shows it.
    pub pred_format: Option<Format>,
    /// What is scored; without it, the gold labels show it.
    pub mode: Option<Mode>,
    /// The scheme of strict scores; without it, the gold labels show it.
    pub scheme: Option<Scheme>,
    /// Where error detection is scored, a file that lists the labels of the means; without it, those that occur.
    pub labels: Option<String>,
    /// Whether tags end in their letter: `PER-B`.
    pub suffix: bool,
    /// What a ratio without a denominator counts as.
    pub zero_division: ZeroDivision,
}

/// What is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Entities, by the forgiving rules.
    Conlleval,
    /// Entities, by a scheme's rules.
    Strict,
    /// Words.
    Words,
    /// Words of error detection.
    ErrorDetection,
}

impl Mode {
    /// Names of the modes, in the order of the variants.
    pub const NAMES: [&str; 4] = ["conlleval", "strict", "words", "ged"];

    /// Returns the mode of a name.
    pub fn named(name: &str) -> Option<Mode> {
        let modes = [Mode::Conlleval, Mode::Strict, Mode::Words, Mode::ErrorDetection];
        modes.into_iter().find(|mode| mode.name() == name)
    }

    /// Returns the mode's name.
    pub fn name(self) -> &'static str {
        Mode::NAMES[self as usize]
    }
}

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
                    "{}\naccuracy {accuracy:.digits$} over {words} words in {sentences} sentences; scored by {method}\n",
                    table::table(score, digits)
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
    let mut notes = gold.notes.clone();
    notes.extend(predicted.notes.iter().filter(|note| !gold.notes.contains(note)).cloned());
    same_shape(&gold, &predicted)?;
    if request.mode == Some(Mode::ErrorDetection) {
        error_detection::refuse_others(request)?;
        notes.extend(words_differ(&gold, &predicted));
        return error_detection::score(request, &gold, &predicted, notes);
    }
    if request.labels.is_some() {
        let remedies = vec![Remedy::Unset(Setting::Labels), Remedy::SetTo(Setting::Mode, "ged".into())];
        return Err(refusal("a list of labels is for error detection alone", Remedy::AnyOf(remedies)));
    }
    let method = method(request, &gold, &mut notes)?;
    let mut scorer = Scorer::new(method);
    for (gold_sentence, sentence) in gold.sentences.iter().zip(&predicted.sentences) {
        scorer.add(&gold_sentence.labels, &sentence.labels).with_context(|| {
            format!("{}:{} against {}:{}", gold.source, gold_sentence.line, predicted.source, sentence.line)
        })?;
    }
    let score = scorer.score(request.zero_division);
    notes.extend(words_differ(&gold, &predicted));
    notes.extend(score.notes.iter().cloned());
    Ok(Scored { notes, figures: Figures::Labels(score, method) })
}

/// Returns the note about words that both files have, but spelled otherwise.
fn words_differ(gold: &Labeled, predicted: &Labeled) -> Option<Note> {
    let mut note = Note::new(format!("words of {} are spelled otherwise in {}", gold.source, predicted.source));
    for (gold_sentence, sentence) in gold.sentences.iter().zip(&predicted.sentences) {
        for (gold_word, word) in gold_sentence.words.iter().zip(&sentence.words) {
            if gold_word != word {
                note.add(|| format!("`{gold_word}` {}:{}", gold.source, gold_sentence.line));
            }
        }
    }
    if note.count == 1 {
        note.what = format!("word of {} is spelled otherwise in {}", gold.source, predicted.source);
    }
    (note.count > 0).then_some(note)
}

/// Returns the method that the request asks for, or else the one that the gold labels show.
fn method(request: &ScoreRequest, gold: &Labeled, notes: &mut Vec<Note>) -> anyhow::Result<Method> {
    let style = if request.suffix { Style::Suffix } else { Style::Prefix };
    let labels = gold.sentences.iter().flat_map(|sentence| &sentence.labels).map(String::as_str);
    Ok(match (request.mode, request.scheme) {
        (None | Some(Mode::Strict), Some(scheme)) => Method::Strict(scheme, style),
        (Some(Mode::Strict), None) => {
            let (method, note) = Method::strict_detected(labels, style)
                .map_err(|error| refusal(format!("{}: {error}", gold.source), Remedy::set(Setting::Scheme)))?;
            notes.push(note);
            method
        }
        (Some(mode), Some(scheme)) => {
            let message =
                format!("the scheme {} is for strict scores, not for the mode `{}`", scheme.name(), mode.name());
            let remedies = vec![Remedy::Unset(Setting::Scheme), Remedy::SetTo(Setting::Mode, "strict".into())];
            return Err(refusal(message, Remedy::AnyOf(remedies)));
        }
        (Some(Mode::Conlleval), None) => Method::Conlleval(style),
        (Some(_), None) => Method::Words,
        (None, None) => {
            let labels: Vec<&str> = labels.collect::<BTreeSet<_>>().into_iter().collect();
            let (method, note) = Method::for_labels(&labels, style);
            notes.extend(note.map(|note| {
                note.with_remedy(Remedy::AnyOf(vec![
                    Remedy::SetTo(Setting::Mode, "conlleval".into()).so_as("to score entities as seqeval would"),
                    Remedy::set(Setting::Suffix).so_as("for tags like `PER-B`"),
                ]))
            }));
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

/// A format of files that hold labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A word and its labels a line, an empty line between sentences.
    Columns,
    /// CoNLL-U's ten columns.
    Conllu,
    /// JSON objects with a list of words and one of labels.
    Json,
    /// A sentence a line, its labels parted by spaces: `predictions.txt`.
    Lines,
    /// A label a line, an empty line between sentences.
    Labels,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 5] = [Format::Columns, Format::Conllu, Format::Json, Format::Lines, Format::Labels];

    /// Returns the format's name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Columns => "columns",
            Format::Conllu => "conllu",
            Format::Json => "json",
            Format::Lines => "lines",
            Format::Labels => "labels",
        }
    }

    /// Returns the format that the name's ending or the content shows.
    fn tell(path: &str, content: &str) -> Format {
        match Path::new(path).extension().and_then(|ending| ending.to_str()) {
            Some("json" | "jsonl") => return Format::Json,
            Some("conllu") => return Format::Conllu,
            _ => {}
        }
        let head: String = content.chars().filter(|char| !char.is_whitespace()).take(2).collect();
        if head == "{\"" || head == "[{" {
            return Format::Json;
        }
        let full = || content.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("-DOCSTART-"));
        let fields = |line: &str| line.split_whitespace().count();
        let width = full().next().map_or(0, fields);
        let is_ragged = full().any(|line| fields(line) != width);
        let has_gap = content.trim().lines().any(|line| line.trim().is_empty());
        let is_all_tags = || {
            let distinct: BTreeSet<&str> = content.split_whitespace().collect();
            is_iob_like(&distinct.into_iter().collect::<Vec<_>>(), Style::Prefix)
        };
        match (is_ragged, width) {
            (false, 1) if has_gap => Format::Labels,
            (false, 0 | 1) => Format::Lines,
            (true, _) if !has_gap && !content.contains('\t') => Format::Lines,
            (false, _) if !has_gap && is_all_tags() => Format::Lines,
            _ => Format::Columns,
        }
    }
}

/// A file's labels, sentence by sentence.
struct Labeled {
    source: String,
    sentences: Vec<LabeledSentence>,
    notes: Vec<Note>,
}

struct LabeledSentence {
    /// The line on which it begins, from 1.
    line: u64,
    labels: Vec<String>,
    /// Empty where the file has only labels.
    words: Vec<String>,
}

fn read_both(request: &ScoreRequest) -> anyhow::Result<(Labeled, Labeled)> {
    let ScoreRequest { gold: gold_path, pred, gold_column, pred_column, gold_format, pred_format, .. } = request;
    let (gold_column, pred_column) = (gold_column.as_deref(), pred_column.as_deref());
    let missing_label = (request.mode == Some(Mode::ErrorDetection)).then_some(errors::CORRECT[0]);
    let gold = Opened { missing_label, ..open(gold_path, *gold_format)? };
    if let Some(path) = pred {
        let predicted = Opened { missing_label, ..open(path, *pred_format)? };
        return Ok((gold.read(Setting::GoldColumn, gold_column)?, predicted.read(Setting::PredColumn, pred_column)?));
    }
    if pred_format.is_some() {
        let message = "a format is given for the predictions, but no second file";
        let remedy = Remedy::AnyOf(vec![Remedy::to_do("name the file"), Remedy::Unset(Setting::PredFormat)]);
        return Err(refusal(message, remedy));
    }
    let name_the_file = || Remedy::to_do("name the predictions' file");
    let (gold_column, pred_column) = match gold.format {
        Format::Columns => (gold_column.or(Some("-2")), pred_column.or(Some("-1"))),
        Format::Json | Format::Conllu if pred_column.is_some() => (gold_column, pred_column),
        Format::Json | Format::Conllu => {
            let message = format!("{gold_path}: nothing says where the predictions are");
            let remedy = Remedy::AnyOf(vec![Remedy::set(Setting::PredColumn), name_the_file()]);
            return Err(refusal(message, remedy));
        }
        Format::Lines | Format::Labels => {
            let message = format!("{gold_path} is read as `{}`, which holds one label a word", gold.format.name());
            let remedy = Remedy::AnyOf(vec![name_the_file(), Remedy::set(Setting::GoldFormat)]);
            return Err(refusal(message, remedy));
        }
    };
    Ok((gold.read(Setting::GoldColumn, gold_column)?, gold.read(Setting::PredColumn, pred_column)?))
}

/// A file in memory whose format is known.
struct Opened {
    path: String,
    content: String,
    format: Format,
    /// In columns, the label of a word that has none.
    missing_label: Option<&'static str>,
}

fn open_file(path: &str) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("`{path}` cannot be read"))
}

fn open(path: &str, format: Option<Format>) -> anyhow::Result<Opened> {
    let bytes = fs::read(path).with_context(|| format!("`{path}` cannot be read"))?;
    let content = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        anyhow!("{path}:{line}: the text is not UTF-8: convert the file, for example with `iconv -f latin1 -t utf-8`")
    })?;
    let content = content.strip_prefix('\u{FEFF}').map(String::from).unwrap_or(content);
    let format = format.unwrap_or_else(|| Format::tell(path, &content));
    Ok(Opened { path: path.into(), content, format, missing_label: None })
}

impl Opened {
    /// Reads the labels of one column, which `setting` names.
    fn read(&self, setting: Setting, column: Option<&str>) -> anyhow::Result<Labeled> {
        let options = ReadOptions {
            label_column: column.map(String::from),
            missing_label: self.missing_label.map(String::from),
            ..ReadOptions::default()
        };
        let bytes = self.content.as_bytes();
        let split = match self.format {
            Format::Columns => conll::read(bytes, &self.path, &options),
            Format::Conllu => conllu::read(bytes, &self.path, &options),
            Format::Json => json::read(bytes, &self.path, &options),
            Format::Lines | Format::Labels if column.is_some() => {
                let message =
                    format!("{}: a column is named, but the file is read as `{}`", self.path, self.format.name());
                return Err(refusal(message, Remedy::Unset(setting)));
            }
            Format::Lines => return Ok(self.bare(lines(&self.content))),
            Format::Labels => return Ok(self.bare(labels(&self.content))),
        };
        let split = split.map_err(|error| error::with_column(&error, setting))?;
        if split.tag_kind == TagKind::Absent {
            let remedy = Remedy::set(setting).so_as("to name their column");
            return Err(refusal(format!("{}: there are no labels", self.path), remedy));
        }
        Ok(labeled(split))
    }

    fn bare(&self, sentences: Vec<LabeledSentence>) -> Labeled {
        let count = counted(sentences.len(), "sentence");
        let note = format!("{} is read as `{}`: {count} of labels", self.path, self.format.name());
        Labeled { source: self.path.clone(), sentences, notes: vec![Note::once(note)] }
    }
}

fn labeled(split: Split) -> Labeled {
    let names = split.tag_names;
    let sentences = split.sentences.into_iter().map(|sentence| LabeledSentence {
        line: sentence.line,
        labels: sentence.tags.iter().map(|tag| names[*tag as usize].clone()).collect(),
        words: sentence.words,
    });
    Labeled { source: split.source, sentences: sentences.collect(), notes: split.notes }
}

/// A sentence a line; an empty line is a sentence without words, except at the end of the file.
fn lines(content: &str) -> Vec<LabeledSentence> {
    (1..)
        .zip(content.trim_end().lines())
        .map(|(line, text)| LabeledSentence {
            line,
            labels: text.split_whitespace().map(String::from).collect(),
            words: Vec::new(),
        })
        .collect()
}

/// A label a line, sentences parted by empty lines.
fn labels(content: &str) -> Vec<LabeledSentence> {
    let mut sentences: Vec<LabeledSentence> = Vec::new();
    let mut is_open = false;
    for (line, text) in (1..).zip(content.lines()) {
        let label = text.trim();
        if !label.is_empty() {
            if !is_open {
                sentences.push(LabeledSentence { line, labels: Vec::new(), words: Vec::new() });
            }
            sentences.last_mut().expect("one was just begun").labels.push(label.into());
        }
        is_open = !label.is_empty();
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_not_text_are_located() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gold.conll");
        fs::write(&path, b"Jo B-PER\nZ\xFCrich B-LOC\n").unwrap();
        let error = open(path.to_str().unwrap(), None).err().unwrap().to_string();
        assert!(error.ends_with(
            "gold.conll:2: the text is not UTF-8: convert the file, for example with `iconv -f latin1 -t utf-8`"
        ));
        let error = format!("{:#}", open("no/such/file", None).err().unwrap());
        assert!(error.starts_with("`no/such/file` cannot be read: "), "{error}");
    }
}
