//! The loop: step, log, evaluate, save, stop.

pub mod agenda;
mod ahead;
pub mod best;
mod course;
pub mod cut;
pub mod options;
pub mod order;
pub mod plan;
pub mod results;
mod resume;
pub mod same_on_all_ranks;
mod saving;

use crate::checkpoint::contents::Progress;
use crate::checkpoint::state::{EarlyStoppingState, Record, TrainerState};
use crate::error::Error;
use crate::learner::{Learner, StepReport};
use crate::schedule::plateau;
use crate::trainable::{FeedOf, MicroBatch, Totals, Trainable, Update};
use crate::trainer::agenda::{Agenda, Due};
use crate::trainer::ahead::Next;
use crate::trainer::course::Course;
use crate::trainer::options::Options;
use crate::trainer::plan::Plan;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Instant;
use tagsmith_kernel::memory::tensor::{expect_rows, release_free_memory};
use tagsmith_message::{Note, counted};
use tagsmith_ranks::World;

/// Writes a model, with all that using it needs, into an existing folder.
pub type Save<'a, M> = dyn Fn(&M, &Path) -> Result<(), <M as Trainable>::Error> + 'a;

/// Everything that a run works with, apart from the model.
pub struct Job<'a, M: Trainable> {
    /// The run's options.
    pub options: &'a Options,
    /// The updates.
    pub feed: &'a FeedOf<'a, M>,
    /// The ranks that learn together: every rank calls [`train`] with the same job, and the first one writes.
    pub world: &'a World,
    /// The options as `training_args.json` has them.
    pub arguments: &'a Value,
    /// Writes the model with all that using it needs into an existing folder.
    pub save: &'a Save<'a, M>,
    /// Evaluates the model: a record of `eval_…` metrics and times.
    pub evaluate: &'a mut dyn FnMut(&M) -> Result<Record, M::Error>,
    /// Hears what happens.
    pub notify: &'a mut dyn FnMut(Event<'_>),
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The run begins after so many steps (0 unless it is resumed).
    Began {
        /// The length of the run.
        plan: &'a Plan,
        /// Steps made before.
        step: u64,
    },
    /// An update was made.
    Stepped {
        /// The number of the update, from 1.
        step: u64,
        /// Loss and gradient of the update.
        report: StepReport,
    },
    /// A record was added to the log: of training, of an evaluation, or the summary.
    Logged(&'a Record),
    /// A checkpoint is complete.
    Saved(&'a Path),
    /// A checkpoint was removed, because no more were to be kept.
    Deleted(&'a Path),
    /// Something the user should know.
    Note(&'a Note),
}

/// What a run leads to, beside the learner's weights.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// For `trainer_state.json`.
    pub state: TrainerState,
    /// The summary: times, `total_flos`, `train_loss`, `epoch`.
    pub metrics: Record,
}

/// Trains, from the start or from a checkpoint of an earlier run.
///
/// A resumed run goes on as if it had never stopped: same weights, same log, bit for bit, if the options are the same.
/// The output folder is made when nothing is left to refuse.
///
/// # Errors
/// Options that contradict each other or the data, a loss that is not a number, or ranks that differ. Files that cannot
/// be read or written; whatever the feed and the evaluation return.
pub fn train<'a, M: Trainable>(
    learner: &'a mut Learner<M>,
    job: Job<'a, M>,
    resume: Option<&Path>,
) -> Result<Outcome, M::Error> {
    let mut run = Run::new(learner, job)?;
    match resume {
        Some(checkpoint) => run.resume(checkpoint)?,
        None => run.start()?,
    }
    run.compare_inputs()?;
    let output = &run.job.options.output;
    if run.job.world.is_first() {
        std::fs::create_dir_all(output).map_err(Error::at(output))?;
    }
    run.learn_all()?;
    run.finish()
}

/// A run under way.
struct Run<'a, M: Trainable> {
    learner: &'a mut Learner<M>,
    job: Job<'a, M>,
    plan: Plan,
    agenda: Agenda,
    course: Course,
    state: TrainerState,
    progress: Progress,
    /// The steps of this run's checkpoints that are still there.
    saved: BTreeSet<u64>,
    /// The best of them.
    best_saved: Option<u64>,
    /// A part of the last update that counted a label, which shows whether the weights after it are of use.
    last: Option<(MicroBatch<M::Batch>, Totals)>,
    /// The step whose weights are known to be of use.
    proven: Option<u64>,
    /// What happened to the data, to be said at the end.
    met: Vec<Note>,
    /// Sums over this call alone, for the summary.
    call: Call,
}

