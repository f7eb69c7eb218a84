//! A training run's JSON file: the keys of the original, in three groups of one flat object.

use crate::batch::encode::{Encoding, Masking};
use crate::config::{Architecture, Config, LossKind};
use crate::error::Error;
use crate::evaluate::Evaluation;
use crate::learn::Rates;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagsmith_files::json_fields::{Fields, read_object};
use tagsmith_text::example::AnnotationFormat;
use tagsmith_train::learner::StepOptions;
use tagsmith_train::trainer::agenda::{Every, Saving, Times};
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::options::{EarlyStopping, Keep, Options};
use tagsmith_train::trainer::order::Sampling;
use tagsmith_train::trainer::plan::Amount;

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
    /// The options of the engine: checkpoints and results go to `run.output`.
    pub run: Options,
    /// The options of a step.
    pub step: StepOptions,
    /// Learning rates of parts of the model.
    pub rates: Rates,
    /// Formats in which training is logged (`report_to`); `none` alone logs in no file.
    pub report_to: Vec<String>,
    /// Folder of those logs, if another than the output's.
    pub logging_dir: Option<PathBuf>,
    /// Whether a page of HTML is written.
    pub html_report: bool,
    /// Whether no progress is shown.
    pub disable_tqdm: bool,
    /// Seed of new weights, of the data's order and of dropout.
    pub seed: u64,
    /// Whether products round their factors to bfloat16.
    pub bf16: bool,
    /// Which of training, evaluation and test happen.
    pub does: [bool; 3],
    /// The file that the keys are from.
    pub path: PathBuf,
    /// The keys as they were read, for the results.
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

/// Keys of transformers' arguments that neither the original nor this program reads.
const UNREAD: &[&str] = &[
    "overwrite_output_dir",
    "dataloader_num_workers",
    "dataloader_pin_memory",
    "remove_unused_columns",
    "optim",
    "ddp_find_unused_parameters",
    "push_to_hub",
    "hub_model_id",
    "label_names",
    "tf32",
];

/// Keys that the original takes and never reads, and that have their effect here.
const READ_HERE: &[&str] = &[
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "weight_decay",
    "max_grad_norm",
    "num_train_epochs",
    "save_steps",
    "save_strategy",
    "eval_strategy",
    "logging_strategy",
    "dataloader_drop_last",
    "load_best_model_at_end",
    "metric_for_best_model",
    "greater_is_better",
    "gradient_checkpointing",
    "warmup_ratio",
    "data_seed",
];

/// The original's, and not a key of its configuration: PyTorch's AdamW with decay on every parameter, and its clip.
const STEP: StepOptions = StepOptions {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weight_decay: 0.01,
    max_grad_norm: 10.0,
    gradient_checkpointing: false,
    seed: 42,
};

/// The metric that chooses the best checkpoint unless another one is named.
const METRIC: &str = "f1";

impl RunConfig {
    /// Returns the metric that chooses the best checkpoint, without `eval_`.
    pub fn metric(&self) -> &str {
        let key = self.run.best.as_ref().map_or(METRIC, |best| best.key.as_str());
        key.strip_prefix("eval_").unwrap_or(key)
    }

    /// Reads a file. `program` is none for `train-spans`: the file's `architecture` then says which.
    ///
    /// # Errors
    /// A key that is missing, unknown or has a value that makes no sense.
    pub fn read(path: &Path, program: Option<Program>) -> Result<RunConfig, Error> {
        RunConfig::from_json(path, read_object(path)?, program)
    }

    /// Takes the keys of an object. `path` is the file that it is from, for messages.
    ///
    /// # Errors
    /// A key that is missing, unknown or has a value that makes no sense.
    pub fn from_json(path: &Path, json: Map<String, Value>, program: Option<Program>) -> Result<RunConfig, Error> {
        let (mut config, fields) = RunConfig::take(path, json, program)?;
        config.notes = fields.finish()?;
        Ok(config)
    }

