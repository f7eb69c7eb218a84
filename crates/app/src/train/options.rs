//! The request's choices in the types of the crates below.

use crate::options::{DataArgs, DecodingArgs, Interval, LearningArgs, TimesArgs, TrainArgs};
use tagsmith_kernel::op::label_loss::Form;
use tagsmith_text::align::LabelAll;
use tagsmith_text::decode::Decoding;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_tokens::learn::teacher::Distillation;
use tagsmith_tokens::learn::{LossOptions, LossScaling, Rates};
use tagsmith_tokens::tag::decoders::Asked;
use tagsmith_train::error::Error;
use tagsmith_train::learner::StepOptions;
use tagsmith_train::trainer::agenda::{Every, Saving, Times};
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::options::{EarlyStopping, Keep, Options};
use tagsmith_train::trainer::order::Sampling;
use tagsmith_train::trainer::plan::Amount;

/// Returns which labels a word's later pieces get.
pub fn label_all(data: &DataArgs) -> LabelAll {
    match data.label_all_tokens_as.as_str() {
        _ if !data.label_all_tokens => LabelAll::FirstOnly,
        "repeat" => LabelAll::Repeat,
        _ => LabelAll::MapToInside,
    }
}

/// Returns how labels are read for scores.
pub fn label_scheme(data: &DataArgs) -> LabelScheme {
    LabelScheme::named(&data.label_scheme).unwrap_or_default()
}

/// Returns what changes the numbers of one update.
pub fn step(learning: &LearningArgs) -> StepOptions {
    StepOptions {
        beta1: learning.adam_beta1,
        beta2: learning.adam_beta2,
        epsilon: learning.adam_epsilon,
        weight_decay: learning.weight_decay,
        max_grad_norm: learning.max_grad_norm,
        gradient_checkpointing: learning.gradient_checkpointing,
        seed: learning.seed,
    }
}

/// Returns the options of the loss. `weights` are those of labels, or empty.
pub fn loss(learning: &LearningArgs, weights: &[f64]) -> LossOptions {
    LossOptions {
        form: match (learning.focal_gamma, learning.dice_alpha) {
            (Some(gamma), _) => Form::Focal { gamma },
            (_, Some(alpha)) => Form::Dice { alpha },
            _ => Form::CrossEntropy { smoothing: learning.label_smoothing_factor },
        },
        weights: weights.to_vec(),
        teacher: learning
            .distill_alpha
            .zip(learning.distill_temperature)
            .map(|(alpha, temperature)| Distillation { alpha, temperature }),
        scaling: match learning.loss_scaling.as_str() {
            "mean-of-means" => LossScaling::MeanOfMeans,
            "sum-of-means" => LossScaling::SumOfMeans,
            _ => LossScaling::Token,
        },
    }
}

/// Returns the rates of parts, if any part has another than the run's.
pub fn rates(learning: &LearningArgs) -> Option<Rates> {
    let LearningArgs { learning_rate: encoder, head_learning_rate, layer_lr_decay: layer_decay, .. } = *learning;
    let has_one = head_learning_rate.is_none() && layer_decay == 1.0;
    (!has_one).then(|| Rates { head: head_learning_rate.unwrap_or(encoder), encoder, layer_decay })
}

/// Returns what is asked about decoding.
pub fn decoding(args: &DecodingArgs) -> Asked {
    let decoding = args.decoding.as_deref().and_then(Decoding::named);
    Asked { decoding, operating_point: args.operating_point.clone(), temperature: None }
}

/// Returns all other choices of a run. `best` is the metric that chooses the best model.
pub fn run(args: &TrainArgs, best: Option<Criterion>) -> Result<Options, Error> {
    let TrainArgs { output, learning, times, .. } = args;
    Ok(Options {
        output: output.output_dir.clone(),
        batch_size: learning.per_device_train_batch_size,
        accumulation: learning.gradient_accumulation_steps,
        batch_tokens: learning.batch_tokens,
        drop_last: learning.dataloader_drop_last,
        sampling: match learning.train_sampling_strategy.as_str() {
            "sequential" => Sampling::Sequential,
            "group_by_length" => Sampling::GroupByLength,
            _ => Sampling::Random,
        },
        data_seed: learning.data_seed,
        epochs: learning.num_train_epochs,
        max_steps: learning.max_steps,
        learning_rate: learning.learning_rate,
        schedule: learning.lr_scheduler_type.clone(),
        schedule_keywords: learning.lr_scheduler_kwargs.clone(),
        warmup: Amount::of("warmup_steps", learning.warmup_steps)?,
        times: self::times(times)?,
        best,
        early_stopping: times
            .early_stopping_patience
            .map(|patience| EarlyStopping { patience: patience as u64, threshold: times.early_stopping_threshold }),
        keep: match times.save_total_limit {
            None | Some(0) => Keep::All,
            Some(limit) => Keep::Newest(limit),
        },
        save_only_model: times.save_only_model,
    })
}

/// Returns when things happen.
pub fn times(times: &TimesArgs) -> Result<Times, Error> {
    let saving = match times.save_strategy {
        Interval::Best => Saving::Best,
        interval => Saving::Every(every(interval, "save_steps", times.save_steps)?),
    };
    Ok(Times {
        logging: every(times.logging_strategy, "logging_steps", times.logging_steps)?,
        logging_first_step: times.logging_first_step,
        evaluation: every(times.eval_strategy, "eval_steps", times.eval_steps)?,
        eval_delay: times.eval_delay,
        eval_on_start: times.eval_on_start,
        saving,
        load_best_at_end: times.load_best_model_at_end,
        save_best_between: true,
    })
}

fn every(interval: Interval, option: &str, steps: f64) -> Result<Every, Error> {
    Ok(match interval {
        Interval::No | Interval::Best => Every::Never,
        Interval::Steps => Every::Steps(Amount::of(option, steps)?),
        Interval::Epoch => Every::Epoch,
    })
}
