//! The names of settings on the command line: the only place that knows how an option of each command is spelled.

use tagsmith_message::{Note, Remedy, Setting, bounded};

/// A command, as far as its options have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `train` and `compare`: the options of run_ner.py.
    Train,
    /// `predict`.
    Predict,
    /// `anonymize`.
    Anonymize,
    /// `check`.
    Check,
    /// `evaluate`.
    Evaluate,
    /// `calibrate`.
    Calibrate,
    /// `serve`.
    Serve,
    /// `download`.
    Download,
    /// `score`.
    Score,
    /// The trainers of span taggers: options, and keys of the JSON file.
    SpanTrainer,
    /// The evaluators of span taggers.
    SpanEvaluator,
    /// `demo`.
    Demo,
    /// All others.
    Other,
}

/// Settings of `train` and `compare`. A setting that is in no table of its command cannot be advised there.
const TRAIN: &[(Setting, &str)] = &[
    (Setting::Head, "head"),
    (Setting::Decoding, "decoding"),
    (Setting::OperatingPoint, "operating_point"),
    (Setting::AllowDegenerateData, "allow_degenerate_data"),
    (Setting::DataMemory, "data_memory"),
    (Setting::DatasetConfigName, "dataset_config_name"),
    (Setting::DatasetName, "dataset_name"),
    (Setting::DatasetRevision, "dataset_revision"),
    (Setting::BareTags, "bare_tags"),
    (Setting::LabelColumn, "label_column_name"),
    (Setting::Labels, "labels"),
    (Setting::LabelScheme, "label_scheme"),
    (Setting::ShuffleSeed, "shuffle_seed"),
    (Setting::Task, "task_name"),
    (Setting::TestFile, "test_file"),
    (Setting::TextColumn, "text_column_name"),
    (Setting::TrainFile, "train_file"),
    (Setting::ValidationFile, "validation_file"),
    (Setting::ValidationSize, "validation_size"),
    (Setting::BatchSize, "per_device_train_batch_size"),
    (Setting::BatchTokens, "batch_tokens"),
    (Setting::DoEval, "do_eval"),
    (Setting::DoTrain, "do_train"),
    (Setting::DropLast, "dataloader_drop_last"),
    (Setting::EvalStrategy, "eval_strategy"),
    (Setting::Freeze, "freeze"),
    (Setting::GradientCheckpointing, "gradient_checkpointing"),
    (Setting::IgnoreMismatchedLabels, "ignore_mismatched_labels"),
    (Setting::IgnoreMismatchedSizes, "ignore_mismatched_sizes"),
    (Setting::LearningRate, "learning_rate"),
    (Setting::OutsideWeight, "o_weight"),
    (Setting::MaxSeqLength, "max_seq_length"),
    (Setting::Metric, "metric_for_best_model"),
    (Setting::Resume, "resume_from_checkpoint"),
    (Setting::SaveSteps, "save_steps"),
    (Setting::SaveStrategy, "save_strategy"),
    (Setting::WarmupSteps, "warmup_steps"),
    (Setting::OutputDir, "output_dir"),
    (Setting::OverwriteOutput, "overwrite_output_dir"),
    (Setting::HubModelId, "hub_model_id"),
    (Setting::HubToken, "hub_token"),
    (Setting::ModelRevision, "model_revision"),
    (Setting::PushToHub, "push_to_hub"),
    (Setting::Token, "token"),
    (Setting::CudaLibraries, "cuda_libraries"),
    (Setting::Device, "device"),
    (Setting::Threads, "threads"),
];

/// Settings of every command that loads a tagger.
const TAGGER: &[(Setting, &str)] = &[
    (Setting::OperatingPoint, "operating-point"),
    (Setting::Temperature, "temperature"),
    (Setting::BatchTokens, "batch-tokens"),
    (Setting::CudaLibraries, "cuda-libraries"),
    (Setting::Decoding, "decoding"),
    (Setting::Device, "device"),
    (Setting::Labels, "labels"),
    (Setting::LabelScheme, "label-scheme"),
    (Setting::MaxSeqLength, "max-seq-length"),
    (Setting::ModelRevision, "model-revision"),
    (Setting::Threads, "threads"),
    (Setting::Threshold, "threshold"),
    (Setting::Token, "token"),
];

