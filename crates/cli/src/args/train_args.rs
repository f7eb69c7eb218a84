//! Every choice of a training run, resolved and checked.

use super::hub_args::HubArgs;
use super::parse::UsageError;
use super::table::ADAMW;
use crate::args::values::Values;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::path::PathBuf;
use tagsmith_train::schedule::plateau::NAME as PLATEAU;
use tagsmith_train::tracking::Format;

/// What else transformers reports to.
#[rustfmt::skip]
const SERVICES: [&str; 12] = [
    "azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "flyte", "mlflow", "neptune", "swanlab",
    "trackio", "wandb",
];

/// When something happens during training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    No,
    Steps,
    Epoch,
    /// Only for checkpoints: at every new best evaluation.
    Best,
}

/// Where to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Resume {
    /// The newest checkpoint in the output folder.
    Last,
    Folder(PathBuf),
}

/// The command line of `tagsmith train`, resolved. Where nothing else is said, a field is the option of that name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainArgs {
    pub do_train: bool,
    /// Evaluations during training ask for it too.
    pub do_eval: bool,
    pub do_predict: bool,
    pub output_dir: PathBuf,
    pub overwrite_output_dir: bool,
    pub resume_from_checkpoint: Option<Resume>,
    pub threads: Option<usize>,
    pub bf16: bool,
    pub accelerate_config: Option<PathBuf>,
    pub disable_tqdm: bool,
    pub json: bool,
    /// `tensorboard`, `csv`, `jsonl`.
    pub report_to: Vec<&'static str>,
    pub html_report: bool,
    pub logging_dir: Option<PathBuf>,
    #[serde(flatten)]
    pub model: ModelArgs,
    #[serde(flatten)]
    pub data: DataArgs,
    #[serde(flatten)]
    pub learning: LearningArgs,
    #[serde(flatten)]
    pub times: TimesArgs,
    #[serde(flatten)]
    pub hub: HubArgs,
}

/// What to start from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelArgs {
    pub model_name_or_path: String,
    pub config_name: Option<String>,
    pub tokenizer_name: Option<String>,
    pub model_revision: String,
    pub ignore_mismatched_sizes: bool,
    pub ignore_mismatched_labels: bool,
}

/// What to learn from, evaluate and predict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataArgs {
    pub task_name: String,
    pub dataset_name: Option<String>,
    pub dataset_config_name: Option<String>,
    pub dataset_revision: Option<String>,
    pub train_file: Option<String>,
    pub validation_file: Option<String>,
    pub test_file: Option<String>,
    pub text_column_name: Option<String>,
    pub label_column_name: Option<String>,
    /// A file of labels.
    pub labels: Option<String>,
    pub bare_tags: bool,
    pub shuffle_seed: Option<u64>,
    /// Sentences held out of the training split; below 1, a part of them.
    pub validation_size: Option<f64>,
    /// `--split_seed`, else `--seed`.
    pub split_seed: u64,
    pub max_seq_length: Option<usize>,
    pub max_train_samples: Option<usize>,
    pub max_eval_samples: Option<usize>,
    pub max_predict_samples: Option<usize>,
    pub label_all_tokens: bool,
    /// `inside` or `repeat`.
    pub label_all_tokens_as: String,
}

/// What changes the weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearningArgs {
    pub num_train_epochs: f64,
    /// Updates in all, whatever the epochs.
    pub max_steps: Option<u64>,
    pub per_device_train_batch_size: usize,
    pub gradient_accumulation_steps: usize,
    /// Sub-tokens that are computed at once; none where the loss depends on the cut.
    pub batch_tokens: Option<usize>,
    pub learning_rate: f64,
    pub lr_scheduler_type: String,
    pub lr_scheduler_kwargs: Map<String, Json>,
    /// Updates; below 1, a part of all updates.
    pub warmup_steps: f64,
    pub weight_decay: f64,
    pub adam_beta1: f64,
    pub adam_beta2: f64,
    pub adam_epsilon: f64,
    pub max_grad_norm: f64,
    pub label_smoothing_factor: f64,
    /// `token`, `mean-of-means` or `sum-of-means`.
    pub loss_scaling: String,
    pub freeze: Vec<String>,
    pub gradient_checkpointing: bool,
    /// `random`, `sequential` or `group_by_length`.
    pub train_sampling_strategy: String,
    pub dataloader_drop_last: bool,
    pub seed: u64,
    /// `--data_seed`, else `--seed`.
    pub data_seed: u64,
}

