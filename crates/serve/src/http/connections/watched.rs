//! A stream that notes when something moved, and gives errors of the HTTP library the body that all errors have.

use super::table::Connection;
use crate::http::frame;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection's stream.
pub struct Watched {
    stream: TcpStream,
    own: Arc<Connection>,
    began: Instant,
    /// What is written in the place of the library's answer, and how much of it is written.
    instead: Option<(Vec<u8>, usize)>,
}

impl Watched {
    /// Returns a stream whose times count from `began`.
    pub fn new(stream: TcpStream, own: Arc<Connection>, began: Instant) -> Watched {
        Watched { stream, own, began, instead: None }
    }

    fn moved(&self) {
        self.own.last.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// Returns whether these bytes are the library's answer to what is not HTTP: an error without a request and without a
    /// body.
    fn is_bare_error(&self, bytes: &[u8]) -> bool {
        let has = |part: &[u8]| bytes.windows(part.len()).any(|it| it == part);
        self.own.requests.load(Ordering::Acquire) == 0
            && bytes.starts_with(b"HTTP/1.1 4")
            && bytes.ends_with(b"\r\n\r\n")
            && has(b"content-length: 0\r\n")
    }

    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.instead.is_none() && self.is_bare_error(bytes) {
            let status = bytes.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            self.instead = Some((frame::answer_to_noise(status.unwrap_or(400)), 0));
        }
        let Some((answer, written)) = &mut self.instead else {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        };
        while *written < answer.len() {
            *written += ready!(Pin::new(&mut self.stream).poll_write(cx, &answer[*written..]))?;
        }
        self.instead = None;
        Poll::Ready(Ok(bytes.len()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if poll.is_ready() {
            self.moved();
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = self.write(cx, bytes);
        self.own.is_stuck.store(poll.is_pending(), Ordering::Relaxed);
        if poll.is_ready() {
            self.moved();
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
