//! What is due after a step and after an epoch: logs, evaluations, checkpoints.

use crate::error::Error;
use crate::trainer::plan::Amount;
use tagsmith_message::{Remedy, Setting, counted};

/// How often something happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    /// Not at all.
    Never,
    /// Each time so many updates are made.
    Steps(Amount),
    /// At the end of each epoch.
    Epoch,
}

/// How often checkpoints are saved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Saving {
    /// Regularly, or never.
    Every(Every),
    /// After each evaluation that is better than all before.
    Best,
}

/// When things happen, as the options say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Training records.
    pub logging: Every,
    /// Whether the first step is logged in any case.
    pub logging_first_step: bool,
    /// Evaluations.
    pub evaluation: Every,
    /// Steps or epochs (as `evaluation` counts) before the first one.
    pub eval_delay: f64,
    /// Whether to evaluate before the first step.
    pub eval_on_start: bool,
    /// Checkpoints.
    pub saving: Saving,
    /// Whether the best model is to be loaded at the end.
    pub load_best_at_end: bool,
    /// Whether a model that is to be loaded at the end is saved when it is the best so far and no checkpoint is due. The
    /// Trainer does not, and may then have no best model to load.
    pub save_best_between: bool,
}

impl Times {
    /// Refuses times that cannot do what they ask for, whatever the run's length.
    pub fn check(&self) -> Result<(), Error> {
        if self.evaluation == Every::Never {
            let needs = [
                ("only the best models are to be saved", self.saving == Saving::Best),
                ("the model is to be evaluated before the first step", self.eval_on_start),
            ];
            if let Some((what, _)) = needs.into_iter().find(|&(_, set)| set) {
                let problem = format!("{what}, but the run has no evaluations");
                return Err(Error::with_remedy(problem, Remedy::set(Setting::EvalStrategy)));
            }
        }
        let coincide = match (self.evaluation, self.saving) {
            (_, Saving::Best) | (Every::Epoch, Saving::Every(Every::Epoch)) => true,
            (Every::Steps(Amount::Steps(eval)), Saving::Every(Every::Steps(Amount::Steps(save)))) => {
                eval == 0 || save % eval == 0
            }
            // Parts of a run become steps when its length is known.
            (Every::Steps(_), Saving::Every(Every::Steps(_))) => true,
            _ => false,
        };
        if !self.load_best_at_end || coincide {
            return Ok(());
        }
        let Saving::Every(saving) = self.saving else { unreachable!("the best models are saved at evaluations") };
        Err(Error::with_remedy(
            format!(
                "the best model is to be loaded at the end, which needs an evaluation at each checkpoint, but checkpoints \
                 come {} and evaluations {}",
                saving.words(),
                self.evaluation.words()
            ),
            Remedy::Set(vec![Setting::EvalStrategy, Setting::SaveStrategy]).so_as("so that they come together"),
        ))
    }
}

impl Every {
    /// How often, in words.
    fn words(self) -> String {
        match self {
            Every::Never => "never".to_owned(),
            Every::Steps(Amount::Steps(steps)) => format!("every {}", counted(steps as usize, "step")),
            Every::Steps(Amount::Ratio(part)) => format!("after each {part} of the run"),
            Every::Epoch => "once an epoch".to_owned(),
        }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// A training record.
    pub log: bool,
    /// An evaluation.
    pub evaluate: bool,
    /// A checkpoint.
    pub save: bool,
}

/// The options' times in the steps of one run.
#[derive(Clone, Copy, Debug)]
pub struct Agenda {
    times: Times,
    /// Steps between records, if steps decide.
    pub logging_steps: Option<u64>,
    /// Steps between evaluations, if steps decide.
    pub eval_steps: Option<u64>,
    /// Steps between checkpoints, if steps decide; 0 saves at the end alone.
    pub save_steps: Option<u64>,
    total_steps: u64,
}

impl Agenda {
    /// Resolves ratios; refuses combinations that cannot do what they ask for.
    pub fn new(times: Times, total_steps: u64) -> Result<Agenda, Error> {
        let steps = |every: Every| match every {
            Every::Steps(amount) => Some(amount.of_total(total_steps)),
            _ => None,
        };
        let saving = match times.saving {
            Saving::Every(every) => every,
            Saving::Best => Every::Never,
        };
        let (logging_steps, eval_steps) = (steps(times.logging), steps(times.evaluation));
        let agenda = Agenda { times, logging_steps, eval_steps, save_steps: steps(saving), total_steps };
        for (steps, option) in [(logging_steps, "logging_steps"), (eval_steps, "eval_steps")] {
            if steps == Some(0) {
                return Err(Error::setting(format!("`{option}` is 0, but should be above 0")));
            }
        }
        times.check()?;
        agenda.check_best()?;
        Ok(agenda)
    }

    /// Every checkpoint must coincide with an evaluation, or the best model may not be among them.
    fn check_best(&self) -> Result<(), Error> {
        match (self.eval_steps, self.save_steps) {
            (Some(eval), Some(save)) if self.times.load_best_at_end && save % eval != 0 => Err(Error::with_remedy(
                format!(
                    "the best model is to be loaded at the end, but checkpoints come every {save} steps and evaluations \
                     every {eval}"
                ),
                Remedy::set(Setting::SaveSteps).so_as(format!("with a multiple of {eval}")),
            )),
            _ => Ok(()),
        }
    }