/// When to log, evaluate, save and stop; intervals are updates or, below 1, a part of all updates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimesArgs {
    pub logging_strategy: Interval,
    pub logging_steps: f64,
    pub logging_first_step: bool,
    pub eval_strategy: Interval,
    pub eval_steps: f64,
    pub eval_delay: f64,
    pub eval_on_start: bool,
    pub per_device_eval_batch_size: usize,
    pub return_entity_level_metrics: bool,
    pub prediction_loss_only: bool,
    pub save_strategy: Interval,
    pub save_steps: f64,
    pub save_total_limit: Option<usize>,
    pub save_only_model: bool,
    pub load_best_model_at_end: bool,
    /// Without `eval_`; set whenever something depends on it.
    pub metric_for_best_model: Option<String>,
    pub greater_is_better: bool,
    pub early_stopping_patience: Option<usize>,
    pub early_stopping_threshold: f64,
}

impl TrainArgs {
    /// Resolves the values and checks each and all of them. Adds to the lines there are to say.
    pub fn resolve(values: &Values, lines: &mut Vec<String>) -> Result<TrainArgs, UsageError> {
        let output_dir = filled(values, "output_dir").unwrap_or_else(|| {
            lines.push("no `--output_dir` is given: results go to `trainer_output`".into());
            "trainer_output".into()
        });
        let times = TimesArgs::resolve(values)?;
        let args = TrainArgs {
            do_train: values.flag("do_train"),
            do_eval: values.flag("do_eval") || times.eval_strategy != Interval::No,
            do_predict: values.flag("do_predict"),
            output_dir: expanded(&output_dir),
            overwrite_output_dir: values.flag("overwrite_output_dir"),
            resume_from_checkpoint: resume(filled(values, "resume_from_checkpoint")),
            threads: count_if_given(values, "threads")?,
            bf16: values.flag("bf16") || values.flag("fp16"),
            accelerate_config: filled(values, "accelerate_config").map(|file| expanded(&file)),
            disable_tqdm: values.flag("disable_tqdm"),
            json: values.flag("json"),
            report_to: report_to(values, lines)?,
            html_report: values.flag("html_report"),
            logging_dir: filled(values, "logging_dir").map(|folder| expanded(&folder)),
            model: ModelArgs::resolve(values)?,
            data: DataArgs::resolve(values)?,
            learning: LearningArgs::resolve(values)?,
            times,
            hub: HubArgs::resolve(values)?,
        };
        say(values, lines);
        args.check(values)?;
        Ok(args)
    }

    /// What options demand of each other.
    fn check(&self, values: &Values) -> Result<(), UsageError> {
        self.check_splits()?;
        self.check_intervals(values)?;
        self.check_best()?;
        if values.flag("fp16") && values.flag("bf16") {
            return Err(refused("`--fp16` and `--bf16` exclude each other", "leave one of them out"));
        }
        let optimizer = values.text("optim").expect("it has a default");
        if !ADAMW.contains(&optimizer.as_str()) {
            let message = format!("the optimizer `{optimizer}` is not in this build, AdamW is");
            return Err(refused(message, "leave `--optim` out, or say `--optim adamw_torch`"));
        }
        if self.learning.train_sampling_strategy == "batch_rebalance" {
            let message = "`--train_sampling_strategy batch_rebalance` is not in this build";
            return Err(refused(message, "take `random`, `sequential` or `group_by_length`"));
        }
        if self.learning.lr_scheduler_type == PLATEAU && self.times.eval_strategy == Interval::No {
            let remedy = "say --eval_strategy epoch or steps";
            return Err(refused(format!("the schedule `{PLATEAU}` needs evaluations to look at"), remedy));
        }
        Ok(())
    }

