//! Which split a file or folder belongs to, by its name.

use super::remedy::as_files;
use crate::error::Error;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use tagsmith_message::{Note, Remedy};

/// The splits that run scripts look for; other splits of a repository are not downloaded.
pub const SPLITS: [&str; 3] = ["train", "validation", "test"];

/// The splits, each with the words in file and folder names that mean it, as `datasets` has them.
const KEYWORDS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// Returns the split that a name means to run scripts, with a note where that is another.
///
/// `dev`, `valid` and so on mean `validation`, unless that one is there as well.
pub(super) fn canonical(name: &str, all: &[&str], notes: &mut Vec<Note>) -> String {
    let Some(meant) = keyword(name).filter(|meant| *meant != name && !all.contains(meant)) else {
        return name.to_owned();
    };
    notes.push(renamed(name, meant));
    meant.to_owned()
}

pub(super) fn renamed(name: &str, meant: &str) -> Note {
    Note::once(format!("the split `{name}` is used as `{meant}`"))
}

fn keyword(word: &str) -> Option<&'static str> {
    KEYWORDS.iter().find(|(_, words)| words.contains(&word)).map(|(split, _)| *split)
}

pub(super) fn words(path: &Path) -> Vec<String> {
    path.components().flat_map(|part| parts(&part.as_os_str().to_string_lossy())).collect()
}

/// Returns the folder's files by their splits: by `data/NAME-00000-of-00001.*`, else by the folders' names, else by the
/// files' own. All are `train` when no name says anything.
pub(crate) fn splits_of(folder: &Path, files: &[PathBuf]) -> Result<BTreeMap<String, Vec<PathBuf>>, Error> {
    let shards: Vec<(&PathBuf, String)> = files.iter().filter_map(|file| Some((file, shard_split(file)?))).collect();
    let mut splits: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    if !shards.is_empty() {
        let names: Vec<&str> = shards.iter().map(|(_, name)| name.as_str()).collect();
        for (file, name) in &shards {
            let name = keyword(name).filter(|meant| !names.contains(meant)).unwrap_or(name);
            splits.entry(name.to_owned()).or_default().push((*file).clone());
        }
        return Ok(splits);
    }
    for names in [folder_split_names, name_splits] {
        for file in files {
            let found = names(file);
            if found.len() > 1 {
                let found: Vec<&str> = found.into_iter().collect();
                let problem = format!("its name means several splits ({})", found.join(", "));
                let remedy = Remedy::AnyOf(vec![Remedy::to_do("rename it"), as_files()]);
                return Err(Error::path(folder.join(file).display(), problem).with_remedy(remedy));
            }
            for name in found {
                splits.entry(name.to_owned()).or_default().push(file.clone());
            }
        }
        if !splits.is_empty() {
            return Ok(splits);
        }
    }
    if !files.is_empty() {
        splits.insert("train".into(), files.to_vec());
    }
    Ok(splits)
}

/// Returns `NAME` of `data/NAME-00000-of-00001.parquet`.
pub(super) fn shard_split(file: &Path) -> Option<String> {
    if file.parent() != Some(Path::new("data")) {
        return None;
    }
    let name = file.file_name()?.to_str()?;
    let (before, after) = name.rsplit_once("-of-")?;
    let (split, number) = before.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(number) && is_number(after.get(..5)?) && !split.is_empty()).then(|| split.to_owned())
}

/// Returns the splits that the names of a file's folders mean.
pub(super) fn folder_split_names(file: &Path) -> BTreeSet<&'static str> {
    let folders = file.parent().into_iter().flat_map(Path::components);
    let words = folders.flat_map(|folder| parts(&folder.as_os_str().to_string_lossy()));
    words.filter_map(|word| keyword(&word)).collect()
}

/// Returns the splits that a file's own name means. The last extension does not count.
pub(super) fn name_splits(file: &Path) -> BTreeSet<&'static str> {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    parts(&name).iter().filter_map(|word| keyword(word)).collect()
}

/// Returns the words of a name, which `-`, `.`, `_`, spaces and digits part.
fn parts(name: &str) -> Vec<String> {
    let is_separator = |char: char| matches!(char, '-' | '.' | '_' | ' ') || char.is_ascii_digit();
    name.split(is_separator).filter(|part| !part.is_empty()).map(str::to_lowercase).collect()
}
