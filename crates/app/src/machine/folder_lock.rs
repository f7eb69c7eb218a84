//! A folder that a command writes to, and that no other command may write to meanwhile.

use crate::error::refusal;
use crate::events::Events;
use crate::machine::host;
use anyhow::{Context, Result};
use std::path::Path;
use tagsmith_files::lock::{self, Lock, Locked};
use tagsmith_files::together::{self, MODEL};
use tagsmith_message::{Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_train::checkpoint;

/// Locks a folder until the lock is dropped, and makes it if it is not there. Ranks of one job are one owner: the first
/// one locks for all, and no rank returns before that.
///
/// # Errors
/// Another process writes to the folder; or the folder cannot be written to.
pub fn lock(folder: &Path, world: &World, events: &mut dyn Events) -> Result<Option<Lock>> {
    let locked = if world.is_first() { Some(lock_here(folder, events)?) } else { None };
    world.barrier();
    Ok(locked)
}

/// Locks the folder of a run as [`lock()`] does, and ends what an interrupted run began in it. No rank returns before
/// models and checkpoints have their names.
///
/// # Errors
/// Those of [`lock()`], and what the system says of a file.
pub fn lock_and_tidy(folder: &Path, world: &World, events: &mut dyn Events) -> Result<Option<Lock>> {
    let locked = lock(folder, world, events)?;
    if world.is_first() {
        if together::complete(folder, MODEL)? {
            let shown = folder.display();
            events.say(format!("the model that an interrupted run had saved in `{shown}` is in its place now"));
        }
        checkpoint::sweep(folder)?.iter().for_each(|note| events.say(note));
    }
    world.barrier();
    Ok(locked)
}

fn lock_here(folder: &Path, events: &mut dyn Events) -> Result<Lock> {
    let locked = lock::lock(folder, &owner()).context(UNWRITABLE)?;
    let shown = folder.display();
    match locked {
        Locked::Yes(lock, None) => Ok(lock),
        Locked::Yes(lock, Some(before)) => {
            events.say(format!("`{shown}` was in use by {before}, which has ended: its lock is taken over"));
            Ok(lock)
        }
        Locked::Unsupported(lock) => {
            events.say(format!("the file system of `{shown}` has no locks: see that no other run writes to it"));
            Ok(lock)
        }
        Locked::InUse(by) => {
            let by = if by.is_empty() { "another process" } else { &by };
            let other = Remedy::set(Setting::OutputDir).so_as("with another folder");
            let remedy = Remedy::AnyOf(vec![Remedy::to_do("wait until it has ended"), other]);
            Err(refusal(format!("`{shown}` is in use: {by} writes to it"), remedy))
        }
    }
}

/// Refuses a folder that cannot be written to, before the work whose results go there. Nothing is left of the attempt.
///
/// # Errors
/// What the system says of the folder.
pub fn try_writing(folder: &Path) -> Result<()> {
    lock::lock(folder, &owner()).context(UNWRITABLE).map(drop)
}

const UNWRITABLE: &str = "the output folder cannot be written to";

fn owner() -> String {
    format!("process {} on {}", std::process::id(), host())
}
