//! Data sets: a folder with its splits, or the files of one split.

mod card;
pub(crate) mod files;
mod layout;
mod merge;
mod remedy;
mod remote;
mod saved;
mod split_names;

use crate::dataset::files::Input;
use crate::dataset::layout::{Layout, read_card, read_layout};
use crate::dataset::merge::Merger;
use crate::dataset::remedy::as_files;
use crate::dataset::saved::{expect_saved, read_saved, saved_splits};
use crate::error::Error;
use crate::format;
use crate::read_options::ReadOptions;
use std::collections::BTreeMap;
use std::path::Path;
use tagsmith_hub::{Hub, Kind};
use tagsmith_text::sentence::Split;

pub(crate) use saved::saved_shards;
pub use split_names::SPLITS;

/// Reads the files of one split: each pattern is a file, a folder, a glob, or several of these parted by commas or
/// spaces. Sentences follow each other in the order of the files.
///
/// ```
/// use tagsmith_data::{ReadOptions, dataset};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("train.conll");
/// std::fs::write(&file, "Jo B-PER\nsings O\n\nSo O\nwhat O\n")?;
/// let split = dataset::load_files(&[file.display().to_string()], &ReadOptions::default())?;
/// assert_eq!(split.sentences.len(), 2);
/// assert_eq!(split.sentences.get(0)?.words, ["Jo", "sings"]);
/// assert_eq!(split.tag_names, ["B-PER", "O"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load_files(patterns: &[String], options: &ReadOptions) -> Result<Split, Error> {
    load_of(patterns, &[], options)
}

/// Reads files as [`load_files`] does; of a folder with several saved splits, the first of `splits` that it has.
pub(crate) fn load_of(patterns: &[String], splits: &[&str], options: &ReadOptions) -> Result<Split, Error> {
    let mut merger = Merger::new(options);
    let inputs = files::expand(patterns, splits)?;
    for input in &inputs {
        match input {
            Input::File(path) => options.meter.expect([path.as_path()]),
            Input::Saved(folder) => expect_saved(folder, options)?,
        }
    }
    for input in inputs {
        match input {
            Input::File(path) => {
                let (format, split) = format::read(&path, options)?;
                merger.add(&path, format, split)?;
            }
            Input::Saved(folder) => read_saved(&folder, options, &mut merger)?,
        }
    }
    merger.finish().ok_or_else(|| Error::path("data", "no file is named: give at least one"))
}

/// Returns whether a folder was written by `save_to_disk`.
pub fn is_saved(folder: &Path) -> bool {
    ["state.json", "dataset_dict.json"].iter().any(|file| folder.join(file).exists())
}

/// Reads a data set's splits, as `load_dataset(name, config_name, revision=revision)` finds them: those of a folder
/// that is here, or else [`SPLITS`] of a name on the hub. No program of a repository is ever run.
///
/// A folder is a saved DatasetDict, or files and folders named by split. Or it has a card that says which files are
/// which split of which configuration. Without any such name all files are `train`.
///
/// Unlike there, upper and lower case are one, and `dev` and the like mean `validation` for saved and sharded splits
/// too. A file whose name names two splits is refused.
///
/// # Errors
/// There is no such folder or name, or nothing that is data; whatever the hub answers instead of a file; whatever the
/// readers refuse.
pub fn load(
    hub: &Hub,
    name: &str,
    config_name: Option<&str>,
    revision: Option<&str>,
    options: &ReadOptions,
) -> Result<BTreeMap<String, Split>, Error> {
    let folder = Path::new(name);
    if folder.exists() {
        hub.say_unused_revision(Kind::Dataset, folder, revision);
        return local_dataset(folder, config_name, options);
    }
    if format::is_data_file(folder) {
        return Err(Error::no_path(name));
    }
    remote::load(hub, hub.repo(Kind::Dataset, name)?, config_name, revision, options)
}

fn local_dataset(
    folder: &Path,
    config_name: Option<&str>,
    options: &ReadOptions,
) -> Result<BTreeMap<String, Split>, Error> {
    let place = folder.display().to_string();
    if !folder.is_dir() {
        return Err(Error::path(place, "this is a file, not a folder").with_remedy(as_files()));
    }
    // A configuration of a saved data set is a folder in its folder.
    let inner = config_name.map(|name| folder.join(name)).filter(|inner| inner.join("dataset_dict.json").exists());
    let saved = inner.as_deref().unwrap_or(folder);
    if saved.join("dataset_dict.json").exists() && (config_name.is_none() || inner.is_some()) {
        return saved_splits(saved, options);
    }
    if folder.join("state.json").exists() {
        let problem = "this is a single saved Dataset, not a DatasetDict";
        return Err(Error::path(place, problem).with_remedy(as_files()));
    }
    let files = files::relative(&files::data_files(folder)?, folder);
    let card = read_card(&folder.join("README.md"))?;
    let layout = Layout::new(&place, &files, card.as_deref(), config_name)?;
    read_layout(folder, layout, options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_hub::Settings;
    use tagsmith_testkit::golden;
    use tagsmith_testkit::scratch::Scratch;

    #[test]
    fn the_bytes_of_a_data_set_are_known_and_all_are_counted() {
        // What `datasets` wrote (oracle/dataset_files.py).
        let files = ["class_label", "large_strings"].map(|name| golden::bytes(format!("dataset_files/{name}.parquet")));
        let bytes = files.iter().map(|file| file.len() as u64).sum();
        let scratch = Scratch::empty();
        ["train.parquet", "test.parquet"].iter().zip(&files).for_each(|(name, file)| scratch.write(name, file));
        let hub = Hub::new(Settings::offline(scratch.path("hub"), "a test forbids connections"), |_| {});
        let options = ReadOptions::default();
        assert_eq!((options.meter.bytes(), options.meter.of()), (0, None));
        load(&hub, &scratch.folder().display().to_string(), None, None, &options).expect("it is a data set");
        assert_eq!((options.meter.bytes(), options.meter.of()), (bytes, Some(bytes)));

        // Several files of words.
        let options = ReadOptions::default();
        scratch.write("a.conll", "Jo B-PER\n\n".repeat(50_000));
        scratch.write("b.conll", "Jo B-PER\n");
        let pattern = scratch.path("*.conll").display().to_string();
        load_files(&[pattern], &options).expect("they are read");
        assert_eq!((options.meter.bytes(), options.meter.of()), (500_009, Some(500_009)));
    }
}
