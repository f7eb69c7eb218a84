//! Words and labels are read, and whoever waits sees how far that is.

use crate::events::{Events, Progress};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;
use tagsmith_data::error::Error;
use tagsmith_data::{Meter, ReadOptions, dataset};
use tagsmith_hub::Hub;
use tagsmith_text::sentence::Split;

/// How often the events say how far the reader is.
const INTERVAL: Duration = Duration::from_millis(100);

/// Reads a split as [`dataset::load_files`] does, on a thread of its own.
///
/// # Errors
/// Whatever the reader refuses; the system gives no thread.
pub fn split(file: &str, options: &ReadOptions, events: &mut dyn Events) -> Result<Split> {
    watched(file, options, events, |options| dataset::load_files(&[file.to_owned()], options))
}

/// Reads a data set's splits as [`dataset::load`] does, on a thread of its own. Downloads come first; the hub reports
/// them.
///
/// # Errors
/// Whatever the hub or the reader refuses; the system gives no thread.
pub fn named(
    hub: &Hub,
    (name, config_name, revision): (&str, Option<&str>, Option<&str>),
    options: &ReadOptions,
    events: &mut dyn Events,
) -> Result<BTreeMap<String, Split>> {
    watched(name, options, events, |options| dataset::load(hub, name, config_name, revision, options))
}

/// Runs a reader on a thread of its own, and reports how many bytes of `name` it has read.
fn watched<T: Send>(
    name: &str,
    options: &ReadOptions,
    events: &mut dyn Events,
    read: impl FnOnce(&ReadOptions) -> Result<T, Error> + Send,
) -> Result<T> {
    let meter = Meter::default();
    let options = ReadOptions { meter: meter.clone(), ..options.clone() };
    let work = format!("reading {name}");
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let options = &options;
        let read = move || {
            // Nobody hears it only if the other thread panics.
            _ = sender.send(read(options));
        };
        let reader = thread::Builder::new().spawn_scoped(scope, read).context("the system gives no thread to read")?;
        loop {
            match receiver.recv_timeout(INTERVAL) {
                Ok(data) => {
                    let done = meter.bytes();
                    events.progress(Progress { work: &work, done, of: Some(done), unit: "bytes" });
                    return Ok(data?);
                }
                // Before the first byte a name is looked up, and files may be downloaded.
                Err(RecvTimeoutError::Timeout) if meter.bytes() == 0 => {}
                Err(RecvTimeoutError::Timeout) => {
                    let done = meter.bytes();
                    let of = meter.of().map(|bytes| bytes.max(done + 1));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Event;
    use std::fs;
    use tagsmith_hub::Settings;

    /// What was said of progress: the work, how much is done, and how much there is.
    #[derive(Default)]
    struct Seen(Vec<(String, u64, Option<u64>)>);

    impl Events for Seen {
        fn event(&mut self, event: Event<'_>) {
            if let Event::Progress(Progress { work, done, of, unit: "bytes" }) = event {
                self.0.push((work.to_owned(), done, of));
            }
        }
    }

    #[test]
    fn a_data_set_says_how_far_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let [train, test] = ["train.conll", "test.conll"].map(|name| folder.path().join(name));
        fs::write(&train, "Jo B-PER\nran O\n\n".repeat(1000)).unwrap();
        fs::write(&test, "Jo B-PER\n").unwrap();
        let hub = Hub::new(Settings::offline(folder.path().join("hub"), "a test forbids connections"), |_| {});
        let name = folder.path().display().to_string();
        let mut seen = Seen::default();
        let splits = named(&hub, (&name, None, None), &ReadOptions::default(), &mut seen).unwrap();
        assert_eq!(splits.keys().collect::<Vec<_>>(), ["test", "train"]);
        assert_eq!(seen.0.last(), Some(&(format!("reading {name}"), 16_009, Some(16_009))));
        let mut seen = Seen::default();
        split(&train.display().to_string(), &ReadOptions::default(), &mut seen).unwrap();
        assert_eq!(seen.0.last().map(|last| last.1), Some(16_000));
    }
}
