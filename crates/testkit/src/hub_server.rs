//! A hub on this machine: the routes that are used of it, by hand, over the loopback. Files that git does not keep
//! come from a second port, as the real one's come from another host.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What was asked.
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Whether it came to the port of large files.
    pub cdn: bool,
}

/// What is answered.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The connection ends after so many bytes of the body.
    pub cut: Option<usize>,
}

impl Reply {
    pub fn new(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new(), cut: None }
    }

    pub fn json(value: &Value) -> Reply {
        Reply::new(200).with("content-type", "application/json").body(value.to_string().into_bytes())
    }

    /// An error as the hub gives it.
    pub fn error(status: u16, code: &str, message: &str) -> Reply {
        let reply = Reply::new(status).with("x-error-message", message);
        if code.is_empty() { reply } else { reply.with("x-error-code", code) }
    }

    pub fn with(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Reply {
        self.body = body.into();
        self
    }

    /// A file, or the part of it that was asked for.
    pub fn file(request: &Request, bytes: &[u8]) -> Reply {
        let start = request
            .headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        match start {
            None => Reply::new(200).body(bytes),
            Some(start) if start >= bytes.len() => Reply::new(416),
            Some(start) => Reply::new(206)
                .with("content-range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()))
                .body(&bytes[start..]),
        }
    }
}

/// Answers instead of the hub; `count` is how often the same was asked before.
type Rule = Box<dyn Fn(&Request, usize) -> Option<Reply> + Send + Sync>;

/// One revision's files: whether git keeps only a pointer, and the bytes.
type Files = BTreeMap<String, (bool, Vec<u8>)>;

#[derive(Default)]
struct Repository {
    revisions: BTreeMap<String, Files>,
    /// The token without which nobody sees it.
    token: Option<String>,
    gated: bool,
}

#[derive(Default)]
struct State {
    repositories: BTreeMap<String, Repository>,
    moved: BTreeMap<String, String>,
    large: BTreeMap<String, Vec<u8>>,
    requests: Vec<(String, Option<String>)>,
    page: usize,
}

/// The hub.
pub struct Server {
    pub url: String,
    cdn: String,
    state: Arc<Mutex<State>>,
    rule: Arc<Mutex<Option<Rule>>>,
}

/// How git calls a file.
pub fn git_oid(bytes: &[u8]) -> String {
    let mut sum = Sha1::new();
    sum.update(format!("blob {}\0", bytes.len()));
    sum.update(bytes);
    hex(&sum.finalize())
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pointer(bytes: &[u8]) -> Vec<u8> {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", sha256(bytes), bytes.len()).into()
}

fn commit_of(files: &Files) -> String {
    let mut sum = Sha1::new();
    for (path, (_, bytes)) in files {
        sum.update(path);
        sum.update(git_oid(bytes));
    }
    hex(&sum.finalize())
}

impl Server {
    pub fn start() -> Server {
        let state = Arc::new(Mutex::new(State { page: 1000, ..State::default() }));
        let rule = Arc::new(Mutex::new(None));
        let listen = || TcpListener::bind("127.0.0.1:0").expect("the loopback has a port");
        let (hub, cdn) = (listen(), listen());
        let address = |of: &TcpListener| format!("http://{}", of.local_addr().expect("it is bound"));
        let server = Server { url: address(&hub), cdn: address(&cdn), state, rule };
        server.serve(hub, false);
        server.serve(cdn, true);
        server
    }

    /// Puts files into a revision; those whose name ends in `.safetensors`, `.parquet` or `.bin` beside git.
    pub fn put(&self, repository: &str, revision: &str, files: &[(&str, &[u8])]) {
        let mut state = self.state.lock().expect("no thread panicked");
        for (_, bytes) in files.iter().filter(|(path, _)| is_large(path)) {
            state.large.insert(sha256(bytes), bytes.to_vec());
        }
        let repository = state.repositories.entry(repository.to_owned()).or_default();
        let revision = repository.revisions.entry(revision.to_owned()).or_default();
        revision.extend(files.iter().map(|(path, bytes)| ((*path).to_owned(), (is_large(path), bytes.to_vec()))));
    }

    pub fn moved(&self, from: &str, to: &str) {
        self.state.lock().expect("no thread panicked").moved.insert(from.to_owned(), to.to_owned());
    }

    pub fn private(&self, repository: &str, token: &str) {
        let mut state = self.state.lock().expect("no thread panicked");
        state.repositories.entry(repository.to_owned()).or_default().token = Some(token.to_owned());
    }

    pub fn gated(&self, repository: &str) {
        let mut state = self.state.lock().expect("no thread panicked");
        state.repositories.entry(repository.to_owned()).or_default().gated = true;
    }

    /// Entries of a listing's page.
    pub fn page(&self, entries: usize) {
        self.state.lock().expect("no thread panicked").page = entries;
    }

    pub fn rule(&self, rule: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static) {
        *self.rule.lock().expect("no thread panicked") = Some(Box::new(rule));
    }

    pub fn no_rule(&self) {
        *self.rule.lock().expect("no thread panicked") = None;
    }

    pub fn commit(&self, repository: &str, revision: &str) -> String {
        commit_of(&self.files(repository, revision))
    }

    /// What a revision holds.
    pub fn files(&self, repository: &str, revision: &str) -> Files {
        self.state.lock().expect("no thread panicked").repositories[repository].revisions[revision].clone()
    }

    /// What was asked since the last time: method and target; `cdn` before those of the other port.
    pub fn asked(&self) -> Vec<String> {
        let mut state = self.state.lock().expect("no thread panicked");
        std::mem::take(&mut state.requests).into_iter().map(|(line, _)| line).collect()
    }

    /// The tokens that came with requests whose line holds `part`.
    pub fn tokens(&self, part: &str) -> Vec<Option<String>> {
        let state = self.state.lock().expect("no thread panicked");
        state.requests.iter().filter(|(line, _)| line.contains(part)).map(|(_, token)| token.clone()).collect()
    }

    fn serve(&self, listener: TcpListener, cdn: bool) {
        let (state, rule, cdn_url) = (self.state.clone(), self.rule.clone(), self.cdn.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, rule, cdn_url) = (state.clone(), rule.clone(), cdn_url.clone());
                thread::spawn(move || {
                    let Some(request) = read(&stream, cdn) else { return };
                    let line = format!("{}{} {}", if cdn { "cdn " } else { "" }, request.method, request.target);
                    let count = {
                        let mut state = state.lock().expect("no thread panicked");
                        let count = state.requests.iter().filter(|(asked, _)| *asked == line).count();
                        state.requests.push((line, request.headers.get("authorization").cloned()));
                        count
                    };
                    let special =
                        rule.lock().expect("no thread panicked").as_ref().and_then(|rule| rule(&request, count));
                    let reply = special.unwrap_or_else(|| {
                        let mut state = state.lock().expect("no thread panicked");
                        if cdn { state.cdn(&request) } else { state.hub(&request, &cdn_url) }
                    });
                    write(&stream, &request, &reply);
                });
            }
        });
    }
}

