//! trainer_state.json: where a run is and what it has logged.

use crate::error::Error;
use serde_json::{Map, Value, json};
use std::path::Path;
use tagsmith_files::{atomic_write, python_json};

/// The name of the file, in a checkpoint and in the folder of a finished model.
pub(crate) const FILE: &str = "trainer_state.json";

/// A log record: names and numbers in the order they were logged.
pub type Record = Map<String, Value>;

/// Where a run is and what it has logged, in the Trainer's words.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainerState {
    /// The best value of the metric that chooses the best model.
    pub best_metric: Option<f64>,
    /// The step of that evaluation, if checkpoints are saved.
    pub best_global_step: Option<u64>,
    /// The checkpoint of that evaluation, if there is one.
    pub best_model_checkpoint: Option<String>,
    /// Epochs done, with a fraction.
    pub epoch: f64,
    /// Updates done.
    pub global_step: u64,
    /// T, updates of the whole run.
    pub max_steps: u64,
    /// Epochs begun in the whole run.
    pub num_train_epochs: u64,
    /// Examples a batch.
    pub train_batch_size: u64,
    /// Steps between logs; 500 if unused.
    pub logging_steps: u64,
    /// Steps between evaluations; 500 if unused.
    pub eval_steps: u64,
    /// Steps between checkpoints; 500 if unused.
    pub save_steps: u64,
    /// 6 × pieces with padding × parameters outside embedding tables, summed over batches.
    pub total_flos: f64,
    /// Patience, threshold and the evaluations without improvement, if the run may stop early.
    pub early_stopping: Option<EarlyStoppingState>,
    /// Whether the run is over.
    pub stopping: bool,
    /// Every record logged.
    pub log_history: Vec<Record>,
}

/// The early stopping of a run, as its state file has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStoppingState {
    /// Evaluations without improvement after which to stop.
    pub patience: u64,
    /// Improvements up to this do not count.
    pub threshold: f64,
    /// Evaluations without improvement so far.
    pub without_improvement: u64,
}

impl TrainerState {
    /// The file's text.
    ///
    /// # Source
    /// transformers 5.23 `TrainerState.save_to_json`: two spaces, sorted keys, a newline at the end.
    pub fn to_json(&self, saving: bool) -> String {
        let mut callbacks = Map::new();
        if let Some(early) = self.early_stopping {
            callbacks.insert(
                "EarlyStoppingCallback".to_owned(),
                json!({
                    "args": {
                        "early_stopping_patience": early.patience,
                        "early_stopping_threshold": early.threshold,
                    },
                    "attributes": {"early_stopping_patience_counter": early.without_improvement},
                }),
            );
        }
        callbacks.insert(
            "TrainerControl".to_owned(),
            json!({
                "args": {
                    "should_epoch_stop": false,
                    "should_evaluate": false,
                    "should_log": false,
                    "should_save": saving,
                    "should_training_stop": self.stopping,
                },
                "attributes": {},
            }),
        );
        let state = json!({
            "best_global_step": self.best_global_step,
            "best_metric": self.best_metric,
            "best_model_checkpoint": self.best_model_checkpoint,
            "epoch": self.epoch,
            "eval_steps": self.eval_steps,
            "global_step": self.global_step,
            "is_hyper_param_search": false,
            "is_local_process_zero": true,
            "is_world_process_zero": true,
            "log_history": self.log_history,
            "logging_steps": self.logging_steps,
            "max_steps": self.max_steps,
            "num_input_tokens_seen": 0,
            "num_train_epochs": self.num_train_epochs,
            "save_steps": self.save_steps,
            "stateful_callbacks": callbacks,
            "total_flos": self.total_flos,
            "train_batch_size": self.train_batch_size,
            "trial_name": null,
            "trial_params": null,
        });
        python_json::json(&state, 2) + "\n"
    }

