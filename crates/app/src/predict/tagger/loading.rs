//! Where a tagger's model is, and how it is loaded.

use super::options::{BATCH_TOKENS, Decoding, TaggerOptions};
use crate::error::refusal;
use anyhow::Result;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_files::together::MODEL;
use tagsmith_hub::Hub;
use tagsmith_hub::model::Part;
use tagsmith_kernel::{Device, Precision};
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_spans::config::Threshold;
use tagsmith_spans::folder;
use tagsmith_spans::tag::{self as spans, Label};
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_tokens::tag as tokens;
use tagsmith_tokens::tag::decoders::Asked;
use tagsmith_train::checkpoint;

/// Returns the folder of a model that is a folder, or a name on the hub, with notes about it.
///
/// # Errors
/// What the hub says; see [`model_folder`].
pub fn located(source: &str, revision: Option<&str>, hub: &Hub) -> Result<(PathBuf, Vec<Note>)> {
    // A folder that is here is taken as it is: only its kind says which files belong into it.
    match Path::new(source).is_dir() {
        true => model_folder(Path::new(source)),
        false => model_folder(&hub.model(source, revision, &Part::ALL)?),
    }
}

/// Returns the folder that holds a model: the given one, or the best checkpoint of the span tagger's run that it holds.
///
/// # Errors
/// A folder whose model is not whole, or which holds only checkpoints of a run that has not ended.
pub fn model_folder(folder: &Path) -> Result<(PathBuf, Vec<Note>)> {
    const BEST: &str = "best_checkpoint";
    let link = folder.join(BEST);
    // Where the system has no links, a file names the checkpoint.
    let best = match fs::read_to_string(&link) {
        Ok(name) => folder.join(name.trim()),
        Err(_) => link,
    };
    let shown = folder.display();
    if MODEL.waits_in(folder) && !folder.join(MODEL.key).exists() {
        let remedy = Remedy::to_do("go on with that run, which then puts the files into their places");
        return Err(refusal(format!("`{shown}`: a run was interrupted while it saved this model"), remedy));
    }
    if folder.join(MODEL.key).exists() {
        return Ok((folder.to_owned(), Vec::new()));
    }
    if best.join(MODEL.key).exists() {
        let note = format!("{shown}: this is the folder of a run; the model is its best checkpoint");
        return Ok((best, vec![Note::once(note)]));
    }
    match checkpoint::newest(folder) {
        None => Ok((folder.to_owned(), Vec::new())),
        Some(newest) => {
            let remedy =
                Remedy::to_do(format!("let the run end, or name a checkpoint, such as `{}`", newest.display()));
            Err(refusal(format!("`{shown}` is the folder of a run that has not ended, and holds no model"), remedy))
        }
    }
}

/// Returns whether a folder holds a span tagger.
pub fn is_span_tagger(folder: &Path) -> bool {
    let config = fs::read(folder.join("config.json")).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    folder.join("token_encoder_config.json").exists()
        || config.is_some_and(|config| config.get("token_encoder").is_some())
}

/// Either kind of tagger.
pub(super) enum Kind {
    /// A token classifier.
    Tokens(Box<tokens::Tagger>),
    /// A label-conditioned span tagger.
    Spans(Box<spans::Tagger>),
}

/// A tagger, where it computes, and notes about both.
pub(super) type Loaded = (Kind, Device, Vec<Note>);

pub(super) const A_TOKEN_CLASSIFIER: &str = "this is a token classifier";
pub(super) const FINDS_ITS_OWN: &str = "finds its own labels and looks for no others";
pub(super) const NEVER_OVERLAPS: &str = "gives each word one label, so entities never overlap";
pub(super) const A_SPAN_TAGGER: &str = "this is a span tagger";
pub(super) const SCORES_WHOLE: &str = "scores whole spans, so no pieces are put together";
pub(super) const HAS_NO_TAGS: &str = "scores whole spans, and has no tags whose path could be legal";

pub(super) fn token_classifier(folder: &Path, options: &TaggerOptions, precision: Precision) -> Result<Loaded> {
    let for_spans = [
        (options.labels.is_some(), Setting::Labels, FINDS_ITS_OWN),
        (is_of_spans(options.decoding), Setting::Decoding, NEVER_OVERLAPS),
    ];
    refuse_given(&format!("{}: {A_TOKEN_CLASSIFIER}", folder.display()), &for_spans)?;
    let request = tokens::Request {
        max_seq_length: options.max_seq_length,
        stride: options.stride,
        batch_tokens: options.batch_tokens.unwrap_or(BATCH_TOKENS),
        strategy: options.strategy.unwrap_or(Strategy::First),
        scheme: options.label_scheme.unwrap_or_default(),
        in_pieces: options.in_pieces,
        outside: options.outside,
        decoding: Asked {
            decoding: options.decoding.and_then(Decoding::of_words),
            operating_point: options.operating_point.clone(),
            temperature: options.temperature,
        },
        threshold: options.threshold.as_deref().map(least_score).transpose()?,
        abstains_below: options.abstain_below,
    };
    let (device, mut notes) = options.device.open()?;
    let loaded = tokens::Tagger::load(folder, request, precision, &device);
    if let Err(tokens::Error::Scheme(error)) = &loaded {
        return Err(refusal(format!("{}: {error}", folder.display()), Remedy::Unset(Setting::LabelScheme)));
    }
    let (tagger, more) = loaded.map_err(|error| of_decoding(error, &folder.display().to_string()))?;
    notes.extend(more.into_iter().map(Note::once));
    Ok((Kind::Tokens(Box::new(tagger)), device, notes))
}