fn is_large(path: &str) -> bool {
    [".safetensors", ".parquet", ".bin"].iter().any(|end| path.ends_with(end))
}

fn read(stream: &TcpStream, cdn: bool) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length: &String| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, target, headers, body, cdn })
}

/// Whoever hangs up early is not our concern.
fn write(mut stream: &TcpStream, request: &Request, reply: &Reply) {
    let mut head = format!("HTTP/1.1 {} status\r\nconnection: close\r\n", reply.status);
    if !reply.headers.iter().any(|(name, _)| name == "content-length") {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let body = if request.method == "HEAD" { &[] } else { &reply.body[..reply.cut.unwrap_or(reply.body.len())] };
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(b"\r\n"))
        .and_then(|()| stream.write_all(body));
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // Until the other side has hung up, or what it still sends would be answered with a reset.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

impl State {
    fn cdn(&mut self, request: &Request) -> Reply {
        let name = request.target.trim_start_matches('/').split('?').next().unwrap_or_default().to_owned();
        if request.method == "PUT" {
            let (oid, part) = name.split_once('/').unwrap_or((name.as_str(), "1"));
            let part: usize = part.parse().expect("a number");
            let bytes = self.large.entry(oid.to_owned()).or_default();
            if part == 1 {
                bytes.clear();
            }
            bytes.extend(&request.body);
            return Reply::new(200).with("etag", format!("\"part-{part}\""));
        }
        match self.large.get(&name) {
            Some(bytes) => Reply::file(request, bytes),
            None => Reply::new(404),
        }
    }

    fn hub(&mut self, request: &Request, cdn: &str) -> Reply {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target.as_str(), ""));
        let path = decoded(path);
        if request.method == "POST" {
            return self.post(&path, request, cdn);
        }
        if path == "/api/whoami-v2" {
            return Reply::json(&json!({"name": "jo"}));
        }
        if let Some(rest) = path.strip_prefix("/api/resolve-cache/") {
            let names: Vec<&str> = rest.splitn(5, '/').collect();
            let repository = format!("{}/{}/{}", names[0], names[1], names[2]);
            return self.resolve(&repository, names[3], names[4], request, None);
        }
        let (kind, rest) = match path.strip_prefix("/api/") {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None => path.strip_prefix("/datasets/").map_or(("models", &path[1..]), |rest| ("datasets", rest)),
        };
        // `org/name/verb/rest`, or an old name without an organization.
        let verbs = ["revision", "tree", "resolve"];
        let parts: Vec<&str> = rest.split('/').collect();
        let Some(at) = parts.iter().position(|part| verbs.contains(part)) else { return Reply::new(404) };
        let repository = format!("{kind}/{}", parts[..at].join("/"));
        let rest = parts[at + 1..].join("/");
        if let Some(to) = self.moved.get(&repository) {
            return Reply::new(307)
                .with("location", request.target.replacen(&parts[..at].join("/"), &to[kind.len() + 1..], 1));
        }
        let token = request.headers.get("authorization").and_then(|header| header.strip_prefix("Bearer "));
        let visible =
            self.repositories.get(&repository).filter(|found| found.token.is_none() || found.token.as_deref() == token);
        let Some(found) = visible else {
            return Reply::error(401, "RepoNotFound", "Invalid username or password.");
        };
        match parts[at] {
            "revision" => match found.revisions.get(&rest) {
                Some(files) => Reply::json(&json!({"id": parts[..at].join("/"), "sha": commit_of(files)})),
                None => Reply::error(404, "RevisionNotFound", &format!("Invalid rev id: {rest}")),
            },
            "tree" => found.tree(&rest, query, self.page, &path),
            _ => {
                if found.gated && token.is_none() {
                    return Reply::error(403, "GatedRepo", "Access to it is restricted.");
                }
                let commit = found.revisions.keys().find(|name| rest.starts_with(&format!("{name}/")));
                let commit = commit.map_or_else(|| rest[..40].to_owned(), |name| commit_of(&found.revisions[name]));
                let file = rest.split_once(&format!("{commit}/")).map_or(rest.as_str(), |(_, file)| file);
                self.resolve(&repository, &commit, file, request, Some(cdn))
            }
        }
    }

    /// A file: the first time, small ones by a relative redirect, large ones by one to the other port.
    fn resolve(&self, repository: &str, commit: &str, file: &str, request: &Request, cdn: Option<&str>) -> Reply {
        let revisions = &self.repositories[repository].revisions;
        let files = revisions.values().find(|files| commit_of(files) == commit);
        let Some((large, bytes)) = files.and_then(|files| files.get(file)) else {
            return Reply::error(404, "EntryNotFound", "Entry not found").with("x-repo-commit", commit);
        };
        let reply = match (large, cdn) {
            (true, Some(cdn)) => Reply::new(302)
                .with("location", format!("{cdn}/{}?signature=x", sha256(bytes)))
                .with("x-linked-etag", format!("\"{}\"", sha256(bytes)))
                .with("x-linked-size", bytes.len())
                .with("etag", format!("\"{}\"", git_oid(&pointer(bytes)))),
            (false, Some(_)) => Reply::new(307)
                .with("location", format!("/api/resolve-cache/{repository}/{commit}/{file}"))
                .with("etag", format!("\"{}\"", git_oid(bytes))),
            _ => Reply::file(request, bytes).with("etag", format!("\"{}\"", git_oid(bytes))),
        };
        reply.with("x-repo-commit", commit)
    }

    fn post(&mut self, path: &str, request: &Request, cdn: &str) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if path == "/api/repos/create" {
            let id = format!(
                "models/{}/{}",
                body["organization"].as_str().expect("an owner"),
                body["name"].as_str().expect("a name")
            );
            if self.repositories.contains_key(&id) {
                return Reply::error(409, "", "You already created this model repo");
            }
            let token = body["visibility"].as_str().filter(|it| *it == "private").map(|_| "secret".to_owned());
            self.repositories.insert(id.clone(), Repository { token, ..Repository::default() });
            return Reply::json(&json!({"url": format!("/{id}")}));
        }
        if path.contains("/preupload/") {
            let files = body["files"].as_array().expect("files").iter().map(|file| {
                let path = file["path"].as_str().expect("a path");
                let mode = if is_large(path) { "lfs" } else { "regular" };
                json!({"path": path, "uploadMode": mode, "shouldIgnore": path.ends_with(".ignored")})
            });
            return Reply::json(&json!({"files": files.collect::<Vec<_>>()}));
        }
        if path.ends_with(".git/info/lfs/objects/batch") {
            let objects = body["objects"].as_array().expect("objects").iter().map(|object| {
                let oid = object["oid"].as_str().expect("an oid");
                let size = object["size"].as_u64().expect("a size");
                let hub = format!("http://{}", request.headers["host"]);
                if self.large.contains_key(oid) {
                    return json!({"oid": oid, "size": size});
                }
                let verify = json!({"href": format!("{hub}/verify")});
                // From 1000 bytes on in parts of 400.
                let upload = if size < 1000 {
                    json!({"href": format!("{cdn}/{oid}")})
                } else {
                    let mut header = json!({"chunk_size": "400"});
                    for part in 1..=size.div_ceil(400) {
                        // Numbers may be padded with zeros: every other one is here.
                        let key = if part % 2 == 0 { part.to_string() } else { format!("{part:05}") };
                        header[key] = json!(format!("{cdn}/{oid}/{part}"));
                    }
                    json!({"href": format!("{hub}/complete"), "header": header})
                };
                json!({"oid": oid, "size": size, "actions": {"upload": upload, "verify": verify}})
            });
            let objects: Vec<Value> = objects.collect();
            return Reply::json(&json!({"transfer": "basic", "objects": objects}));
        }
        if path == "/complete" {
            return Reply::json(&json!({}));
        }
        if path == "/verify" {
            let whole = self.large.get(body["oid"].as_str().expect("an oid"));
            let whole = whole.is_some_and(|bytes| sha256(bytes) == body["oid"] && bytes.len() == body["size"]);
            return if whole { Reply::new(200) } else { Reply::error(400, "", "not what was announced") };
        }
        let Some(id) = path.strip_prefix("/api/").and_then(|rest| rest.strip_suffix("/commit/main")) else {
            return Reply::new(404);
        };
        let mut files = Files::new();
        for line in String::from_utf8_lossy(&request.body).lines() {
            let line: Value = serde_json::from_str(line).expect("JSON lines");
            let (path, value) = (line["value"]["path"].as_str().unwrap_or_default().to_owned(), &line["value"]);
            match line["key"].as_str().expect("a key") {
                "header" => assert!(value["summary"].is_string()),
                "file" => {
                    let content = BASE64_STANDARD.decode(value["content"].as_str().expect("base64")).expect("base64");
                    files.insert(path, (false, content));
                }
                "lfsFile" => {
                    files.insert(path, (true, self.large[value["oid"].as_str().expect("an oid")].clone()));
                }
                other => panic!("{other}"),
            }
        }
        let oid = commit_of(&files);
        let Some(repository) = self.repositories.get_mut(id) else { return Reply::new(404) };
        repository.revisions.insert("main".into(), files);
        Reply::json(
            &json!({"commitUrl": format!("http://{}/{id}/commit/{oid}", request.headers["host"]), "commitOid": oid}),
        )
    }
}

