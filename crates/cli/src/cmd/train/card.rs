//! What the model card says of a run.

use crate::args::TrainArgs;
use std::path::Path;
use tagsmith_files::python_json::repr;
use tagsmith_train::card::Card;
use tagsmith_train::checkpoint::state::Record;
use tagsmith_train::error::Error;

/// Writes README.md beside the finished model; `history` is the run's log with the last evaluation at its end.
pub fn save(args: &TrainArgs, history: &[Record]) -> Result<(), Error> {
    let name = args.output_dir.file_name().unwrap_or_default().to_string_lossy();
    let hyperparameters = hyperparameters(args);
    // Folders and files have no name that anyone else could look up.
    let on_hub = |name: &&str| !Path::new(name).exists();
    let base_model = Some(args.model.model_name_or_path.as_str()).filter(on_hub);
    let dataset = args.data.dataset_name.as_deref().filter(on_hub);
    Card { name: &name, base_model, dataset, hyperparameters: &hyperparameters, history }.save(&args.output_dir)
}

/// The choices that the Trainer's cards list, by its names.
fn hyperparameters(args: &TrainArgs) -> Vec<(String, String)> {
    let (batch, accumulation) = (args.learning.per_device_train_batch_size, args.learning.gradient_accumulation_steps);
    let mut list = vec![
        ("learning_rate", repr(args.learning.learning_rate)),
        ("train_batch_size", batch.to_string()),
        ("eval_batch_size", args.times.per_device_eval_batch_size.to_string()),
        ("seed", args.learning.seed.to_string()),
    ];
    if accumulation > 1 {
        list.push(("gradient_accumulation_steps", accumulation.to_string()));
        list.push(("total_train_batch_size", (batch * accumulation).to_string()));
    }
    let (beta1, beta2, epsilon) =
        (repr(args.learning.adam_beta1), repr(args.learning.adam_beta2), repr(args.learning.adam_epsilon));
    list.push(("optimizer", format!("AdamW with betas=({beta1},{beta2}) and epsilon={epsilon}")));
    list.push(("lr_scheduler_type", args.learning.lr_scheduler_type.clone()));
    if args.learning.warmup_steps > 0.0 {
        list.push(("lr_scheduler_warmup_steps", repr(args.learning.warmup_steps)));
    }
    match args.learning.max_steps {
        Some(steps) => list.push(("training_steps", steps.to_string())),
        None => list.push(("num_epochs", repr(args.learning.num_train_epochs))),
    }
    if args.learning.label_smoothing_factor > 0.0 {
        list.push(("label_smoothing_factor", repr(args.learning.label_smoothing_factor)));
    }
    list.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
