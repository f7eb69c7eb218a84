//! Requests: where they may go, with which secret, how often they are repeated.

pub(crate) mod client;

use crate::failure::Failure;
use crate::settings::Event;
use crate::{Error, Hub};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;
use std::time::Duration;
use tagsmith_message::{Note, Remedy, Setting};
use ureq::http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, request};
use ureq::{AsSendBody, Body, Proxy, SendBody};

/// How often a request is sent, at most, before its failure counts.
pub(crate) const TRIES: u32 = 4;

/// Longest pause that the hub may ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long the hub may think about something that was sent to it.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(120);

const REDIRECTS_MAX: usize = 10;

/// Longest answer that is not a file.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Longest message of the hub that is shown, in characters.
const MESSAGE_MAX: usize = 200;

/// What is sent along.
#[derive(Clone, Copy)]
pub(crate) enum Content<'a> {
    Nothing,
    /// Bytes and their type.
    Bytes(&'a [u8], &'static str),
    /// A part of a file.
    Part {
        file: &'a Path,
        start: u64,
        length: u64,
    },
}

/// A request.
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) content: Content<'a>,
    /// How often it is sent, at most.
    pub(crate) tries: u32,
}

impl<'a> Call<'a> {
    pub(crate) fn get(url: &'a str) -> Call<'a> {
        Call { method: Method::GET, url, headers: &[], content: Content::Nothing, tries: TRIES }
    }

    pub(crate) fn post(url: &'a str, body: &'a [u8], kind: &'static str) -> Call<'a> {
        Call { method: Method::POST, content: Content::Bytes(body, kind), ..Call::get(url) }
    }
}

impl Hub {
    /// A path on the hub as an address.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.endpoint)
    }

    /// An answer in JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<(T, HeaderMap), Failure> {
        let mut tries = 1;
        loop {
            let mut response = self.call(call)?;
            let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
            match body.map_err(|error| from_library(&error)) {
                Ok(body) => {
                    let value = serde_json::from_slice(&body).map_err(|error| {
                        Failure::Malformed(format!("{} is not what it should be ({error})", call.url))
                    })?;
                    return Ok((value, response.headers().clone()));
                }
                Err(failure) if tries >= call.tries || !failure.may_pass() => return Err(failure),
                // The connection broke in the middle of the answer.
                Err(_) => tries += 1,
            }
        }
    }

    /// The answer, once it is one: redirects are followed, and what may pass is asked for again.
    pub(crate) fn call(&self, call: &Call<'_>) -> Result<Response<Body>, Failure> {
        let mut pause = self.settings.pause;
        let mut tries = 1;
        loop {
            let (failure, asked) = match self.follow(call) {
                Ok(Answer::Good(response)) => return Ok(response),
                Ok(Answer::Bad(failure, asked)) => (failure, asked),
                Err(failure) => (failure, None),
            };
            if let Some(asked) = asked.filter(|asked| *asked > PAUSE_MAX) {
                let Failure::Refused { status, code, .. } = failure else { return Err(failure) };
                let message = format!("it asks to wait {} s", asked.as_secs());
                return Err(Failure::Refused { status, code, message });
            }
            if tries >= call.tries || !failure.may_pass() {
                return Err(failure);
            }
            let wait = asked.unwrap_or(pause);
            self.say(format!("{}: trying again in {} s", failure.reason(), wait.as_secs_f32().ceil()));
            thread::sleep(wait);
            pause *= 2;
            tries += 1;
        }
    }

    /// Reports what was done.
    pub fn say(&self, what: String) {
        (self.notify)(Event::Note(Note::once(what)));
    }

    /// Reports what is lost, left out, ignored or replaced by something else.
    pub fn warn(&self, what: String) {
        (self.notify)(Event::Note(Note::once(what).important()));
    }