const PREDICT: &[(Setting, &str)] = &[
    (Setting::AbstainBelow, "abstain-below"),
    (Setting::AggregationStrategy, "aggregation-strategy"),
    (Setting::InputFormat, "input-format"),
    (Setting::Output, "output"),
    (Setting::OutputDir, "output-dir"),
    (Setting::OutputFormat, "output-format"),
    (Setting::TextColumn, "text-column"),
];

const ANONYMIZE: &[(Setting, &str)] = &[
    (Setting::AggregationStrategy, "aggregation-strategy"),
    (Setting::InputFormat, "input-format"),
    (Setting::Output, "output"),
    (Setting::OutputFormat, "output-format"),
    (Setting::TextColumn, "text-column"),
];

const CHECK: &[(Setting, &str)] =
    &[(Setting::Fix, "fix"), (Setting::Labels, "labels"), (Setting::Output, "output"), (Setting::Token, "token")];

const SERVE: &[(Setting, &str)] = &[(Setting::AggregationStrategy, "aggregation-strategy")];

const EVALUATE: &[(Setting, &str)] = &[
    (Setting::Confidence, "confidence"),
    (Setting::GoldColumn, "gold-column"),
    (Setting::GoldFormat, "gold-format"),
    (Setting::KnownFile, "train"),
    (Setting::Mode, "mode"),
    (Setting::Parity, "parity"),
    (Setting::Suffix, "suffix"),
    (Setting::Unit, "unit"),
    (Setting::ZeroDivision, "zero-division"),
];

const CALIBRATE: &[(Setting, &str)] = &[
    (Setting::BatchTokens, "batch-tokens"),
    (Setting::CudaLibraries, "cuda-libraries"),
    (Setting::Device, "device"),
    (Setting::GoldColumn, "gold-column"),
    (Setting::GoldFormat, "gold-format"),
    (Setting::LabelScheme, "label-scheme"),
    (Setting::MaxSeqLength, "max-seq-length"),
    (Setting::Threads, "threads"),
];

const DOWNLOAD: &[(Setting, &str)] = &[(Setting::ModelRevision, "model-revision"), (Setting::Token, "token")];

const SCORE: &[(Setting, &str)] = &[
    (Setting::Confidence, "confidence"),
    (Setting::GoldColumn, "gold-column"),
    (Setting::GoldFormat, "gold-format"),
    (Setting::KnownFile, "train"),
    (Setting::Labels, "labels"),
    (Setting::LabelScheme, "label-scheme"),
    (Setting::Mode, "mode"),
    (Setting::Parity, "parity"),
    (Setting::PredColumn, "pred-column"),
    (Setting::PredFormat, "pred-format"),
    (Setting::Suffix, "suffix"),
    (Setting::Unit, "unit"),
    (Setting::ZeroDivision, "zero-division"),
];

/// Keys of a span trainer's file, and its options.
const SPAN_TRAINER: &[(Setting, &str)] = &[
    (Setting::BatchSize, "per_device_train_batch_size"),
    (Setting::BatchTokens, "batch_tokens"),
    (Setting::DoEval, "do_eval"),
    (Setting::DoTrain, "do_train"),
    (Setting::DropLast, "dataloader_drop_last"),
    (Setting::EvalStrategy, "eval_strategy"),
    (Setting::GradientCheckpointing, "gradient_checkpointing"),
    (Setting::LearningRate, "learning_rate"),
    (Setting::MaxSeqLength, "max_seq_length"),
    (Setting::Metric, "metric_for_best_model"),
    (Setting::OutputDir, "output_dir"),
    (Setting::SaveSteps, "save_steps"),
    (Setting::SaveStrategy, "save_strategy"),
    (Setting::TestFile, "test_file"),
    (Setting::Threshold, "prediction_threshold"),
    (Setting::TrainFile, "train_file"),
    (Setting::ValidationFile, "validation_file"),
    (Setting::WarmupSteps, "warmup_steps"),
    (Setting::CudaLibraries, "cuda_libraries"),
    (Setting::Decoding, "decoding"),
    (Setting::Device, "device"),
    (Setting::LabelScheme, "label_scheme"),
    (Setting::Resume, "resume"),
    (Setting::Threads, "threads"),
    (Setting::Token, "token"),
];

/// Settings of span trainers that are options, not keys.
const SPAN_OPTIONS: [Setting; 7] = [
    Setting::CudaLibraries,
    Setting::Decoding,
    Setting::Device,
    Setting::LabelScheme,
    Setting::Resume,
    Setting::Threads,
    Setting::Token,
];

