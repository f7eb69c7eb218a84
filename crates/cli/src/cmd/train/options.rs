//! The command line's choices in the words of the crates below.

use crate::args::{Interval, TrainArgs};
use tagsmith_text::align::LabelAll;
use tagsmith_train::agenda::{Every, Saving, Times};
use tagsmith_train::best::Criterion;
use tagsmith_train::error::Error;
use tagsmith_train::options::{EarlyStopping, Options};
use tagsmith_train::order::Sampling;
use tagsmith_train::plan::Amount;
use tagsmith_train::step::{LossScaling, StepOptions};

/// Which labels a word's later pieces get.
pub fn label_all(args: &TrainArgs) -> LabelAll {
    match (args.label_all_tokens, args.repeat_begin) {
        (false, _) => LabelAll::FirstOnly,
        (true, false) => LabelAll::MapToInside,
        (true, true) => LabelAll::Repeat,
    }
}

/// What changes the numbers of one update.
pub fn step(args: &TrainArgs) -> StepOptions {
    StepOptions {
        beta1: args.adam_beta1,
        beta2: args.adam_beta2,
        epsilon: args.adam_epsilon,
        weight_decay: args.weight_decay,
        max_grad_norm: args.max_grad_norm,
        label_smoothing: args.label_smoothing_factor,
        loss_scaling: match args.loss_scaling.as_str() {
            "mean-of-means" => LossScaling::MeanOfMeans,
            "sum-of-means" => LossScaling::SumOfMeans,
            _ => LossScaling::Token,
        },
        gradient_checkpointing: args.gradient_checkpointing,
        seed: args.seed,
    }
}

/// All other choices of a run; `best` is the metric that chooses.
pub fn run(args: &TrainArgs, best: Option<Criterion>) -> Result<Options, Error> {
    let saving = match args.save_strategy {
        Interval::Best => Saving::Best,
        interval => Saving::Every(every(interval, "save_steps", args.save_steps)?),
    };
    Ok(Options {
        output: args.output_dir.clone(),
        batch_size: args.per_device_train_batch_size,
        accumulation: args.gradient_accumulation_steps,
        drop_last: args.dataloader_drop_last,
        sampling: match args.train_sampling_strategy.as_str() {
            "sequential" => Sampling::Sequential,
            "group_by_length" => Sampling::GroupByLength,
            _ => Sampling::Random,
        },
        data_seed: args.data_seed,
        epochs: args.num_train_epochs,
        max_steps: args.max_steps,
        learning_rate: args.learning_rate,
        schedule: args.lr_scheduler_type.clone(),
        schedule_keywords: args.lr_scheduler_kwargs.clone(),
        warmup: Amount::of("warmup_steps", args.warmup_steps)?,
        times: Times {
            logging: every(args.logging_strategy, "logging_steps", args.logging_steps)?,
            logging_first_step: args.logging_first_step,
            evaluation: every(args.eval_strategy, "eval_steps", args.eval_steps)?,
            eval_delay: args.eval_delay,
            eval_on_start: args.eval_on_start,
            saving,
            load_best_at_end: args.load_best_model_at_end,
        },
        best,
        early_stopping: args
            .early_stopping_patience
            .map(|patience| EarlyStopping { patience: patience as u64, threshold: args.early_stopping_threshold }),
        save_total_limit: args.save_total_limit,
        save_only_model: args.save_only_model,
    })
}

fn every(interval: Interval, option: &str, steps: f64) -> Result<Every, Error> {
    Ok(match interval {
        Interval::No | Interval::Best => Every::Never,
        Interval::Steps => Every::Steps(Amount::of(option, steps)?),
        Interval::Epoch => Every::Epoch,
    })
}
