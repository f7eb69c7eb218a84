//! Anonymization: documents in, the same documents out with something else in the place of what a model finds.
//!
//! Operators and their rules are those of Presidio's anonymizer. [`rewrite::rewrite`] is that for one text and any
//! results; [`anonymize`] is the command.

pub mod anonymizer;
pub mod found;
pub mod label_map;
pub mod operator;
pub mod rewrite;

use crate::events::Events;
use crate::predict::output::{AnonymizedFormat, Destination, Form};
use crate::predict::{PredictOptions, Predicted, Task, tag_one};
use anonymizer::{Anonymizer, Counts};
use anyhow::Result;
use tagsmith_data::documents::Source;
use tagsmith_hub::Hub;

/// A request to anonymize documents.
pub struct AnonymizeRequest {
    /// The documents.
    pub source: Source,
    /// The place of the anonymized documents.
    pub destination: Destination,
    /// The format of the anonymized documents; without it, text for lines of text and JSON lines for others.
    pub format: Option<AnonymizedFormat>,
    /// The model, and what it does with each document.
    pub options: PredictOptions,
    /// What becomes of the entities.
    pub anonymizer: Anonymizer,
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Anonymized {
    /// What the model did.
    pub predicted: Predicted,
    /// What became of its entities.
    pub counts: Counts,
}

/// Anonymizes documents as `request` asks. What was done is reported as notes.
///
/// # Errors
/// A request that cannot be done, with a remedy; a document or a model that cannot be read; a file that cannot be
/// written.
pub fn anonymize(request: AnonymizeRequest, hub: &Hub, events: &mut dyn Events) -> Result<Anonymized> {
    let AnonymizeRequest { source, destination, format, options, anonymizer } = request;
    let form = Form::Anonymized(Box::new(anonymizer), format);
    let (predicted, counts) = tag_one(Task { source, destination, form }, options, hub, events)?;
    Ok(Anonymized { predicted, counts })
}
