//! A finished folder becomes a repository's next commit.

use crate::failure::{Asked, Failure, token_remedy};
use crate::fetch::hex;
use crate::http::{Call, Content, TRIES, header};
use crate::repo::{Kind, Repo, is_inside};
use crate::settings::Event;
use crate::{Error, Hub, is_hub_name};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha1::Digest;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tagsmith_message::{Remedy, Setting};
use ureq::http::Method;

const JSON: &str = "application/json";

/// The branch that everything goes to.
const BRANCH: &str = "main";

/// Bytes of a file's beginning by which the hub decides how to keep it.
const SAMPLE_BYTES: u64 = 512;

/// Files that the hub is asked about at once.
const FILES_AT_ONCE: usize = 256;

/// Folders in folders that are uploaded.
const DEPTH_MAX: usize = 12;

/// A file on its way.
struct Sent {
    /// The file's path in the repository.
    path: String,
    local: PathBuf,
    size: u64,
}

#[derive(Deserialize)]
struct Whoami {
    name: String,
}

#[derive(Deserialize)]
struct Modes {
    files: Vec<Mode>,
}

#[derive(Deserialize)]
struct Mode {
    path: String,
    #[serde(rename = "uploadMode")]
    mode: String,
    #[serde(rename = "shouldIgnore", default)]
    ignore: bool,
}

#[derive(Deserialize)]
struct Batch {
    objects: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    oid: String,
    actions: Option<Actions>,
    error: Option<ObjectError>,
}

#[derive(Deserialize)]
struct ObjectError {
    message: String,
}

#[derive(Deserialize)]
struct Actions {
    upload: Option<Action>,
    verify: Option<Action>,
}

#[derive(Deserialize)]
struct Action {
    href: String,
    #[serde(default)]
    header: Map<String, Value>,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(rename = "commitUrl")]
    url: String,
}

impl Hub {
    /// The full name of the model repository `name`, which is made if it does not exist; a name without an owner becomes
    /// the token's.
    ///
    /// # Errors
    /// The name is none, there is no token or it may not write, or the hub cannot be reached.
    pub fn create_model(&self, name: &str, private: bool) -> Result<String, Error> {
        if !is_hub_name(name) {
            let remedy = Remedy::SetTo(Setting::HubModelId, "OWNER/NAME".into());
            return Err(Error::refused(name, "this cannot be a model's name on the hub", remedy));
        }
        if let Some(why) = &self.settings.offline {
            let remedy = Remedy::Unset(Setting::PushToHub);
            return Err(Error::refused(name, format!("nothing can be uploaded, because {why}"), remedy));
        }
        if self.settings.token.is_none() {
            return Err(Error::refused(name, "an upload needs a token that may write", token_remedy(true)));
        }
        let mut repo = Repo { kind: Kind::Model, id: name.to_owned() };
        let created = self.create(&mut repo, private);
        created.map_err(|failure| failure.explain(&Asked { up: true, ..self.asked(&repo, BRANCH) }))?;
        Ok(repo.id)
    }

