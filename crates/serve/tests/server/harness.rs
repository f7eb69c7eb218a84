//! Small models behind the router, without a socket.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tagsmith_app::predict::anonymize::label_map::LabelMap;
use tagsmith_app::predict::fingerprint;
use tagsmith_app::predict::tagger::{Tagger, TaggerOptions};
use tagsmith_hub::{Hub, Settings as HubSettings};
use tagsmith_serve::http::{App, Model};
use tagsmith_serve::server::{self, Served};
use tagsmith_serve::settings::{Limits, Settings, TaskScore};
use tagsmith_testkit::golden;
use tagsmith_testkit::scratch::Scratch;
use tower::ServiceExt;

/// What is served in a test.
pub struct Kit {
    pub scratch: Scratch,
    pub app: Arc<App>,
}

/// A response as a client sees it.
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Response {
    /// Returns the body's JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// Returns a header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header is text"))
    }
}

/// Returns settings as the command line's defaults are, but for small batches and many windows: the tests' models read little
/// at once.
pub fn settings() -> Settings {
    Settings {
        address: "127.0.0.1:0".parse().expect("an address"),
        served_model_name: None,
        api_keys: Vec::new(),
        metrics_auth: false,
        cors_allow_origin: None,
        hf_default_none: false,
        label_map: LabelMap::presidio(),
        task_score: TaskScore::Min,
        on_train: None,
        tokenization_workers: 2,
        limits: Limits { batch_tokens: 256, windows: 1 << 20, ..Limits::default() },
    }
}

/// Returns the tagger of a folder.
pub fn tagger(scratch: &Scratch, name: &str, options: TaggerOptions) -> Tagger {
    let hub = Hub::new(HubSettings::offline(scratch.folder(), "everything is here"), |_| {});
    let folder = scratch.path(name).display().to_string();
    Tagger::load(&folder, &options, &hub).expect("the model loads").0
}

/// Returns what is served, with the two-layer BERT of golden/models, which has five labels.
pub fn tokens_by(settings: Settings) -> Kit {
    kit(Scratch::with_tagger(), "model", TaggerOptions::default(), settings)
}

pub fn tokens() -> Kit {
    tokens_by(settings())
}

/// Returns what is served, with a span tagger of golden/spans, which has no labels of its own.
pub fn spans(name: &str) -> Kit {
    let scratch = Scratch::empty();
    scratch.put_span_tagger(name);
    kit(scratch, name, TaggerOptions { may_lack_labels: true, ..TaggerOptions::default() }, settings())
}

/// Returns what is served, with a token classifier of golden/pipeline, of which transformers' answers are known.
pub fn pipeline(family: &str) -> Kit {
    let folder = golden::path("pipeline").join(family).display().to_string();
    kit(Scratch::empty(), &folder, TaggerOptions::default(), settings())
}

/// Returns what is served, with a model of a folder.
pub fn kit(scratch: Scratch, name: &str, options: TaggerOptions, settings: Settings) -> Kit {
    let tagger = tagger(&scratch, name, options);
    let fingerprint = fingerprint::of(tagger.folder()).expect("the files are there");
    let model = Model { id: name.into(), revision: None, fingerprint, precision: "f32" };
    let served = Served { tagger, model, build: Vec::new() };
    let (app, _) = server::open(served, settings, None).expect("it opens");
    app.phase.ready();
    Kit { scratch, app }
}

impl Kit {
    /// Sends a request to the router.
    pub async fn send(&self, request: Request<Body>) -> Response {
        let response = server::router(&self.app).oneshot(request).await.expect("the router answers everything");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("the body is whole");
        let text = String::from_utf8(bytes.to_vec()).expect("answers are UTF-8");
        Response { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.post_text(path, body.to_string()).await
    }

    pub async fn post_text(&self, path: &str, body: impl Into<Body>) -> Response {
        self.send(request(path, body)).await
    }
}

/// Returns a request of JSON.
pub fn request(path: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path).header("content-type", "application/json");
    request.body(body.into()).expect("a request")
}

/// Runs a test's future on the runtime that a server has.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

/// Returns a text that no other call returns: nothing that was kept answers it.
pub fn fresh(text: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{text} {}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asserts that a response is an error in the one form that there is.
pub fn assert_error(response: &Response, status: u16, kind: &str) -> Value {
    let body = response.json();
    assert_eq!((response.status, body["code"].as_u64()), (status, Some(u64::from(status))), "{body}");
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!((&body["error"], &body["error_type"]), (&body["message"], &json!(kind)), "{body}");
    assert_eq!(response.header("x-request-id"), body["request_id"].as_str());
    body
}