    /// What is due after update number `step`.
    pub fn after_step(&self, step: u64) -> Due {
        let falls = |every: Option<u64>| every.is_some_and(|steps| steps > 0 && step.is_multiple_of(steps));
        let last = step >= self.total_steps;
        Due {
            log: falls(self.logging_steps) || (step == 1 && self.times.logging_first_step),
            evaluate: self.eval_steps.is_some()
                && (falls(self.eval_steps) || last)
                && self.times.eval_delay <= step as f64,
            save: falls(self.save_steps) || (last && self.save_steps.is_some()),
        }
    }

    /// What is due when an epoch ends, or the run ends inside it.
    pub fn after_epoch(&self, epoch: f64) -> Due {
        Due {
            log: self.times.logging == Every::Epoch,
            evaluate: self.times.evaluation == Every::Epoch && self.times.eval_delay <= epoch,
            save: self.times.saving == Saving::Every(Every::Epoch),
        }
    }

    /// Whether to evaluate before the first step.
    pub fn on_start(&self) -> bool {
        self.times.eval_on_start
    }

    /// Whether to save after an evaluation.
    pub fn saves(&self, due: Due, is_best: bool) -> bool {
        match self.times.saving {
            Saving::Best => is_best,
            Saving::Every(_) => due.save || is_best && self.saves_best_between(),
        }
    }

    /// Whether the best model is saved although no checkpoint is due.
    pub fn saves_best_between(&self) -> bool {
        self.times.save_best_between && self.times.load_best_at_end && self.save_steps.is_some()
    }

    /// Whether there are checkpoints at all.
    pub fn ever_saves(&self) -> bool {
        self.times.saving != Saving::Every(Every::Never)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: Times = Times {
        logging: Every::Never,
        logging_first_step: false,
        evaluation: Every::Steps(Amount::Steps(4)),
        eval_delay: 0.0,
        eval_on_start: false,
        saving: Saving::Every(Every::Steps(Amount::Steps(8))),
        load_best_at_end: true,
        save_best_between: true,
    };

    fn refusal(times: Times) -> String {
        Agenda::new(times, 40).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn combinations_that_cannot_work_are_refused() {
        let steps = |steps| Every::Steps(Amount::Steps(steps));
        assert!(Agenda::new(TIMES, 40).is_ok());
        assert_eq!(
            refusal(Times { saving: Saving::Every(steps(6)), ..TIMES }),
            "the best model is to be loaded at the end, which needs an evaluation at each checkpoint, but checkpoints come \
             every 6 steps and evaluations every 4 steps"
        );
        assert!(
            refusal(Times { saving: Saving::Every(Every::Epoch), ..TIMES })
                .ends_with("come once an epoch and evaluations every 4 steps")
        );
        let never = Times { evaluation: Every::Never, ..TIMES };
        assert!(refusal(never).ends_with("every 8 steps and evaluations never"));
        assert!(never.check().unwrap_err().remedy().is_some());
        let epochs = Times { evaluation: Every::Epoch, saving: Saving::Every(Every::Epoch), ..TIMES };
        assert!(epochs.check().is_ok() && Times { saving: Saving::Best, ..epochs }.check().is_ok());
        // A part of the run is known with its length: 0.2 of 40 steps are 8, and 10 is not a multiple.
        let part = Times { evaluation: Every::Steps(Amount::Ratio(0.2)), saving: Saving::Every(steps(10)), ..TIMES };
        assert!(part.check().is_ok());
        assert!(refusal(part).ends_with("checkpoints come every 10 steps and evaluations every 8"));
        assert!(Agenda::new(Times { saving: Saving::Best, ..TIMES }, 40).is_ok());
        assert!(Agenda::new(Times { saving: Saving::Every(steps(6)), load_best_at_end: false, ..TIMES }, 40).is_ok());
        assert_eq!(refusal(Times { evaluation: steps(0), ..TIMES }), "`eval_steps` is 0, but should be above 0");
        let none = Times { evaluation: Every::Never, load_best_at_end: false, ..TIMES };
        assert!(refusal(Times { saving: Saving::Best, ..none }).contains("only the best models are to be saved"));
        assert!(refusal(Times { eval_on_start: true, ..none }).contains("before the first step"));
    }

    #[test]
    fn ratios_are_of_the_whole_run_rounded_up() {
        let times = Times { evaluation: Every::Steps(Amount::Ratio(0.3)), load_best_at_end: false, ..TIMES };
        let agenda = Agenda::new(times, 11).unwrap();
        let due: Vec<u64> = (1..=11).filter(|&step| agenda.after_step(step).evaluate).collect();
        assert_eq!(due, [4, 8, 11]);
    }

    #[test]
    fn the_best_is_saved_between_checkpoints_if_it_is_to_be_loaded() {
        let saves = |times: Times, step, is_best| {
            let agenda = Agenda::new(times, 40).unwrap();
            agenda.saves(agenda.after_step(step), is_best)
        };
        assert!(saves(TIMES, 4, true) && !saves(TIMES, 4, false) && saves(TIMES, 8, false));
        assert!(!saves(Times { save_best_between: false, ..TIMES }, 4, true), "the Trainer's way");
        assert!(!saves(Times { load_best_at_end: false, ..TIMES }, 4, true));
        let best = Times { saving: Saving::Best, ..TIMES };
        assert!(saves(best, 4, true) && !saves(best, 8, false));
    }
}
