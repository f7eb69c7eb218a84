//! Data sets: a folder with its splits, or the files of one split.

mod card;
pub(crate) mod files;
mod merge;
mod remote;
mod split_names;

use crate::dataset::card::CARD_BYTES_MAX;
use crate::dataset::files::Input;
use crate::dataset::merge::Merger;
use crate::dataset::split_names::{canonical, folder_split_names, name_splits, renamed, shard_split, splits_of, words};
use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format};
use crate::read_options::ReadOptions;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_hub::{Hub, Kind, is_inside};
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::sentence::Split;

/// The most bytes of a dataset_info.json, state.json or dataset_dict.json that is read.
const DESCRIPTION_BYTES_MAX: u64 = 64 << 20;

/// Reads the files of one split: each pattern is a file, a folder, a glob, or several of these parted by commas or
/// spaces. Sentences follow each other in the order of the files.
pub fn load_files(patterns: &[String], options: &ReadOptions) -> Result<Split, Error> {
    let mut merger = Merger::new(options);
    for input in files::expand(patterns, &[])? {
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

/// The splits that run scripts look for; other splits of a repository are not downloaded.
pub const SPLITS: [&str; 3] = ["train", "validation", "test"];

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

/// Returns a data set's card, if it has one.
pub(crate) fn read_card(file: &Path) -> Result<Option<String>, Error> {
    if !file.is_file() {
        return Ok(None);
    }
    let length = fs::metadata(file).map_err(Error::open(file))?.len();
    if length > CARD_BYTES_MAX {
        return Err(Error::path(file.display(), format!("{length} bytes are too many for a card: shorten it")));
    }
    let text = fs::read(file).map_err(Error::open(file))?;
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

pub(crate) fn saved_splits(folder: &Path, options: &ReadOptions) -> Result<BTreeMap<String, Split>, Error> {
    let file = folder.join("dataset_dict.json");
    let described = description(&file)?;
    let names: Option<Vec<&str>> =
        described.get("splits").and_then(Value::as_array).and_then(|names| names.iter().map(Value::as_str).collect());
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| {
        Error::path(file.display(), "`splits` is not a list of names: save the data set again with `save_to_disk`")
    })?;
    let mut splits = BTreeMap::new();
    for name in names.iter().copied() {
        let mut merger = Merger::new(options);
        read_saved(&folder.join(inside(name, &file)?), options, &mut merger)?;
        let mut split = merger.finish().ok_or_else(|| files::no_data(&folder.join(name)))?;
        let key = canonical(name, &names, &mut split.notes);
        insert(&mut splits, key, split, folder)?;
    }
    Ok(splits)
}

/// Returns the remedy of naming the files of the splits.
fn as_files() -> Remedy {
    Remedy::Set(vec![Setting::TrainFile, Setting::ValidationFile, Setting::TestFile])
}

fn insert(splits: &mut BTreeMap<String, Split>, name: String, split: Split, folder: &Path) -> Result<(), Error> {
    let refused = format!("two splits would be `{name}`: rename one");
    match splits.insert(name, split) {
        None => Ok(()),
        Some(_) => Err(Error::path(folder.display(), refused)),
    }
}

/// Reads a saved data set's shards, with the label names of its dataset_info.json.
fn read_saved(folder: &Path, options: &ReadOptions, merger: &mut Merger) -> Result<(), Error> {
    let (shards, class_names) = saved_shards(folder)?;
    for path in shards {
        let split = format::read_arrow(&path, &class_names, options)?;
        merger.add(&path, Format::Arrow, split)?;
    }
    Ok(())
}

/// Returns the shards that a folder's state.json lists, and the label names of its dataset_info.json.
pub(crate) fn saved_shards(folder: &Path) -> Result<(Vec<PathBuf>, ClassNames), Error> {
    let state_file = folder.join("state.json");
    let state = description(&state_file)?;
    let names: Option<Vec<&str>> = state
        .get("_data_files")
        .and_then(Value::as_array)
        .and_then(|files| files.iter().map(|file| file.get("filename").and_then(Value::as_str)).collect());
    let names = names.ok_or_else(|| {
        Error::path(
            state_file.display(),
            "`_data_files` does not list files: save the data set again with `save_to_disk`",
        )
    })?;
    let indices = state.get("_indices_data_files").and_then(Value::as_array);
    if indices.is_some_and(|indices| !indices.is_empty()) {
        return Err(Error::path(
            state_file.display(),
            "the rows are selected by an index file, as old versions of `datasets` did: save the data set again with `save_to_disk`",
        ));
    }
    let info_file = folder.join("dataset_info.json");
    let class_names =
        if info_file.exists() { ClassNames::of_info(&description(&info_file)?) } else { ClassNames::default() };
    let shards = names.into_iter().map(|name| Ok(folder.join(inside(name, &state_file)?)));
    Ok((shards.collect::<Result<_, Error>>()?, class_names))
}

/// Returns a name that a description gives, which may come from anywhere, if it stays in the description's folder.
fn inside<'n>(name: &'n str, description: &Path) -> Result<&'n str, Error> {
    match is_inside(name) {
        true => Ok(name),
        false => Err(Error::path(description.display(), format!("it names {name:?}, which is outside its folder"))),
    }
}

fn description(file: &Path) -> Result<Value, Error> {
    let length = fs::metadata(file).map_err(Error::open(file))?.len();
    if length > DESCRIPTION_BYTES_MAX {
        return Err(Error::path(
            file.display(),
            format!("{length} bytes are too many for a description: is it the right file?"),
        ));
    }
    let text = fs::read(file).map_err(Error::open(file))?;
    serde_json::from_slice(&text).map_err(|error| {
        Error::path(file.display(), format!("this is not JSON ({error}): save the data set again with `save_to_disk`"))
    })
}

