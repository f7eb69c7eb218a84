//! Texts that are part of the program: the page, the description of all routes.

use super::health;
use crate::http::frame::page;
use crate::http::{App, Reply, with_type};
use axum::extract::{Request, State};
use axum::http::header;
use std::sync::Arc;

const OPENAPI: &str = include_str!("../openapi.json");
const PAGE: &str = include_str!("../page/page.html");
const SCRIPT: &str = include_str!("../page/page.js");
const STYLE: &str = include_str!("../page/page.css");
const DOCS: &str = include_str!("../docs.html");

/// A template with which doccano reads answers in Hugging Face's dialect.
const DOCCANO: &str = include_str!("../doccano.jinja");

/// Shows the page to browsers, and answers everybody else that the server is alive.
pub async fn root(state: State<Arc<App>>, request: Request) -> Reply {
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    if wants_page { Ok(page(PAGE)) } else { health::health(state, request).await }
}

/// Answers the page's script.
pub async fn script() -> Reply {
    Ok(with_type(SCRIPT.into(), "text/javascript; charset=utf-8"))
}

/// Answers the page's style.
pub async fn style() -> Reply {
    Ok(with_type(STYLE.into(), "text/css; charset=utf-8"))
}

/// Describes all routes.
pub async fn openapi() -> Reply {
    Ok(with_type(OPENAPI.into(), "application/json"))
}

/// Shows the description of all routes.
pub async fn docs() -> Reply {
    Ok(page(DOCS))
}

/// Shows the template that doccano needs to read answers.
pub async fn doccano() -> Reply {
    Ok(with_type(DOCCANO.into(), "text/plain; charset=utf-8"))
}
