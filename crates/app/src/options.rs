//! Every choice of a training run, in groups: each step of a run takes the group it needs.
//!
//! The fields have the names of run_ner.py's arguments, because a run's files list them under these names.

use crate::machine::device::DeviceArgs;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::PathBuf;

/// When something happens during training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// Never.
    No,
    /// Every so many updates.
    Steps,
    /// At the end of each epoch.
    Epoch,
    /// At every new best evaluation; for checkpoints only.
    Best,
}

/// The checkpoint to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Resume {
    /// The newest checkpoint in the output folder.
    Last,
    /// The checkpoint in this folder.
    Folder(PathBuf),
}

/// A request to train, evaluate and predict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrainArgs {
    /// What to do.
    #[serde(flatten)]
    pub tasks: TaskArgs,
    /// Where the results go.
    #[serde(flatten)]
    pub output: OutputArgs,
    /// What to compute with.
    #[serde(flatten)]
    pub machine: MachineArgs,
    /// What to write beside the results.
    #[serde(flatten)]
    pub reporting: ReportArgs,
    /// What to start from.
    #[serde(flatten)]
    pub model: ModelArgs,
    /// What to learn from, evaluate and predict.
    #[serde(flatten)]
    pub data: DataArgs,
    /// What changes the weights.
    #[serde(flatten)]
    pub learning: LearningArgs,
    /// How scores become labels, in evaluation and prediction.
    #[serde(flatten)]
    pub decoding: DecodingArgs,
    /// When to log, evaluate, save and stop.
    #[serde(flatten)]
    pub times: TimesArgs,
    /// Whether the model goes to the hub.
    #[serde(flatten)]
    pub hub: HubArgs,
    /// Choices of the rim (how progress looks), which a run's files list beside the others.
    #[serde(flatten)]
    pub rim: Map<String, Value>,
    /// Where these choices come from. A run's files do not list it.
    #[serde(skip)]
    pub origin: Origin,
}

/// Where the choices of a run come from, for those who read about the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// The run's name in a plan; without it, the output folder's name.
    pub name: Option<String>,
    /// A command that makes the same run, without secrets; empty where there is none.
    pub command: String,
    /// Every choice as it is where nothing is asked for; empty where nobody knows.
    pub defaults: Map<String, Value>,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskArgs {
    /// Whether to train.
    pub do_train: bool,
    /// Whether to evaluate. Evaluations during training ask for it too.
    pub do_eval: bool,
    /// Whether to tag the test split.
    pub do_predict: bool,
}

/// Where the results go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OutputArgs {
    /// The folder of the results.
    pub output_dir: PathBuf,
    /// Whether a folder with another run may be written to.
    pub overwrite_output_dir: bool,
    /// The checkpoint to go on from.
    pub resume_from_checkpoint: Option<Resume>,
}

impl OutputArgs {
    /// Returns the name of the run: its folder's.
    pub fn name(&self) -> String {
        self.output_dir.file_name().unwrap_or(self.output_dir.as_os_str()).to_string_lossy().into_owned()
    }
}

/// What to compute with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MachineArgs {
    /// The device.
    #[serde(flatten)]
    pub device: DeviceArgs,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
    /// Whether the factors of products are rounded to bf16.
    pub bf16: bool,
    /// Bytes of sentences in memory; without it, a quarter of what this process may use.
    pub data_memory: Option<u64>,
}

/// What to write beside the results.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReportArgs {
    /// Formats of the log: `tensorboard`, `csv`, `jsonl`.
    pub report_to: Vec<&'static str>,
    /// Whether a page of HTML is written.
    pub html_report: bool,
    /// The folder of the log.
    pub logging_dir: Option<PathBuf>,
}

