//! How many batches, updates and epochs a run has.

use crate::error::Error;
use tagsmith_message::{Remedy, Setting, Wording, counted};

/// A number of steps, or a part of the run's steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many steps.
    Steps(u64),
    /// This part of all steps, between 0 and 1, rounded up.
    Ratio(f64),
}

impl Amount {
    /// Reads a number that is a ratio below 1 and a count from 1 on (`--warmup_steps`, `--logging_steps`, …).
    pub fn of(option: &str, value: f64) -> Result<Amount, Error> {
        if !value.is_finite() || value < 0.0 {
            return Err(Error::setting(format!("`{option}` is {value}, but should be 0 or more")));
        }
        Ok(if value > 0.0 && value < 1.0 { Amount::Ratio(value) } else { Amount::Steps(value as u64) })
    }

    /// Returns the steps that it means in a run of `total`.
    pub fn of_total(self, total: u64) -> u64 {
        match self {
            Amount::Steps(steps) => steps,
            Amount::Ratio(ratio) => (total as f64 * ratio).ceil() as u64,
        }
    }
}

/// The numbers that decide a run's length.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// N, training examples.
    pub examples: usize,
    /// Examples a batch.
    pub batch_size: usize,
    /// Batches an update.
    pub accumulation: usize,
    /// Whether an epoch's last, smaller batch is left out.
    pub drop_last: bool,
    /// Passes over the data; a fraction stops inside the last one.
    pub epochs: f64,
    /// Updates, instead of epochs.
    pub max_steps: Option<u64>,
    /// Ranks that share an update.
    pub ranks: usize,
}

/// A run's length in every unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// L, batches an epoch on each rank.
    pub batches_per_epoch: u64,
    /// U, updates an epoch.
    pub updates_per_epoch: u64,
    /// T, updates in all.
    pub total_steps: u64,
    /// Epochs begun, the last perhaps not finished.
    pub epochs: u64,
    /// Examples seen in all, as the throughput figures count them.
    pub samples: f64,
}

impl Plan {
    /// Counts. Refuses a run without a step.
    pub fn new(extent: &Extent) -> Result<Plan, Error> {
        let Extent { examples, batch_size, accumulation, drop_last, epochs, max_steps, ranks } = *extent;
        let round = batch_size * ranks;
        if batch_size == 0 || accumulation == 0 {
            return Err(Error::setting("the batch size and the gradient accumulation should be at least 1"));
        }
        if examples == 0 {
            return Err(Error::setting("there is nothing to train on"));
        }
        let batches = if drop_last { examples / round } else { examples.div_ceil(round) } as u64;
        if batches == 0 {
            let on_ranks = if ranks > 1 { format!(" on {ranks} ranks") } else { String::new() };
            let smaller = Remedy::set(Setting::BatchSize).so_as("with a smaller number");
            return Err(Error::with_remedy(
                Wording::new(
                    "{} {fills|fill} no batch of {}{}, and an epoch's last, smaller batch is dropped",
                    &[&counted(examples, "example"), &batch_size, &on_ranks],
                )
                .of(examples),
                Remedy::AnyOf(vec![Remedy::Unset(Setting::DropLast), smaller]),
            ));
        }
        let updates = batches.div_ceil(accumulation as u64);
        let total = match max_steps {
            Some(steps) => steps,
            None => (epochs * updates as f64).ceil() as u64,
        };
        if total == 0 || !epochs.is_finite() {
            return Err(Error::setting(format!("the run of {epochs} epochs has no step: there is nothing to train")));
        }
        Ok(Plan {
            batches_per_epoch: batches,
            updates_per_epoch: updates,
            total_steps: total,
            epochs: match max_steps {
                Some(steps) => steps.div_ceil(updates),
                None => epochs.ceil() as u64,
            },
            samples: match max_steps {
                Some(steps) => (steps * (round * accumulation) as u64) as f64,
                None => examples as f64 * epochs,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tagsmith_testkit::golden::trainer as golden;

    fn extent(row: &Value) -> Extent {
        Extent {
            examples: row["n"].as_u64().unwrap() as usize,
            batch_size: row["batch"].as_u64().unwrap() as usize,
            accumulation: row["accumulation"].as_u64().unwrap() as usize,
            drop_last: row["drop_last"].as_bool().unwrap(),
            epochs: row["epochs"].as_f64().unwrap(),
            max_steps: row["max_steps"].as_u64(),
            ranks: 1,
        }
    }

    #[test]
    fn counts_are_the_trainers() {
        let (mut floored_updates, mut floored_warmups) = (0, 0);
        for row in golden::rows("plans") {
            let count = |key: &str| row[key].as_u64().unwrap();
            let plan = Plan::new(&extent(&row)).unwrap();
            assert_eq!(
                (plan.batches_per_epoch, plan.updates_per_epoch, plan.total_steps, plan.epochs),
                (count("batches_per_epoch"), count("updates_per_epoch"), count("total_steps"), count("loop_epochs")),
                "{row}"
            );
            assert_eq!(plan.samples, row["train_samples"].as_f64().unwrap(), "{row}");

            let warmup = row["warmup"].as_f64().unwrap();
            let steps = Amount::of("warmup_steps", warmup).unwrap().of_total(plan.total_steps);
            assert_eq!(steps, count("warmup_steps"), "{row}");
            for i in 0..3 {
                let amount = Amount::of("x", row["steps"][i].as_f64().unwrap()).unwrap();
                assert_eq!(amount.of_total(plan.total_steps), row["resolved"][i].as_u64().unwrap(), "{row}");
            }

            // Wrong twins: updates and warm-up rounded down.
            let floored = (count("batches_per_epoch") / count("accumulation")).max(1);
            floored_updates += usize::from(floored != count("updates_per_epoch"));
            let floored = if warmup < 1.0 { (warmup * plan.total_steps as f64) as u64 } else { warmup as u64 };
            floored_warmups += usize::from(floored != count("warmup_steps"));
        }
        assert!(floored_updates > 5 && floored_warmups > 2, "the twins pass");
    }

    #[test]
    fn runs_without_a_step_are_refused() {
        let three = Extent {
            examples: 3,
            batch_size: 8,
            accumulation: 1,
            drop_last: false,
            epochs: 1.0,
            max_steps: None,
            ranks: 1,
        };
        let refusal = |extent: Extent| Plan::new(&extent).unwrap_err().to_string();
        assert_eq!(
            refusal(Extent { drop_last: true, ..three }),
            "3 examples fill no batch of 8, and an epoch's last, smaller batch is dropped"
        );
        assert_eq!(refusal(Extent { examples: 0, ..three }), "there is nothing to train on");
        assert!(refusal(Extent { epochs: 0.0, ..three }).contains("0 epochs"));
        assert!(refusal(Extent { epochs: -1.0, ..three }).contains("-1 epochs"));
        assert!(refusal(Extent { epochs: f64::NAN, ..three }).contains("NaN epochs"));
        assert!(Amount::of("warmup_steps", -0.5).unwrap_err().to_string().contains("`warmup_steps` is -0.5"));
    }
}
