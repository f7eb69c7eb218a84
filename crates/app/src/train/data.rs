//! The splits of a run: where they come from, what they hold, and what the model will see of them.

use super::check::{Checked, check_splits};
use super::hold_out::{self, HeldOut};
use super::labeling::Labeling;
use super::{options, reading};
use crate::error::refusal;
use crate::events::Events;
use crate::options::{DataArgs, TaskArgs};
use anyhow::{Context, bail};
use std::collections::HashSet;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use tagsmith_data::{Meter, ReadOptions};
use tagsmith_files::records::Room;
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting, Wording, counted, quote, quote_all};
use tagsmith_text::align::{AlignOptions, Aligner, Example, IGNORE, LabelAll};
use tagsmith_text::labels::LabelSet;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::{self, Style};
use tagsmith_text::labels::slips;
use tagsmith_text::labels::unlabeled;
use tagsmith_text::sentence::{Split, TagKind};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::examples::Examples;

/// Sentences that are checked before a training, at most: what is found of each is not in the plan of memory.
const CHECKED_MOST: usize = 20_000;

/// The splits that were found. Splits that nothing needs are read for their labels.
#[derive(Default)]
pub struct Data {
    /// The split to learn from.
    pub train: Option<Split>,
    /// The split to evaluate.
    pub validation: Option<Split>,
    /// The split to predict.
    pub test: Option<Split>,
    /// The way in which their labels are taken.
    pub labeling: Labeling,
}

impl Data {
    /// Reads the splits, whose texts take a part of `room`, and says what they are.
    pub fn load(
        args: &DataArgs,
        tasks: TaskArgs,
        room: &Room,
        hub: &Hub,
        events: &mut dyn Events,
    ) -> anyhow::Result<Data> {
        let mut labeling = Labeling::of(args, events)?;
        let options = ReadOptions {
            text_column: args.text_column_name.clone(),
            label_column: args.label_column_name.clone(),
            task: args.task_name.clone(),
            missing_label: labeling.missing_label(),
            meter: Meter::default(),
            room: room.clone(),
        };
        let mut data = match &args.dataset_name {
            Some(name) => Data::named(name, args, hub, &options, events)?,
            None => {
                let mut read = |file: &Option<String>| {
                    file.as_ref().map(|file| reading::split(file, &options, events)).transpose()
                };
                Data {
                    train: read(&args.train_file)?,
                    validation: read(&args.validation_file)?,
                    test: read(&args.test_file)?,
                    ..Data::default()
                }
            }
        };
        labeling.look_at(&data.splits().map(|(_, split)| split).collect::<Vec<_>>(), events);
        for split in [&mut data.train, &mut data.validation, &mut data.test].into_iter().flatten() {
            labeling.prepare(split)?;
        }
        check_scheme(options::label_scheme(args), data.splits().map(|(_, split)| split))?;
        data.labeling = labeling;
        data.divide(args, events)?;
        let seen = data.seen_in_training()?;
        for (name, split) in data.splits() {
            events.say(describe(name, split)?);
            let (slips, seen) = (slips::of(split)?, seen.iter().filter(|(of, _)| *of == name).map(|(_, note)| note));
            let unlabeled = if data.labeling.lists_unlabeled() { None } else { unlabeled::of(split)? };
            events.notes_about(name, split.notes.iter().chain(&unlabeled).chain(&slips).chain(seen));
        }
        data.check(tasks)?;
        if let Some(train) = data.train.as_ref().filter(|_| tasks.do_train && !args.allow_degenerate_data) {
            refuse_degenerate(train)?;
        }
        Ok(data)
    }

    /// Checks the splits that are used where there is one to learn from, and says in three lines what was found.
    /// Where there are too many sentences, it says that they are not checked.
    ///
    /// # Errors
    /// A file of sentences cannot be read.
    pub fn checked(&self, tasks: TaskArgs, events: &mut dyn Events) -> anyhow::Result<Option<Checked>> {
        let Some(train) = self.train.as_ref().filter(|_| tasks.do_train) else { return Ok(None) };
        let others = [(&self.validation, tasks.do_eval), (&self.test, tasks.do_predict)];
        let others = others.into_iter().filter(|(_, is_used)| *is_used).filter_map(|(split, _)| split.as_ref());
        let all: usize = others.clone().chain([train]).map(|split| split.sentences.len()).sum();
        if all > CHECKED_MOST {
            events.say(format!(
                "check: left out, as {} are more than {CHECKED_MOST}, and what is found of each takes memory: the command \
                 `check` does it",
                counted(all, "sentence")
            ));
            return Ok(None);
        }
        let checked = check_splits(train, others, events)?;
        checked.summary().into_iter().for_each(|line| events.say(format!("check: {line}")));
        Ok(Some(checked))
    }

