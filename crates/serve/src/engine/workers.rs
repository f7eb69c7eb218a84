//! Threads that cut texts into windows, and read entities off what was computed.

use super::flow::{Flow, Part};
use super::{Answer, Document, Shared, cache, locked};
use crate::refusal::{Kind, Refusal};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;
use tagsmith_text::tagged::{Content, Input, Tally};

/// Bytes from which a request is a large one. One worker is left for those that are not.
const LARGE: usize = 16 << 10;

/// Something to do for a request.
pub enum Task {
    /// Cut its texts into windows.
    Encode(Box<Flow>),
    /// Read its entities off.
    Finish(Box<Flow>),
    /// Something else that takes a processor's time.
    Aside(Box<dyn FnOnce() + Send>),
}

/// What the workers have to do.
pub struct Workers {
    state: Mutex<State>,
    wake: Condvar,
    /// Workers that may have large requests at a time.
    large_max: usize,
}

#[derive(Default)]
struct State {
    small: VecDeque<Task>,
    large: VecDeque<Task>,
    /// Workers that have a large request.
    busy: usize,
    is_closed: bool,
}

impl Workers {
    pub fn new(count: usize) -> Workers {
        Workers { state: Mutex::default(), wake: Condvar::new(), large_max: count.saturating_sub(1).max(1) }
    }

    /// Gives the workers a task about texts of some bytes.
    pub fn give(&self, task: Task, bytes: usize) {
        let mut state = locked(&self.state);
        if state.is_closed {
            return;
        }
        let list = if bytes >= LARGE { &mut state.large } else { &mut state.small };
        list.push_back(task);
        drop(state);
        // The one that wakes may be one that has no turn for a large request.
        self.wake.notify_all();
    }

    /// Returns the next task, and whether it is a large one; none after the end.
    fn next(&self) -> Option<(Task, bool)> {
        let mut state = locked(&self.state);
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(task) = state.small.pop_front() {
                return Some((task, false));
            }
            if state.busy < self.large_max
                && let Some(task) = state.large.pop_front()
            {
                state.busy += 1;
                return Some((task, true));
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, was_large: bool) {
        if was_large {
            locked(&self.state).busy -= 1;
            self.wake.notify_all();
        }
    }

    /// Ends the workers and drops what they had to do.
    pub fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        let dropped = (std::mem::take(&mut state.small), std::mem::take(&mut state.large));
        drop(state);
        drop(dropped);
        self.wake.notify_all();
    }
}

/// Works until the end.
pub fn run(shared: &Arc<Shared>) {
    while let Some((task, is_large)) = shared.workers.next() {
        match task {
            Task::Encode(flow) => encode(shared, flow),
            Task::Finish(flow) => finish(shared, flow),
            Task::Aside(work) => _ = caught(|| Ok(work())),
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
    locked(&shared.ledger).correct(flow.number, flow.rows);
    if flow.is_complete() { finish(shared, flow) } else { shared.queue.enter(flow) }
}

fn cut(shared: &Shared, flow: &mut Flow) -> Result<(), Refusal> {
    let (encoder, notes) = shared.tagger.encoder_by(&flow.job.choices).map_err(|error| Refusal::of(&error))?;
    let asked = flow.job.may_cache.then(|| cache::Asked::new(&flow.job.choices));
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
        let characters = characters(&input);
        // Whatever the tokenizer refuses is the client's text or choice.
        let refused = |error: anyhow::Error| Refusal { kind: Kind::Validation, ..Refusal::of(&error) };
        let encoded = encoder.encode(&input).map_err(refused)?;
        let scores = Vec::with_capacity(encoded.windows());
        parts.push(Part::Cut { encoded, scores, key, characters });
    }
    flow.notes = notes.iter().map(ToString::to_string).collect();
    (flow.parts, flow.encoder) = (parts, Some(encoder));
    Ok(())
}

/// Reads the entities of a request off and answers it.
pub fn finish(shared: &Shared, mut flow: Box<Flow>) {
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
        let (encoded, scores, key, characters) = match part {
            Part::Kept(document) => {
                documents.push(document);
                continue;
            }
            Part::Cut { encoded, scores, key, characters } => (encoded, scores, key, characters),
        };
        let (pieces, windows, unread_from) = (encoded.pieces(), encoded.windows(), encoded.unread_from());
        let mut tally = Tally::default();
        let tagged = shared.tagger.finish(encoded, scores, &mut tally).map_err(|error| Refusal::of(&error))?;
        let notes: Vec<String> = tally.notes().iter().map(ToString::to_string).collect();
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

/// Runs work whose panic is a mistake of this program and fails one request alone.
pub fn caught<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let mistake =
        |_| Err(Refusal::new(Kind::Internal, "a mistake of this program: its log on standard error has more"));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(mistake)
}

fn characters(input: &Input) -> usize {
    match &input.content {
        Content::Text(text) => text.chars().count(),
        Content::Words(words) => (words.iter().map(|word| word.chars().count() + 1).sum::<usize>()).saturating_sub(1),
    }
}
