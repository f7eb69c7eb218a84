//! Names of the hub, and finished models that go there, against a hub on this machine.

mod models;
mod upload;

use tagsmith_hub::Error;

/// Returns an error with its remedy, in which a setting has its name in angle brackets.
fn shown(error: &Error) -> String {
    let clause = |remedy: tagsmith_message::Remedy| {
        remedy.clause(&|setting, value| match value {
            None => format!("<{setting:?}>"),
            Some(value) => format!("<{setting:?} {value}>"),
        })
    };
    error.remedy().map_or_else(|| error.to_string(), |remedy| format!("{error}: {}", clause(remedy)))
}
