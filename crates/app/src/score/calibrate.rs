//! Calibration of a token classifier: a temperature and biases are searched over probabilities of labeled words, and left
//! beside the model as an operating point.

use crate::error::refusal;
use crate::events::{Events, Progress};
use crate::machine::threads;
use crate::predict::tagger::{Tagger, TaggerOptions};
use crate::score::ScoreRequest;
use crate::score::evaluate::read;
use anyhow::Result;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use tagsmith_data::labeled::{Labeled, LabeledSentence};
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_ranks::World;
use tagsmith_text::align::aggregate::OUTSIDE;
use tagsmith_text::decode::Decoder;
use tagsmith_text::decode::calibration::{Biases, FILE, OperatingPoint};
use tagsmith_text::decode::search::{self, Goal};
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::Style;
use tagsmith_text::score::{Count, Method, Score, Scorer, ZeroDivision};
use tagsmith_text::tagged::{Content, Input};
use tagsmith_tokens::tag::decoders;

/// Sentences that the model reads at once.
const CHUNK: usize = 1024;

/// A request to calibrate a model.
#[derive(Clone, Debug)]
pub struct CalibrateRequest {
    /// The model's folder, which gets the file.
    pub model: String,
    /// How the model computes.
    pub tagger: TaggerOptions,
    /// The file of words and gold labels.
    pub data: ScoreRequest,
    /// What is searched for.
    pub goal: Goal,
    /// The name of the operating point.
    pub name: String,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
}

/// A way to decode, with its scores on the data.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The way: `argmax`, `viterbi`, or the operating point's name.
    pub name: String,
    /// The way's scores.
    pub score: Score,
}

/// What a calibration found.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// What happened to the data.
    pub notes: Vec<Note>,
    /// The file that was written.
    pub file: PathBuf,
    /// The operating point's name.
    pub name: String,
    /// The operating point.
    pub point: OperatingPoint,
    /// The mean of −log p of words' gold labels, before and after division by the temperature; none for a chain.
    pub loss: Option<(f64, f64)>,
    /// The scores of words by themselves, of the best legal paths, and of the operating point.
    pub scores: Vec<Measured>,
    /// Whether the goal's bar is reached.
    pub is_reached: bool,
}

/// Calibrates a model as `request` asks, and writes the operating point beside it. Others in the file stay.
///
/// # Errors
/// A request that cannot be done, with a remedy; files that cannot be read or written; labels without legal paths.
pub fn calibrate(request: &CalibrateRequest, hub: &Hub, events: &mut dyn Events) -> Result<Calibrated> {
    if !Path::new(&request.model).is_dir() {
        let message = format!("`{}` is not a folder, and the result belongs beside the model", request.model);
        return Err(refusal(message, Remedy::to_do("download the model and name its folder")));
    }
    let gold = read(&request.data)?;
    let threads = threads::set(request.threads, &World::alone(), events)?;
    let (tagger, notes) = Tagger::load(&request.model, &request.tagger, hub)?;
    events.notes(&notes);
    let Some(model) = tagger.token_classifier() else {
        let remedy = Remedy::to_do("let its evaluator choose a threshold");
        return Err(refusal(format!("{}: a span tagger has no tags to decode", request.model), remedy));
    };
    let known = model.decoders();
    // Refused before the model reads anything.
    known.by(Biases::default()).map_err(|error| match error.remedy() {
        Some(_) => {
            refusal(format!("{}: {error}", request.model), Remedy::set(Setting::LabelScheme).so_as("to name it"))
        }
        None => error.into(),
    })?;
    let rows = rows(&gold, &tagger, threads, events)?;
    let labels = tagger.labels();
    let mut words = Words::new(labels, &gold, rows);
    let mut notes = words.notes();
    let (temperature, loss) = match known.has_chain() {
        true => {
            notes.push(Note::once("the model's head is a chain, whose scores have no temperature"));
            (None, None)
        }
        false => words.warm(),
    };
    let measure = |decoder: &Decoder| words.score(decoder, request.data.label_scheme);
    let plain = measure(&Decoder::Argmax)?;
    let legal = measure(&known.by(Biases::default())?)?;
    let figures = |score: &Score| search::Found {
        precision: score.micro.precision,
        recall: score.micro.recall,
        f1: score.micro.f1,
    };
    events.say(format!("searching biases over {}", counted(words.count, "word")));
    let (biases, found) = search::biases(request.goal, |biases| -> Result<search::Found> {
        Ok(figures(&measure(&known.by(*biases)?)?))
    })?;
    let point = OperatingPoint { biases, temperature };
    let chosen = measure(&known.by(biases)?)?;
    let mut file = known.calibration();
    file.set(&request.name, point);
    decoders::write(tagger.folder(), &file)?;
    let is_reached = request.goal.is_reached(found);
    if !is_reached {
        notes.push(Note::once("no biases reach the bar: those that come nearest are kept").important());
    }
    let scores = [("argmax", plain), ("viterbi", legal), (request.name.as_str(), chosen)];
    let scores = scores.map(|(name, score)| Measured { name: name.to_owned(), score }).to_vec();
    let (file, name) = (tagger.folder().join(FILE), request.name.clone());
    Ok(Calibrated { notes, file, name, point, loss, scores, is_reached })
}

