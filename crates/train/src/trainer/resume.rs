//! A run goes on from a checkpoint.

use crate::checkpoint;
use crate::checkpoint::contents::{self, Progress};
use crate::checkpoint::state::TrainerState;
use crate::schedule::plateau;
use crate::trainable::Trainable;
use crate::trainer::{Event, Run};
use std::path::{Path, PathBuf};
use tagsmith_message::Note;

impl<M: Trainable> Run<'_, M> {
    /// Takes up a run where a checkpoint of it was saved.
    pub(super) fn resume(&mut self, folder: &Path) -> Result<(), M::Error> {
        checkpoint::verify(folder)?;
        let before = contents::read_state(folder)?;
        for difference in contents::differences(&before, &self.state) {
            self.note(&Note::once(difference).important());
        }
        let (mut progress, ranks, schedule) = Progress::read(folder)?;
        let now = self.ranks();
        if let Some(difference) = ranks.and_then(|before| before.difference(now)) {
            self.say(&difference);
        }
        if let Some(difference) = progress.move_to(self.learner.device().name()) {
            self.say(&difference);
        }
        self.course.restore(&schedule).ok_or_else(|| {
            let problem =
                format!("its learning rate did not follow a metric, and `{}` needs its memory", plateau::NAME);
            checkpoint::refusal(folder, problem)
        })?;
        self.learner.reload(folder)?;
        self.learner.load_state(&folder.join(contents::OPTIMIZER))?;
        if self.learner.updates != before.global_step {
            let problem =
                format!("its optimizer is of update {}, its log of {}", self.learner.updates, before.global_step);
            return Err(checkpoint::refusal(folder, problem).into());
        }
        progress.place(before.global_step, self.plan.updates_per_epoch);
        if progress.total_losses == 0 && before.global_step > 0 {
            self.say(&format!(
                "the checkpoint does not hold the losses before it: `train_loss` is of the steps after {}",
                before.global_step
            ));
        }
        self.progress = progress;
        self.take_over(before);
        self.say_if_nothing_is_left();
        (self.job.notify)(Event::Began { plan: &self.plan, step: self.state.global_step });
        Ok(())
    }

    /// Takes over from a checkpoint what happened so far; the options are this run's.
    fn take_over(&mut self, before: TrainerState) {
        let output = &self.job.options.output;
        self.saved = checkpoint::steps(output).into_iter().filter(|&step| step <= before.global_step).collect();
        self.best_saved = before.best_global_step.filter(|best| self.saved.contains(best));
        if let Some(lost) = before.best_model_checkpoint.as_ref().filter(|_| self.best_saved.is_none()) {
            let said = format!("the best checkpoint so far, `{lost}`, is not there any more");
            self.note(&Note::once(said).important());
        }
        let best_folder = self.best_saved.map(|best| checkpoint::folder(&self.job.options.output, best));
        self.call.first_step = before.global_step;
        let state = &mut self.state;
        if let (Some(early), Some(earlier)) = (&mut state.early_stopping, before.early_stopping) {
            early.without_improvement = earlier.without_improvement;
        }
        state.stopping =
            before.global_step >= self.plan.total_steps || state.early_stopping.is_some_and(|early| early.exhausted());
        state.best_metric = before.best_metric;
        state.best_global_step = before.best_global_step;
        state.best_model_checkpoint = best_folder.map(|folder: PathBuf| folder.display().to_string());
        state.epoch = before.epoch;
        state.global_step = before.global_step;
        state.total_flos = before.total_flos;
        state.log_history = before.log_history;
    }

    /// Says where the checkpoint is the end of the run.
    fn say_if_nothing_is_left(&mut self) {
        let (step, total) = (self.state.global_step, self.plan.total_steps);
        let why = match self.state.early_stopping {
            _ if step > total => format!("the checkpoint is of step {step}, and the run has {}", steps(total)),
            _ if step == total => format!("the checkpoint is of step {step}, the last one"),
            Some(early) if early.exhausted() => format!("the run stopped early at step {step}"),
            _ => return,
        };
        self.say(&format!("nothing is left to train: {why}; the results are written again"));
    }
}

fn steps(count: u64) -> String {
    tagsmith_message::counted(count as usize, "step")
}
