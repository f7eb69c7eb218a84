//! Options of `tagsmith train`, resolved to a request and checked.

use super::checks::{
    count, count_if_given, every, filled, number, number_if_given, out_of_range, refused, whole, word,
};
use super::option::DEVICE;
use super::parse::{UsageError, no_device};
use super::table::ADAMW;
use super::values::Values;
use crate::terminal::level::Level;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use std::path::PathBuf;
use tagsmith_app::machine::device::{DeviceArgs, DeviceChoice};
use tagsmith_app::options::{
    DataArgs, DecodingArgs, HubArgs, Interval, LearningArgs, MachineArgs, ModelArgs, Origin, OutputArgs, ReportArgs,
    Resume, TaskArgs, TimesArgs, TrainArgs,
};
use tagsmith_app::report::tracking::Format;
use tagsmith_app::train::weights::ClassWeights;
use tagsmith_train::memory::parse_size;
use tagsmith_train::schedule::plateau::NAME as PLATEAU;

/// What else transformers reports to.
#[rustfmt::skip]
const SERVICES: [&str; 12] = [
    "azure_ml", "clearml", "codecarbon", "comet_ml", "dagshub", "dvclive", "flyte", "mlflow", "neptune", "swanlab",
    "trackio", "wandb",
];

/// A command line, resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainLine {
    /// What the application is asked for.
    pub args: TrainArgs,
    /// What the command line itself does otherwise.
    pub rim: RimArgs,
    /// Lines there are to say about the options.
    pub lines: Vec<String>,
}

/// Choices of the command line itself: how progress looks, and how the hub is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RimArgs {
    pub accelerate_config: Option<PathBuf>,
    pub disable_tqdm: bool,
    pub log_level: Level,
    pub json: bool,
    pub cache_dir: Option<String>,
    /// Read from the command line or the environment, never written to a file.
    #[serde(skip)]
    pub token: Option<String>,
    #[serde(skip)]
    pub hub_token: Option<String>,
}

impl RimArgs {
    fn resolve(values: &Values) -> RimArgs {
        RimArgs {
            accelerate_config: filled(values, "accelerate_config").map(|file| expanded(&file)),
            disable_tqdm: values.flag("disable_tqdm") || values.flag("quiet"),
            log_level: match values.flag("quiet") {
                true => Level::Warning,
                false => Level::named(&word(values, "log_level")),
            },
            json: values.flag("json"),
            cache_dir: filled(values, "cache_dir"),
            token: filled(values, "token"),
            hub_token: filled(values, "hub_token"),
        }
    }

    /// The choices as a run's files list them.
    fn listed(&self) -> Map<String, Json> {
        match serde_json::to_value(self) {
            Ok(Json::Object(map)) => map,
            _ => unreachable!("a struct of plain fields is a JSON object"),
        }
    }
}

/// Resolves the values and checks each and all of them. Adds to the lines there are to say.
pub fn resolve(values: &Values, mut lines: Vec<String>) -> Result<TrainLine, UsageError> {
    let output_dir = filled(values, "output_dir").unwrap_or_else(|| {
        lines.push("no `--output_dir` is given: results go to `trainer_output`".into());
        "trainer_output".into()
    });
    let times = resolve_times(values)?;
    let rim = RimArgs::resolve(values);
    let args = TrainArgs {
        tasks: TaskArgs {
            do_train: values.flag("do_train"),
            do_eval: values.flag("do_eval") || times.eval_strategy != Interval::No,
            do_predict: values.flag("do_predict"),
        },
        output: OutputArgs {
            output_dir: expanded(&output_dir),
            overwrite_output_dir: values.flag("overwrite_output_dir"),
            resume_from_checkpoint: resume(filled(values, "resume_from_checkpoint")),
        },
        machine: MachineArgs {
            device: device(values)?,
            threads: count_if_given(values, "threads")?,
            bf16: values.flag("bf16") || values.flag("fp16"),
            data_memory: data_memory(values)?,
        },
        reporting: resolve_reporting(values, &mut lines)?,
        model: resolve_model(values)?,
        data: resolve_data(values)?,
        learning: resolve_learning(values)?,
        decoding: DecodingArgs {
            decoding: filled(values, "decoding"),
            operating_point: filled(values, "operating_point"),
        },
        times,
        hub: resolve_hub(values)?,
        rim: rim.listed(),
        origin: Origin::default(),
    };
    say(values, &mut lines);
    check(&args, values)?;
    Ok(TrainLine { args, rim, lines })
}

