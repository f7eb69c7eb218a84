//! config.json of a span tagger: the original's keys, in a checkpoint and in a training configuration alike.

pub mod keys;
pub mod parity;
pub mod run;

use crate::config::parity::{MASKED_WEIGHT, Parity};
use crate::error::Error;
use serde_json::{Map, Value};
use std::path::Path;
use tagsmith_encoder::config::LARGEST_SIZE;
use tagsmith_files::json_fields::Fields;
use tagsmith_kernel::op::pool::Pooling;
use tagsmith_text::example::AnnotationFormat;

/// What the labels are read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// An encoder of their own: a label's vector does not depend on the text.
    BiEncoder,
    /// The text's encoder, in a prompt before the text.
    CrossEncoder,
}

/// The loss that training minimizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// Binary cross-entropy of every label at every place.
    Bce,
    /// Binary cross-entropy in which easy places weigh less (Lin et al., 2017).
    Focal,
    /// One minus the soft Dice coefficient.
    Dice,
    /// A weighted sum of both.
    DiceFocal,
    /// Softmax over places, against a learned threshold (Zhang et al., 2023).
    Contrastive,
}

impl LossKind {
    /// Returns the name that configurations use.
    pub fn name(self) -> &'static str {
        match self {
            LossKind::Bce => "bce",
            LossKind::Focal => "focal",
            LossKind::Dice => "dice",
            LossKind::DiceFocal => "dice_focal",
            LossKind::Contrastive => "contrastive",
        }
    }
}

/// What a score has to be above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// A probability.
    Number(f32),
    /// The score of the sequence's first piece; in a cross-encoder's prompt it is that piece too.
    Cls,
    /// The score of `[SPAN_THRESHOLD]`.
    LabelToken,
}

/// Weights of the parts of a loss: start, end, span.
pub type Parts = [f64; 3];

/// Everything of a loss but the data.
#[derive(Clone, Debug, PartialEq)]
pub struct LossConfig {
    /// Which.
    pub kind: LossKind,
    /// `start_loss_weight` and its kin.
    pub weights: Parts,
    /// `bce_start_pos_weight` and its kin; `None` is 1.
    pub positive_weights: [Option<f64>; 3],
    /// α of focal; `None` weighs both classes alike.
    pub focal_alpha: Option<f64>,
    /// γ of focal.
    pub focal_gamma: f64,
    /// s of dice.
    pub dice_smooth: f64,
    /// Dice's part of `dice_focal`.
    pub dice_weight: f64,
    /// Focal's part of `dice_focal`.
    pub focal_weight: f64,
    /// The threshold terms' part of the contrastive loss.
    pub threshold_weight: f64,
    /// The mention terms' part.
    pub mention_weight: f64,
    /// τ.
    pub tau: f64,
    /// What a masked place weighs in the contrastive loss's sums: nothing, but for [`Parity::softmax_mask`].
    pub masked_weight: f64,
}

/// A span tagger's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which encoders read the labels.
    pub architecture: Architecture,
    /// What it learns by.
    pub loss: LossConfig,
    /// A bi-encoder's pooling of label states.
    pub pooling: Pooling,
    /// Dropout in the head.
    pub dropout: f32,
    /// E, the width of the vectors that are compared.
    pub hidden: usize,
    /// W, the width of a span's width embedding.
    pub width_size: usize,
    /// The scales start at ln(1/temperature).
    pub temperature: f64,
    /// L, the longest span in subwords.
    pub longest: usize,
    /// `prediction_threshold`.
    pub threshold: Threshold,
    /// What fills a contrastive cross-encoder's threshold column.
    pub threshold_token: Threshold,
    /// The text encoder's name or folder.
    pub token_encoder: String,
    /// The label encoder's name or folder.
    pub type_encoder: String,
    /// Longest sequence it was trained on, if it says so.
    pub max_seq_length: Option<usize>,
    /// Whether it was trained on words or on running text, if it says so.
    pub annotation_format: Option<AnnotationFormat>,
    /// Which defects of the original it has; no part of config.json.
    pub parity: Parity,
}

