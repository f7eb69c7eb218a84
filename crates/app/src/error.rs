//! Errors of the application: what happened, and what the caller can do about it.
//!
//! Functions of this crate return [`anyhow::Error`], a chain of causes. A rim shows the chain (`{error:#}`) and asks
//! [`remedy`] what to do. An error with a remedy is the caller's to mend, so a server answers it with a status of 4xx;
//! one without a remedy is a fault of the files, the system or this program.

use anyhow::anyhow;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::{labels, tokenizer};

/// A request that cannot be done as it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What is wrong with the request.
    pub message: String,
    /// What the caller can do about it.
    pub remedy: Remedy,
}

/// Returns the error of a request that cannot be done as it stands.
pub fn refusal(message: impl Into<String>, remedy: Remedy) -> anyhow::Error {
    Refusal { message: message.into(), remedy }.into()
}

/// Returns what the caller can do about an error: the remedy of the first cause that has one.
pub fn remedy(error: &anyhow::Error) -> Option<Remedy> {
    error.chain().find_map(|cause| {
        let refused = cause.downcast_ref::<Refusal>().map(|refusal| refusal.remedy.clone());
        let labels = || cause.downcast_ref::<labels::Error>().and_then(labels::Error::remedy);
        let tokenizer = || cause.downcast_ref::<tokenizer::Error>().and_then(tokenizer::Error::remedy);
        let engine = || cause.downcast_ref::<tagsmith_train::error::Error>().and_then(|error| error.remedy());
        let spans = || cause.downcast_ref::<tagsmith_spans::Error>().and_then(tagsmith_spans::Error::remedy);
        refused.or_else(labels).or_else(tokenizer).or_else(engine).or_else(spans)
    })
}

/// Returns the error of a reader whose label column `setting` names here.
pub fn with_column(error: &tagsmith_data::error::Error, setting: Setting) -> anyhow::Error {
    let spelled = if setting == Setting::GoldColumn { "--gold-column" } else { "--pred-column" };
    anyhow!(error.to_string().replace("--label_column_name", spelled))
}
