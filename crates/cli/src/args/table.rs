//! Every option of `tagsmith train`: run_ner.py's with transformers 5 and 4, run_ner_no_trainer.py's, and our own.

use super::option::{
    Opt, choice, choice_unset, dict, flag, flag_on, flag_unset, float, float_unset, int, int_unset, list, text,
    text_unset,
};
use tagsmith_app::machine::device::DeviceChoice;
use tagsmith_text::decode::Decoding;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_tokens::layout::HeadKind;

const INTERVALS: &[&str] = &["no", "steps", "epoch"];
const SAVE_INTERVALS: &[&str] = &["no", "steps", "epoch", "best"];
const LEVELS: &[&str] = &["detail", "debug", "info", "warning", "error", "critical", "passive"];
const SAMPLING: &[&str] = &["random", "sequential", "group_by_length", "batch_rebalance"];
const PUSHES: &[&str] = &["end", "every_save", "checkpoint", "all_checkpoints"];
const BACKENDS: &[&str] = &["nccl", "gloo", "mpi", "xccl", "hccl", "cncl", "mccl"];
const STARTS: &[&str] = &["fork", "spawn", "forkserver"];
#[rustfmt::skip]
const SCHEDULES: &[&str] = &[
    "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt",
    "reduce_lr_on_plateau", "cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay", "greedy",
];
/// The optimizers that are AdamW as computed here; they differ from each other by rounding at most.
pub const ADAMW: &[&str] = &["adamw_torch", "adamw_torch_fused", "adamw_hf"];
#[rustfmt::skip]
const OPTIMIZERS: &[&str] = &[
    "adamw_torch", "adamw_torch_fused", "adamw_hf", "adamw_torch_xla", "adamw_torch_npu_fused", "adafactor",
    "adamw_anyprecision", "adamw_torch_4bit", "adamw_torch_8bit", "ademamix", "sgd", "adagrad", "adamw_bnb_8bit",
    "adamw_8bit", "ademamix_8bit", "lion_8bit", "lion_32bit", "paged_adamw_32bit", "paged_adamw_8bit",
    "paged_ademamix_32bit", "paged_ademamix_8bit", "paged_lion_32bit", "paged_lion_8bit", "rmsprop", "rmsprop_bnb",
    "rmsprop_bnb_8bit", "rmsprop_bnb_32bit", "galore_adamw", "galore_adamw_8bit", "galore_adafactor",
    "galore_adamw_layerwise", "galore_adamw_8bit_layerwise", "galore_adafactor_layerwise", "lomo", "adalomo",
    "grokadamw", "schedule_free_radam", "schedule_free_adamw", "schedule_free_sgd", "apollo_adamw",
    "apollo_adamw_layerwise", "stable_adamw",
];

const LOSSES: &[&str] = &["cross_entropy", "focal", "dice"];

const RANKS: &str = "mpirun or srun starts the processes, which talk over MPI";
const FIRST: &str = "the first process alone prints and writes";
const EVALUATION: &str = "evaluation computes as training does: `--bf16` decides";
const FP16: &str = "f16 is used nowhere: `--bf16` decides";
const NO_TRACKER: &str = "logs are files in a folder of the run (`--report_to`), and no service is told of them";
const COMPILED: &str = "the program is compiled already";
const ONE_LOADER: &str = "batches are views of the data in memory, there are no loader processes";