    /// Takes the keys of an object. Those that nobody took are left in the fields.
    fn take(path: &Path, json: Map<String, Value>, program: Option<Program>) -> Result<(RunConfig, Fields), Error> {
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
        let does = [fields.flag("do_train", false)?, fields.flag("do_eval", false)?, fields.flag("do_predict", false)?];
        let seed = whole(&mut fields, "seed")?.unwrap_or(STEP.seed);
        for key in READ_HERE.iter().filter(|key| json.get(**key).is_some_and(|value| !value.is_null())) {
            fields.note(format!("`{key}` has its effect here; the original takes it and never reads it"));
        }
        let run = run_options(&mut fields, output, does[1], seed)?;
        if run.batch_tokens.is_some() && matches!(model.loss.kind, LossKind::Dice | LossKind::DiceFocal) {
            let problem =
                "cuts batches, and the Dice loss of a batch is not a sum over its texts: remove one of the two";
            return Err(fields.refuse("batch_tokens", problem).into());
        }
        let step = step_options(&mut fields, seed)?;
        let language_weights = language_weights(&mut fields)?;
        for key in ["run_name", "preprocessing_num_workers", "pad_to_max_length", "per_device_eval_batch_size"] {
            fields.take(key);
        }
        if fields.flag("fp16", false)? {
            fields.note("`fp16` has no effect, here as in the original: products are f32, or bf16 with `bf16`".into());
        }
        for key in UNREAD {
            if fields.take(key).is_some() {
                fields.note(format!("`{key}` has no effect, here as in the original"));
            }
        }
        if fields.take("evaluation_strategy").is_some() {
            fields.note("`evaluation_strategy` has no effect, here as in the original: `eval_strategy` has one".into());
        }
        let unused = unused(&model, &json);
        if !unused.is_empty() {
            let (keys, verb) = (unused.join("`, `"), if unused.len() == 1 { "changes" } else { "change" });
            let (kind, loss) = (model.architecture_name(), model.loss.kind.name());
            fields.note(format!("`{keys}` {verb} nothing for a {kind} that learns by {loss}"));
        }
        let config = RunConfig {
            model,
            model_checkpoint,
            files,
            format,
            encoding: Encoding { max_length, masking },
            language_weights,
            run,
            step,
            rates: Rates {
                type_encoder: rate(&mut fields, "type_encoder_learning_rate")?,
                head: rate(&mut fields, "linear_layers_learning_rate")?,
            },
            report_to: names(&mut fields, "report_to")?,
            logging_dir: fields.text("logging_dir")?.map(PathBuf::from),
            html_report: fields.flag("html_report", false)?,
            disable_tqdm: fields.flag("disable_tqdm", false)?,
            seed,
            bf16: fields.flag("bf16", false)?,
            does,
            path: path.to_owned(),
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
        Ok((config, fields))
    }
}

/// Returns the keys that are there and that this kind of model or loss does not read.
fn unused(model: &Config, json: &Map<String, Value>) -> Vec<&'static str> {
    use LossKind::{Bce, Contrastive, Dice, DiceFocal, Focal};
    let (kind, labels) = (model.loss.kind, model.architecture == Architecture::BiEncoder);
    let groups: [(bool, &[&str]); 6] = [
        (labels, &["type_encoder", "type_encoder_pooling", "type_encoder_learning_rate"]),
        (
            matches!(kind, Bce | Focal | DiceFocal),
            &["bce_start_pos_weight", "bce_end_pos_weight", "bce_span_pos_weight"],
        ),
        (matches!(kind, Focal | DiceFocal), &["focal_alpha", "focal_gamma"]),
        (matches!(kind, Dice | DiceFocal), &["dice_smooth"]),
        (kind == DiceFocal, &["dice_weight", "focal_weight"]),
        (
            kind == Contrastive,
            &[
                "contrastive_threshold_loss_weight",
                "contrastive_span_loss_weight",
                "contrastive_tau",
                "contrastive_threshold_token",
            ],
        ),
    ];
    let unread = groups.into_iter().filter(|(is_read, _)| !is_read).flat_map(|(_, keys)| keys);
    unread.copied().filter(|key| json.get(*key).is_some_and(|value| !value.is_null())).collect()
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

/// The options of the engine. Evaluations and checkpoints come together where no key says otherwise, as in the original.
fn run_options(fields: &mut Fields, output: PathBuf, evaluates: bool, seed: u64) -> Result<Options, Error> {
    let epochs = fields.optional_number("num_train_epochs")?;
    let max_steps = match epochs {
        Some(_) => fields.optional_size("max_steps")?,
        None => {
            let missing = |fields: &Fields| fields.refuse("max_steps", "is missing, and so is `num_train_epochs`");
            Some(fields.optional_size("max_steps")?.ok_or_else(|| missing(fields))?)
        }
    };
    let evaluation = interval(fields, "eval_strategy")?.unwrap_or(Interval::Steps);
    let eval_steps = match evaluation {
        Interval::Steps => Amount::Steps(fields.size("eval_steps", None)? as u64),
        _ => Amount::Steps(fields.optional_size("eval_steps")?.unwrap_or(1) as u64),
    };
    let saving = interval(fields, "save_strategy")?.unwrap_or(evaluation);
    let save_steps = fields.optional_size("save_steps")?.map_or(eval_steps, |steps| Amount::Steps(steps as u64));
    let logging = interval(fields, "logging_strategy")?.unwrap_or(Interval::Steps);
    let logging_steps = Amount::Steps(fields.size("logging_steps", Some(500))? as u64);
    let limit = fields.size("save_total_limit", None)?;
    let patience = fields.size("early_stopping_patience", Some(5))? as u64;
    let threshold = fields.number("early_stopping_threshold", 0.0, 0.0..=f64::MAX)?;
    let greater = match fields.take("greater_is_better") {
        None => None,
        Some(Value::Bool(greater)) => Some(greater),
        Some(other) => {
            return Err(fields.refuse("greater_is_better", format!("is {other}, neither true nor false")).into());
        }
    };
    let best = match fields.text("metric_for_best_model")? {
        Some(metric) => {
            let name = metric.strip_prefix("eval_").unwrap_or(&metric);
            if !Evaluation::FIGURES.contains(&name) {
                let there_are = Evaluation::FIGURES.join(", ");
                return Err(fields
                    .refuse("metric_for_best_model", format!("is `{metric}`; there are {there_are}"))
                    .into());
            }
            Criterion::new(name, greater)
        }
        // An F1 of 0 is not the best of anything.
        None => Criterion { floor: Some(0.0), ..Criterion::new(METRIC, greater) },
    };
    let warmup_steps = whole(fields, "warmup_steps")?.unwrap_or(0);
    let warmup_ratio = fields.number("warmup_ratio", 0.0, 0.0..=1.0)?;
    let schedule_keywords = match fields.take("lr_scheduler_kwargs") {
        None => Map::new(),
        Some(Value::Object(keywords)) => keywords,
        Some(other) => {
            return Err(fields.refuse("lr_scheduler_kwargs", format!("is {other}, not an object")).into());
        }
    };
    Ok(Options {
        output,
        batch_size: fields.size("per_device_train_batch_size", Some(8))?,
        accumulation: fields.size("gradient_accumulation_steps", Some(1))?,
        batch_tokens: fields.optional_size("batch_tokens")?,
        drop_last: fields.flag("dataloader_drop_last", false)?,
        sampling: Sampling::Random,
        data_seed: whole(fields, "data_seed")?.unwrap_or(seed),
        epochs: epochs.unwrap_or(1.0),
        max_steps: max_steps.map(|steps| steps as u64),
        learning_rate: fields.number("learning_rate", 5e-5, 0.0..=f64::MAX)?,
        schedule: fields.text("lr_scheduler_type")?.unwrap_or_else(|| "linear".into()),
        schedule_keywords,
        warmup: if warmup_steps > 0 { Amount::Steps(warmup_steps) } else { Amount::Ratio(warmup_ratio) },
        times: Times {
            logging: every(logging, logging_steps),
            logging_first_step: fields.flag("logging_first_step", false)?,
            evaluation: if evaluates { every(evaluation, eval_steps) } else { Every::Never },
            eval_delay: 0.0,
            eval_on_start: false,
            saving: if saving == Interval::Best { Saving::Best } else { Saving::Every(every(saving, save_steps)) },
            load_best_at_end: fields.flag("load_best_model_at_end", false)?,
            save_best_between: true,
        },
        best: evaluates.then_some(best),
        early_stopping: evaluates.then_some(EarlyStopping { patience, threshold }),
        keep: if evaluates { Keep::Best(limit) } else { Keep::Newest(limit) },
        save_only_model: fields.flag("save_only_model", false)?,
    })
}

/// The options of a step; the original's where no key says otherwise.
fn step_options(fields: &mut Fields, seed: u64) -> Result<StepOptions, Error> {
    const ANY: std::ops::RangeInclusive<f64> = 0.0..=f64::MAX;
    Ok(StepOptions {
        beta1: fields.number("adam_beta1", STEP.beta1, 0.0..=1.0)?,
        beta2: fields.number("adam_beta2", STEP.beta2, 0.0..=1.0)?,
        epsilon: fields.number("adam_epsilon", STEP.epsilon, ANY)?,
        weight_decay: fields.number("weight_decay", STEP.weight_decay, ANY)?,
        max_grad_norm: fields.number("max_grad_norm", STEP.max_grad_norm, ANY)?,
        gradient_checkpointing: fields.flag("gradient_checkpointing", false)?,
        seed,
    })
}

/// How often something happens, as a `…_strategy` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Interval {
    No,
    Steps,
    Epoch,
    Best,
}

