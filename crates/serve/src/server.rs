//! A server from its start to its end.

pub mod check;

use crate::engine::{Engine, WarmUp};
use crate::http::{App, Log, Model, Phase, body, connections};
use crate::metrics::Metrics;
use crate::route::label_studio::training::Training;
use crate::route::{self, info};
use crate::settings::Settings;
use anyhow::{Context, Result};
use axum::Router;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
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
    let room = Arc::new(body::room(settings.limits.body_bytes));
    let training = settings.on_train.clone().map(Training::by);
    let app = App { engine, settings, model, metrics, phase, room, training, log };
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

/// Returns the commit of a folder of the hub's cache.
pub fn revision(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?;
    let is_commit = name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_commit && folder.parent()?.file_name()? == "snapshots").then(|| name.to_owned())
}
