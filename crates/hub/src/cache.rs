//! The cache on disk, as huggingface_hub lays it out:
//! `models--org--name/{blobs/<etag>, refs/<revision>, snapshots/<commit>/<file>, trees/<commit>.json}`.
//!
//! Files of snapshots are links to blobs. Whatever is written stands beside its place first and is renamed.

use crate::Error;
use crate::listing::Listing;
use crate::repo::{Repo, is_commit, is_inside};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest refs file that is one.
const REF_BYTES_MAX: u64 = 256;

/// One repository's part of the cache.
pub(crate) struct Shelf {
    folder: PathBuf,
    locks: PathBuf,
}

impl Shelf {
    pub(crate) fn new(cache: &Path, repo: &Repo) -> Shelf {
        Shelf { folder: cache.join(repo.folder()), locks: cache.join(".locks").join(repo.folder()) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// The commit that a revision was when it was last looked up, if anything of it is here.
    pub(crate) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return self.snapshot(revision).is_dir().then(|| revision.to_owned());
        }
        if !is_inside(revision) {
            return None;
        }
        let file = self.folder.join("refs").join(revision);
        let is_short = fs::metadata(&file).is_ok_and(|about| about.len() <= REF_BYTES_MAX);
        let commit = is_short.then(|| fs::read_to_string(&file).ok()).flatten()?.trim().to_owned();
        // Of a repository whose conversion is read there is the listing alone.
        let is_known = self.snapshot(&commit).is_dir() || self.listing(&commit).is_some();
        (is_commit(&commit) && is_known).then_some(commit)
    }

    /// The commits of which something is here.
    pub(crate) fn commits(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.folder.join("snapshots")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_commit(name)).collect()
    }

    /// From now on the revision is this commit.
    pub(crate) fn set_commit(&self, revision: &str, commit: &str) -> Result<(), Error> {
        if is_commit(revision) || self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        write(&self.folder.join("refs").join(revision), commit.as_bytes())
    }

    /// The commit's files, if they were listed before.
    pub(crate) fn listing(&self, commit: &str) -> Option<Listing> {
        Listing::from_cache(&fs::read(self.tree(commit)).ok()?)
    }

    pub(crate) fn set_listing(&self, commit: &str, listing: &Listing) -> Result<(), Error> {
        write(&self.tree(commit), &listing.to_cache())
    }

    fn tree(&self, commit: &str) -> PathBuf {
        self.folder.join("trees").join(format!("{commit}.json"))
    }

    /// Where the bytes of this name are, or will be.
    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// Waits until no other process downloads what has this name. None where the file system knows no locks.
    pub(crate) fn lock(&self, etag: &str, waiting: impl FnOnce()) -> Result<Option<File>, Error> {
        let path = self.locks.join(format!("{etag}.lock"));
        create_folder_of(&path)?;
        let file = OpenOptions::new().create(true).append(true).open(&path);
        // Another user's can be locked too.
        let file = file.or_else(|error| File::open(&path).map_err(|_| error)).map_err(Error::write(&path))?;
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(_)) => return Ok(None),
        }
        waiting();
        file.lock().map_err(Error::open(&path))?;
        Ok(Some(file))
    }

    /// Makes a blob one of a snapshot's files.
    pub(crate) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), Error> {
        let place = self.snapshot(commit).join(file);
        create_folder_of(&place)?;
        // From snapshots/<commit>/ up to the folder, once more for each folder of the file.
        let up = "../".repeat(2 + file.matches('/').count());
        let beside = beside(&place);
        // What a killed process left might be a link, through which a copy would be written.
        let _ = fs::remove_file(&beside);
        let link = symlink(&format!("{up}blobs/{etag}"), &beside);
        let made = link.or_else(|error| match error.kind() {
            // A copy would be written through the link that is there.
            io::ErrorKind::AlreadyExists => Err(error),
            _ => fs::copy(self.blob(etag), &beside).map(drop),
        });
        made.and_then(|()| fs::rename(&beside, &place)).map_err(Error::write(&place))
    }
}

#[cfg(unix)]
fn symlink(target: &str, place: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, place)
}

/// Links need rights elsewhere; a copy is read as well.
#[cfg(not(unix))]
fn symlink(_target: &str, _place: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn create_folder_of(path: &Path) -> Result<(), Error> {
    let folder = path.parent().expect("a file in the cache has a folder");
    fs::create_dir_all(folder).map_err(Error::write(folder))
}

/// A name beside `path` that nobody else takes.
fn beside(path: &Path) -> PathBuf {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().expect("a file in the cache has a name").to_string_lossy();
    let number = TAKEN.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!("{name}.{}-{number}.tmp", process::id()))
}

/// Writes a small file, so that others see nothing of it or all.
fn write(path: &Path, content: &[u8]) -> Result<(), Error> {
    create_folder_of(path)?;
    let beside = beside(path);
    let mut file = File::create(&beside).map_err(Error::write(&beside))?;
    file.write_all(content).and_then(|()| fs::rename(&beside, path)).map_err(Error::write(path))
}
