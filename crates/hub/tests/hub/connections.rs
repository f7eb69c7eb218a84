//! The way to a hub: proxies and certificates.

use crate::harness::Scratch;
use expect_test::expect;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use tagsmith_hub::model::Part;

/// A proxy that lets everything through, and the hosts that were asked of it.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let hosts: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = hosts.clone();
    thread::spawn(move || {
        for mut near in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && near.read(&mut byte).is_ok_and(|count| count == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let host =
                head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).expect("CONNECT").to_owned();
            let mut far = TcpStream::connect(&host).expect("the hub");
            seen.lock().expect("no thread panicked").push(host);
            near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("it listens");
            let (mut back, mut forth) = (far.try_clone().expect("a copy"), near.try_clone().expect("a copy"));
            thread::spawn(move || std::io::copy(&mut forth, &mut far));
            thread::spawn(move || std::io::copy(&mut back, &mut near));
        }
    });
    (url, hosts)
}

#[test]
fn proxies_stand_before_what_is_not_excepted() {
    let scratch = Scratch::new();
    let (url, hosts) = proxy();
    let through = |no_proxy: &str| {
        scratch.hub_with(|settings| {
            settings.http_proxy = Some(url.clone());
            settings.no_proxy = vec![no_proxy.to_owned()];
        })
    };
    scratch
        .hub_with(|settings| settings.https_proxy = Some(url.clone()))
        .model("org/tiny", None, &[Part::Config])
        .expect("it is there");
    through("127.0.0.1").model("org/tiny", None, &[Part::Config]).expect("it is there");
    assert!(hosts.lock().expect("no thread panicked").is_empty());
    through("example.org").model("org/tiny", None, &[Part::Tokenizer]).expect("it is there");
    assert!(hosts.lock().expect("no thread panicked").iter().all(|host| scratch.server.url.ends_with(host)));
    assert!(!hosts.lock().expect("no thread panicked").is_empty());
    let hub = scratch.hub_with(|settings| settings.http_proxy = Some("http://jo:secret@".into()));
    let error = hub.model("org/other", None, &Part::ALL).expect_err("no proxy").to_string();
    assert!(!error.contains("secret") && error.contains("correct https_proxy or http_proxy"), "{error}");
}

#[test]
fn certificates_are_a_file_of_them() {
    let scratch = Scratch::new();
    let file = scratch.cache.path().join("ca.pem");
    fs::write(&file, "no certificate").expect("a file");
    let hub = scratch.hub_with(|settings| settings.certificates = Some(file));
    expect!["CACHE/ca.pem: it holds no certificate: name a PEM file that does"]
        .assert_eq(&scratch.model(&hub).expect_err("none"));
}
