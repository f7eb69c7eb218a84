//! A file of words and labels is read, and whoever waits sees how far that is.

use crate::events::{Events, Progress};
use anyhow::{Context, Result};
use std::fs;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use tagsmith_data::{Meter, ReadOptions, dataset};
use tagsmith_text::sentence::Split;

/// How often the events say how far the reader is.
const INTERVAL: Duration = Duration::from_millis(100);

/// Reads a split as [`dataset::load_files`] does, on a thread of its own.
///
/// # Errors
/// Whatever the reader refuses; the system gives no thread.
pub fn split(file: &str, options: &ReadOptions, events: &mut dyn Events) -> Result<Split> {
    let meter = Meter::default();
    let options = ReadOptions { meter: meter.clone(), ..options.clone() };
    // A folder, a pattern or a list has no size.
    let bytes = fs::metadata(file).ok().filter(fs::Metadata::is_file).map(|data| data.len());
    let work = format!("reading {file}");
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let options = &options;
        let read = move || {
            let split = dataset::load_files(&[file.to_owned()], options);
            // Nobody hears it only if the other thread panics.
            _ = sender.send(split);
        };
        let reader = thread::Builder::new().spawn_scoped(scope, read).context("the system gives no thread to read")?;
        loop {
            match receiver.recv_timeout(INTERVAL) {
                Ok(split) => {
                    let done = meter.bytes();
                    events.progress(Progress { work: &work, done, of: Some(done), unit: "bytes" });
                    return Ok(split?);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let done = meter.bytes();
                    let of = bytes.map(|bytes| bytes.max(done + 1));
                    events.progress(Progress { work: &work, done, of, unit: "bytes" });
                }
                Err(RecvTimeoutError::Disconnected) => match reader.join() {
                    Err(panic) => resume_unwind(panic),
                    Ok(()) => unreachable!("a reader that ends has sent what it read"),
                },
            }
        }
    })
}
