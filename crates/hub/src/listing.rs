//! Which files a commit has, how large they are, and what their bytes hash to.

use crate::Hub;
use crate::failure::Failure;
use crate::http::Call;
use crate::repo::{Repo, is_hex, is_inside};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use ureq::http::HeaderMap;

/// Longest listing that is read, in pages and in files.
const PAGES_MAX: usize = 1000;
const FILES_MAX: usize = 1_000_000;

/// Folders in folders of a snapshot that are looked into.
const DEPTH_MAX: usize = 12;

/// What the hub says of a file's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) size: u64,
    /// What git calls it: the SHA-1 of `blob <size>`, a zero byte, and the content (or the pointer to it).
    pub(crate) oid: String,
    /// The SHA-256 of the content, if git keeps a pointer only.
    pub(crate) sha256: Option<String>,
}

impl Blob {
    /// The blob's name in the cache, which is the file's entity tag.
    pub(crate) fn etag(&self) -> &str {
        self.sha256.as_ref().unwrap_or(&self.oid)
    }

    fn is_legal(&self) -> bool {
        let has = |text: &str, length: usize| text.len() == length && is_hex(text);
        has(&self.oid, 40) && self.sha256.as_ref().is_none_or(|sum| has(sum, 64))
    }
}

/// A commit's files by path; where only the cache was looked at, without what the hub says of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing(pub(crate) BTreeMap<String, Option<Blob>>);

#[derive(Deserialize)]
struct Entry {
    r#type: String,
    path: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    oid: String,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl Listing {
    /// The paths of all files, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the commit has this file.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Whether the hub confirmed each file; false where only the cache was looked at.
    pub fn is_confirmed(&self) -> bool {
        self.0.values().all(Option::is_some)
    }

    /// What is in a snapshot's folder.
    pub(crate) fn of_folder(folder: &Path) -> Listing {
        fn list(folder: &Path, before: &str, depth: usize, paths: &mut BTreeMap<String, Option<Blob>>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = entry.path();
                if path.is_dir() && depth < DEPTH_MAX {
                    list(&path, &format!("{before}{name}/"), depth + 1, paths);
                } else if path.is_file() {
                    paths.insert(format!("{before}{name}"), None);
                }
            }
        }
        let mut listing = Listing::default();
        list(folder, "", 0, &mut listing.0);
        listing
    }

    /// The form in which huggingface_hub keeps listings too; none if this is not it.
    pub(crate) fn from_cache(text: &[u8]) -> Option<Listing> {
        let value: Value = serde_json::from_slice(text).ok()?;
        if value.get("format_version")?.as_u64()? != 1 {
            return None;
        }
        let mut listing = Listing::default();
        for (path, about) in value.get("files")?.as_object()? {
            let text = |key: &str| about.get(key).and_then(Value::as_str).map(str::to_owned);
            let sha256 = text("lfs_sha256");
            let size = about.get(if sha256.is_some() { "lfs_size" } else { "size" })?.as_u64()?;
            let blob = Blob { size, oid: text("blob_id")?, sha256 };
            if !blob.is_legal() || !is_inside(path) {
                return None;
            }
            listing.0.insert(path.clone(), Some(blob));
        }
        Some(listing)
    }

    pub(crate) fn to_cache(&self) -> Vec<u8> {
        let mut files = Map::new();
        for (path, blob) in &self.0 {
            let Some(Blob { size, oid, sha256 }) = blob else { continue };
            let mut about = json!({"size": size, "blob_id": oid});
            if let Some(sum) = sha256 {
                about["lfs_sha256"] = json!(sum);
                about["lfs_size"] = json!(size);
            }
            files.insert(path.clone(), about);
        }
        let value = json!({"format_version": 1, "files": files});
        serde_json::to_vec_pretty(&value).expect("texts and numbers are JSON")
    }

    fn add(&mut self, entry: Entry) -> Result<(), Failure> {
        if entry.r#type != "file" {
            return Ok(());
        }
        let (size, sha256) = match entry.lfs {
            Some(Lfs { oid, size }) => (size, Some(oid.strip_prefix("sha256:").unwrap_or(&oid).to_owned())),
            None => (entry.size, None),
        };
        let blob = Blob { size, oid: entry.oid, sha256 };
        if !is_inside(&entry.path) {
            return Err(Failure::Malformed(format!(
                "it lists the file {:?}, which would leave its folder",
                entry.path
            )));
        }
        if !blob.is_legal() {
            return Err(Failure::Malformed(format!(
                "it lists {:?} with {:?}, which is not a hash",
                entry.path,
                blob.etag()
            )));
        }
        self.0.insert(entry.path, Some(blob));
        if self.0.len() > FILES_MAX {
            return Err(Failure::Malformed(format!("it lists more than {FILES_MAX} files")));
        }
        Ok(())
    }
}

impl Hub {
    /// Asks the hub for a commit's files, page by page, each so many times.
    pub(crate) fn list(&self, repo: &Repo, commit: &str, tries: u32) -> Result<Listing, Failure> {
        let mut listing = Listing::default();
        let mut url = self.url(&format!("{}/tree/{commit}?recursive=true&expand=false", repo.api()));
        for _ in 0..PAGES_MAX {
            let (entries, headers): (Vec<Entry>, _) = self.json(&Call { tries, ..Call::get(&url) })?;
            entries.into_iter().try_for_each(|entry| listing.add(entry))?;
            match next_page(&headers) {
                Some(next) if next.starts_with(&self.url("/")) => url = next,
                Some(next) if next.starts_with('/') => url = self.url(&next),
                Some(next) => {
                    return Err(Failure::Malformed(format!("the listing goes on at {next}, which is not it")));
                }
                None => return Ok(listing),
            }
        }
        Err(Failure::Malformed(format!("the listing has more than {PAGES_MAX} pages")))
    }
}

/// `<address>; rel="next"` of a `Link` header.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get("link")?.to_str().ok()?;
    links.split(',').find_map(|link| {
        let (address, about) = link.split_once(';')?;
        let address = address.trim().strip_prefix('<')?.strip_suffix('>')?;
        about.contains("rel=\"next\"").then(|| address.to_owned())
    })
}
