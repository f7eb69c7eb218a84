//! What a command says when a person or a batch system ends it: what became of its output, and how to go on.

use super::bars;
use super::streams::{aside, hold_output};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;
use tagsmith_files::fleeting;
use tagsmith_message::counted;

/// What a command writes, as far as it matters to whoever ends it.
#[derive(Debug)]
pub enum Writes {
    /// Nothing before its end.
    AtItsEnd,
    /// Documents to standard output, as soon as they are tagged.
    Stream,
    /// A file that appears when it is whole.
    File(PathBuf),
    /// Files in a folder, each of which appears when it is whole.
    Files(PathBuf),
    /// A model and results in a folder.
    Run(PathBuf),
    /// Folders of several runs in a folder, and the command that goes on with them.
    Runs(PathBuf, String),
}

/// What there is to say about a command if it is ended now.
#[derive(Debug)]
struct State {
    writes: Writes,
    /// Whether a result is in its place, or the last one.
    has_results: bool,
    /// Updates made and updates in all, while a training runs.
    training: Option<(u64, u64)>,
    /// The update whose checkpoint the training went on from.
    resumed: Option<u64>,
    /// The newest checkpoint.
    saved: Option<PathBuf>,
    /// The command that goes on from it.
    goes_on: String,
}

/// What the first signal does instead of ending the process.
type Ending = Box<dyn FnOnce() + Send>;

static ENDING: Mutex<Option<Ending>> = Mutex::new(None);

/// Lets the first signal do this instead of ending the process. The next one ends it.
#[cfg(feature = "serve")]
pub fn ends_by(ending: impl FnOnce() + Send + 'static) {
    if let Ok(mut place) = ENDING.lock() {
        *place = Some(Box::new(ending));
    }
}

/// Does what the first signal does. Returns whether there is such a thing.
fn ends_itself() -> bool {
    let ending = ENDING.lock().ok().and_then(|mut ending| ending.take());
    ending.map(|ending| ending()).is_some()
}

/// The command of this process.
static STATE: Mutex<State> = Mutex::new(State::NEW);

impl State {
    const NEW: State = State {
        writes: Writes::AtItsEnd,
        has_results: false,
        training: None,
        resumed: None,
        saved: None,
        goes_on: String::new(),
    };

    fn lines(&self) -> Vec<String> {
        match self.training {
            Some((step, total)) => self.about_training(step, total),
            None => self.about_output(),
        }
    }

    fn about_training(&self, step: u64, total: u64) -> Vec<String> {
        let place = format!("interrupted after {step} of {}", counted(total as usize, "update"));
        let resumed = self.resumed.map(|step| format!("the checkpoint of update {step}"));
        match self.saved.as_ref().map(|saved| saved.display().to_string()).or(resumed) {
            None => vec![format!("{place}: no checkpoint is there yet, so that the run would begin anew")],
            Some(there) => {
                vec![format!("{place}: {there} is there, and this goes on from it:"), format!("  {}", self.goes_on)]
            }
        }
    }

    fn about_output(&self) -> Vec<String> {
        let mut command = None;
        let what = match (&self.writes, self.has_results) {
            (Writes::AtItsEnd, _) => "nothing was written".to_owned(),
            (Writes::Stream, _) => "standard output has the documents that were tagged so far".to_owned(),
            (Writes::File(file), true) => format!("`{}` is whole", file.display()),
            (Writes::File(file), false) if file.exists() => format!("`{}` is as it was before", file.display()),
            (Writes::File(file), false) => format!("`{}` was not written", file.display()),
            (Writes::Files(folder) | Writes::Runs(folder, _), _) if !folder.exists() => {
                format!("nothing was written to `{}`", folder.display())
            }
            (Writes::Files(folder), _) => {
                format!("what was finished is in `{}`, and the same command goes on with the rest", folder.display())
            }
            (Writes::Run(folder), true) => format!("what was finished is in `{}`", folder.display()),
            (Writes::Run(folder), false) => {
                format!("neither a model nor results were written to `{}`", folder.display())
            }
            (Writes::Runs(folder, goes_on), _) => {
                command = Some(format!("  {goes_on}"));
                format!("what was finished is in `{}`, and this goes on from it:", folder.display())
            }
        };
        [format!("interrupted: {what}")].into_iter().chain(command).collect()
    }

    fn begin_training(&mut self, step: u64, total: u64, goes_on: String) {
        (self.training, self.resumed, self.saved) = (Some((step, total)), (step > 0).then_some(step), None);
        self.goes_on = goes_on;
    }
}

fn change(change: impl FnOnce(&mut State)) {
    if let Ok(mut state) = STATE.lock() {
        change(&mut state);
    }
}

/// Begins to wait for signals that end this process.
pub fn watch() {
    #[cfg(unix)]
    signals::watch();
}

/// Takes in what the command writes. Before this is known, nothing is written.
pub fn writes(writes: Writes) {
    change(|state| state.writes = writes);
}

