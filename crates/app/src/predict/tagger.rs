//! One tagger over both kinds of models: a folder or a name in, texts or words in, one result type out.

use crate::error::refusal;
use crate::machine::device::DeviceArgs;
use crate::machine::precision;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tagsmith_files::together::MODEL;
use tagsmith_hub::Hub;
use tagsmith_hub::model::Part;
use tagsmith_kernel::{Device, Precision};
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_spans::config::Threshold;
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::folder;
use tagsmith_spans::tag::{self as spans, Label};
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::tagged::{Input, Tagged, Tally, UNWATCHED, Watch};
use tagsmith_tokens::tag as tokens;
use tagsmith_train::checkpoint;

/// The choices of a tagger. A choice that the model's kind does not have is refused.
#[derive(Clone, Debug, Default)]
pub struct TaggerOptions {
    /// The branch, tag or commit of a name on the hub.
    pub revision: Option<String>,
    /// The longest window in pieces; without it, the model's.
    pub max_seq_length: Option<usize>,
    /// Pieces that neighboring windows share at most; without it, a quarter of a window.
    pub stride: Option<usize>,
    /// Pieces that the model reads at once, at most; without it, [`BATCH_TOKENS`].
    pub batch_tokens: Option<usize>,
    /// The way in which a token classifier's pieces become entities; without it, [`Strategy::First`].
    pub strategy: Option<Strategy>,
    /// The way in which a token classifier's tags are read; without it, [`LabelScheme::Auto`].
    pub label_scheme: Option<LabelScheme>,
    /// Whether a token classifier's entities show their pieces too.
    pub in_pieces: bool,
    /// Whether a token classifier gives what is in no entity as well, under the label `O`.
    pub outside: bool,
    /// Labels that a span tagger looks for: an array of names, or an object of names and descriptions.
    pub labels: Option<Value>,
    /// A span tagger's threshold: a number, `cls` or `label_token`; without it, the model's.
    pub threshold: Option<String>,
    /// Which of a span tagger's entities may share pieces; without it, [`Mode::Flat`].
    pub decoding: Option<Mode>,
    /// Whether the factors of products are rounded to bf16.
    pub bf16: bool,
    /// Where the model runs.
    pub device: DeviceArgs,
}

/// Pieces that a model reads at once where the options do not say.
pub const BATCH_TOKENS: usize = 2048;

/// A model that tags texts and words.
///
/// ```
/// use tagsmith_app::predict::tagger::{Tagger, TaggerOptions};
/// use tagsmith_encoder::config::Config;
/// use tagsmith_hub::{Hub, Settings};
/// use tagsmith_text::tagged::{Content, Input};
/// use tagsmith_text::tokenizer::Tokenizer;
/// use tagsmith_tokens::model::Model;
///
/// // A folder with a model and its tokenizer: here new ones, as small as can be.
/// let folder = tempfile::tempdir()?;
/// let json = serde_json::json!({
///     "model_type": "bert", "vocab_size": 3, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
///     "intermediate_size": 16, "hidden_act": "gelu", "max_position_embeddings": 16, "type_vocab_size": 2,
///     "layer_norm_eps": 1e-12, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
///     "attention_probs_dropout_prob": 0.1, "pad_token_id": 0,
/// });
/// let (config, _) = Config::from_json("config.json".into(), json.as_object().unwrap().clone())?;
/// Model::new(config.with_labels(&["B-PER", "I-PER", "O"].map(String::from)), 42).save(folder.path())?;
/// let tokenizer = br#"{
///     "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
///     "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
///     "model": {"type": "WordLevel", "vocab": {"[UNK]": 0, "Jo": 1, "sings": 2}, "unk_token": "[UNK]"}
/// }"#;
/// Tokenizer::from_bytes(tokenizer, b"{}")?.save(folder.path())?;
///
/// let hub = Hub::new(Settings::offline(folder.path(), "everything is here"), |_| {});
/// let (tagger, _notes) = Tagger::load(&folder.path().display().to_string(), &TaggerOptions::default(), &hub)?;
/// let input = Input { place: "a line".into(), content: Content::Text("Jo sings".into()) };
/// let tagged = tagger.tag(&[input])?;
/// assert_eq!(tagged[0].words, ["Jo", "sings"]);
/// let label = tagged[0].labels[0];
/// assert!(tagger.labels()[label.label as usize].len() > 0 && label.probability > 0.0);
/// # Ok::<(), anyhow::Error>(())
/// ```
pub struct Tagger {
    kind: Kind,
    folder: PathBuf,
}

