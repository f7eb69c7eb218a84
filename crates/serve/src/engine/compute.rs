//! The one thread that computes: batch by batch, as the queue gives them.

use super::pace::locked;
use super::queue::Turn;
use super::shared::Shared;
use super::workers::{Task, caught};
use crate::metrics::process;
use crate::refusal::Refusal;
use anyhow::Result;
use std::time::Instant;
use tagsmith_app::predict::tagger::{Choices, Encoded, Scores, Tagger, Window};
use tagsmith_text::tagged::{Content, Input};

/// A figure of the warm-up.
#[derive(Clone, Copy, Debug)]
pub struct WarmUp {
    /// Pieces of the batch.
    pub pieces: usize,
    /// Pieces that the model reads in a second.
    pub pieces_per_second: f64,
    /// Bytes of memory in use after it, where the system says so.
    pub resident: Option<u64>,
}

/// Computes until the end.
pub fn run(shared: &Shared) {
    while let Some(batch) = shared.queue.next() {
        let began = Instant::now();
        let rows: usize = batch.iter().map(rows_of).sum();
        let windows = batch.iter().map(|turn| turn.windows.len()).sum();
        shared.metrics.batch(rows, windows);
        compute(shared, batch, began);
        locked(&shared.pace).measure(rows, began.elapsed());
    }
}

fn rows_of(turn: &Turn) -> usize {
    turn.windows.iter().map(|&(part, window)| turn.flow.encoded(part).rows(window)).sum()
}

fn compute(shared: &Shared, mut batch: Vec<Turn>, began: Instant) {
    for turn in &mut batch {
        turn.flow.began.get_or_insert(began);
    }
    match infer(&shared.tagger, &batch) {
        Ok(scores) => {
            let mut scores = scores.into_iter();
            for turn in batch {
                let own = scores.by_ref().take(turn.windows.len()).collect();
                go_on(shared, turn, own);
            }
        }
        // One request's windows may be at fault: the others get their answers.
        Err(_) if batch.len() > 1 => batch.into_iter().for_each(|turn| compute(shared, vec![turn], began)),
        Err(refusal) => batch.into_iter().for_each(|mut turn| turn.flow.answer(Err(refusal.clone()))),
    }
}

fn infer(tagger: &Tagger, batch: &[Turn]) -> Result<Vec<Scores>, Refusal> {
    let mut all: Vec<Window<'_>> = Vec::new();
    for turn in batch {
        all.extend(turn.windows.iter().map(|&(part, window)| (turn.flow.encoded(part), window)));
    }
    caught(|| tagger.infer(&all).map_err(|error| Refusal::of(&error)))
}

/// Sends a request on: to its next turn, or to a worker that reads its entities off.
fn go_on(shared: &Shared, Turn { mut flow, windows }: Turn, scores: Vec<Scores>) {
    flow.take_in(&windows, scores);
    if !flow.is_complete() {
        return shared.queue.come_back(flow);
    }
    let bytes = flow.windows() * shared.tagger.max_length();
    shared.workers.give(Task::Finish(flow), bytes);
}

/// Computes a full batch of the longest windows. A span tagger without labels has nothing to compute yet.
pub fn warm_up(shared: &Shared) -> Result<Option<WarmUp>> {
    let tagger = &shared.tagger;
    if !tagger.has_labels() {
        return Ok(None);
    }
    let (encoder, _) = tagger.encoder_by(&Choices::default())?;
    // Words of one letter are a piece each, so the windows are full.
    let text = "a ".repeat(shared.limits.batch_tokens.max(tagger.max_length()));
    let input = Input { place: "warm-up".into(), content: Content::Text(text) };
    let encoded: Encoded = encoder.encode(&input)?;
    let mut batch: Vec<Window<'_>> = Vec::new();
    let mut pieces = 0;
    for window in 0..encoded.windows() {
        if !batch.is_empty() && pieces + encoded.rows(window) > shared.limits.batch_tokens {
            break;
        }
        pieces += encoded.rows(window);
        batch.push((&encoded, window));
    }
    // The first time takes memory from the system, and wakes the threads.
    tagger.infer(&batch)?;
    let began = Instant::now();
    tagger.infer(&batch)?;
    let time = began.elapsed();
    locked(&shared.pace).measure(pieces, time);
    Ok(Some(WarmUp { pieces, pieces_per_second: pieces as f64 / time.as_secs_f64(), resident: process::resident() }))
}
