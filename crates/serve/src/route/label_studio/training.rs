//! A command that Label Studio's "Start training" begins.

use serde_json::Value;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A command for the system's shell, of which one runs at a time.
pub struct Training {
    command: String,
    is_busy: Arc<AtomicBool>,
}

/// What became of a wish to train.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// A process of this number began.
    Began(u32),
    /// An earlier process still runs.
    Busy,
}

impl Training {
    /// Returns the training by a command.
    pub fn by(command: String) -> Training {
        Training { command, is_busy: Arc::default() }
    }

    /// Begins a process, which reads the event as JSON from its standard input. It outlives the server.
    ///
    /// # Errors
    /// The system gives no process or no thread.
    pub fn begin(&self, event: &Value) -> io::Result<Wish> {
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return Ok(Wish::Busy);
        }
        let busy = Busy(self.is_busy.clone());
        let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
        let mut child = Command::new(shell).args([flag, &self.command]).stdin(Stdio::piped()).spawn()?;
        let (number, event) = (child.id(), event.to_string());
        thread::Builder::new().name("training".into()).spawn(move || {
            let _busy = busy;
            if let Some(mut input) = child.stdin.take() {
                // A command may leave the event unread.
                _ = input.write_all(event.as_bytes());
            }
            child.wait()
        })?;
        Ok(Wish::Began(number))
    }
}

/// A process that runs.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
