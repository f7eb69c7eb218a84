//! One request on its way through the engine.

use super::job::{Answer, Document, Job, Spent};
use super::pace::Entry;
use crate::metrics::{Metrics, Reason};
use crate::refusal::Refusal;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tagsmith_app::predict::tagger::{Encoded, Encoder, Scores};
use tokio::sync::oneshot;

/// A key of the cache.
pub type Key = [u8; 32];

/// A request on its way. Wherever it is dropped, its entry of the ledger goes with it.
pub struct Flow {
    pub job: Job,
    pub parts: Vec<Part>,
    pub encoder: Option<Encoder>,
    /// What there is to say about the labels.
    pub notes: Vec<String>,
    /// The part that has windows to be computed, and its first such window.
    pub next: (usize, usize),
    /// Rows that are still to be computed.
    pub rows: usize,
    pub submitted: Instant,
    pub encoded: Instant,
    /// When the first turn began.
    pub began: Option<Instant>,
    pub ended: Option<Instant>,
    reply: Option<oneshot::Sender<Result<Answer, Refusal>>>,
    entry: Entry,
    metrics: Arc<Metrics>,
}

/// One input of a request.
pub enum Part {
    /// An input whose answer was kept.
    Kept(Arc<Document>),
    /// An input in windows, with the scores of those that were computed.
    Cut { encoded: Box<Encoded>, scores: Vec<Scores>, key: Option<Key> },
}

impl Flow {
    pub fn new(job: Job, reply: oneshot::Sender<Result<Answer, Refusal>>, entry: Entry, metrics: Arc<Metrics>) -> Flow {
        let now = Instant::now();
        Flow {
            job,
            parts: Vec::new(),
            encoder: None,
            notes: Vec::new(),
            next: (0, 0),
            rows: 0,
            submitted: now,
            encoded: now,
            began: None,
            ended: None,
            reply: Some(reply),
            entry,
            metrics,
        }
    }

    /// Returns whether nobody waits for the answer.
    pub fn is_given_up(&self) -> bool {
        self.reply.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Sends the answer, or why there is none.
    pub fn answer(&mut self, answer: Result<Answer, Refusal>) {
        // The ledger is true before the client can ask again.
        self.entry.strike();
        if let Some(reply) = self.reply.take() {
            // Whoever is gone needs no answer.
            _ = reply.send(answer);
        }
    }

    /// Begins with the first window.
    pub fn rewind(&mut self) {
        let rows = |part: &Part| match part {
            Part::Kept(_) => 0,
            Part::Cut { encoded, .. } => (0..encoded.windows()).map(|window| encoded.rows(window)).sum(),
        };
        self.rows = self.parts.iter().map(rows).sum();
        self.next = (0, 0);
        self.skip();
        self.correct();
    }

    /// Tells the ledger what is still to be computed.
    fn correct(&self) {
        self.entry.correct(self.rows, self.windows_left());
    }

    /// Counts the windows that are still to be computed.
    fn windows_left(&self) -> usize {
        let computed = |part: &Part| if let Part::Cut { scores, .. } = part { scores.len() } else { 0 };
        self.windows() - self.parts.iter().map(computed).sum::<usize>()
    }

    /// Counts the windows of all inputs that are or were to be computed.
    pub fn windows(&self) -> usize {
        let windows = |part: &Part| if let Part::Cut { encoded, .. } = part { encoded.windows() } else { 0 };
        self.parts.iter().map(windows).sum()
    }

    /// Returns the windows of the next turn: as many as have `rows` rows together, one at least.
    pub fn turn(&self, rows: usize) -> Vec<(usize, usize)> {
        let mut turn = Vec::new();
        let mut left = rows;
        let (mut part, mut window) = self.next;
        while let Some(it) = self.parts.get(part) {
            let windows = if let Part::Cut { encoded, .. } = it { encoded.windows() } else { 0 };
            if window >= windows {
                (part, window) = (part + 1, 0);
                continue;
            }
            let Part::Cut { encoded, .. } = it else { unreachable!("a kept part has no windows") };
            let own = encoded.rows(window);
            if !turn.is_empty() && own > left {
                break;
            }
            left = left.saturating_sub(own);
            turn.push((part, window));
            window += 1;
        }
        turn
    }

    /// Returns an input in windows.
    ///
    /// # Panics
    /// If its answer was kept.
    pub fn encoded(&self, part: usize) -> &Encoded {
        match &self.parts[part] {
            Part::Cut { encoded, .. } => encoded,
            Part::Kept(_) => panic!("flow: this input needs no computing"),
        }
    }

    /// Returns the input whose windows come next, where there are any.
    pub fn first(&self) -> Option<&Encoded> {
        match self.parts.get(self.next.0)? {
            Part::Cut { encoded, .. } => Some(encoded),
            Part::Kept(_) => None,
        }
    }

    /// Takes in the scores of the windows of a turn.
    pub fn take_in(&mut self, turn: &[(usize, usize)], computed: Vec<Scores>) {
        for (&(part, window), computed) in turn.iter().zip(computed) {
            let Part::Cut { encoded, scores, .. } = &mut self.parts[part] else { continue };
            self.rows -= encoded.rows(window);
            scores.push(computed);
            self.next = (part, window + 1);
        }
        self.skip();
        self.ended = Some(Instant::now());
        self.correct();
    }

    /// Returns whether every window is computed.
    pub fn is_complete(&self) -> bool {
        self.next.0 == self.parts.len()
    }

    /// Goes to the next input that has windows to be computed.
    fn skip(&mut self) {
        while let Some(part) = self.parts.get(self.next.0) {
            match part {
                Part::Cut { encoded, .. } if self.next.1 < encoded.windows() => return,
                _ => self.next = (self.next.0 + 1, 0),
            }
        }
    }

    /// Returns where the time went.
    pub fn spent(&self) -> Spent {
        let between = |from: Option<Instant>, to: Option<Instant>| match (from, to) {
            (Some(from), Some(to)) => to.saturating_duration_since(from),
            _ => Duration::ZERO,
        };
        Spent {
            tokenizing: self.encoded.saturating_duration_since(self.submitted),
            waiting: between(Some(self.encoded), self.began),
            computing: between(self.began, self.ended),
            windows: self.windows(),
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        if self.reply.as_ref().is_some_and(oneshot::Sender::is_closed) {
            self.metrics.reject(Reason::Gone);
        }
    }
}
