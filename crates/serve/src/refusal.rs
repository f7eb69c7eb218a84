//! Everything that is not an answer: one type, one JSON body.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::fmt::Display;
use tagsmith_message::{Setting, bounded};

/// A reason why a request gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes that are not a request of HTTP.
    Http,
    /// A body that is not JSON.
    Json,
    /// A key that is missing or wrong.
    Unauthorized,
    /// A path or a model that is not here.
    NotFound,
    /// A method that the path does not have.
    Method,
    /// A body that did not come in time.
    SlowBody,
    /// Something that is larger than a limit.
    TooLarge,
    /// A body of another type.
    MediaType,
    /// JSON that asks for something that cannot be done.
    Validation,
    /// More work than can be done in time.
    Overloaded,
    /// A mistake of this program, or a model that is damaged.
    Internal,
    /// A server that is starting or ending.
    Unavailable,
    /// An answer that did not come before the request's deadline.
    Deadline,
}

impl Kind {
    /// Returns the status, and the name that clients see.
    pub fn facts(self) -> (StatusCode, &'static str) {
        match self {
            Kind::Http => (StatusCode::BAD_REQUEST, "invalid_http"),
            Kind::Json => (StatusCode::BAD_REQUEST, "invalid_json"),
            Kind::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Kind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Kind::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Kind::SlowBody => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
            Kind::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Kind::Validation => (StatusCode::UNPROCESSABLE_ENTITY, "validation"),
            Kind::Overloaded => (StatusCode::TOO_MANY_REQUESTS, "overloaded"),
            Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Kind::Deadline => (StatusCode::GATEWAY_TIMEOUT, "deadline"),
        }
    }
}

/// A request's refusal.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The reason.
    pub kind: Kind,
    /// One line for people. It holds no text of the request.
    pub message: String,
    /// The line and the column of a body that is not JSON.
    pub at: Option<(usize, usize)>,
    /// Seconds after which the same request may succeed.
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// Returns a refusal.
    pub fn new(kind: Kind, message: impl Display) -> Refusal {
        Refusal { kind, message: bounded(&message.to_string()).into_owned(), at: None, retry_after: None }
    }

    /// Returns the refusal of JSON that asks for something that cannot be done.
    pub fn validation(message: impl Display) -> Refusal {
        Refusal::new(Kind::Validation, message)
    }

    /// Returns the refusal with the seconds after which the same request may succeed.
    #[must_use]
    pub fn after(self, seconds: u64) -> Refusal {
        Refusal { retry_after: Some(seconds), ..self }
    }

    /// Returns the refusal of a request that the application refuses. An error without a remedy is not the caller's.
    pub fn of(error: &anyhow::Error) -> Refusal {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        let mut message = causes.join(": ");
        let remedy = tagsmith_app::error::remedy(error);
        if let Some(remedy) = remedy.as_ref().and_then(|remedy| remedy.within(&|setting| parameter(setting).is_some()))
        {
            let spell = |setting: Setting, value: Option<&str>| {
                let name = parameter(setting).unwrap_or_default();
                value.map_or_else(|| format!("`{name}`"), |value| format!("`{name}` as `{value}`"))
            };
            message = format!("{message}: {}", remedy.clause(&spell));
        }
        let kind = if remedy.is_some() { Kind::Validation } else { Kind::Internal };
        Refusal::new(kind, message)
    }

    /// Returns the body, the same for all dialects.
    pub fn body(&self, request_id: &str) -> Value {
        let (status, name) = self.kind.facts();
        let mut body = json!({
            "error": self.message,
            "message": self.message,
            "error_type": name,
            "code": status.as_u16(),
            "request_id": request_id,
        });
        if let Some((line, column)) = self.at {
            body["at"] = json!({"line": line, "column": column});
        }
        body
    }
}

/// Returns the parameter of a request that makes a choice.
fn parameter(setting: Setting) -> Option<&'static str> {
    match setting {
        Setting::AggregationStrategy => Some("parameters.aggregation_strategy"),
        Setting::Decoding => Some("parameters.decoding"),
        Setting::Labels => Some("parameters.labels"),
        Setting::OperatingPoint => Some("parameters.operating_point"),
        Setting::Threshold => Some("parameters.threshold"),
        _ => None,
    }
}

/// The response holds the refusal itself: `http/frame.rs`, which knows the request's number, writes the body.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.kind.facts().0.into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
