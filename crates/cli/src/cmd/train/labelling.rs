//! Where the labels of a run and their order come from, and what task they are of.

use super::say;
use crate::args::TrainArgs;
use anyhow::{Context, bail};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tagsmith_data::format::label_list;
use tagsmith_text::labels::LabelSet;
use tagsmith_text::labels::bare_tags;
use tagsmith_text::score::error_detection;
use tagsmith_text::sentence::{Split, TagKind};

/// The task of `--task_name` that is grammatical error detection.
const ERROR_DETECTION: &str = "ged";

/// A data set's own list of labels.
const LIST: &str = "labels.txt";

/// How the labels of all splits are taken.
#[derive(Default)]
pub struct Labelling {
    /// The labels of a file, whose order gives their ids.
    listed: Option<LabelSet>,
    /// Whether labels are types alone, which become IOB2.
    bare: bool,
    /// Whether the labels tell right words from wrong ones.
    pub finds_errors: bool,
}

impl Labelling {
    /// From `--labels` and `--task_name`, or the data set's own list; says what was found.
    pub fn of(args: &TrainArgs) -> anyhow::Result<Labelling> {
        let asked = args.data.task_name == ERROR_DETECTION;
        let list = match &args.data.labels {
            Some(file) => Some((PathBuf::from(file), read(Path::new(file))?)),
            None => beside_the_data(args, asked)?,
        };
        let bare = args.data.bare_tags;
        let Some((path, labels)) = list else { return Ok(Labelling { listed: None, bare, finds_errors: asked }) };
        let finds_errors = asked || args.data.labels.is_none();
        if finds_errors && !asked {
            say(format!(
                "`{}` lists `{}`: this is error detection (`--task_name ged`)",
                path.display(),
                error_detection::CORRECT[0]
            ));
        }
        let labels = if finds_errors { for_errors(&labels)? } else { labels };
        say(format!("the labels and their order are those of {}", path.display()));
        Ok(Labelling { listed: Some(labels), bare, finds_errors })
    }

    /// The label of a word that has none.
    pub fn missing_label(&self) -> Option<String> {
        self.finds_errors.then(|| error_detection::CORRECT[0].to_owned())
    }

    /// The label whose words are neither learned nor scored.
    pub fn uncounted(&self) -> Option<&'static str> {
        self.finds_errors.then_some(error_detection::UNKNOWN)
    }

    /// Brings a split's labels into the form that the run's have.
    pub fn prepare(&self, split: &mut Split) -> anyhow::Result<()> {
        if let Some(listed) = self.listed.as_ref().filter(|_| split.tag_kind == TagKind::Integers) {
            for name in &mut split.tag_names {
                let listed_name = name.parse().ok().and_then(|id: usize| listed.names().get(id));
                let Some(listed_name) = listed_name else {
                    bail!(
                        "{}: the label {name} has no name: the list has {} labels, from 0",
                        split.source,
                        listed.len()
                    )
                };
                *name = listed_name.clone();
            }
            split.tag_kind = TagKind::Strings;
        }
        if self.bare && split.tag_kind == TagKind::Integers {
            bail!(
                "{}: `--bare_tags` needs types, and the labels are integers: name them with `--labels`",
                split.source
            );
        }
        if self.bare {
            bare_tags::to_iob2(split);
        }
        if self.finds_errors {
            error_detection::canonicalize(split);
        }
        Ok(())
    }

    /// The labels of the run: those of the list, or else those that the splits have.
    pub fn labels(&self, train: Option<&Split>, others: &[&Split]) -> anyhow::Result<LabelSet> {
        // A list of types names integers; the labels are then what became of them.
        if let Some(listed) = self.listed.as_ref().filter(|_| !self.bare) {
            return Ok(listed.clone());
        }
        let (labels, notes) = LabelSet::infer(train, others)?;
        notes.iter().for_each(say);
        if self.finds_errors {
            return for_errors(&labels);
        }
        if labels.id(error_detection::CORRECT[0]).is_some() {
            say(format!(
                "the label `{}` looks like grammatical error detection: `--task_name ged` gives its figures",
                error_detection::CORRECT[0]
            ));
        }
        Ok(labels)
    }
}

/// The labels in their canonical form, without the one that is not learned.
fn for_errors(labels: &LabelSet) -> anyhow::Result<LabelSet> {
    let names = labels.names().iter().map(|name| error_detection::canonical(name).into_owned()).collect();
    Ok(LabelSet::new(names)?.without_name(error_detection::UNKNOWN)?)
}

fn read(path: &Path) -> anyhow::Result<LabelSet> {
    let file = File::open(path).with_context(|| format!("`{}` cannot be read", path.display()))?;
    Ok(label_list::read(BufReader::new(file), &path.display().to_string())?)
}

/// The list in the data's folder, where it is one of error detection; another is left aside, which is said.
fn beside_the_data(args: &TrainArgs, asked: bool) -> anyhow::Result<Option<(PathBuf, LabelSet)>> {
    let data = &args.data;
    let folder = match (&data.dataset_name, &data.dataset_config_name) {
        (Some(folder), Some(configuration)) => Some(Path::new(folder).join(configuration)),
        (Some(folder), None) => Some(PathBuf::from(folder)),
        (None, _) => {
            let file = [&data.train_file, &data.validation_file, &data.test_file].into_iter().flatten().next();
            file.and_then(|file| Path::new(file).parent()).map(PathBuf::from)
        }
    };
    let Some(path) = folder.map(|folder| folder.join(LIST)).filter(|path| path.is_file()) else { return Ok(None) };
    let labels = match read(&path) {
        Ok(labels) => labels,
        Err(error) if asked => return Err(error),
        Err(_) => return Ok(None),
    };
    if !asked && labels.id(error_detection::CORRECT[0]).is_none() {
        say(format!("`{0}` is not read: pass `--labels {0}` to take the labels in its order", path.display()));
        return Ok(None);
    }
    Ok(Some((path, labels)))
}