/// What options demand of each other.
fn check(args: &TrainArgs, values: &Values) -> Result<(), UsageError> {
    check_splits(args)?;
    check_intervals(args, values)?;
    if values.flag("fp16") && values.flag("bf16") {
        return Err(refused("`--fp16` and `--bf16` exclude each other", "leave one of them out"));
    }
    let optimizer = values.text("optim").expect("it has a default");
    if !ADAMW.contains(&optimizer.as_str()) {
        let message = format!("the optimizer `{optimizer}` is not in this build, AdamW is");
        return Err(refused(message, "leave `--optim` out, or say `--optim adamw_torch`"));
    }
    if args.learning.label_smoothing_factor > 0.0 && args.learning.loss != "cross_entropy" {
        let message =
            format!("`--label_smoothing_factor` is defined for cross-entropy, not for `--loss {}`", args.learning.loss);
        return Err(refused(message, "leave either out"));
    }
    if args.learning.teacher.is_some() && args.data.label_all_tokens {
        let message = "`--teacher` scores words, and `--label_all_tokens` learns from every piece of a word";
        return Err(refused(message, "leave either out"));
    }
    if args.learning.train_sampling_strategy == "batch_rebalance" {
        let message = "`--train_sampling_strategy batch_rebalance` is not in this build";
        return Err(refused(message, "take `random`, `sequential` or `group_by_length`"));
    }
    if args.learning.lr_scheduler_type == PLATEAU && args.times.eval_strategy == Interval::No {
        let remedy = "say --eval_strategy epoch or steps";
        return Err(refused(format!("the schedule `{PLATEAU}` needs evaluations to look at"), remedy));
    }
    Ok(())
}

/// Each thing to do has its data.
fn check_splits(args: &TrainArgs) -> Result<(), UsageError> {
    if !(args.tasks.do_train || args.tasks.do_eval || args.tasks.do_predict) {
        return Err(refused("there is nothing to do", "say --do_train, --do_eval or --do_predict"));
    }
    if args.data.dataset_name.is_some() {
        return Ok(());
    }
    for (asked, flag, file, file_flag) in [
        (args.tasks.do_train, "--do_train", &args.data.train_file, "--train_file"),
        (args.tasks.do_eval, "--do_eval", &args.data.validation_file, "--validation_file"),
        (args.tasks.do_predict, "--do_predict", &args.data.test_file, "--test_file"),
    ] {
        let held_out = flag == "--do_eval" && args.data.validation_size.is_some() && args.data.train_file.is_some();
        if asked && file.is_none() && !held_out {
            let evaluates = args.times.eval_strategy != Interval::No && flag == "--do_eval";
            let why = if evaluates { "`--eval_strategy`" } else { &format!("`{flag}`") };
            return Err(refused(format!("{why} has no data"), format!("say {file_flag} FILE, or --dataset_name NAME")));
        }
    }
    Ok(())
}

fn check_intervals(args: &TrainArgs, values: &Values) -> Result<(), UsageError> {
    if args.times.logging_strategy == Interval::Steps && args.times.logging_steps == 0.0 {
        let remedy = "say --logging_strategy no for no log";
        return Err(refused("`--logging_steps 0` is not an interval", remedy));
    }
    if args.times.save_strategy == Interval::Steps && args.times.save_steps == 0.0 {
        let remedy = "say --save_strategy no for no checkpoints";
        return Err(refused("`--save_steps 0` is not an interval", remedy));
    }
    if args.times.eval_strategy == Interval::Steps && args.times.eval_steps == 0.0 {
        return Err(refused("`--eval_strategy steps` has no steps", "say --eval_steps N"));
    }
    if args.times.early_stopping_patience.is_some() && args.times.eval_strategy == Interval::No {
        let remedy = "say --eval_strategy epoch or steps";
        return Err(refused("`--early_stopping_patience` needs evaluations to look at", remedy));
    }
    if args.times.early_stopping_patience.is_none() && values.is_given("early_stopping_threshold") {
        let remedy = "say --early_stopping_patience N";
        return Err(refused("`--early_stopping_threshold` works with a patience only", remedy));
    }
    // A run's own file lists the seed that it would have had.
    let own_seed = values.is_given("split_seed") && args.data.split_seed != args.learning.seed;
    if own_seed && args.data.validation_size.is_none() {
        return Err(refused("`--split_seed` holds nothing out by itself", "say --validation_size N too"));
    }
    if values.is_given("label_all_tokens_as") && !args.data.label_all_tokens {
        return Err(refused("`--label_all_tokens_as` labels nothing by itself", "say --label_all_tokens too"));
    }
    Ok(())
}

