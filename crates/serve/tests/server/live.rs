//! Whole servers on the loopback: many clients at a time, rude ones, and the end.

use crate::client::{Live, read, send};
use crate::harness::{fresh, settings, tagger, tokens, tokens_by};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tagsmith_app::predict::tagger::TaggerOptions;
use tagsmith_serve::settings::{Limits, Settings};
use tagsmith_text::tagged::{Content, Input};

const TEXT: &str = "jo lives in millville";

fn long(words: usize) -> String {
    fresh(&"jo lives in millville . ".repeat(words / 5))
}

/// Waits until something is true.
fn soon(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(300), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Every answer under load is what the tagger gives alone, to the bit: batches differ, results do not.
#[test]
fn an_answer_is_the_same_bits_under_load() {
    let kit = tokens_by(Settings { limits: Limits { cache_bytes: 0, ..settings().limits }, ..settings() });
    let texts: Vec<String> = (0..24)
        .map(|number| match number % 4 {
            0 => long(600 + 10 * number),
            _ => fresh(&TEXT.repeat(1 + number % 7)),
        })
        .collect();
    let inputs: Vec<Input> =
        texts.iter().map(|text| Input { place: "x".into(), content: Content::Text(text.clone()) }).collect();
    let want = tagger(&kit.scratch, "model", TaggerOptions::default()).tag(&inputs).expect("it tags");
    let live = Live::start(kit.app.clone());
    thread::scope(|scope| {
        for round in 0..3 {
            for (at, text) in texts.iter().enumerate() {
                let (live, want) = (&live, &want[at]);
                scope.spawn(move || {
                    let parameters = json!({"return": ["words"]});
                    let answer = live.post("/v1/tag", &json!({"inputs": text, "parameters": parameters}));
                    assert_eq!(answer.status, 200, "{round} {answer:?}");
                    let answer = answer.json();
                    let scores = answer["results"][0]["scores"].as_array().expect("scores");
                    let scores: Vec<f32> = scores.iter().map(|score| score.to_string().parse().unwrap()).collect();
                    let own: Vec<f32> = want.labels.iter().map(|word| word.probability).collect();
                    assert!(scores == own, "{round}: other bits");
                });
            }
        }
    });
    let metrics = live.get("/metrics");
    let metrics = String::from_utf8(metrics.body).expect("text");
    let batched = metrics.lines().find_map(|line| line.strip_prefix("tagsmith_batch_windows_bucket{le=\"1\"} "));
    let all = metrics.lines().find_map(|line| line.strip_prefix("tagsmith_batch_windows_count "));
    let [alone, all] = [batched, all].map(|count| count.expect("a count").parse::<usize>().expect("a number"));
    assert!(alone < all, "some windows shared a batch: {alone} of {all}");
}

#[test]
fn a_long_document_delays_no_short_one() {
    let kit = tokens_by(Settings { limits: Limits { cache_bytes: 0, ..settings().limits }, ..settings() });
    let live = Live::start(kit.app.clone());
    let shorts = |live: &Live| {
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let began = Instant::now();
                assert_eq!(live.post("/v1/tag", &json!({"inputs": fresh(TEXT)})).status, 200);
                began.elapsed()
            })
            .collect();
        times.sort();
        times
    };
    shorts(&live);
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let parameters = json!({"return": []});
            let answer = live.post("/v1/tag", &json!({"inputs": long(150_000), "parameters": parameters}));
            assert_eq!(answer.status, 200, "{answer:?}");
            is_done.store(true, Ordering::Release);
        });
        soon("the document is being read", || kit.app.engine.load()[1] > 100);
        shorts(&live);
        assert_eq!(live.get("/health").status, 200);
        assert!(!is_done.load(Ordering::Acquire), "short ones were answered while the long one was read");
    });
}

#[test]
fn kept_answers_are_the_same_answers() {
    let kit = tokens();
    let live = Live::start(kit.app.clone());
    let text = fresh(TEXT);
    let body = json!({"inputs": text, "parameters": {"return": ["entities", "words"]}});
    let [first, second] = [live.post("/v1/tag", &body), live.post("/v1/tag", &body)];
    assert_eq!(first.json(), second.json());
    let metrics = String::from_utf8(live.get("/metrics").body).expect("text");
    assert!(metrics.contains("tagsmith_cache_hits_total 1\n"), "{metrics}");
    // Other choices are another question.
    let other = live.post("/v1/tag", &json!({"inputs": text, "parameters": {"aggregation_strategy": "none"}}));
    assert_ne!(other.json()["results"][0]["entities"], first.json()["results"][0]["entities"]);
}

