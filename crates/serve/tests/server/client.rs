//! A client of sockets, which can also be rude.

use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tagsmith_serve::http::App;
use tagsmith_serve::server::{self, Stop};

/// A server on the loopback.
pub struct Live {
    pub address: SocketAddr,
    pub stop: Stop,
    server: Option<JoinHandle<()>>,
}

/// What a server sent.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let line = |line: &str| line.split_once(": ").is_some_and(|(own, _)| own.eq_ignore_ascii_case(name));
        Some(self.head.lines().find(|it| line(it))?.split_once(": ")?.1)
    }
}

impl Live {
    pub fn start(app: Arc<App>) -> Live {
        let listener = server::bind(app.settings.address).expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let stop = Stop::new();
        let own = stop.clone();
        let server = std::thread::spawn(move || server::run(app, listener, &own).expect("it runs"));
        Live { address, stop, server: Some(server) }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// Sends a request on a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        send(&mut stream, method, path, headers, body)?;
        read(&mut stream)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, "", body.to_string().as_bytes()).expect("the server answers")
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", b"").expect("the server answers")
    }

    /// Waits for the server's end.
    pub fn end(mut self) -> Duration {
        let began = Instant::now();
        self.stop.begin();
        self.server.take().expect("it runs").join().expect("it ends well");
        began.elapsed()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.begin();
        if let Some(server) = self.server.take() {
            _ = server.join();
        }
    }
}

/// Writes a request.
pub fn send(stream: &mut TcpStream, method: &str, path: &str, headers: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat())
}

/// Reads an answer whose length its head tells.
pub fn read(stream: &mut TcpStream) -> io::Result<Answer> {
    let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off");
    let mut bytes = Vec::new();
    let mut part = [0; 1 << 14];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read(&mut part)? {
            0 => return Err(broken()),
            count => bytes.extend_from_slice(&part[..count]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let mut answer = Answer { status, head, body: bytes.split_off(end + 4) };
    let length: usize = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    while answer.body.len() < length {
        match stream.read(&mut part)? {
            0 => return Err(broken()),
            count => answer.body.extend_from_slice(&part[..count]),
        }
    }
    Ok(answer)
}
