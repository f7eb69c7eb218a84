//! One tagger over both kinds of models: a folder or a name in, texts or words in, one result type out.

mod encoded;
mod loading;
mod options;

pub use encoded::{Encoded, Encoder, Tokenizing};
pub use loading::{is_span_tagger, located, model_folder};
pub use options::{BATCH_TOKENS, Choices, Decoding, TaggerOptions};

use crate::error::refusal;
use crate::machine::precision;
use anyhow::Result;
use encoded::{EncoderKind, OTHER, TokenizingKind};
use loading::{
    A_SPAN_TAGGER, A_TOKEN_CLASSIFIER, FINDS_ITS_OWN, HAS_NO_TAGS, Kind, NEVER_OVERLAPS, SCORES_WHOLE, is_of_spans,
    is_of_words, is_other, labels, least_score, no_labels, of_decoding, refuse_given, span_tagger, threshold_of,
    token_classifier,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tagsmith_hub::Hub;
use tagsmith_kernel::Precision;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_spans::config::Threshold;
use tagsmith_spans::find::decode::Candidate;
use tagsmith_spans::tag::{self as spans, Label, LabelSet};
use tagsmith_text::tagged::{Input, Tagged, Tally, UNWATCHED, Watch};
use tagsmith_tokens::tag as tokens;
use tagsmith_tokens::tag::decoders::Asked;

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
    /// The choices of inputs that choose nothing themselves.
    options: TaggerOptions,
    /// What encodes such inputs; none where a span tagger has no labels yet.
    encoder: Option<Encoder>,
    /// The labels that a span tagger looked for of late, the newest last.
    label_sets: Mutex<Vec<KnownLabels>>,
}

/// Labels with the kind of learned threshold that they were encoded for.
struct KnownLabels {
    labels: Vec<Label>,
    learned: Threshold,
    set: Arc<LabelSet>,
}

/// Sets of labels that a span tagger keeps encoded.
const LABEL_SETS: usize = 16;

/// One window of an input: the input, and the window's number.
pub type Window<'a> = (&'a Encoded, usize);

/// What the model says of a window.
pub struct Scores(ScoresKind);

