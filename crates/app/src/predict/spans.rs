//! Entities of labels that are named now, by a label-conditioned span tagger.

use super::feed::DOCUMENT_BYTES_MIN;
use super::input::Documents;
use super::output::Output;
use super::share::Share;
use super::{Found, Opened, PredictOptions, Predicted, counted, say_all};
use crate::error::refusal;
use crate::events::Events;
use crate::machine::{precision, threads};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_spans::config::Threshold;
use tagsmith_spans::encode::{Encoding, Masking};
use tagsmith_spans::folder;
use tagsmith_spans::tag::{Label, Predictor};
use tagsmith_text::tagged::{CodePoints, Content, Tagged, joined};

/// Documents are tagged together up to this many bytes of them a rank.
const CHUNK_BYTES: usize = 64 << 10;

/// Pieces in a window where the model does not say.
const WINDOW: usize = 512;

/// Returns whether a folder holds a span tagger.
pub fn is_span_tagger(folder: &Path) -> bool {
    let config = fs::read(folder.join("config.json")).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    folder.join("token_encoder_config.json").exists()
        || config.is_some_and(|config| config.get("token_encoder").is_some())
}

/// Finds the entities of all documents.
pub fn run(
    options: &PredictOptions,
    folder: &Path,
    hub: &Hub,
    work: &mut dyn Iterator<Item = Opened>,
    (world, share): (&World, Share),
    events: &mut dyn Events,
) -> Result<(Predicted, Result<()>)> {
    threads::set(options.threads, world, events);
    let Some(given) = &options.labels else {
        let remedy = Remedy::set(Setting::Labels).so_as("to name them");
        return Err(refusal("a span tagger looks for labels, and none are given", remedy));
    };
    let labels = &given.list;
    let (mut model, notes) = folder::load(folder)?;
    notes.iter().for_each(|note| events.say(note));
    let threshold = match &options.threshold {
        None => model.config.threshold,
        Some(word) => Threshold::parse(word, model.config.contrastive()).map_err(|why| {
            refusal(format!("the threshold {why}"), Remedy::set(Setting::Threshold).so_as("with a number from 0 to 1"))
        })?,
    };
    if model.config.threshold_in_prompt() {
        model.config.threshold_token = if threshold == Threshold::Cls { Threshold::Cls } else { Threshold::LabelToken };
    }
    if options.bf16 {
        model.precision = precision::bf16(events);
    }
    let tokenizers = folder::tokenizers(folder, &model.config, hub)?;
    let positions = model.positions_max();
    let longest = model.config.max_seq_length.unwrap_or(WINDOW).min(positions);
    let max_length = options.max_seq_length.unwrap_or(longest);
    if max_length > positions {
        return Err(refusal(
            format!("a window is to have {max_length} pieces, but the model has {positions} positions"),
            Remedy::set(Setting::MaxSeqLength).so_as(format!("with at most {positions}")),
        ));
    }
    let encoding = Encoding { max_length, masking: Masking::None };
    let predictor = Predictor::new(&model, &tokenizers, encoding, labels, threshold, options.decoding, options.stride)?;
    predictor.notes().iter().for_each(|note| events.say(note));
    let (mut counts, mut notes) = ([0.0; 4], Vec::new());
    for work in work {
        let (mut documents, mut output) = work?;
        if output.is_columns() {
            return Err(refusal(
                "entities that may overlap cannot be written as a column of labels",
                Remedy::SetTo(Setting::OutputFormat, "jsonl".into()),
            ));
        }
        find_all(&predictor, (world, share), &mut documents, &mut output, labels, &mut counts)?;
        // The notes of a file are the same for all ranks that read it.
        notes.extend(documents.notes().filter(|_| share.is_first()).cloned());
        notes.extend(output.finish()?);
    }
    let [documents, entities, windows, spelled] = say_all(world, &notes, counts, events);
    if spelled > 0.0 {
        events.note(&Note::once(format!(
            "documents spell {spelled} special tokens (such as `[SEP]`): read as ordinary letters"
        )));
    }
    Ok((counted(documents, Found::Entities(entities as u64), windows), Ok(())))
}

/// Finds the entities of all documents. Counts documents, entities, windows and special tokens that are spelled.
fn find_all(
    predictor: &Predictor<'_>,
    (world, share): (&World, Share),
    documents: &mut Documents,
    output: &mut Output,
    labels: &[Label],
    [count, entities, windows, spelled]: &mut [f64; 4],
) -> Result<()> {
    loop {
        let (mut chunk, mut bytes, mut end) = (Vec::new(), 0, None);
        // Ranks that share documents wait for more, because all must cut the same chunks.
        while bytes < CHUNK_BYTES * share.ranks && (chunk.is_empty() || share.ranks > 1 || documents.has_more_at_hand())
        {
            match documents.next() {
                Ok(Some((document, size))) => {
                    bytes += size.max(DOCUMENT_BYTES_MIN);
                    chunk.push(document.content);
                }
                other => {
                    end = Some(other.map(|_| ()));
                    break;
                }
            }
        }
        let all = chunk.len();
        let chunk = &chunk[share.range(all)];
        let read = predictor.find(chunk)?;
        *count += chunk.len() as f64;
        *windows += read.windows as f64;
        *spelled += read.spelled as f64;
        *entities += read.entities.iter().map(Vec::len).sum::<usize>() as f64;
        let found = chunk.iter().zip(read.entities).map(|(content, found)| tagged(content, &found, labels)).collect();
        let last = end.is_some();
        let end = end.filter(|_| share.is_last());
        let (found, outcome) = share.gather(world, found, (all, last), end.unwrap_or(Ok(())));
        for tagged in &found {
            output.write_entities(tagged)?;
        }
        output.flush()?;
        outcome?;
        if last {
            return Ok(());
        }
    }
}

/// Returns the entities with offsets that count code points of the text, or of the words with spaces between them.
fn tagged(content: &Content, found: &[tagsmith_spans::tag::Found], labels: &[Label]) -> Tagged {
    let (text, places) = match content {
        Content::Text(text) => (text.clone(), None),
        Content::Words(words) => {
            let (text, places) = joined(words);
            (text, Some(places))
        }
    };
    let letters = CodePoints::new(&text);
    let mention = |it: &tagsmith_spans::tag::Found| {
        let (start, end) =
            places.as_ref().map_or((it.start, it.end), |places| (places[it.start].0, places[it.end - 1].1));
        letters.mention(labels[it.kind].name.clone(), it.score as f32, (start as u32, end as u32))
    };
    let entities = found.iter().map(mention).collect();
    Tagged { text, words: Vec::new(), labels: Vec::new(), entities }
}

/// The labels that a span tagger looks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Labels {
    /// The labels as they were given.
    json: Value,
    list: Vec<Label>,
}

impl Labels {
    /// Reads an array of names, or an object of names and descriptions.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_json(json: Value) -> Result<Labels> {
        let list = match &json {
            Value::Array(names) => names.iter().map(|name| Some(Label::new(name.as_str()?, None))).collect(),
            Value::Object(names) => names.iter().map(described).collect(),
            _ => None,
        };
        let list = list.context("neither a list of names nor an object of names and descriptions")?;
        Ok(Labels { json, list })
    }

    /// Returns the labels as they were given.
    pub fn json(&self) -> &Value {
        &self.json
    }
}

/// Returns a label with its description; none if the description is not a text.
fn described((name, description): (&String, &Value)) -> Option<Label> {
    match description {
        Value::Null => Some(Label::new(name, None)),
        description => Some(Label::new(name, Some(description.as_str()?))),
    }
}
