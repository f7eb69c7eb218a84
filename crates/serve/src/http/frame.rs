//! What stands around every request: its number, its key, its deadline, the one error body, counters and the log.

use super::{App, Deadline, Work, keys, with_type};
use crate::metrics::Reason;
use crate::refusal::{Kind, Refusal};
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Paths that may be read without a key: whoever watches the server has none, and the page asks for one.
const OPEN: &[&str] = &["/", "/health", "/ping", "/docs", "/docs/doccano", "/openapi.json", "/page.js", "/page.css"];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a request's number that its client chose, at most.
const REQUEST_ID_MAX: usize = 128;

/// Answers a request, and says so.
pub async fn frame(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let trace = request.headers().get("traceparent").filter(|value| is_plain(value)).cloned();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let answer = match admitted(&app, &mut request, began) {
        Err(refusal) => refusal.into_response(),
        Ok(()) if is_preflight(&app, &request) => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
    };
    let mut response = with_body(answer, &id);
    let route = route.as_deref().unwrap_or("other");
    let refusal = response.extensions().get::<Refusal>().cloned();
    if let Some(refusal) = &refusal {
        match refusal.kind {
            Kind::Validation | Kind::Json => app.metrics.reject(Reason::Validation),
            Kind::TooLarge => app.metrics.reject(Reason::Payload),
            Kind::Unauthorized => app.metrics.reject(Reason::Auth),
            _ => {}
        }
    }
    let status = response.status().as_u16();
    app.metrics.response(route, status, began);
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(REQUEST_ID, &id);
    put(HeaderName::from_static("x-total-time"), &began.elapsed().as_millis().to_string());
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if app.phase.is_ending() {
        put(header::CONNECTION, "close");
    }
    share(&app, origin.as_ref(), headers);
    if let Some(trace) = &trace {
        headers.insert("traceparent", trace.clone());
    }
    if let Some(log) = &app.log {
        let work = response.extensions().get::<Work>().cloned().unwrap_or_default();
        let milliseconds = |time: Duration| (time.as_secs_f64() * 1e5).round() / 100.0;
        let [tokenizing, waiting, computing] = work.spent.map(milliseconds);
        log(&json!({
            "request_id": id,
            "traceparent": trace.as_ref().and_then(|trace| trace.to_str().ok()),
            "method": method.as_str(),
            "route": route,
            "status": status,
            "error_type": refusal.map(|refusal| refusal.kind.facts().1),
            "milliseconds": milliseconds(began.elapsed()),
            "tokenizing": tokenizing,
            "waiting": waiting,
            "computing": computing,
            "inputs": work.inputs,
            "characters": work.characters,
            "pieces": work.pieces,
        }));
    }
    response
}

/// Looks at the key and notes the deadline.
fn admitted(app: &App, request: &mut Request, began: Instant) -> Result<(), Refusal> {
    let path = request.uri().path();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let is_open = is_read && (OPEN.contains(&path) || path.starts_with("/v2/health") || path == "/v2");
    let is_metrics = path == "/metrics" && !app.settings.metrics_auth;
    let keys = &app.settings.api_keys;
    let needs_none = keys.is_empty() || is_open || is_metrics || is_preflight(app, request);
    if !(needs_none || keys::is_known(request.headers(), keys)) {
        let message = "a key is needed: send `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        return Err(Refusal::new(Kind::Unauthorized, message));
    }
    let mut wait = app.settings.limits.request_timeout;
    if let Some(asked) = request.headers().get("x-request-timeout-ms") {
        let asked = asked.to_str().ok().and_then(|text| text.parse::<u64>().ok()).filter(|&asked| asked > 0);
        let refused = || Refusal::validation("`x-request-timeout-ms` is not a number of milliseconds");
        wait = wait.min(Duration::from_millis(asked.ok_or_else(refused)?));
    }
    request.extensions_mut().insert(Deadline(began + wait));
    Ok(())
}

/// Returns the response with a body of JSON, if it is an error.
fn with_body(response: Response, id: &str) -> Response {
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return response;
    }
    let refusal = response.extensions().get::<Refusal>().cloned().unwrap_or_else(|| of_status(status));
    let (mut parts, _) = response.into_parts();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = Body::from(refusal.body(id).to_string());
    parts.extensions.insert(refusal);
    Response::from_parts(parts, body)
}

/// Returns the refusal of a status that a library answered.
fn of_status(status: StatusCode) -> Refusal {
    let kinds = [Kind::NotFound, Kind::Method, Kind::TooLarge, Kind::MediaType, Kind::SlowBody, Kind::Unavailable];
    let kind = kinds.into_iter().find(|kind| kind.facts().0 == status).unwrap_or(Kind::Internal);
    Refusal::new(kind, status.canonical_reason().unwrap_or("an error"))
}

/// Returns whether a browser asks what another page may do.
fn is_preflight(app: &App, request: &Request) -> bool {
    app.settings.cors_allow_origin.is_some()
        && request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Lets another page read the answer, if its origin is allowed.
fn share(app: &App, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    let (Some(allowed), Some(origin)) = (&app.settings.cors_allow_origin, origin) else { return };
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if allowed != "*" && allowed.as_bytes() != origin.as_bytes() {
        return;
    }
    let shared = if allowed == "*" { HeaderValue::from_static("*") } else { origin.clone() };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, shared);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    let allowed = HeaderValue::from_static("content-type, authorization, x-api-key");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after, x-request-id"));
}

/// Returns the whole answer to bytes that are not a request of HTTP.
pub fn answer_to_noise(status: u16) -> Vec<u8> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let message = match status {
        StatusCode::URI_TOO_LONG => "the request's address is too long",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the request's header is too long",
        _ => "this is not a request of HTTP that can be read",
    };
    let id = request_id(&HeaderMap::new());
    let mut body = Refusal::new(Kind::Http, message).body(&id);
    body["code"] = status.as_u16().into();
    let (body, reason) = (body.to_string(), status.canonical_reason().unwrap_or("error"));
    let (code, length) = (status.as_u16(), body.len());
    format!(
        "HTTP/1.1 {code} {reason}\r\ncontent-type: application/json\r\nx-request-id: {id}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Returns the number that a client gave its request, or a new one.
fn request_id(headers: &HeaderMap) -> String {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("request"));
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = headers.get(REQUEST_ID).filter(|value| is_plain(value)).and_then(|value| value.to_str().ok());
    given.map_or_else(|| format!("{:016x}-{}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed)), str::to_owned)
}

/// Returns whether a header's value is short, and of letters that are safe in a log.
fn is_plain(value: &HeaderValue) -> bool {
    let is_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(byte);
    !value.is_empty() && value.len() <= REQUEST_ID_MAX && value.as_bytes().iter().all(is_safe)
}

/// Answers a path that is not here.
pub async fn not_found() -> Refusal {
    Refusal::new(Kind::NotFound, "there is no such path: `/openapi.json` lists those that there are")
}

/// Answers a method that a path does not have.
pub async fn no_such_method() -> Refusal {
    Refusal::new(Kind::Method, "the path does not have this method: the header `Allow` has those that it has")
}

/// Returns a page's text, which asks nobody else for anything.
pub fn page(text: &'static str) -> Response {
    let mut response = with_type(Body::from(text), "text/html; charset=utf-8");
    let headers = response.headers_mut();
    let policy =
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
