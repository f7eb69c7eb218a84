//! Lines in, lines out: bulk work in bounded memory.
//!
//! Each line is an input, and becomes a line, in its order. A line that cannot be tagged becomes a line that says why. Parameters
//! stand in the query. A client that does not read is not read from.

use super::hugging_face::of_query;
use super::native::{self, Asked, asked, named, show};
use super::parameters::bounded;
use crate::engine::{Answer, Job};
use crate::http::{App, Reply, body, with_type};
use crate::json::{self, Fields};
use crate::refusal::{Kind, Refusal};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::header;
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde::Serialize;
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tagsmith_text::tagged::Input;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Lines that are worked on at a time. They fill batches, however short they are.
const LINES_AHEAD: usize = 64;

/// A line of the answer about a line that could not be tagged.
#[derive(Serialize)]
struct Failed<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'r Value>,
    line: usize,
    error: &'r str,
    error_type: &'static str,
    code: u16,
}

/// Tags a stream of lines, or a body of JSON.
pub async fn tag(State(app): State<Arc<App>>, request: Request) -> Reply {
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_ascii_lowercase());
    match kind.is_some_and(|kind| kind.starts_with(b"application/x-ndjson")) {
        true => lines(app, request),
        false => native::tag(State(app), request).await,
    }
}

/// Tags a stream of lines.
fn lines(app: Arc<App>, request: Request) -> Reply {
    body::is_json(request.headers(), "application/x-ndjson")?;
    let fields = Fields::of(of_query(request.uri().query()), "parameters")?;
    let asked = Arc::new(asked(&app, fields)?);
    // Of finished lines only one waits, so that a client that does not read stops everything behind it.
    let (out, lines) = channel(1);
    let (begun, begun_lines) = channel(LINES_AHEAD);
    tokio::spawn(read(app, asked, request.into_body(), begun));
    tokio::spawn(write(begun_lines, out));
    Ok(with_type(Body::new(Lines(lines)), "application/x-ndjson"))
}

/// A line that is being tagged. It is given up with its stream.
struct Begun(JoinHandle<String>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins with each line as it comes.
async fn read(app: Arc<App>, asked: Arc<Asked>, mut body: Body, begun: Sender<Begun>) {
    let limits = &app.settings.limits;
    let mut bytes: Vec<u8> = Vec::new();
    // Bytes in which no line ends: they are not looked at again.
    let mut searched = 0;
    let mut number = 0;
    loop {
        let end = match timeout(limits.body_timeout, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    bytes.extend_from_slice(&data);
                }
                None
            }
            Ok(Some(Err(_))) => Some(Some(Refusal::new(Kind::Json, "the body broke off"))),
            Ok(None) => Some(None),
            Err(_) => Some(Some(Refusal::new(Kind::SlowBody, "no more lines came in time"))),
        };
        let mut from = 0;
        while let Some(length) = bytes[searched..].iter().position(|&byte| byte == b'\n') {
            number += 1;
            let end = searched + length;
            let line = bytes[from..end].to_vec();
            from = end + 1;
            searched = from;
            if begin(&app, &asked, line, number, &begun).await.is_err() {
                return;
            }
        }
        bytes.drain(..from);
        searched = bytes.len();
        let is_long = bytes.len() > limits.body_bytes;
        let refusal = match end {
            None if is_long => {
                let message = format!("a line has more than {} bytes: send it in parts", limits.body_bytes);
                Refusal::new(Kind::TooLarge, message)
            }
            None => continue,
            Some(None) => {
                // The last line may have no end.
                _ = begin(&app, &asked, std::mem::take(&mut bytes), number + 1, &begun).await;
                return;
            }
            Some(Some(refusal)) => refusal,
        };
        let text = failed(None, number + 1, &refusal);
        _ = begun.send(Begun(tokio::spawn(async move { text }))).await;
        return;
    }
}

/// Begins with a line, unless it is empty.
async fn begin(
    app: &Arc<App>,
    asked: &Arc<Asked>,
    line: Vec<u8>,
    number: usize,
    begun: &Sender<Begun>,
) -> Result<(), ()> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let (app, asked) = (app.clone(), asked.clone());
    let work = tokio::spawn(async move { one(&app, &asked, &line, number).await });
    begun.send(Begun(work)).await.map_err(|_| ())
}

/// Tags a line. Returns the line of the answer.
async fn one(app: &App, asked: &Asked, line: &[u8], number: usize) -> String {
    let named = match json::read(line).and_then(|value| named(value, "line")) {
        Ok(named) => named,
        Err(refusal) => return failed(None, number, &refusal),
    };
    let id = named.id;
    if let Err(refusal) = bounded(&named.content, "line", &app.settings.limits) {
        return failed(id.as_ref(), number, &refusal);
    }
    let input = Input { place: format!("line {number}"), content: named.content };
    match patient(app, asked, input).await {
        Ok(answer) => {
            app.metrics.spent(answer.spent.tokenizing, answer.spent.waiting, answer.spent.computing);
            answer.documents[0].count(&app.metrics);
            let shown = show(id.as_ref(), &answer.documents[0], &answer.encoder, asked);
            serde_json::to_string(&shown).expect("strings and numbers are JSON") + "\n"
        }
        Err(refusal) => failed(id.as_ref(), number, &refusal),
    }
}

/// Tags an input. Where there is too much to do, it waits: nobody sends the line again.
async fn patient(app: &App, asked: &Asked, input: Input) -> Result<Answer, Refusal> {
    let deadline = Instant::now() + app.settings.limits.request_timeout;
    loop {
        let job = Job {
            inputs: vec![input.clone()],
            choices: asked.parameters.choices.clone(),
            deadline: Instant::now() + app.settings.limits.request_timeout,
            may_cache: true,
        };
        match app.engine.tag(job).await {
            Err(refusal) if refusal.kind == Kind::Overloaded && Instant::now() < deadline => {
                sleep(Duration::from_millis(200)).await;
            }
            answer => return answer,
        }
    }
}

fn failed(id: Option<&Value>, line: usize, refusal: &Refusal) -> String {
    let (status, error_type) = refusal.kind.facts();
    let failed = Failed { id, line, error: &refusal.message, error_type, code: status.as_u16() };
    serde_json::to_string(&failed).expect("strings and numbers are JSON") + "\n"
}

/// Passes finished lines on, in their order.
async fn write(mut begun: Receiver<Begun>, out: Sender<String>) {
    while let Some(mut line) = begun.recv().await {
        let Ok(text) = (&mut line.0).await else { return };
        if out.send(text).await.is_err() {
            return;
        }
    }
}

/// A body of lines.
struct Lines(Receiver<String>);

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line.into()))))
    }
}