const SPAN_EVALUATOR: &[(Setting, &str)] = &[
    (Setting::CudaLibraries, "cuda_libraries"),
    (Setting::Decoding, "decoding"),
    (Setting::Device, "device"),
    (Setting::EvaluationFormat, "evaluation_format"),
    (Setting::LabelScheme, "label_scheme"),
    (Setting::OutputDir, "output_dir"),
    (Setting::TestFile, "evaluation_file"),
    (Setting::Threads, "threads"),
    (Setting::Threshold, "threshold"),
    (Setting::Token, "token"),
    (Setting::ValidationFile, "validation_file"),
];

const DEMO: &[(Setting, &str)] = &[(Setting::OutputDir, "output_dir"), (Setting::Threads, "threads")];

impl Dialect {
    /// Returns the dialect of a command.
    pub fn of(command: &str) -> Dialect {
        match command {
            "train" | "run_ner_no_trainer" | "compare" => Dialect::Train,
            "predict" => Dialect::Predict,
            "anonymize" => Dialect::Anonymize,
            "check" => Dialect::Check,
            "evaluate" => Dialect::Evaluate,
            "calibrate" => Dialect::Calibrate,
            "serve" => Dialect::Serve,
            "download" => Dialect::Download,
            "score" => Dialect::Score,
            "demo" => Dialect::Demo,
            name if name.starts_with("evaluate") => Dialect::SpanEvaluator,
            name if name.starts_with("train") => Dialect::SpanTrainer,
            _ => Dialect::Other,
        }
    }

    /// Returns what the caller can do, as a clause: `` pass `--label_column_name` ``. What this command cannot do is
    /// left out.
    fn clause(self, remedy: &Remedy, spell: Spell<'_>) -> Option<String> {
        let remedy = remedy.within(&|setting| self.name(setting).is_some())?;
        Some(remedy.clause(&|setting, value| match self.is_key(setting) {
            true => self.key(setting, value),
            false => spell(self.name(setting).expect("a remedy within the settings of this command"), value),
        }))
    }

    /// Returns a note with its remedy.
    pub fn note(self, note: &Note) -> String {
        self.note_by(note, &option)
    }

    /// Returns a note with its remedy, whose options `spell` spells.
    pub fn note_by(self, note: &Note, spell: Spell<'_>) -> String {
        let text = match note.remedy.as_ref().and_then(|remedy| self.clause(remedy, spell)) {
            None => note.to_string(),
            Some(clause) => format!("{note}: {clause}"),
        };
        bounded(&text).into_owned()
    }

    /// Returns an error with its causes and what the caller can do about it.
    pub fn error(self, error: &anyhow::Error) -> String {
        self.error_by(error, &option)
    }

    /// Returns an error with its causes and what the caller can do about it; `spell` spells options.
    pub fn error_by(self, error: &anyhow::Error, spell: Spell<'_>) -> String {
        let causes = causes(error);
        let text = match tagsmith_app::error::remedy(error).and_then(|remedy| self.clause(&remedy, spell)) {
            None => causes,
            Some(clause) => format!("{causes}: {clause}"),
        };
        bounded(&text).into_owned()
    }

    /// Returns a setting with a value as one types it, if this command has the setting as an option.
    pub fn typed(self, setting: Setting, value: &str) -> Option<String> {
        let name = self.name(setting).filter(|_| !self.is_key(setting))?;
        // A span trainer's is a flag.
        let is_flag = self == Dialect::SpanTrainer && setting == Setting::Resume;
        Some(if is_flag { format!("--{name}") } else { format!("--{name} {value}") })
    }

    /// Returns a key of a span trainer's JSON file, with a value where there is one.
    fn key(self, setting: Setting, value: Option<&str>) -> String {
        let name = self.name(setting).expect("a key of the file");
        value.map_or_else(|| format!("`{name}`"), |value| format!("`{name}: {value}`"))
    }

    /// Returns whether the setting is a key of a span trainer's JSON file.
    fn is_key(self, setting: Setting) -> bool {
        self == Dialect::SpanTrainer && !SPAN_OPTIONS.contains(&setting)
    }