impl Calibrated {
    /// Returns everything as a JSON object. `show` writes a note.
    pub fn json(&self, show: &dyn Fn(&Note) -> String) -> Value {
        let scores = self.scores.iter().map(|Measured { name, score }| {
            let (it, counts) = (&score.micro, counts(score));
            let figures = json!({
                "precision": it.precision, "recall": it.recall, "f1": it.f1, "correct": counts.correct,
                "predicted": counts.predicted, "gold": counts.gold,
            });
            (name.clone(), figures)
        });
        let biases = Biases::KEYS.map(|(key, step)| (key.to_owned(), json!(self.point.biases.of(step))));
        json!({
            "file": self.file.display().to_string(),
            "operating_point": self.name,
            "biases": Map::from_iter(biases),
            "temperature": self.point.temperature,
            "loss": self.loss.map(|(before, after)| json!({ "before": before, "after": after })),
            "scores": scores.collect::<Map<_, _>>(),
            "is_reached": self.is_reached,
            "notes": self.notes.iter().map(|note| Value::from(show(note))).collect::<Vec<_>>(),
        })
    }

    /// Returns everything for people.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if let (Some(temperature), Some((before, after))) = (self.point.temperature, self.loss) {
            lines.push(format!("temperature {temperature}: −log p of a word's label {before:.4} → {after:.4}"));
        }
        let width = self.scores.iter().map(|it| it.name.chars().count()).max().unwrap_or(0);
        lines.push(format!("{:width$}  precision  recall      f1  correct  predicted    gold", ""));
        for Measured { name, score } in &self.scores {
            let (it, count) = (&score.micro, counts(score));
            let (precision, recall, f1) = (it.precision, it.recall, it.f1);
            lines.push(format!(
                "{name:width$}  {precision:9.4}  {recall:6.4}  {f1:6.4}  {:7}  {:9}  {:6}",
                count.correct, count.predicted, count.gold
            ));
        }
        let biases = Biases::KEYS.into_iter().filter(|(_, step)| self.point.biases.of(*step) != 0.0);
        let biases: Vec<String> = biases.map(|(key, step)| format!("{key} {}", self.point.biases.of(step))).collect();
        lines.push(if biases.is_empty() { "all biases are 0".to_owned() } else { biases.join("\n") });
        lines.push(format!("the operating point `{}` is in {}", self.name, self.file.display()));
        lines.join("\n") + "\n"
    }
}

/// Returns the entities of all types: right, predicted, gold.
fn counts(score: &Score) -> Count {
    let sum = |of: fn(&Count) -> u64| score.types.iter().map(|kind| of(&kind.count)).sum();
    Count { correct: sum(|it| it.correct), predicted: sum(|it| it.predicted), gold: sum(|it| it.gold) }
}