impl Repository {
    fn tree(&self, commit: &str, query: &str, page: usize, path: &str) -> Reply {
        let Some(files) = self.revisions.values().find(|files| commit_of(files) == commit) else {
            return Reply::error(404, "RevisionNotFound", "Invalid rev id");
        };
        let cursor = query.split('&').find_map(|part| part.strip_prefix("cursor=")).and_then(|it| it.parse().ok());
        let cursor: usize = cursor.unwrap_or(0);
        let entries: Vec<Value> = files
            .iter()
            .skip(cursor)
            .take(page)
            .map(|(path, (large, bytes))| match large {
                true => json!({"type": "file", "path": path, "size": bytes.len(), "oid": git_oid(&pointer(bytes)),
                    "lfs": {"oid": sha256(bytes), "size": bytes.len(), "pointerSize": pointer(bytes).len()}}),
                false => json!({"type": "file", "path": path, "size": bytes.len(), "oid": git_oid(bytes)}),
            })
            .collect();
        let reply = Reply::json(&json!(entries));
        if cursor + page < files.len() {
            let next = format!("<{path}?recursive=true&expand=false&cursor={}>; rel=\"next\"", cursor + page);
            return reply.with("link", next);
        }
        reply
    }
}

fn decoded(path: &str) -> String {
    percent_encoding::percent_decode_str(path).decode_utf8().expect("UTF-8").into_owned()
}
