//! The commands for a rim whose callers pass options as keywords: Python.

use crate::args::program::RUN_NER;
use crate::args::{self, UsageError};
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::level::Level;
use serde_json::{Map, Value};
use tagsmith_app::events::Events;
use tagsmith_app::report::Finished;
use tagsmith_app::train::{Hubs, train as run};
use tagsmith_hub::Hub;
use tagsmith_message::Note;
use tagsmith_ranks::World;

/// A command, whose options errors and notes spell as keywords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keywords(Dialect);

impl Keywords {
    /// Returns the keywords of a command: `train`, `predict`, `score`.
    pub fn of(command: &str) -> Keywords {
        Keywords(Dialect::of(command))
    }

    /// Returns an error with its causes and what the caller can do about it.
    pub fn error(self, error: &anyhow::Error) -> String {
        let hint = error.downcast_ref::<UsageError>().and_then(|error| match error {
            UsageError::Refused { remedy, .. } => Some(format!(": {remedy}")),
            error => error.meant().map(|name| format!("; did you mean `{name}`?")),
        });
        self.0.error_by(error, &|setting, value| self.spelled(setting, value)) + &hint.unwrap_or_default()
    }

    /// Returns a note with its remedy.
    pub fn note(self, note: &Note) -> String {
        self.0.note_by(note, &|setting, value| self.spelled(setting, value))
    }

    fn spelled(self, name: &str, value: Option<&str>) -> String {
        let name = name.replace('-', "_");
        match value {
            None => format!("`{name}=`"),
            Some(value) if value.parse::<f64>().is_ok() => format!("`{name}={value}`"),
            Some(value) => format!("`{name}=\"{value}\"`"),
        }
    }
}

/// Opens the hub as the environment describes it, without progress.
pub fn hub(cache_dir: Option<&str>, token: Option<&str>) -> Hub {
    open_hub::open(Asked { cache_dir, token, plain: true, level: Level::Warning })
}

/// Trains, evaluates and predicts as `tagsmith train` does, with its options by their names.
///
/// # Errors
/// An option that does not exist or whose value does not fit; see [`tagsmith_app::train::train`].
pub fn train(options: &Map<String, Value>, events: &mut dyn Events) -> anyhow::Result<Finished> {
    let line = args::of_object(options, &RUN_NER)?;
    line.lines.iter().for_each(|line| events.say(line));
    let open = |token: Option<&str>| hub(line.rim.cache_dir.as_deref(), token);
    let token = line.rim.token.as_deref();
    let hubs = Hubs { downloads: open(token), uploads: open(line.rim.hub_token.as_deref().or(token)) };
    run(&line.args, &hubs, &World::alone(), events)
}