#[test]
fn a_request_hears_when_its_time_is_over_or_would_be() {
    let mut settings = settings();
    settings.limits.request_timeout = Duration::from_millis(1500);
    let kit = tokens_by(settings);
    let live = Live::start(kit.app.clone());
    let text = json!({"inputs": long(100_000), "parameters": {"return": []}}).to_string();
    let late = live.ask("POST", "/v1/tag", "x-request-timeout-ms: 1\r\n", text.as_bytes()).expect("an answer");
    assert!([504, 429].contains(&late.status), "{late:?}");
    soon("its work is dropped", || kit.app.engine.load()[0] == 0);
    // While long ones are read, another long one has no chance, and a short one has.
    let seen = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let body = json!({"inputs": long(100_000), "parameters": {"return": []}});
                let answer = live.post("/v1/tag", &body);
                if answer.status == 429 {
                    seen.fetch_add(1, Ordering::Relaxed);
                    let after: u64 = answer.header("retry-after").expect("a time").parse().expect("seconds");
                    assert!(after >= 1);
                    assert_eq!(answer.json()["error_type"], "overloaded");
                }
                assert!([200, 429, 504].contains(&answer.status), "{answer:?}");
            });
        }
        assert_eq!(live.post("/v1/tag", &json!({"inputs": fresh(TEXT)})).status, 200);
    });
    assert!(seen.load(Ordering::Relaxed) > 0, "somebody was refused at once");
}

#[test]
fn work_of_clients_that_left_is_dropped() {
    let kit = tokens();
    let live = Live::start(kit.app.clone());
    for _ in 0..4 {
        let mut stream = live.connect();
        let body = json!({"inputs": long(150_000)}).to_string();
        send(&mut stream, "POST", "/v1/tag", "", body.as_bytes()).expect("it is sent");
        soon("it is in progress", || kit.app.engine.load()[0] > 0);
        drop(stream);
        soon("it is dropped", || kit.app.engine.load()[0] == 0);
    }
    let metrics = String::from_utf8(live.get("/metrics").body).expect("text");
    let gone = metrics.lines().find_map(|line| line.strip_prefix("tagsmith_rejected_total{reason=\"gone\"} "));
    assert!(gone.expect("a count").parse::<usize>().expect("a number") >= 1, "{metrics}");
}

#[test]
fn rude_clients_disturb_nobody() {
    let mut settings = settings();
    settings.limits.header_timeout = Duration::from_secs(2);
    settings.limits.body_timeout = Duration::from_secs(2);
    settings.limits.connections = 200;
    let kit = tokens_by(settings);
    let live = Live::start(kit.app.clone());
    let well = || {
        assert_eq!(live.post("/v1/tag", &json!({"inputs": fresh(TEXT)})).status, 200);
        assert_eq!(live.get("/health").status, 200);
    };
    // More connections that say nothing than there are places.
    let idle: Vec<TcpStream> = (0..1000).map(|_| live.connect()).collect();
    well();
    // A header that never ends, and a body that never comes.
    let mut slow = live.connect();
    slow.write_all(b"POST / HTTP/1.1\r\nhost: x\r\n").expect("it is sent");
    let mut waiting = live.connect();
    waiting.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").expect("it is sent");
    well();
    let answer = read(&mut waiting).expect("an answer");
    assert_eq!((answer.status, &answer.json()["error_type"]), (408, &json!("timeout")), "{answer:?}");
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).expect("the connection ends");
    // A body that breaks off, half a connection, and what is not HTTP.
    let mut half = live.connect();
    half.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"inp").expect("it is sent");
    half.shutdown(Shutdown::Write).expect("half is closed");
    let mut noise = live.connect();
    noise.write_all(&[0xff; 4000]).expect("it is sent");
    well();
    for (noise, status) in [
        (b"GET / HTTP/1.1\r\nbroken\r\n\r\n".to_vec(), 400),
        ([b"GET /".as_slice(), &[b'x'; 70_000], b" HTTP/1.1\r\n\r\n"].concat(), 414),
        ([b"GET / HTTP/1.1\r\n".as_slice(), &b"a: b\r\n".repeat(200), b"\r\n"].concat(), 431),
    ] {
        let mut stream = live.connect();
        stream.write_all(&noise).expect("it is sent");
        let answer = read(&mut stream).expect("an answer");
        assert_eq!((answer.status, &answer.json()["error_type"]), (status, &json!("invalid_http")), "{answer:?}");
        assert_eq!(answer.json()["code"], status);
    }
    // A hundred megabytes, with and without a length.
    let body = vec![b'x'; 100 << 20];
    let answer = live.ask("POST", "/", "", &body).expect("an answer");
    assert_eq!((answer.status, &answer.json()["error_type"]), (413, &json!("payload_too_large")));
    let mut chunked = live.connect();
    chunked.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").expect("it is sent");
    let part = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
    for _ in 0..100 {
        chunked.write_all(&part).expect("the server reads on");
    }
    chunked.write_all(b"0\r\n\r\n").expect("it is sent");
    assert_eq!(read(&mut chunked).expect("an answer").status, 413);
    // Bombs.
    let labels: Vec<usize> = (0..1_000_000).collect();
    let bombs = ["[".repeat(5 << 20), json!({"inputs": TEXT, "parameters": {"labels": labels}}).to_string()];
    for bomb in bombs {
        let answer = live.ask("POST", "/v1/tag", "", bomb.as_bytes()).expect("an answer");
        assert!([400, 413].contains(&answer.status), "{answer:?}");
        well();
    }
    drop((idle, half, noise));
    well();
}