    /// Returns the setting's name without hyphens before it; none where this command does not have it.
    fn name(self, setting: Setting) -> Option<&'static str> {
        let shared = if self.loads_a_tagger() { TAGGER } else { &[] };
        self.settings().iter().chain(shared).find(|(known, _)| *known == setting).map(|&(_, name)| name)
    }

    /// Returns whether the command has the settings of [`TAGGER`].
    fn loads_a_tagger(self) -> bool {
        matches!(self, Dialect::Predict | Dialect::Anonymize | Dialect::Evaluate | Dialect::Serve)
    }

    /// Returns the settings that the command has beside those.
    fn settings(self) -> &'static [(Setting, &'static str)] {
        match self {
            Dialect::Train => TRAIN,
            Dialect::Predict => PREDICT,
            Dialect::Anonymize => ANONYMIZE,
            Dialect::Check => CHECK,
            Dialect::Evaluate => EVALUATE,
            Dialect::Calibrate => CALIBRATE,
            Dialect::Serve => SERVE,
            Dialect::Download => DOWNLOAD,
            Dialect::Score => SCORE,
            Dialect::SpanTrainer => SPAN_TRAINER,
            Dialect::SpanEvaluator => SPAN_EVALUATOR,
            Dialect::Demo => DEMO,
            Dialect::Other => &[],
        }
    }
}

/// Spells an option, given its name and a value where there is one.
pub type Spell<'a> = &'a dyn Fn(&str, Option<&str>) -> String;

/// Spells an option of the command line.
fn option(name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| format!("`--{name}`"), |value| format!("`--{name} {value}`"))
}

/// Returns an error with its causes. A cause that begins as the error before it (both name the file) stands for both.
fn causes(error: &anyhow::Error) -> String {
    let mut shown: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if let Some(before) = shown.last()
            && cause.starts_with(before.trim_matches('`'))
        {
            shown.pop();
        }
        shown.push(cause);
    }
    shown.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::program::RUN_NER;
    use crate::command;
    use anyhow::anyhow;
    use tagsmith_spans::config::keys::KEYS;

    /// The commands of each dialect.
    const COMMANDS: &[(Dialect, &[&str])] = &[
        (Dialect::Train, &["train", "run_ner_no_trainer", "compare"]),
        (Dialect::Predict, &["predict"]),
        (Dialect::Anonymize, &["anonymize"]),
        (Dialect::Check, &["check"]),
        (Dialect::Evaluate, &["evaluate"]),
        (Dialect::Calibrate, &["calibrate"]),
        #[cfg(feature = "serve")]
        (Dialect::Serve, &["serve"]),
        (Dialect::Download, &["download"]),
        (Dialect::Score, &["score"]),
        (
            Dialect::SpanTrainer,
            &[
                "train_bi_encoder",
                "train_bi_encoder_contrastive",
                "train_cross_encoder",
                "train_cross_encoder_contrastive",
                "train_spans",
            ],
        ),
        (Dialect::SpanEvaluator, &["evaluate_bi_encoder", "evaluate_cross_encoder"]),
        (Dialect::Demo, &["demo"]),
    ];

    /// Whether a command takes this option, or this key of its file.
    fn takes(name: &str, option: &str, is_key: bool) -> bool {
        if Dialect::of(name) == Dialect::Train {
            return RUN_NER.options().any(|known| known.name == option);
        }
        let command = command();
        let command = command.find_subcommand(name).expect("the command is there");
        match is_key {
            true => KEYS.iter().any(|(known, ..)| *known == option),
            false => command.get_arguments().any(|arg| arg.get_long() == Some(option)),
        }
    }

    #[test]
    fn no_command_advises_an_option_that_it_does_not_have() {
        for &(dialect, names) in COMMANDS {
            for name in names {
                assert_eq!(Dialect::of(name), dialect);
                for &setting in Setting::ALL {
                    let Some(option) = dialect.name(setting) else {
                        let note = Note::once("x").with_remedy(Remedy::set(setting));
                        assert_eq!(dialect.note(&note), "x", "{name} {setting:?}");
                        continue;
                    };
                    assert!(takes(name, option, dialect.is_key(setting)), "`{name}` has no `{option}`");
                }
            }
        }
        // Every command is in the table, but those that take no advice.
        for command in command()
            .get_subcommands()
            .filter(|command| !["accelerate", "completions", "env", "man", "shims"].contains(&command.get_name()))
        {
            let name = command.get_name();
            assert!(COMMANDS.iter().any(|(_, names)| names.contains(&name)), "{name}");
        }
    }

    #[test]
    fn a_file_is_named_once() {
        let error = anyhow!("m/config.json: No such file or directory").context("m");
        assert_eq!(Dialect::Train.error(&error), "m/config.json: No such file or directory");
        let error = anyhow!("it is empty").context("m/config.json").context("the run `a`");
        assert_eq!(Dialect::Train.error(&error), "the run `a`: m/config.json: it is empty");
    }
}
