//! A real browser without a window, which a test drives over two pipes.
//!
//! Chromium reads commands from its descriptor 3 and writes answers to 4, each ended by a byte of 0. A shell opens both as
//! named pipes.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for whatever it waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names that Chromium has.
const NAMES: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome-headless-shell"];

/// A browser with one page.
pub struct Browser {
    process: Child,
    commands: File,
    answers: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    /// Everything that the browser said without being asked.
    pub events: Vec<Value>,
    folder: TempDir,
}

/// Returns the browser of this machine.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = |name: &&str| std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    NAMES.iter().find_map(found)
}

impl Browser {
    /// Starts a browser; none where this machine has none, with a line.
    pub fn start() -> Option<Browser> {
        let Some(program) = program() else {
            #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
            {
                eprintln!("skipped: there is no Chromium here ({})", NAMES.join(", "));
            }
            return None;
        };
        let folder = TempDir::new().expect("a folder");
        let [commands, answers] = ["commands", "answers"].map(|name| folder.path().join(name));
        let made = Command::new("mkfifo").args([&commands, &answers]).status().expect("mkfifo runs");
        assert!(made.success(), "named pipes can be made");
        let shell = r#"exec "$0" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
            --user-data-dir="$1/profile" --remote-debugging-pipe about:blank 3<"$1/commands" 4>"$1/answers""#;
        let mut command = Command::new("sh");
        command.args(["-c", shell]).arg(program).arg(folder.path()).env("HOME", folder.path());
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell runs");
        // Each of the two waits for the other side, in the shell's order.
        let commands = File::options().write(true).open(commands).expect("the browser reads");
        let read = File::open(answers).expect("the browser writes");
        let (sender, answers) = channel();
        thread::spawn(move || {
            for message in BufReader::new(read).split(0) {
                let message = message.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                if message.is_none_or(|message| sender.send(message).is_err()) {
                    return;
                }
            }
        });
        let mut browser = Browser { process, commands, answers, session: None, sent: 0, events: Vec::new(), folder };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility", "DOM"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Sends a command, and returns its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).expect("the browser reads");
        loop {
            let answer = self.answers.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{method}: no answer"));
            if answer["id"] != self.sent {
                self.events.push(answer);
                continue;
            }
            assert!(answer.get("error").is_none(), "{method}: {}", answer["error"]);
            return answer["result"].clone();
        }
    }

    /// Returns the value of an expression of JavaScript. It may be a promise.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&mut self, expression: &str) {
        let began = Instant::now();
        while self.value(&format!("!!({expression})")) != true {
            assert!(began.elapsed() < PATIENCE, "this is never true: {expression}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Opens an address, and waits for the page and its model.
    pub fn open(&mut self, url: &str) {
        // An address that differs in its fragment alone would leave the page as it is.
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.call("Page.navigate", json!({"url": url}));
        self.wait("document.readyState === 'complete' && document.querySelector('#model')?.textContent !== '…'");
    }

    /// Chooses the color scheme that pages are shown in.
    pub fn scheme(&mut self, name: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": name}]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Chooses the window's width.
    pub fn width(&mut self, width: u32) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Types a text where the focus is.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Presses a key. `modifiers` is 2 for Ctrl, 8 for Shift.
    pub fn press(&mut self, key: &str, modifiers: u32) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, None),
            "Enter" => ("Enter", 13, Some("\r")),
            " " => ("Space", 32, Some(" ")),
            "ArrowRight" => ("ArrowRight", 39, None),
            "ArrowDown" => ("ArrowDown", 40, None),
            "End" => ("End", 35, None),
            other => panic!("no test presses {other} yet"),
        };
        let mut event = json!({"type": if text.is_some() { "keyDown" } else { "rawKeyDown" }, "key": key, "code": code,
            "windowsVirtualKeyCode": number, "modifiers": modifiers});
        if let Some(text) = text.filter(|_| modifiers == 0) {
            event["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", event.clone());
        event["type"] = "keyUp".into();
        event.as_object_mut().expect("an object").remove("text");
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Drops a file on the page.
    pub fn drop_file(&mut self, file: &std::path::Path) {
        let data = json!({"items": [], "files": [file], "dragOperationsMask": 1});
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.call("Input.dispatchDragEvent", json!({"type": kind, "x": 300, "y": 300, "data": data}));
        }
    }

    /// Follows a link that offers a file. Returns the file's bytes.
    pub fn download(&mut self, selector: &str) -> Vec<u8> {
        let folder = TempDir::new_in(self.folder.path()).expect("a folder");
        let session = self.session.take();
        self.call("Browser.setDownloadBehavior", json!({"behavior": "allow", "downloadPath": folder.path()}));
        self.session = session;
        self.value(&format!("document.querySelector('{selector}').click()"));
        let began = Instant::now();
        loop {
            let files = std::fs::read_dir(folder.path()).expect("the folder is there").flatten();
            let whole = files.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|it| it == "jsonl"));
            if let Some(bytes) = whole.and_then(|path| std::fs::read(path).ok()).filter(|bytes| !bytes.is_empty()) {
                return bytes;
            }
            assert!(began.elapsed() < PATIENCE, "no file comes");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Writes a picture of the window into the folder that `TAGSMITH_SCREENSHOTS` names, for people to look at.
    pub fn picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("TAGSMITH_SCREENSHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            shot["data"].as_str().expect("a picture is text"),
        );
        let file = PathBuf::from(folder).join(format!("{name}.png"));
        std::fs::write(file, bytes.expect("a picture is base64")).expect("the folder is there");
    }

    /// Returns the addresses that were asked for.
    pub fn asked(&mut self) -> Vec<String> {
        self.value("0");
        let urls = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        urls.filter_map(|event| event["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }

    /// Returns what pages did that no page should do: exceptions, dialogs, and what the content policy forbade.
    pub fn wrongs(&mut self) -> Vec<String> {
        self.value("0");
        let is_wrong = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Page.javascriptDialogOpening") => true,
            Some("Log.entryAdded") => event["params"]["entry"]["source"] != "network",
            _ => false,
        };
        self.events.iter().filter(is_wrong).map(Value::to_string).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