/// Returns the probabilities of the words of each sentence.
fn rows(
    gold: &Labeled,
    tagger: &Tagger,
    threads: usize,
    events: &mut dyn Events,
) -> Result<Vec<Vec<Option<Vec<f32>>>>> {
    let model = tagger.token_classifier().expect("a span tagger is refused before");
    let reader = model.reader();
    let (mut all, of) = (Vec::with_capacity(gold.sentences.len()), gold.sentences.len() as u64);
    let shared = RefCell::new(events);
    for sentences in gold.sentences.chunks(CHUNK) {
        let input = |sentence: &LabeledSentence| Input {
            place: format!("{}:{}", gold.source, sentence.line),
            content: Content::Words(sentence.words.clone()),
        };
        let encoded = tagsmith_text::parallel::map(sentences, threads, |sentence| reader.encode(&input(sentence)));
        let encoded = encoded.into_iter().collect::<Result<Vec<_>, _>>()?;
        all.extend(model.word_probabilities(&encoded)?);
        let done = all.len() as u64;
        shared.borrow_mut().progress(Progress { work: "evaluation", done, of: Some(of), unit: "sentences" });
    }
    Ok(all)
}

/// Words with gold labels and what the model says of them.
struct Words<'a> {
    labels: &'a [String],
    gold: &'a Labeled,
    rows: Vec<Vec<Option<Vec<f32>>>>,
    /// The label of a word that the model reads nothing of.
    stopgap: u32,
    count: usize,
    /// Words that the model reads nothing of.
    unread: usize,
    /// Words whose gold label the model does not have.
    unknown: usize,
}

impl<'a> Words<'a> {
    fn new(labels: &'a [String], gold: &'a Labeled, rows: Vec<Vec<Option<Vec<f32>>>>) -> Words<'a> {
        let stopgap = labels.iter().position(|label| label == OUTSIDE).unwrap_or(0) as u32;
        let count = gold.sentences.iter().map(|sentence| sentence.words.len()).sum();
        let unread = rows.iter().flatten().filter(|row| row.is_none()).count();
        let unknown = gold.sentences.iter().flat_map(|it| &it.labels).filter(|label| !labels.contains(label)).count();
        Words { labels, gold, rows, stopgap, count, unread, unknown }
    }

    fn notes(&self) -> Vec<Note> {
        let mut notes = self.gold.notes.clone();
        let mut add = |count: usize, what: &str| {
            if count > 0 {
                notes.push(Note::once(format!("{} {what}", counted(count, "word"))).important());
            }
        };
        add(self.unread, "without anything for the model to read: outside of entities");
        add(self.unknown, "with a label that the model does not have, so it is never right there");
        notes
    }

    /// Divides the scores by the temperature that fits them best. Returns it, and the mean loss before and after.
    fn warm(&mut self) -> (Option<f64>, Option<(f64, f64)>) {
        let least = f32::from_bits(1);
        for row in self.rows.iter_mut().flatten().flatten() {
            row.iter_mut().for_each(|probability| *probability = probability.max(least).ln());
        }
        let id = |name: &String| self.labels.iter().position(|label| label == name);
        let sentences = self.rows.iter().zip(&self.gold.sentences);
        let words = sentences.flat_map(|(rows, sentence)| rows.iter().zip(&sentence.labels));
        let known = words.filter_map(|(row, label)| Some((row.as_deref()?, id(label)?)));
        let found = search::temperature(&known.collect::<Vec<_>>());
        let temperature = found.map_or(1.0, |(temperature, ..)| temperature);
        for row in self.rows.iter_mut().flatten().flatten() {
            let scaled: Vec<f32> = row.iter().map(|score| (f64::from(*score) / temperature) as f32).collect();
            *row = tagsmith_tokens::tag::softmax(&scaled);
        }
        (found.map(|(temperature, ..)| temperature), found.map(|(_, before, after)| (before, after)))
    }

    /// Scores the labels that a decoder gives.
    fn score(&self, decoder: &Decoder, scheme: LabelScheme) -> Result<Score> {
        let (method, _) = Method::of(scheme, self.labels, Style::Prefix);
        let mut scorer = Scorer::new(method);
        for (rows, sentence) in self.rows.iter().zip(&self.gold.sentences) {
            let rows: Vec<Option<&[f32]>> = rows.iter().map(Option::as_deref).collect();
            let decoded = decoder.decode(&rows, self.stopgap);
            let predicted = decoded.labels.iter().map(|&label| self.labels[label as usize].as_str());
            let gold: Vec<&str> = sentence.labels.iter().map(String::as_str).collect();
            scorer.add(&gold, &predicted.collect::<Vec<_>>())?;
        }
        Ok(scorer.score(ZeroDivision::Zero))
    }
}
