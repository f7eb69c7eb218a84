//! Folders that one process at a time writes to.
//!
//! The lock is a file with one line, which says whose it is, and which the system locks until that process ends, however
//! it ends. A line without a lock is therefore of a process that ended without tidying up.

use crate::fleeting::Fleeting;
use crate::{Error, atomic_write};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The name of the lock file.
pub const NAME: &str = ".tagsmith.lock";

/// The lock of a folder. It is given back when it is dropped.
#[derive(Debug)]
pub struct Lock {
    /// The file, and the folders that were made for it. It goes before the system's lock does.
    _at: Fleeting,
    /// The locked file.
    _file: File,
}

/// What became of an attempt to lock a folder.
#[derive(Debug)]
pub enum Locked {
    /// The folder is locked. The line is that of a process that ended while it had the lock: it was killed.
    Yes(Lock, Option<String>),
    /// Another process has the lock: its line.
    InUse(String),
    /// The file system has no locks.
    Unsupported(Lock),
}

/// Locks a folder, which is made if it is not there. `owner` becomes the lock's line.
///
/// A file is written for it, so a folder that cannot be written to is found here.
///
/// # Errors
/// What the system says of the folder or the file.
pub fn lock(folder: &Path, owner: &str) -> Result<Locked, Error> {
    let made = make(folder)?;
    let path = folder.join(NAME);
    loop {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = options.map_err(Error::io(folder))?;
        let supported = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => return Ok(Locked::InUse(line(&mut file))),
            Err(TryLockError::Error(_)) => false,
        };
        // The process that had the lock may have removed the file in between.
        if !is_at(&file, &path) {
            continue;
        }
        let before = Some(line(&mut file)).filter(|line| !line.is_empty());
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{owner}")
        };
        let lock = Lock { _at: Fleeting::new(path.clone(), made), _file: file.try_clone().map_err(Error::io(folder))? };
        // If it fails the lock is dropped, and the file is gone.
        write(&mut file).map_err(Error::io(folder))?;
        return Ok(if supported { Locked::Yes(lock, before) } else { Locked::Unsupported(lock) });
    }
}

/// Makes a folder. Returns those that did not exist before, the outermost first.
fn make(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let missing = folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    missing.reverse();
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    Ok(missing)
}

fn line(file: &mut File) -> String {
    let mut bytes = Vec::new();
    // A line that cannot be read says nothing.
    file.take(LINE_BYTES_MAX).read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
}

/// The most that is read of a lock file.
const LINE_BYTES_MAX: u64 = 500;

/// Returns whether an open file is the one that has the name now.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of = |data: std::io::Result<fs::Metadata>| data.map(|data| (data.dev(), data.ino())).ok();
    of(file.metadata()).is_some_and(|id| of(fs::metadata(path)) == Some(id))
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

/// Removes what killed processes left of files that they were writing, and returns the names. `name` picks the files.
///
/// Such a file is locked as long as its process lives: see [`hold`].
///
/// # Errors
/// What the system says of the folder or a file.
pub fn sweep(folder: &Path, name: impl Fn(&str) -> bool) -> Result<Vec<String>, Error> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut swept = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))?.flatten() {
        let (file, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if name(&file) && path.is_file() && File::open(&path).is_ok_and(|open| open.try_lock().is_ok()) {
            fs::remove_file(&path).map_err(Error::io(&path))?;
            swept.push(file);
        }
    }
    if !swept.is_empty() {
        atomic_write::sync_folder(folder)?;
    }
    swept.sort();
    Ok(swept)
}

/// Locks a file that this process writes, so that [`sweep`] leaves it alone.
pub fn hold(file: &File) {
    // Without locks on this file system nothing is swept here either.
    file.try_lock().ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(folder: &Path, owner: &str) -> (Lock, Option<String>) {
        match lock(folder, owner).unwrap() {
            Locked::Yes(lock, before) => (lock, before),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        let (first, before) = taken(&folder, "process 1 on here");
        assert_eq!(before, None);
        assert_eq!(fs::read_to_string(folder.join(NAME)).unwrap(), "process 1 on here\n");
        assert!(matches!(lock(&folder, "2").unwrap(), Locked::InUse(line) if line == "process 1 on here"));
        drop(first);
        assert!(!scratch.path().join("a").exists(), "what nobody wrote to is gone");
    }

    #[test]
    fn a_folder_with_something_in_it_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("a/b");
        let (lock, _) = taken(&folder, "1");
        fs::write(folder.join("result"), "").unwrap();
        drop(lock);
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["result"]);
    }

    #[test]
    fn the_lock_of_a_killed_process_is_taken_over() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join(NAME), "process 7 on node4\n").unwrap();
        let (_lock, before) = taken(scratch.path(), "8");
        assert_eq!(before.as_deref(), Some("process 7 on node4"));
        assert_eq!(fs::read_to_string(scratch.path().join(NAME)).unwrap(), "8\n");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_once() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("file"), "").unwrap();
        let error = lock(&scratch.path().join("file/out"), "1").unwrap_err();
        assert!(error.to_string().ends_with("file/out"), "{error}");
    }

    #[test]
    fn what_is_being_written_is_not_swept() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join(".a.1.part"), "").unwrap();
        fs::write(scratch.path().join("a.txt"), "").unwrap();
        let alive = File::create(scratch.path().join(".a.2.part")).unwrap();
        hold(&alive);
        assert_eq!(sweep(scratch.path(), |name| name.ends_with(".part")).unwrap(), [".a.1.part"]);
        drop(alive);
        assert_eq!(sweep(scratch.path(), |name| name.ends_with(".part")).unwrap(), [".a.2.part"]);
        assert!(scratch.path().join("a.txt").exists());
    }
}
