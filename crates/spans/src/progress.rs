//! Where a run is, in a checkpoint.

use crate::error::Error;
use serde_json::{Value, json};
use std::path::Path;

const PROGRESS: &str = "loop_state.json";

/// Where a run is; with the weights and the moments all that going on needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    pub(crate) step: u64,
    pub(crate) epoch: u64,
    /// Batches of the epoch that each rank looked at.
    pub(crate) batch: usize,
    pub(crate) loss: f64,
    pub(crate) losses: u64,
    pub(crate) best_f1: f64,
    pub(crate) best_step: Option<u64>,
    pub(crate) without_improvement: u64,
    /// F1 of each checkpoint.
    pub(crate) scores: Vec<(u64, f64)>,
    pub(crate) stopping: bool,
}

impl Progress {
    pub(crate) fn write(&self, folder: &Path, ranks: usize) -> Result<(), Error> {
        let path = folder.join(PROGRESS);
        let value = json!({
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "loss": self.loss,
            "losses": self.losses,
            "best_f1": self.best_f1,
            "best_step": self.best_step,
            "without_improvement": self.without_improvement,
            "scores": self.scores,
            "stopping": self.stopping,
            "ranks": ranks,
        });
        let text = serde_json::to_string_pretty(&value).expect("a JSON value always prints");
        std::fs::write(&path, text + "\n").map_err(|source| Error::Io { path, source })
    }

    /// Reads it back, and how many ranks there were.
    pub(crate) fn read(folder: &Path) -> Result<(Progress, u64), Error> {
        let path = folder.join(PROGRESS);
        let value = Value::Object(tagsmith_files::json_fields::read_object(&path)?);
        let read = || {
            let scores = value["scores"].as_array()?.iter();
            Some(Progress {
                step: value["step"].as_u64()?,
                epoch: value["epoch"].as_u64()?,
                batch: value["batch"].as_u64()? as usize,
                loss: value["loss"].as_f64()?,
                losses: value["losses"].as_u64()?,
                best_f1: value["best_f1"].as_f64()?,
                best_step: value["best_step"].as_u64(),
                without_improvement: value["without_improvement"].as_u64()?,
                scores: scores.map(|pair| Some((pair[0].as_u64()?, pair[1].as_f64()?))).collect::<Option<_>>()?,
                stopping: value["stopping"].as_bool()?,
            })
        };
        let ranks = value["ranks"].as_u64().unwrap_or(1);
        read()
            .map(|progress| (progress, ranks))
            .ok_or_else(|| Error::at(&path, "is not what tagsmith writes: resume from another checkpoint"))
    }
}