    /// Reads the file's text. The error says what the file lacks.
    pub fn from_json(text: &str) -> Result<TrainerState, String> {
        let state: Value = serde_json::from_str(text).map_err(|error| format!("is not valid JSON ({error})"))?;
        let lacks = |key: &str| format!("is not a trainer state: it has no valid `{key}`");
        let count = |key: &str| state[key].as_u64();
        let needed = |key: &str| count(key).ok_or_else(|| lacks(key));
        let number = |key: &str| state[key].as_f64().ok_or_else(|| lacks(key));
        let early = &state["stateful_callbacks"]["EarlyStoppingCallback"];
        let early_stopping = || {
            Some(EarlyStoppingState {
                patience: early["args"]["early_stopping_patience"].as_u64()?,
                threshold: early["args"]["early_stopping_threshold"].as_f64()?,
                without_improvement: early["attributes"]["early_stopping_patience_counter"].as_u64()?,
            })
        };
        let stopping = state["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"].as_bool();
        let records = state["log_history"].as_array().ok_or_else(|| lacks("log_history"))?;
        Ok(TrainerState {
            best_metric: state["best_metric"].as_f64(),
            best_global_step: count("best_global_step"),
            best_model_checkpoint: state["best_model_checkpoint"].as_str().map(str::to_owned),
            epoch: number("epoch")?,
            global_step: needed("global_step")?,
            max_steps: needed("max_steps")?,
            num_train_epochs: needed("num_train_epochs")?,
            train_batch_size: needed("train_batch_size")?,
            logging_steps: needed("logging_steps")?,
            eval_steps: needed("eval_steps")?,
            save_steps: needed("save_steps")?,
            total_flos: number("total_flos")?,
            early_stopping: early_stopping(),
            stopping: stopping.ok_or_else(|| lacks("should_training_stop"))?,
            log_history: (1..).zip(records).map(record).collect::<Result<_, _>>()?,
        })
    }

    /// Reads `trainer_state.json` of a folder.
    ///
    /// # Errors
    /// A file that cannot be read or is not a trainer state.
    pub fn read(folder: &Path) -> Result<TrainerState, Error> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(Error::at(&path))?;
        let refused =
            |problem| tagsmith_files::Error::content(&path, format!("{problem}: remove the folder, or give another"));
        Ok(TrainerState::from_json(&text).map_err(refused)?)
    }

    /// Writes `trainer_state.json` into the folder of the finished model.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        Ok(atomic_write::write(&folder.join(FILE), self.to_json(false).as_bytes())?)
    }
}

/// Reads a record of the log, of which everything that reads the log needs the step and the epoch.
fn record((number, record): (usize, &Value)) -> Result<Record, String> {
    let lacks = |key: &str| format!("is not a trainer state: record {number} of its log has no valid `{key}`");
    record["step"].as_u64().ok_or_else(|| lacks("step"))?;
    record["epoch"].as_f64().ok_or_else(|| lacks("epoch"))?;
    Ok(record.as_object().expect("what has a key is an object").clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_testkit::golden::trainer as golden;

    #[test]
    fn the_file_has_the_trainers_keys_in_its_order() {
        for run in golden::runs() {
            let mut want = run["state"].clone();
            want["log_history"] = json!([{"step": 1, "epoch": 0.5}]);
            let text = python_json::json(&want, 2) + "\n";
            let state = TrainerState::from_json(&text).unwrap();
            let saving = want["stateful_callbacks"]["TrainerControl"]["args"]["should_save"].as_bool().unwrap();
            // Reading and writing is the identity on what the Trainer wrote, apart from the log's own order.
            assert_eq!(state.to_json(saving), text);
            assert_ne!(state.to_json(!saving), text);
        }
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let problem = |text: &str| TrainerState::from_json(text).unwrap_err();
        assert_eq!(problem("{}"), "is not a trainer state: it has no valid `log_history`");
        assert!(problem("{\"epoch\": 1.0").starts_with("is not valid JSON"));
        assert!(problem("[]").starts_with("is not a trainer state"));
        let mut state = golden::runs()[0]["state"].clone();
        state["log_history"] = json!([{"step": 1, "epoch": 0.5}, {"loss": 0.5, "epoch": 1.0}]);
        let lacks = |key: &str| format!("is not a trainer state: record 2 of its log has no valid `{key}`");
        assert_eq!(problem(&state.to_string()), lacks("step"));
        state["log_history"][1] = json!({"loss": 0.5, "step": 2, "epoch": "1"});
        assert_eq!(problem(&state.to_string()), lacks("epoch"));
        state["log_history"][1]["epoch"] = json!(1.0);
        assert!(TrainerState::from_json(&state.to_string()).is_ok());
    }
}
