//! The hub: names become commits, commits become folders in the cache.

use crate::cache::Shelf;
use crate::error::no_path;
use crate::failure::{Asked, Failure};
use crate::http::{Call, TRIES};
use crate::listing::Listing;
use crate::repo::{Kind, Repo, is_commit, is_inside, segment};
use crate::{Error, Hub, is_hub_name};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_message::Remedy;

/// The revision that a name alone means.
pub const MAIN: &str = "main";

/// A commit of a repository, of which files may be here.
pub struct Snapshot {
    /// The repository.
    pub repo: Repo,
    pub(crate) commit: String,
    /// The files of the commit.
    pub listing: Listing,
    revision: String,
    shelf: Shelf,
    /// Why nothing more of it can be brought here, if so.
    closed: Option<String>,
}

impl Snapshot {
    /// The folder in the cache that holds the files that are here.
    pub fn folder(&self) -> PathBuf {
        self.shelf.snapshot(&self.commit)
    }

    /// Whether the file is here, as long as it should be.
    fn has(&self, file: &str) -> bool {
        let blob = self.listing.0.get(file).and_then(Option::as_ref);
        let about = fs::metadata(self.folder().join(file));
        about.is_ok_and(|about| blob.is_none_or(|blob| blob.size == about.len()))
    }
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
}

impl Hub {
    /// The name of a repository, where a path was not found.
    pub fn repo(&self, kind: Kind, name: &str) -> Result<Repo, Error> {
        if is_hub_name(name) { Ok(Repo { kind, id: name.to_owned() }) } else { Err(no_path(name)) }
    }

    /// Which commit a revision is and which files it has; from the cache where the hub cannot be asked, as a note then
    /// says. `is_whole` says of files that are here whether they could be it, where the cache has no name for the commit.
    pub(crate) fn look_up(
        &self,
        repo: Repo,
        revision: &str,
        is_whole: impl Fn(&Listing) -> bool,
    ) -> Result<Snapshot, Failure> {
        if !is_inside(revision) {
            let remedy = Remedy::set(repo.kind.revision()).so_as("with a branch, a tag or a commit");
            return Err(Error::refused(repo.id, format!("`{revision}` is not a revision"), remedy).into());
        }
        let shelf = Shelf::new(&self.settings.cache, &repo);
        let cached = shelf.commit(revision);
        let revision = revision.to_owned();
        let (commit, closed) = match &self.settings.offline {
            Some(why) => (cached.or_else(|| self.unnamed(&shelf, &revision, &is_whole)), why.clone()),
            None => match self.ask(&repo, &shelf, &revision, cached.is_some()) {
                Ok((commit, listing)) => return Ok(Snapshot { repo, commit, listing, revision, shelf, closed: None }),
                Err(failure) if failure.is_missing_revision() => return Err(failure),
                Err(failure) => match cached {
                    None => return Err(failure),
                    Some(commit) => {
                        let why = failure.reason();
                        self.warn(format!("{}: {why}: commit {} from the cache is used", repo.id, short(&commit)));
                        (Some(commit), why)
                    }
                },
            },
        };
        let Some(commit) = commit else { return Err(self.not_here(&repo, &revision, &shelf, &closed).into()) };
        let listing = shelf.listing(&commit).unwrap_or_else(|| Listing::of_folder(&shelf.snapshot(&commit)));
        Ok(Snapshot { repo, commit, listing, revision, shelf, closed: Some(closed) })
    }