/// A restart loses nobody's answer: clients that ask again and again, on connections that they keep, see whole answers to the
/// end, and then a port that is closed.
#[test]
fn a_server_ends_without_one_broken_reply() {
    let kit = tokens();
    let live = Live::start(kit.app.clone());
    let (answered, ends, address) = (AtomicUsize::new(0), AtomicBool::new(false), live.address);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                // Until nobody listens any more.
                while let Ok(mut stream) = TcpStream::connect(address) {
                    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
                    for number in 0.. {
                        let body = json!({"inputs": fresh(TEXT)}).to_string();
                        let sent = send(&mut stream, "POST", "/v1/tag", "", body.as_bytes());
                        let answer = match sent.and_then(|()| read(&mut stream)) {
                            Ok(answer) => answer,
                            // The system takes a connection that nobody takes from it any more.
                            Err(_) if number == 0 && ends.load(Ordering::Acquire) => return,
                            Err(error) => panic!("a broken reply: {error}"),
                        };
                        assert_eq!(answer.status, 200, "{answer:?}");
                        answered.fetch_add(1, Ordering::Relaxed);
                        if answer.header("connection") == Some("close") {
                            break;
                        }
                    }
                }
            });
        }
        soon("clients are answered", || answered.load(Ordering::Relaxed) > 200);
        ends.store(true, Ordering::Release);
        let took = live.end();
        assert!(took < Duration::from_secs(60), "{took:?}");
    });
}

#[test]
fn what_is_not_done_in_time_hears_of_the_end() {
    let mut settings = settings();
    settings.limits.shutdown_grace = Duration::from_millis(1);
    let kit = tokens_by(settings);
    let live = Live::start(kit.app.clone());
    let mut stream = live.connect();
    let body = json!({"inputs": long(200_000), "parameters": {"return": []}}).to_string();
    send(&mut stream, "POST", "/v1/tag", "", body.as_bytes()).expect("it is sent");
    soon("it is in progress", || kit.app.engine.load()[1] > 0);
    live.end();
    let answer = read(&mut stream).expect("an answer");
    assert_eq!((answer.status, &answer.json()["error_type"]), (503, &json!("unavailable")));
}

#[test]
fn keys_and_origins_are_asked_for() {
    let mut settings = settings();
    settings.api_keys = vec!["first".into(), "second".into()];
    settings.cors_allow_origin = Some("https://example.org".into());
    let kit = tokens_by(settings);
    let live = Live::start(kit.app.clone());
    let body = json!({"inputs": TEXT}).to_string();
    let ask =
        |method: &str, path: &str, headers: &str| live.ask(method, path, headers, body.as_bytes()).expect("an answer");
    for path in ["/", "/v1/tag"] {
        for wrong in ["", "authorization: Bearer third\r\n", "x-api-key: firs\r\n"] {
            let answer = ask("POST", path, wrong);
            assert_eq!((answer.status, &answer.json()["error_type"]), (401, &json!("unauthorized")), "{wrong}");
        }
        for right in ["authorization: Bearer second\r\n", "x-api-key: first\r\n"] {
            assert_eq!(ask("POST", path, right).status, 200, "{right}");
        }
    }
    assert_eq!(ask("GET", "/info", "").status, 401);
    for open in ["/health", "/ping", "/", "/metrics", "/openapi.json"] {
        assert_eq!(live.get(open).status, 200, "{open}");
    }
    let preflight = "access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n";
    let answer = ask("OPTIONS", "/v1/tag", &format!("origin: https://example.org\r\n{preflight}"));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://example.org")));
    assert!(answer.header("access-control-allow-headers").is_some_and(|it| it.contains("authorization")));
    let other = ask("POST", "/", "origin: https://example.com\r\nx-api-key: first\r\n");
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, None));
}

/// A client that sends lines and reads none is not read from: memory stays bounded.
#[test]
fn a_stream_waits_for_its_reader() {
    let kit = tokens();
    let live = Live::start(kit.app.clone());
    let mut stream = live.connect();
    let head =
        "POST /v1/tag HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it is sent");
    stream.set_write_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let line = json!({"text": TEXT.repeat(200)}).to_string() + "\n";
    let chunk = format!("{:x}\r\n{line}\r\n", line.len());
    let mut sent = 0;
    while sent < 20_000 && stream.write_all(chunk.as_bytes()).is_ok() {
        sent += 1;
    }
    assert!(sent < 20_000, "the server stops reading");
    assert_eq!(live.post("/v1/tag", &json!({"inputs": fresh(TEXT)})).status, 200);
    drop(stream);
    soon("its work is dropped", || kit.app.engine.load()[0] == 0);
}
