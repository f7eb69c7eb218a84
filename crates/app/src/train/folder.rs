//! The output folder before the run: whether it may be written to, and what to go on from.

use crate::error::refusal;
use crate::events::Events;
use crate::machine::folder_lock;
use crate::options::{OutputArgs, Resume};
use std::path::PathBuf;
use tagsmith_files::lock::Lock;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_train::checkpoint;

/// Files that only a finished run leaves.
const RUN_FILES: [&str; 3] = ["model.safetensors", "trainer_state.json", "all_results.json"];

/// A folder that this run may write to.
pub struct Claimed {
    /// The checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// The lock, which ends when it is dropped; of several ranks only the first one has it.
    _lock: Option<Lock>,
}

/// Makes and locks the folder, and tidies up what an interrupted run left in it. Refuses one that holds another run,
/// unless that was foreseen.
pub fn claim(output: &OutputArgs, trains: bool, world: &World, events: &mut dyn Events) -> anyhow::Result<Claimed> {
    let lock = folder_lock::lock_and_tidy(&output.output_dir, world, events)?;
    Ok(Claimed { resume: look(output, trains, events)?, _lock: lock })
}

/// Returns the checkpoint to go on from.
fn look(output: &OutputArgs, trains: bool, events: &mut dyn Events) -> anyhow::Result<Option<PathBuf>> {
    let folder = &output.output_dir;
    let from = match &output.resume_from_checkpoint {
        None => None,
        Some(Resume::Folder(checkpoint)) => {
            if !checkpoint.is_dir() {
                let message = format!("`{}` is not the folder of a checkpoint", checkpoint.display());
                return Err(refusal(message, Remedy::set(Setting::Resume).so_as("with the folder of one")));
            }
            Some(checkpoint.clone())
        }
        Some(Resume::Last) => Some(checkpoint::newest(folder).ok_or_else(|| {
            let remedy = Remedy::Unset(Setting::Resume).so_as("to begin anew");
            refusal(format!("`{}` holds no checkpoint", folder.display()), remedy)
        })?),
    };
    match &from {
        Some(checkpoint) if trains => events.say(format!("going on from {}", checkpoint.display())),
        Some(checkpoint) => events.note(
            &Note::once(format!("nothing is trained, so the run does not go on from {}", checkpoint.display()))
                .with_remedy(Remedy::set(Setting::DoTrain).so_as("to go on")),
        ),
        None if trains => refuse_another_run(output, events)?,
        None => {}
    }
    Ok(from.filter(|_| trains))
}

fn refuse_another_run(output: &OutputArgs, events: &mut dyn Events) -> anyhow::Result<()> {
    let folder = &output.output_dir;
    let newest = checkpoint::steps(folder).last().map(|step| format!("checkpoint-{step}"));
    let left = || RUN_FILES.iter().find(|name| folder.join(name).exists()).map(|name| (*name).to_owned());
    let Some(found) = newest.clone().or_else(left) else { return Ok(()) };
    if !output.overwrite_output_dir {
        let mut remedies = vec![Remedy::set(Setting::OverwriteOutput).so_as("to write over it")];
        if newest.is_some() {
            remedies.push(Remedy::SetTo(Setting::Resume, "last".into()).so_as("to go on with it"));
        }
        return Err(refusal(format!("`{}` holds another run ({found})", folder.display()), Remedy::AnyOf(remedies)));
    }
    if newest.is_some() {
        events.say(format!(
            "`{}` holds checkpoints of another run up to {found}: overwriting deletes none of them",
            folder.display()
        ));
    }
    Ok(())
}