enum ScoresKind {
    Tokens(Vec<f32>),
    Spans(Vec<Candidate>),
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
        let options = options.clone();
        let mut tagger = Tagger { kind, folder, options, encoder: None, label_sets: Mutex::default() };
        if !tagger.scores_spans() || tagger.options.labels.is_some() || !tagger.options.may_lack_labels {
            let (encoder, more) = tagger.encoder_by(&Choices::default())?;
            notes.extend(more);
            tagger.encoder = Some(encoder);
        }
        Ok((tagger, notes))
    }

    /// Returns what encodes inputs that choose nothing themselves.
    ///
    /// # Panics
    /// If the tagger was loaded without labels that it needs.
    pub fn encoder(&self) -> Encoder {
        self.encoder.clone().expect("tag: the tagger was loaded with labels")
    }

    /// Returns whether inputs need no choices: the tagger is a token classifier, or has labels to look for.
    pub fn has_labels(&self) -> bool {
        self.encoder.is_some()
    }

    /// Returns what encodes inputs by these choices, with notes about labels.
    ///
    /// # Errors
    /// A choice that this kind of model does not have, or a span tagger without labels, with a remedy. Labels that the
    /// model cannot look for.
    pub fn encoder_by(&self, choices: &Choices) -> Result<(Encoder, Vec<Note>)> {
        match &self.kind {
            Kind::Tokens(tagger) => {
                let for_spans = [
                    (choices.labels.is_some(), Setting::Labels, FINDS_ITS_OWN),
                    (is_of_spans(choices.decoding), Setting::Decoding, NEVER_OVERLAPS),
                ];
                refuse_given(A_TOKEN_CLASSIFIER, &for_spans)?;
                let choices = tokens::Choices {
                    strategy: choices.strategy,
                    stride: choices.stride,
                    in_pieces: choices.in_pieces,
                    outside: choices.outside,
                    decoding: Asked {
                        decoding: choices.decoding.and_then(Decoding::of_words),
                        operating_point: choices.operating_point.clone(),
                        temperature: None,
                    },
                    threshold: choices.threshold.as_deref().map(least_score).transpose()?,
                };
                let reader = tagger.reader().with(&choices).map_err(|error| of_decoding(error, A_TOKEN_CLASSIFIER))?;
                Ok((Encoder(EncoderKind::Tokens(Arc::new(reader))), Vec::new()))
            }
            Kind::Spans(tagger) => {
                let for_tokens = [
                    (is_other(choices.strategy), Setting::AggregationStrategy, SCORES_WHOLE),
                    (is_of_words(choices.decoding), Setting::Decoding, HAS_NO_TAGS),
                    (choices.operating_point.is_some(), Setting::OperatingPoint, HAS_NO_TAGS),
                ];
                refuse_given(A_SPAN_TAGGER, &for_tokens)?;
                let given = choices.labels.as_ref().or(self.options.labels.as_ref()).ok_or_else(no_labels)?;
                let labels = labels(given).ok_or_else(|| {
                    let message = "the labels are neither a list of names nor an object of names and descriptions";
                    refusal(message, Remedy::set(Setting::Labels).so_as("as `person,place` or as a JSON file"))
                })?;
                let threshold = choices.threshold.as_ref().or(self.options.threshold.as_ref());
                let threshold = threshold.map(|word| threshold_of(word, tagger.is_contrastive())).transpose()?;
                let set = self.label_set(tagger, labels, threshold)?;
                let choices = spans::Choices {
                    threshold,
                    decoding: choices
                        .decoding
                        .or(self.options.decoding)
                        .and_then(Decoding::of_spans)
                        .unwrap_or_default(),
                    stride: choices.stride.or(self.options.stride),
                };
                let notes = set.notes().to_vec();
                Ok((Encoder(EncoderKind::Spans(tagger.reader(&set, &choices))), notes))
            }
        }
    }

    /// Returns labels as the model reads them. Those that were looked for of late are encoded already.
    fn label_set(
        &self,
        tagger: &spans::Tagger,
        labels: Vec<Label>,
        threshold: Option<Threshold>,
    ) -> Result<Arc<LabelSet>> {
        let learned = tagger.learned(threshold);
        let mut known = self.label_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.iter().position(|known| known.learned == learned && known.labels == labels) {
            let found = known.remove(at);
            let set = found.set.clone();
            known.push(found);
            return Ok(set);
        }
        drop(known);
        let set = Arc::new(tagger.label_set(&labels, threshold)?);
        let mut known = self.label_sets.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == LABEL_SETS {
            known.remove(0);
        }
        known.push(KnownLabels { labels, learned, set: set.clone() });
        Ok(set)
    }

    /// Returns the names of decodings that the model has.
    pub fn decodings(&self) -> Vec<&'static str> {
        match &self.kind {
            Kind::Tokens(tagger) if tagger.decoders().has_rules() => tagsmith_text::decode::Decoding::NAMES.to_vec(),
            Kind::Tokens(_) => vec![tagsmith_text::decode::Decoding::Argmax.name()],
            Kind::Spans(_) => tagsmith_spans::find::decode::Mode::NAMES.to_vec(),
        }
    }

    /// Returns the names of the operating points beside the model.
    pub fn operating_points(&self) -> Vec<String> {
        match &self.kind {
            Kind::Tokens(tagger) => tagger.decoders().points(),
            Kind::Spans(_) => Vec::new(),
        }
    }

    /// Returns what can decode for a token classifier; none for a span tagger.
    pub(crate) fn token_classifier(&self) -> Option<&tokens::Tagger> {
        match &self.kind {
            Kind::Tokens(tagger) => Some(tagger),
            Kind::Spans(_) => None,
        }
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
        self.encoder.as_ref().map_or(&[], Encoder::labels)
    }

    /// Returns whether every word gets a label. Entities that may overlap have no label a word.
    pub fn labels_words(&self) -> bool {
        self.encoder.as_ref().is_some_and(Encoder::labels_words)
    }

    /// Tags encoded inputs, in their order. `watch` hears how far the work is.
    ///
    /// # Errors
    /// Rows of the model's word table that cannot be read.
    ///
    /// # Panics
    /// If an input was encoded for a model of the other kind.
    pub fn tag_encoded(&self, inputs: Vec<Encoded>, tally: &mut Tally, watch: Watch<'_>) -> Result<Vec<Tagged>> {
        match &self.kind {
            Kind::Tokens(tagger) => {
                Ok(tagger.tag(inputs.into_iter().map(Encoded::into_tokens).collect(), tally, watch)?)
            }
            Kind::Spans(tagger) => {
                Ok(tagger.tag(inputs.into_iter().map(Encoded::into_spans).collect(), tally, watch)?)
            }
        }
    }

    /// Returns what the model says of some windows, all of which it reads at once. [`Tagger::tag_encoded`] is this, window by
    /// window, and [`Tagger::finish`]: an input's result is the same whatever its windows are read with.
    ///
    /// # Errors
    /// Rows of the model's word table that cannot be read; scores that are not numbers.
    ///
    /// # Panics
    /// If an input was encoded for a model of the other kind, or the windows do not share batches.
    pub fn infer(&self, windows: &[Window<'_>]) -> Result<Vec<Scores>> {
        match &self.kind {
            Kind::Tokens(tagger) => {
                let windows: Vec<_> = windows.iter().map(|(input, window)| (input.tokens(), *window)).collect();
                let scores = tagger.infer(&windows)?;
                Ok(scores.into_iter().map(|scores| Scores(ScoresKind::Tokens(scores))).collect())
            }
            Kind::Spans(tagger) => {
                let windows: Vec<_> = windows.iter().map(|(input, window)| (input.spans(), *window)).collect();
                let found = tagger.infer(&windows)?;
                Ok(found.into_iter().map(|found| Scores(ScoresKind::Spans(found))).collect())
            }
        }
    }

    /// Returns what was found in an input by what the model says of its windows, all of them in their order.
    ///
    /// # Errors
    /// Scores that are not numbers.
    ///
    /// # Panics
    /// If the scores are another input's.
    pub fn finish(&self, input: Encoded, scores: Vec<Scores>, tally: &mut Tally) -> Result<Tagged> {
        match &self.kind {
            Kind::Tokens(tagger) => {
                let of_kind = |Scores(scores)| match scores {
                    ScoresKind::Tokens(scores) => scores,
                    ScoresKind::Spans(_) => panic!("{OTHER}"),
                };
                let scores: Vec<Vec<f32>> = scores.into_iter().map(of_kind).collect();
                Ok(tagger.finish(input.into_tokens(), &scores, tally)?)
            }
            Kind::Spans(tagger) => {
                let of_kind = |Scores(found)| match found {
                    ScoresKind::Spans(found) => found,
                    ScoresKind::Tokens(_) => panic!("{OTHER}"),
                };
                Ok(tagger.finish(input.into_spans(), scores.into_iter().map(of_kind).collect(), tally))
            }
        }
    }

    /// Returns the tokenizer of texts.
    pub fn tokenizer(&self) -> Tokenizing {
        Tokenizing(match &self.kind {
            Kind::Tokens(tagger) => TokenizingKind::Tokens(tagger.reader()),
            Kind::Spans(tagger) => TokenizingKind::Spans(tagger.tokenizers().clone()),
        })
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
