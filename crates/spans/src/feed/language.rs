//! Weights of languages become weights of examples.

use crate::error::Error;
use std::collections::BTreeMap;
use tagsmith_text::example::Example;

/// Returns each example's weight: its language's, or 1. Empty where no language has a weight.
///
/// # Errors
/// An example whose language is unknown; a language of no example.
pub(super) fn weights(
    of_languages: &BTreeMap<String, f64>,
    examples: &[Example],
    source: &str,
) -> Result<Vec<f64>, Error> {
    if of_languages.is_empty() {
        return Ok(Vec::new());
    }
    let language = |(number, example): (usize, &'_ Example)| match example.id.as_deref() {
        Some(id) => Ok(id.split('_').next().unwrap_or(id).to_owned()),
        None => Err(Error::Setting(format!(
            "{source}: text {} has no `id`, and `language_weights` needs one in every record, such as `deu_12-s0`",
            number + 1
        ))),
    };
    let languages = examples.iter().enumerate().map(language).collect::<Result<Vec<_>, _>>()?;
    if let Some(unknown) = of_languages.keys().find(|known| !languages.contains(known)) {
        return Err(Error::Setting(format!(
            "`language_weights` names `{unknown}`, and no record's `id` begins with it"
        )));
    }
    Ok(languages.iter().map(|language| of_languages.get(language).copied().unwrap_or(1.0)).collect())
}
