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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Lines that a stream has in work at a time. They fill batches, however short they are.
const LINES_AHEAD: usize = 64;

/// Bytes of the lines that a stream has in work, as a multiple of the longest line. A line that is read has room beside one in work.
const BYTES_AHEAD: usize = 2;

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

/// A line that is being tagged. It is given up with its stream, and holds its bytes' room until then.
struct Begun {
    work: JoinHandle<String>,
    _held: Vec<OwnedSemaphorePermit>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// The room of a stream: its own, and its part of that of all.
struct Room {
    rooms: [Arc<Semaphore>; 2],
    held: [Option<OwnedSemaphorePermit>; 2],
}

impl Room {
    fn of(app: &App) -> Room {
        let own = app.settings.limits.body_bytes.saturating_mul(BYTES_AHEAD);
        let own = own.clamp(body::ROOM_MIN, Semaphore::MAX_PERMITS);
        Room { rooms: [Arc::new(Semaphore::new(own)), app.room.clone()], held: [None, None] }
    }

    /// Waits for room for more bytes. Lines in work give theirs back.
    async fn wait(&mut self, bytes: usize) {
        for (room, held) in self.rooms.iter().zip(&mut self.held) {
            let more = room.clone().acquire_many_owned(body::permits(bytes)).await;
            body::hold(held, more.expect("nobody closes the room"));
        }
    }

    /// Gives the room of some bytes to a line.
    fn split(&mut self, bytes: usize) -> Vec<OwnedSemaphorePermit> {
        self.held.iter_mut().flatten().filter_map(|held| held.split(bytes)).collect()
    }
}

/// Begins with each line as it comes.
async fn read(app: Arc<App>, asked: Arc<Asked>, mut body: Body, begun: Sender<Begun>) {
    let limits = &app.settings.limits;
    let mut bytes: Vec<u8> = Vec::new();
    let mut room = Room::of(&app);
    // Bytes in which no line ends: they are not looked at again.
    let mut searched = 0;
    let mut number = 0;
    loop {
        let end = match timeout(limits.body_timeout, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                match timeout(limits.body_timeout, room.wait(data.len())).await {
                    Ok(()) => {
                        bytes.extend_from_slice(&data);
                        None
                    }
                    Err(_) => Some(Some(Refusal::new(Kind::Overloaded, "too many long lines come at the same time"))),
                }
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
            // The line's end counts too.
            let held = room.split(line.len() + 1);
            from = end + 1;
            searched = from;
            if begin(&app, &asked, line, number, held, &begun).await.is_err() {
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
                let held = room.split(bytes.len());
                _ = begin(&app, &asked, std::mem::take(&mut bytes), number + 1, held, &begun).await;
                return;
            }
            Some(Some(refusal)) => refusal,
        };
        let text = failed(None, number + 1, &refusal);
        _ = begun.send(Begun { work: tokio::spawn(async move { text }), _held: Vec::new() }).await;
        return;
    }
}

/// Begins with a line, unless it is empty.
async fn begin(
    app: &Arc<App>,
    asked: &Arc<Asked>,
    line: Vec<u8>,
    number: usize,
    held: Vec<OwnedSemaphorePermit>,
    begun: &Sender<Begun>,
) -> Result<(), ()> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let (app, asked) = (app.clone(), asked.clone());
    let work = tokio::spawn(async move { one(&app, &asked, &line, number).await });
    begun.send(Begun { work, _held: held }).await.map_err(|_| ())
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
        let Ok(text) = (&mut line.work).await else { return };
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