/// What to start from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelArgs {
    /// The model's folder, or its name on the hub.
    pub model_name_or_path: String,
    /// The folder or name of its configuration, if another.
    pub config_name: Option<String>,
    /// The folder or name of its tokenizer, if another.
    pub tokenizer_name: Option<String>,
    /// The branch, tag or commit of a name on the hub.
    pub model_revision: String,
    /// Whether a head of another size is replaced by a new one.
    pub ignore_mismatched_sizes: bool,
    /// Whether other label names of the same number are accepted.
    pub ignore_mismatched_labels: bool,
    /// What makes labels of a classifier's scores: `softmax` or `crf`; without it, what the model has.
    pub head: Option<String>,
}

/// What to learn from, evaluate and predict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataArgs {
    /// What the labels are of: `ner`, `pos`, `chunk`, `ged`, or another column's name.
    pub task_name: String,
    /// A data set's folder, or its name on the hub.
    pub dataset_name: Option<String>,
    /// The configuration of the data set.
    pub dataset_config_name: Option<String>,
    /// The branch, tag or commit of a data set on the hub.
    pub dataset_revision: Option<String>,
    /// The file to learn from.
    pub train_file: Option<String>,
    /// The file to evaluate.
    pub validation_file: Option<String>,
    /// The file to predict.
    pub test_file: Option<String>,
    /// The column of the words.
    pub text_column_name: Option<String>,
    /// The column of the labels.
    pub label_column_name: Option<String>,
    /// A file that lists the labels.
    pub labels: Option<String>,
    /// Whether labels are types without `B-` and `I-`.
    pub bare_tags: bool,
    /// Whether data that teach nothing are trained on: one label, or sentences of one word.
    pub allow_degenerate_data: bool,
    /// How labels are read for scores: `auto`, a scheme's name, or `words`.
    pub label_scheme: String,
    /// Seed that the training split is shuffled with once.
    pub shuffle_seed: Option<u64>,
    /// Sentences held out of the training split; below 1, a part of them.
    pub validation_size: Option<f64>,
    /// Seed that chooses the sentences held out.
    pub split_seed: u64,
    /// The longest sequence in pieces.
    pub max_seq_length: Option<usize>,
    /// Sentences of the training split that are kept.
    pub max_train_samples: Option<usize>,
    /// Sentences of the validation split that are kept.
    pub max_eval_samples: Option<usize>,
    /// Sentences of the test split that are kept.
    pub max_predict_samples: Option<usize>,
    /// Whether a word's later pieces are labeled too.
    pub label_all_tokens: bool,
    /// How they are labeled: `inside` or `repeat`.
    pub label_all_tokens_as: String,
}