fn interval(fields: &mut Fields, key: &str) -> Result<Option<Interval>, Error> {
    let Some(name) = fields.text(key)? else { return Ok(None) };
    match (name.as_str(), key) {
        ("no", _) => Ok(Some(Interval::No)),
        ("steps", _) => Ok(Some(Interval::Steps)),
        ("epoch", _) => Ok(Some(Interval::Epoch)),
        ("best", "save_strategy") => Ok(Some(Interval::Best)),
        _ => {
            let best = if key == "save_strategy" { ", best" } else { "" };
            Err(fields.refuse(key, format!("is `{name}`; there are no, steps, epoch{best}")).into())
        }
    }
}

fn every(interval: Interval, steps: Amount) -> Every {
    match interval {
        Interval::No | Interval::Best => Every::Never,
        Interval::Steps => Every::Steps(steps),
        Interval::Epoch => Every::Epoch,
    }
}

/// A whole number, if there is one.
fn whole(fields: &mut Fields, key: &str) -> Result<Option<u64>, Error> {
    let Some(value) = fields.take(key) else { return Ok(None) };
    let refusal = || fields.refuse(key, format!("is {value}, not a whole number of 0 or more")).into();
    value.as_u64().map(Some).ok_or_else(refusal)
}

/// A learning rate, if there is one.
fn rate(fields: &mut Fields, key: &str) -> Result<Option<f64>, Error> {
    match fields.optional_number(key)? {
        Some(rate) if rate < 0.0 => Err(fields.refuse(key, format!("is {rate}, not a number from 0")).into()),
        rate => Ok(rate),
    }
}