    /// Asks the hub, once if the cache could answer instead.
    fn ask(&self, repo: &Repo, shelf: &Shelf, revision: &str, has_cached: bool) -> Result<(String, Listing), Failure> {
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            let url = self.url(&format!("{}/revision/{}", repo.api(), segment(revision)));
            let tries = if has_cached { 1 } else { TRIES };
            let (Revision { sha }, _) = self.json(&Call { tries, ..Call::get(&url) })?;
            sha
        };
        if !is_commit(&commit) {
            return Err(Failure::Malformed(format!("`{}` is not a commit", commit.escape_debug())));
        }
        if let Some(listing) = shelf.listing(&commit) {
            return Ok((commit, listing));
        }
        let listing = self.list(repo, &commit, if has_cached { 1 } else { TRIES })?;
        if let Err(error) = shelf.set_listing(&commit, &listing) {
            self.warn(format!("{}: the listing is not kept", error.with_cause()));
        }
        Ok((commit, listing))
    }

    /// Files that were asked for by their commit have no name in the cache: if they are of one commit only, it is it.
    fn unnamed(&self, shelf: &Shelf, revision: &str, is_whole: &impl Fn(&Listing) -> bool) -> Option<String> {
        if revision != MAIN {
            return None;
        }
        let mut commits = shelf.commits();
        commits.retain(|commit| is_whole(&Listing::of_folder(&shelf.snapshot(commit))));
        let commit = commits.pop_first().filter(|_| commits.is_empty())?;
        self.warn(format!(
            "{}: nothing says which commit `{revision}` is; {} is the only one here and used",
            shelf.folder().display(),
            short(&commit)
        ));
        Some(commit)
    }

    fn not_here(&self, repo: &Repo, revision: &str, shelf: &Shelf, why: &str) -> Error {
        let what = match revision {
            MAIN => String::new(),
            _ => format!(" at the revision `{revision}`"),
        };
        let noun = repo.kind.noun();
        let place = shelf.folder().display();
        let commits: Vec<String> = shelf.commits().iter().map(|commit| short(commit).to_owned()).collect();
        let there = match commits.is_empty() {
            true => String::new(),
            false => format!(" (there are the commits {})", commits.join(", ")),
        };
        let problem =
            format!("there is no such folder here, the {noun}{what} is not in the cache {place}{there}, and {why}");
        let one_of_these = Remedy::set(repo.kind.revision()).so_as("with one of these commits");
        let download = format!("run `{}` where there is a connection and copy the cache", repo.download());
        let mut remedies = vec![Remedy::to_do("run it once with a connection"), Remedy::to_do(download)];
        remedies.extend((!commits.is_empty()).then_some(one_of_these));
        Error::refused(&repo.id, problem, Remedy::AnyOf(remedies))
    }

    /// Brings files of a commit here, those that are not yet, and remembers which commit the revision is.
    pub fn ensure<'f>(&self, snapshot: &Snapshot, files: impl IntoIterator<Item = &'f str>) -> Result<(), Error> {
        let missing: Vec<&str> = files.into_iter().filter(|file| !snapshot.has(file)).collect();
        let Snapshot { repo, commit, shelf, .. } = snapshot;
        if let (Some(why), false) = (&snapshot.closed, missing.is_empty()) {
            let problem = format!(
                "{} {} not in the cache ({}), and {why}",
                missing.join(", "),
                if missing.len() == 1 { "is" } else { "are" },
                snapshot.folder().display()
            );
            return Err(Error::refused(&repo.id, problem, Remedy::to_do("run it once with a connection")));
        }
        for file in missing {
            let blob = snapshot.listing.0.get(file).and_then(Option::as_ref);
            let blob = blob.expect("what the hub listed is what is asked for");
            self.fetch(repo, shelf, commit, file, blob).map_err(|failure| {
                failure.explain(&Asked { file: Some(file), ..self.asked(repo, &snapshot.revision) })
            })?;
        }
        // A guessed listing, or one that could not be fetched, is not written to the cache.
        if snapshot.closed.is_some() {
            return Ok(());
        }
        if let Err(error) = shelf.set_commit(&snapshot.revision, commit) {
            let why = error.with_cause();
            self.warn(format!("{why}: the cache does not learn which commit `{}` is", snapshot.revision));
        }
        Ok(())
    }

    /// A revision of a repository, as [`Hub::ensure`] takes it. `is_whole` says whether a listing found in the cache has
    /// what is needed.
    ///
    /// # Errors
    /// Whatever the hub answers instead of a listing.
    pub fn snapshot(
        &self,
        repo: &Repo,
        revision: &str,
        is_whole: impl Fn(&Listing) -> bool,
    ) -> Result<Snapshot, Error> {
        let found = self.look_up(repo.clone(), revision, is_whole);
        found.map_err(|failure| failure.explain(&self.asked(repo, revision)))
    }

    /// Returns the snapshot of a revision, or none where the hub has no such revision.
    ///
    /// # Errors
    /// Whatever else the hub answers instead of a listing.
    pub fn snapshot_if_any(
        &self,
        repo: &Repo,
        revision: &str,
        is_whole: impl Fn(&Listing) -> bool,
    ) -> Result<Option<Snapshot>, Error> {
        match self.look_up(repo.clone(), revision, is_whole) {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(failure) if failure.is_missing() => Ok(None),
            Err(failure) => Err(failure.explain(&self.asked(repo, revision))),
        }
    }

    pub(crate) fn asked<'a>(&'a self, repo: &'a Repo, revision: &'a str) -> Asked<'a> {
        let with_token = self.settings.token.is_some();
        Asked { endpoint: &self.settings.endpoint, repo, revision, file: None, with_token, up: false }
    }

    /// Says that a revision is not used, because the name is a folder.
    pub fn say_unused_revision(&self, kind: Kind, folder: &Path, revision: Option<&str>) {
        if revision.is_some_and(|revision| revision != MAIN) {
            let (noun, folder) = (kind.noun(), folder.display());
            self.warn(format!("the {noun}'s revision is not used, because {folder} is a folder here"));
        }
    }
}

/// A commit as people write it.
fn short(commit: &str) -> &str {
    &commit[..12]
}