enum Kind {
    /// A token classifier.
    Tokens(Box<tokens::Tagger>),
    /// A label-conditioned span tagger.
    Spans(Box<spans::Tagger>),
}

/// The part of a tagger that needs no model: inputs in, pieces and windows out. Other threads can have a clone.
#[derive(Clone)]
pub struct Encoder(EncoderKind);

#[derive(Clone)]
enum EncoderKind {
    Tokens(Arc<tokens::Reader>),
    Spans(Arc<spans::Reader>),
}

/// An input as the model will read it.
pub struct Encoded(EncodedKind);

enum EncodedKind {
    Tokens(tokens::Encoded),
    Spans(spans::Encoded),
}

impl Tagger {
    /// Returns whether the model is a label-conditioned span tagger.
    pub fn scores_spans(&self) -> bool {
        matches!(self.kind, Kind::Spans(_))
    }

    /// Loads the model of a folder, or of a name on the hub. Returns notes about its files beside the tagger.
    ///
    /// # Errors
    /// Files that are missing or damaged; a choice that this kind of model does not have, with a remedy.
    pub fn load(source: &str, options: &TaggerOptions, hub: &Hub) -> Result<(Tagger, Vec<Note>)> {
        let (folder, mut notes) = located(source, options.revision.as_deref(), hub)?;
        let precision = if options.bf16 { Precision::Bf16 } else { Precision::F32 };
        let (kind, device, more) = match is_span_tagger(&folder) {
            true => span_tagger(&folder, options, precision, hub)?,
            false => token_classifier(&folder, options, precision)?,
        };
        notes.extend(options.bf16.then(|| precision::bf16_note(&device)));
        notes.extend(more);
        Ok((Tagger { kind, folder }, notes))
    }

    /// Returns what encodes inputs.
    pub fn encoder(&self) -> Encoder {
        Encoder(match &self.kind {
            Kind::Tokens(tagger) => EncoderKind::Tokens(tagger.reader()),
            Kind::Spans(tagger) => EncoderKind::Spans(tagger.reader()),
        })
    }

    /// Returns the folder of the model's files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the longest window in pieces, special ones included.
    pub fn max_length(&self) -> usize {
        match &self.kind {
            Kind::Tokens(tagger) => tagger.max_length(),
            Kind::Spans(tagger) => tagger.max_length(),
        }
    }

    /// Returns the names of words' labels, in the order of their ids: a span tagger's are IOB2 tags of its labels.
    pub fn labels(&self) -> &[String] {
        match &self.kind {
            Kind::Tokens(tagger) => tagger.labels(),
            Kind::Spans(tagger) => tagger.word_labels(),
        }
    }

    /// Returns whether every word gets a label. Entities that may overlap have no label a word.
    pub fn labels_words(&self) -> bool {
        match &self.kind {
            Kind::Tokens(_) => true,
            Kind::Spans(tagger) => tagger.labels_words(),
        }
    }

    /// Tags encoded inputs, in their order. `watch` hears how far the work is.
    ///
    /// # Errors
    /// Rows of the model's word table that cannot be read.
    ///
    /// # Panics
    /// If an input was encoded for a model of the other kind.
    pub fn tag_encoded(&self, inputs: Vec<Encoded>, tally: &mut Tally, watch: Watch<'_>) -> Result<Vec<Tagged>> {
        const OTHER: &str = "tag: an input of another tagger's encoder";
        match &self.kind {
            Kind::Tokens(tagger) => {
                let of_kind = |Encoded(input)| match input {
                    EncodedKind::Tokens(input) => input,
                    EncodedKind::Spans(_) => panic!("{OTHER}"),
                };
                Ok(tagger.tag(inputs.into_iter().map(of_kind).collect(), tally, watch)?)
            }
            Kind::Spans(tagger) => {
                let of_kind = |Encoded(input)| match input {
                    EncodedKind::Spans(input) => input,
                    EncodedKind::Tokens(_) => panic!("{OTHER}"),
                };
                Ok(tagger.tag(inputs.into_iter().map(of_kind).collect(), tally, watch)?)
            }
        }
    }

    /// Tags inputs, in their order.
    ///
    /// # Errors
    /// An input that cannot be read, with its place; rows of the model's word table that cannot be read.
    pub fn tag(&self, inputs: &[Input]) -> Result<Vec<Tagged>> {
        let encoder = self.encoder();
        let encoded = inputs.iter().map(|input| encoder.encode(input)).collect::<Result<_>>()?;
        self.tag_encoded(encoded, &mut Tally::default(), UNWATCHED)
    }
}

