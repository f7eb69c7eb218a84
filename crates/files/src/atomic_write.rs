//! Files that are there whole after a crash, or not at all.

use crate::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The ending of what is not whole yet. The name begins with a point, so that nobody takes it for a result.
const ENDING: &str = ".partial";

/// Returns the place where a file or folder waits until it is whole: beside `path`, hidden.
pub fn stage_of(path: &Path) -> PathBuf {
    let name = path.file_name().expect("what is written has a name").to_string_lossy();
    path.with_file_name(format!(".{name}{ENDING}"))
}

/// Returns whether [`stage_of`] makes such names.
pub fn is_stage(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(ENDING)
}

/// Replaces the content of `path` by `bytes`. A reader sees the old file or the new one, never a part.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let staged = stage_of(path);
    let write = || {
        let mut file = File::create(&staged)?;
        file.write_all(bytes).and_then(|()| file.sync_all())
    };
    write().map_err(Error::io(path)).inspect_err(|_| {
        // A full disk should not stay full of what cannot be used; the first error is the one to report.
        fs::remove_file(&staged).ok();
    })?;
    fs::rename(&staged, path).map_err(Error::io(path))?;
    sync_folder(path.parent().expect("a file to write is in a folder"))
}

/// Makes `path` a link to `target`, where the system has links, or else a file that holds the target's name. A reader
/// sees the old link or the new one.
pub fn link(path: &Path, target: &str) -> Result<(), Error> {
    #[cfg(unix)]
    {
        let staged = stage_of(path);
        fs::remove_file(&staged).ok();
        std::os::unix::fs::symlink(target, &staged).map_err(Error::io(path))?;
        fs::rename(&staged, path).map_err(Error::io(path))?;
        sync_folder(path.parent().expect("a link is in a folder"))
    }
    #[cfg(not(unix))]
    write(path, target.as_bytes())
}

/// Makes renames into or out of a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), Error> {
    // A bare file name has the parent "", which is the current folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|file| file.sync_all()).map_err(Error::io(folder))
}

/// Sends every file and folder below a folder to the disk, and the folder itself.
pub fn sync_all(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        match path.is_dir() {
            true => sync_all(&path)?,
            false => File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))?,
        }
    }
    sync_folder(folder)
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove_folder(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(folder)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write(&folder.path().join("no/a.json"), b"new").unwrap_err();
        assert!(error.to_string().ends_with("no/a.json"), "the file is named, not its stage: {error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("best");
        link(&at, "one").unwrap();
        link(&at, "two").unwrap();
        assert_eq!(fs::read_link(&at).unwrap(), Path::new("two"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn stages_are_known_by_their_names() {
        assert_eq!(stage_of(Path::new("out/a.json")), Path::new("out/.a.json.partial"));
        assert!(is_stage(".a.json.partial"));
        assert!(!is_stage("a.json.partial") && !is_stage(".a.json"));
    }
}