/// Takes in that a training of `total` updates begins after its first `step`. `goes_on` is the command that goes on from
/// its checkpoints.
pub fn began(step: u64, total: u64, goes_on: String) {
    change(|state| state.begin_training(step, total, goes_on));
}

/// Takes in how far the training is.
pub fn stepped(step: u64) {
    change(|state| state.training = state.training.map(|(_, total)| (step, total)));
}

/// Takes in a complete checkpoint.
pub fn saved(checkpoint: &Path) {
    change(|state| state.saved = Some(checkpoint.to_owned()));
}

/// Takes in that a result is in its place, and that no training runs.
pub fn has_results() {
    change(|state| (state.training, state.has_results) = (None, true));
}

/// Removes what is not whole, and says what there is to say, below everything else that is written.
fn say() {
    in_time(bars::remove);
    in_time(hold_output);
    fleeting::discard_all();
    in_time(|| STATE.lock().iter().flat_map(|state| state.lines()).for_each(|line| aside(&line)));
}

/// Does something that may have to wait for a stream that nobody reads. Whoever ends a process waits a moment, not longer.
fn in_time(work: fn()) {
    let (done, is_done) = mpsc::channel();
    let work = move || {
        work();
        _ = done.send(());
    };
    if thread::Builder::new().spawn(work).is_ok() {
        _ = is_done.recv_timeout(Duration::from_millis(300));
    }
}

#[cfg(unix)]
mod signals {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;
    use std::thread;

    /// Waits on a thread of its own. What this process was started to ignore (a job in the background) stays ignored.
    /// Where the system gives no thread, signals end the process without a word.
    pub fn watch() {
        let wait = || {
            let heeded = [SIGINT, SIGTERM].into_iter().filter(|&signal| !is_ignored(signal));
            let Ok(mut signals) = Signals::new(heeded) else { return };
            let ends = |_: &i32| !super::ends_itself();
            if let Some(signal) = signals.forever().find(ends) {
                super::say();
                // Ends this process as the signal would have done, which a shell sees as 128 and its number.
                _ = emulate_default_handler(signal);
            }
        };
        _ = thread::Builder::new().name("signals".into()).spawn(wait);
    }

    /// Whether this process was started with a signal ignored.
    fn is_ignored(signal: i32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }
}

/// The command of this process with more words at its end, as a shell takes it. Tokens are left out.
pub fn this_command(more: &str) -> String {
    let mut words = Vec::new();
    let mut hides = false;
    let mut is_there = false;
    let name = more.split(' ').next().unwrap_or_default();
    for word in std::env::args_os().skip(1) {
        let word = word.to_string_lossy().into_owned();
        is_there |= word == name || word.starts_with(&format!("{name}="));
        match std::mem::take(&mut hides) {
            true => words.push("…".to_owned()),
            false if word.starts_with("--") && word.contains("token=") => words.push("--token=…".to_owned()),
            false => {
                hides = word.starts_with("--") && word.ends_with("token");
                words.push(quoted(&word));
            }
        }
    }
    if !is_there {
        words.push(more.to_owned());
    }
    format!("tagsmith {}", words.join(" "))
}

/// Returns the text as a shell takes it for one word.
pub fn quoted(text: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_-./:\\=,@+%".contains(letter);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_run_names_its_checkpoint_and_the_way_on() {
        let mut state = State { writes: Writes::Run("o".into()), ..State::NEW };
        assert_eq!(state.lines(), ["interrupted: neither a model nor results were written to `o`"]);
        state.begin_training(0, 40, "tagsmith train …".into());
        state.training = Some((7, 40));
        let anew = "interrupted after 7 of 40 updates: no checkpoint is there yet, so that the run would begin anew";
        assert_eq!(state.lines(), [anew]);
        state.saved = Some("o/checkpoint-5".into());
        let want = [
            "interrupted after 7 of 40 updates: o/checkpoint-5 is there, and this goes on from it:",
            "  tagsmith train …",
        ];
        assert_eq!(state.lines(), want);
        state.begin_training(5, 40, String::new());
        assert!(state.lines()[0].contains("the checkpoint of update 5 is there"), "{:?}", state.lines());
        (state.training, state.has_results) = (None, true);
        assert_eq!(state.lines(), ["interrupted: what was finished is in `o`"]);
    }

    #[test]
    fn a_file_that_was_there_before_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tagged.jsonl");
        let said = |has_results| State { writes: Writes::File(file.clone()), has_results, ..State::NEW }.lines();
        assert_eq!(said(false), [format!("interrupted: `{}` was not written", file.display())]);
        std::fs::write(&file, "old").unwrap();
        assert_eq!(said(false), [format!("interrupted: `{}` is as it was before", file.display())]);
        assert_eq!(said(true), [format!("interrupted: `{}` is whole", file.display())]);
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("my-tagger/data"), "my-tagger/data");
        assert_eq!(quoted("my tagger"), "'my tagger'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