/// The table.
#[rustfmt::skip]
pub const OPTIONS: &[Opt] = &[
    // What a person needs first.
    text_unset("model_name_or_path").needed("the model to start from: a folder, or a name on the hub"),
    text_unset("dataset_name").needed("a data set with its splits: a folder, or a name on the hub"),
    text_unset("train_file").needed("file to train on (json, jsonl, csv, tsv, conll, parquet)"),
    text_unset("validation_file").needed("file to evaluate on"),
    text_unset("test_file").needed("file to predict"),
    text_unset("output_dir").needed("folder for the model, the results and the checkpoints"),
    flag("do_train").needed("fine-tune the model"),
    flag("do_eval").needed("evaluate on the validation split"),
    flag("do_predict").needed("tag the test split and write predictions.txt"),
    float("num_train_epochs", "3.0").needed("passes over the training data; fractions are allowed"),
    float("learning_rate", "5e-5").needed("peak learning rate"),
    int("per_device_train_batch_size", "8").needed("sentences in a micro-batch"),
    int("seed", "42").needed("seed of the head, the dropout and the order of the data"),
    flag("overwrite_output_dir").old().needed("write into a folder that holds another run"),

    // Data and model.
    text("task_name", "ner")
        .data("the default label column is `<task_name>_tags`; `ged` detects errors: figures ged_f0.5 and others, `UNK` left out"),
    text_unset("text_column_name").data("column of the words (default: `tokens`, else the first)"),
    text_unset("label_column_name").data("column of the labels (default: `<task_name>_tags`, else the second)"),
    text_unset("labels").beyond()
        .data("file of the labels in the order of their ids, one a line; with `ged` by default the data's labels.txt"),
    flag("bare_tags").beyond().data("the labels are types alone (PER, O): a run of one type becomes B-PER I-PER …"),
    flag("allow_degenerate_data").beyond()
        .data("train though every word has one label, or every sentence is one word"),
    choice("label_scheme", &LabelScheme::NAMES, "auto").beyond()
        .data("how labels are scored: by a scheme's strict rules, word by word, or (`auto`) as seqeval does by default"),
    choice_unset("decoding", &Decoding::NAMES).beyond()
        .data("labels of evaluation and prediction: each word by itself (`argmax`), or the best legal path (`viterbi`)"),
    text_unset("operating_point").beyond()
        .data("named biases in the model's viterbi_calibration.json, for `--decoding viterbi`"),
    int_unset("shuffle_seed").beyond().data("shuffle the training split first, as datasets' shuffle(seed=N) does"),
    float_unset("validation_size").beyond()
        .data("hold out this many training sentences (below 1, a part) for validation, as datasets' train_test_split does"),
    int_unset("split_seed").beyond().data("seed of the sentences that --validation_size takes (default: --seed)"),
    text_unset("dataset_config_name").data("configuration of the data set"),
    text_unset("dataset_revision").beyond().data("branch, tag or commit of a data set on the hub"),
    int_unset("max_seq_length").data("longest sequence in sub-tokens (default: the model's own limit)"),
    int_unset("max_train_samples").data("keep the first N training sentences"),
    int_unset("max_eval_samples").data("keep the first N validation sentences"),
    int_unset("max_predict_samples").data("keep the first N test sentences"),
    flag("label_all_tokens").data("label a word's later sub-tokens too, not only its first"),
    choice("label_all_tokens_as", &["inside", "repeat"], "inside").beyond()
        .data("with --label_all_tokens, after B-X: `inside` gives I-X, `repeat` B-X again"),
    text_unset("config_name").data("folder or name of another config.json"),
    text_unset("tokenizer_name").data("folder or name of another tokenizer.json"),
    text("model_revision", "main").data("branch, tag or commit of a model on the hub"),
    text_unset("cache_dir").data("where the hub's files are kept (default: as Python's, ~/.cache/huggingface/hub)"),
    text_unset("token").data("the hub's token (default: HF_TOKEN, or what `hf auth login` left)"),
    flag("ignore_mismatched_sizes").data("start with a new head where the checkpoint's has another size"),
    flag("ignore_mismatched_labels").beyond()
        .data("give a head of the right size the data's labels, though the checkpoint's are others"),

    choice_unset("head", &HeadKind::NAMES).beyond()
        .data("labels of words by themselves (`softmax`), or of whole sentences by a chain that is learned (`crf`)"),

    // Training.
    int("max_steps", "-1").training("updates to make, whatever the epochs"),
    int("gradient_accumulation_steps", "1").training("micro-batches an update"),
    int("batch_tokens", "4096").beyond()
        .training("sub-tokens computed at once, at most: a larger micro-batch is cut, which bounds memory, no number changes"),
    float_unset("head_learning_rate").beyond().training("peak learning rate of the head (default: --learning_rate)"),
    float("layer_lr_decay", "1.0").beyond()
        .training("part of the rate above it that each layer has, from the head down to the embeddings"),
    float_unset("dropout").beyond().training("rate of every dropout (default: the configuration's)"),
    choice("lr_scheduler_type", SCHEDULES, "linear").training("how the learning rate moves"),
    dict("lr_scheduler_kwargs").training("the schedule's own parameters"),
    float("warmup_steps", "0").training("updates of linear warm-up; below 1, the part of all updates"),
    float("weight_decay", "0.0").training("decoupled weight decay (not on biases and norms)"),
    float("adam_beta1", "0.9").training("decay of AdamW's first moment"),
    float("adam_beta2", "0.999").training("decay of AdamW's second moment"),
    float("adam_epsilon", "1e-8").training("AdamW's epsilon"),
    float("max_grad_norm", "1.0").training("clip the gradients' global norm; 0 does not clip"),
    float("label_smoothing_factor", "0.0").training("label smoothing"),
    choice("loss", LOSSES, "cross_entropy").beyond().training("loss of a word: cross-entropy, focal loss or dice loss"),
    float_unset("focal_gamma").beyond().training("exponent of the focal loss (default: 2)"),
    float_unset("dice_alpha").beyond().training("exponent of the dice loss (default: 0.01)"),
    text("class_weights", "none").beyond()
        .training("weights of labels: none, inverse, sqrt_inverse, effective:0.999, or a JSON file with a number for each"),
    float_unset("o_weight").beyond().training("weight of the label O (default: that of --class_weights)"),
    text_unset("teacher").beyond().training("a finished model of the same labels, to learn from its probabilities too"),
    float_unset("distill_alpha").beyond().training("part of the loss that is the distance from the teacher (default: 0.5)"),
    float_unset("distill_temperature").beyond().training("temperature of both models' probabilities in it (default: 2)"),
    choice("optim", OPTIMIZERS, "adamw_torch_fused").training("the AdamW spellings; another optimizer is refused"),
    choice("loss_scaling", &["token", "mean-of-means", "sum-of-means"], "token").beyond()
        .training("divide the loss by the update's labels, or as transformers 4, or as 5.23 did"),
    list("freeze").beyond().training("parameters to leave as they are: patterns of names, or `embeddings`"),
    flag_unset("gradient_checkpointing").training("recompute activations in the backward pass: less memory, slower"),
    flag("bf16").training("products of factors rounded to bf16, on a GPU activations too; sums, weights and all else stay f32"),
    flag("fp16").training("the same as --bf16: bf16 has the range of f32, so that no loss is scaled"),
    choice("train_sampling_strategy", SAMPLING, "random").training("order of the training sentences"),
    int_unset("data_seed").training("seed of the order of the data (default: --seed)"),
    flag("dataloader_drop_last").training("leave out an epoch's last, smaller micro-batch (training only)"),
    text_unset("accelerate_config").beyond()
        .training("accelerate's configuration, for its precision and number of processes (start them with mpirun)"),
    text_unset("data_memory").beyond().training(
        "memory for sentences, such as `500MB` or `2GB`; the others lie in a file in the output folder (default: a quarter of what this process may use)",
    ),
    text("device", "auto").beyond().training(
        "where to compute: `auto` (the first GPU that passes its self-test, else the processor), cpu, cuda, cuda:N, emulated",
    ),
    text_unset("cuda_libraries").beyond()
        .training("folder with NVIDIA's libraries, or Python's site-packages with NVIDIA's wheels (default: the system's places)"),
    int_unset("threads").beyond().training("threads to compute with (default: this process's share of the physical cores)"),

    // Evaluation and saving.
    choice("eval_strategy", INTERVALS, "no").saving("when to evaluate during training"),
    float_unset("eval_steps").saving("updates between evaluations (default: --logging_steps); below 1, a part of all"),
    float("eval_delay", "0").saving("epochs or updates before the first evaluation"),
    flag("eval_on_start").saving("evaluate before the first update too"),
    int("per_device_eval_batch_size", "8").saving("sentences in an evaluation batch"),
    flag("return_entity_level_metrics").saving("precision, recall and F1 of each type"),
    flag("detailed_scores").beyond().saving("SemEval's F1, intervals of F1 and numbers of errors by class among the results"),
    flag("prediction_loss_only").saving("evaluate the loss only"),
    choice("save_strategy", SAVE_INTERVALS, "steps").saving("when to write checkpoints"),
    float("save_steps", "500").saving("updates between checkpoints; below 1, a part of all"),
    int_unset("save_total_limit").saving("checkpoints to keep: the newest, and the best"),
    flag("save_only_model").saving("leave out of checkpoints what only resuming needs"),
    flag("load_best_model_at_end").saving("finish with the best checkpoint's weights, not the last's"),
    text_unset("metric_for_best_model").saving("what makes a checkpoint the best (default: loss)"),
    flag_unset("greater_is_better").saving("whether more of it is better (default: unless it ends in `loss`)"),
    int_unset("early_stopping_patience").beyond().saving("stop after N evaluations without improvement"),
    float("early_stopping_threshold", "0").beyond().saving("how much better an improvement has to be"),
    text_unset("resume_from_checkpoint").saving("a checkpoint's folder, or `last`"),

    // Reporting.
    choice("logging_strategy", INTERVALS, "steps").reporting("when to log loss, gradient norm and rate"),
    float("logging_steps", "500").reporting("updates between logs; below 1, a part of all"),
    flag("logging_first_step").reporting("log the first update too"),
    flag_unset("disable_tqdm").reporting("no progress bar"),
    choice("log_level", LEVELS, "passive")
        .reporting("what is said beside results: `warning` for what is lost or left out alone, `error` for nothing"),
    flag("quiet").beyond().reporting("the same as --log_level warning --disable_tqdm"),
    flag("json").beyond().reporting("print the results as one JSON object"),
    flag("html_report").beyond().reporting("write report.html: curves, scores by type, confusion, the worst sentences, settings"),
    text("report_to", "none").reporting("also write the log as `tensorboard`, `csv`, `jsonl`: one, several parted by commas, or `all`"),
    text_unset("logging_dir").old()
        .reporting("folder of these logs (default: TENSORBOARD_LOGGING_DIR, else runs/<date_host> in --output_dir)"),

    // The hub.
    flag("push_to_hub").reporting("upload the finished model, as a private or public repository of yours"),
    text_unset("hub_model_id").reporting("its name there, OWNER/NAME (default: the output folder's name, and you)"),
    text_unset("hub_token").reporting("a token that may write (default: --token)"),
    flag_unset("hub_private_repo").reporting("make it private"),
    choice("hub_strategy", PUSHES, "every_save").reporting("uploads once, at the end: `end` and `every_save`; others are refused"),

    // Other names.
    choice("evaluation_strategy", INTERVALS, "no").old().renamed("eval_strategy"),
    int_unset("per_gpu_train_batch_size").old().renamed("per_device_train_batch_size"),
    int_unset("per_gpu_eval_batch_size").old().renamed("per_device_eval_batch_size"),
    float("warmup_ratio", "0.0").old().translated(warmup_ratio, "warmup_steps below 1"),
    flag("group_by_length").old().translated(group_by_length, "train_sampling_strategy group_by_length"),
    flag("adafactor").old().translated(adafactor, "optim adafactor"),
    flag("no_cuda").old().device(processor),
    flag("use_cpu").device(processor),
    flag("cuda").beyond().device(first_gpu),
    flag("use_cuda").beyond().device(first_gpu),
    flag("use_gpu").beyond().device(first_gpu),
    text_unset("device_map").beyond().device(named),
    list("devices").beyond().device(named),
    list("gpu").beyond().device(numbered),
    list("gpu_ids").beyond().device(numbered),
    list("gpus").beyond().device(counted),
    int_unset("n_gpu").beyond().device(counted),
    int_unset("num_gpus").beyond().device(counted),
    flag_unset("activation_checkpointing").renamed("gradient_checkpointing"),
    dict("activation_checkpointing_kwargs").renamed("gradient_checkpointing_kwargs"),
    text_unset("push_to_hub_model_id").old().renamed("hub_model_id"),
    text_unset("push_to_hub_token").old().renamed("hub_token"),
    int_unset("max_length").beyond().renamed("max_seq_length"),
    int_unset("max_train_steps").beyond().renamed("max_steps"),
    int("num_warmup_steps", "0").beyond().renamed("warmup_steps"),
    flag("with_tracking").beyond().translated(with_tracking, "report_to all"),
    text_unset("checkpointing_steps").beyond().translated(checkpointing_steps, "save_strategy and save_steps"),

    // Accepted without effect: none of these can change a result here.
    flag("fp16_full_eval").no_effect(EVALUATION),
    flag("bf16_full_eval").no_effect(EVALUATION),
    text("fp16_opt_level", "O1").old().no_effect(FP16),
    text("half_precision_backend", "auto").old().no_effect(FP16),
    text("fp16_backend", "auto").old().no_effect(FP16),
    flag_unset("tf32").no_effect("products of f32 factors are f32 on every device; `--bf16` is the fast way"),
    flag("jit_mode_eval").old().no_effect("there is no Python graph to trace"),
    flag("overwrite_cache").no_effect("the data are read and tokenized anew in every run"),
    int_unset("preprocessing_num_workers").no_effect("all threads tokenize"),
    flag("pad_to_max_length").no_effect("nothing is ever padded"),
    flag("use_auth_token").old().no_effect("the token of `hf auth login` is sent anyway, where there is one"),
    flag("trust_remote_code").no_effect("no code of a model or a data set is ever run"),
    text_unset("optim_args").no_effect("AdamW takes its numbers from --adam_beta1, --adam_beta2 and --adam_epsilon"),
    flag_on("average_tokens_across_devices").no_effect("the loss is divided once, by the labels of all processes"),
    dict("gradient_checkpointing_kwargs").no_effect("there is one way to recompute, and it changes no number"),
    flag("use_liger_kernel").no_effect("the kernels are our own"),
    dict("liger_kernel_config").no_effect("the kernels are our own"),
    flag("use_cache").no_effect("an encoder keeps no cache"),
    int_unset("torch_empty_cache_steps").no_effect("no device keeps a cache"),
    flag("auto_find_batch_size").no_effect("the batch size stays what you ask"),
    flag_on("log_on_each_node").no_effect(FIRST),
    flag_on("logging_nan_inf_filter").no_effect("a loss that is not a number is shown as it is"),
    text("include_num_input_tokens_seen", "no").no_effect("the log's keys stay the same"),
    flag("include_tokens_per_second").old().no_effect("the rate is on the progress bar"),
    choice("log_level_replica", LEVELS, "warning").no_effect(FIRST),
    text_unset("run_name").no_effect(NO_TRACKER),
    text("project", "huggingface").no_effect(NO_TRACKER),
    text_unset("trackio_space_id").no_effect(NO_TRACKER),
    flag("torch_compile").no_effect(COMPILED),
    text_unset("torch_compile_backend").no_effect(COMPILED),
    text_unset("torch_compile_mode").no_effect(COMPILED),
    text_unset("torchdynamo").old().no_effect(COMPILED),
    text_unset("trackio_bucket_id").no_effect(NO_TRACKER),
    text_unset("trackio_static_space_id").no_effect(NO_TRACKER),
    flag_on("eval_do_concat_batches").no_effect("predictions are kept as labels, not as padded matrices"),
    flag("eval_use_gather_object").no_effect("every process gets all predictions"),
    int_unset("eval_accumulation_steps").no_effect("only the predicted labels are kept, from the first batch on"),
    list("include_for_metrics").no_effect("the metrics need words and labels only"),
    flag("include_inputs_for_metrics").old().no_effect("the metrics need words and labels only"),
    flag("batch_eval_metrics").no_effect("only the predicted labels are kept"),
    flag("use_legacy_prediction_loop").old().no_effect("there is one prediction loop"),
    flag("save_on_each_node").no_effect(FIRST),
    flag("restore_callback_states_from_checkpoint").no_effect("early stopping resumes where it was"),
    flag("hub_always_push").no_effect("there is one upload, at the end, and it is waited for"),
    flag("full_determinism").no_effect("every run is deterministic"),
    dict("accelerator_config").no_effect(RANKS),
    int("dataloader_num_workers", "0").no_effect(ONE_LOADER),
    flag_on("dataloader_pin_memory").no_effect(ONE_LOADER),
    flag("dataloader_persistent_workers").no_effect(ONE_LOADER),
    int_unset("dataloader_prefetch_factor").no_effect(ONE_LOADER),
    choice_unset("dataloader_multiprocessing_context", STARTS).no_effect(ONE_LOADER),
    flag_on("dataloader_in_order").no_effect(ONE_LOADER),
    flag_on("remove_unused_columns").no_effect("only the columns of words and labels are read"),
    dict("label_weights").beyond().no_effect("a run's file lists with it what --class_weights came to"),
    list("label_names").no_effect("the labels are the label column's"),
    text("length_column_name", "length").no_effect("lengths are counted"),
    flag_unset("ddp_find_unused_parameters").no_effect(RANKS),
    int_unset("ddp_bucket_cap_mb").no_effect(RANKS),
    flag_unset("ddp_broadcast_buffers").no_effect(RANKS),
    flag_unset("ddp_static_graph").no_effect(RANKS),
    int("ddp_timeout", "1800").no_effect(RANKS),
    int("local_rank", "-1").no_effect(RANKS),
    text("ray_scope", "last").old().no_effect("there is no hyper-parameter search"),
    flag_on("skip_memory_metrics").no_effect("memory is said before the first update, not in the results"),

    // Refused: these change results, or cannot be honored.
    float_unset("neftune_noise_alpha").refused("noise on the embeddings changes the model and is not implemented"),
    text_unset("optim_target_modules").refused("only the GaLore and APOLLO optimizers read it, and they are not here"),
    text_unset("hub_revision").refused("an upload goes to the branch `main`"),
    text_unset("push_to_hub_organization").old().refused("say --hub_model_id ORGANIZATION/NAME"),
    flag("enable_jit_checkpoint").refused("no checkpoint is written on a signal; lower --save_steps"),
    flag("ignore_data_skip").refused("a resumed run goes on with the sentence after the last one it learned"),
    list("debug").refused("PyTorch's debug modes do not exist here; for a short run use --max_train_samples"),
    flag_on("save_safetensors").old().refused("weights are written as safetensors only"),
    int("past_index", "-1").old().refused("a token classifier has no memory of the past"),
    text_unset("model_type").beyond().refused("training starts from --model_name_or_path, not from nothing"),

    // Refused: ways of asking for other devices, or for several.
    flag("use_mps_device").old().devices(&[]),
    int_unset("tpu_num_cores").old().devices(&["0"]),
    flag("tpu_metrics_debug").old().devices(&[]),
    choice_unset("ddp_backend", BACKENDS).devices(&["gloo", "mpi"]),
    text_unset("parallelism_config").devices(&[]),
    text_unset("fsdp").devices(&[]),
    dict("fsdp_config").devices(&[]),
    int("fsdp_min_num_params", "0").old().devices(&[]),
    text_unset("fsdp_transformer_layer_cls_to_wrap").old().devices(&[]),
    text("mp_parameters", "").old().devices(&[]),
    dict("deepspeed").devices(&[]),
];