/// One name, or a list of names.
fn names(fields: &mut Fields, key: &str) -> Result<Vec<String>, Error> {
    match fields.take(key) {
        None => Ok(Vec::new()),
        Some(Value::String(name)) => Ok(vec![name]),
        Some(Value::Array(names)) => {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>();
            names.ok_or_else(|| fields.refuse(key, "holds something that is not a string").into())
        }
        Some(other) => Err(fields.refuse(key, format!("is {other}, neither a name nor a list of names")).into()),
    }
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
        return Err(fields.refuse(KEY, "is not an object of language and number").into());
    };
    let weight = |(language, weight): (String, Value)| match weight.as_f64() {
        Some(weight) if weight > 0.0 && weight.is_finite() => Ok((language, weight)),
        _ => Err(fields.refuse(KEY, format!("gives `{language}` {weight}, not a number above 0")).into()),
    };
    weights.into_iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::{KEYS, Kind};
    use serde_json::json;
    use std::collections::BTreeSet;

    fn taken(more: Value) -> Result<(RunConfig, Fields), Error> {
        let mut json = json!({
            "architecture": "bi_encoder", "token_encoder": "t", "type_encoder": "l", "dataset_name": "d",
            "output_dir": "o", "save_total_limit": 2, "eval_steps": 5,
        });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        RunConfig::take(Path::new("c.json"), json.as_object().unwrap().clone(), None)
    }

    #[test]
    fn the_list_of_keys_has_those_that_are_taken() {
        let (_, fields) = taken(json!({"max_steps": 3})).unwrap();
        let listed: BTreeSet<&str> = KEYS.iter().map(|(key, ..)| *key).collect();
        assert_eq!(listed.len(), KEYS.len(), "a key is listed twice");
        assert_eq!(listed, fields.known().collect());
    }

    #[test]
    fn a_metric_is_a_figure_of_evaluations() {
        let run = |name: &str| json!({"max_steps": 3, "metric_for_best_model": name, "do_eval": true, "validation_file": "v"});
        let of = |name: &str| taken(run(name));
        for name in ["f1_macro", "eval_f1_macro"] {
            assert_eq!(of(name).unwrap().0.run.best, Some(Criterion::new("f1_macro", None)), "{name}");
        }
        let error = of("macro_f1").err().unwrap().to_string();
        assert_eq!(
            error,
            "c.json: `metric_for_best_model` is `macro_f1`; there are precision, recall, f1, f1_macro, strict_f1, \
             gold_without_span"
        );
    }

    #[test]
    fn a_key_takes_values_of_its_kind() {
        let told = |key: &str, value: Value| {
            let mut json = json!({"max_steps": 3, "train_file": "f", "validation_file": "f", "test_file": "f"});
            json[key] = value;
            taken(json).err().map(|error| error.to_string()).unwrap_or_default()
        };
        for &(key, kind, _) in KEYS.iter().filter(|(_, kind, _)| *kind != Kind::Unread) {
            assert_eq!(told(key, json!(true)).is_empty(), kind == Kind::Flag, "{key}");
            let refusal = told(key, json!("w"));
            let of_kind = match kind {
                Kind::Flag => "neither true nor false",
                Kind::Whole => "not a whole number",
                Kind::Number => "not a number",
                Kind::Object => "not an object",
                Kind::Text | Kind::Texts | Kind::Unread => continue,
            };
            assert!(refusal.contains(of_kind), "{key}: {refusal}");
            let part = told(key, json!(0.5));
            assert_eq!(part.contains("whole number"), kind == Kind::Whole, "{key}: {part}");
        }
        // Texts are texts, whatever they look like.
        for key in ["dataset_name", "output_dir", "token_encoder"] {
            assert!(told(key, json!(7)).contains("is 7, not a string"), "{key}");
        }
    }

    #[test]
    fn numbers_that_mean_nothing_are_refused() {
        for (key, value) in [
            ("seed", json!(-1)),
            ("data_seed", json!(1.5)),
            ("warmup_steps", json!("ten")),
            ("greater_is_better", json!("yes")),
            ("type_encoder_learning_rate", json!(-0.1)),
            ("linear_layers_learning_rate", json!("fast")),
        ] {
            let error = taken(json!({"max_steps": 3, key: value.clone()})).err().expect(key).to_string();
            assert!(error.starts_with(&format!("c.json: `{key}` is {value}, n")), "{error}");
        }
    }

    #[test]
    fn keys_that_the_kind_does_not_read_are_named() {
        let notes = |more: Value| {
            let mut json = json!({"max_steps": 3});
            json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            taken(json).unwrap().1.notes
        };
        assert!(notes(json!({"type_encoder_learning_rate": 1e-4, "bce_span_pos_weight": 2.0})).is_empty());
        assert!(notes(json!({"loss_fn": "focal", "focal_gamma": 1.0, "dice_weight": null})).is_empty());
        assert_eq!(
            notes(json!({"focal_gamma": 1.0, "contrastive_tau": 2.0})),
            ["c.json: `focal_gamma`, `contrastive_tau` change nothing for a bi_encoder that learns by bce"]
        );
        assert_eq!(
            notes(json!({"architecture": "contrastive_cross_encoder", "contrastive_tau": 2.0})),
            ["c.json: `type_encoder` changes nothing for a contrastive_cross_encoder that learns by contrastive"]
        );
    }

    #[test]
    fn epochs_stand_for_steps() {
        let (config, _) = taken(json!({"num_train_epochs": 2})).unwrap();
        assert_eq!((config.run.epochs, config.run.max_steps), (2.0, None));
        let error = taken(json!({})).err().unwrap().to_string();
        assert!(error.ends_with("`max_steps` is missing, and so is `num_train_epochs`"), "{error}");
    }
}