impl Config {
    /// Whether the loss is contrastive: column 0 is then the threshold.
    pub fn contrastive(&self) -> bool {
        self.loss.kind == LossKind::Contrastive
    }

    /// Whether a threshold piece of the prompt is the first position of every text.
    pub fn threshold_in_prompt(&self) -> bool {
        self.contrastive() && self.architecture == Architecture::CrossEncoder
    }

    /// The longest span that is enumerated: one more in a contrastive cross-encoder, as the original has it.
    pub fn longest_enumerated(&self) -> usize {
        self.longest + usize::from(self.threshold_in_prompt())
    }

    /// The longest span that a gold entity may have.
    pub fn longest_gold(&self) -> usize {
        if self.parity.longest_span { self.longest - 1 } else { self.longest_enumerated() }
    }

    /// Has some of the original's defects.
    pub fn reproduce(&mut self, parity: Parity) {
        self.loss.masked_weight = if parity.softmax_mask { MASKED_WEIGHT } else { 0.0 };
        self.parity = parity;
    }

    /// Rows of the width table; row 0 is of no span.
    pub fn width_rows(&self) -> usize {
        self.longest_enumerated() + 1
    }

    /// The newer name of the combination.
    pub fn architecture_name(&self) -> &'static str {
        match (self.architecture, self.contrastive()) {
            (Architecture::BiEncoder, false) => "bi_encoder",
            (Architecture::BiEncoder, true) => "contrastive_bi_encoder",
            (Architecture::CrossEncoder, false) => "cross_encoder",
            (Architecture::CrossEncoder, true) => "contrastive_cross_encoder",
        }
    }

    /// Reads `folder/config.json` of a checkpoint.
    ///
    /// # Errors
    /// A file that cannot be read, or a setting that is missing or makes no sense.
    pub fn read(folder: &Path) -> Result<Config, Error> {
        let path = folder.join("config.json");
        let json = tagsmith_files::json_fields::read_object(&path)?;
        let kind = kind_in_checkpoint(&json);
        let mut fields = Fields::new(&path, json);
        let architecture = match kind {
            Some(kind) => kind,
            None if ["type_encoder_config.json", "type_encoder"].iter().any(|it| folder.join(it).exists()) => {
                Architecture::BiEncoder
            }
            None => Architecture::CrossEncoder,
        };
        // Other keys (`transformers_version`, `model_type`, embedded encoder configurations) change no score.
        Config::take(&mut fields, architecture, None)
    }

    /// Takes the model's keys out of `fields`. `contrastive` is what the program's name asks for.
    ///
    /// # Errors
    /// A value that makes no sense.
    pub fn take(fields: &mut Fields, architecture: Architecture, contrastive: Option<bool>) -> Result<Config, Error> {
        let kind = match fields.text("loss_fn")?.as_deref() {
            None if contrastive == Some(true) => LossKind::Contrastive,
            None | Some("bce") => LossKind::Bce,
            Some("focal") => LossKind::Focal,
            Some("dice") => LossKind::Dice,
            Some("dice_focal") => LossKind::DiceFocal,
            Some("contrastive") => LossKind::Contrastive,
            Some(other) => {
                let problem = format!("is `{other}`; there are bce, focal, dice, dice_focal, contrastive");
                return Err(fields.refuse("loss_fn", problem).into());
            }
        };
        if contrastive.is_some_and(|contrastive| contrastive != (kind == LossKind::Contrastive)) {
            let needed = if contrastive == Some(true) { "contrastive" } else { "bce, focal, dice or dice_focal" };
            return Err(fields.refuse("loss_fn", format!("must be {needed} for this architecture")).into());
        }
        let weight = |fields: &mut Fields, key: &str, default: f64| fields.number(key, default, 0.0..=f64::MAX);
        let weights = [
            weight(fields, "start_loss_weight", 0.2)?,
            weight(fields, "end_loss_weight", 0.2)?,
            weight(fields, "span_loss_weight", 0.6)?,
        ];
        if weights.iter().all(|&weight| weight == 0.0) {
            return Err(fields.refuse("span_loss_weight", "and both others are 0: nothing would be learned").into());
        }
        let mut positive_weights = [None; 3];
        for (part, weight) in ["start", "end", "span"].into_iter().zip(&mut positive_weights) {
            let key = format!("bce_{part}_pos_weight");
            *weight = fields.optional_number(&key)?;
            if weight.is_some_and(|weight| weight <= 0.0) {
                fields.note(format!("`{key}` is not above 0: taken as off, or no entity would count"));
                *weight = None;
            }
        }
        let alpha = fields.number("focal_alpha", 0.75, -1.0..=1.0)?;
        if alpha < 0.0 && alpha != -1.0 {
            return Err(fields.refuse("focal_alpha", format!("is {alpha}, neither from 0 to 1 nor -1 (off)")).into());
        }
        let loss = LossConfig {
            kind,
            weights,
            positive_weights,
            focal_alpha: (alpha >= 0.0).then_some(alpha),
            focal_gamma: fields.number("focal_gamma", 2.0, 0.0..=f64::MAX)?,
            dice_smooth: fields.number("dice_smooth", 1.0, f64::MIN_POSITIVE..=f64::MAX)?,
            dice_weight: weight(fields, "dice_weight", 0.5)?,
            focal_weight: weight(fields, "focal_weight", 0.5)?,
            threshold_weight: weight(fields, "contrastive_threshold_loss_weight", 0.5)?,
            mention_weight: weight(fields, "contrastive_span_loss_weight", 0.5)?,
            tau: fields.number("contrastive_tau", 1.0, f64::MIN_POSITIVE..=f64::MAX)?,
            masked_weight: 0.0,
        };
        let pooling = match fields.text("type_encoder_pooling")?.as_deref() {
            Some("mean") => Pooling::Mean,
            None | Some("cls") => Pooling::First,
            Some(other) => {
                let problem = format!("is `{other}`; there are cls and mean");
                return Err(fields.refuse("type_encoder_pooling", problem).into());
            }
        };
        let contrastive = kind == LossKind::Contrastive;
        let threshold = match fields.take("prediction_threshold") {
            None => {
                if contrastive {
                    Threshold::LabelToken
                } else {
                    Threshold::Number(0.5)
                }
            }
            Some(value) => {
                let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Threshold::parse(&word, contrastive).map_err(|why| fields.refuse("prediction_threshold", why))?
            }
        };
        let mut threshold_token = match fields.text("contrastive_threshold_token")?.as_deref() {
            None if threshold == Threshold::Cls => Threshold::Cls,
            None | Some("label_token") => Threshold::LabelToken,
            Some("cls") => Threshold::Cls,
            Some(other) => {
                let problem = format!("is `{other}`; there are label_token and cls");
                return Err(fields.refuse("contrastive_threshold_token", problem).into());
            }
        };
        if threshold == Threshold::LabelToken {
            threshold_token = Threshold::LabelToken;
        }
        Ok(Config {
            architecture,
            loss,
            pooling,
            dropout: fields.number("dropout", 0.1, 0.0..=0.999)? as f32,
            hidden: fields.size_up_to("linear_hidden_size", LARGEST_SIZE)?.unwrap_or(128),
            width_size: fields.size_up_to("span_width_embedding_size", LARGEST_SIZE)?.unwrap_or(128),
            temperature: fields.number("init_temperature", 0.03, f64::MIN_POSITIVE..=f64::MAX)?,
            longest: fields.size_up_to("max_span_length", LARGEST_SIZE)?.unwrap_or(30),
            threshold,
            threshold_token,
            token_encoder: fields.text("token_encoder")?.unwrap_or_default(),
            type_encoder: fields.text("type_encoder")?.unwrap_or_default(),
            max_seq_length: fields.optional_size("max_seq_length")?,
            annotation_format: annotation_format(fields)?,
            parity: Parity::default(),
        })
    }

    /// config.json of a checkpoint.
    pub fn to_json(&self) -> Map<String, Value> {
        let LossConfig { kind, weights, positive_weights, .. } = &self.loss;
        let mut json = Map::new();
        let mut put = |key: &str, value: Value| {
            json.insert(key.to_owned(), value);
        };
        put("architecture", self.architecture_name().into());
        for (part, i) in [("end", 1), ("span", 2), ("start", 0)] {
            put(&format!("{part}_loss_weight"), weights[i].into());
            put(&format!("bce_{part}_pos_weight"), positive_weights[i].into());
        }
        put("loss_fn", kind.name().into());
        put("focal_alpha", self.loss.focal_alpha.unwrap_or(-1.0).into());
        put("focal_gamma", self.loss.focal_gamma.into());
        put("dice_smooth", self.loss.dice_smooth.into());
        put("dice_weight", self.loss.dice_weight.into());
        put("focal_weight", self.loss.focal_weight.into());
        put("contrastive_threshold_loss_weight", self.loss.threshold_weight.into());
        put("contrastive_span_loss_weight", self.loss.mention_weight.into());
        put("contrastive_tau", self.loss.tau.into());
        put("contrastive_threshold_token", self.threshold_token.to_json());
        put("prediction_threshold", self.threshold.to_json());
        put("type_encoder_pooling", if self.pooling == Pooling::Mean { "mean" } else { "cls" }.into());
        put("dropout", f64::from(self.dropout).into());
        put("linear_hidden_size", self.hidden.into());
        put("span_width_embedding_size", self.width_size.into());
        put("init_temperature", self.temperature.into());
        put("max_span_length", self.longest.into());
        put("max_seq_length", self.max_seq_length.into());
        if let Some(format) = self.annotation_format {
            put("annotation_format", format.name().into());
        }
        put("token_encoder", self.token_encoder.clone().into());
        put("type_encoder", self.type_encoder.clone().into());
        json.sort_keys();
        json
    }
}

