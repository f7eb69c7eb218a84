//! `tagsmith serve` as a program: its options, its lines, its signals.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tagsmith_testkit::program;
use tagsmith_testkit::scratch::Scratch;

/// A running server, which is killed if a test fails.
struct Running {
    child: Child,
    address: String,
    /// What it said before it served.
    said: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

fn command(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = program::isolated(program::path(), scratch.folder());
    command.args(["serve", "--threads", "1"]).args(arguments).env("PORT", "0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(command: &mut Command) -> Running {
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut said = String::new();
    let address = loop {
        let line = lines.next().unwrap_or_else(|| panic!("it ended: {said}")).expect("text");
        if let Some(rest) = line.strip_prefix("serving at http://") {
            break rest.split(' ').next().expect("an address").to_owned();
        }
        said += &line;
        said += "\n";
    };
    // What comes later must not fill the pipe.
    thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    Running { child, address, said }
}

fn ask(address: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(head.as_bytes()).expect("it is sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill is there");
    assert!(status.success());
}

#[test]
#[cfg(unix)]
fn a_server_serves_and_ends() {
    let scratch = Scratch::with_tagger();
    let mut server = start(&mut command(&scratch, &["--model", "model", "--log", "json"]));
    assert!(server.said.contains(" pieces a second"), "{}", server.said);
    let (status, answer) =
        ask(&server.address, "POST", "/v1/tag", &json!({"inputs": "jo lives in millville"}).to_string());
    assert_eq!((status, &answer["model"]["id"]), (200, &json!("model")), "{answer}");
    let check = |url: &str| {
        let mut command = program::isolated(program::path(), scratch.folder());
        command.args(["serve", "--check", url]).output().expect("it runs").status.code()
    };
    let url = format!("http://{}/health", server.address);
    assert_eq!(check(&url), Some(0));
    assert_eq!(check(&format!("http://{}/nowhere", server.address)), Some(1));
    signal(&server.child, "-TERM");
    let began = Instant::now();
    let status = server.child.wait().expect("it ends");
    assert!(status.success() && began.elapsed() < Duration::from_secs(60), "{status}");
    assert_eq!(check(&url), Some(1));
    let mut log = String::new();
    server.child.stdout.take().expect("a pipe").read_to_string(&mut log).expect("text");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&lines[0]["route"], &lines[0]["status"]), (&json!("/v1/tag"), &json!(200)));
    assert!(!log.contains("millville"), "no text is in a log: {log}");
}

#[test]
fn variables_stand_for_options_and_the_command_line_stands_above_them() {
    let scratch = Scratch::with_tagger();
    let mut command = command(&scratch, &["--max-inputs", "3"]);
    command
        .env("MODEL_ID", "model")
        .env("SERVED_MODEL_NAME", "ours")
        .env("MAX_CLIENT_BATCH_SIZE", "7")
        .env("PAYLOAD_LIMIT", "1000");
    command.env("TAGSMITH_API_KEY", "secret").env("HOSTNAME", "0.0.0.0");
    let server = start(&mut command);
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    assert_eq!(ask(&server.address, "GET", "/info", "").0, 401);
    let (status, _) = ask(&server.address, "GET", "/health", "");
    assert_eq!(status, 200);
}

#[test]
fn what_cannot_be_served_is_one_line() {
    let scratch = Scratch::with_tagger();
    scratch.write("keys", "\n\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (arguments, says) in [
        (&["--model", "nowhere"][..], "nowhere"),
        (&["--model", "model", "--labels", "a,b"], "leave out `--labels`"),
        (&["--model", "model", "--api-key-file", "keys"], "there is no key in it"),
        (&["--model", "model", "--batch-tokens", "0"], "`--batch-tokens 0`: at least one is needed"),
        (&["--model", "model", "--request-timeout=-1"], "this is not a time"),
        (&["--model", "model", "--port", &port], "nobody can listen at"),
    ] {
        let output = command(&scratch, arguments).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        let error = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{said}"));
        assert!(error.contains(says), "{arguments:?}: {said}");
    }
    let output = command(&scratch, &["--model", "model"]).env("HF_TASK", "fill-mask").output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("`HF_TASK=fill-mask`"));
}
