//! The output folder before the run: whether it may be written to, and what to go on from.

use super::say;
use crate::args::{Resume, TrainArgs};
use anyhow::{Context, bail};
use std::path::PathBuf;
use tagsmith_train::checkpoint;

/// Files that only a finished run leaves.
const RUN_FILES: [&str; 3] = ["model.safetensors", "trainer_state.json", "all_results.json"];

/// Refuses a folder that holds another run, unless that was foreseen. Returns the checkpoint to go on from.
pub fn claim(args: &TrainArgs) -> anyhow::Result<Option<PathBuf>> {
    let folder = &args.output_dir;
    let from = match &args.resume_from_checkpoint {
        None => None,
        Some(Resume::Folder(checkpoint)) => {
            if !checkpoint.is_dir() {
                bail!("`{}` is no checkpoint's folder: correct `--resume_from_checkpoint`", checkpoint.display());
            }
            Some(checkpoint.clone())
        }
        Some(Resume::Last) => Some(checkpoint::newest(folder).with_context(|| {
            format!("`{}` holds no checkpoint: leave `--resume_from_checkpoint` out to begin anew", folder.display())
        })?),
    };
    match &from {
        Some(checkpoint) if args.do_train => say(format!("going on from {}", checkpoint.display())),
        Some(_) => say("`--resume_from_checkpoint` changes nothing without `--do_train`"),
        None if args.do_train => refuse_another_run(args)?,
        None => {}
    }
    Ok(from.filter(|_| args.do_train))
}

fn refuse_another_run(args: &TrainArgs) -> anyhow::Result<()> {
    let folder = &args.output_dir;
    let newest = checkpoint::steps(folder).last().map(|step| format!("checkpoint-{step}"));
    let left = || RUN_FILES.iter().find(|name| folder.join(name).exists()).map(|name| (*name).to_owned());
    let Some(found) = newest.clone().or_else(left) else { return Ok(()) };
    if !args.overwrite_output_dir {
        let remedy = if newest.is_some() { ", or `--resume_from_checkpoint last` to go on with it" } else { "" };
        bail!(
            "`{}` holds another run ({found}): pass `--overwrite_output_dir` to write over it{remedy}",
            folder.display()
        );
    }
    if newest.is_some() {
        say(format!(
            "`{}` holds checkpoints of another run up to {found}: `--overwrite_output_dir` deletes none of them",
            folder.display()
        ));
    }
    Ok(())
}
