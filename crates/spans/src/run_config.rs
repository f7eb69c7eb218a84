//! A training run's JSON file: the keys of the original, in three groups of one flat object.

use crate::config::{Architecture, Config};
use crate::encode::{Encoding, Masking};
use crate::error::Error;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagsmith_files::json_fields::{Fields, read_object};
use tagsmith_text::example::AnnotationFormat;
use tagsmith_train::schedule::Schedule;

/// Everything a run needs to know.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// The model's part.
    pub model: Config,
    /// A checkpoint to go on from with new data.
    pub model_checkpoint: Option<PathBuf>,
    /// Files of each split.
    pub files: [Vec<String>; 3],
    /// What entities count.
    pub format: AnnotationFormat,
    /// How texts are encoded.
    pub encoding: Encoding,
    /// How often examples of a language are drawn, against 1.
    pub language_weights: BTreeMap<String, f64>,
    /// Where checkpoints and results go.
    pub output: PathBuf,
    /// Examples in a batch of training.
    pub batch_size: usize,
    /// Batches in an update.
    pub accumulation: usize,
    /// Of the text encoder.
    pub learning_rate: f64,
    /// Of a bi-encoder's label encoder, if another.
    pub type_encoder_rate: Option<f64>,
    /// Of the head, if another.
    pub head_rate: Option<f64>,
    /// Updates.
    pub max_steps: u64,
    /// Updates between evaluations, each with a checkpoint.
    pub eval_steps: u64,
    /// Updates between records.
    pub logging_steps: u64,
    /// The learning rate's course.
    pub schedule: Schedule,
    /// Evaluations without a better one before the run ends.
    pub patience: u64,
    /// Best checkpoints that stay; the newest stays too.
    pub save_total_limit: usize,
    /// Decides new weights, order, label order and dropout.
    pub seed: u64,
    /// Whether products round their factors to bfloat16.
    pub bf16: bool,
    /// Which of training, evaluation and test happen.
    pub does: [bool; 3],
    /// The file as it was read, for the results.
    pub json: Map<String, Value>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Which program is run, where its name says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// What reads the labels.
    pub architecture: Architecture,
    /// What it learns by.
    pub contrastive: bool,
}

/// Keys of transformers' arguments that the original takes and never reads.
const UNREAD: &[&str] = &[
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "weight_decay",
    "max_grad_norm",
    "num_train_epochs",
    "save_steps",
    "save_strategy",
    "eval_strategy",
    "evaluation_strategy",
    "logging_strategy",
    "logging_dir",
    "report_to",
    "overwrite_output_dir",
    "dataloader_num_workers",
    "dataloader_pin_memory",
    "dataloader_drop_last",
    "remove_unused_columns",
    "load_best_model_at_end",
    "metric_for_best_model",
    "greater_is_better",
    "optim",
    "gradient_checkpointing",
    "warmup_ratio",
    "disable_tqdm",
    "ddp_find_unused_parameters",
    "push_to_hub",
    "hub_model_id",
    "label_names",
    "data_seed",
    "tf32",
];

