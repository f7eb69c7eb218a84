//! Evaluation of a model of either kind: the words of a file are tagged, and the labels scored against the file's.

use crate::error::refusal;
use crate::events::{Events, Progress};
use crate::machine::threads;
use crate::predict::tagger::{Tagger, TaggerOptions, is_span_tagger, located};
use crate::score::{Calibrations, ScoreRequest, Scored, score_labeled};
use anyhow::Result;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use tagsmith_data::labeled::{LabelFile, Labeled, LabeledSentence};
use tagsmith_hub::Hub;
use tagsmith_message::{Remedy, Setting, quote_all};
use tagsmith_ranks::World;
use tagsmith_text::labels::reading::Rules;
use tagsmith_text::labels::scheme::Style;
use tagsmith_text::parallel;
use tagsmith_text::tagged::{Content, Input, Tally};

/// Sentences that are tagged at once.
const CHUNK: usize = 1024;

/// A request to evaluate a model.
#[derive(Clone, Debug)]
pub struct EvaluateRequest {
    /// The model's folder, or its name on the hub.
    pub model: String,
    /// How the model tags. A span tagger without labels looks for the types in the file.
    pub tagger: TaggerOptions,
    /// The file, as gold labels, and how they are scored. There are no predictions yet.
    pub score: ScoreRequest,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
}

/// Evaluates a model as `request` asks.
///
/// # Errors
/// A request that cannot be done, with a remedy; files that cannot be read; labels that cannot be scored.
pub fn evaluate(request: &EvaluateRequest, hub: &Hub, events: &mut dyn Events) -> Result<Scored> {
    let file = &request.score.gold;
    let gold = read(&request.score)?;
    let threads = threads::set(request.threads, &World::alone(), events)?;
    let mut options = request.tagger.clone();
    let (folder, notes) = located(&request.model, options.revision.as_deref(), hub)?;
    events.notes(&notes);
    if is_span_tagger(&folder) && options.labels.is_none() {
        let types = types(&gold);
        events.say(format!("the model looks for the types in {file}: {}", quote_all(types.iter().map(String::as_str))));
        options.labels = Some(types.into_iter().map(Value::from).collect());
    }
    let (tagger, notes) = Tagger::load(&folder.display().to_string(), &options, hub)?;
    events.notes(&notes);
    scored(&request.score, &gold, &tagger, threads, events)
}

/// Evaluates a tagger on the file of `request`, as gold labels.
///
/// # Errors
/// Those of [`evaluate`], but of the model.
pub fn evaluate_by(tagger: &Tagger, request: &ScoreRequest, threads: usize, events: &mut dyn Events) -> Result<Scored> {
    scored(request, &read(request)?, tagger, threads, events)
}

/// Reads the words and gold labels.
pub(crate) fn read(request: &ScoreRequest) -> Result<Labeled> {
    let file = &request.gold;
    let labels = LabelFile::open(Path::new(file), request.gold_format)?;
    let gold = labels.read(request.gold_column.as_deref(), Setting::GoldColumn, None)?;
    if gold.sentences.iter().any(|sentence| sentence.words.is_empty() && !sentence.labels.is_empty()) {
        let remedy = Remedy::to_do("name a file of words and labels, or score a file of predictions");
        return Err(refusal(format!("{file}: there are labels without words, and a model reads words"), remedy));
    }
    if gold.sentences.iter().all(|sentence| sentence.words.is_empty()) {
        let remedy = Remedy::to_do("name a file of words and labels");
        return Err(refusal(format!("{file}: there is no word to evaluate on"), remedy));
    }
    Ok(gold)
}

/// Tags the words and scores the labels.
fn scored(
    request: &ScoreRequest,
    gold: &Labeled,
    tagger: &Tagger,
    threads: usize,
    events: &mut dyn Events,
) -> Result<Scored> {
    if !tagger.labels_words() {
        let flat = Remedy::Unset(Setting::Decoding);
        return Err(refusal("entities that may overlap have no label a word, which is what is scored", flat));
    }
    let (predicted, calibrations) = tag(gold, tagger, threads, events)?;
    let mut scored = score_labeled(request, gold, &predicted, None)?;
    scored.calibration = calibrations;
    Ok(scored)
}

/// Returns the labels that a model gives the words, and the curves of its probabilities. A span tagger's scores are of
/// entities, not of words, so that there are no curves.
fn tag(
    gold: &Labeled,
    tagger: &Tagger,
    threads: usize,
    events: &mut dyn Events,
) -> Result<(Labeled, Option<Calibrations>)> {
    let encoder = tagger.encoder();
    let mut predicted = Labeled { source: "the model".into(), sentences: Vec::new(), notes: Vec::new() };
    let mut tally = Tally::default();
    let mut calibrations = Calibrations::default();
    let all = gold.sentences.len() as u64;
    for sentences in gold.sentences.chunks(CHUNK) {
        let input = |sentence: &LabeledSentence| Input {
            place: format!("{}:{}", gold.source, sentence.line),
            content: Content::Words(sentence.words.clone()),
        };
        let encoded = parallel::map(sentences, threads, |sentence| encoder.encode(&input(sentence)));
        let encoded = encoded.into_iter().collect::<Result<Vec<_>>>()?;
        let before = predicted.sentences.len() as u64;
        let shared = RefCell::new(&mut *events);
        let tagged = tagger.tag_encoded(encoded, &mut tally, &|done, of| {
            let done = before + sentences.len() as u64 * done as u64 / of.max(1) as u64;
            let done = done.min(all.saturating_sub(1));
            shared.borrow_mut().progress(Progress { work: "evaluation", done, of: Some(all), unit: "sentences" });
        })?;
        for (sentence, tagged) in sentences.iter().zip(&tagged) {
            for (gold, word) in sentence.labels.iter().zip(&tagged.labels) {
                let name = &tagger.labels()[word.label as usize];
                calibrations.words.add(word.probability.into(), name == gold);
                if name != "O" {
                    calibrations.entity_words.add(word.probability.into(), name == gold);
                }
            }
        }
        predicted.sentences.extend(sentences.iter().zip(tagged).map(|(sentence, tagged)| LabeledSentence {
            line: sentence.line,
            labels: tagged.labels.iter().map(|word| tagger.labels()[word.label as usize].clone()).collect(),
            words: sentence.words.clone(),
        }));
    }
    events.progress(Progress { work: "evaluation", done: all, of: Some(all), unit: "sentences" });
    predicted.notes = tally.notes().to_vec();
    Ok((predicted, (!tagger.scores_spans()).then_some(calibrations)))
}

/// Returns the types of the entities in a file, in the order of their names.
fn types(gold: &Labeled) -> Vec<String> {
    let labels: BTreeSet<&String> = gold.sentences.iter().flat_map(|sentence| &sentence.labels).collect();
    let tags = labels.into_iter().filter_map(|label| Rules::Conlleval.tag(label, Style::Prefix));
    let types: BTreeSet<&str> = tags.filter(|tag| tag.letter != 'O').map(|tag| tag.kind).collect();
    types.into_iter().map(str::to_owned).collect()
}