    fn create(&self, repo: &mut Repo, private: bool) -> Result<(), Failure> {
        if !repo.id.contains('/') {
            let (Whoami { name }, _) = self.json(&Call::get(&self.url("/api/whoami-v2")))?;
            repo.id = format!("{name}/{}", repo.id);
        }
        let (owner, name) = repo.id.split_once('/').expect("it has an owner now");
        let mut body = json!({"name": name, "organization": owner, "type": "model"});
        if private {
            body["visibility"] = json!("private");
        }
        match self.call(&Call::post(&self.url("/api/repos/create"), body.to_string().as_bytes(), JSON)) {
            // It exists already.
            Ok(_) | Err(Failure::Refused { status: 409, .. }) => Ok(()),
            // Who may make none may still write to one that is there.
            Err(failure @ Failure::Refused { status: 403, .. }) => {
                self.call(&Call::get(&self.url(&repo.api()))).map(drop).map_err(|_| failure)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Uploads a folder as one commit, but checkpoints and what begins with `_` or `.`; the commit's address.
    ///
    /// # Errors
    /// A file cannot be read; whatever the hub answers instead of taking it. The repository is then as it was, unless
    /// the answer to the commit itself was lost.
    pub fn upload_model(&self, id: &str, folder: &Path, message: &str) -> Result<String, Error> {
        let mut files = Vec::new();
        list(folder, "", 0, &mut files)?;
        let repo = Repo { kind: Kind::Model, id: id.to_owned() };
        self.commit(&repo, files, message).map_err(|failure| {
            let error = failure.explain(&Asked { up: true, ..self.asked(&repo, BRANCH) });
            let later = Remedy::to_do(format!("upload it later with `hf upload {id} {}`", folder.display()));
            let remedies = error.remedy().into_iter().chain([later]).collect();
            let kept = format!("the model is in {}", folder.display());
            Error::refused(error.with_cause(), kept, Remedy::AnyOf(remedies))
        })
    }

    fn commit(&self, repo: &Repo, files: Vec<Sent>, message: &str) -> Result<String, Failure> {
        let mut lines = vec![json!({"key": "header", "value": {"summary": message, "description": ""}}).to_string()];
        let mut large = Vec::new();
        for some in files.chunks(FILES_AT_ONCE) {
            let modes = self.modes(repo, some)?;
            for file in some {
                let mode = modes.iter().find(|mode| mode.path == file.path);
                let mode = mode.ok_or_else(|| Failure::Malformed(format!("it says nothing of {}", file.path)))?;
                match mode.mode.as_str() {
                    _ if mode.ignore => self.warn(format!("{}: the repository's .gitignore leaves it out", file.path)),
                    // What is empty cannot be kept apart from git.
                    "lfs" if file.size > 0 => {
                        let sum = sha256(&file.local)?;
                        let value = json!({"path": file.path, "algo": "sha256", "oid": sum, "size": file.size});
                        lines.push(json!({"key": "lfsFile", "value": value}).to_string());
                        large.push((file, sum));
                    }
                    "lfs" | "regular" => {
                        let content = fs::read(&file.local).map_err(Error::open(&file.local))?;
                        let content = BASE64_STANDARD.encode(content);
                        let value = json!({"content": content, "path": file.path, "encoding": "base64"});
                        lines.push(json!({"key": "file", "value": value}).to_string());
                    }
                    other => return Err(Failure::Malformed(format!("it wants {} uploaded as `{other}`", file.path))),
                }
            }
        }
        for some in large.chunks(FILES_AT_ONCE) {
            self.send_large(repo, some)?;
        }
        let body = lines.join("\n") + "\n";
        let url = self.url(&format!("{}/commit/{BRANCH}", repo.api()));
        // The call is not repeated: a commit whose answer was lost would be made twice.
        let call = Call { tries: 1, ..Call::post(&url, body.as_bytes(), "application/x-ndjson") };
        let (Commit { url }, _) = self.json(&call)?;
        Ok(url)
    }

    /// How the hub wants to keep each file.
    fn modes(&self, repo: &Repo, files: &[Sent]) -> Result<Vec<Mode>, Failure> {
        let mut about = Vec::new();
        for file in files {
            let mut sample = Vec::new();
            let open = File::open(&file.local).map_err(Error::open(&file.local))?;
            open.take(SAMPLE_BYTES).read_to_end(&mut sample).map_err(Error::open(&file.local))?;
            about.push(json!({"path": file.path, "sample": BASE64_STANDARD.encode(sample), "size": file.size}));
        }
        let url = self.url(&format!("{}/preupload/{BRANCH}", repo.api()));
        let body = json!({"files": about}).to_string();
        let (Modes { files }, _) = self.json(&Call::post(&url, body.as_bytes(), JSON))?;
        Ok(files)
    }

    /// Files that git keeps pointers to: by their SHA-256, where the hub says.
    fn send_large(&self, repo: &Repo, files: &[(&Sent, String)]) -> Result<(), Failure> {
        const LFS: &str = "application/vnd.git-lfs+json";
        let objects: Vec<Value> = files.iter().map(|(file, sum)| json!({"oid": sum, "size": file.size})).collect();
        let body = json!({
            "operation": "upload", "transfers": ["basic", "multipart"], "objects": objects, "hash_algo": "sha256",
            "ref": {"name": BRANCH},
        });
        let url = self.url(&format!("{}.git/info/lfs/objects/batch", repo.page()));
        let (batch, _): (Batch, _) = self.json(&Call {
            headers: &[("accept", LFS.to_owned())],
            ..Call::post(&url, body.to_string().as_bytes(), LFS)
        })?;
        for (file, sum) in files {
            let object = batch.objects.iter().find(|object| object.oid == *sum);
            let object =
                object.ok_or_else(|| Failure::Malformed(format!("it does not say where {} goes", file.path)))?;
            if let Some(ObjectError { message }) = &object.error {
                return Err(Failure::Malformed(format!("it does not take {} ({message})", file.path)));
            }
            let Some(Actions { upload: Some(upload), verify }) = &object.actions else {
                self.say(format!("{}: the hub has these bytes already", file.path));
                continue;
            };
            (self.notify)(Event::Began { up: true, file: &file.path, size: file.size, done: 0 });
            self.put(file, sum, upload)?;
            if let Some(Action { href, .. }) = verify {
                let body = json!({"oid": sum, "size": file.size}).to_string();
                self.call(&Call::post(href, body.as_bytes(), JSON))?;
            }
            (self.notify)(Event::Finished);
        }
        Ok(())
    }

    /// Whole, or part by part where the hub says how long a part is and where each goes.
    fn put(&self, file: &Sent, sum: &str, upload: &Action) -> Result<(), Failure> {
        let part = |url: &str, start: u64, length: u64| {
            let content = Content::Part { file: &file.local, start, length };
            self.call(&Call { method: Method::PUT, url, headers: &[], content, tries: TRIES })
        };
        let Some(length) = upload.header.get("chunk_size") else {
            part(&upload.href, 0, file.size)?;
            return Ok(());
        };
        let length = length.as_u64().or_else(|| length.as_str()?.parse().ok()).filter(|length| *length > 0);
        let length = length.ok_or_else(|| Failure::Malformed("the length of parts is not a number".into()))?;
        let mut parts = Vec::new();
        // Numbers of parts may begin with zeros.
        let urls: BTreeMap<u64, &str> =
            upload.header.iter().filter_map(|(key, url)| Some((key.parse().ok()?, url.as_str()?))).collect();
        for number in 1..=file.size.div_ceil(length) {
            let url = *urls
                .get(&number)
                .ok_or_else(|| Failure::Malformed(format!("it does not say where part {number} goes")))?;
            let start = (number - 1) * length;
            let response = part(url, start, length.min(file.size - start))?;
            let etag = header(&response, "etag").filter(|etag| !etag.is_empty());
            let etag = etag.ok_or_else(|| Failure::Malformed(format!("part {number} got no etag")))?;
            parts.push(json!({"partNumber": number, "etag": etag}));
            (self.notify)(Event::Moved(start + length.min(file.size - start)));
        }
        let body = json!({"oid": sum, "parts": parts}).to_string();
        self.call(&Call::post(&upload.href, body.as_bytes(), "application/vnd.git-lfs+json"))?;
        Ok(())
    }
}

fn sha256(file: &Path) -> Result<String, Error> {
    let mut open = File::open(file).map_err(Error::open(file))?;
    let mut sum = Sha256::new();
    io::copy(&mut open, &mut digest_io(&mut sum)).map_err(Error::open(file))?;
    Ok(hex(&sum.finalize()))
}

/// A hash as something to write to.
fn digest_io(sum: &mut Sha256) -> impl io::Write + '_ {
    struct Into<'s>(&'s mut Sha256);
    impl io::Write for Into<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    Into(sum)
}

/// What the Trainer uploads: all but checkpoints and what begins with `_`; hidden files neither.
fn list(folder: &Path, before: &str, depth: usize, files: &mut Vec<Sent>) -> Result<(), Error> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::open(folder))? {
        entries.push(entry.map_err(Error::open(folder))?.path());
    }
    entries.sort();
    for local in entries {
        let name = local.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = format!("{before}{name}");
        if name.starts_with(['.', '_']) || depth == 0 && name.starts_with("checkpoint-") {
            continue;
        }
        if local.is_dir() && depth < DEPTH_MAX {
            list(&local, &format!("{path}/"), depth + 1, files)?;
        } else if is_inside(&path) && local.is_file() {
            let size = fs::metadata(&local).map_err(Error::open(&local))?.len();
            files.push(Sent { path, local, size });
        } else {
            return Err(Error::path(
                local.display(),
                "it cannot be uploaded under this name, or so deep: rename or remove it",
            ));
        }
    }
    Ok(())
}
