//! What a run says when a person or a batch system ends it: how far it is, which checkpoint is there, how to go on.

use super::streams::aside;
use indicatif::MultiProgress;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tagsmith_message::counted;

/// What there is to say about a run if it is ended now.
#[derive(Debug, Default)]
struct State {
    /// Updates made and updates in all, while a training runs.
    training: Option<(u64, u64)>,
    /// The update whose checkpoint the training went on from.
    resumed: Option<u64>,
    /// The newest checkpoint.
    saved: Option<PathBuf>,
    /// The command that goes on from it.
    goes_on: String,
    /// The bars to remove first.
    bars: Option<MultiProgress>,
}

impl State {
    fn lines(&self) -> Vec<String> {
        let Some((step, total)) = self.training else { return Vec::new() };
        let place = format!("interrupted after {step} of {}", counted(total as usize, "update"));
        let resumed = self.resumed.map(|step| format!("the checkpoint of update {step}"));
        match self.saved.as_ref().map(|saved| saved.display().to_string()).or(resumed) {
            None => vec![format!("{place}: no checkpoint is there yet, so that the run would begin anew")],
            Some(there) => {
                vec![format!("{place}: {there} is there, and this goes on from it:"), format!("  {}", self.goes_on)]
            }
        }
    }
}

/// The run, as the thread that waits for signals sees it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<Mutex<State>>);

impl Interrupt {
    /// Begins to wait for signals that end this process. `goes_on` is the command that goes on after them.
    pub fn watch(goes_on: String, bars: Option<MultiProgress>) -> Interrupt {
        let interrupt = Interrupt(Arc::new(Mutex::new(State { goes_on, bars, ..State::default() })));
        #[cfg(unix)]
        signals::watch(interrupt.clone());
        interrupt
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        if let Ok(mut state) = self.0.lock() {
            change(&mut state);
        }
    }

    /// Takes in that a training of `total` updates begins after its first `step`.
    pub fn began(&self, step: u64, total: u64) {
        self.change(|state| {
            (state.training, state.resumed, state.saved) = (Some((step, total)), (step > 0).then_some(step), None);
        });
    }

    /// Takes in how far the training is.
    pub fn stepped(&self, step: u64) {
        self.change(|state| state.training = state.training.map(|(_, total)| (step, total)));
    }

    /// Takes in a complete checkpoint.
    pub fn saved(&self, checkpoint: &Path) {
        self.change(|state| state.saved = Some(checkpoint.to_owned()));
    }

    /// Takes in that the training is over.
    pub fn done(&self) {
        self.change(|state| state.training = None);
    }

    /// Says what there is to say. It waits a moment at most for a state that is being changed.
    fn say(&self) {
        for _ in 0..20 {
            if let Ok(state) = self.0.try_lock() {
                if let Some(bars) = &state.bars {
                    _ = bars.clear();
                }
                state.lines().iter().for_each(|line| aside(line));
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

#[cfg(unix)]
mod signals {
    use super::Interrupt;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;
    use std::thread;

    /// Waits on a thread of its own. What this process was started to ignore (a job in the background) stays ignored.
    /// Where the system gives no thread, signals end the process without a word.
    pub fn watch(interrupt: Interrupt) {
        let wait = move || {
            let heeded = [SIGINT, SIGTERM].into_iter().filter(|&signal| !is_ignored(signal));
            let Ok(mut signals) = Signals::new(heeded) else { return };
            if let Some(signal) = signals.forever().next() {
                interrupt.say();
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
        let interrupt =
            Interrupt(Arc::new(Mutex::new(State { goes_on: "tagsmith train …".into(), ..State::default() })));
        let lines = || interrupt.0.lock().unwrap().lines();
        assert!(lines().is_empty());
        interrupt.began(0, 40);
        interrupt.stepped(7);
        let anew = "interrupted after 7 of 40 updates: no checkpoint is there yet, so that the run would begin anew";
        assert_eq!(lines(), [anew]);
        interrupt.saved(Path::new("o/checkpoint-5"));
        let want = [
            "interrupted after 7 of 40 updates: o/checkpoint-5 is there, and this goes on from it:",
            "  tagsmith train …",
        ];
        assert_eq!(lines(), want);
        interrupt.began(5, 40);
        assert!(lines()[0].contains("the checkpoint of update 5 is there"), "{:?}", lines());
        interrupt.done();
        assert!(lines().is_empty());
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("my-tagger/data"), "my-tagger/data");
        assert_eq!(quoted("my tagger"), "'my tagger'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