    /// Each thing to do has its data.
    fn check_splits(&self) -> Result<(), UsageError> {
        if !(self.do_train || self.do_eval || self.do_predict) {
            return Err(refused("there is nothing to do", "say --do_train, --do_eval or --do_predict"));
        }
        if self.data.dataset_name.is_some() {
            return Ok(());
        }
        for (asked, flag, file, file_flag) in [
            (self.do_train, "--do_train", &self.data.train_file, "--train_file"),
            (self.do_eval, "--do_eval", &self.data.validation_file, "--validation_file"),
            (self.do_predict, "--do_predict", &self.data.test_file, "--test_file"),
        ] {
            let held_out = flag == "--do_eval" && self.data.validation_size.is_some() && self.data.train_file.is_some();
            if asked && file.is_none() && !held_out {
                let evaluates = self.times.eval_strategy != Interval::No && flag == "--do_eval";
                let why = if evaluates { "`--eval_strategy`" } else { &format!("`{flag}`") };
                return Err(refused(
                    format!("{why} has no data"),
                    format!("say {file_flag} FILE, or --dataset_name NAME"),
                ));
            }
        }
        Ok(())
    }

    fn check_intervals(&self, values: &Values) -> Result<(), UsageError> {
        if self.times.logging_strategy == Interval::Steps && self.times.logging_steps == 0.0 {
            let remedy = "say --logging_strategy no for no log";
            return Err(refused("`--logging_steps 0` is no interval", remedy));
        }
        if self.times.save_strategy == Interval::Steps && self.times.save_steps == 0.0 {
            let remedy = "say --save_strategy no for no checkpoints";
            return Err(refused("`--save_steps 0` is no interval", remedy));
        }
        if self.times.eval_strategy == Interval::Steps && self.times.eval_steps == 0.0 {
            return Err(refused("`--eval_strategy steps` has no steps", "say --eval_steps N"));
        }
        if self.times.early_stopping_patience.is_some() && self.times.eval_strategy == Interval::No {
            let remedy = "say --eval_strategy epoch or steps";
            return Err(refused("`--early_stopping_patience` needs evaluations to look at", remedy));
        }
        if self.times.early_stopping_patience.is_none() && values.is_given("early_stopping_threshold") {
            let remedy = "say --early_stopping_patience N";
            return Err(refused("`--early_stopping_threshold` works with a patience only", remedy));
        }
        if values.is_given("split_seed") && self.data.validation_size.is_none() {
            return Err(refused("`--split_seed` holds nothing out by itself", "say --validation_size N too"));
        }
        if values.is_given("label_all_tokens_as") && !self.data.label_all_tokens {
            return Err(refused("`--label_all_tokens_as` labels nothing by itself", "say --label_all_tokens too"));
        }
        Ok(())
    }

    /// The best checkpoint can be known and reloaded.
    fn check_best(&self) -> Result<(), UsageError> {
        if self.times.save_strategy == Interval::Best && self.times.eval_strategy == Interval::No {
            let remedy = "say --eval_strategy epoch or steps";
            return Err(refused("`--save_strategy best` needs evaluations to compare", remedy));
        }
        if !self.times.load_best_model_at_end || self.times.save_strategy == Interval::Best {
            return Ok(());
        }
        if self.times.eval_strategy != self.times.save_strategy {
            let words = |interval| format!("{interval:?}").to_lowercase();
            let (eval, save) = (words(self.times.eval_strategy), words(self.times.save_strategy));
            let message = format!(
                "`--load_best_model_at_end` needs a checkpoint at each evaluation, but evaluates by `{eval}` and saves by \
                 `{save}`"
            );
            return Err(refused(message, "give --eval_strategy and --save_strategy the same value, epoch or steps"));
        }
        if self.times.eval_strategy == Interval::Steps && !is_multiple(self.times.save_steps, self.times.eval_steps) {
            let message = format!(
                "`--load_best_model_at_end` needs an evaluation at each checkpoint, but {} is no multiple of {}",
                self.times.save_steps, self.times.eval_steps
            );
            return Err(refused(message, "make --save_steps a multiple of --eval_steps"));
        }
        Ok(())
    }
}

