//! The loop: step, log, evaluate, save, stop.

use crate::batch::Scene;
use crate::collate;
use crate::config::Architecture;
use crate::decode::Mode;
use crate::encode::{Encoded, Encoding, Prompt, plain_labels};
use crate::error::Error;
use crate::evaluate::{Evaluation, evaluate, find};
use crate::find::{Query, label_notes};
use crate::folder;
use crate::folder::Tokenizers;
use crate::learn::{Learner, Share, StepOptions};
use crate::memory::{Work, footprint};
use crate::model::Model;
use crate::model::loss::{Gold, Normalization};
use crate::order::Order;
use crate::progress::Progress;
use crate::run_config::RunConfig;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagsmith_ranks::World;
use tagsmith_text::example::{Example, labels_of};
use tagsmith_text::tagged::Content;
use tagsmith_train::checkpoint;
use tagsmith_train::memory::size;
use tagsmith_train::trainer::same_on_all_ranks;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A record of training: loss, norm, rate, epoch.
    Trained(u64, Map<String, Value>),
    /// An evaluation of the validation file.
    Evaluated(u64, Map<String, Value>),
    /// A checkpoint is complete.
    Saved(PathBuf),
    /// Something the user should know.
    Note(String),
}

/// What a run works with.
pub struct Job<'a> {
    /// Its file.
    pub config: &'a RunConfig,
    /// Who learns: every rank calls [`train`] with the same job, and the first one writes.
    pub world: &'a World,
    /// What it learns from.
    pub train: &'a [Example],
    /// What chooses the best checkpoint; may be empty.
    pub validation: &'a [Example],
    /// The model's.
    pub tokenizers: &'a Tokenizers,
    /// What classification losses are divided by.
    pub normalization: Normalization,
    /// Which entities may share pieces.
    pub mode: Mode,
    /// Bytes that the process may hold, where somebody knows.
    pub allowed: Option<u64>,
    /// Hears what happens.
    pub notify: &'a mut dyn FnMut(Event),
}

/// What a run leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Updates made.
    pub steps: u64,
    /// The best checkpoint, or the newest where nothing was evaluated.
    pub best: Option<PathBuf>,
    /// Its F1 on the validation file.
    pub best_f1: f64,
}

const OPTIMIZER: &str = "optimizer.safetensors";

/// Trains, from the start or on from `resume`, as if it had never stopped.
///
/// # Errors
/// Data without an entity; a loss that is no number; files that cannot be read or written.
pub fn train(model: Model, job: Job<'_>, resume: Option<&Path>) -> Result<(Outcome, Model), Error> {
    let config = job.config;
    if job.train.iter().all(|example| example.entities.is_empty()) {
        let files = config.files[0].join(", ");
        return Err(Error::Setting(format!(
            "{files}: no text has an entity of format {:?}: nothing can be learned",
            config.format
        )));
    }
    let options = StepOptions {
        seed: config.seed,
        normalization: job.normalization,
        learning_rate: config.learning_rate,
        type_encoder_rate: config.type_encoder_rate,
        head_rate: config.head_rate,
    };
    let order = Order::new(config, job.train, job.world.size())?;
    let mut learner = Learner::new(model, options);
    let mut progress = Progress::default();
    if let Some(from) = resume {
        learner.load_state(&from.join(OPTIMIZER))?;
        let ranks;
        (progress, ranks) = Progress::read(from)?;
        if ranks != job.world.size() as u64 {
            let (now, batch) = (job.world.size(), config.batch_size);
            (job.notify)(Event::Note(format!(
                "the checkpoint is of {ranks} ranks, this is {now}: steps stay steps, each of {now} × {batch} texts and \
                 more with accumulation, so that the epoch goes on at another text"
            )));
        }
    }
    if job.world.is_first() {
        std::fs::create_dir_all(&config.output).map_err(|source| Error::Io { path: config.output.clone(), source })?;
        checkpoint::sweep(&config.output)?;
    }
    let settings = serde_json::to_vec(&config.json).expect("a JSON object is one");
    let texts = job.train.iter().map(|example| format!("{example:?}").into_bytes());
    let texts = std::iter::once(settings).chain(texts);
    same_on_all_ranks::compare(
        job.world,
        progress.step,
        || learner.checksum(),
        || same_on_all_ranks::fingerprint(texts),
    )?;
    let mut run = Run {
        job,
        learner,
        progress,
        encoded: Vec::new(),
        plain: BTreeMap::new(),
        order,
        skipped: 0,
        lost_to_prompts: 0,
        window: Window::default(),
        waited: [0.0; 2],
    };
    run.encode()?;
    run.plan_memory()?;
    run.steps()?;
    run.finish()
}

