//! What may be chosen of a token classifier, and what that means for one model.

use crate::tag::decoders::{Asked, Chosen, Decoders};
use crate::tag::error::Error;
use tagsmith_encoder::config::Config;
use tagsmith_text::align::aggregate::{OUTSIDE, Strategy};
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::Style;
use tagsmith_text::tokenizer::Tokenizer;

/// What the user may choose.
#[derive(Clone, Debug)]
pub struct Request {
    /// The longest sequence in pieces, special ones included; what tokenizer and model allow if none.
    pub max_seq_length: Option<usize>,
    /// How many pieces windows share at most; a quarter of a window if none.
    pub stride: Option<usize>,
    /// Rows of a batch at most (a longer window is a batch of its own).
    pub batch_tokens: usize,
    /// How entities are formed.
    pub strategy: Strategy,
    /// How tags are read.
    pub scheme: LabelScheme,
    /// Whether entities show their pieces too.
    pub in_pieces: bool,
    /// Whether what is in no entity is given as well, under the label `O`.
    pub outside: bool,
    /// What gives words their labels.
    pub decoding: Asked,
    /// The lowest score of an entity. The words of one below it are outside.
    pub threshold: Option<f32>,
    /// The probability below which the tagger abstains.
    pub abstains_below: Option<f32>,
}

/// A request made definite for one model.
#[derive(Clone, Debug)]
pub struct TagOptions {
    /// The labels' names, in id order.
    pub labels: Vec<String>,
    /// The longest sequence in pieces, special ones included.
    pub max_length: usize,
    /// How many pieces windows share at most.
    pub stride: usize,
    /// Rows of a batch at most.
    pub batch_tokens: usize,
    /// How entities are formed.
    pub strategy: Strategy,
    /// How tags are read.
    pub scheme: LabelScheme,
    /// Whether entities show their pieces too.
    pub in_pieces: bool,
    /// Whether what is in no entity is given as well, under the label `O`.
    pub outside: bool,
    /// What is asked about decoding, and what was chosen.
    pub asked: Asked,
    /// What gives words their labels.
    pub chosen: Chosen,
    /// All that could be chosen.
    pub decoders: Decoders,
    /// The lowest score of an entity.
    pub threshold: Option<f32>,
    /// The probability below which the tagger abstains.
    pub abstains_below: Option<f32>,
    /// Rows of the model's token table.
    pub vocab_size: usize,
    /// Rows of its token-type table; 0 if it has none.
    pub type_vocab_size: usize,
}

impl TagOptions {
    /// What `request` means for a model of this configuration.
    ///
    /// # Errors
    /// A longer sequence than the model takes; labels that are not of the scheme that is asked for. A decoding or a
    /// threshold that the labels do not allow.
    pub fn new(
        config: &Config,
        tokenizer: &Tokenizer,
        decoders: Decoders,
        request: Request,
    ) -> Result<TagOptions, Error> {
        let positions = config.shape.positions_max;
        let max_length = match request.max_seq_length {
            Some(asked) if asked > positions => return Err(Error::TooLong { asked, positions }),
            Some(asked) => asked,
            None => tokenizer.model_max_length.map_or(positions, |length| length.min(positions)),
        };
        request.scheme.check(&config.labels, Style::Prefix)?;
        let chosen = decoders.choose(&request.decoding)?;
        check_threshold(&config.labels, request.threshold)?;
        Ok(TagOptions {
            labels: config.labels.clone(),
            max_length,
            stride: request.stride.unwrap_or(max_length / 4),
            batch_tokens: request.batch_tokens,
            strategy: request.strategy,
            scheme: request.scheme,
            in_pieces: request.in_pieces,
            outside: request.outside,
            asked: request.decoding,
            chosen,
            decoders,
            threshold: request.threshold,
            abstains_below: request.abstains_below,
            vocab_size: config.shape.vocab_size,
            type_vocab_size: config.shape.type_vocab_size,
        })
    }
}

/// Refuses a threshold where no label says that a word is outside.
pub(super) fn check_threshold(labels: &[String], threshold: Option<f32>) -> Result<(), Error> {
    match threshold.is_none() || labels.iter().any(|label| label == OUTSIDE) {
        true => Ok(()),
        false => Err(Error::NoOutside),
    }
}

/// What may differ from input to input. What is not chosen is as the tagger was loaded.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// How entities are formed.
    pub strategy: Option<Strategy>,
    /// How many pieces windows share at most.
    pub stride: Option<usize>,
    /// Whether entities show their pieces too.
    pub in_pieces: Option<bool>,
    /// Whether what is in no entity is given as well, under the label `O`.
    pub outside: Option<bool>,
    /// What gives words their labels.
    pub decoding: Asked,
    /// The lowest score of an entity.
    pub threshold: Option<f32>,
}
