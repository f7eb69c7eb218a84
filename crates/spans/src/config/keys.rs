//! The keys of a training run's JSON file, for those who write one.

/// What the value of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Flag,
    /// A whole number.
    Whole,
    /// A number.
    Number,
    /// A text, or what can be written as one.
    Text,
    /// A text or a list of texts.
    Texts,
    /// A JSON object.
    Object,
    /// Anything: nobody reads it.
    Unread,
}

/// Every key, the kind of its value and what it means. Where a key may be left out, its meaning names the default.
pub const KEYS: &[(&str, Kind, &str)] = &[
    // Data.
    ("dataset_name", Kind::Text, "the data's name, for the results; it is not looked up"),
    ("train_file", Kind::Texts, "a file, a saved data set or a pattern, or a list of them"),
    ("validation_file", Kind::Texts, "the same for validation, which chooses the best checkpoint"),
    ("test_file", Kind::Texts, "the same for the test"),
    ("annotation_format", Kind::Text, "what entities count: `text` (code points) or `tokens` (words) [text]"),
    ("loss_masking", Kind::Text, "`subwords`: entities begin and end where words do; or `none` [none]"),
    ("language_weights", Kind::Object, "an object: how often examples of a language are drawn, against 1 [1 each]"),
    // What is done.
    ("do_train", Kind::Flag, "true to train [false]"),
    ("do_eval", Kind::Flag, "true to evaluate while training [false]"),
    ("do_predict", Kind::Flag, "true to measure the test file at the end [false]"),
    ("output_dir", Kind::Text, "the folder of checkpoints, logs and results"),
    // The model.
    (
        "architecture",
        Kind::Text,
        "bi_encoder, contrastive_bi_encoder, cross_encoder or contrastive_cross_encoder [the command's]",
    ),
    ("token_encoder", Kind::Text, "folder or name of the encoder that reads text"),
    ("type_encoder", Kind::Text, "folder or name of the encoder that reads labels (bi-encoders only)"),
    ("model_checkpoint", Kind::Text, "a checkpoint to begin from, instead of encoders [none]"),
    ("type_encoder_pooling", Kind::Text, "a label's vector: `cls` or `mean` of its pieces [cls]"),
    ("max_seq_length", Kind::Whole, "pieces of a text [512]"),
    ("max_span_length", Kind::Whole, "pieces of the longest entity [30]"),
    ("linear_hidden_size", Kind::Whole, "width of the vectors of spans and labels [128]"),
    ("span_width_embedding_size", Kind::Whole, "width of the vectors of spans' lengths [128]"),
    ("dropout", Kind::Number, "share of values that are left out while training [0.1]"),
    ("init_temperature", Kind::Number, "the first temperature of scores [0.03]"),
    (
        "prediction_threshold",
        Kind::Text,
        "a number from 0 to 1; `cls` or `label_token` for contrastive models [0.5 or label_token]",
    ),
    // The loss.
    ("loss_fn", Kind::Text, "bce, focal, dice, dice_focal; or contrastive [bce, or contrastive]"),
    ("start_loss_weight", Kind::Number, "weight of entities' starts in the loss [0.2]"),
    ("end_loss_weight", Kind::Number, "weight of entities' ends in the loss [0.2]"),
    ("span_loss_weight", Kind::Number, "weight of whole entities in the loss [0.6]"),
    ("bce_start_pos_weight", Kind::Number, "weight of true starts against others [none]"),
    ("bce_end_pos_weight", Kind::Number, "weight of true ends against others [none]"),
    ("bce_span_pos_weight", Kind::Number, "weight of true spans against others [none]"),
    ("focal_alpha", Kind::Number, "weight of what is true in the focal loss; -1 is off [0.75]"),
    ("focal_gamma", Kind::Number, "exponent of the focal loss [2]"),
    ("dice_smooth", Kind::Number, "smoothing of the dice loss [1]"),
    ("dice_weight", Kind::Number, "weight of the dice loss in dice_focal [0.5]"),
    ("focal_weight", Kind::Number, "weight of the focal loss in dice_focal [0.5]"),
    ("contrastive_threshold_loss_weight", Kind::Number, "weight of the threshold in the contrastive loss [0.5]"),
    ("contrastive_span_loss_weight", Kind::Number, "weight of spans in the contrastive loss [0.5]"),
    ("contrastive_tau", Kind::Number, "temperature of the contrastive loss [1]"),
    (
        "contrastive_threshold_token",
        Kind::Text,
        "what a contrastive model's threshold is: `cls` or `label_token` [label_token]",
    ),
    // Learning.
    ("max_steps", Kind::Whole, "updates in all; may be left out where num_train_epochs is given"),
    ("num_train_epochs", Kind::Number, "passes over the training data, instead of max_steps [none]"),
    ("per_device_train_batch_size", Kind::Whole, "examples of a batch [8]"),
    (
        "batch_tokens",
        Kind::Whole,
        "pieces computed at once, at most: a larger batch is cut, and no number changes [no limit]",
    ),
    ("gradient_accumulation_steps", Kind::Whole, "batches of an update [1]"),
    ("gradient_checkpointing", Kind::Flag, "true to compute activations again instead of keeping them [false]"),
    ("learning_rate", Kind::Number, "the highest learning rate [5e-5]"),
    ("type_encoder_learning_rate", Kind::Number, "another one for the label encoder [learning_rate]"),
    ("linear_layers_learning_rate", Kind::Number, "another one for the layers behind the encoders [learning_rate]"),
    ("lr_scheduler_type", Kind::Text, "how the learning rate moves, by transformers' names [linear]"),
    ("lr_scheduler_kwargs", Kind::Object, "the schedule's own settings, an object [none]"),
    ("warmup_steps", Kind::Whole, "updates in which the learning rate rises [0]"),
    ("warmup_ratio", Kind::Number, "the same as a part of all updates, where warmup_steps is 0 [0]"),
    ("weight_decay", Kind::Number, "AdamW's decay of every parameter [0.01]"),
    ("adam_beta1", Kind::Number, "AdamW's decay of the first moment [0.9]"),
    ("adam_beta2", Kind::Number, "AdamW's decay of the second moment [0.999]"),
    ("adam_epsilon", Kind::Number, "AdamW's epsilon [1e-8]"),
    ("max_grad_norm", Kind::Number, "the norm that gradients are clipped to [10]"),
    ("dataloader_drop_last", Kind::Flag, "true to leave out an epoch's last, smaller batch [false]"),
    ("bf16", Kind::Flag, "true to round the factors of products to bf16 [false]"),
    ("seed", Kind::Whole, "seed of new weights, order and dropout [42]"),
    ("data_seed", Kind::Whole, "another one for the order [seed]"),
    // Evaluation and checkpoints.
    ("eval_strategy", Kind::Text, "when to evaluate: no, steps or epoch [steps]"),
    ("eval_steps", Kind::Whole, "updates between evaluations; needed where eval_strategy is steps"),
    ("save_strategy", Kind::Text, "when to save: no, steps, epoch or best [eval_strategy]"),
    ("save_steps", Kind::Whole, "updates between checkpoints [eval_steps]"),
    ("save_total_limit", Kind::Whole, "checkpoints to keep: the best ones, and the newest"),
    ("save_only_model", Kind::Flag, "true to leave out of checkpoints what only resuming needs [false]"),
    ("load_best_model_at_end", Kind::Flag, "true to finish with the best checkpoint's weights [false]"),
    ("metric_for_best_model", Kind::Text, "what makes a checkpoint the best [f1]"),
    ("greater_is_better", Kind::Flag, "whether more of it is better [unless it ends in `loss`]"),
    ("early_stopping_patience", Kind::Whole, "evaluations without improvement before the run stops [5]"),
    ("early_stopping_threshold", Kind::Number, "how much better an improvement has to be [0]"),
    // Reporting.
    ("logging_strategy", Kind::Text, "when to log: no, steps or epoch [steps]"),
    ("logging_steps", Kind::Whole, "updates between logs [500]"),
    ("logging_first_step", Kind::Flag, "true to log the first update too [false]"),
    ("logging_dir", Kind::Text, "folder of the logs that report_to names [in output_dir]"),
    ("report_to", Kind::Texts, "also write the log as tensorboard, csv or jsonl: a name or a list [none]"),
    ("html_report", Kind::Flag, "true to write report.html [false]"),
    ("disable_tqdm", Kind::Flag, "true to show no progress [false]"),
    // Taken and without effect.
    ("run_name", Kind::Unread, "without effect"),
    ("preprocessing_num_workers", Kind::Unread, "without effect"),
    ("pad_to_max_length", Kind::Unread, "without effect"),
    ("per_device_eval_batch_size", Kind::Unread, "without effect"),
    ("fp16", Kind::Flag, "without effect: bf16 has one"),
    ("evaluation_strategy", Kind::Unread, "without effect: eval_strategy has one"),
    ("overwrite_output_dir", Kind::Unread, "without effect"),
    ("dataloader_num_workers", Kind::Unread, "without effect"),
    ("dataloader_pin_memory", Kind::Unread, "without effect"),
    ("remove_unused_columns", Kind::Unread, "without effect"),
    ("optim", Kind::Unread, "without effect: AdamW learns"),
    ("ddp_find_unused_parameters", Kind::Unread, "without effect"),
    ("push_to_hub", Kind::Unread, "without effect"),
    ("hub_model_id", Kind::Unread, "without effect"),
    ("label_names", Kind::Unread, "without effect"),
    ("tf32", Kind::Unread, "without effect"),
];