fn annotation_format(fields: &mut Fields) -> Result<Option<AnnotationFormat>, Error> {
    const KEY: &str = "annotation_format";
    let Some(name) = fields.text(KEY)? else { return Ok(None) };
    let format = AnnotationFormat::named(&name);
    let problem = || fields.refuse(KEY, format!("is `{name}`; there are text and tokens")).into();
    format.map(Some).ok_or_else(problem)
}

fn kind_in_checkpoint(json: &Map<String, Value>) -> Option<Architecture> {
    let named = |key: &str| json.get(key).and_then(Value::as_str);
    let name = named("architecture").or_else(|| named("model_type"))?.replace('-', "_");
    if name.contains("bi_encoder") {
        Some(Architecture::BiEncoder)
    } else if name.contains("cross_encoder") {
        Some(Architecture::CrossEncoder)
    } else {
        None
    }
}

impl Threshold {
    /// A number from 0 to 1, `cls` or `label_token`; the words are for contrastive models alone.
    ///
    /// # Errors
    /// Anything else, in words.
    pub fn parse(word: &str, contrastive: bool) -> Result<Threshold, String> {
        let threshold = match word {
            "cls" => Threshold::Cls,
            "label_token" => Threshold::LabelToken,
            _ => match word.parse() {
                Ok(number) if (0.0..=1.0).contains(&number) => return Ok(Threshold::Number(number)),
                _ => return Err(format!("is `{word}`, neither a number from 0 to 1 nor `cls` nor `label_token`")),
            },
        };
        match contrastive {
            true => Ok(threshold),
            false => Err(format!("is `{word}`, which only contrastive models learn")),
        }
    }

    fn to_json(self) -> Value {
        match self {
            // The shortest decimal that is this float.
            Threshold::Number(number) => number.to_string().parse::<f64>().expect("a float prints as a number").into(),
            Threshold::Cls => "cls".into(),
            Threshold::LabelToken => "label_token".into(),
        }
    }
}
