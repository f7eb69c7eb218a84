//! Several files that are one thing, such as a model. A reader finds all of the old ones, all of the new ones, or no key
//! file, which every reader reads first.
//!
//! The new files are written into a hidden folder, go to the disk, and the folder gets a name that says that it is whole.
//! Then the key file of the old thing is removed, the new files take their places, and the new key file comes last. A
//! crash before the folder is whole leaves the old thing as it is. After that moment [`complete`] does the rest.

use crate::{Error, atomic_write};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// A kind of thing that consists of several files.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The thing's name in names of hidden folders.
    pub name: &'static str,
    /// The file that every reader reads first, and without which it reads nothing.
    pub key: &'static str,
}

/// A model: weights, tokenizer, and the configuration that tells a reader how to read them.
pub const MODEL: Kind = Kind { name: "model", key: "config.json" };

impl Kind {
    /// Returns the hidden folder in which the files are written.
    fn stage(self, folder: &Path) -> PathBuf {
        atomic_write::stage_of(&folder.join(self.name))
    }

    /// Returns the hidden folder in which whole files wait for their places.
    fn waiting(self, folder: &Path) -> PathBuf {
        folder.join(format!(".{}.whole", self.name))
    }

    /// Returns whether a crash left a whole thing in the folder whose files are not all in their places.
    pub fn waits_in(self, folder: &Path) -> bool {
        self.waiting(folder).is_dir()
    }
}

/// Replaces a thing in `folder` by the files that `write` puts into the folder it is given.
///
/// # Errors
/// The error of `write`, or of the system. The old thing is then still there.
pub fn publish<E: From<Error>>(folder: &Path, kind: Kind, write: impl FnOnce(&Path) -> Result<(), E>) -> Result<(), E> {
    let stage = kind.stage(folder);
    atomic_write::remove_folder(&stage)?;
    complete(folder, kind)?;
    fs::create_dir(&stage).map_err(Error::io(folder))?;
    let staged = write(&stage).and_then(|()| {
        atomic_write::sync_all(&stage)?;
        fs::rename(&stage, kind.waiting(folder)).map_err(Error::io(folder))?;
        Ok(atomic_write::sync_folder(folder)?)
    });
    staged.inspect_err(|_| {
        // A full disk should not stay full of what cannot be used; the first error is the one to report.
        fs::remove_dir_all(&stage).ok();
    })?;
    complete(folder, kind)?;
    Ok(())
}

/// Puts the files of a whole thing into their places, if a crash left one that waits. Returns whether there was one.
///
/// # Errors
/// What the system says of a file.
pub fn complete(folder: &Path, kind: Kind) -> Result<bool, Error> {
    let moves = moves(folder, kind)?;
    moves.iter().try_for_each(Move::make)?;
    Ok(!moves.is_empty())
}

/// A change of the folder.
enum Move {
    /// A file disappears, if it is there.
    Remove(PathBuf),
    /// A file or folder gets a name, whatever had it before.
    Rename(PathBuf, PathBuf),
    /// The changes before this one are on the disk before those after it.
    Sync(PathBuf),
    /// An empty folder disappears.
    RemoveFolder(PathBuf),
}

impl Move {
    fn make(&self) -> Result<(), Error> {
        match self {
            Move::Remove(path) => match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(path)(error)),
                _ => Ok(()),
            },
            Move::Rename(from, to) => {
                // A folder that is not empty cannot be renamed over.
                if from.is_dir() {
                    atomic_write::remove_folder(to)?;
                }
                fs::rename(from, to).map_err(Error::io(to))
            }
            Move::Sync(folder) => atomic_write::sync_folder(folder),
            Move::RemoveFolder(folder) => fs::remove_dir(folder).map_err(Error::io(folder)),
        }
    }
}

/// Returns what is to be done so that the files that wait are in their places.
fn moves(folder: &Path, kind: Kind) -> Result<Vec<Move>, Error> {
    let waiting = kind.waiting(folder);
    let entries = match fs::read_dir(&waiting) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io(&waiting))?,
    };
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<Vec<_>, _>>();
    let mut names = names.map_err(Error::io(&waiting))?;
    names.sort();
    let sync = || Move::Sync(folder.to_owned());
    let rename = |name: &std::ffi::OsString| Move::Rename(waiting.join(name), folder.join(name));
    let mut moves = Vec::new();
    let (keys, others): (Vec<_>, Vec<_>) = names.iter().partition(|name| *name == kind.key);
    // A key file that does not wait any more is in its place already, and so are the others.
    if !keys.is_empty() {
        moves.extend([Move::Remove(folder.join(kind.key)), sync()]);
    }
    moves.extend(others.into_iter().map(rename));
    moves.push(sync());
    moves.extend(keys.into_iter().map(rename));
    moves.extend([sync(), Move::RemoveFolder(waiting.clone())]);
    Ok(moves)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "data/train.conll"];

    fn write(folder: &Path, version: &str) {
        fs::create_dir_all(folder.join("data")).unwrap();
        FILES.iter().for_each(|file| fs::write(folder.join(file), version).unwrap());
    }

    /// What someone reads who begins with the key file: the versions of all files, or nothing.
    fn read(folder: &Path) -> Vec<String> {
        let version = |file: &&str| fs::read_to_string(folder.join(file)).unwrap_or_default();
        if folder.join(MODEL.key).exists() { FILES.iter().map(version).collect() } else { Vec::new() }
    }

    fn count(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    fn publish_version(folder: &Path, version: &str) {
        publish::<Error>(folder, MODEL, |stage| {
            write(stage, version);
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_thing_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        publish_version(folder.path(), "old");
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        publish_version(folder.path(), "new");
        assert_eq!(read(folder.path()), ["new"; 4]);
        assert_eq!(count(folder.path()), 5, "four files and a stranger's, nothing else");
    }

    #[test]
    fn a_crash_at_any_point_leaves_no_mix() {
        let moves_in_all = 8;
        let mut seen = Vec::new();
        for made in 0..=moves_in_all {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), "old");
            let waiting = MODEL.waiting(folder.path());
            fs::create_dir(&waiting).unwrap();
            write(&waiting, "new");
            let moves = moves(folder.path(), MODEL).unwrap();
            assert_eq!(moves.len(), moves_in_all + 1);
            moves[..made].iter().try_for_each(Move::make).unwrap();
            seen.push(read(folder.path()).first().cloned().unwrap_or_default());
            let found = read(folder.path());
            assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "after {made}: {found:?}");
            assert!(MODEL.waits_in(folder.path()));
            assert!(complete(folder.path(), MODEL).unwrap());
            assert_eq!(read(folder.path()), ["new"; 4], "after {made}");
            assert!(!MODEL.waits_in(folder.path()) && !complete(folder.path(), MODEL).unwrap());
        }
        assert_eq!(seen, ["old", "", "", "", "", "", "", "new", "new"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_the_old_thing() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "old");
        let full = |stage: &Path| {
            fs::write(stage.join("model.safetensors"), "half").unwrap();
            Err(Error::content(stage, "the disk is full"))
        };
        assert!(publish::<Error>(folder.path(), MODEL, full).unwrap_err().to_string().ends_with("is full"));
        assert_eq!(read(folder.path()), ["old"; 4]);
        assert_eq!(count(folder.path()), 4);
    }
}
