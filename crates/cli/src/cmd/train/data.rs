//! The splits of a run: where they come from, what was found, what the model will see of them.

use super::labelling::Labelling;
use super::say;
use crate::args::{DataArgs, TrainArgs};
use crate::cmd::train::hold_out::{self, HeldOut};
use anyhow::{Context, anyhow, bail};
use std::fmt::Write;
use tagsmith_data::dataset;
use tagsmith_data::split_builder::ReadOptions;
use tagsmith_hub::Hub;
use tagsmith_text::align::{AlignOptions, Example, IGNORE, LabelAll, align};
use tagsmith_text::labels::LabelSet;
use tagsmith_text::sentence::{Split, TagKind};
use tagsmith_text::tokenizer::Tokenizer;

/// What was found; splits that nothing needs are read for their labels.
#[derive(Default)]
pub struct Data {
    pub train: Option<Split>,
    pub validation: Option<Split>,
    pub test: Option<Split>,
    pub labelling: Labelling,
}

impl Data {
    /// Reads the splits and says what they are.
    pub fn load(args: &TrainArgs, hub: &Hub) -> anyhow::Result<Data> {
        let labelling = Labelling::of(args)?;
        let options = ReadOptions {
            text_column: args.data.text_column_name.clone(),
            label_column: args.data.label_column_name.clone(),
            task: args.data.task_name.clone(),
            missing_label: labelling.missing_label(),
        };
        let mut data = match &args.data.dataset_name {
            Some(name) => Data::named(name, args, hub, &options)?,
            None => {
                let read = |file: &Option<String>| {
                    file.as_ref().map(|file| dataset::load_files(std::slice::from_ref(file), &options)).transpose()
                };
                Data {
                    train: read(&args.data.train_file)?,
                    validation: read(&args.data.validation_file)?,
                    test: read(&args.data.test_file)?,
                    ..Data::default()
                }
            }
        };
        for split in [&mut data.train, &mut data.validation, &mut data.test].into_iter().flatten() {
            labelling.prepare(split)?;
        }
        data.labelling = labelling;
        data.divide(args)?;
        for (name, split) in data.splits() {
            say(describe(name, split));
            split.notes.iter().for_each(|note| say(format!("{name}: {note}")));
        }
        data.check(args)?;
        Ok(data)
    }

    fn named(name: &str, args: &TrainArgs, hub: &Hub, options: &ReadOptions) -> anyhow::Result<Data> {
        for (flag, file) in [
            ("train_file", &args.data.train_file),
            ("validation_file", &args.data.validation_file),
            ("test_file", &args.data.test_file),
        ] {
            if file.is_some() {
                say(format!("`--{flag}` is left aside, for `--dataset_name` is given too"));
            }
        }
        let DataArgs { dataset_config_name, dataset_revision, .. } = &args.data;
        let mut splits =
            dataset::load(hub, name, dataset_config_name.as_deref(), dataset_revision.as_deref(), options)?;
        let data = Data {
            train: splits.remove("train"),
            validation: splits.remove("validation"),
            test: splits.remove("test"),
            ..Data::default()
        };
        for name in splits.keys() {
            say(format!("the split `{name}` is not used: only train, validation and test are"));
        }
        Ok(data)
    }

    /// Shuffles the training split and holds a part of it out, where that was asked for.
    fn divide(&mut self, args: &TrainArgs) -> anyhow::Result<()> {
        let (shuffle_seed, size) = (args.data.shuffle_seed, args.data.validation_size);
        if shuffle_seed.is_none() && size.is_none() {
            return Ok(());
        }
        let Some(train) = &mut self.train else {
            bail!(
                "`--shuffle_seed` and `--validation_size` are about the training split, and there is none: drop them"
            );
        };
        if let Some(seed) = shuffle_seed {
            hold_out::shuffle(train, seed);
            say(format!("train: shuffled as datasets' shuffle(seed={seed}) does"));
        }
        if let Some(size) = size {
            if let Some(validation) = &self.validation {
                bail!(
                    "`--validation_size` makes a validation split, and there is one, {}: drop either",
                    validation.source
                );
            }
            let seed = args.data.split_seed;
            let held_out = hold_out::hold_out(train, HeldOut { size, seed })?;
            let sentences = held_out.sentences.len();
            say(format!(
                "validation: {sentences} sentences held out of train, as datasets' train_test_split(seed={seed}) does"
            ));
            self.validation = Some(held_out);
        }
        Ok(())
    }

    fn splits(&self) -> impl Iterator<Item = (&'static str, &Split)> {
        [("train", &self.train), ("validation", &self.validation), ("test", &self.test)]
            .into_iter()
            .filter_map(|(name, split)| Some((name, split.as_ref()?)))
    }

    /// Each thing to do has its split, with labels and at least one sentence.
    fn check(&self, args: &TrainArgs) -> anyhow::Result<()> {
        for (asked, flag, name, split) in [
            (args.do_train, "--do_train", "train", &self.train),
            (args.do_eval, "--do_eval", "validation", &self.validation),
            (args.do_predict, "--do_predict", "test", &self.test),
        ] {
            if !asked {
                continue;
            }
            let Some(split) = split else {
                let found: Vec<_> = self.splits().map(|(name, _)| name).collect();
                let found = if found.is_empty() { "no split that is used".into() } else { found.join(", ") };
                bail!("`{flag}` needs a {name} split, and the data set has {found}: add one, or pass files instead");
            };
            if split.tag_kind == TagKind::Absent && name != "test" {
                bail!(
                    "{}: there is no label column, and `{flag}` needs labels: name it with `--label_column_name`",
                    split.source
                );
            }
            if split.sentences.is_empty() {
                bail!("{}: there is no sentence", split.source);
            }
        }
        Ok(())
    }