impl ModelArgs {
    fn resolve(values: &Values) -> Result<ModelArgs, UsageError> {
        let model = filled(values, "model_name_or_path");
        Ok(ModelArgs {
            model_name_or_path: model
                .ok_or_else(|| refused("no model is given", "start from one: --model_name_or_path FOLDER or NAME"))?,
            config_name: filled(values, "config_name"),
            tokenizer_name: filled(values, "tokenizer_name"),
            model_revision: word(values, "model_revision"),
            ignore_mismatched_sizes: values.flag("ignore_mismatched_sizes"),
            ignore_mismatched_labels: values.flag("ignore_mismatched_labels"),
        })
    }
}

impl DataArgs {
    fn resolve(values: &Values) -> Result<DataArgs, UsageError> {
        Ok(DataArgs {
            task_name: word(values, "task_name").to_lowercase(),
            dataset_name: filled(values, "dataset_name"),
            dataset_config_name: filled(values, "dataset_config_name"),
            dataset_revision: filled(values, "dataset_revision"),
            train_file: filled(values, "train_file"),
            validation_file: filled(values, "validation_file"),
            test_file: filled(values, "test_file"),
            text_column_name: filled(values, "text_column_name"),
            label_column_name: filled(values, "label_column_name"),
            labels: filled(values, "labels"),
            bare_tags: values.flag("bare_tags"),
            shuffle_seed: whole(values, "shuffle_seed", 0)?,
            validation_size: validation_size(values)?,
            split_seed: match whole(values, "split_seed", 0)? {
                Some(seed) => seed,
                None => whole(values, "seed", 0)?.expect("it has a default"),
            },
            max_seq_length: count_if_given(values, "max_seq_length")?,
            max_train_samples: count_if_given(values, "max_train_samples")?,
            max_eval_samples: count_if_given(values, "max_eval_samples")?,
            max_predict_samples: count_if_given(values, "max_predict_samples")?,
            label_all_tokens: values.flag("label_all_tokens"),
            label_all_tokens_as: word(values, "label_all_tokens_as"),
        })
    }
}

impl LearningArgs {
    fn resolve(values: &Values) -> Result<LearningArgs, UsageError> {
        let from_zero = |name| number(values, name, |x| x >= 0.0, "a number of 0 or more");
        let below_one = |name| number(values, name, |x| (0.0..1.0).contains(&x), "a number from 0 to below 1");
        let seed = whole(values, "seed", 0)?.expect("it has a default");
        Ok(LearningArgs {
            num_train_epochs: number(values, "num_train_epochs", |x| x > 0.0, "a number above 0")?,
            max_steps: values.int("max_steps").and_then(|n| u64::try_from(n).ok()).filter(|&n| n > 0),
            per_device_train_batch_size: count(values, "per_device_train_batch_size")?,
            gradient_accumulation_steps: count(values, "gradient_accumulation_steps")?,
            batch_tokens: batch_tokens(values)?,
            learning_rate: from_zero("learning_rate")?,
            lr_scheduler_type: word(values, "lr_scheduler_type"),
            lr_scheduler_kwargs: values.dict("lr_scheduler_kwargs"),
            warmup_steps: from_zero("warmup_steps")?,
            weight_decay: from_zero("weight_decay")?,
            adam_beta1: below_one("adam_beta1")?,
            adam_beta2: below_one("adam_beta2")?,
            adam_epsilon: from_zero("adam_epsilon")?,
            max_grad_norm: number(values, "max_grad_norm", |_any| true, "a number")?,
            label_smoothing_factor: number(
                values,
                "label_smoothing_factor",
                |x| (0.0..=1.0).contains(&x),
                "a number from 0 to 1",
            )?,
            loss_scaling: word(values, "loss_scaling"),
            freeze: values.list("freeze"),
            gradient_checkpointing: values.flag("gradient_checkpointing"),
            train_sampling_strategy: word(values, "train_sampling_strategy"),
            dataloader_drop_last: values.flag("dataloader_drop_last"),
            seed,
            data_seed: whole(values, "data_seed", 0)?.unwrap_or(seed),
        })
    }
}