    /// One try, along its redirects.
    fn follow(&self, call: &Call<'_>) -> Result<Answer, Failure> {
        let mut at = parse(call.url).map_err(|_| {
            Error::path(call.url, "this is not an address that begins with http:// or https://: correct HF_ENDPOINT")
        })?;
        for _ in 0..=REDIRECTS_MAX {
            let mut response = self.send(call, &at)?;
            let status = response.status().as_u16();
            let location = response.headers().get("location").map(|value| value.to_str().map(str::to_owned));
            match (status, location) {
                (200..=299, _) => return Ok(Answer::Good(response)),
                (301 | 302 | 303 | 307 | 308, Some(Ok(location))) => {
                    let next = join(&at, &location)?;
                    if at.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
                        return Err(Failure::Malformed(format!("{at} leads to {next}, which is not encrypted")));
                    }
                    at = next;
                }
                _ => {
                    let asked = header(&response, "retry-after").and_then(|text| text.trim().parse().ok());
                    return Ok(Answer::Bad(refusal(&mut response), asked.map(Duration::from_secs)));
                }
            }
        }
        Err(Failure::Malformed(format!("{} leads on and on, {REDIRECTS_MAX} times", call.url)))
    }

    fn send(&self, call: &Call<'_>, at: &Uri) -> Result<Response<Body>, Failure> {
        let mut request = Request::builder().method(call.method.clone()).uri(at.clone());
        for (name, value) in call.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = self.settings.token.as_ref().filter(|_| self.is_endpoint(at)) {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.secret())).map_err(|_| {
                let remedy = Remedy::AllOf(vec![
                    Remedy::to_do("correct HF_TOKEN or the token's file"),
                    Remedy::set(Setting::Token).so_as("with a token"),
                ]);
                Error::refused("the hub's token", "it holds characters that a token does not have", remedy)
            })?;
            value.set_sensitive(true);
            request = request.header("authorization", value);
        }
        match call.content {
            Content::Nothing => self.run(request, (), at, self.settings.timeout),
            Content::Bytes(bytes, kind) => self.run(request.header("content-type", kind), bytes, at, UPLOAD_TIMEOUT),
            Content::Part { file, start, length } => {
                let mut part = File::open(file).map_err(Error::open(file))?;
                part.seek(SeekFrom::Start(start)).map_err(Error::open(file))?;
                let mut part = part.take(length);
                let request = request.header("content-length", length);
                self.run(request, SendBody::from_reader(&mut part), at, UPLOAD_TIMEOUT)
            }
        }
    }

    fn run<B: AsSendBody>(
        &self,
        request: request::Builder,
        body: B,
        at: &Uri,
        timeout: Duration,
    ) -> Result<Response<Body>, Failure> {
        let agent = self.agent()?;
        let request = request.body(body).map_err(|error| Failure::Malformed(error.to_string()))?;
        let timeout = timeout.max(self.settings.timeout);
        let proxy = self.proxy(at)?;
        let request = agent.configure_request(request).proxy(proxy).timeout_per_read(Some(timeout)).build();
        agent.run(request).map_err(|error| from_library(&error))
    }

    /// Whether an address is at the endpoint: of its scheme, host and port.
    fn is_endpoint(&self, at: &Uri) -> bool {
        parse(&self.settings.endpoint).is_ok_and(|endpoint| origin(&endpoint) == origin(at))
    }

    fn proxy(&self, at: &Uri) -> Result<Option<Proxy>, Failure> {
        let settings = &self.settings;
        let proxy = if at.scheme_str() == Some("https") { &settings.https_proxy } else { &settings.http_proxy };
        let (_, host, port) = origin(at);
        let Some(proxy) = proxy.as_ref().filter(|_| !is_excepted(&host, port, &settings.no_proxy)) else {
            return Ok(None);
        };
        Proxy::new(proxy).map(Some).map_err(|error| {
            // It may hold a password, so it is not shown.
            Failure::Local(Error::path("the proxy's address", format!("{error}: correct https_proxy or http_proxy")))
        })
    }
}

enum Answer {
    Good(Response<Body>),
    /// With the pause that the hub asks for.
    Bad(Failure, Option<Duration>),
}

fn parse(url: &str) -> Result<Uri, Failure> {
    let uri: Option<Uri> = url.parse().ok();
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
        .ok_or_else(|| Failure::Malformed(format!("`{url}` is not an address that begins with http:// or https://")))
}

fn origin(uri: &Uri) -> (String, String, u16) {
    let scheme = uri.scheme_str().unwrap_or_default().to_owned();
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    (scheme, uri.host().unwrap_or_default().to_lowercase(), port)
}