    /// Whether no split has a label column.
    pub fn is_unlabelled(&self) -> bool {
        self.splits().all(|(_, split)| split.tag_kind == TagKind::Absent)
    }

    /// The labels of the run, those of train first where no list says otherwise.
    pub fn labels(&self) -> anyhow::Result<LabelSet> {
        let others: Vec<&Split> = [&self.validation, &self.test].into_iter().flatten().collect();
        self.labelling.labels(self.train.as_ref(), &others)
    }

    /// Keeps the first sentences of each split, where that was asked for.
    pub fn cut(&mut self, args: &TrainArgs) {
        for (name, split, most) in [
            ("train", &mut self.train, args.data.max_train_samples),
            ("validation", &mut self.validation, args.data.max_eval_samples),
            ("test", &mut self.test, args.data.max_predict_samples),
        ] {
            if let (Some(split), Some(most)) = (split, most)
                && split.sentences.len() > most
            {
                say(format!("{name}: the first {most} of {} sentences are kept", split.sentences.len()));
                split.sentences.truncate(most);
            }
        }
    }
}

fn describe(name: &str, split: &Split) -> String {
    let words: usize = split.sentences.iter().map(|sentence| sentence.words.len()).sum();
    let columns = &split.columns;
    let mut line = format!(
        "{name}: {}: {} sentences, {words} words from the column `{}`",
        split.source,
        split.sentences.len(),
        columns.text
    );
    let kind = match split.tag_kind {
        TagKind::Absent => "",
        TagKind::Strings => "strings",
        TagKind::ClassLabel => "integers with names",
        TagKind::Integers => "integers without names",
    };
    match &columns.label {
        Some(label) => write!(line, ", labels from `{label}` ({kind})").expect("a string takes all"),
        None => line.push_str(", no labels"),
    }
    let others: Vec<_> =
        columns.all.iter().filter(|name| **name != columns.text && Some(*name) != columns.label.as_ref()).collect();
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(|name| format!("`{name}`")).collect();
        write!(line, "; not read: {}", names.join(", ")).expect("a string takes all");
    }
    line
}

/// How words become pieces and labels, the same for all splits of a run.
pub struct Alignment<'a> {
    pub tokenizer: &'a Tokenizer,
    pub labels: &'a LabelSet,
    /// In pieces, special ones included.
    pub max_length: usize,
    pub label_all: LabelAll,
    /// The label whose words are not counted.
    pub uncounted: Option<&'static str>,
    /// Rows of the model's token table.
    pub vocab_size: usize,
    /// Rows of its token-type table; 0 if it has none.
    pub type_vocab_size: usize,
    /// Threads that tokenize.
    pub threads: usize,
}

impl Alignment<'_> {
    /// The split's examples; a longer sentence is truncated, and that is said.
    pub fn examples(&self, name: &str, split: &Split) -> anyhow::Result<Vec<Example>> {
        let ids = self.labels.ids_without(split, self.uncounted)?;
        let options = AlignOptions { max_length: Some(self.max_length), label_all: self.label_all, stride: None };
        let aligned = align(self.tokenizer, split, self.labels, &ids, options, self.threads)
            .with_context(|| format!("the {name} split cannot be tokenized"))?;
        aligned.notes.iter().for_each(|note| say(format!("{name}: {note}")));
        self.check_tables(split, &aligned.examples)?;
        Ok(aligned.examples)
    }

    /// A tokenizer of another checkpoint gives ids that the model has no row for.
    fn check_tables(&self, split: &Split, examples: &[Example]) -> anyhow::Result<()> {
        let beyond = |ids: &[u32], rows: usize| ids.iter().copied().find(|&id| id as usize >= rows);
        for example in examples {
            let line = split.sentences[example.sentence as usize].line;
            let refuse = |what: &str, id: u32, rows: usize| {
                let place = format!("{}:{line}", split.source);
                anyhow!(
                    "{place}: the tokenizer gives {what} {id} but the model has {rows}: they are not of one checkpoint"
                )
            };
            if let Some(id) = beyond(&example.ids, self.vocab_size) {
                return Err(refuse("token id", id, self.vocab_size));
            }
            if let Some(id) = beyond(&example.types, self.type_vocab_size).filter(|_| self.type_vocab_size > 0) {
                return Err(refuse("token type", id, self.type_vocab_size));
            }
        }
        Ok(())
    }

    /// The beginning of the first example, as a person reads it.
    pub fn show_first(&self, split: &Split, examples: &[Example]) -> String {
        const WORDS_SHOWN: usize = 12;
        let (words, example) = (&split.sentences[0].words, &examples[0]);
        let show = |(number, word): (usize, &String)| {
            let is_its = |of: &&Option<u32>| **of == Some(number as u32);
            let pieces = example.words.iter().filter(is_its).count();
            let first = example.words.iter().position(|of| is_its(&of));
            let label = first.map(|at| example.labels[at]).filter(|&label| label != IGNORE);
            let label = label.map_or("–", |label| self.labels.names()[label as usize].as_str());
            format!("{word}·{pieces}/{label}")
        };
        let mut shown: Vec<String> = words.iter().take(WORDS_SHOWN).enumerate().map(show).collect();
        if words.len() > WORDS_SHOWN {
            shown.push("…".into());
        }
        format!("the first sentence, as word·pieces/label: {}", shown.join(" "))
    }
}
