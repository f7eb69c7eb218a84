//! Paths, folders, globs and lists of them become files.

use crate::dataset::split_names::splits_of;
use crate::error::Error;
use crate::format::{all_extensions, is_data_file};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_message::{Remedy, Setting};

/// The depth of folders that are looked into; a link that leads back would never end.
const DEPTH_MAX: usize = 12;

/// One thing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A data file.
    File(PathBuf),
    /// A folder that `save_to_disk` wrote for one split.
    Saved(PathBuf),
}

/// Returns what the patterns stand for, in their order. Files of a folder or a glob come in the order of their names.
///
/// A pattern is a file, a folder, a glob, or several of these parted by commas or white space. A path that exists
/// is never taken apart.
/// Of a folder with several saved splits, the first of `splits` that it has is meant.
pub(crate) fn expand(patterns: &[String], splits: &[&str]) -> Result<Vec<Input>, Error> {
    let mut inputs = Vec::new();
    for pattern in patterns {
        let is_list = pattern.contains(|char: char| char == ',' || char.is_whitespace());
        if is_list && !Path::new(pattern).exists() {
            let parts = pattern.split(|char: char| char == ',' || char.is_whitespace());
            for part in parts.filter(|part| !part.is_empty()) {
                expand_one(part, splits, &mut inputs)?;
            }
        } else {
            expand_one(pattern, splits, &mut inputs)?;
        }
    }
    let mut seen = HashSet::new();
    for input in &inputs {
        let (Input::File(path) | Input::Saved(path)) = input;
        if !seen.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone())) {
            return Err(Error::path(path.display(), "it is given twice: name every file once"));
        }
    }
    Ok(inputs)
}

fn expand_one(pattern: &str, splits: &[&str], inputs: &mut Vec<Input>) -> Result<(), Error> {
    let path = Path::new(pattern);
    if path.exists() {
        return expand_path(path, splits, inputs);
    }
    if !pattern.contains(['*', '?', '[']) {
        return Err(Error::no_path(pattern));
    }
    let matches = glob::glob(pattern)
        .map_err(|error| Error::path(pattern, format!("this is not a glob pattern ({error}): correct it")))?;
    let before = inputs.len();
    for path in matches {
        let path =
            path.map_err(|error| Error::Open { path: error.path().display().to_string(), source: error.into() })?;
        expand_path(&path, splits, inputs)?;
    }
    if inputs.len() == before {
        return Err(Error::path(pattern, "no file matches: correct the pattern"));
    }
    Ok(())
}

fn expand_path(path: &Path, splits: &[&str], inputs: &mut Vec<Input>) -> Result<(), Error> {
    if !path.is_dir() {
        let is_text = path.extension().is_some_and(|extension| extension == "txt");
        if is_standoff(path) || is_text && path.with_extension("ann").exists() {
            return Err(standoff(path));
        }
        inputs.push(Input::File(path.to_owned()));
        return Ok(());
    }
    if path.join("state.json").exists() {
        inputs.push(Input::Saved(path.to_owned()));
        return Ok(());
    }
    if path.join("dataset_dict.json").exists() {
        if let Some(split) = splits.iter().map(|split| path.join(split)).find(|split| split.is_dir()) {
            inputs.push(Input::Saved(split));
            return Ok(());
        }
        if !splits.is_empty() {
            let problem = format!("this folder holds no split called {}", splits.join(" or "));
            return Err(Error::path(path.display(), problem));
        }
        return Err(Error::path(path.display(), "this folder holds a DatasetDict").with_remedy(as_data_set()));
    }
    let is_brat = |entry: fs::DirEntry| is_standoff(&entry.path());
    if fs::read_dir(path).map_err(Error::open(path))?.flatten().any(is_brat) {
        return Err(standoff(path));
    }
    let files = data_files(path)?;
    let by_split = splits_of(path, &relative(&files, path))?;
    if by_split.len() > 1 {
        let names: Vec<&str> = by_split.keys().map(String::as_str).collect();
        let problem = format!("this folder holds several splits ({})", names.join(", "));
        return Err(Error::path(path.display(), problem).with_remedy(as_data_set()));
    }
    if files.is_empty() {
        return Err(no_data(path));
    }
    inputs.extend(files.into_iter().map(Input::File));
    Ok(())
}

/// Returns whether a file's name says that it holds annotations of brat.
fn is_standoff(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ann")
}

/// Returns the error for brat's texts and annotations.
fn standoff(path: &Path) -> Error {
    let problem =
        "this is brat's standoff format: texts (.txt), and files (.ann) that mark entities by places of characters";
    let act = "cut the texts into words, and write a word and its tag a line, with a blank line after each sentence";
    Error::path(path.display(), problem).with_remedy(Remedy::to_do(act))
}

/// Returns the remedy of naming a folder as a data set, or one split of it.
fn as_data_set() -> Remedy {
    let whole = Remedy::set(Setting::DatasetName).so_as("with the folder");
    Remedy::AnyOf(vec![whole, Remedy::to_do("name the files of one split")])
}

/// Returns the error for a folder without data.
pub(crate) fn no_data(folder: &Path) -> Error {
    Error::path(
        folder.display(),
        format!(
            "this folder holds no data: it must hold files that end in {} or .txt (text formats also in .gz), or be saved by `save_to_disk`",
            all_extensions()
        ),
    )
}

/// Returns the data files among a repository's, sorted, as [`data_files`] would find them in its folder.
pub(crate) fn data_files_of<'p>(paths: impl Iterator<Item = &'p str>) -> Vec<PathBuf> {
    let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.') || part.starts_with("__"));
    let mut files: Vec<PathBuf> = paths.filter(|path| !is_hidden(path)).map(PathBuf::from).collect();
    files.retain(|path| is_data_file(path));
    files.sort();
    files
}

/// Returns the files by their paths in `folder`.
pub(crate) fn relative(files: &[PathBuf], folder: &Path) -> Vec<PathBuf> {
    files.iter().map(|file| file.strip_prefix(folder).unwrap_or(file).to_owned()).collect()
}

/// Returns all data files under `folder`, sorted, but those whose own or whose folder's name begins with `.` or `__`.
pub(crate) fn data_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    list(folder, 0, &mut files)?;
    files.sort();
    Ok(files)
}

fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::path(
            folder.display(),
            format!("folders nest more than {DEPTH_MAX} deep: pass an inner one"),
        ));
    }
    for entry in fs::read_dir(folder).map_err(Error::open(folder))? {
        let path = entry.map_err(Error::open(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') || name.starts_with("__") {
            continue;
        }
        if path.is_dir() {
            list(&path, depth + 1, files)?;
        } else if is_data_file(&path) {
            files.push(path);
        }
    }
    Ok(())
}
