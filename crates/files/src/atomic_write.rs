//! Files that are there whole after a crash, or not at all.

use crate::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

/// Replaces the content of `path` by `bytes`. A reader sees the old file or the new one, never a part.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let name = path.file_name().expect("a file to write has a name").to_string_lossy();
    let staged = path.with_file_name(format!(".{name}.partial"));
    let mut file = File::create(&staged).map_err(Error::io(&staged))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io(&staged))?;
    fs::rename(&staged, path).map_err(Error::io(path))?;
    sync_folder(path.parent().expect("a file to write is in a folder"))
}

/// Makes renames into or out of a folder durable.
pub fn sync_folder(folder: &Path) -> Result<(), Error> {
    // A bare file name has the parent "", which is the current folder.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|file| file.sync_all()).map_err(Error::io(folder))
}
