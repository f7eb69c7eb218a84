//! The learning rate's course over a run: a function of the step, or of the evaluations.

use crate::error::Error;
use crate::learner::Rate;
use crate::schedule::Schedule;
use crate::schedule::plateau::{self, Plateau};
use crate::trainer::options::Options;
use serde_json::Value;

/// The learning rate's course over a run.
pub(crate) enum Course {
    Scheduled { schedule: Schedule, learning_rate: f64 },
    Following { plateau: Plateau, learning_rate: f64 },
}

impl Course {
    /// The course that the options name, over a run of `total_steps`.
    pub fn new(options: &Options, total_steps: u64) -> Result<Course, Error> {
        let learning_rate = options.learning_rate;
        if options.schedule == plateau::NAME {
            let plateau = Plateau::new(&options.schedule_keywords, learning_rate)?;
            return Ok(Course::Following { plateau, learning_rate });
        }
        let warmup = options.warmup.of_total(total_steps);
        let schedule =
            Schedule::new(&options.schedule, &options.schedule_keywords, learning_rate, warmup, total_steps)?;
        Ok(Course::Scheduled { schedule, learning_rate })
    }

    /// The rate of the update after `step` updates.
    pub fn at(&self, step: u64) -> Rate {
        match self {
            Course::Scheduled { schedule, learning_rate } => Rate::scheduled(*learning_rate, schedule.multiplier(step)),
            Course::Following { plateau, learning_rate } => {
                Rate { learning_rate: plateau.learning_rate(), multiplier: plateau.learning_rate() / learning_rate }
            }
        }
    }

    /// Takes in the metric of an evaluation.
    pub fn observe(&mut self, metric: f64) {
        if let Course::Following { plateau, .. } = self {
            plateau.observe(metric);
        }
    }

    /// Whether the course takes a higher metric for a better one; `None` where it follows no metric.
    pub fn rising_is_better(&self) -> Option<bool> {
        match self {
            Course::Scheduled { .. } => None,
            Course::Following { plateau, .. } => Some(plateau.rising_is_better()),
        }
    }

    /// What a checkpoint keeps of the course.
    pub fn state(&self) -> Value {
        match self {
            Course::Scheduled { .. } => Value::Null,
            Course::Following { plateau, .. } => plateau.to_json(),
        }
    }

    /// Takes back what [`Course::state`] returned. `None` if it is the state of another kind of course.
    pub fn restore(&mut self, state: &Value) -> Option<()> {
        match self {
            Course::Scheduled { .. } => Some(()),
            Course::Following { plateau, .. } => plateau.restore(state),
        }
    }
}