fn resolve_model(values: &Values) -> Result<ModelArgs, UsageError> {
    let model = filled(values, "model_name_or_path");
    Ok(ModelArgs {
        model_name_or_path: model
            .ok_or_else(|| refused("no model is given", "start from one: --model_name_or_path FOLDER or NAME"))?,
        config_name: filled(values, "config_name"),
        tokenizer_name: filled(values, "tokenizer_name"),
        model_revision: word(values, "model_revision"),
        ignore_mismatched_sizes: values.flag("ignore_mismatched_sizes"),
        ignore_mismatched_labels: values.flag("ignore_mismatched_labels"),
        head: filled(values, "head"),
    })
}

fn resolve_data(values: &Values) -> Result<DataArgs, UsageError> {
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
        allow_degenerate_data: values.flag("allow_degenerate_data"),
        label_scheme: word(values, "label_scheme"),
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

fn resolve_learning(values: &Values) -> Result<LearningArgs, UsageError> {
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
        head_learning_rate: number_if_given(values, "head_learning_rate", |x| x >= 0.0, "a number of 0 or more")?,
        layer_lr_decay: number(values, "layer_lr_decay", |x| x > 0.0 && x <= 1.0, "a number above 0, at most 1")?,
        dropout: number_if_given(values, "dropout", |x| (0.0..1.0).contains(&x), "a number from 0 to below 1")?,
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
        focal_gamma: of_loss(values, "focal", "focal_gamma", 2.0)?,
        dice_alpha: of_loss(values, "dice", "dice_alpha", 0.01)?,
        loss: word(values, "loss"),
        distill_alpha: of_teacher(values, "distill_alpha", 0.5, |x| (0.0..=1.0).contains(&x), "a number from 0 to 1")?,
        distill_temperature: of_teacher(
            values,
            "distill_temperature",
            2.0,
            |x| x > 0.0 && x.is_finite(),
            "a number above 0",
        )?,
        teacher: filled(values, "teacher"),
        class_weights: class_weights(values)?,
        o_weight: number_if_given(values, "o_weight", |x| x > 0.0 && x.is_finite(), "a number above 0")?,
        loss_scaling: word(values, "loss_scaling"),
        freeze: values.list("freeze"),
        gradient_checkpointing: values.flag("gradient_checkpointing"),
        train_sampling_strategy: word(values, "train_sampling_strategy"),
        dataloader_drop_last: values.flag("dataloader_drop_last"),
        seed,
        data_seed: whole(values, "data_seed", 0)?.unwrap_or(seed),
    })
}

/// Returns the exponent of a loss, where that is the loss.
fn of_loss(values: &Values, loss: &str, name: &str, default: f64) -> Result<Option<f64>, UsageError> {
    let (is_it, given) = (word(values, "loss") == loss, values.float(name));
    match given {
        Some(_) if !is_it => {
            Err(refused(format!("`--{name}` is about another loss"), format!("say --loss {loss}, or leave it out")))
        }
        Some(number) if !(number >= 0.0 && number.is_finite()) => {
            Err(out_of_range(name, &number.to_string(), "a number of 0 or more"))
        }
        _ => Ok(is_it.then(|| given.unwrap_or(default))),
    }
}

/// Returns a number about the teacher, where there is a teacher.
fn of_teacher(
    values: &Values,
    name: &str,
    default: f64,
    fits: impl Fn(f64) -> bool,
    range: &str,
) -> Result<Option<f64>, UsageError> {
    let given = number_if_given(values, name, fits, range)?;
    match (given, filled(values, "teacher")) {
        (Some(_), None) => Err(refused(format!("`--{name}` is about a teacher"), "name one: --teacher MODEL")),
        (given, teacher) => Ok(teacher.map(|_| given.unwrap_or(default))),
    }
}