impl Encoder {
    /// Cuts an input into words, pieces and windows.
    ///
    /// # Errors
    /// An input that cannot be read, with its place.
    pub fn encode(&self, input: &Input) -> Result<Encoded> {
        Ok(Encoded(match &self.0 {
            EncoderKind::Tokens(reader) => EncodedKind::Tokens(reader.encode(input)?),
            EncoderKind::Spans(reader) => EncodedKind::Spans(reader.encode(input)?),
        }))
    }
}

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

/// A tagger, where it computes, and notes about both.
type Loaded = (Kind, Device, Vec<Note>);

fn token_classifier(folder: &Path, options: &TaggerOptions, precision: Precision) -> Result<Loaded> {
    let for_spans = [
        (options.labels.is_some(), Setting::Labels, "finds its own labels and looks for no others"),
        (
            options.threshold.is_some(),
            Setting::Threshold,
            "gives each word its most probable label and has no threshold",
        ),
        (options.decoding.is_some(), Setting::Decoding, "gives each word one label, so entities never overlap"),
    ];
    refuse_given(folder, "a token classifier", &for_spans)?;
    let request = tokens::Request {
        max_seq_length: options.max_seq_length,
        stride: options.stride,
        batch_tokens: options.batch_tokens.unwrap_or(BATCH_TOKENS),
        strategy: options.strategy.unwrap_or(Strategy::First),
        scheme: options.label_scheme.unwrap_or_default(),
        in_pieces: options.in_pieces,
        outside: options.outside,
    };
    let (device, mut notes) = options.device.open()?;
    let loaded = tokens::Tagger::load(folder, request, precision, &device);
    if let Err(tokens::Error::Scheme(error)) = &loaded {
        return Err(refusal(format!("{}: {error}", folder.display()), Remedy::Unset(Setting::LabelScheme)));
    }
    let (tagger, more) = loaded.with_context(|| folder.display().to_string())?;
    notes.extend(more.into_iter().map(Note::once));
    Ok((Kind::Tokens(Box::new(tagger)), device, notes))
}

fn span_tagger(folder: &Path, options: &TaggerOptions, precision: Precision, hub: &Hub) -> Result<Loaded> {
    let other_strategy = options.strategy.is_some_and(|strategy| strategy != Strategy::First);
    let for_tokens = [
        (other_strategy, Setting::AggregationStrategy, "scores whole spans, so no pieces are put together"),
        (options.label_scheme.is_some(), Setting::LabelScheme, "scores whole spans, and has no tags to read"),
    ];
    refuse_given(folder, "a span tagger", &for_tokens)?;
    let Some(given) = &options.labels else {
        let remedy = Remedy::set(Setting::Labels).so_as("to name them");
        return Err(refusal("a span tagger looks for labels, and none are given", remedy));
    };
    let labels = labels(given).ok_or_else(|| {
        let message = "the labels are neither a list of names nor an object of names and descriptions";
        refusal(message, Remedy::set(Setting::Labels).so_as("as `person,place` or as a JSON file"))
    })?;
    let (mut model, notes) = folder::load(folder)?;
    let threshold = options.threshold.as_deref().map(|word| {
        Threshold::parse(word, model.config.contrastive()).map_err(|why| {
            refusal(format!("the threshold {why}"), Remedy::set(Setting::Threshold).so_as("with a number from 0 to 1"))
        })
    });
    let threshold = threshold.transpose()?;
    model.precision = precision;
    let (device, mut said) = options.device.open()?;
    let model = model.moved(&device)?;
    let tokenizers = folder::tokenizers(folder, &model.config, hub)?;
    let request = spans::Request {
        labels,
        threshold,
        decoding: options.decoding.unwrap_or_default(),
        max_seq_length: options.max_seq_length,
        stride: options.stride,
        batch_tokens: options.batch_tokens.unwrap_or(BATCH_TOKENS),
    };
    let (tagger, more) = spans::Tagger::new(model, tokenizers, request)?;
    said.extend(notes.into_iter().map(Note::once).chain(more));
    Ok((Kind::Spans(Box::new(tagger)), device, said))
}

/// Refuses the first choice that is given and that this kind of model does not have, with the reason.
fn refuse_given(folder: &Path, kind: &str, choices: &[(bool, Setting, &str)]) -> Result<()> {
    match choices.iter().find(|(is_given, ..)| *is_given) {
        Some(&(_, setting, why)) => {
            Err(refusal(format!("{}: this is {kind}: it {why}", folder.display()), Remedy::Unset(setting)))
        }
        None => Ok(()),
    }
}

/// Returns the labels of a list of names or an object of names and descriptions; none where it is something else.
fn labels(given: &Value) -> Option<Vec<Label>> {
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
