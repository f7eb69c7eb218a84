//! `tagsmith predict --labels …`: entities of labels that are named now, by a label-conditioned span tagger.

use super::feed::DOCUMENT_BYTES_MIN;
use super::input::Documents;
use super::output::Output;
use super::say_all;
use super::share::Share;
use crate::machine::precision;
use anyhow::{Context, Result, ensure};
use clap::ArgMatches;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Instant;
use tagsmith_files::strict_json::Distinct;
use tagsmith_hub::Hub;
use tagsmith_ranks::World;
use tagsmith_spans::config::Threshold;
use tagsmith_spans::decode::Mode;
use tagsmith_spans::encode::{Encoding, Masking};
use tagsmith_spans::folder;
use tagsmith_spans::tag::{Label, Predictor};
use tagsmith_text::tagged::{CodePoints, Content, Tagged, joined};

/// Documents are looked at together up to this many bytes of them a rank.
const CHUNK_BYTES: usize = 64 << 10;

/// Pieces in a window where the model does not say.
const WINDOW: usize = 512;

/// Whether a folder holds a span tagger.
pub fn is_span_tagger(folder: &Path) -> bool {
    let config = fs::read(folder.join("config.json")).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    folder.join("token_encoder_config.json").exists()
        || config.is_some_and(|config| config.get("token_encoder").is_some())
}

/// Runs it over each source of documents; the exit status.
pub fn run(
    matches: &ArgMatches,
    said: &Value,
    folder: &Path,
    hub: &Hub,
    work: impl Iterator<Item = Result<(Documents, Output)>>,
    (world, share): (&World, Share),
) -> Result<u8> {
    let started = Instant::now();
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let labels = labels(said).with_context(|| {
        let argument = text("labels").unwrap_or_default();
        format!("{argument}: neither a list of names nor an object of names and descriptions")
    })?;
    let (mut model, notes) = folder::load(folder)?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    let threshold = match text("threshold") {
        None => model.config.threshold,
        Some(word) => {
            Threshold::parse(word, model.config.contrastive()).map_err(|why| anyhow::anyhow!("--threshold {why}"))?
        }
    };
    if model.config.threshold_in_prompt() {
        model.config.threshold_token = if threshold == Threshold::Cls { Threshold::Cls } else { Threshold::LabelToken };
    }
    if matches.get_flag("bf16") {
        model.precision = precision::bf16();
    }
    let tokenizers = folder::tokenizers(folder, &model.config, hub)?;
    let longest = model.config.max_seq_length.unwrap_or(WINDOW).min(model.positions_max());
    let max_length = matches.get_one("max-seq-length").copied().unwrap_or(longest);
    let positions = model.positions_max();
    ensure!(max_length <= positions, "`--max-seq-length` is {max_length} but the model has {positions} positions");
    let encoding = Encoding { max_length, masking: Masking::None };
    let mode = text("decoding").and_then(Mode::named).unwrap_or_default();
    let stride = matches.get_one("stride").copied();
    let predictor = Predictor::new(&model, &tokenizers, encoding, &labels, threshold, mode, stride)?;
    predictor.notes().iter().for_each(|note| eprintln!("note: {note}"));
    ensure!(
        text("output-format") != Some("conll"),
        "entities that may overlap are no column of labels: pass jsonl or text"
    );
    let (mut counts, mut notes) = ([0.0; 4], Vec::new());
    for work in work {
        let (mut documents, mut output) = work?;
        find_all(&predictor, (world, share), &mut documents, &mut output, &labels, &mut counts)?;
        // What was skipped is the same for all who read the file.
        notes.extend(documents.notes().filter(|_| share.is_first()).map(ToString::to_string));
        output.finish()?;
    }
    let [count, entities, windows, spelled] = say_all(world, &notes, counts);
    if spelled > 0.0 {
        eprintln!("note: documents spell {spelled} special tokens (such as `[SEP]`): read as ordinary letters");
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{count} documents, {entities} entities, {windows} windows, {seconds:.1} s");
    Ok(0)
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
        // Ranks that share documents wait for more: all must cut the same chunks.
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

/// Offsets count code points of the text, or of the words with a space between them.
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

/// What `--labels` says, a list of names or an object of names and descriptions: `person,place`, or what a JSON file holds.
pub fn said(argument: &str) -> Result<Value> {
    if !argument.ends_with(".json") {
        return Ok(argument.split(',').map(str::trim).collect());
    }
    let path = Path::new(argument);
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    let Distinct(value) =
        serde_json::from_slice(&text).with_context(|| format!("{}: no JSON that can be read", path.display()))?;
    Ok(value)
}

/// As [`said`] has them; none where it is something else.
fn labels(said: &Value) -> Option<Vec<Label>> {
    match said {
        Value::Array(names) => names.iter().map(|name| Some(Label::new(name.as_str()?, None))).collect(),
        Value::Object(names) => {
            let label = |(name, said): (&String, &Value)| match said {
                Value::Null => Some(Label::new(name, None)),
                said => Some(Label::new(name, Some(said.as_str()?))),
            };
            names.iter().map(label).collect()
        }
        _ => None,
    }
}
