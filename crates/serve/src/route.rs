//! The routes: a file a dialect. [`routes`] is the one list of all paths.

pub mod detectors;
pub mod gliner;
pub mod health;
pub mod hugging_face;
pub mod info;
pub mod kserve;
pub mod label_studio;
pub mod native;
pub mod offsets;
pub mod page;
pub mod parameters;
pub mod presidio;
pub mod stream;
pub mod tokenize;

use crate::http::{App, frame};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use std::sync::Arc;

/// Returns every path with its methods.
pub fn routes() -> Vec<(&'static str, MethodRouter<Arc<App>>)> {
    vec![
        ("/", get(page::root).post(hugging_face::any)),
        ("/predict", post(hugging_face::any)),
        ("/invocations", post(hugging_face::any)),
        ("/models/{*id}", post(hugging_face::of_model)),
        ("/analyze", post(presidio::analyze)),
        ("/supportedentities", get(presidio::supported_entities)),
        ("/recognizers", get(presidio::recognizers)),
        ("/anonymize", post(presidio::anonymize)),
        ("/anonymizers", get(presidio::anonymizers)),
        ("/setup", post(label_studio::setup)),
        ("/webhook", post(label_studio::webhook)),
        ("/versions", get(label_studio::versions)),
        ("/gliner", post(gliner::find)),
        ("/api/v1/text/contents", post(detectors::contents)),
        ("/v2", get(kserve::server)),
        ("/v2/health/live", get(kserve::live)),
        ("/v2/health/ready", get(kserve::ready)),
        ("/v2/models/{id}", get(kserve::model)),
        ("/v2/models/{id}/ready", get(kserve::model_ready)),
        ("/v2/models/{id}/infer", post(kserve::infer)),
        ("/v1/tag", post(stream::tag)),
        ("/v1/tokenize", post(tokenize::tokenize)),
        ("/tokenize", post(tokenize::tokenize)),
        ("/v1/model", get(info::model)),
        ("/info", get(info::info)),
        ("/health", get(health::health)),
        ("/ping", get(health::health)),
        ("/metrics", get(info::metrics)),
        ("/page.js", get(page::script)),
        ("/page.css", get(page::style)),
        ("/openapi.json", get(page::openapi)),
        ("/docs", get(page::docs)),
        ("/docs/doccano", get(page::doccano)),
    ]
}

/// Returns the routes of a server.
pub fn router(app: Arc<App>) -> Router {
    let router = routes().into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods));
    router
        .fallback(frame::not_found)
        .method_not_allowed_fallback(frame::no_such_method)
        .layer(from_fn_with_state(app.clone(), frame::frame))
        .with_state(app)
}
