//! Which files of a folder are which split of a configuration.

use crate::dataset::card::{self, CARD_BYTES_MAX};
use crate::dataset::files;
use crate::dataset::merge::{Merger, insert};
use crate::dataset::remedy::as_files;
use crate::dataset::split_names::{canonical, folder_split_names, name_splits, renamed, shard_split, splits_of, words};
use crate::error::Error;
use crate::format;
use crate::read_options::ReadOptions;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_message::{Note, Remedy};
use tagsmith_text::sentence::Split;

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
    let files: Vec<PathBuf> = layout.of_split.values().flatten().map(|path| folder.join(path)).collect();
    options.meter.expect(files.iter().map(PathBuf::as_path));
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
    let what = "{data file|data files} in {} {names|name} no split and {was|were} left out";
    let mut left = Note::naming(what, &[&place]).important();
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