/// Returns how labels get their weights.
fn class_weights(values: &Values) -> Result<String, UsageError> {
    let text = word(values, "class_weights");
    match ClassWeights::named(&text) {
        Some(ClassWeights::Listed(file)) => Ok(expanded(&file).display().to_string()),
        Some(_) => Ok(text),
        None => Err(out_of_range(
            "class_weights",
            &text,
            &format!("{}, with a number from 0 to below 1", ClassWeights::WORDS),
        )),
    }
}

fn resolve_hub(values: &Values) -> Result<HubArgs, UsageError> {
    let push_to_hub = values.flag("push_to_hub");
    let strategy = word(values, "hub_strategy");
    if push_to_hub && !matches!(strategy.as_str(), "end" | "every_save") {
        let message = format!("`--hub_strategy {strategy}` would upload checkpoints, which stay on this machine");
        return Err(refused(message, "say --hub_strategy end"));
    }
    Ok(HubArgs {
        push_to_hub,
        hub_model_id: filled(values, "hub_model_id"),
        hub_private_repo: values.flag("hub_private_repo"),
    })
}

/// Where TensorBoard's folder may be named too: transformers 5 has no option for it.
const LOGGING_VARIABLE: &str = "TENSORBOARD_LOGGING_DIR";

fn resolve_reporting(values: &Values, lines: &mut Vec<String>) -> Result<ReportArgs, UsageError> {
    let report_to = report_to(values, lines)?;
    let given = filled(values, "logging_dir").map(|folder| expanded(&folder));
    if report_to.is_empty() && given.is_some() {
        lines.push("`--logging_dir` stays empty: `--report_to` names what to write there".into());
    }
    let variable = || std::env::var_os(LOGGING_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let logging_dir = given.or_else(|| variable().filter(|_| !report_to.is_empty()));
    Ok(ReportArgs { report_to, html_report: values.flag("html_report"), logging_dir })
}

/// Returns a number of sentences; below 1, it is a part of all.
fn validation_size(values: &Values) -> Result<Option<f64>, UsageError> {
    match values.float("validation_size") {
        Some(size) if size <= 0.0 || size > 1.0 && size.fract() != 0.0 => {
            let range = "a whole number of sentences, or a part of all below 1";
            Err(out_of_range("validation_size", &size.to_string(), range))
        }
        size => Ok(size),
    }
}

/// Returns where to compute.
fn device(values: &Values) -> Result<DeviceArgs, UsageError> {
    let name = word(values, DEVICE);
    let device = DeviceChoice::named(&name).ok_or_else(|| no_device(&name))?;
    let cuda_libraries = filled(values, "cuda_libraries").map(|folder| expanded(&folder));
    Ok(DeviceArgs { device, cuda_libraries, place: 0 })
}

/// Returns the memory for sentences.
fn data_memory(values: &Values) -> Result<Option<u64>, UsageError> {
    let Some(text) = filled(values, "data_memory") else { return Ok(None) };
    match parse_size(&text) {
        None => Err(out_of_range("data_memory", &text, "a size such as `500MB` or `2GB`")),
        bytes => Ok(bytes),
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

fn resolve_times(values: &Values) -> Result<TimesArgs, UsageError> {
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
        detailed_scores: values.flag("detailed_scores"),
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

/// Lines about values that work differently from what their words promise.
fn say(values: &Values, lines: &mut Vec<String>) {
    if values.flag("fp16") {
        lines.push(
            "`--fp16` runs in bf16, which has the range of f32: no loss is scaled (and nothing is padded to 8)".into(),
        );
    }
    for option in ["hub_model_id", "hub_token", "hub_private_repo", "hub_strategy"] {
        let is_off = option == "hub_private_repo" && !values.flag(option);
        if values.is_given(option) && !is_off && !values.flag("push_to_hub") {
            lines.push(format!("`--{option}` changes nothing without `--push_to_hub`"));
        }
    }
    if values.flag("push_to_hub") && values.text("hub_strategy").as_deref() == Some("every_save") {
        lines.push("`--push_to_hub` uploads once, when the model is finished; checkpoints stay on this machine".into());
    }
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
