//! Bodies of requests: bounded in bytes and in time.

use super::App;
use crate::json;
use crate::metrics::Reason;
use crate::refusal::{Kind, Refusal};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Bytes of all bodies and lines that are held, as a multiple of the longest body.
const BODIES_AT_A_TIME: usize = 8;

/// The least room in bytes, which a frame of a body never exceeds.
pub const ROOM_MIN: usize = 2 << 20;

/// How much of a body that is too long is read to its end, as a multiple of the longest. A client that still sends when its
/// connection closes would lose the answer.
const READ_PAST: usize = 16;

/// A longer body is read as JSON on another thread: connections do not wait for it.
const SHORT: usize = 128 << 10;

/// Reads a body of JSON.
///
/// # Errors
/// A body of another type, too long, too slow, or not JSON.
pub async fn json(app: &App, request: Request) -> Result<Value, Refusal> {
    is_json(request.headers(), "application/json")?;
    let body = read(app, request).await?;
    if body.is_empty() {
        return Err(Refusal::new(Kind::Json, "the body is empty: JSON is needed"));
    }
    if body.len() <= SHORT {
        return json::read(&body);
    }
    let read = tokio::task::spawn_blocking(move || json::read(&body)).await;
    read.unwrap_or_else(|_| Err(Refusal::new(Kind::Internal, "a mistake of this program while it read the body")))
}

/// Refuses a body of another type. A type that is not given is taken for the right one.
///
/// # Errors
/// A body of another type, or a packed one.
pub fn is_json(headers: &HeaderMap, want: &str) -> Result<(), Refusal> {
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        let kind = String::from_utf8_lossy(kind.as_bytes()).to_ascii_lowercase();
        let mut parts = kind.split(';').map(str::trim);
        let is_wanted = parts.next() == Some(want);
        let is_utf8 = |part: &str| match part.split_once('=') {
            Some(("charset", name)) => matches!(name.trim_matches('"'), "utf-8" | "utf8"),
            _ => true,
        };
        if !is_wanted || !parts.all(is_utf8) {
            let message = format!("the body's type is another one: send `Content-Type: {want}`, in UTF-8");
            return Err(Refusal::new(Kind::MediaType, message));
        }
    }
    match headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => Ok(()),
        Some(_) => Err(Refusal::new(Kind::MediaType, "the body is packed: send it without `Content-Encoding`")),
    }
}

/// Reads a body whole.
///
/// # Errors
/// A body that is too long or too slow.
pub async fn read(app: &App, request: Request) -> Result<Vec<u8>, Refusal> {
    let limits = &app.settings.limits;
    let until = Instant::now() + limits.body_timeout;
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut body = request.into_body();
    if let Some(length) = announced.filter(|&length| length > limits.body_bytes) {
        read_past(body, length, limits.body_bytes, until).await;
        return Err(too_long(app, Some(length)));
    }
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(SHORT));
    loop {
        let Ok(frame) = timeout_at(until, body.frame()).await else {
            let seconds = limits.body_timeout.as_secs_f64();
            return Err(Refusal::new(Kind::SlowBody, format!("the body did not come within {seconds} s")));
        };
        let Some(frame) = frame else { return Ok(bytes) };
        // Whoever breaks the connection reads no answer, but a body may be malformed too.
        let frame = frame.map_err(|_| Refusal::new(Kind::Json, "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limits.body_bytes {
            drop(bytes);
            read_past(body, usize::MAX, limits.body_bytes, until).await;
            return Err(too_long(app, None));
        }
        match app.room.clone().try_acquire_many_owned(permits(data.len())) {
            Ok(more) => hold(&mut held, more),
            Err(_) => {
                app.metrics.reject(Reason::Overloaded);
                return Err(Refusal::new(Kind::Overloaded, "too many long bodies come at the same time").after(1));
            }
        }
        bytes.extend_from_slice(&data);
    }
}

/// Reads the rest of a body that is too long and forgets it, if it is not longer by far.
async fn read_past(mut body: Body, length: usize, limit: usize, until: Instant) {
    let (mut left, most) = (length, limit.saturating_mul(READ_PAST));
    if length != usize::MAX && length > most {
        return;
    }
    left = left.min(most);
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len()));
        if left == 0 {
            return;
        }
    }
}

fn too_long(app: &App, given: Option<usize>) -> Refusal {
    let limit = app.settings.limits.body_bytes;
    let given = given.map_or_else(|| "more".to_owned(), |given| given.to_string());
    Refusal::new(Kind::TooLarge, format!("the body has {given} bytes, and {limit} are the most: send it in parts"))
}

/// Returns the room, in bytes, for all bodies that are being read and all lines of streams that are worked on.
pub fn room(longest_body: usize) -> Semaphore {
    Semaphore::new(longest_body.saturating_mul(BODIES_AT_A_TIME).clamp(ROOM_MIN, Semaphore::MAX_PERMITS))
}

/// Returns the permits that bytes need: one a byte.
pub fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Adds permits to those that are held.
pub fn hold(held: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
}
