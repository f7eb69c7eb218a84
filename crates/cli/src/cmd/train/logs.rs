//! Where a run's log goes beside `trainer_state.json`.

use super::say;
use crate::args::TrainArgs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use tagsmith_train::tracking::{Format, Tracker, folder_name};

/// Where transformers 5 is told the folder.
const FOLDER_VARIABLE: &str = "TENSORBOARD_LOGGING_DIR";

/// The logs that were asked for; says where they will be.
pub fn tracker(args: &TrainArgs) -> Option<Tracker> {
    let formats: Vec<Format> =
        Format::ALL.into_iter().filter(|format| args.report_to.contains(&format.name())).collect();
    if formats.is_empty() {
        if args.logging_dir.is_some() {
            say("`--logging_dir` stays empty: `--report_to` names what to write there");
        }
        return None;
    }
    let host = host();
    let from_variable = || std::env::var_os(FOLDER_VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = args.logging_dir.clone().or_else(from_variable).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        args.output_dir.join("runs").join(folder_name(now.as_secs(), &host))
    });
    say(format!("the log goes to {} as {}", folder.display(), args.report_to.join(", ")));
    for file in Tracker::begun_before(&folder, &formats) {
        say(format!("`{}` holds an earlier log, which goes on", file.display()));
    }
    Some(Tracker::new(folder, formats, host))
}

/// The machine's name, as far as a file's name can hold it.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::env::var("HOSTNAME"));
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let name: String = name.unwrap_or_default().trim().chars().filter(|&letter| is_plain(letter)).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
