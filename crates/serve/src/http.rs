//! What all routes share.

pub mod body;
pub mod connections;
pub mod frame;
pub mod keys;

use crate::engine::{Answer, Engine};
use crate::metrics::Metrics;
use crate::refusal::{Kind, Refusal};
use crate::route::label_studio::training::Training;
use crate::settings::Settings;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// What a request's answer is.
pub type Reply = Result<Response, Refusal>;

/// A server's state, which all requests share.
pub struct App {
    /// The engine.
    pub engine: Engine,
    /// The caller's choices.
    pub settings: Settings,
    /// What is served.
    pub model: Model,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Whether requests are welcome.
    pub phase: Phase,
    /// Room for bodies that are being read and lines that are worked on, in bytes.
    pub room: Arc<Semaphore>,
    /// What "Start training" of Label Studio begins.
    pub training: Option<Training>,
    /// Hears of every request.
    pub log: Option<Log>,
}

/// A receiver of what there is to say of a request. No text of the request is in it.
pub type Log = Box<dyn Fn(&Value) + Send + Sync>;

/// What is served, as clients see it.
#[derive(Clone, Debug, Serialize)]
pub struct Model {
    /// The name that clients know.
    pub id: String,
    /// The commit of a model of the hub.
    pub revision: Option<String>,
    /// The SHA-256 of the model's files.
    pub fingerprint: String,
    /// `f32` or `bf16`.
    pub precision: &'static str,
}

/// The phases of a server's life.
#[derive(Default)]
pub struct Phase(AtomicU8);

impl Phase {
    const READY: u8 = 1;
    const ENDING: u8 = 2;

    /// Welcomes requests.
    pub fn ready(&self) {
        self.0.store(Phase::READY, Ordering::Release);
    }

    /// Asks clients to go elsewhere.
    pub fn end(&self) {
        self.0.store(Phase::ENDING, Ordering::Release);
    }

    /// Returns whether requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == Phase::READY
    }

    /// Returns whether the server is ending.
    pub fn is_ending(&self) -> bool {
        self.0.load(Ordering::Acquire) == Phase::ENDING
    }
}

/// The time after which nobody waits for a request's answer.
#[derive(Clone, Copy)]
pub struct Deadline(pub Instant);

/// What a request was about, for its log line.
#[derive(Clone, Debug, Default)]
pub struct Work {
    /// Inputs.
    pub inputs: usize,
    /// Characters of them.
    pub characters: usize,
    /// Pieces of them.
    pub pieces: usize,
    /// Where the time went: cutting texts, waiting, computing.
    pub spent: [Duration; 3],
}

impl Work {
    /// Returns the work of an answer.
    pub fn of(answer: &Answer) -> Work {
        let spent = answer.spent;
        Work {
            inputs: answer.documents.len(),
            characters: answer.documents.iter().map(|document| document.characters).sum(),
            pieces: answer.documents.iter().map(|document| document.pieces).sum(),
            spent: [spent.tokenizing, spent.waiting, spent.computing],
        }
    }
}

/// Returns a response of JSON.
///
/// # Errors
/// What cannot be written as JSON.
pub fn json_of(value: &impl Serialize) -> Reply {
    let text = serde_json::to_vec(value).map_err(|error| Refusal::new(Kind::Internal, error))?;
    Ok(with_type(text.into(), "application/json"))
}

/// Returns a response of JSON about an answer, with the times it took.
///
/// # Errors
/// What cannot be written as JSON.
pub fn json_about(value: &impl Serialize, answer: &Answer, app: &App) -> Reply {
    let mut response = json_of(value)?;
    let work = Work::of(answer);
    let [tokenizing, waiting, computing] = work.spent;
    app.metrics.spent(tokenizing, waiting, computing);
    answer.documents.iter().for_each(|document| document.count(&app.metrics));
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-compute-characters", work.characters as u128),
        ("x-compute-tokens", work.pieces as u128),
        ("x-tokenization-time", tokenizing.as_millis()),
        ("x-queue-time", waiting.as_millis()),
        ("x-inference-time", computing.as_millis()),
    ] {
        headers.insert(name, HeaderValue::from_str(&value.to_string()).expect("digits are a header's value"));
    }
    response.extensions_mut().insert(work);
    Ok(response)
}

/// Returns a response of some type.
pub fn with_type(body: Body, kind: &'static str) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
