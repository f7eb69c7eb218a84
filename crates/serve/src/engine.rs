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
mod job;
mod pace;
mod queue;
mod shared;
mod work;
mod workers;

pub use compute::WarmUp;
pub use job::{Answer, Document, Job, Spent, bytes_of};

use crate::metrics::{Metrics, Reason};
use crate::refusal::{Kind, Refusal};
use crate::settings::Limits;
use cache::Cache;
use flow::Flow;
use pace::{Entry, Ledger, Pace, locked};
use queue::Queue;
use shared::Shared;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tagsmith_app::predict::tagger::Tagger;
use tokio::sync::oneshot;
use workers::{Task, Workers, caught, closing};

/// The engine of one model.
pub struct Engine {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
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
            pace: Mutex::<Pace>::default(),
            ledger: Arc::default(),
            metrics,
            is_closed: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        for number in 0..workers.max(2) {
            let shared = shared.clone();
            threads.push(thread::Builder::new().name(format!("worker {number}")).spawn(move || work::run(&shared))?);
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
        let entry = self.admit(bytes, pace::guess(bytes), job.deadline)?;
        let (reply, receiver) = oneshot::channel();
        let flow = Flow::new(job, reply, entry, shared.metrics.clone());
        shared.workers.give(Task::Encode(Box::new(flow)), bytes);
        Ok(receiver)
    }

    /// Enters a job into the ledger, or says when it may come again.
    fn admit(&self, bytes: usize, pieces: usize, deadline: Instant) -> Result<Entry, Refusal> {
        let shared = &self.shared;
        let left = deadline.saturating_duration_since(Instant::now());
        let ledger = locked(&shared.ledger);
        let pace = *locked(&shared.pace);
        let wait = pace.time(ledger.ahead_of(pieces) + pieces);
        let is_full = ledger.bytes() > 0 && ledger.bytes() + bytes > shared.limits.queued_bytes;
        if !is_full && wait <= left {
            drop(ledger);
            return Ok(Ledger::enter(&shared.ledger, pieces, bytes));
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
        // It takes no time of the model, but memory as everything else.
        let entry = self.admit(bytes, 0, Instant::now())?;
        let tagger = self.shared.tagger.clone();
        let work = move || {
            if !reply.is_closed() {
                let done = caught(|| work(&tagger));
                drop(entry);
                _ = reply.send(done);
            }
        };
        self.shared.workers.give(Task::Aside(Box::new(work)), bytes);
        receiver.await.unwrap_or_else(|_| Err(closing()))
    }

    /// Counts requests in progress, and their windows and pieces that are still to be read.
    pub fn load(&self) -> [usize; 3] {
        let ledger = locked(&self.shared.ledger);
        [ledger.len(), ledger.windows(), ledger.pieces()]
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
