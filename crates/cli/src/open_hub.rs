//! The hub as the command line and the environment describe it, and what a person sees of it.

mod environment;
mod progress;

use crate::open_hub::progress::Progress;
use std::sync::Mutex;
use tagsmith_hub::{Hub, Token};

/// What the command line says of the hub.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    pub cache_dir: Option<&'a str>,
    pub token: Option<&'a str>,
    /// No progress bar, whatever stderr is.
    pub plain: bool,
}

/// The hub; nothing is looked up before it is asked.
pub fn open(asked: Asked<'_>) -> Hub {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut settings = environment::settings(&variable, std::env::home_dir().as_deref(), asked.cache_dir);
    if let Some(token) = asked.token {
        settings.token = Token::new(token);
    }
    let progress = Mutex::new(Progress::new(asked.plain));
    // Whoever panicked while printing has said so; the next line is printed as well.
    Hub::new(settings, move |event| {
        progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner).event(event);
    })
}
