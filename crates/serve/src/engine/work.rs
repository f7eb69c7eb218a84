//! The threads that cut texts into windows, and read entities off what was computed.

use super::cache::Asked;
use super::flow::{Flow, Part};
use super::job::{Answer, Document};
use super::pace::locked;
use super::shared::Shared;
use super::workers::{Task, caught};
use crate::refusal::{Kind, Refusal};
use std::sync::Arc;
use std::time::Instant;
use tagsmith_text::tagged::Tally;

/// Works until the end.
pub fn run(shared: &Arc<Shared>) {
    while let Some((task, is_large)) = shared.workers.next() {
        match task {
            Task::Encode(flow) => encode(shared, flow),
            Task::Finish(flow) => finish(shared, flow),
            Task::Aside(work) => {
                _ = caught(|| {
                    work();
                    Ok(())
                });
            }
        }
        shared.workers.done(is_large);
    }
}

/// Cuts the inputs of a request into windows and puts it into the queue, or answers it.
fn encode(shared: &Shared, mut flow: Box<Flow>) {
    if flow.is_given_up() {
        return;
    }
    let cut = caught(|| cut(shared, &mut flow));
    flow.encoded = Instant::now();
    if let Err(refusal) = cut {
        return flow.answer(Err(refusal));
    }
    flow.rewind();
    let windows = flow.windows();
    if windows > shared.limits.windows {
        let max = shared.limits.windows;
        let message = format!("the request has {windows} windows, and {max} are the most: send its inputs one by one");
        return flow.answer(Err(Refusal::new(Kind::TooLarge, message)));
    }
    if flow.is_complete() { finish(shared, flow) } else { shared.queue.enter(flow) }
}

fn cut(shared: &Shared, flow: &mut Flow) -> Result<(), Refusal> {
    let (encoder, notes) = shared.tagger.encoder_by(&flow.job.choices).map_err(|error| Refusal::of(&error))?;
    let asked = flow.job.may_cache.then(|| Asked::new(&flow.job.choices));
    let mut parts = Vec::with_capacity(flow.job.inputs.len());
    for input in std::mem::take(&mut flow.job.inputs) {
        if flow.is_given_up() {
            break;
        }
        let key = asked.as_ref().map(|asked| asked.key(&input.content));
        if let Some(kept) = key.and_then(|key| locked(&shared.cache).get(&key)) {
            shared.metrics.hit();
            parts.push(Part::Kept(kept));
            continue;
        }
        // Whatever the tokenizer refuses is the client's text or choice.
        let refused = |error: anyhow::Error| Refusal { kind: Kind::Validation, ..Refusal::of(&error) };
        let encoded = encoder.encode(&input).map_err(refused)?;
        let scores = Vec::with_capacity(encoded.windows());
        parts.push(Part::Cut { encoded: Box::new(encoded), scores, key });
    }
    flow.notes = notes.iter().map(ToString::to_string).collect();
    (flow.parts, flow.encoder) = (parts, Some(encoder));
    Ok(())
}

/// Reads the entities of a request off and answers it.
fn finish(shared: &Shared, mut flow: Box<Flow>) {
    if flow.is_given_up() {
        return;
    }
    let answer = caught(|| read_off(shared, &mut flow));
    flow.answer(answer);
}

fn read_off(shared: &Shared, flow: &mut Flow) -> Result<Answer, Refusal> {
    let spent = flow.spent();
    let mut documents = Vec::with_capacity(flow.parts.len());
    for part in std::mem::take(&mut flow.parts) {
        let (encoded, scores, key) = match part {
            Part::Kept(document) => {
                documents.push(document);
                continue;
            }
            Part::Cut { encoded, scores, key } => (encoded, scores, key),
        };
        let (pieces, windows, unread_from) = (encoded.pieces(), encoded.windows(), encoded.unread_from());
        let mut tally = Tally::default();
        let tagged = shared.tagger.finish(*encoded, scores, &mut tally).map_err(|error| Refusal::of(&error))?;
        let notes: Vec<String> = tally.notes().iter().map(ToString::to_string).collect();
        let characters = tagged.text.chars().count();
        let document = Arc::new(Document { tagged, characters, pieces, windows, notes, unread_from });
        if let Some(key) = key {
            locked(&shared.cache).put(key, &document);
        }
        documents.push(document);
    }
    let encoder = flow.encoder.take().expect("it was encoded");
    let notes = std::mem::take(&mut flow.notes);
    Ok(Answer { documents, encoder, notes, spent })
}
