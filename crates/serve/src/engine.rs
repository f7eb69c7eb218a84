//! Inputs in, documents out: what lies between a request and its answer, without HTTP.
//!
//! ```text
//! submit → workers cut texts into windows → queue → one thread computes → workers read entities off → answer
//! ```
//!
//! Requests take turns window by window (`queue.rs`), so a long document delays no short one for longer than one turn. What a
//! document gets does not depend on what its windows are computed with. So answers can be kept (`cache.rs`).

mod cache;
mod compute;
mod flow;
mod pace;
mod queue;
mod workers;

use crate::metrics::{Metrics, Reason};
use crate::refusal::{Kind, Refusal};
use crate::settings::Limits;
use cache::Cache;
use flow::Flow;
use pace::{Ledger, Pace};
use queue::Queue;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tagsmith_app::predict::tagger::{Choices, Encoder, Tagger};
use tagsmith_text::tagged::{Content, Input, Tagged};
use tokio::sync::oneshot;
use workers::{Task, Workers};

/// Something to tag.
pub struct Job {
    /// The inputs.
    pub inputs: Vec<Input>,
    /// What they choose.
    pub choices: Choices,
    /// The time after which nobody waits for the answer.
    pub deadline: Instant,
    /// Whether answers that are kept may be given, and kept.
    pub may_cache: bool,
}

/// An answer.
pub struct Answer {
    /// The documents, in the order of the inputs.
    pub documents: Vec<Arc<Document>>,
    /// What encoded the inputs. It knows the labels of words.
    pub encoder: Encoder,
    /// What there is to say about the labels that were looked for, a line each.
    pub notes: Vec<String>,
    /// How long it took.
    pub spent: Spent,
}

/// A tagged input.
pub struct Document {
    /// What was found.
    pub tagged: Tagged,
    /// Code points of the input.
    pub characters: usize,
    /// Pieces that the model read.
    pub pieces: usize,
    /// Windows that the model read.
    pub windows: usize,
    /// What there is to say about this input, a line each.
    pub notes: Vec<String>,
    /// The code point where the first word begins whose end was not read, if there is one.
    pub unread_from: Option<u32>,
}

/// Where the time of a request went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Cutting texts into pieces and windows.
    pub tokenizing: Duration,
    /// Waiting for the first turn.
    pub waiting: Duration,
    /// Turns, from the first to the last.
    pub computing: Duration,
    /// Windows that were computed; those of kept answers are not among them.
    pub windows: usize,
}

/// What all threads of an engine share.
struct Shared {
    tagger: Arc<Tagger>,
    limits: Limits,
    queue: Queue,
    workers: Workers,
    cache: Mutex<Cache>,
    pace: Mutex<Pace>,
    ledger: Mutex<Ledger>,
    metrics: Arc<Metrics>,
    /// Whether every request is refused.
    is_closed: AtomicBool,
    next: AtomicU64,
}

/// Returns what a mutex guards. A thread that panicked leaves it whole: no guard is held across foreign code.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The engine of one model.
pub struct Engine {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A figure of the warm-up.
#[derive(Clone, Copy, Debug)]
pub struct WarmUp {
    /// Pieces of the batch.
    pub pieces: usize,
    /// Pieces that the model reads in a second.
    pub pieces_per_second: f64,
}

impl Engine {
    /// Starts the threads of an engine.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(tagger: Tagger, limits: &Limits, workers: usize, metrics: Arc<Metrics>) -> io::Result<Engine> {
        let shared = Arc::new(Shared {
            tagger: Arc::new(tagger),
            limits: limits.clone(),
            queue: Queue::new(limits.batch_tokens),
            workers: Workers::new(workers.max(2)),
            cache: Mutex::new(Cache::new(limits.cache_bytes)),
            pace: Mutex::default(),
            ledger: Mutex::default(),
            metrics,
            is_closed: AtomicBool::new(false),
            next: AtomicU64::new(0),
        });
        let mut threads = Vec::new();
        for number in 0..workers.max(2) {
            let shared = shared.clone();
            threads.push(thread::Builder::new().name(format!("worker {number}")).spawn(move || workers::run(&shared))?);
        }
        let computing = shared.clone();
        threads.push(thread::Builder::new().name("compute".into()).spawn(move || compute::run(&computing))?);
        Ok(Engine { shared, threads: Mutex::new(threads) })
    }

    /// Returns the tagger.
    pub fn tagger(&self) -> &Tagger {
        &self.shared.tagger
    }

