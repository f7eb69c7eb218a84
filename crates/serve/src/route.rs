//! The routes: a file a dialect. [`routes`] is the one list of all paths.

pub mod health;
pub mod hugging_face;
pub mod info;
pub mod native;
pub mod offsets;
pub mod page;
pub mod parameters;
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