/// The files of a folder, here or on the hub, by the splits of a configuration.
pub(crate) struct Layout {
    pub(crate) of_split: BTreeMap<String, Vec<PathBuf>>,
    pub(crate) notes: Vec<Note>,
}

impl Layout {
    /// `files` are the data files by their paths in the folder, which is called `place`.
    pub(crate) fn new(
        place: &str,
        files: &[PathBuf],
        card: Option<&str>,
        config_name: Option<&str>,
    ) -> Result<Layout, Error> {
        let configs = card::of_card(card.unwrap_or_default(), place)?;
        let (inner, named) = if configs.is_empty() {
            let inner = config_name.map(|name| inner_folder(files, name, place)).transpose()?;
            (inner.unwrap_or_default(), None)
        } else {
            let config = card::choose(&configs, config_name, place)?;
            (config.folder(), config.files(files, place)?)
        };
        if let Some(of_split) = named {
            let mut notes = Vec::new();
            let names: Vec<String> = of_split.keys().cloned().collect();
            let all: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut renamed = BTreeMap::new();
            for (name, files) in of_split {
                let key = canonical(&name, &all, &mut notes);
                if renamed.contains_key(&key) {
                    let problem = format!("two splits would be `{key}`");
                    return Err(Error::path(place, problem).with_remedy(as_files()));
                }
                renamed.insert(key, files);
            }
            return Ok(Layout { of_split: renamed, notes });
        }
        let place =
            if inner.is_empty() { place.to_owned() } else { format!("{place}/{}", inner.trim_end_matches('/')) };
        let inside = files.iter().filter_map(|file| Some(file.strip_prefix(&inner).ok()?.to_owned()));
        let data: Vec<PathBuf> = inside.collect();
        if data.is_empty() {
            return Err(files::no_data(Path::new(&place)));
        }
        let of_split = splits_of(Path::new(&place), &data)?;
        let notes = folder_notes(&place, &data, &of_split);
        let outside = |files: Vec<PathBuf>| files.iter().map(|file| Path::new(&inner).join(file)).collect();
        Ok(Layout { of_split: of_split.into_iter().map(|(name, files)| (name, outside(files))).collect(), notes })
    }
}

/// Returns the folder of a configuration with a slash at its end: without `configs:`, it has the configuration's name.
fn inner_folder(files: &[PathBuf], name: &str, place: &str) -> Result<String, Error> {
    let is_name = !name.is_empty() && !name.contains(['/', '\\']) && name != "." && name != "..";
    if is_name && card::has_folder(files, name) {
        return Ok(format!("{name}/"));
    }
    let folders: BTreeSet<String> = files
        .iter()
        .filter(|file| file.components().count() > 1)
        .filter_map(|file| Some(file.components().next()?.as_os_str().to_string_lossy().into_owned()))
        .collect();
    Err(card::no_such(Some(name), folders.iter().map(String::as_str), place))
}

/// Reads the files of each split, which are in `folder`.
pub(crate) fn read_layout(
    folder: &Path,
    layout: Layout,
    options: &ReadOptions,
) -> Result<BTreeMap<String, Split>, Error> {
    let mut notes = layout.notes;
    let mut splits = BTreeMap::new();
    for (name, paths) in layout.of_split {
        let mut merger = Merger::new(options);
        let mut first_format = None;
        for path in paths.iter().map(|path| folder.join(path)) {
            let (format, split) = format::read(&path, options)?;
            let first = *first_format.get_or_insert(format);
            if first != format {
                let problem = format!("`{name}` is here as {format} and as {first}, perhaps the same data twice");
                let remedy = Remedy::AnyOf(vec![Remedy::to_do("keep one"), as_files()]);
                return Err(Error::path(path.display(), problem).with_remedy(remedy));
            }
            merger.add(&path, format, split)?;
        }
        let mut split = merger.finish().ok_or_else(|| files::no_data(folder))?;
        split.notes.append(&mut notes);
        insert(&mut splits, name, split, folder)?;
    }
    Ok(splits)
}

/// Returns what was decided about the folder as a whole.
fn folder_notes(place: &str, relative: &[PathBuf], of_split: &BTreeMap<String, Vec<PathBuf>>) -> Vec<Note> {
    let mut notes = Vec::new();
    let taken: BTreeSet<&PathBuf> = of_split.values().flatten().collect();
    let mut left = Note::new(format!("data files in {place} name no split and were left out"));
    for path in relative.iter().filter(|path| !taken.contains(path)) {
        left.add(|| path.display().to_string());
    }
    let named = relative.iter().any(|path| {
        !name_splits(path).is_empty() || !folder_split_names(path).is_empty() || shard_split(path).is_some()
    });
    if !named {
        notes.push(Note::once(format!("no file in {place} is named by a split: all are `train`")));
    }
    for path in taken.iter().filter(|path| words(path).iter().any(|word| word == "eval" || word == "evaluation")) {
        notes.push(Note::once(format!("{} is the split `test`, as `load_dataset` has it", path.display())));
    }
    for (name, paths) in of_split {
        if let Some(shard) = paths.first().and_then(|path| shard_split(path)).filter(|shard| shard != name) {
            notes.push(renamed(&shard, name));
        }
    }
    notes.push(left);
    notes.retain(|note| note.count > 0);
    notes
}
