//! Texts in pieces, as text-embeddings-inference shows them.

use super::parameters::{inputs, texts};
use crate::engine::bytes_of;
use crate::http::{App, Reply, body, json_of};
use crate::json::Fields;
use crate::refusal::Refusal;
use crate::route::offsets::{OffsetUnit, Offsets};
use axum::extract::{Request, State};
use serde::Serialize;
use std::sync::Arc;
use tagsmith_text::tagged::{CodePoints, Content, Input};
use tagsmith_text::tokenizer::Tokenizer;

/// A piece.
#[derive(Serialize)]
struct Piece {
    id: u32,
    /// The part of the text that the piece covers; the name of a special one.
    text: String,
    special: bool,
    start: Option<u32>,
    /// One past the end: the name is text-embeddings-inference's.
    stop: Option<u32>,
}

/// Cuts texts into pieces.
pub async fn tokenize(State(app): State<Arc<App>>, request: Request) -> Reply {
    let mut fields = Fields::of(body::json(&app, request).await?, "")?;
    let (texts, _) = texts(fields.take("inputs").ok_or_else(|| fields.wrong("inputs", "there"))?, "inputs")?;
    let adds_special = fields.truth("add_special_tokens")?.unwrap_or(true);
    let unit = fields.choice("offset_unit", OffsetUnit::named, &OffsetUnit::NAMES)?.unwrap_or_default();
    fields.end()?;
    let inputs = inputs(texts.into_iter().map(Content::Text).collect(), &app.settings.limits)?;
    let bytes = inputs.iter().map(bytes_of).sum();
    let work = move |tagger: &tagsmith_app::predict::tagger::Tagger| {
        let tokenizing = tagger.tokenizer();
        let one = |input: &Input| pieces(tokenizing.of_texts(), input, adds_special, unit);
        inputs.iter().map(one).collect::<Result<Vec<_>, Refusal>>()
    };
    json_of(&app.engine.aside(bytes, work).await?)
}

fn pieces(tokenizer: &Tokenizer, input: &Input, special: bool, unit: OffsetUnit) -> Result<Vec<Piece>, Refusal> {
    let Content::Text(text) = &input.content else { return Ok(Vec::new()) };
    let place = &input.place;
    let pieces = tokenizer.encode_running(text).map_err(|error| Refusal::validation(format!("{place}: {error}")))?;
    let (letters, offsets) = (CodePoints::new(text), Offsets::new(text, unit));
    let content = pieces.content();
    let piece = |at: usize| {
        let (start, end) = pieces.offsets[at];
        let is_special = !content.contains(&at);
        let text =
            if is_special { tokenizer.spelling(pieces.ids[at], "") } else { letters.slice(start, end).to_owned() };
        let place = |code_point| (!is_special).then(|| offsets.of(code_point));
        Piece { id: pieces.ids[at], text, special: is_special, start: place(start), stop: place(end) }
    };
    Ok((0..pieces.len()).filter(|at| special || content.contains(at)).map(piece).collect())
}