    /// Computes a full batch, so that memory is there and the pace is known.
    ///
    /// # Errors
    /// What the model cannot compute.
    pub fn warm_up(&self) -> anyhow::Result<Option<WarmUp>> {
        compute::warm_up(&self.shared)
    }

    /// Tags what a job holds. Whoever drops the future gives the job up.
    ///
    /// # Errors
    /// A job that cannot be done, or not in time.
    pub async fn tag(&self, job: Job) -> Result<Answer, Refusal> {
        let deadline = job.deadline;
        let receiver = self.submit(job)?;
        match tokio::time::timeout_at(deadline.into(), receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_gone)) => Err(closing()),
            Err(_late) => {
                self.shared.metrics.reject(Reason::Deadline);
                Err(Refusal::new(Kind::Deadline, "the request's time is over before its answer is ready"))
            }
        }
    }

    /// Admits a job, or refuses it at once.
    fn submit(&self, job: Job) -> Result<oneshot::Receiver<Result<Answer, Refusal>>, Refusal> {
        let shared = &self.shared;
        if shared.is_closed.load(Ordering::Acquire) {
            return Err(closing());
        }
        let bytes = job.inputs.iter().map(bytes_of).sum();
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        self.admit(number, bytes, job.deadline)?;
        let (reply, receiver) = oneshot::channel();
        let flow = Flow::new(number, job, reply, shared.clone());
        shared.workers.give(Task::Encode(Box::new(flow)), bytes);
        Ok(receiver)
    }

    /// Enters a job into the ledger, or says when it may come again.
    fn admit(&self, number: u64, bytes: usize, deadline: Instant) -> Result<(), Refusal> {
        let shared = &self.shared;
        let pieces = pace::guess(bytes);
        let left = deadline.saturating_duration_since(Instant::now());
        let mut ledger = locked(&shared.ledger);
        let pace = *locked(&shared.pace);
        let wait = pace.time(ledger.ahead_of(pieces) + pieces);
        let is_full = ledger.bytes() > 0 && ledger.bytes() + bytes > shared.limits.queued_bytes;
        if !is_full && wait <= left {
            ledger.enter(number, pieces, bytes);
            return Ok(());
        }
        let after = if is_full { pace.time(ledger.pieces()) } else { wait.saturating_sub(left) };
        drop(ledger);
        shared.metrics.reject(Reason::Overloaded);
        let why = if is_full {
            format!("the texts that wait take as much memory as they may ({} bytes)", shared.limits.queued_bytes)
        } else {
            format!(
                "the answer would take some {:.1} s, and the request waits {:.1} s",
                wait.as_secs_f64(),
                left.as_secs_f64()
            )
        };
        Err(Refusal::new(Kind::Overloaded, why).after(after.as_secs_f64().ceil().max(1.0) as u64))
    }

    /// Does something about texts of some bytes on a worker's thread.
    ///
    /// # Errors
    /// What the work says; an engine that is closed.
    pub async fn aside<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Tagger) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (reply, receiver) = oneshot::channel();
        let tagger = self.shared.tagger.clone();
        let work = move || {
            if !reply.is_closed() {
                _ = reply.send(workers::caught(|| work(&tagger)));
            }
        };
        self.shared.workers.give(Task::Aside(Box::new(work)), bytes);
        receiver.await.unwrap_or_else(|_| Err(closing()))
    }

    /// Counts requests in progress, windows and pieces that wait.
    pub fn load(&self) -> [usize; 3] {
        let (windows, pieces) = self.shared.queue.load();
        [locked(&self.shared.ledger).len(), windows, pieces]
    }

    /// Refuses everything from now on, also what is in progress.
    pub fn close(&self) {
        self.shared.is_closed.store(true, Ordering::Release);
        self.shared.queue.close();
        self.shared.workers.close();
    }
}

/// The threads end with the engine.
impl Drop for Engine {
    fn drop(&mut self) {
        self.close();
        for thread in locked(&self.threads).drain(..) {
            // A thread that panicked has said so.
            _ = thread.join();
        }
    }
}

fn closing() -> Refusal {
    Refusal::new(Kind::Unavailable, "the server is ending").after(1)
}

/// Counts the bytes of an input.
pub fn bytes_of(input: &Input) -> usize {
    match &input.content {
        Content::Text(text) => text.len(),
        Content::Words(words) => words.iter().map(|word| word.len() + 1).sum(),
    }
}
