//! What is due after a step and after an epoch: logs, evaluations, checkpoints.

use crate::error::Error;
use crate::trainer::plan::Amount;

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
                return Err(Error::Setting(format!("`--{option}` is 0, but should be above 0")));
            }
        }
        if times.evaluation == Every::Never {
            let needs =
                [("--save_strategy best", times.saving == Saving::Best), ("--eval_on_start", times.eval_on_start)];
            if let Some((option, _)) = needs.into_iter().find(|&(_, set)| set) {
                return Err(Error::Setting(format!("`{option}` needs evaluations: pass `--eval_strategy`")));
            }
        }
        if times.load_best_at_end {
            agenda.check_best(saving)?;
        }
        Ok(agenda)
    }

    /// Every checkpoint must coincide with an evaluation, or the best model may not be among them.
    fn check_best(&self, saving: Every) -> Result<(), Error> {
        let refuse = |why: String| Err(Error::Setting(format!("`--load_best_model_at_end` {why}")));
        if self.times.saving == Saving::Best {
            return Ok(());
        }
        match (self.times.evaluation, saving) {
            (Every::Epoch, Every::Epoch) => Ok(()),
            (Every::Steps(_), Every::Steps(_)) => match (self.eval_steps, self.save_steps) {
                (Some(eval), Some(save)) if save % eval != 0 => refuse(format!(
                    "needs checkpoints at evaluations: every {save} steps is no multiple of every {eval} steps"
                )),
                _ => Ok(()),
            },
            _ => refuse(
                "needs evaluations and checkpoints at the same times: make `--eval_strategy` and `--save_strategy` equal"
                    .to_owned(),
            ),
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

    /// Whether only the best models are saved.
    pub fn saves_best(&self) -> bool {
        self.times.saving == Saving::Best
    }

    /// Whether there are checkpoints at all.
    pub fn saves(&self) -> bool {
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
            "`--load_best_model_at_end` needs checkpoints at evaluations: every 6 steps is no multiple of every 4 steps"
        );
        assert!(refusal(Times { saving: Saving::Every(Every::Epoch), ..TIMES }).contains("`--eval_strategy`"));
        assert!(Agenda::new(Times { saving: Saving::Best, ..TIMES }, 40).is_ok());
        assert!(Agenda::new(Times { saving: Saving::Every(steps(6)), load_best_at_end: false, ..TIMES }, 40).is_ok());
        assert_eq!(refusal(Times { evaluation: steps(0), ..TIMES }), "`--eval_steps` is 0, but should be above 0");
        let none = Times { evaluation: Every::Never, load_best_at_end: false, ..TIMES };
        assert!(refusal(Times { saving: Saving::Best, ..none }).contains("`--save_strategy best`"));
        assert!(refusal(Times { eval_on_start: true, ..none }).contains("`--eval_on_start`"));
    }

    #[test]
    fn ratios_are_of_the_whole_run_rounded_up() {
        let times = Times { evaluation: Every::Steps(Amount::Ratio(0.3)), load_best_at_end: false, ..TIMES };
        let agenda = Agenda::new(times, 11).unwrap();
        let due: Vec<u64> = (1..=11).filter(|&step| agenda.after_step(step).evaluate).collect();
        assert_eq!(due, [4, 8, 11]);
    }
}
