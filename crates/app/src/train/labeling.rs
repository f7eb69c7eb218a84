//! The labels of a run: where they and their order come from, and which task they are of.

use crate::error::refusal;
use crate::events::Events;
use crate::options::DataArgs;
use anyhow::bail;
use std::path::{Path, PathBuf};
use tagsmith_data::format::label_list;
use tagsmith_message::{Note, Remedy, Setting, counted};
use tagsmith_text::labels::LabelSet;
use tagsmith_text::labels::bare_tags;
use tagsmith_text::labels::scheme::has_zero_for_outside;
use tagsmith_text::labels::unlabeled;
use tagsmith_text::score::error_detection;
use tagsmith_text::sentence::{Split, TagKind};

/// The task name of grammatical error detection.
const ERROR_DETECTION: &str = "ged";

/// The file name of a data set's own list of labels.
const LIST: &str = "labels.txt";

/// The way in which the labels of all splits are taken.
#[derive(Default)]
pub struct Labeling {
    /// The labels of a file, whose order gives their ids.
    listed: Option<LabelSet>,
    /// Whether labels are types alone, which become IOB2.
    bare: bool,
    /// Whether the labels tell right words from wrong ones.
    pub finds_errors: bool,
}

impl Labeling {
    /// Finds the labels that `data` names, or the data set's own list, and says what was found.
    pub fn of(data: &DataArgs, events: &mut dyn Events) -> anyhow::Result<Labeling> {
        let asked = data.task_name == ERROR_DETECTION;
        let list = match &data.labels {
            Some(file) => Some((PathBuf::from(file), read(Path::new(file))?)),
            None => beside_the_data(data, asked, events)?,
        };
        let bare = data.bare_tags;
        let Some((path, labels)) = list else { return Ok(Labeling { listed: None, bare, finds_errors: asked }) };
        let finds_errors = asked || data.labels.is_none();
        if finds_errors && !asked {
            events.say(format!(
                "`{}` lists `{}`, so the task is error detection (`{ERROR_DETECTION}`)",
                path.display(),
                error_detection::CORRECT[0]
            ));
        }
        let labels = if finds_errors { for_errors(&labels)? } else { labels };
        events.say(format!("the labels and their order are those of {}", path.display()));
        Ok(Labeling { listed: Some(labels), bare, finds_errors })
    }

    /// Takes the task for error detection where labels of the splits say so: `UC` is the label of a word without an
    /// error.
    pub fn look_at(&mut self, splits: &[&Split], events: &mut dyn Events) {
        let correct = error_detection::CORRECT[0];
        if !self.finds_errors && splits.iter().any(|split| split.tag_names.iter().any(|name| name == correct)) {
            events.say(format!("the label `{correct}` occurs, so the task is error detection (`{ERROR_DETECTION}`)"));
            self.finds_errors = true;
        }
    }

    /// Returns the label of a word that has none.
    pub fn missing_label(&self) -> Option<String> {
        self.finds_errors.then(|| error_detection::CORRECT[0].to_owned())
    }

    /// Returns the label whose words are neither learned nor scored.
    pub fn uncounted(&self) -> Option<&'static str> {
        self.finds_errors.then_some(error_detection::UNKNOWN)
    }

    /// Returns whether the list of labels has the tag of words without a label, which is then a label like others.
    pub fn lists_unlabeled(&self) -> bool {
        self.listed.as_ref().is_some_and(|listed| listed.id(unlabeled::TAG).is_some())
    }

    /// Brings a split's labels into the form that the run's have.
    pub fn prepare(&self, split: &mut Split) -> anyhow::Result<()> {
        if let Some(listed) = self.listed.as_ref().filter(|_| split.tag_kind == TagKind::Integers) {
            for name in split.tag_names.iter_mut().filter(|name| *name != unlabeled::TAG) {
                let listed_name = name.parse().ok().and_then(|id: usize| listed.names().get(id));
                let Some(listed_name) = listed_name else {
                    bail!(
                        "{}: the label {name} has no name: the list has {}, from 0",
                        split.source,
                        counted(listed.len(), "label")
                    )
                };
                *name = listed_name.clone();
            }
            split.tag_kind = TagKind::Strings;
        }
        if self.bare && split.tag_kind == TagKind::Integers {
            return Err(refusal(
                format!("{}: the labels are integers, and only names can be types without `B-` and `I-`", split.source),
                Remedy::set(Setting::Labels).so_as("to name them"),
            ));
        }
        if self.bare && has_zero_for_outside(&split.tag_names) {
            return Err(refusal(
                format!("{}: the label `0` is a digit, and would become entities `B-0`", split.source),
                Remedy::AnyOf(vec![
                    Remedy::to_do("write the letter `O` for words outside entities"),
                    Remedy::Unset(Setting::BareTags),
                ]),
            ));
        }
        if self.bare {
            bare_tags::to_iob2(split)?;
        }
        if self.finds_errors {
            error_detection::canonicalize(split)?;
        }
        Ok(())
    }

    /// Returns the labels of the run: those of the list, or else those that the splits have.
    pub fn labels(
        &self,
        train: Option<&Split>,
        others: &[&Split],
        events: &mut dyn Events,
    ) -> anyhow::Result<LabelSet> {
        // A list of types names integers. The labels of the run are the IOB2 tags that the types became.
        if let Some(listed) = self.listed.as_ref().filter(|_| !self.bare) {
            return Ok(listed.clone());
        }
        let (labels, notes) = LabelSet::infer(train, others)?;
        events.notes(&notes);
        if self.finds_errors {
            return for_errors(&labels);
        }
        Ok(labels)
    }
}

/// Returns the labels in their canonical form, without the label that is not learned.
fn for_errors(labels: &LabelSet) -> anyhow::Result<LabelSet> {
    let names = labels.names().iter().map(|name| error_detection::canonical(name).into_owned()).collect();
    Ok(LabelSet::new(names)?.without_name(error_detection::UNKNOWN)?)
}

fn read(path: &Path) -> anyhow::Result<LabelSet> {
    Ok(label_list::read(path)?)
}

/// Returns the list in the data's folder, if it is one of error detection. Another list is left aside, with a note.
fn beside_the_data(
    data: &DataArgs,
    asked: bool,
    events: &mut dyn Events,
) -> anyhow::Result<Option<(PathBuf, LabelSet)>> {
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
        let path = path.display().to_string();
        let what = format!("`{path}` is not read");
        let remedy = Remedy::SetTo(Setting::Labels, path).so_as("to take the labels in its order");
        events.note(&Note::once(what).with_remedy(remedy));
        return Ok(None);
    }
    Ok(Some((path, labels)))
}
