//! The command line's choices in the words of the crates below.

use crate::args::{Interval, TrainArgs};
use tagsmith_text::align::LabelAll;
use tagsmith_tokens::learn::{LossOptions, LossScaling};
use tagsmith_train::error::Error;
use tagsmith_train::learner::StepOptions;
use tagsmith_train::trainer::agenda::{Every, Saving, Times};
use tagsmith_train::trainer::best::Criterion;
use tagsmith_train::trainer::options::{EarlyStopping, Keep, Options};
use tagsmith_train::trainer::order::Sampling;
use tagsmith_train::trainer::plan::Amount;

/// Which labels a word's later pieces get.
pub fn label_all(args: &TrainArgs) -> LabelAll {
    match args.data.label_all_tokens_as.as_str() {
        _ if !args.data.label_all_tokens => LabelAll::FirstOnly,
        "repeat" => LabelAll::Repeat,
        _ => LabelAll::MapToInside,
    }
}

/// What changes the numbers of one update.
pub fn step(args: &TrainArgs) -> StepOptions {
    StepOptions {
        beta1: args.learning.adam_beta1,
        beta2: args.learning.adam_beta2,
        epsilon: args.learning.adam_epsilon,
        weight_decay: args.learning.weight_decay,
        max_grad_norm: args.learning.max_grad_norm,
        gradient_checkpointing: args.learning.gradient_checkpointing,
        seed: args.learning.seed,
    }
}

/// The options of the loss.
pub fn loss(args: &TrainArgs) -> LossOptions {
    LossOptions {
        label_smoothing: args.learning.label_smoothing_factor,
        scaling: match args.learning.loss_scaling.as_str() {
            "mean-of-means" => LossScaling::MeanOfMeans,
            "sum-of-means" => LossScaling::SumOfMeans,
            _ => LossScaling::Token,
        },
    }
}

/// All other choices of a run; `best` is the metric that chooses.
pub fn run(args: &TrainArgs, best: Option<Criterion>) -> Result<Options, Error> {
    let saving = match args.times.save_strategy {
        Interval::Best => Saving::Best,
        interval => Saving::Every(every(interval, "save_steps", args.times.save_steps)?),
    };
    Ok(Options {
        output: args.output_dir.clone(),
        batch_size: args.learning.per_device_train_batch_size,
        accumulation: args.learning.gradient_accumulation_steps,
        batch_tokens: args.learning.batch_tokens,
        drop_last: args.learning.dataloader_drop_last,
        sampling: match args.learning.train_sampling_strategy.as_str() {
            "sequential" => Sampling::Sequential,
            "group_by_length" => Sampling::GroupByLength,
            _ => Sampling::Random,
        },
        data_seed: args.learning.data_seed,
        epochs: args.learning.num_train_epochs,
        max_steps: args.learning.max_steps,
        learning_rate: args.learning.learning_rate,
        schedule: args.learning.lr_scheduler_type.clone(),
        schedule_keywords: args.learning.lr_scheduler_kwargs.clone(),
        warmup: Amount::of("warmup_steps", args.learning.warmup_steps)?,
        times: Times {
            logging: every(args.times.logging_strategy, "logging_steps", args.times.logging_steps)?,
            logging_first_step: args.times.logging_first_step,
            evaluation: every(args.times.eval_strategy, "eval_steps", args.times.eval_steps)?,
            eval_delay: args.times.eval_delay,
            eval_on_start: args.times.eval_on_start,
            saving,
            load_best_at_end: args.times.load_best_model_at_end,
        },
        best,
        early_stopping: args.times.early_stopping_patience.map(|patience| EarlyStopping {
            patience: patience as u64,
            threshold: args.times.early_stopping_threshold,
        }),
        keep: match args.times.save_total_limit {
            None | Some(0) => Keep::All,
            Some(limit) => Keep::Newest(limit),
        },
        save_only_model: args.times.save_only_model,
    })
}

fn every(interval: Interval, option: &str, steps: f64) -> Result<Every, Error> {
    Ok(match interval {
        Interval::No | Interval::Best => Every::Never,
        Interval::Steps => Every::Steps(Amount::of(option, steps)?),
        Interval::Epoch => Every::Epoch,
    })
}
