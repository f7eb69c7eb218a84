//! The hub as the command line and the environment describe it.

use crate::environment;
use crate::terminal::download::Progress;
use crate::terminal::level::Level;
use std::sync::Mutex;
use tagsmith_hub::{Hub, Token};

/// What the command line says about the hub.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub cache_dir: Option<&'a str>,
    pub token: Option<&'a str>,
    /// Whether progress is shown without a bar, whatever standard error is.
    pub plain: bool,
    /// What is said beside errors.
    pub level: Level,
}

/// Opens the hub. Nothing is looked up before the hub is asked.
pub fn open(asked: Asked<'_>) -> Hub {
    let mut settings = environment::settings(&environment::variable, std::env::home_dir().as_deref(), asked.cache_dir);
    if let Some(token) = asked.token {
        settings.token = Token::new(token);
    }
    let progress = Mutex::new(Progress::new(asked.plain, asked.level));
    // A thread that panicked while printing has said so. The next line is printed as well.
    Hub::new(settings, move |event| {
        progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner).event(event);
    })
}
