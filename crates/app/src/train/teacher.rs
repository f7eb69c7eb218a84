//! The teacher of a run: a finished token classifier whose scores of the training words the student learns from.

use crate::error::refusal;
use crate::events::Events;
use crate::options::TrainArgs;
use anyhow::Context;
use tagsmith_encoder::config::Config;
use tagsmith_files::records::Room;
use tagsmith_hub::Hub;
use tagsmith_hub::model::Part;
use tagsmith_kernel::Device;
use tagsmith_message::{Remedy, Setting, counted, quote_all};
use tagsmith_ranks::World;
use tagsmith_text::align::{AlignOptions, Aligner, LabelAll};
use tagsmith_text::labels::LabelSet;
use tagsmith_text::sentence::Split;
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::learn::teacher::Targets;
use tagsmith_tokens::memory::parameter_bytes;
use tagsmith_tokens::model::Model;

/// A teacher that was read.
pub struct Teacher {
    name: String,
    model: Model,
    tokenizer: Tokenizer,
    /// For each label of the student its number in the teacher.
    order: Vec<usize>,
}

impl Teacher {
    /// Reads the teacher that is asked for, if one is.
    ///
    /// # Errors
    /// A teacher that is not a token classifier of the run's labels.
    pub fn of(
        args: &TrainArgs,
        labels: &LabelSet,
        hub: &Hub,
        device: &Device,
        events: &mut dyn Events,
    ) -> anyhow::Result<Option<Teacher>> {
        let Some(name) = args.learning.teacher.as_ref().filter(|_| args.tasks.do_train) else { return Ok(None) };
        let folder = hub.model(name, None, &[Part::Config, Part::Tokenizer, Part::Weights])?;
        let about = || format!("the teacher {name}");
        let (config, notes) = Config::read(&folder).with_context(about)?;
        notes.iter().for_each(|note| events.say(format!("{name}: {note}")));
        let names = |names: &[String], others: &[String]| {
            quote_all(names.iter().filter(|name| !others.contains(name)).map(String::as_str))
        };
        let (ours, theirs) = (labels.names(), &config.labels[..]);
        if ours.len() != theirs.len() || ours.iter().any(|label| !theirs.contains(label)) {
            let message = format!(
                "the teacher {name} knows other labels than the run: only the teacher has {}, only the run has {}",
                none_if_empty(names(theirs, ours)),
                none_if_empty(names(ours, theirs))
            );
            return Err(refusal(message, Remedy::to_do("take a teacher that was trained on the same labels")));
        }
        let place = |label: &String| theirs.iter().position(|theirs| theirs == label).expect("both have it");
        let order = ours.iter().map(place).collect();
        let (model, notes) = Model::load(&folder, config, Head::Required).with_context(about)?;
        notes.iter().for_each(|note| events.say(format!("{name}: {note}")));
        let tokenizer = Tokenizer::from_folder(&folder).with_context(about)?;
        Ok(Some(Teacher { name: name.clone(), model: model.moved(device)?, tokenizer, order }))
    }

    /// Returns the bytes of the teacher's weights.
    pub fn bytes(&self) -> u64 {
        parameter_bytes(&self.model)
    }

    /// Returns the scores of every word of the training split. They take a part of `room`.
    ///
    /// # Errors
    /// A sentence that the teacher cannot read; a file that is needed and cannot be written.
    pub fn teach(
        &self,
        split: &Split,
        labels: &LabelSet,
        (room, rows_at_once, threads): (&Room, usize, usize),
        world: &World,
        events: &mut dyn Events,
    ) -> anyhow::Result<Targets> {
        let positions = self.model.config.shape.positions_max;
        let max_length = self.tokenizer.model_max_length.map_or(positions, |length| length.min(positions));
        let options = AlignOptions { max_length: Some(max_length), label_all: LabelAll::FirstOnly, stride: None };
        let ids = vec![None; split.tag_names.len()];
        let mut targets = Targets::new(room, labels.len());
        for block in split.sentences.blocks() {
            let block = block?;
            // A block's own aligner: its examples count their sentences from 0.
            let mut aligner = Aligner::new(&self.tokenizer, &split.source, labels, &ids, options, threads);
            let examples = aligner.align(&block).with_context(|| format!("the teacher {}", self.name))?;
            let words: Vec<usize> = block.iter().map(|sentence| sentence.words.len()).collect();
            targets.extend((&self.model, &self.order), (&examples, &words), rows_at_once, world)?;
        }
        events.say(format!(
            "the teacher {} has scored the words of {}: {} of them are in memory",
            self.name,
            counted(split.sentences.len(), "sentence"),
            tagsmith_train::memory::size(targets.bytes_in_memory())
        ));
        Ok(targets)
    }
}

fn none_if_empty(names: String) -> String {
    if names.is_empty() { "none".into() } else { names }
}

/// Refuses words to learn that the teacher did not read: it cuts their sentences.
pub fn check(targets: &Targets, examples: &Examples, name: &str) -> anyhow::Result<()> {
    for (at, example) in examples.iter().enumerate() {
        if targets.of(at, &example?)?.is_none() {
            let message = format!(
                "the teacher {name} does not read all words of sentence {} of the training split, which is too long for it, \
                 or its scores are not numbers",
                at + 1
            );
            let remedy =
                Remedy::set(Setting::MaxSeqLength).so_as("with a smaller number, so that both read the same words");
            return Err(refusal(message, remedy));
        }
    }
    Ok(())
}