/// What changes the weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearningArgs {
    /// Passes over the training split.
    pub num_train_epochs: f64,
    /// Updates in all, whatever the epochs.
    pub max_steps: Option<u64>,
    /// Sentences of a rank's batch.
    pub per_device_train_batch_size: usize,
    /// Batches of an update.
    pub gradient_accumulation_steps: usize,
    /// Sub-tokens that are computed at once; none where the loss depends on the cut.
    pub batch_tokens: Option<usize>,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// The head's highest learning rate, if another.
    pub head_learning_rate: Option<f64>,
    /// The part of the rate above it that each layer has; 1 where all have one rate.
    pub layer_lr_decay: f64,
    /// The rate of every dropout, if another than the model's configuration has.
    pub dropout: Option<f64>,
    /// The course of the learning rate, by transformers' name.
    pub lr_scheduler_type: String,
    /// Settings of that course.
    pub lr_scheduler_kwargs: Map<String, Value>,
    /// Updates in which the rate rises; below 1, a part of all updates.
    pub warmup_steps: f64,
    /// AdamW's weight decay.
    pub weight_decay: f64,
    /// AdamW's decay of the first moment.
    pub adam_beta1: f64,
    /// AdamW's decay of the second moment.
    pub adam_beta2: f64,
    /// AdamW's term of the denominator.
    pub adam_epsilon: f64,
    /// The norm that gradients are clipped to; 0 clips nothing.
    pub max_grad_norm: f64,
    /// Share of the label's weight that all labels get.
    pub label_smoothing_factor: f64,
    /// The loss of a word: `cross_entropy`, `focal` or `dice`.
    pub loss: String,
    /// The exponent of the focal loss, where that is the loss.
    pub focal_gamma: Option<f64>,
    /// The exponent of the dice loss, where that is the loss.
    pub dice_alpha: Option<f64>,
    /// The token classifier that the model learns from, besides labels.
    pub teacher: Option<String>,
    /// The part of the loss that is the distance from the teacher, where there is a teacher.
    pub distill_alpha: Option<f64>,
    /// The temperature of the distance from the teacher, where there is a teacher.
    pub distill_temperature: Option<f64>,
    /// The weights of labels: `none`, the name of a rule, or a file: see [`crate::train::weights::ClassWeights`].
    pub class_weights: String,
    /// The weight of the label `O`, if another.
    pub o_weight: Option<f64>,
    /// What a loss is divided by: `token`, `mean-of-means` or `sum-of-means`.
    pub loss_scaling: String,
    /// Names of the parameters that do not learn.
    pub freeze: Vec<String>,
    /// Whether activations are computed again instead of kept.
    pub gradient_checkpointing: bool,
    /// The order of the sentences: `random`, `sequential` or `group_by_length`.
    pub train_sampling_strategy: String,
    /// Whether the last, smaller batch of an epoch is left out.
    pub dataloader_drop_last: bool,
    /// Seed of new weights and dropout.
    pub seed: u64,
    /// Seed of the order of the sentences.
    pub data_seed: u64,
}

/// How scores become labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DecodingArgs {
    /// `argmax`, or `viterbi` for the best legal path; without it, the model's own way.
    pub decoding: Option<String>,
    /// The operating point of the model that is evaluated.
    pub operating_point: Option<String>,
}

/// When to log, evaluate, save and stop. Intervals are updates or, below 1, a part of all updates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimesArgs {
    /// When to log.
    pub logging_strategy: Interval,
    /// Interval of logging.
    pub logging_steps: f64,
    /// Whether the first update is logged too.
    pub logging_first_step: bool,
    /// When to evaluate.
    pub eval_strategy: Interval,
    /// Interval of evaluation.
    pub eval_steps: f64,
    /// Epochs or updates before the first evaluation.
    pub eval_delay: f64,
    /// Whether to evaluate before the first update.
    pub eval_on_start: bool,
    /// Sentences of a batch of evaluation.
    pub per_device_eval_batch_size: usize,
    /// Whether each type has figures of its own.
    pub return_entity_level_metrics: bool,
    /// Whether SemEval's F1, intervals of F1 and numbers of errors by class are among the results.
    pub detailed_scores: bool,
    /// Whether evaluation returns nothing but the loss.
    pub prediction_loss_only: bool,
    /// When to save a checkpoint.
    pub save_strategy: Interval,
    /// Interval of checkpoints.
    pub save_steps: f64,
    /// Checkpoints that stay.
    pub save_total_limit: Option<usize>,
    /// Whether checkpoints leave out what resuming needs.
    pub save_only_model: bool,
    /// Whether the best checkpoint is the result.
    pub load_best_model_at_end: bool,
    /// Name of the metric that chooses, without `eval_`; set whenever something depends on it.
    pub metric_for_best_model: Option<String>,
    /// Whether more of it is better.
    pub greater_is_better: bool,
    /// Evaluations without a better one before the run stops.
    pub early_stopping_patience: Option<usize>,
    /// How much better an evaluation must be.
    pub early_stopping_threshold: f64,
}

/// Whether the finished model goes to the hub.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct HubArgs {
    /// Whether it is uploaded.
    pub push_to_hub: bool,
    /// The repository's name; without it, the output folder's.
    pub hub_model_id: Option<String>,
    /// Whether a new repository is private.
    pub hub_private_repo: bool,
}
