//! Errors of the application: what happened, and what the caller can do about it.
//!
//! Functions of this crate return [`anyhow::Error`], a chain of causes. A rim shows the chain (`{error:#}`) and asks
//! [`remedy`] what to do. An error with a remedy is the caller's to mend, so a server answers it with a status of 4xx.
//! An error without a remedy is a fault of the files, the system or this program.

use tagsmith_message::Remedy;
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
    error.chain().find_map(of_cause)
}

/// Returns the remedy of one cause. A new type of errors with remedies gets a line here.
fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Remedy> {
    let refusal = cause.downcast_ref::<Refusal>().map(|refusal| refusal.remedy.clone());
    refusal
        .or_else(|| cause.downcast_ref::<tagsmith_files::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<tagsmith_hub::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<tagsmith_data::error::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<tagsmith_spans::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<labels::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<tokenizer::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<tagsmith_tokens::error::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<tagsmith_tokens::tag::Error>()?.remedy())
        .or_else(|| cause.downcast_ref::<tagsmith_train::error::Error>()?.remedy())
}