struct Run<'a> {
    job: Job<'a>,
    learner: Learner,
    progress: Progress,
    /// The texts without labels: a bi-encoder reads them so.
    encoded: Vec<Encoded>,
    /// Labels as they are read.
    plain: BTreeMap<String, String>,
    /// Of texts and labels.
    order: Order,
    /// Batches whose labels left no room for a text.
    skipped: u64,
    /// Entities that would have a span without the prompt before their text.
    lost_to_prompts: u64,
    /// The update that is being gathered.
    window: Window,
    /// Seconds of waiting for other ranks since the last record, and the steps they are of.
    waited: [f64; 2],
}

/// Micro-batches of an update.
#[derive(Default)]
struct Window {
    /// This rank's.
    micro_batches: Vec<(Scene, Gold)>,
    /// Of each its number among all ranks'.
    numbers: Vec<u64>,
    /// How many all ranks have.
    all: usize,
    /// Rounds in which some rank had one.
    rounds: usize,
}

impl Run<'_> {
    fn note(&mut self, note: String) {
        (self.job.notify)(Event::Note(note));
    }

    fn encode(&mut self) -> Result<(), Error> {
        let model = self.learner.config().clone();
        let labels = labels_of(self.job.train);
        let (mut lost, mut entities, mut cut, mut spelled) = (0, 0, 0, 0);
        for example in self.job.train {
            let encoded = self.job.config.encoding.encode(&self.job.tokenizers.text, None, &example.content)?;
            lost += encoded.gold(example, &labels, &model).1;
            entities += example.entities.len();
            cut += usize::from(encoded.cut > 0);
            spelled += encoded.spelled;
            self.encoded.push(encoded);
        }
        let reader = self.job.tokenizers.labels.as_ref();
        let (plain, of_labels) = plain_labels(reader.unwrap_or(&self.job.tokenizers.text), &labels)?;
        let cut_labels = reader.map(|reader| collate::labels(reader, &plain)).transpose()?.map_or(0, |it| it.1);
        self.plain = labels.into_iter().zip(plain).collect();
        for note in label_notes(of_labels, cut_labels) {
            self.note(format!("train: {note}"));
        }
        if spelled > 0 {
            self.note(format!(
                "train: texts spell {spelled} special tokens (such as `[SEP]`): read as ordinary letters"
            ));
        }
        if lost > 0 || cut > 0 {
            let Encoding { max_length, .. } = self.job.config.encoding;
            self.note(format!(
                "train: {lost} of {entities} entities are no span of at most {} pieces with ends where they may be, \
                 and are not learned; {cut} texts are cut off after {max_length} pieces",
                model.longest_gold()
            ));
        }
        Ok(())
    }

    /// Says what the run will hold, and refuses one that holds more than it may. Validation texts are encoded for it,
    /// so that more labels than a prompt holds are refused here too.
    fn plan_memory(&mut self) -> Result<(), Error> {
        let Job { config, world, train, validation, tokenizers, allowed, .. } = self.job;
        let mut evaluated = Vec::new();
        let labels_evaluated = labels_of(validation);
        let labels_count = labels_evaluated.len();
        if config.does[1] {
            let query = Query::new(self.learner.model(), tokenizers, labels_evaluated)?;
            let contents: Vec<&Content> = validation.iter().map(|example| &example.content).collect();
            evaluated = query.encode(&tokenizers.text, config.encoding, &contents)?;
        }
        let reader = tokenizers.labels.as_ref().unwrap_or(&tokenizers.text);
        let ids = |label: &String| reader.encode_running(label).map(|pieces| pieces.ids);
        let labels = self.plain.values().map(ids).collect::<Result<Vec<_>, _>>()?;
        let work = Work {
            examples: train,
            encoded: &self.encoded,
            evaluated: &evaluated,
            labels_evaluated: labels_count,
            labels: &labels,
            batch_size: config.batch_size,
            accumulation: config.accumulation,
            max_length: config.encoding.max_length,
            ranks: world.size(),
        };
        let model = self.learner.model();
        let planned = footprint(model, &work);
        let line = match allowed {
            None => format!("memory: {planned}; the system does not say how much there is"),
            Some(allowed) if planned.total() <= allowed => {
                format!("memory: {planned}; this process may use {}", size(allowed))
            }
            Some(allowed) => {
                let least = footprint(model, &Work { batch_size: 1, ..work });
                let remedy = match least.total() <= allowed {
                    true => "lower `per_device_train_batch_size`",
                    false => "lower `max_span_length` or `max_seq_length`, or take a smaller encoder",
                };
                let allowed = size(allowed);
                return Err(Error::Setting(format!(
                    "training takes {planned}, but this process may use {allowed}: {remedy}"
                )));
            }
        };
        self.note(line);
        Ok(())
    }

    fn steps(&mut self) -> Result<(), Error> {
        let config = self.job.config;
        let (ranks, rank) = (self.job.world.size(), self.job.world.rank());
        while self.progress.step < config.max_steps && !self.progress.stopping {
            let epoch = self.progress.epoch;
            let order = self.order.texts(epoch);
            let batches: Vec<&[usize]> = order.chunks(config.batch_size).collect();
            let rounds = batches.len() / ranks;
            let (whole, mut any) = (self.progress.batch == 0, false);
            while self.progress.batch < rounds && self.progress.step < config.max_steps && !self.progress.stopping {
                let round = self.progress.batch;
                self.progress.batch += 1;
                let number = round * ranks + rank;
                let batch = self.batch(batches[number], epoch, number)?;
                any |= self.take(batch);
                let ends = self.window.rounds == config.accumulation || round + 1 == rounds;
                if ends && self.window.rounds > 0 {
                    let window = std::mem::take(&mut self.window);
                    self.step(&window, rounds)?;
                }
            }
            if whole && !any {
                return Err(Error::Setting(
                    "every batch's labels leave no room for text: raise `max_seq_length`".into(),
                ));
            }
            if self.progress.batch == rounds {
                (self.progress.epoch, self.progress.batch) = (epoch + 1, 0);
            }
        }
        Ok(())
    }

    /// Adds a round's batch to the update, where this rank has one; whether any rank has.
    fn take(&mut self, batch: Option<(Scene, Gold)>) -> bool {
        let world = self.job.world;
        let has = match world.size() {
            1 => vec![batch.is_some()],
            _ => world.gather(&[u8::from(batch.is_some())]).iter().map(|has| has[0] == 1).collect(),
        };
        let count = |ranks: &[bool]| ranks.iter().filter(|&&has| has).count();
        if let Some(batch) = batch {
            self.window.micro_batches.push(batch);
            self.window.numbers.push((self.window.all + count(&has[..world.rank()])) as u64);
        }
        self.window.all += count(&has);
        self.window.rounds += usize::from(count(&has) > 0);
        count(&has) > 0
    }

    /// A batch with its labels: all of its entities', shuffled. `None` if there is none, or no room for the text.
    fn batch(&mut self, numbers: &[usize], epoch: u64, number: usize) -> Result<Option<(Scene, Gold)>, Error> {
        let examples: Vec<&Example> = numbers.iter().map(|&number| &self.job.train[number]).collect();
        let mut labels: Vec<String> = Vec::new();
        for entity in examples.iter().flat_map(|example| &example.entities) {
            if !labels.contains(&entity.label) {
                labels.push(entity.label.clone());
            }
        }
        if labels.is_empty() {
            return Ok(None);
        }
        let order = self.order.labels(epoch, number, labels.len());
        let labels: Vec<String> = order.into_iter().map(|label| std::mem::take(&mut labels[label])).collect();
        let (config, tokenizers) = (self.learner.config().clone(), self.job.tokenizers);
        let plain: Vec<String> = labels.iter().map(|label| self.plain[label].clone()).collect();
        let encoded = match config.architecture {
            Architecture::BiEncoder => Ok(numbers.iter().map(|&number| self.encoded[number].clone()).collect()),
            Architecture::CrossEncoder => {
                let prompt = Prompt::new(&config, &plain);
                let encode = |example: &&Example| {
                    self.job.config.encoding.encode(&tokenizers.text, Some(&prompt), &example.content)
                };
                examples.iter().map(encode).collect::<Result<Vec<_>, _>>()
            }
        };
        let encoded = match encoded {
            Err(error @ Error::PromptTooLong { .. }) => {
                if self.skipped == 0 {
                    self.note(format!("a batch is left out, and so is every other of its kind: {error}"));
                }
                self.skipped += 1;
                return Ok(None);
            }
            other => other?,
        };
        let encoded: Vec<&Encoded> = encoded.iter().collect();
        let alone = tokenizers.labels.as_ref().map(|tokenizer| collate::labels(tokenizer, &plain)).transpose()?;
        let (scene, listed) = collate::scene(&config, &encoded, alone.map(|(batch, _)| batch));
        let mut entities = Vec::with_capacity(encoded.len());
        for ((number, encoded), example) in numbers.iter().zip(&encoded).zip(&examples) {
            let (gold, lost) = encoded.gold(example, &labels, &config);
            let without_prompt = self.encoded[*number].gold(example, &labels, &config).1;
            self.lost_to_prompts += lost.saturating_sub(without_prompt) as u64;
            entities.push(gold);
        }
        let gold = collate::gold(&config, &encoded, &entities, &listed, &scene);
        Ok(Some((scene, gold)))
    }

    fn step(&mut self, window: &Window, batches_per_epoch: usize) -> Result<(), Error> {
        let config = self.job.config;
        let multiplier = config.schedule.multiplier(self.progress.step);
        let Window { micro_batches, numbers, all, .. } = window;
        let share = Share { micro_batches, numbers, micro_batches_of_all: *all };
        let report = self.learner.step_among(self.job.world, share, multiplier);
        self.waited = [self.waited[0] + report.waited, self.waited[1] + 1.0];
        let progress = &mut self.progress;
        progress.step += 1;
        let step = progress.step;
        let rate = config.learning_rate * multiplier;
        if !report.loss.is_finite() || !report.grad_norm.is_finite() {
            let newest = checkpoint::newest(&config.output);
            let (loss, grad_norm) = (report.loss, report.grad_norm);
            return Err(tagsmith_train::error::Error::Diverged {
                step,
                loss,
                grad_norm,
                learning_rate: rate,
                checkpoint: newest,
            }
            .into());
        }
        progress.loss += report.loss;
        progress.losses += 1;
        if step.is_multiple_of(config.logging_steps) {
            let epoch = progress.epoch as f64 + progress.batch as f64 / batches_per_epoch as f64;
            let mut record = Map::new();
            record.insert("loss".into(), json!(rounded(progress.loss / progress.losses as f64, 1e4)));
            record.insert("grad_norm".into(), json!(report.grad_norm));
            record.insert("learning_rate".into(), json!(python_exponent(rate)));
            record.insert("epoch".into(), json!(rounded(epoch, 1e2)));
            if self.job.world.size() > 1 {
                let [waited, steps] = std::mem::take(&mut self.waited);
                same_on_all_ranks::compare(self.job.world, step, || self.learner.checksum(), || 0)?;
                record.extend(same_on_all_ranks::waits(self.job.world, waited / steps));
            }
            (self.job.notify)(Event::Trained(step, record));
        }
        if step.is_multiple_of(config.eval_steps) || step == config.max_steps {
            self.evaluate_and_save()?;
        }
        Ok(())
    }

    fn evaluate_and_save(&mut self) -> Result<(), Error> {
        let config = self.job.config;
        let step = self.progress.step;
        let mut f1 = 0.0;
        if config.does[1] && !self.job.validation.is_empty() {
            let evaluation = assess(
                self.learner.model(),
                self.job.tokenizers,
                config,
                self.job.validation,
                self.job.mode,
                self.job.world,
            )?;
            f1 = evaluation.f1();
            let [precision, recall, _] = evaluation.score.total().figures();
            let mut record = Map::new();
            record.insert("train_loss".into(), json!(self.progress.loss / self.progress.losses.max(1) as f64));
            for (key, value) in [("precision", precision), ("recall", recall), ("f1", f1)] {
                record.insert(key.into(), json!(value));
            }
            record.insert("strict_f1".into(), json!(evaluation.strict.total().figures()[2]));
            record.insert("gold_without_span".into(), json!(evaluation.lost));
            (self.job.notify)(Event::Evaluated(step, record));
            if f1 > self.progress.best_f1 {
                (self.progress.best_f1, self.progress.best_step) = (f1, Some(step));
                self.progress.without_improvement = 0;
            } else {
                self.progress.without_improvement += 1;
                self.progress.stopping = self.progress.without_improvement >= config.patience;
            }
        }
        (self.progress.loss, self.progress.losses) = (0.0, 0);
        self.progress.scores.push((step, f1));
        let progress = &self.progress;
        let tokenizers = self.job.tokenizers;
        let learner = &mut self.learner;
        if self.job.world.is_first() {
            let ranks = self.job.world.size();
            let saved = checkpoint::save(&config.output, step, |place| -> Result<(), Error> {
                folder::save(place, learner.model(), tokenizers)?;
                learner.save_state(&place.join(OPTIMIZER))?;
                progress.write(place, ranks)
            })?;
            (self.job.notify)(Event::Saved(saved));
            self.prune()?;
        }
        // Whoever looks for checkpoints from here on finds the same.
        self.job.world.barrier();
        if self.progress.stopping {
            self.note(format!("stopping early at step {step}: {} evaluations without a better one", config.patience));
        }
        Ok(())
    }

    /// Deletes all but the newest checkpoint and the best; of equal ones the earlier stays.
    fn prune(&mut self) -> Result<(), Error> {
        let mut ranked = self.progress.scores.clone();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let kept: Vec<u64> = ranked.iter().take(self.job.config.save_total_limit).map(|(step, _)| *step).collect();
        let newest = self.progress.step;
        for step in checkpoint::steps(&self.job.config.output) {
            let ours = self.progress.scores.iter().any(|(saved, _)| *saved == step);
            if ours && step != newest && !kept.contains(&step) {
                checkpoint::delete(&self.job.config.output, step)?;
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Outcome, Model), Error> {
        // Each rank counted its own batches'.
        let [lost, skipped] = [self.lost_to_prompts, self.skipped].map(|count| self.job.world.sum(count as f64));
        if lost > 0.0 {
            self.note(format!("prompts left no room for {lost} entities of the batches: raise `max_seq_length`"));
        }
        if skipped > 0.0 {
            self.note(format!("{skipped} batches were left out, because their labels left no room for text"));
        }
        let output = &self.job.config.output;
        let steps = checkpoint::steps(output);
        let best = self.progress.best_step.filter(|best| steps.contains(best)).or(steps.last().copied());
        let best = best.map(|step| checkpoint::folder(output, step));
        let outcome = Outcome { steps: self.progress.step, best, best_f1: self.progress.best_f1 };
        Ok((outcome, self.learner.into_model()))
    }
}

/// Evaluates examples with their own labels.
///
/// # Errors
/// Examples without an entity; what the tokenizer says.
pub fn assess(
    model: &Model,
    tokenizers: &Tokenizers,
    config: &RunConfig,
    examples: &[Example],
    mode: Mode,
    world: &World,
) -> Result<Evaluation, Error> {
    let bar = model.config.threshold;
    let found = find((model, tokenizers), config.encoding, labels_of(examples), examples, bar, world)?;
    Ok(evaluate(examples, &found, &model.config, 0.0, mode))
}

fn rounded(x: f64, unit: f64) -> f64 {
    (x * unit).round() / unit
}

/// `3.00e-05`, as Python prints it.
fn python_exponent(x: f64) -> String {
    let text = format!("{x:.2e}");
    let (digits, exponent) = text.split_once('e').expect("an exponent was asked for");
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("+", exponent), |exponent| ("-", exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_printed_as_python_does() {
        assert_eq!([3e-5, 0.0, 1.25e-10, 2.0].map(python_exponent), ["3.00e-05", "0.00e+00", "1.25e-10", "2.00e+00"]);
    }
}