/// A number of sentences, or below 1 a part of all.
fn validation_size(values: &Values) -> Result<Option<f64>, UsageError> {
    match values.float("validation_size") {
        Some(size) if size <= 0.0 || size > 1.0 && size.fract() != 0.0 => {
            let range = "a whole number of sentences, or a part of all below 1";
            Err(out_of_range("validation_size", &size.to_string(), range))
        }
        size => Ok(size),
    }
}

/// A micro-batch's loss divided by its own labels would change with the cut.
fn batch_tokens(values: &Values) -> Result<Option<usize>, UsageError> {
    let scaling = word(values, "loss_scaling");
    match scaling.as_str() {
        "token" => Ok(Some(count(values, "batch_tokens")?)),
        _ if values.is_given("batch_tokens") => {
            let message = format!("`--batch_tokens` would change the numbers of `--loss_scaling {scaling}`");
            Err(refused(message, "leave out either; a smaller --per_device_train_batch_size takes less memory too"))
        }
        _ => Ok(None),
    }
}

impl TimesArgs {
    fn resolve(values: &Values) -> Result<TimesArgs, UsageError> {
        let from_zero = |name| number(values, name, |x| x >= 0.0, "a number of 0 or more");
        let logging_steps = every(values, "logging_steps")?.expect("it has a default");
        let save_strategy = interval(values, "save_strategy");
        let load_best_model_at_end = values.flag("load_best_model_at_end");
        let early_stopping_patience = count_if_given(values, "early_stopping_patience")?;
        let compares = load_best_model_at_end
            || early_stopping_patience.is_some()
            || save_strategy == Interval::Best
            || word(values, "lr_scheduler_type") == PLATEAU;
        let named = filled(values, "metric_for_best_model").or_else(|| compares.then(|| "loss".into()));
        // `eval_f1` and `f1` are the same metric.
        let metric = named.map(|name| name.strip_prefix("eval_").unwrap_or(&name).to_owned());
        let rises = || metric.as_ref().is_some_and(|name| !name.ends_with("loss"));
        Ok(TimesArgs {
            logging_strategy: interval(values, "logging_strategy"),
            logging_steps,
            logging_first_step: values.flag("logging_first_step"),
            eval_strategy: interval(values, "eval_strategy"),
            eval_steps: every(values, "eval_steps")?.filter(|&steps| steps != 0.0).unwrap_or(logging_steps),
            eval_delay: from_zero("eval_delay")?,
            eval_on_start: values.flag("eval_on_start"),
            per_device_eval_batch_size: count(values, "per_device_eval_batch_size")?,
            return_entity_level_metrics: values.flag("return_entity_level_metrics"),
            prediction_loss_only: values.flag("prediction_loss_only"),
            save_strategy,
            save_steps: every(values, "save_steps")?.expect("it has a default"),
            save_total_limit: values.int("save_total_limit").and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0),
            save_only_model: values.flag("save_only_model"),
            load_best_model_at_end,
            greater_is_better: values.flag_if_given("greater_is_better").unwrap_or_else(rises),
            metric_for_best_model: metric,
            early_stopping_patience,
            early_stopping_threshold: from_zero("early_stopping_threshold")?,
        })
    }
}

/// Lines about values that work differently from what their words promise.
fn say(values: &Values, lines: &mut Vec<String>) {
    if values.flag("fp16") {
        lines.push("`--fp16` runs in bf16, which a processor has instructions for (and nothing is padded to 8)".into());
    }
    super::hub_args::say(values, lines);
    if values.flag("dataloader_drop_last") {
        lines.push("`--dataloader_drop_last` is for training; evaluation and prediction keep every sentence".into());
    }
    if values.text("loss_scaling").as_deref() == Some("sum-of-means") {
        lines.push(
            "`--loss_scaling sum-of-means` is what transformers 5.23 did by mistake: the gradient grows with \
             `--gradient_accumulation_steps`; use it for comparison only"
                .into(),
        );
    }
}

