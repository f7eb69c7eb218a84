//! The names of settings on the command line: the only place that knows how an option of each command is spelled.

use tagsmith_message::{Note, Remedy, Setting};

/// A command, as far as its options have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `train` and `compare`: the options of run_ner.py.
    Train,
    /// `predict`.
    Predict,
    /// `score`.
    Score,
    /// The trainers of span taggers: options, and keys of the JSON file.
    SpanTrainer,
    /// The evaluators of span taggers.
    SpanEvaluator,
    /// All others.
    Other,
}

impl Dialect {
    /// Returns the dialect of a command.
    pub fn of(command: &str) -> Dialect {
        match command {
            "train" | "run_ner_no_trainer" | "compare" => Dialect::Train,
            "predict" => Dialect::Predict,
            "score" => Dialect::Score,
            name if name.starts_with("evaluate") => Dialect::SpanEvaluator,
            name if name.starts_with("train") => Dialect::SpanTrainer,
            _ => Dialect::Other,
        }
    }

    /// Returns what the caller can do, as a clause: `` pass `--label_column_name` ``.
    fn clause(self, remedy: &Remedy) -> String {
        remedy.clause(&|setting, value| self.spelled(setting, value))
    }

    /// Returns a note with its remedy.
    pub fn note(self, note: &Note) -> String {
        match &note.remedy {
            None => note.to_string(),
            Some(remedy) => format!("{note}: {}", self.clause(remedy)),
        }
    }

    /// Returns an error with its causes and what the caller can do about it.
    pub fn error(self, error: &anyhow::Error) -> String {
        match tagsmith_app::error::remedy(error) {
            None => format!("{error:#}"),
            Some(remedy) => format!("{error:#}: {}", self.clause(&remedy)),
        }
    }

    /// Returns a setting as this command spells it, with a value where there is one.
    fn spelled(self, setting: Setting, value: Option<&str>) -> String {
        let name = self.name(setting);
        match (self.is_key(setting), value) {
            (true, None) => format!("`{name}`"),
            (true, Some(value)) => format!("`{name}: {value}`"),
            (false, None) => format!("`--{name}`"),
            (false, Some(value)) => format!("`--{name} {value}`"),
        }
    }

    /// Returns whether the setting is a key of a span trainer's JSON file.
    fn is_key(self, setting: Setting) -> bool {
        const OPTIONS: [Setting; 4] = [Setting::Decoding, Setting::LabelScheme, Setting::Resume, Setting::Token];
        self == Dialect::SpanTrainer && !OPTIONS.contains(&setting)
    }

    /// Returns the setting's name without hyphens before it.
    fn name(self, setting: Setting) -> &'static str {
        match (setting, self) {
            (Setting::AggregationStrategy, _) => "aggregation-strategy",
            (Setting::DatasetConfigName, _) => "dataset_config_name",
            (Setting::DatasetName, _) => "dataset_name",
            (Setting::DatasetRevision, _) => "dataset_revision",
            (Setting::GoldColumn, _) => "gold-column",
            (Setting::GoldFormat, _) => "gold-format",
            (Setting::InputFormat, _) => "input-format",
            (Setting::LabelColumn, _) => "label_column_name",
            (Setting::BareTags, _) => "bare_tags",
            (Setting::LabelScheme, Dialect::Score | Dialect::Predict) => "label-scheme",
            (Setting::LabelScheme, _) => "label_scheme",
            (Setting::Labels, _) => "labels",
            (Setting::PredColumn, _) => "pred-column",
            (Setting::PredFormat, _) => "pred-format",
            (Setting::ShuffleSeed, _) => "shuffle_seed",
            (Setting::Suffix, _) => "suffix",
            (Setting::Task, _) => "task_name",
            (Setting::TestFile, _) => "test_file",
            (Setting::TextColumn, Dialect::Predict) => "text-column",
            (Setting::TextColumn, _) => "text_column_name",
            (Setting::TrainFile, _) => "train_file",
            (Setting::ValidationFile, _) => "validation_file",
            (Setting::ValidationSize, _) => "validation_size",

            (Setting::BatchSize, _) => "per_device_train_batch_size",
            (Setting::BatchTokens, Dialect::Predict) => "batch-tokens",
            (Setting::BatchTokens, _) => "batch_tokens",
            (Setting::DoTrain, _) => "do_train",
            (Setting::DropLast, _) => "dataloader_drop_last",
            (Setting::EvalStrategy, _) => "eval_strategy",
            (Setting::Freeze, _) => "freeze",
            (Setting::GradientCheckpointing, _) => "gradient_checkpointing",
            (Setting::IgnoreMismatchedLabels, _) => "ignore_mismatched_labels",
            (Setting::IgnoreMismatchedSizes, _) => "ignore_mismatched_sizes",
            (Setting::LearningRate, _) => "learning_rate",
            (Setting::MaxSeqLength, Dialect::Predict) => "max-seq-length",
            (Setting::MaxSeqLength, _) => "max_seq_length",
            (Setting::Metric, _) => "metric_for_best_model",
            (Setting::Resume, Dialect::SpanTrainer) => "resume",
            (Setting::Resume, _) => "resume_from_checkpoint",
            (Setting::SaveSteps, _) => "save_steps",
            (Setting::SaveStrategy, _) => "save_strategy",
            (Setting::WarmupSteps, _) => "warmup_steps",

            (Setting::Decoding, _) => "decoding",
            (Setting::EvaluationFormat, _) => "evaluation_format",
            (Setting::Mode, _) => "mode",
            (Setting::Threshold, _) => "threshold",
            (Setting::ZeroDivision, _) => "zero-division",

            (Setting::Output, _) => "output",
            (Setting::OutputDir, Dialect::Predict) => "output-dir",
            (Setting::OutputDir, _) => "output_dir",
            (Setting::OutputFormat, _) => "output-format",
            (Setting::OverwriteOutput, _) => "overwrite_output_dir",

            (Setting::HubModelId, _) => "hub_model_id",
            (Setting::HubToken, _) => "hub_token",
            (Setting::ModelRevision, Dialect::Predict) => "model-revision",
            (Setting::ModelRevision, _) => "model_revision",
            (Setting::PushToHub, _) => "push_to_hub",
            (Setting::Token, _) => "token",
        }
    }
}