/// A flag that turns GPUs off.
fn processor(value: &str) -> Option<String> {
    Some(if value == "true" { "cpu" } else { "auto" }.into())
}

/// A flag that asks for a GPU.
fn first_gpu(value: &str) -> Option<String> {
    Some(if value == "true" { "cuda" } else { "auto" }.into())
}

/// A device by its name, or a GPU by its number.
fn named(value: &str) -> Option<String> {
    DeviceChoice::named(value).map(|choice| choice.to_string()).or_else(|| numbered(value))
}

/// A GPU by its number; −1 is none, as in spaCy and fairseq.
fn numbered(value: &str) -> Option<String> {
    match value {
        "-1" => Some("cpu".into()),
        number => number.parse::<usize>().ok().map(|number| DeviceChoice::Cuda(Some(number)).to_string()),
    }
}

/// A number of GPUs.
fn counted(value: &str) -> Option<String> {
    match value {
        "0" => Some("cpu".into()),
        "1" => Some("cuda".into()),
        _ => None,
    }
}

fn warmup_ratio(value: &str) -> Option<Vec<(&'static str, String)>> {
    let part: f64 = value.parse().ok()?;
    (0.0..1.0).contains(&part).then(|| vec![("warmup_steps", value.into())])
}

fn group_by_length(value: &str) -> Option<Vec<(&'static str, String)>> {
    let order = if value == "true" { "group_by_length" } else { "random" };
    Some(vec![("train_sampling_strategy", order.into())])
}

fn adafactor(value: &str) -> Option<Vec<(&'static str, String)>> {
    let optimizer = if value == "true" { "adafactor" } else { "adamw_torch_fused" };
    Some(vec![("optim", optimizer.into())])
}

fn with_tracking(value: &str) -> Option<Vec<(&'static str, String)>> {
    let formats = if value == "true" { "all" } else { "none" };
    Some(vec![("report_to", formats.into())])
}

/// `epoch`, or the number of updates between checkpoints.
fn checkpointing_steps(value: &str) -> Option<Vec<(&'static str, String)>> {
    if value == "epoch" {
        return Some(vec![("save_strategy", "epoch".into())]);
    }
    let steps: u64 = value.parse().ok()?;
    Some(vec![("save_strategy", "steps".into()), ("save_steps", steps.to_string())])
}