/// The formats of the log; a service that transformers knows is said to be absent.
fn report_to(values: &Values, lines: &mut Vec<String>) -> Result<Vec<&'static str>, UsageError> {
    let all = Format::ALL.map(Format::name);
    let mut formats = Vec::new();
    for name in word(values, "report_to").split(',').map(str::trim) {
        match all.into_iter().find(|format| *format == name) {
            Some(format) if formats.contains(&format) => {}
            Some(format) => formats.push(format),
            None if name == "all" => formats = all.to_vec(),
            None if ["", "none"].contains(&name) => {}
            None if SERVICES.contains(&name) => {
                lines.push(format!("`--report_to {name}` reports nowhere: this build writes {}", all.join(", ")));
            }
            None => {
                let expected = format!("none, all, or some of {} parted by commas", all.join(", "));
                return Err(out_of_range("report_to", name, &expected));
            }
        }
    }
    Ok(formats)
}

/// Whether checkpoints fall on evaluations; two parts of all updates are compared as parts.
fn is_multiple(save: f64, eval: f64) -> bool {
    const PART: f64 = 1e6;
    match (save < 1.0, eval < 1.0) {
        (true, true) => (save * PART).round() % (eval * PART).round() == 0.0,
        (false, false) => save % eval == 0.0,
        _ => false,
    }
}

fn resume(text: Option<String>) -> Option<Resume> {
    let text = text?;
    match text.to_lowercase().as_str() {
        "true" | "last" => Some(Resume::Last),
        "false" | "none" => None,
        _ => Some(Resume::Folder(expanded(&text))),
    }
}

/// A leading `~` is the home folder.
fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix('~'), std::env::home_dir()) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => PathBuf::from(path),
    }
}

fn interval(values: &Values, name: &str) -> Interval {
    match values.text(name).as_deref() {
        Some("no") => Interval::No,
        Some("epoch") => Interval::Epoch,
        Some("best") => Interval::Best,
        _ => Interval::Steps,
    }
}

/// A text that says something.
pub(super) fn filled(values: &Values, name: &str) -> Option<String> {
    values.text(name).filter(|text| !text.is_empty())
}

pub(super) fn word(values: &Values, name: &str) -> String {
    values.text(name).expect("it has a default")
}

fn count(values: &Values, name: &str) -> Result<usize, UsageError> {
    Ok(count_if_given(values, name)?.expect("it has a default"))
}

fn count_if_given(values: &Values, name: &str) -> Result<Option<usize>, UsageError> {
    Ok(whole(values, name, 1)?.map(|number| number as usize))
}

fn whole(values: &Values, name: &str, least: i64) -> Result<Option<u64>, UsageError> {
    match values.int(name) {
        Some(number) if number < least => {
            Err(out_of_range(name, &number.to_string(), &format!("a number of {least} or more")))
        }
        number => Ok(number.map(|number| number as u64)),
    }
}

fn number(values: &Values, name: &str, fits: impl Fn(f64) -> bool, range: &str) -> Result<f64, UsageError> {
    let number = values.float(name).expect("it has a default");
    if fits(number) { Ok(number) } else { Err(out_of_range(name, &number.to_string(), range)) }
}

/// A number of updates, or below 1 a part of all of them.
fn every(values: &Values, name: &str) -> Result<Option<f64>, UsageError> {
    match values.float(name) {
        Some(steps) if steps < 0.0 => Err(out_of_range(name, &steps.to_string(), "a number of 0 or more")),
        Some(steps) if steps > 1.0 && steps.fract() != 0.0 => {
            Err(out_of_range(name, &steps.to_string(), "a whole number of updates, or a part of all below 1"))
        }
        steps => Ok(steps),
    }
}

fn out_of_range(name: &str, value: &str, range: &str) -> UsageError {
    UsageError::WrongValue { option: format!("--{name}"), value: value.into(), expected: range.into() }
}

pub(super) fn refused(message: impl Into<String>, remedy: impl Into<String>) -> UsageError {
    UsageError::Refused { message: message.into(), remedy: remedy.into() }
}
