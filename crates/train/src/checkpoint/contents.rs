//! What a run's checkpoint holds, and how a run takes it back.

use crate::checkpoint::refusal;
use crate::checkpoint::state::{FILE as STATE, TrainerState};
use crate::error::Error;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;
use tagsmith_files::python_json;
use tagsmith_message::counted;

/// The moments and the update count. The Trainer's `optimizer.pt` is a Python pickle, which no other program can
/// write with confidence or read with safety.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// What resuming needs beyond that; the Trainer forgets it.
const PROGRESS: &str = "loop_state.json";

/// Writes the state as the Trainer does while it is saving.
pub(crate) fn write_state(folder: &Path, state: &TrainerState) -> Result<(), Error> {
    let path = folder.join(STATE);
    fs::write(&path, state.to_json(true)).map_err(Error::at(&path))
}

/// Reads the state of a checkpoint.
///
/// # Errors
/// A checkpoint without one, or a file that holds something else.
pub(crate) fn read_state(folder: &Path) -> Result<TrainerState, Error> {
    let path = folder.join(STATE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let problem = format!("it has no `{STATE}`: another program or an earlier version of this one saved it");
            return Err(refusal(folder, problem));
        }
        text => text.map_err(Error::at(&path))?,
    };
    TrainerState::from_json(&text).map_err(|problem| refusal(folder, format!("`{STATE}` {problem}")))
}

/// Returns a note for each difference between the run that saved a checkpoint and the run that resumes it.
pub(crate) fn differences(before: &TrainerState, now: &TrainerState) -> Vec<String> {
    let pairs = [
        ("a batch of", "example", before.train_batch_size, now.train_batch_size),
        ("records every", "step", before.logging_steps, now.logging_steps),
        ("evaluations every", "step", before.eval_steps, now.eval_steps),
        ("checkpoints every", "step", before.save_steps, now.save_steps),
        ("a run of", "step", before.max_steps, now.max_steps),
    ];
    let differing = pairs.into_iter().filter(|(.., before, now)| before != now);
    let say = |(what, noun, before, now): (&str, &str, u64, u64)| {
        let [was, is] = [before, now].map(|count| format!("{what} {}", counted(count as usize, noun)));
        format!("the checkpoint is of {was}, this is {is}: the run differs from one without interruption")
    };
    differing.map(say).collect()
}

/// The ranks that share an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranks {
    /// Number of ranks.
    pub ranks: u64,
    /// Examples of an update, on all ranks.
    pub examples: u64,
}

impl Ranks {
    /// Says what another number of ranks means for the rest of the run.
    pub fn difference(self, now: Ranks) -> Option<String> {
        if self.ranks == now.ranks {
            return None;
        }
        let ranks = |ranks: Ranks| counted(ranks.ranks as usize, "rank");
        let examples = |ranks: Ranks| counted(ranks.examples as usize, "example");
        let (was, is) = (ranks(self), ranks(now));
        Some(match self.examples == now.examples {
            true => format!(
                "the checkpoint is of {was}, this is {is}: an update is of {} as before, in the same order, and sums \
                 are rounded otherwise",
                examples(now)
            ),
            false => format!(
                "the checkpoint is of {was} and {} an update, this is {is} and {}: steps stay steps, so that the \
                 epoch goes on at another example; updates of {} would change nothing",
                examples(self),
                now.examples,
                examples(self)
            ),
        })
    }
}

/// The part of a run's state that `trainer_state.json` leaves out and resuming needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// The sum of the losses since the last training record.
    pub loss: f64,
    /// How many they are.
    pub losses: u64,
    /// The sum of the losses of all steps of the run.
    pub total_loss: f64,
    /// How many those are; 0 after steps whose losses an earlier version forgot.
    pub total_losses: u64,
    /// The step of the last training record.
    pub last_logged: u64,
    /// Gradient norm of the last step.
    pub grad_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Whether what is due at the end of an epoch was begun after the last step.
    pub epoch_ended: bool,
    /// The epoch that the next update is of, unless it has no more.
    pub epoch: u64,
    /// Updates made of that epoch.
    pub updates: u64,
    /// Updates of an epoch in the run's plan.
    pub updates_per_epoch: u64,
    /// What the run computes on: see [`Device::name`](tagsmith_kernel::Device::name). Empty if an earlier version saved it.
    pub device: String,
}

impl Progress {
    /// Takes its place in a run whose epochs have `updates_per_epoch` updates, after `step` updates.
    ///
    /// Where epochs had another length, steps stay steps, as the Trainer counts them: the place in the data is another.
    /// An epoch whose end is still to come is not over.
    pub fn place(&mut self, step: u64, updates_per_epoch: u64) {
        if self.updates_per_epoch == updates_per_epoch {
            return;
        }
        self.updates_per_epoch = updates_per_epoch;
        (self.epoch, self.updates) = (step / updates_per_epoch, step % updates_per_epoch);
        if step > 0 && self.updates == 0 && !self.epoch_ended {
            (self.epoch, self.updates) = (self.epoch - 1, updates_per_epoch);
        }
    }

    /// Says what it means for the rest of the run that it computes on a device of this name from here on.
    pub fn move_to(&mut self, device: String) -> Option<String> {
        let before = std::mem::replace(&mut self.device, device);
        (!before.is_empty() && before != self.device).then(|| {
            format!(
                "the checkpoint was computed on {before}, this run computes on {}: sums are rounded otherwise",
                self.device
            )
        })
    }

