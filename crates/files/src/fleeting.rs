//! Files that are there only while this process works: locks of folders, and results that are not whole. They are removed
//! where they are dropped, and all at once where the process ends otherwise.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

/// All such files of this process.
static ALL: Mutex<Vec<Place>> = Mutex::new(Vec::new());

/// A file, and folders that were made for it, the outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: PathBuf,
    made: Vec<PathBuf>,
}

impl Place {
    fn remove(&self) {
        // No caller could be told that removing failed. The next run finds the file, and knows what it is.
        fs::remove_file(&self.file).ok();
        // A folder with something in it stays.
        self.made.iter().rev().take_while(|folder| fs::remove_dir(folder).is_ok()).for_each(drop);
    }
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub struct Fleeting(Place);

impl Fleeting {
    /// Takes a file, and the folders that were made for it, the outermost first.
    pub fn new(file: PathBuf, made: Vec<PathBuf>) -> Fleeting {
        let place = Place { file, made };
        ALL.lock().unwrap_or_else(PoisonError::into_inner).push(place.clone());
        Fleeting(place)
    }

    /// Gives the file a name under which it stays.
    ///
    /// # Errors
    /// What the system says of the name. The file is then gone.
    pub fn keep(self, name: &Path) -> io::Result<()> {
        // While this is held, nobody removes the file under its old name.
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let renamed = fs::rename(&self.0.file, name);
        drop(all);
        renamed
    }
}

impl Drop for Fleeting {
    fn drop(&mut self) {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|place| *place != self.0);
        self.0.remove();
    }
}

/// Removes all such files of this process, which is about to end: nothing is kept or made after it. It takes no memory, and
/// waits a moment at most for a file that is on its way.
pub fn discard_all() {
    for _ in 0..10 {
        if let Ok(all) = ALL.try_lock() {
            all.iter().rev().for_each(Place::remove);
            std::mem::forget(all);
            return;
        }
        sleep(Duration::from_millis(10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_gone_or_has_its_name() {
        let scratch = tempfile::tempdir().unwrap();
        let [part, whole, folder] = ["out/.part", "out/whole", "out"].map(|name| scratch.path().join(name));
        let fleeting = || {
            fs::create_dir(&folder).ok();
            fs::write(&part, "text").unwrap();
            Fleeting::new(part.clone(), vec![folder.clone()])
        };
        drop(fleeting());
        assert!(!folder.exists());
        fleeting().keep(&whole).unwrap();
        assert!(!part.exists() && fs::read_to_string(&whole).unwrap() == "text");
        drop(fleeting());
        assert!(!part.exists() && whole.exists(), "a folder with something in it stays");
        let error = fleeting().keep(&scratch.path().join("no/whole")).unwrap_err();
        assert!(error.kind() == io::ErrorKind::NotFound && !part.exists());
    }
}
