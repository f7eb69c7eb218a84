//! A server from its start to its end.

use crate::engine::{Engine, WarmUp};
use crate::http::connections;
use crate::http::{App, Log, Model, Phase};
use crate::metrics::Metrics;
use crate::route::{self, info};
use crate::settings::Settings;
use anyhow::{Context, Result};
use axum::Router;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tagsmith_app::predict::tagger::Tagger;
use tokio::sync::watch;

/// Threads for connections. They never compute.
const IO_THREADS: usize = 2;

/// A handle that ends a server.
#[derive(Clone)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Returns the handle of a server that was not started yet.
    pub fn new() -> Stop {
        Stop(watch::Sender::new(false))
    }

    /// Lets the server finish what is in progress, and end.
    pub fn begin(&self) {
        self.0.send_replace(true);
    }
}

impl Default for Stop {
    fn default() -> Stop {
        Stop::new()
    }
}

/// A tagger to be served.
pub struct Served {
    /// The tagger.
    pub tagger: Tagger,
    /// What clients may know of it.
    pub model: Model,
    /// Instructions, threads and the like, for the counters.
    pub build: Vec<(&'static str, String)>,
}

/// Reserves the address, before a model is read.
///
/// # Errors
/// An address that is in use, or is not this machine's.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("nobody can listen at {address}"))
}

/// Returns the state of a server: its engine runs.
///
/// # Errors
/// The system gives no thread; a model that cannot compute.
pub fn open(served: Served, settings: Settings, log: Option<Log>) -> Result<(Arc<App>, Option<WarmUp>)> {
    let Served { tagger, model, build } = served;
    let paths: Vec<&str> = route::routes().iter().map(|(path, _)| *path).collect();
    let types = info::types(tagger.labels());
    let build: Vec<(&str, String)> = [
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("model", model.id.clone()),
        ("revision", model.revision.clone().unwrap_or_default()),
        ("precision", model.precision.to_owned()),
    ]
    .into_iter()
    .chain(build)
    .collect();
    let metrics = Arc::new(Metrics::new(&paths, &types, &build));
    let workers = settings.tokenization_workers;
    let engine =
        Engine::start(tagger, &settings.limits, workers, metrics.clone()).context("the system gives no thread")?;
    let warm_up = engine.warm_up()?;
    let phase = Phase::default();
    let app = App { engine, settings, model, metrics, phase, reading: AtomicUsize::new(0), log };
    Ok((Arc::new(app), warm_up))
}

/// Returns the routes of a server.
pub fn router(app: &Arc<App>) -> Router {
    route::router(app.clone())
}

/// Serves until `stop` begins, and then what is in progress.
///
/// # Errors
/// The system gives no thread.
pub fn run(app: Arc<App>, listener: TcpListener, stop: &Stop) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(IO_THREADS)
        .thread_name("connections")
        .enable_io()
        .enable_time()
        .build()
        .context("the system gives no thread for connections")?;
    let stopped = stop.0.subscribe();
    let served: io::Result<()> = runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        app.phase.ready();
        let router = router(&app);
        connections::serve(app, router, listener, stopped).await;
        Ok(())
    });
    // Connections without a request in progress go.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served.context("the system refuses the address")
}

/// Returns the SHA-256 of a model's files: whoever gets the same answers to all questions has the same.
///
/// # Errors
/// A file that cannot be read.
pub fn fingerprint(folder: &Path) -> Result<String> {
    let mut files = Vec::new();
    list(folder, folder, &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for (name, path) in files {
        hash.update(name.len().to_le_bytes());
        hash.update(name);
        hash.update(hash_of(&path).with_context(|| path.display().to_string())?);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{digits}"))
}

/// Returns the SHA-256 of a file.
fn hash_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut part = vec![0; 1 << 18];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&part[..read]),
        }
    }
}

/// Lists the files that decide answers, by their names in the folder.
fn list(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    const PARTS: [&str; 4] = ["token_tokenizer", "type_tokenizer", "token_encoder", "type_encoder"];
    const KINDS: [&str; 5] = [".safetensors", ".bin", ".json", ".model", ".txt"];
    // What a training leaves beside its model.
    const RESULTS: [&str; 6] = ["optimizer", "trainer_state", "training_args", "loop_state", "results", "predictions"];
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            if PARTS.contains(&name.as_str()) {
                list(root, &path, files)?;
            }
        } else if KINDS.iter().any(|kind| name.ends_with(kind)) && !RESULTS.iter().any(|part| name.contains(part)) {
            files.push((name, path));
        }
    }
    Ok(())
}

/// Returns the commit of a folder of the hub's cache.
pub fn revision(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?;
    let is_commit = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_commit && folder.parent()?.file_name()? == "snapshots").then(|| name.to_owned())
}