pub(super) fn span_tagger(folder: &Path, options: &TaggerOptions, precision: Precision, hub: &Hub) -> Result<Loaded> {
    let for_tokens = [
        (is_other(options.strategy), Setting::AggregationStrategy, SCORES_WHOLE),
        (options.label_scheme.is_some(), Setting::LabelScheme, "scores whole spans, and has no tags to read"),
        (is_of_words(options.decoding), Setting::Decoding, HAS_NO_TAGS),
        (options.operating_point.is_some(), Setting::OperatingPoint, HAS_NO_TAGS),
        (options.temperature.is_some(), Setting::Temperature, "scores each span by itself"),
        (options.abstain_below.is_some(), Setting::AbstainBelow, "has a threshold, and abstains by nothing else"),
    ];
    refuse_given(&format!("{}: {A_SPAN_TAGGER}", folder.display()), &for_tokens)?;
    if options.labels.is_none() && !options.may_lack_labels {
        return Err(no_labels());
    }
    let (mut model, notes) = folder::load(folder)?;
    if let Some(word) = &options.threshold {
        threshold_of(word, model.config.contrastive())?;
    }
    model.precision = precision;
    let (device, mut said) = options.device.open()?;
    let model = model.moved(&device)?;
    let tokenizers = folder::tokenizers(folder, &model.config, hub)?;
    let request = spans::Request {
        max_seq_length: options.max_seq_length,
        batch_tokens: options.batch_tokens.unwrap_or(BATCH_TOKENS),
    };
    let (tagger, more) = spans::Tagger::new(model, tokenizers, request)?;
    said.extend(notes.into_iter().map(Note::once).chain(more));
    Ok((Kind::Spans(Box::new(tagger)), device, said))
}

/// Returns whether a span tagger's way is chosen.
pub(super) fn is_of_spans(decoding: Option<Decoding>) -> bool {
    decoding.and_then(Decoding::of_spans).is_some()
}

/// Returns whether a token classifier's way is chosen.
pub(super) fn is_of_words(decoding: Option<Decoding>) -> bool {
    decoding.and_then(Decoding::of_words).is_some()
}

/// Returns the lowest score of a token classifier's entities.
pub(super) fn least_score(word: &str) -> Result<f32> {
    word.parse().ok().filter(|score| (0.0..=1.0).contains(score)).ok_or_else(|| {
        let message = format!("the threshold `{word}` is not a number from 0 to 1");
        refusal(message, Remedy::set(Setting::Threshold).so_as("with one"))
    })
}

/// Returns the error about a model, with what can be done where a choice does not fit it.
pub(super) fn of_decoding(error: tokens::Error, place: &str) -> anyhow::Error {
    match (&error, error.remedy()) {
        (
            tokens::Error::Grammar(_)
            | tokens::Error::NoPoint { .. }
            | tokens::Error::UnusedPoint { .. }
            | tokens::Error::NoOutside,
            Some(remedy),
        ) => refusal(format!("{place}: {error}"), remedy),
        _ => anyhow::Error::from(error).context(place.to_owned()),
    }
}

/// Returns whether a strategy is chosen that a span tagger does not have. Every word of its entities has one label, as
/// [`Strategy::First`] has it.
pub(super) fn is_other(strategy: Option<Strategy>) -> bool {
    strategy.is_some_and(|strategy| strategy != Strategy::First)
}

pub(super) fn no_labels() -> anyhow::Error {
    let remedy = Remedy::set(Setting::Labels).so_as("to name them");
    refusal("a span tagger looks for labels, and none are given", remedy)
}

/// Returns the threshold of a word.
pub(super) fn threshold_of(word: &str, is_contrastive: bool) -> Result<Threshold> {
    Threshold::parse(word, is_contrastive).map_err(|why| {
        refusal(format!("the threshold {why}"), Remedy::set(Setting::Threshold).so_as("with a number from 0 to 1"))
    })
}

/// Refuses the first choice that is given and that this kind of model does not have, with the reason.
pub(super) fn refuse_given(kind: &str, choices: &[(bool, Setting, &str)]) -> Result<()> {
    match choices.iter().find(|(is_given, ..)| *is_given) {
        Some(&(_, setting, why)) => Err(refusal(format!("{kind}: it {why}"), Remedy::Unset(setting))),
        None => Ok(()),
    }
}

/// Returns the labels of a list of names or an object of names and descriptions; none where it is something else.
pub(super) fn labels(given: &Value) -> Option<Vec<Label>> {
    match given {
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
