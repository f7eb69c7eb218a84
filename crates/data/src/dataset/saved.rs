//! Saved data sets: what `save_to_disk` wrote.

use crate::dataset::files;
use crate::dataset::merge::{Merger, insert};
use crate::dataset::split_names::canonical;
use crate::error::Error;
use crate::format::arrow::ClassNames;
use crate::format::{self, Format};
use crate::read_options::ReadOptions;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_hub::is_inside;
use tagsmith_text::sentence::Split;

/// The most bytes of a dataset_info.json, state.json or dataset_dict.json that is read.
const DESCRIPTION_BYTES_MAX: u64 = 64 << 20;

pub(super) fn saved_splits(folder: &Path, options: &ReadOptions) -> Result<BTreeMap<String, Split>, Error> {
    let file = folder.join("dataset_dict.json");
    let described = description(&file)?;
    let names: Option<Vec<&str>> =
        described.get("splits").and_then(Value::as_array).and_then(|names| names.iter().map(Value::as_str).collect());
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| {
        Error::path(file.display(), "`splits` is not a list of names: save the data set again with `save_to_disk`")
    })?;
    for name in &names {
        expect_saved(&folder.join(inside(name, &file)?), options)?;
    }
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

/// Takes down the sizes of a saved data set's shards.
pub(super) fn expect_saved(folder: &Path, options: &ReadOptions) -> Result<(), Error> {
    let (shards, _) = saved_shards(folder)?;
    options.meter.expect(shards.iter().map(PathBuf::as_path));
    Ok(())
}

/// Reads a saved data set's shards, with the label names of its dataset_info.json.
pub(super) fn read_saved(folder: &Path, options: &ReadOptions, merger: &mut Merger) -> Result<(), Error> {
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