/// The address that a redirect leads to: a whole one, or one relative to where we are.
fn join(at: &Uri, location: &str) -> Result<Uri, Failure> {
    let scheme = at.scheme_str().unwrap_or_default();
    let authority = at.authority().map_or("", |authority| authority.as_str());
    if location.starts_with("http://") || location.starts_with("https://") {
        return parse(location);
    }
    if let Some(rest) = location.strip_prefix("//") {
        return parse(&format!("{scheme}://{rest}"));
    }
    if location.starts_with('/') {
        return parse(&format!("{scheme}://{authority}{location}"));
    }
    let folder = at.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    parse(&format!("{scheme}://{authority}{folder}/{location}"))
}

/// Whether `no_proxy` excepts a host.
///
/// An exception is a host, the end of its name, or `*`; a port may follow, and then is the only one.
fn is_excepted(host: &str, port: u16, exceptions: &[String]) -> bool {
    let host = host.trim_matches(['[', ']']).to_lowercase();
    exceptions.iter().any(|exception| {
        let exception = exception.trim().to_lowercase();
        let exception = exception.trim_start_matches("*.").trim_start_matches('.');
        // The colons of an address (`::1`) are none before a port, unless it stands in brackets.
        let (exception, only) = match exception.rsplit_once(':') {
            Some((name, number)) if !name.contains(':') || name.ends_with(']') => (name, number.parse().ok()),
            _ => (exception, None),
        };
        let exception = exception.trim_matches(['[', ']']);
        if only.is_some_and(|only: u16| only != port) {
            return false;
        }
        exception == "*" || !exception.is_empty() && (host == exception || host.ends_with(&format!(".{exception}")))
    })
}

pub(crate) fn header<'r, T>(response: &'r Response<T>, name: &str) -> Option<&'r str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

fn refusal(response: &mut Response<Body>) -> Failure {
    let status = response.status().as_u16();
    let code = header(response, "x-error-code").unwrap_or_default().to_owned();
    let said = header(response, "x-error-message").map(str::to_owned).or_else(|| {
        let body = response.body_mut().with_config().limit(1 << 16).read_to_vec().ok()?;
        let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
        body.get("error")?.as_str().map(str::to_owned)
    });
    let message = said.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let message = message.trim_end_matches('.').chars().filter(|char| !char.is_control()).take(MESSAGE_MAX).collect();
    Failure::Refused { status, code, message }
}

pub(crate) fn from_library(error: &ureq::Error) -> Failure {
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::Rustls(_) => Failure::Unreachable(error.to_string()),
        _ => Failure::Malformed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead() {
        let at: Uri = "http://hub:81/a/b?c=d".parse().expect("an address");
        let check = |location: &str, want: &str| {
            assert_eq!(join(&at, location).expect("an address").to_string(), want, "{location}");
        };
        check("https://cdn/x?y", "https://cdn/x?y");
        check("//cdn/x", "http://cdn/x");
        check("/x/y", "http://hub:81/x/y");
        check("x", "http://hub:81/a/x");
        assert!(join(&at, "file:///etc/passwd").is_ok_and(|uri| uri.host() == Some("hub")));
        assert!(parse("file:///etc/passwd").is_err());
    }

    #[test]
    fn hosts_without_a_proxy() {
        let check = |exceptions: &str, host: &str, want: bool| {
            let exceptions: Vec<String> = exceptions.split(',').map(str::to_owned).collect();
            assert_eq!(is_excepted(host, 443, &exceptions), want, "{exceptions:?} {host}");
        };
        check("", "hub.co", false);
        check("*", "hub.co", true);
        check("localhost, .hub.co", "HUB.co", true);
        check("hub.co", "cdn.hub.co", true);
        check("hub.co", "github.co", false);
        check("127.0.0.1", "127.0.0.1", true);
        check("hub.co:443", "hub.co", true);
        check("hub.co:8080", "hub.co", false);
        check("::1", "[::1]", true);
        check("[::1]:443", "[::1]", true);
        check("[::1]:80", "[::1]", false);
    }

    #[test]
    fn one_origin_is_scheme_host_and_port() {
        let same =
            |a: &str, b: &str| origin(&a.parse().expect("an address")) == origin(&b.parse().expect("an address"));
        assert!(same("https://hub.co/a", "https://HUB.co:443/b"));
        for other in ["http://hub.co", "https://hub.co:444", "https://hub.co.evil", "https://evil/hub.co"] {
            assert!(!same("https://hub.co", other), "{other}");
        }
    }
}