    pub fn write(&self, folder: &Path, ranks: Ranks, schedule: Value) -> Result<(), Error> {
        let path = folder.join(PROGRESS);
        let value = json!({
            "loss": self.loss,
            "losses": self.losses,
            "total_loss": self.total_loss,
            "total_losses": self.total_losses,
            "last_logged": self.last_logged,
            "grad_norm": self.grad_norm,
            "learning_rate": self.learning_rate,
            "epoch_ended": self.epoch_ended,
            "epoch": self.epoch,
            "updates": self.updates,
            "updates_per_epoch": self.updates_per_epoch,
            "device": self.device,
            "ranks": ranks.ranks,
            "sentences_per_update": ranks.examples,
            "schedule": schedule,
        });
        fs::write(&path, python_json::json(&value, 2) + "\n").map_err(Error::at(&path))
    }

    /// Reads the progress of a checkpoint, the ranks that shared an update, where the file says it, and the state of the
    /// schedule.
    pub fn read(folder: &Path) -> Result<(Progress, Option<Ranks>, Value), Error> {
        let Ok(text) = fs::read_to_string(folder.join(PROGRESS)) else {
            let problem = format!("it has no `{PROGRESS}`: it was saved for use alone (`save_only_model`)");
            return Err(refusal(folder, problem));
        };
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        let read = || {
            Some(Progress {
                loss: value["loss"].as_f64()?,
                losses: value["losses"].as_u64()?,
                last_logged: value["last_logged"].as_u64()?,
                grad_norm: value["grad_norm"].as_f64()?,
                learning_rate: value["learning_rate"].as_f64()?,
                epoch_ended: value["epoch_ended"].as_bool()?,
                // Files of earlier versions leave these out.
                total_loss: value["total_loss"].as_f64().unwrap_or(0.0),
                total_losses: value["total_losses"].as_u64().unwrap_or(0),
                // Files of the first versions leave these out: the steps then say where the run is.
                epoch: value["epoch"].as_u64().unwrap_or(0),
                updates: value["updates"].as_u64().unwrap_or(0),
                updates_per_epoch: value["updates_per_epoch"].as_u64().unwrap_or(0),
                device: value["device"].as_str().unwrap_or("").to_owned(),
            })
        };
        let progress = read().ok_or_else(|| refusal(folder, format!("`{PROGRESS}` is not what tagsmith writes")))?;
        let ranks = value["ranks"].as_u64().zip(value["sentences_per_update"].as_u64());
        Ok((progress, ranks.map(|(ranks, examples)| Ranks { ranks, examples }), value["schedule"].clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let progress = Progress {
            loss: 0.1 + 0.2,
            losses: 7,
            total_loss: 0.7 + 0.1,
            total_losses: 11,
            last_logged: 12,
            grad_norm: f64::from(0.1_f32),
            learning_rate: 5e-5 / 3.0,
            epoch_ended: true,
            epoch: 3,
            updates: 2,
            updates_per_epoch: 5,
            device: "a GPU".into(),
        };
        let ranks = Ranks { ranks: 4, examples: 32 };
        progress.write(folder.path(), ranks, json!({"best": 1e-7})).unwrap();
        let read = Progress::read(folder.path()).unwrap();
        assert_eq!(read, (progress, Some(ranks), json!({"best": 1e-7})));
        fs::write(folder.path().join(PROGRESS), "{}").unwrap();
        assert!(Progress::read(folder.path()).unwrap_err().to_string().contains("not what tagsmith writes"));
        fs::remove_file(folder.path().join(PROGRESS)).unwrap();
        assert!(Progress::read(folder.path()).unwrap_err().to_string().contains("save_only_model"));
    }

    #[test]
    fn another_device_is_said() {
        let mut progress = Progress::default();
        assert_eq!(progress.move_to("cpu".into()), None, "an earlier version did not say it");
        assert_eq!(progress.move_to("cpu".into()), None);
        let said = progress.move_to("NVIDIA X".into()).unwrap();
        let want = "the checkpoint was computed on cpu, this run computes on NVIDIA X: sums are rounded otherwise";
        assert_eq!(said, want);
    }

    #[test]
    fn another_number_of_ranks_is_said() {
        let ranks = |ranks, examples| Ranks { ranks, examples };
        assert_eq!(ranks(2, 16).difference(ranks(2, 32)), None);
        let same = ranks(4, 32).difference(ranks(1, 32)).unwrap();
        assert!(same.starts_with("the checkpoint is of 4 ranks, this is 1 rank: an update is of 32"), "{same}");
        let other = ranks(4, 32).difference(ranks(2, 16)).unwrap();
        assert!(other.contains("4 ranks and 32 examples an update, this is 2 ranks and 16"), "{other}");
        assert!(other.ends_with("updates of 32 examples would change nothing"), "{other}");
    }

    #[test]
    fn an_epoch_whose_end_is_to_come_is_not_over() {
        let check = |step, epoch_ended, want| {
            let mut progress = Progress { epoch_ended, ..Progress::default() };
            progress.place(step, 3);
            assert_eq!((progress.epoch, progress.updates), want);
            // A run whose epochs are as long as before goes on where it was.
            let mut same = Progress { epoch: 9, updates: 1, updates_per_epoch: 3, ..progress };
            same.place(step, 3);
            assert_eq!((same.epoch, same.updates), (9, 1));
        };
        check(0, false, (0, 0));
        check(2, false, (0, 2));
        check(3, false, (0, 3));
        check(3, true, (1, 0));
        check(7, false, (2, 1));
    }
}
