//! The programs whose command lines are read: run_ner.py, and run_ner_no_trainer.py with other defaults.

use super::option::{Opt, flag};
use super::table::OPTIONS;
use super::value::Value;

/// A program, as far as its options differ from those of run_ner.py.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The command's name.
    pub name: &'static str,
    /// What its help says first.
    pub about: &'static str,
    /// The program's own defaults, as one would type them.
    preset: &'static [(&'static str, &'static str)],
    /// Rows in the place of those of the table.
    own: &'static [Opt],
}

/// `tagsmith train`.
pub const RUN_NER: Program = Program {
    name: "train",
    about: "Fine-tune, evaluate and run a token classifier, with the options of run_ner.py (transformers 4 and 5).",
    preset: &[],
    own: &[],
};

/// `tagsmith run_ner_no_trainer`.
pub const WITHOUT_TRAINER: Program = Program {
    name: "run_ner_no_trainer",
    about: "Fine-tune and evaluate a token classifier as run_ner_no_trainer.py does: `tagsmith train` with its defaults.",
    preset: &[
        ("do_train", "true"),
        ("do_eval", "true"),
        ("max_seq_length", "128"),
        ("max_grad_norm", "0"),
        ("eval_strategy", "epoch"),
        ("save_strategy", "no"),
    ],
    own: &[flag("debug").beyond().translated(debug, "max_train_samples 100, and as many of each other split")],
};

/// The script's `--debug` keeps the first 100 sentences of each split.
fn debug(value: &str) -> Option<Vec<(&'static str, String)>> {
    let splits =
        if value == "true" { &["max_train_samples", "max_eval_samples", "max_predict_samples"][..] } else { &[] };
    Some(splits.iter().map(|&split| (split, "100".to_owned())).collect())
}

impl Program {
    /// Returns the rows of all options.
    pub fn options(&self) -> impl Iterator<Item = &'static Opt> {
        let own = self.own;
        OPTIONS.iter().map(move |option| own.iter().find(|it| it.name == option.name).unwrap_or(option))
    }

    /// Returns an option's default as one would type it.
    pub fn default(&self, option: &Opt) -> Option<&'static str> {
        let preset = self.preset.iter().find(|(name, _)| *name == option.name);
        preset.map(|&(_, word)| word).or(option.default)
    }

    /// Returns an option's default.
    pub fn default_value(&self, option: &Opt) -> Option<Value> {
        self.default(option).map(|word| Value::of_default(option, word))
    }

    /// Returns the defaults that are not run_ner.py's, as words of a command line.
    pub fn preset_words(&self) -> String {
        let word = |&(name, value): &(&str, &str)| match value {
            "true" => format!("--{name}"),
            value => format!("--{name} {value}"),
        };
        self.preset.iter().map(word).collect::<Vec<_>>().join(" ")
    }
}
