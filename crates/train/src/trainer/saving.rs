//! Checkpoints: what is worth one, which of them stay, and which is loaded at the end.

use crate::checkpoint;
use crate::checkpoint::contents::{self, Ranks};
use crate::error::Error;
use crate::trainable::Trainable;
use crate::trainer::options::{Keep, Options};
use crate::trainer::{Event, Run, results, same_on_all_ranks};
use tagsmith_message::Note;

impl<M: Trainable> Run<'_, M> {
    /// Returns the error of weights that are of no use.
    pub(super) fn diverged(&self, problem: String) -> Error {
        let checkpoint = self.saved.last().map(|&step| checkpoint::folder(&self.job.options.output, step));
        let (step, learning_rate) = (self.state.global_step, self.progress.learning_rate);
        Error::Diverged { step, problem, learning_rate, checkpoint }
    }

    /// Refuses weights that are of no use: before a checkpoint of them replaces a good one, or they are the finished model.
    ///
    /// Where no evaluation at this step has shown it, a part of the last batch is read once more.
    pub(super) fn prove(&mut self) -> Result<(), M::Error> {
        let step = self.state.global_step;
        let problem = self.learner.not_finite()?.map(|name| format!("`{name}` is not finite after the update"));
        let loss = match &self.last {
            Some((part, totals)) if problem.is_none() && self.proven != Some(step) => {
                self.learner.loss_again(part, *totals)?
            }
            _ => 0.0,
        };
        let problem = problem
            .or_else(|| (!loss.is_finite()).then(|| format!("the loss of the last batch is {loss} after the update")));
        // Ranks have the same weights and other batches.
        if self.job.world.sum(f64::from(u8::from(problem.is_some()))) > 0.0 {
            let elsewhere = || "the loss of another rank's last batch is not a number after the update".to_owned();
            return Err(self.diverged(problem.unwrap_or_else(elsewhere)).into());
        }
        self.proven = Some(step);
        Ok(())
    }

    /// Saves a checkpoint of this step, and deletes those that it makes superfluous.
    pub(super) fn save(&mut self) -> Result<(), M::Error> {
        self.prove()?;
        let (step, options) = (self.state.global_step, self.job.options);
        // A best step without a checkpoint of its own leaves the one before in place.
        let best_before = self.best_saved;
        if let Some(best) = self.state.best_global_step.filter(|best| *best == step || self.saved.contains(best)) {
            self.best_saved = Some(best);
            self.state.best_model_checkpoint = Some(checkpoint::folder(&options.output, best).display().to_string());
        }
        if !self.agenda.after_step(step).save && self.agenda.saves_best_between() {
            let key = options.best.as_ref().map_or("", |best| &best.key);
            self.say(&format!(
                "step {step} is saved although no checkpoint is due: its `{key}` is the best so far, and the best model \
                 is to be loaded at the end"
            ));
        }
        let world = self.job.world;
        if world.is_first() {
            self.write(step)?;
        }
        self.saved.insert(step);
        (self.job.notify)(Event::Saved(&checkpoint::folder(&options.output, step)));
        // One rank looks at what is there, so that all agree on it. Until it says so, no rank goes on.
        let superfluous = if world.is_first() { self.superfluous(step, best_before) } else { Vec::new() };
        Ok(self.delete(same_on_all_ranks::told(world, &superfluous))?)
    }

    /// The checkpoints to delete when that of step `current` is there. `best_before` is that of the best step until now.
    fn superfluous(&self, current: u64, best_before: Option<u64>) -> Vec<u64> {
        let options = self.job.options;
        // A checkpoint between two that were due was there for being the best, and is not any more.
        let between = |step: u64| self.agenda.saves_best_between() && !self.agenda.after_step(step).save;
        let is_surpassed = |step: u64| Some(step) == best_before && Some(step) != self.best_saved && step != current;
        let (surpassed, existing): (Vec<u64>, Vec<u64>) =
            checkpoint::steps(&options.output).into_iter().partition(|&step| is_surpassed(step) && between(step));
        let beyond = match options.keep {
            Keep::All => Vec::new(),
            Keep::Newest(limit) => checkpoint::superfluous(&existing, current, limit, self.best_saved),
            Keep::Best(limit) => {
                let own: Vec<u64> = existing.into_iter().filter(|step| self.saved.contains(step)).collect();
                let ranked = options.best.as_ref().map_or(Vec::new(), |best| best.ranked(&self.state.log_history));
                checkpoint::beyond_the_best(&own, current, limit, &ranked)
            }
        };
        [surpassed, beyond].concat()
    }

    /// Writes the checkpoint of this step.
    fn write(&mut self, step: u64) -> Result<(), M::Error> {
        let (options, ranks) = (self.job.options, self.ranks());
        checkpoint::save(&options.output, step, |folder| -> Result<(), M::Error> {
            (self.job.save)(self.learner.model(), folder)?;
            results::save_arguments(folder, self.job.arguments)?;
            contents::write_state(folder, &self.state)?;
            if options.save_only_model {
                return Ok(());
            }
            self.learner.save_state(&folder.join(contents::OPTIMIZER))?;
            Ok(self.progress.write(folder, ranks, self.course.state())?)
        })?;
        Ok(())
    }

    /// The ranks that share an update.
    pub(super) fn ranks(&self) -> Ranks {
        let Options { batch_size, accumulation, .. } = *self.job.options;
        let ranks = self.job.world.size();
        Ranks { ranks: ranks as u64, examples: (ranks * batch_size * accumulation) as u64 }
    }

    fn delete(&mut self, steps: Vec<u64>) -> Result<(), Error> {
        for step in steps {
            if self.job.world.is_first() {
                checkpoint::delete(&self.job.options.output, step)?;
            }
            self.saved.remove(&step);
            (self.job.notify)(Event::Deleted(&checkpoint::folder(&self.job.options.output, step)));
        }
        Ok(())
    }

    /// Loads the best model that has a checkpoint, if that was asked for and there is one. Says what became of the wish.
    pub(super) fn load_best(&mut self) -> Result<(), M::Error> {
        let options = self.job.options;
        let Some(criterion) = options.best.as_ref().filter(|_| options.times.load_best_at_end) else { return Ok(()) };
        let (key, best) = (&criterion.key, self.state.best_global_step.zip(self.state.best_metric));
        let saved = criterion.ranked(&self.state.log_history).into_iter().find(|step| self.saved.contains(step));
        let saved = self.best_saved.filter(|saved| self.state.best_global_step == Some(*saved)).or(saved);
        let without = match best {
            Some((step, value)) => format!("`{key}` was best at step {step} ({value}), which has no checkpoint"),
            None => format!("no evaluation has a `{key}` that makes a model the best"),
        };
        // A run none of whose evaluations is the best of anything has no best model, whatever was saved.
        let Some(step) = saved.filter(|_| best.is_some()) else {
            let said = format!("no best model is loaded: {without}; the weights are those of the last step");
            self.note(&Note::once(said).important());
            return Ok(());
        };
        let folder = checkpoint::folder(&options.output, step);
        let value = criterion.at(&self.state.log_history, step).unwrap_or(f64::NAN);
        self.learner.reload(&folder)?;
        let shown = folder.display();
        self.best_saved = Some(step);
        self.state.best_model_checkpoint = Some(shown.to_string());
        let note = if self.state.best_global_step == Some(step) {
            Note::once(format!("loaded the best model, `{shown}`: `{key}` is {value}"))
        } else {
            Note::once(format!("loaded the best model that was saved, `{shown}`: `{key}` is {value}; {without}"))
                .important()
        };
        self.note(&note);
        Ok(())
    }

    /// Deletes all checkpoints but the best, where one is to stay.
    pub(super) fn keep_the_best_alone(&mut self) -> Result<(), Error> {
        let options = self.job.options;
        let (Some(best), Keep::Newest(1)) = (self.best_saved, options.keep) else { return Ok(()) };
        // Every rank has read the best one.
        self.job.world.barrier();
        let others = checkpoint::steps(&options.output).into_iter().filter(|&step| step != best).collect();
        if self.job.world.is_first() { self.delete(others) } else { Ok(()) }
    }
}
