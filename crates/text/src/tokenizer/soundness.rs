//! What a tokenizer.json must not hold, and calls of a library that may give up.

use crate::tokenizer::error::Error;
use crate::tokenizer::sentencepiece;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokenizers::Tokenizer;

/// How many times as long a normalizer may make a text. The longest of a real one is 44: a table of characters, and then
/// a mark for each space.
const GROWTH_MAX: u64 = 64;

/// The largest id of a piece: larger than any real one, and small enough for a table of all ids.
const ID_MAX: u32 = 1 << 24;

/// Runs code of the tokenizers library, which panics on some damage. `None` if it did.
pub(super) fn guarded<T>(act: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(act)).ok()
}

fn invalid(message: impl ToString) -> Error {
    Error::Invalid { file: "tokenizer.json", message: message.to_string() }
}

/// Reads tokenizer.json.
///
/// # Errors
/// Content that the library refuses or gives up on, or that no tokenizer has.
pub(super) fn read(json: &[u8]) -> Result<Tokenizer, Error> {
    let Some(read) = guarded(|| Tokenizer::from_bytes(json)) else {
        let is_json = serde_json::from_slice::<IgnoredAny>(json);
        let why =
            is_json.err().map_or_else(|| "the library that reads it gave up".to_owned(), |error| error.to_string());
        return Err(invalid(format!("{why}: copy or download it again, whole")));
    };
    let inner = read.map_err(invalid)?;
    check_ids(&inner)?;
    let growth = inner.get_normalizer().map_or(Ok(1), |normalizer| growth(&as_json(normalizer)))?;
    if growth > GROWTH_MAX {
        return Err(invalid(format!(
            "its normalizer can make a text {growth} times as long; more than {GROWTH_MAX} times is taken for a mistake"
        )));
    }
    if let Some(processor) = inner.get_post_processor() {
        check_template(&as_json(processor))?;
    }
    Ok(inner)
}

pub(super) fn as_json(part: &impl serde::Serialize) -> Value {
    serde_json::to_value(part).expect("what was read can be written")
}

/// Refuses ids that would make a table of all ids larger than memory.
fn check_ids(inner: &Tokenizer) -> Result<(), Error> {
    let vocabulary = inner.get_vocab(true);
    match vocabulary.iter().max_by_key(|&(piece, id)| (id, std::cmp::Reverse(piece))) {
        Some((piece, &id)) if id >= ID_MAX => {
            Err(invalid(format!("the piece `{piece}` has the id {id}; {ID_MAX} and more are taken for a mistake")))
        }
        _ => Ok(()),
    }
}

/// Returns how many times as long a step of normalization can make a text, as far as the file decides it.
fn growth(step: &Value) -> Result<u64, Error> {
    let length = |key: &str| step[key].as_str().map_or(0, |text| text.len() as u64);
    Ok(match step["type"].as_str().unwrap_or_default() {
        "Sequence" => {
            let steps = step["normalizers"].as_array().into_iter().flatten();
            steps.map(growth).try_fold(1u64, |all, each| Ok::<_, Error>(all.saturating_mul(each?)))?
        }
        "Replace" => match step["pattern"]["String"].as_str() {
            Some(pattern) => length("content").div_ceil((pattern.len() as u64).max(1)).max(1),
            // An expression can match nothing, and then what it matches stays.
            None => length("content") + 1,
        },
        "Prepend" => length("prepend") + 1,
        "ByteLevel" => 2,
        "Precompiled" => {
            let table = step["precompiled_charsmap"].as_str().and_then(|text| STANDARD.decode(text).ok());
            let table = table.unwrap_or_default();
            let longest = sentencepiece::longest_replacement(&table);
            // The characters that become the longest texts take three bytes.
            longest.ok_or_else(|| invalid("its table of characters is damaged"))?.div_ceil(3).max(1)
        }
        _ => 1,
    })
}

/// Refuses a template with special pieces that it does not define.
fn check_template(processor: &Value) -> Result<(), Error> {
    for step in processor["processors"].as_array().into_iter().flatten() {
        check_template(step)?;
    }
    let pieces = ["single", "pair"].into_iter().filter_map(|key| processor[key].as_array()).flatten();
    for name in pieces.filter_map(|piece| piece["SpecialToken"]["id"].as_str()) {
        if processor["special_tokens"].get(name).is_none() {
            return Err(invalid(format!(
                "its post_processor puts `{name}` beside a text and does not define it in `special_tokens`"
            )));
        }
    }
    Ok(())
}
