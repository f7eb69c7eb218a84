//! The model card of a run.

use crate::options::{LearningArgs, TrainArgs};
use crate::report::about::About;
use crate::report::model_card::{Card, Kind};
use std::path::Path;
use tagsmith_files::Error;
use tagsmith_files::python_json::repr;
use tagsmith_train::checkpoint::state::Record;

/// Writes README.md beside the finished model. `history` is the run's log with the last evaluation at its end, and
/// `results` holds the figures of every split.
pub fn save(args: &TrainArgs, about: &About, history: &[Record], results: &Record) -> Result<(), Error> {
    let name = args.output.name();
    let hyperparameters = hyperparameters(&args.learning, args.times.per_device_eval_batch_size);
    // A folder or a file has no name that anyone else could look up.
    let on_hub = |name: &&str| !Path::new(name).exists();
    let card = Card {
        kind: Kind::TokenClassifier,
        name: &name,
        base_models: &[about.model.as_str()].into_iter().filter(on_hub).collect::<Vec<_>>(),
        dataset: args.data.dataset_name.as_deref().filter(on_hub),
        hyperparameters: &hyperparameters,
        history,
        results,
        about,
    };
    card.save(&args.output.output_dir)
}

/// Returns the choices that the Trainer's cards list, by its names.
fn hyperparameters(learning: &LearningArgs, eval_batch_size: usize) -> Vec<(String, String)> {
    let (batch, accumulation) = (learning.per_device_train_batch_size, learning.gradient_accumulation_steps);
    let mut list = vec![
        ("learning_rate", repr(learning.learning_rate)),
        ("train_batch_size", batch.to_string()),
        ("eval_batch_size", eval_batch_size.to_string()),
        ("seed", learning.seed.to_string()),
    ];
    if accumulation > 1 {
        list.push(("gradient_accumulation_steps", accumulation.to_string()));
        list.push(("total_train_batch_size", (batch * accumulation).to_string()));
    }
    let (beta1, beta2, epsilon) = (repr(learning.adam_beta1), repr(learning.adam_beta2), repr(learning.adam_epsilon));
    list.push(("optimizer", format!("AdamW with betas=({beta1},{beta2}) and epsilon={epsilon}")));
    list.push(("lr_scheduler_type", learning.lr_scheduler_type.clone()));
    if learning.warmup_steps > 0.0 {
        list.push(("lr_scheduler_warmup_steps", repr(learning.warmup_steps)));
    }
    match learning.max_steps {
        Some(steps) => list.push(("training_steps", steps.to_string())),
        None => list.push(("num_epochs", repr(learning.num_train_epochs))),
    }
    if learning.label_smoothing_factor > 0.0 {
        list.push(("label_smoothing_factor", repr(learning.label_smoothing_factor)));
    }
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
