//! The choices about the hub.

use super::parse::UsageError;
use super::train_args::{filled, refused, word};
use crate::args::values::Values;
use serde::Serialize;

/// Where names are looked up, and whether the model goes there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HubArgs {
    pub cache_dir: Option<String>,
    /// Secrets stand in no file.
    #[serde(skip)]
    pub token: Option<String>,
    pub push_to_hub: bool,
    pub hub_model_id: Option<String>,
    #[serde(skip)]
    pub hub_token: Option<String>,
    pub hub_private_repo: bool,
}

impl HubArgs {
    pub(super) fn resolve(values: &Values) -> Result<HubArgs, UsageError> {
        let push_to_hub = values.flag("push_to_hub");
        let strategy = word(values, "hub_strategy");
        if push_to_hub && !matches!(strategy.as_str(), "end" | "every_save") {
            let message = format!("`--hub_strategy {strategy}` would upload checkpoints, which stay on this machine");
            return Err(refused(message, "say --hub_strategy end"));
        }
        Ok(HubArgs {
            cache_dir: filled(values, "cache_dir"),
            token: filled(values, "token"),
            push_to_hub,
            hub_model_id: filled(values, "hub_model_id"),
            hub_token: filled(values, "hub_token"),
            hub_private_repo: values.flag("hub_private_repo"),
        })
    }
}

/// Lines about values that work differently from what their words promise.
pub(super) fn say(values: &Values, lines: &mut Vec<String>) {
    for option in ["hub_model_id", "hub_token", "hub_private_repo", "hub_strategy"] {
        if values.is_given(option) && !values.flag("push_to_hub") {
            lines.push(format!("`--{option}` changes nothing without `--push_to_hub`"));
        }
    }
    if values.flag("push_to_hub") && values.text("hub_strategy").as_deref() == Some("every_save") {
        lines.push("`--push_to_hub` uploads once, when the model is finished; checkpoints stay on this machine".into());
    }
}