impl RunConfig {
    /// Reads a file. `program` is none for `train-spans`: the file's `architecture` then says which.
    ///
    /// # Errors
    /// A key that is missing, unknown or has a value that makes no sense.
    pub fn read(path: &Path, program: Option<Program>) -> Result<RunConfig, Error> {
        let json = read_object(path)?;
        let mut fields = Fields::new(path, json.clone());
        let named = fields.text("architecture")?;
        let program = match (named.as_deref(), program) {
            (None, Some(program)) => program,
            (None, None) => {
                return Err(fields.refuse("architecture", format!("is missing: it is one of {NAMES}")).into());
            }
            (Some(name), program) => {
                let found = program_named(name)
                    .ok_or_else(|| fields.refuse("architecture", format!("is `{name}`; there are {NAMES}")))?;
                if program.is_some_and(|program| program != found) {
                    return Err(fields
                        .refuse("architecture", format!("is `{name}`, another than this command trains"))
                        .into());
                }
                found
            }
        };
        let model_checkpoint = fields.text("model_checkpoint")?.map(PathBuf::from);
        let max_length = fields.optional_size("max_seq_length")?.unwrap_or(512);
        let mut model = Config::take(&mut fields, program.architecture, Some(program.contrastive))?;
        model.max_seq_length = Some(max_length);
        if model.token_encoder.is_empty() && model_checkpoint.is_none() {
            return Err(fields.refuse("token_encoder", "is missing: it names the text encoder's folder").into());
        }
        if program.architecture == Architecture::BiEncoder
            && model.type_encoder.is_empty()
            && model_checkpoint.is_none()
        {
            return Err(fields.refuse("type_encoder", "is missing: it names the label encoder's folder").into());
        }
        fields.required_text("dataset_name")?;
        let output = PathBuf::from(fields.required_text("output_dir")?);
        let files = [
            files(&mut fields, "train_file")?,
            files(&mut fields, "validation_file")?,
            files(&mut fields, "test_file")?,
        ];
        let format = *model.annotation_format.get_or_insert(AnnotationFormat::Text);
        let masking = fields.text("loss_masking")?.unwrap_or_else(|| "none".into());
        let masking = Masking::named(&masking)
            .ok_or_else(|| fields.refuse("loss_masking", format!("is `{masking}`; there are none and subwords")))?;
        let max_steps = fields.size("max_steps", None)? as u64;
        let learning_rate = fields.number("learning_rate", 5e-5, 0.0..=f64::MAX)?;
        let warmup = fields.take("warmup_steps").map_or(Some(0), |value| value.as_u64());
        let warmup = warmup.ok_or_else(|| fields.refuse("warmup_steps", "is not a whole number"))?;
        let name = fields.text("lr_scheduler_type")?.unwrap_or_else(|| "linear".into());
        let keywords = match fields.take("lr_scheduler_kwargs") {
            None => Map::new(),
            Some(Value::Object(keywords)) => keywords,
            Some(other) => {
                return Err(fields.refuse("lr_scheduler_kwargs", format!("is {other}, not an object")).into());
            }
        };
        let schedule = Schedule::new(&name, &keywords, learning_rate, warmup, max_steps)?;
        let language_weights = language_weights(&mut fields)?;
        for key in ["run_name", "preprocessing_num_workers", "pad_to_max_length", "per_device_eval_batch_size"] {
            fields.take(key);
        }
        if fields.switch("fp16")? {
            fields.note("`fp16` has no effect, here as in the original: products are f32, or bf16 with `bf16`".into());
        }
        for key in UNREAD {
            if fields.take(key).is_some() {
                fields.note(format!("`{key}` has no effect, here as in the original"));
            }
        }
        let mut config = RunConfig {
            model,
            model_checkpoint,
            files,
            format,
            encoding: Encoding { max_length, masking },
            language_weights,
            output,
            batch_size: fields.size("per_device_train_batch_size", Some(8))?,
            accumulation: fields.size("gradient_accumulation_steps", Some(1))?,
            learning_rate,
            type_encoder_rate: fields.optional_number("type_encoder_learning_rate")?,
            head_rate: fields.optional_number("linear_layers_learning_rate")?,
            max_steps,
            eval_steps: fields.size("eval_steps", None)? as u64,
            logging_steps: fields.size("logging_steps", Some(500))? as u64,
            schedule,
            patience: fields.size("early_stopping_patience", Some(5))? as u64,
            save_total_limit: fields.size("save_total_limit", None)?,
            seed: fields.take("seed").and_then(|seed| seed.as_u64()).unwrap_or(42),
            bf16: fields.switch("bf16")?,
            does: [fields.switch("do_train")?, fields.switch("do_eval")?, fields.switch("do_predict")?],
            json,
            notes: Vec::new(),
        };
        for (does, files, [flag, key]) in [
            (config.does[0], &config.files[0], ["do_train", "train_file"]),
            (config.does[1], &config.files[1], ["do_eval", "validation_file"]),
            (config.does[2], &config.files[2], ["do_predict", "test_file"]),
        ] {
            if does && files.is_empty() {
                return Err(fields.refuse(key, format!("is missing, and `{flag}` is true")).into());
            }
        }
        config.notes = fields.finish()?;
        Ok(config)
    }
}

const NAMES: &str = "bi_encoder, contrastive_bi_encoder, cross_encoder, contrastive_cross_encoder";

fn program_named(name: &str) -> Option<Program> {
    let (contrastive, rest) = name.strip_prefix("contrastive_").map_or((false, name), |rest| (true, rest));
    let architecture = match rest {
        "bi_encoder" => Architecture::BiEncoder,
        "cross_encoder" => Architecture::CrossEncoder,
        _ => return None,
    };
    Some(Program { architecture, contrastive })
}

fn files(fields: &mut Fields, key: &str) -> Result<Vec<String>, Error> {
    match fields.take(key) {
        None => Ok(Vec::new()),
        Some(Value::String(file)) => Ok(vec![file]),
        Some(Value::Array(files)) => {
            let files = files.iter().map(|file| file.as_str().map(str::to_owned)).collect::<Option<_>>();
            files.ok_or_else(|| fields.refuse(key, "holds something that is not a string").into())
        }
        Some(other) => Err(fields.refuse(key, format!("is {other}, neither a path nor a list of them")).into()),
    }
}

fn language_weights(fields: &mut Fields) -> Result<BTreeMap<String, f64>, Error> {
    const KEY: &str = "language_weights";
    let Some(value) = fields.take(KEY) else { return Ok(BTreeMap::new()) };
    let Value::Object(weights) = value else {
        return Err(fields.refuse(KEY, "is no object of language and number").into());
    };
    let weight = |(language, weight): (String, Value)| match weight.as_f64() {
        Some(weight) if weight > 0.0 && weight.is_finite() => Ok((language, weight)),
        _ => Err(fields.refuse(KEY, format!("gives `{language}` {weight}, not a number above 0")).into()),
    };
    weights.into_iter().map(weight).collect()
}
