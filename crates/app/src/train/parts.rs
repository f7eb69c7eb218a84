//! The parts of the model that a run starts from: configuration, labels, tokenizer, weights.

use super::data::Data;
use crate::error::refusal;
use crate::events::Events;
use crate::options::ModelArgs;
use crate::predict::tagger::{is_span_tagger, model_folder};
use anyhow::Context;
use std::path::{Path, PathBuf};
use tagsmith_encoder::config::Config;
use tagsmith_hub::Hub;
use tagsmith_hub::model::Part;
use tagsmith_message::{Remedy, Setting, counted};
use tagsmith_text::labels::{self, LabelSet};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::layout::HeadKind;
use tagsmith_tokens::model::Model;

/// The folders of the parts, which may be of several models.
pub struct Parts<'a> {
    args: &'a ModelArgs,
    config: PathBuf,
    tokenizer: PathBuf,
    weights: PathBuf,
}

impl<'a> Parts<'a> {
    /// Finds the folders here or on the hub.
    pub fn find(args: &'a ModelArgs, hub: &Hub) -> anyhow::Result<Parts<'a>> {
        let named = Path::new(&args.model_name_or_path);
        if named.is_dir() && args.config_name.is_none() {
            refuse_span_tagger(named)?;
        }
        let revision = Some(args.model_revision.as_str());
        let elsewhere =
            |name: &Option<String>, part| name.as_ref().map(|name| hub.model(name, revision, &[part])).transpose();
        let config = elsewhere(&args.config_name, Part::Config)?;
        let tokenizer = elsewhere(&args.tokenizer_name, Part::Tokenizer)?;
        let mut parts = vec![Part::Weights];
        parts.extend(config.is_none().then_some(Part::Config));
        parts.extend(tokenizer.is_none().then_some(Part::Tokenizer));
        let weights = hub.model(&args.model_name_or_path, revision, &parts)?;
        Ok(Parts {
            args,
            config: config.unwrap_or_else(|| weights.clone()),
            tokenizer: tokenizer.unwrap_or_else(|| weights.clone()),
            weights,
        })
    }

    /// Returns the labels of the run in the order of the head's rows, and a configuration that names them.
    pub fn labels(&self, trains: bool, data: &Data, events: &mut dyn Events) -> anyhow::Result<(Config, LabelSet)> {
        let name = self.args.config_name.as_ref().unwrap_or(&self.args.model_name_or_path);
        let (config, notes) = Config::read(&self.config)?;
        notes.iter().for_each(|note| events.say(format!("{name}: {note}")));
        let checkpoint = LabelSet::new(config.labels.clone()).with_context(|| format!("{name}: config.json"))?;
        if data.is_unlabeled() {
            events.say(format!("no split has labels: the checkpoint's {} are used", checkpoint.len()));
            return Ok((config, checkpoint));
        }
        let found = data.labels(events)?;
        // Default names (`LABEL_0`) do not even show that the checkpoint has a head. Only its weights do.
        let labels = if checkpoint.is_default() {
            found
        } else {
            let allow = labels::Alignment {
                training: trains,
                ignore_sizes: self.args.ignore_mismatched_sizes,
                ignore_names: self.args.ignore_mismatched_labels,
            };
            let aligned = labels::align(found, &checkpoint, allow)?;
            events.notes(&aligned.notes);
            aligned.labels
        };
        events.say(format!("{}: {}", counted(labels.len(), "label"), labels.names().join(" ")));
        Ok((config.with_labels(labels.names()), labels))
    }

    /// Returns a configuration with the head that is asked for. Without training, a model has the head that it has.
    ///
    /// # Errors
    /// Another head than the model's, where nothing is trained.
    pub fn with_head(&self, config: Config, trains: bool) -> anyhow::Result<Config> {
        let Some(asked) = self.args.head.as_deref().and_then(HeadKind::named) else { return Ok(config) };
        if !trains && HeadKind::of(&config) != Some(asked) {
            let message = format!("a head is changed by training alone, and nothing is trained: `{}`", asked.name());
            return Err(refusal(message, Remedy::Unset(Setting::Head)));
        }
        Ok(asked.in_config(config))
    }

    /// Returns the folder of the weights.
    pub fn weights(&self) -> &Path {
        &self.weights
    }

    /// Returns the name of the tokenizer.
    pub fn tokenizer_name(&self) -> &str {
        self.args.tokenizer_name.as_ref().unwrap_or(&self.args.model_name_or_path)
    }

    /// Reads the tokenizer.
    pub fn tokenizer(&self, events: &mut dyn Events) -> anyhow::Result<Tokenizer> {
        let name = self.tokenizer_name();
        let tokenizer = Tokenizer::from_folder(&self.tokenizer).with_context(|| name.to_owned())?;
        events.notes_about(name, &tokenizer.notes);
        Ok(tokenizer)
    }

    /// Loads the weights. `seed` draws a new head, if the run trains or a head of another size is to be replaced.
    pub fn model(&self, config: Config, trains: bool, seed: u64, events: &mut dyn Events) -> anyhow::Result<Model> {
        let ignore_mismatched_sizes = self.args.ignore_mismatched_sizes;
        // Without training, a drawn head would tag at random, so the caller has to ask for it.
        let head = match trains || ignore_mismatched_sizes {
            true => Head::Drawn { seed, ignore_mismatched_sizes },
            false => Head::Required,
        };
        let (model, notes) = Model::load(&self.weights, config, head)?;
        notes.iter().for_each(|note| events.say(format!("{}: {note}", self.args.model_name_or_path)));
        Ok(model)
    }
}

/// Refuses a span tagger, and a run of one, which has no head for labels of words.
fn refuse_span_tagger(folder: &Path) -> anyhow::Result<()> {
    let (model, _) = model_folder(folder)?;
    if !is_span_tagger(&model) {
        return Ok(());
    }
    let message =
        format!("`{}` is a label-conditioned span tagger, and this trains token classifiers", folder.display());
    let clause = "train it on with the command of its architecture, as `model_checkpoint`, or name an encoder";
    Err(refusal(message, Remedy::to_do(clause)))
}

/// Returns the longest sequence in pieces: what was asked for, or else what tokenizer and model allow.
pub fn max_length(
    asked: Option<usize>,
    tokenizer: &Tokenizer,
    config: &Config,
    events: &mut dyn Events,
) -> anyhow::Result<usize> {
    let positions = config.shape.positions_max;
    match (asked, tokenizer.model_max_length) {
        (Some(asked), _) if asked > positions => Err(refusal(
            format!("the longest sequence is to have {asked} pieces, but the model has {positions} positions"),
            Remedy::set(Setting::MaxSeqLength).so_as(format!("with at most {positions}")),
        )),
        (Some(asked), _) => Ok(asked),
        (None, Some(length)) if length <= positions => Ok(length),
        (None, named) => {
            let named = named.map_or("no longest sequence".into(), |length| format!("{length} pieces as the longest"));
            events.say(format!("the tokenizer names {named}: the model's {positions} positions are the limit"));
            Ok(positions)
        }
    }
}