    fn named(
        name: &str,
        args: &DataArgs,
        hub: &Hub,
        options: &ReadOptions,
        events: &mut dyn Events,
    ) -> anyhow::Result<Data> {
        for (setting, file) in [
            (Setting::TrainFile, &args.train_file),
            (Setting::ValidationFile, &args.validation_file),
            (Setting::TestFile, &args.test_file),
        ] {
            if let Some(file) = file {
                let what = format!("the file {file} is left aside, because the data set {name} is given too");
                events.note(&Note::once(what).with_remedy(Remedy::Unset(setting)).important());
            }
        }
        let DataArgs { dataset_config_name, dataset_revision, .. } = args;
        let asked = (name, dataset_config_name.as_deref(), dataset_revision.as_deref());
        let mut splits = reading::named(hub, asked, options, events)?;
        let data = Data {
            train: splits.remove("train"),
            validation: splits.remove("validation"),
            test: splits.remove("test"),
            ..Data::default()
        };
        for name in splits.keys() {
            let said = format!("the split `{name}` is not used: only train, validation and test are");
            events.note(&Note::once(said).important());
        }
        Ok(data)
    }

    /// Shuffles the training split and holds a part of it out, where that was asked for.
    fn divide(&mut self, args: &DataArgs, events: &mut dyn Events) -> anyhow::Result<()> {
        if args.shuffle_seed.is_none() && args.validation_size.is_none() {
            return Ok(());
        }
        let Some(train) = &mut self.train else {
            let settings = [
                args.shuffle_seed.map(|_| Remedy::Unset(Setting::ShuffleSeed)),
                args.validation_size.map(|_| Remedy::Unset(Setting::ValidationSize)),
            ];
            let message = "there is no training split to shuffle or to hold a part out of";
            return Err(refusal(message, Remedy::AllOf(settings.into_iter().flatten().collect())));
        };
        if let Some(seed) = args.shuffle_seed {
            hold_out::shuffle(train, seed);
            events.say(format!("train: shuffled as datasets' shuffle(seed={seed}) does"));
        }
        if let Some(size) = args.validation_size {
            if let Some(validation) = &self.validation {
                let message = format!(
                    "no part of the training split is held out for validation, because there is a validation split: {}",
                    validation.source
                );
                return Err(refusal(message, Remedy::Unset(Setting::ValidationSize)));
            }
            let seed = args.split_seed;
            let held_out = hold_out::hold_out(train, HeldOut { size, seed })?;
            let sentences = counted(held_out.sentences.len(), "sentence");
            events.say(format!(
                "validation: {sentences} held out of train, as datasets' train_test_split(seed={seed}) does"
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

    /// Returns the splits that the tasks use, with their names.
    pub fn used(&self, tasks: TaskArgs) -> impl Iterator<Item = (&'static str, &Split)> {
        let is_used = move |name: &str| match name {
            "train" => tasks.do_train,
            "validation" => tasks.do_eval,
            _ => tasks.do_predict,
        };
        self.splits().filter(move |(name, _)| is_used(name))
    }

    /// Refuses a task whose split is missing, has no labels or is empty.
    fn check(&self, tasks: TaskArgs) -> anyhow::Result<()> {
        for (asked, task, name, split) in [
            (tasks.do_train, "training", "train", &self.train),
            (tasks.do_eval, "evaluation", "validation", &self.validation),
            (tasks.do_predict, "prediction", "test", &self.test),
        ] {
            if !asked {
                continue;
            }
            let Some(split) = split else {
                let found: Vec<_> = self.splits().map(|(name, _)| name).collect();
                let found = if found.is_empty() { "no split that is used".into() } else { found.join(", ") };
                bail!("{task} needs a {name} split, and the data set has {found}: add one, or pass files instead");
            };
            if split.tag_kind == TagKind::Absent && name != "test" {
                return Err(refusal(
                    format!("{}: there is no label column, and {task} needs labels", split.source),
                    Remedy::set(Setting::LabelColumn).so_as("to name it"),
                ));
            }
            if split.sentences.is_empty() {
                bail!("{}: there is no sentence", split.source);
            }
        }
        Ok(())
    }

    /// Returns notes about splits that share sentences with the training split, each with the name of the split.
    fn seen_in_training(&self) -> anyhow::Result<Vec<(&'static str, Note)>> {
        let Some(train) = &self.train else { return Ok(Vec::new()) };
        let others: Vec<(&'static str, &Split)> = self.splits().filter(|(name, _)| *name != "train").collect();
        let mut asked: HashSet<u128> = HashSet::new();
        for (_, split) in &others {
            split.sentences.for_each(|sentence| {
                asked.insert(mark(&sentence.words));
                true
            })?;
        }
        let mut learned: HashSet<u128> = HashSet::new();
        if !asked.is_empty() {
            train.sentences.for_each(|sentence| {
                learned.extend(asked.get(&mark(&sentence.words)));
                learned.len() < asked.len()
            })?;
        }
        if learned.is_empty() {
            return Ok(Vec::new());
        }
        let mut notes = Vec::new();
        for (name, split) in others {
            let all = split.sentences.len();
            let of = counted(all, "sentence");
            let mut note = Note::naming("of {} {stands|stand} in the training split too", &[&of]).important();
            split.sentences.for_each(|sentence| {
                if learned.contains(&mark(&sentence.words)) {
                    note.add(|| format!("{}:{}", split.source, sentence.line));
                }
                true
            })?;
            if note.count == all {
                let what =
                    "of {} {stands|stand} in the training split too, so its score says nothing about other texts";
                note.what = Wording::new(what, &[&of]);
            }
            notes.extend((note.count > 0).then_some((name, note)));
        }
        Ok(notes)
    }

    /// Returns whether no split has a label column.
    pub fn is_unlabeled(&self) -> bool {
        self.splits().all(|(_, split)| split.tag_kind == TagKind::Absent)
    }

    /// Returns the labels of the run. Where no list says otherwise, the labels of the training split come first.
    pub fn labels(&self, events: &mut dyn Events) -> anyhow::Result<LabelSet> {
        let others: Vec<&Split> = [&self.validation, &self.test].into_iter().flatten().collect();
        self.labeling.labels(self.train.as_ref(), &others, events)
    }

    /// Keeps the first sentences of each split, where that was asked for.
    pub fn cut(&mut self, args: &DataArgs, events: &mut dyn Events) {
        for (name, split, most) in [
            ("train", &mut self.train, args.max_train_samples),
            ("validation", &mut self.validation, args.max_eval_samples),
            ("test", &mut self.test, args.max_predict_samples),
        ] {
            if let (Some(split), Some(most)) = (split, most)
                && split.sentences.len() > most
            {
                let all = counted(split.sentences.len(), "sentence");
                events.say(Wording::new("{}: the first {} of {} {is|are} kept", &[&name, &most, &all]).of(most));
                split.sentences.truncate(most);
            }
        }
    }
}

/// Returns a number that tells a sentence's words from all others: two hashes of 64 bits.
fn mark(words: &[String]) -> u128 {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, words).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// Refuses a training split that teaches nothing, as a wrong column makes it.
fn refuse_degenerate(train: &Split) -> anyhow::Result<()> {
    let anyway = || Remedy::set(Setting::AllowDegenerateData).so_as("to train all the same");
    let (mut first, mut is_one_label, mut is_one_word) = (None, true, true);
    let is_known = |tag: &&u32| train.tag_names[**tag as usize] != unlabeled::TAG;
    train.sentences.for_each(|sentence| {
        is_one_label &= sentence.tags.iter().filter(is_known).all(|tag| *first.get_or_insert(*tag) == *tag);
        is_one_word &= sentence.words.len() == 1;
        is_one_label || is_one_word
    })?;
    if let Some(first) = first.filter(|_| is_one_label) {
        let label = quote(&train.tag_names[first as usize]);
        let message = format!("{}: every word has the label {label}, so there is nothing to learn", train.source);
        let other = Remedy::set(Setting::LabelColumn).so_as("to read another column");
        return Err(refusal(message, Remedy::AnyOf(vec![other, anyway()])));
    }
    if train.sentences.len() > 1 && is_one_word {
        let message = format!("{}: every sentence is one word, so no word is read beside another", train.source);
        let act = "put a blank line after each sentence, or a column `sentence_id` into a table";
        return Err(refusal(message, Remedy::AnyOf(vec![Remedy::to_do(act), anyway()])));
    }
    Ok(())
}

/// Refuses a label that is not of the scheme that is asked for, naming its place.
fn check_scheme<'s>(asked: LabelScheme, splits: impl Iterator<Item = &'s Split>) -> anyhow::Result<()> {
    let LabelScheme::Strict(scheme) = asked else { return Ok(()) };
    for split in splits {
        let is_foreign = |name: &String| name != unlabeled::TAG && !scheme.has(name, Style::Prefix);
        let foreign: Vec<bool> = split.tag_names.iter().map(is_foreign).collect();
        let mut found = None;
        split.sentences.for_each(|sentence| {
            let word = sentence.tags.iter().position(|&tag| foreign[tag as usize]);
            found = word.map(|word| (sentence, word));
            found.is_none()
        })?;
        if let Some((sentence, word)) = found {
            let tag = split.tag_names[sentence.tags[word] as usize].clone();
            let problem = scheme::Error::Letter { tag, scheme };
            let message = format!("{}:{}: word {}: {problem}", split.source, sentence.line, word + 1);
            return Err(refusal(message, Remedy::Unset(Setting::LabelScheme)));
        }
    }
    Ok(())
}

/// Returns a line about a split: its source, its size and its columns.
fn describe(name: &str, split: &Split) -> anyhow::Result<String> {
    let words = split.sentences.count_words()? as usize;
    let columns = &split.columns;
    let mut line = format!(
        "{name}: {}: {}, {} from the column `{}`",
        split.source,
        counted(split.sentences.len(), "sentence"),
        counted(words, "word"),
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
        let names = quote_all(others.into_iter().map(String::as_str));
        write!(line, "; not read: {names}").expect("a string takes all");
    }
    Ok(line)
}

/// The way in which words become pieces and labels, the same for all splits of a run.
pub struct Alignment<'a> {
    /// The tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The labels in the order of the head's rows.
    pub labels: &'a LabelSet,
    /// The longest sequence in pieces, special ones included.
    pub max_length: usize,
    /// The labels of a word's later pieces.
    pub label_all: LabelAll,
    /// The label whose words are not counted.
    pub uncounted: Option<&'static str>,
    /// Rows of the model's token table.
    pub vocab_size: usize,
    /// Rows of the model's token-type table; 0 if it has none.
    pub type_vocab_size: usize,
    /// Threads that tokenize.
    pub threads: usize,
}

impl Alignment<'_> {
    /// Returns the split's examples, which take a part of `room`. A longer sentence is truncated, with a note.
    pub fn examples(
        &self,
        name: &str,
        split: &Split,
        room: &Room,
        events: &mut dyn Events,
    ) -> anyhow::Result<Examples> {
        let ids = self.labels.ids_without(split, self.uncounted)?;
        let options = AlignOptions { max_length: Some(self.max_length), label_all: self.label_all, stride: None };
        let mut aligner = Aligner::new(self.tokenizer, &split.source, self.labels, &ids, options, self.threads);
        let mut examples = Examples::new(room);
        for block in split.sentences.blocks() {
            let block = block?;
            let aligned = aligner.align(&block).with_context(|| format!("the {name} split cannot be tokenized"))?;
            for (example, sentence) in aligned.iter().zip(&block) {
                if let Some(problem) = self.beyond_tables(example) {
                    bail!("{}:{}: {problem}", split.source, sentence.line);
                }
                examples.push(example)?;
            }
        }
        events.notes_about(name, &aligner.into_notes());
        Ok(examples)
    }

    /// Returns what is wrong with ids that the model has no row for: the tokenizer is of another checkpoint.
    fn beyond_tables(&self, example: &Example) -> Option<String> {
        let beyond = |ids: &[u32], rows: usize| ids.iter().copied().find(|&id| id as usize >= rows);
        let problem = |what: &str, id: u32, rows: usize| {
            format!("the tokenizer gives {what} {id} but the model has {rows}: they are not of one checkpoint")
        };
        let id = beyond(&example.ids, self.vocab_size).map(|id| problem("token id", id, self.vocab_size));
        id.or_else(|| {
            let of = beyond(&example.types, self.type_vocab_size).filter(|_| self.type_vocab_size > 0)?;
            Some(problem("token type", of, self.type_vocab_size))
        })
    }

    /// Returns the beginning of the first example, as a person reads it.
    ///
    /// # Errors
    /// A file of sentences or examples cannot be read.
    pub fn show_first(&self, split: &Split, examples: &Examples) -> anyhow::Result<String> {
        const WORDS_SHOWN: usize = 12;
        let (words, example) = (split.sentences.get(0)?.words, examples.get(0)?);
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
        Ok(format!("the first sentence, as word·pieces/label: {}", shown.join(" ")))
    }
}
