//! The logs of a run beside `trainer_state.json`.

use crate::events::Events;
use crate::machine::host;
use crate::options::ReportArgs;
use crate::report::tracking::{Format, Tracker, folder_name};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the logs that were asked for, and says where they will be. Without a folder of their own they go below
/// `output`.
pub fn tracker(reporting: &ReportArgs, output: &Path, events: &mut dyn Events) -> Option<Tracker> {
    let formats: Vec<Format> =
        Format::ALL.into_iter().filter(|format| reporting.report_to.contains(&format.name())).collect();
    if formats.is_empty() {
        return None;
    }
    let host = host();
    let folder = reporting.logging_dir.clone().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        output.join("runs").join(folder_name(now.as_secs(), &host))
    });
    events.say(format!("the log goes to {} as {}", folder.display(), reporting.report_to.join(", ")));
    for file in Tracker::begun_before(&folder, &formats) {
        events.say(format!("`{}` holds an earlier log, which goes on", file.display()));
    }
    Some(Tracker::new(folder, formats, host))
}
