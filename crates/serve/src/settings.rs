//! What a server's caller chooses, with every limit.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tagsmith_app::predict::anonymize::label_map::LabelMap;

/// A server's choices.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub address: SocketAddr,
    /// The name that clients know the model by; without it, the name that it was loaded by.
    pub served_model_name: Option<String>,
    /// Keys, one of which a request needs; none where anybody may ask.
    pub api_keys: Vec<String>,
    /// Whether `/metrics` needs a key too.
    pub metrics_auth: bool,
    /// The origin that pages may ask from: one, or `*`; none where no other page may.
    pub cors_allow_origin: Option<String>,
    /// Whether a request in Hugging Face's dialect that names no strategy gets pieces instead of entities.
    pub hf_default_none: bool,
    /// The types that Presidio's clients see in the place of the model's.
    pub label_map: LabelMap,
    /// How a task's score for Label Studio comes from those of its entities.
    pub task_score: TaskScore,
    /// The command that Label Studio's "Start training" begins; none where nobody is trained.
    pub on_train: Option<String>,
    /// Threads that cut texts into pieces.
    pub tokenization_workers: usize,
    /// Limits.
    pub limits: Limits,
}

/// A task's score for Label Studio, which orders tasks by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskScore {
    /// The lowest of its entities' scores.
    #[default]
    Min,
    /// The mean of its entities' scores.
    Mean,
}

impl TaskScore {
    /// The names, in the order of the variants.
    pub const NAMES: [&str; 2] = ["min", "mean"];

    /// Returns the way of that name.
    pub fn named(name: &str) -> Option<TaskScore> {
        [TaskScore::Min, TaskScore::Mean].into_iter().zip(Self::NAMES).find(|(_, of)| *of == name).map(|(it, _)| it)
    }
}

/// What a server takes at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Inputs of a request.
    pub inputs: usize,
    /// Characters of an input.
    pub characters: usize,
    /// Windows of a request.
    pub windows: usize,
    /// Labels that a request looks for.
    pub labels: usize,
    /// Bytes of texts that are worked on or wait.
    pub queued_bytes: usize,
    /// Pieces that the model reads at once.
    pub batch_tokens: usize,
    /// Connections at a time.
    pub connections: usize,
    /// Time for a request's header.
    pub header_timeout: Duration,
    /// Time for a request's body, and for a client that does not take its answer.
    pub body_timeout: Duration,
    /// Time for a request. Requests may ask for less.
    pub request_timeout: Duration,
    /// Time for requests in progress when the server ends.
    pub shutdown_grace: Duration,
    /// Bytes of answers that are kept for the same question.
    pub cache_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes: 8 << 20,
            inputs: 256,
            characters: 1 << 20,
            windows: 4096,
            labels: 1000,
            queued_bytes: 16 << 20,
            batch_tokens: 2048,
            connections: 1024,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(25),
            cache_bytes: 64 << 20,
        }
    }
}

impl Limits {
    /// Returns every limit, as `/info` shows them.
    pub fn to_json(&self) -> Value {
        json!({
            "body_bytes": self.body_bytes,
            "json_depth": crate::json::DEPTH_MAX,
            "json_values": crate::json::VALUES_MAX,
            "inputs": self.inputs,
            "characters": self.characters,
            "windows": self.windows,
            "labels": self.labels,
            "queued_bytes": self.queued_bytes,
            "batch_tokens": self.batch_tokens,
            "connections": self.connections,
            "header_timeout_seconds": self.header_timeout.as_secs_f64(),
            "body_timeout_seconds": self.body_timeout.as_secs_f64(),
            "request_timeout_seconds": self.request_timeout.as_secs_f64(),
            "shutdown_grace_seconds": self.shutdown_grace.as_secs_f64(),
            "cache_bytes": self.cache_bytes,
        })
    }
}