/// The part of a run between start or resumption and its end.
struct Call {
    began: Instant,
    first_step: u64,
    /// Seconds of waiting for other ranks since the last training record, and the steps they are of.
    waited: f64,
    steps: u64,
}

impl<'a, M: Trainable> Run<'a, M> {
    fn new(learner: &'a mut Learner<M>, job: Job<'a, M>) -> Result<Run<'a, M>, M::Error> {
        let options = job.options;
        options.check()?;
        expect_rows(job.feed.rows_at_once());
        let plan = Plan::new(&options.extent(job.feed.examples(), job.world.size()))?;
        let agenda = Agenda::new(options.times, plan.total_steps)?;
        let course = Course::new(options, plan.total_steps)?;
        let early_stopping = options.early_stopping.map(|early| EarlyStoppingState {
            patience: early.patience,
            threshold: early.threshold,
            without_improvement: 0,
        });
        let state = TrainerState {
            best_metric: None,
            best_global_step: None,
            best_model_checkpoint: None,
            epoch: 0.0,
            global_step: 0,
            max_steps: plan.total_steps,
            num_train_epochs: plan.epochs,
            train_batch_size: options.batch_size as u64,
            logging_steps: agenda.logging_steps.unwrap_or(UNUSED_STEPS),
            eval_steps: agenda.eval_steps.unwrap_or(UNUSED_STEPS),
            save_steps: agenda.save_steps.unwrap_or(UNUSED_STEPS),
            total_flos: 0.0,
            early_stopping,
            stopping: false,
            log_history: Vec::new(),
        };
        let mut progress = Progress { device: learner.device().name(), ..Progress::default() };
        progress.place(0, plan.updates_per_epoch);
        let call = Call { began: Instant::now(), first_step: 0, waited: 0.0, steps: 0 };
        let (saved, best_saved, met) = (BTreeSet::new(), None, Vec::new());
        let (last, proven) = (None, None);
        let mut run =
            Run { learner, job, plan, agenda, course, state, progress, saved, best_saved, last, proven, met, call };
        run.forewarn()?;
        Ok(run)
    }

    /// Says what the options will do that their author may not expect.
    fn forewarn(&mut self) -> Result<(), Error> {
        let options = self.job.options;
        let (warmup, total) = (options.warmup.of_total(self.plan.total_steps), self.plan.total_steps);
        if warmup >= total && options.schedule != "constant" && options.schedule != plateau::NAME {
            self.say(&format!(
                "the warm-up of {} fills the run of {total}: the learning rate never falls, \
                 and reaches its peak at best in the last step",
                counted(warmup as usize, "step")
            ));
        }
        for note in self.job.feed.notes() {
            self.note(&note);
        }
        if let (Some(rising_is_better), Some(best)) = (self.course.rising_is_better(), &options.best)
            && rising_is_better != best.greater_is_better
        {
            let (way, mode) = if rising_is_better { ("rise", "min") } else { ("fall", "max") };
            let key = &best.key;
            self.say(&format!(
                "`{}` waits for `{key}` to {way}, although the best model has it the other way: \
                 `lr_scheduler_kwargs` of `{{\"mode\": \"{mode}\"}}` change that",
                plateau::NAME
            ));
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), M::Error> {
        (self.job.notify)(Event::Began { plan: &self.plan, step: 0 });
        if self.agenda.on_start() {
            let record = self.measure()?;
            self.log(record);
        }
        Ok(())
    }

    /// Returns an evaluation's record. Its buffers have other sizes than a step's: neither holds memory while the other
    /// runs.
    fn measure(&mut self) -> Result<Record, M::Error> {
        release_free_memory();
        let record = (self.job.evaluate)(self.learner.model())?;
        release_free_memory();
        Ok(record)
    }

    fn learn_all(&mut self) -> Result<(), M::Error> {
        let (feed, epoch, done) = (self.job.feed, self.progress.epoch, self.progress.updates);
        thread::scope(|scope| {
            let no_thread =
                |error| Error::setting(format!("the system gives no thread to read updates ahead: {error}"));
            self.learn(ahead::start(feed, scope, epoch, done).map_err(no_thread)?)
        })
    }

    /// Makes the updates as they come, until the run is over.
    fn learn(&mut self, updates: Receiver<Next<M::Batch, M::Error>>) -> Result<(), M::Error> {
        while !(self.state.stopping && self.progress.epoch_ended) {
            while !self.state.stopping {
                let Some(update) = updates.recv().expect("the feed has every update")? else { break };
                self.step(update)?;
            }
            self.progress.epoch_ended = true;
            (self.progress.epoch, self.progress.updates) = (self.progress.epoch + 1, 0);
            self.carry_out(self.agenda.after_epoch(self.state.epoch))?;
        }
        Ok(())
    }

    /// Makes one update, and what is due after it.
    fn step(&mut self, mut update: Update<M::Batch>) -> Result<(), M::Error> {
        let rate = self.course.at(self.state.global_step);
        let report = self.learner.step(self.job.world, &update, rate)?;
        self.call.waited += report.waited;
        self.call.steps += 1;

        self.state.global_step += 1;
        let step = self.state.global_step;
        let epochs_done = update.batches_done as f64 / self.plan.batches_per_epoch as f64;
        self.state.epoch = self.progress.epoch as f64 + epochs_done;
        self.state.total_flos += self.flos(update.padded_pieces);
        self.state.stopping = step >= self.plan.total_steps;
        self.progress.updates += 1;
        self.progress.epoch_ended = false;
        for note in update.notes {
            self.meet(note);
        }
        self.take_in(report, rate.learning_rate)?;
        if report.counted > 0 {
            self.last = update.micro_batches.pop().map(|part| (part, update.totals));
        }
        (self.job.notify)(Event::Stepped { step, report });
        self.carry_out(self.agenda.after_step(step))
    }

    /// Says what happened to the data the first time, and counts it for the end of the run.
    fn meet(&mut self, note: Note) {
        match self.met.iter_mut().find(|met| met.what == note.what) {
            Some(met) => met.absorb(note),
            None => {
                let places = note.places.join("; ");
                let first = format!("{}: the first, {places}; their number is said at the end", note.what.plural());
                self.note(&Note { important: note.important, ..Note::once(first) });
                self.met.push(note);
            }
        }
    }

    /// The notes of all ranks, with the sums of their counts.
    fn met_by_all(&mut self) -> Vec<Note> {
        let mine = json!(self.met).to_string();
        let mut all: Vec<Note> = Vec::new();
        for sent in self.job.world.gather(mine.as_bytes()) {
            let sent: Vec<Note> = serde_json::from_slice(&sent).expect("ranks send what they say");
            for note in sent {
                match all.iter_mut().find(|met| met.what == note.what) {
                    Some(met) => met.absorb(note),
                    None => all.push(note),
                }
            }
        }
        all
    }

    /// Adds a step's loss to the running means. Refuses one that is not a number.
    fn take_in(&mut self, report: StepReport, learning_rate: f64) -> Result<(), Error> {
        let step = self.state.global_step;
        self.progress.grad_norm = report.grad_norm;
        self.progress.learning_rate = learning_rate;
        if report.counted == 0 {
            self.say(&format!(
                "step {step} counts no label: it changed nothing, and its loss is left out of the means"
            ));
            return Ok(());
        }
        if !report.loss.is_finite() || !report.grad_norm.is_finite() {
            let problem = format!("the loss is {} and the gradient's norm {}", report.loss, report.grad_norm);
            return Err(self.diverged(problem));
        }
        let progress = &mut self.progress;
        (progress.loss, progress.losses) = (progress.loss + report.loss, progress.losses + 1);
        (progress.total_loss, progress.total_losses) = (progress.total_loss + report.loss, progress.total_losses + 1);
        Ok(())
    }

    /// Logs, then evaluates, then saves what is due.
    fn carry_out(&mut self, due: Due) -> Result<(), M::Error> {
        if due.log && self.state.global_step > self.progress.last_logged {
            self.log_training()?;
        }
        let mut save = due.save;
        if due.evaluate {
            let is_best = self.evaluate()?;
            save = self.agenda.saves(due, is_best);
        }
        if save { self.save() } else { Ok(()) }
    }

    fn log_training(&mut self) -> Result<(), Error> {
        let waits = self.compare_ranks()?;
        let progress = &mut self.progress;
        let mut record = Record::new();
        record.insert("loss".to_owned(), json!(progress.loss / progress.losses as f64));
        record.insert("grad_norm".to_owned(), json!(progress.grad_norm));
        record.insert("learning_rate".to_owned(), json!(progress.learning_rate));
        (progress.loss, progress.losses) = (0.0, 0);
        progress.last_logged = self.state.global_step;
        record.extend(waits);
        self.log(record);
        Ok(())
    }

    /// Refuses ranks whose weights differ. Returns how long ranks wait for each other.
    fn compare_ranks(&mut self) -> Result<Record, Error> {
        let Call { waited, steps, .. } = self.call;
        (self.call.waited, self.call.steps) = (0.0, 0);
        same_on_all_ranks::compare(self.job.world, self.state.global_step, || self.learner.checksum(), || 0)?;
        Ok(same_on_all_ranks::waits(self.job.world, waited / steps.max(1) as f64))
    }

    /// Refuses ranks that do not begin with the same weights, data and options.
    fn compare_inputs(&self) -> Result<(), M::Error> {
        let data = match self.job.world.size() {
            1 => 0,
            _ => self.job.feed.fingerprint()?,
        };
        let inputs = || {
            let arguments = self.job.arguments.to_string().into_bytes();
            same_on_all_ranks::fingerprint([arguments, data.to_le_bytes().to_vec()].into_iter())
        };
        let weights = || self.learner.checksum();
        Ok(same_on_all_ranks::compare(self.job.world, self.state.global_step, weights, inputs)?)
    }

    /// Adds the time to a record and the record to the log.
    fn log(&mut self, mut record: Record) {
        let epoch = if self.state.global_step == 0 { json!(0) } else { json!(self.state.epoch) };
        record.insert("epoch".to_owned(), epoch);
        record.insert("step".to_owned(), json!(self.state.global_step));
        (self.job.notify)(Event::Logged(&record));
        self.state.log_history.push(record);
    }

    /// Evaluates. Returns whether the model is the best so far.
    fn evaluate(&mut self) -> Result<bool, M::Error> {
        let record = self.measure()?;
        self.log(record.clone());
        if let Some((name, _)) = record.iter().find(|(name, value)| name.ends_with("loss") && value.is_null()) {
            return Err(self.diverged(format!("the evaluation's `{name}` is not a number")).into());
        }
        if record.keys().any(|name| name.ends_with("loss")) {
            self.proven = Some(self.state.global_step);
        }
        let Some(criterion) = &self.job.options.best else { return Ok(false) };
        let value = criterion.value(&record)?;
        self.course.observe(value);
        let best = self.state.best_metric;
        let is_best = criterion.improves(value, best);
        let gives_up = self.state.early_stopping.as_mut().is_some_and(|early| early.observe(criterion, value, best));
        if is_best {
            self.state.best_metric = Some(value);
            self.state.best_global_step = Some(self.state.global_step).filter(|_| self.agenda.ever_saves());
        }
        if gives_up && !self.state.stopping {
            self.state.stopping = true;
            let early = self.state.early_stopping.expect("it gave up");
            let best = self.state.best_metric.or(criterion.floor).unwrap_or(f64::NAN);
            self.say(&format!(
                "stopping early at step {}: `{}` is {value} and has not been better than {best} for {}",
                self.state.global_step,
                criterion.key,
                counted(early.without_improvement as usize, "evaluation")
            ));
        }
        Ok(is_best)
    }

    fn finish(mut self) -> Result<Outcome, M::Error> {
        self.prove()?;
        for note in self.met_by_all() {
            let all = format!("{}: {} from step {} on", note.what.plural(), note.count, self.call.first_step + 1);
            self.note(&Note { important: note.important, ..Note::once(all) });
        }
        let steps = self.state.global_step - self.call.first_step;
        let samples = self.plan.samples * steps as f64 / self.plan.total_steps as f64;
        let mut metrics = results::speed("train", self.call.began.elapsed().as_secs_f64(), samples, steps);
        metrics.insert("total_flos".to_owned(), json!(self.state.total_flos));
        let Progress { total_loss, total_losses, .. } = self.progress;
        metrics.insert("train_loss".to_owned(), json!(total_loss / total_losses.max(1) as f64));
        self.log(metrics.clone());
        metrics.insert("epoch".to_owned(), json!(self.state.epoch));
        self.load_best()?;
        self.keep_the_best_alone()?;
        Ok(Outcome { state: self.state, metrics })
    }

    /// The Trainer's estimate: padding counts, embedding tables do not.
    fn flos(&self, padded_pieces: usize) -> f64 {
        let (parameters, embeddings) = self.learner.parameter_counts();
        6.0 * padded_pieces as f64 * (parameters - embeddings) as f64
    }

    fn note(&mut self, note: &Note) {
        (self.job.notify)(Event::Note(note));
    }

    /// Reports a note that is one sentence.
    fn say(&mut self, line: &str) {
        self.note(&Note::once(line));
    }
}

/// Steps that the Trainer's state file gives where no steps decide.
const UNUSED_STEPS: u64 = 500;
