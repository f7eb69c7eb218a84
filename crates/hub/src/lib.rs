//! Names become local files: models and data sets, of folders or of the Hugging Face hub. A finished folder becomes a
//! repository on the hub.
//!
//! The cache on disk is huggingface_hub's: what Python downloaded is read, and what is written Python reads.
//!
//! # What this crate does not do
//! It prints nothing, reads no environment ([`Settings`] come from above), and runs no program that a repository holds.

mod cache;
mod error;
mod failure;
mod fetch;
mod http;
mod listing;
pub mod model;
mod repo;
mod settings;
mod snapshot;
mod upload;

pub use error::Error;
pub use http::client::Hub;
pub use listing::Listing;
pub use repo::{Kind, Repo, is_inside};
pub use settings::{Event, Settings, Token};
pub use snapshot::{MAIN, Snapshot};

/// Returns whether a name is `conll2003` or `org/name`, as the hub spells them.
fn is_hub_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.'))
    };
    let is_short = name.rsplit('/').next().is_some_and(|own| own.len() <= 96) && name.split('/').count() <= 2;
    is_short && name.split('/').all(is_part) && !name.contains("--") && !name.contains("..")
}
