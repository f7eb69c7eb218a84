//! checkpoint-N folders: there whole after a crash, or not at all.

pub mod contents;
pub mod state;

use crate::error::Error;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tagsmith_files::atomic_write;
use tagsmith_files::python_json;

/// The list of a checkpoint's files with their sizes and checksums.
pub const MANIFEST: &str = "manifest.json";

/// Where checkpoint `step` of a run is.
pub fn folder(output: &Path, step: u64) -> PathBuf {
    output.join(format!("checkpoint-{step}"))
}

/// The steps of the checkpoints in an output folder, rising.
pub fn steps(output: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(output) else { return Vec::new() };
    let step = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let step = name.strip_prefix("checkpoint-")?;
        let is_number = step.bytes().all(|byte| byte.is_ascii_digit());
        step.parse().ok().filter(|_| is_number && entry.path().is_dir())
    };
    let mut steps: Vec<u64> = entries.flatten().filter_map(step).collect();
    steps.sort();
    steps
}

/// The newest checkpoint in an output folder.
pub fn newest(output: &Path) -> Option<PathBuf> {
    steps(output).last().map(|&step| folder(output, step))
}

/// Saves a checkpoint: `write` fills a hidden folder, which gets a manifest, goes to the disk and only then takes its
/// name.
pub fn save<E: From<Error>>(
    output: &Path,
    step: u64,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<PathBuf, E> {
    let target = folder(output, step);
    let (staged, replaced) = (atomic_write::stage_of(&target), hidden(output, step, REPLACED));
    remove(&staged)?;
    fs::create_dir_all(&staged).map_err(Error::at(&target))?;
    if let Err(error) = write(&staged).and_then(|()| Ok(seal(&staged)?)) {
        // A full disk should not stay full of what cannot be used; the first error is the one to report.
        fs::remove_dir_all(&staged).ok();
        return Err(error);
    }
    if target.exists() {
        remove(&replaced)?;
        fs::rename(&target, &replaced).map_err(Error::at(&target))?;
    }
    fs::rename(&staged, &target).map_err(Error::at(&target))?;
    sync_folder(output)?;
    remove(&replaced)?;
    Ok(target)
}

/// The ending of a hidden folder that holds the checkpoint of a step until another of the same step is in its place.
const REPLACED: &str = "replaced";

/// The ending of a hidden folder that holds what is left of a checkpoint while it is being deleted.
const DELETED: &str = "deleted";

/// Where a checkpoint is while it is not to be seen.
fn hidden(output: &Path, step: u64, ending: &str) -> PathBuf {
    output.join(format!(".checkpoint-{step}.{ending}"))
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    Ok(atomic_write::sync_folder(folder)?)
}

/// Removes the hidden files and folders that a crash left. Gives a checkpoint its name back that was being replaced.
/// Returns a note for each.
///
/// No other process may be writing to the folder.
pub fn sweep(output: &Path) -> Result<Vec<String>, Error> {
    let Ok(entries) = fs::read_dir(output) else { return Ok(Vec::new()) };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut notes = Vec::new();
    for name in names {
        let (path, shown) = (output.join(&name), output.display());
        let of_checkpoint = name.strip_prefix(".checkpoint-").and_then(|rest| rest.rsplit_once('.'));
        match of_checkpoint {
            Some((step, REPLACED)) if !output.join(format!("checkpoint-{step}")).exists() => {
                let target = output.join(format!("checkpoint-{step}"));
                fs::rename(&path, &target).map_err(Error::at(&target))?;
                sync_folder(output)?;
                notes
                    .push(format!("restored `checkpoint-{step}` in `{shown}`, which an interrupted run was replacing"));
                continue;
            }
            Some((_, REPLACED | DELETED)) => remove(&path)?,
            _ if atomic_write::is_stage(&name) && path.is_dir() => remove(&path)?,
            _ if atomic_write::is_stage(&name) => fs::remove_file(&path).map_err(Error::at(&path))?,
            _ => continue,
        }
        notes.push(format!("removed `{name}`, which an interrupted run left in `{shown}`"));
    }
    Ok(notes)
}

/// Removes a checkpoint. It loses its name first, so that a crash leaves no half of it.
pub fn delete(output: &Path, step: u64) -> Result<(), Error> {
    let deleted = hidden(output, step, DELETED);
    remove(&deleted)?;
    let target = folder(output, step);
    fs::rename(&target, &deleted).map_err(Error::at(&target))?;
    remove(&deleted)
}

/// Returns the checkpoints to delete so that of `ranked` (the best first) the first `limit` remain, and the newest
/// (`current`).
pub fn beyond_the_best(steps: &[u64], current: u64, limit: usize, ranked: &[u64]) -> Vec<u64> {
    let kept: Vec<u64> = ranked.iter().copied().filter(|step| steps.contains(step)).take(limit).collect();
    steps.iter().copied().filter(|step| *step != current && !kept.contains(step)).collect()
}

/// Returns the checkpoints to delete so that `limit` remain, or as few as the newest (`current`) and the best allow.
/// A limit of 0 keeps all, as the Trainer does.
///
/// The oldest go first, by number: file times lie on many cluster file systems. A number above the current one
/// is of an earlier run in the same folder, hence older than all of this run's.
pub fn superfluous(steps: &[u64], current: u64, limit: usize, best: Option<u64>) -> Vec<u64> {
    if limit == 0 {
        return Vec::new();
    }
    let excess = steps.len().saturating_sub(limit);
    let may_go = |step: &u64| *step != current && Some(*step) != best;
    let mut oldest_first: Vec<u64> = steps.iter().copied().filter(may_go).collect();
    oldest_first.sort_by_key(|&step| (step <= current, step));
    oldest_first.truncate(excess);
    oldest_first
}

/// Refuses a checkpoint that is incomplete or altered, and names the newest one beside it that is whole.
pub fn verify(checkpoint: &Path) -> Result<(), Error> {
    problem(checkpoint).map_or(Ok(()), |problem| Err(refusal(checkpoint, problem)))
}

/// The error for a checkpoint with `problem`.
pub fn refusal(checkpoint: &Path, problem: String) -> Error {
    let output = checkpoint.parent().unwrap_or(Path::new("."));
    let others = steps(output).into_iter().rev().map(|step| folder(output, step));
    let intact =
        others.filter(|other| other.file_name() != checkpoint.file_name()).find(|other| self::problem(other).is_none());
    Error::Checkpoint { folder: checkpoint.to_owned(), problem, intact }
}

/// What is wrong with a checkpoint, if anything.
fn problem(checkpoint: &Path) -> Option<String> {
    let text = match fs::read_to_string(checkpoint.join(MANIFEST)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && checkpoint.is_dir() => {
            return Some(format!("it has no `{MANIFEST}`: it was not written by tagsmith, or not to its end"));
        }
        Err(_) if !checkpoint.is_dir() => return Some("there is no such folder".to_owned()),
        Err(error) => return Some(format!("`{MANIFEST}` cannot be read ({error})")),
    };
    let manifest: Value = match serde_json::from_str(&text) {
        Ok(manifest) => manifest,
        Err(error) => return Some(format!("`{MANIFEST}` is damaged ({error})")),
    };
    let Some(files) = manifest["files"].as_array() else { return Some(format!("`{MANIFEST}` lists no files")) };
    files.iter().find_map(|listed| {
        let name = listed["name"].as_str().unwrap_or_default();
        match measure(&checkpoint.join(name)) {
            Ok((bytes, _)) if listed["bytes"] != json!(bytes) => {
                Some(format!("`{name}` has {bytes} bytes, but was written with {}", listed["bytes"]))
            }
            Ok((_, crc32)) if listed["crc32"] != json!(crc32) => {
                Some(format!("`{name}` was altered since it was written"))
            }
            Ok(_) => None,
            Err(error) => Some(format!("`{name}` cannot be read ({error})")),
        }
    })
}

/// Sends every file of a folder to the disk and lists them in its manifest.
fn seal(folder: &Path) -> Result<(), Error> {
    atomic_write::sync_all(folder)?;
    let mut names = Vec::new();
    list(folder, "", &mut names)?;
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let path = folder.join(&name);
        let (bytes, crc32) = measure(&path).map_err(Error::at(&path))?;
        files.push(json!({"name": name, "bytes": bytes, "crc32": crc32}));
    }
    // Writing it also sends the folder to the disk.
    Ok(atomic_write::write(&folder.join(MANIFEST), (python_json::json(&json!({"files": files}), 2) + "\n").as_bytes())?)
}

/// The files under a folder, as paths in it.
fn list(folder: &Path, inside: &str, names: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::at(folder))? {
        let entry = entry.map_err(Error::at(folder))?;
        let name = entry.file_name().into_string().expect("a checkpoint's files have plain names");
        match entry.path().is_dir() {
            true => list(&entry.path(), &format!("{inside}{name}/"), names)?,
            false => names.push(format!("{inside}{name}")),
        }
    }
    Ok(())
}

/// A file's size and CRC-32.
fn measure(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let mut checksum = flate2::Crc::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, checksum.sum())),
            read => {
                checksum.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn remove(folder: &Path) -> Result<(), Error> {
    Ok(atomic_write::remove_folder(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_testkit::golden::trainer as golden;

    fn numbers(value: &Value) -> Vec<u64> {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn save_text(output: &Path, step: u64, text: &str) -> PathBuf {
        let write = |folder: &Path| {
            fs::write(folder.join("model.safetensors"), text).unwrap();
            fs::write(folder.join("config.json"), "{}").unwrap();
            Ok(())
        };
        save::<Error>(output, step, write).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_remains_is_what_the_trainer_keeps() {
        let mut twin_differs = 0;
        for row in golden::rows("rotations") {
            let (steps, kept) = (numbers(&row["steps"]), numbers(&row["kept"]));
            let (limit, best) = (row["limit"].as_u64().unwrap() as usize, row["best"].as_u64());
            let current = *steps.last().unwrap();
            let remaining = |best| {
                let gone = superfluous(&steps, current, limit, best);
                steps.iter().copied().filter(|step| !gone.contains(step)).collect::<Vec<u64>>()
            };
            assert_eq!(remaining(best), kept, "{row}");
            // The wrong twin forgets the best.
            twin_differs += usize::from(remaining(None) != kept);
        }
        assert_eq!(twin_differs, 3);
    }

    #[test]
    fn the_best_and_the_newest_remain() {
        assert_eq!(beyond_the_best(&[2, 4, 6, 8], 8, 2, &[4, 2, 6, 8]), [6]);
        assert_eq!(beyond_the_best(&[2, 4, 6, 8], 8, 1, &[8, 4, 2, 6]), [2, 4, 6]);
        // An evaluation without a checkpoint takes no place.
        assert_eq!(beyond_the_best(&[2, 6, 8], 8, 1, &[4, 2, 6, 8]), [6]);
    }

    #[test]
    fn an_earlier_runs_checkpoints_are_older_than_this_runs() {
        assert_eq!(superfluous(&[10, 20, 500], 20, 2, None), [500]);
        assert_eq!(superfluous(&[10, 20, 500], 20, 1, None), [500, 10]);
        assert_eq!(superfluous(&[10, 500], 10, 1, None), [500]);
    }

    #[test]
    fn a_saved_checkpoint_is_whole_and_alone() {
        let output = tempfile::tempdir().unwrap();
        let checkpoint = save_text(output.path(), 7, "weights");
        verify(&checkpoint).unwrap();
        assert_eq!(names(output.path()), ["checkpoint-7"]);
        assert_eq!(names(&checkpoint), ["config.json", "manifest.json", "model.safetensors"]);
        // The check value of CRC-32 is that of the digits 1 to 9 (Rocksoft's model).
        fs::write(output.path().join("check"), "123456789").unwrap();
        assert_eq!(measure(&output.path().join("check")).unwrap(), (9, 0xcbf4_3926));

        // Saving it again replaces it.
        save_text(output.path(), 7, "other weights");
        verify(&checkpoint).unwrap();
        assert_eq!(fs::read_to_string(checkpoint.join("model.safetensors")).unwrap(), "other weights");
    }

    #[test]
    fn damage_is_found_and_the_last_good_one_named() {
        let output = tempfile::tempdir().unwrap();
        for step in [5, 10, 100] {
            save_text(output.path(), step, "weights");
        }
        let good = folder(output.path(), 10);
        let check = |damage: fn(&Path), want: &str| {
            let damaged = save_text(output.path(), 100, "weights");
            damage(&damaged);
            let error = verify(&damaged).unwrap_err().to_string();
            assert!(error.contains("checkpoint-100` cannot be resumed"), "{error}");
            assert!(error.contains(want), "{error}");
            assert!(error.ends_with(&format!("the newest whole checkpoint is `{}`", good.display())), "{error}");
            assert!(!error.contains('\n'));
        };
        check(
            |folder| fs::write(folder.join("model.safetensors"), "weight").unwrap(),
            "has 6 bytes, but was written with 7",
        );
        check(|folder| fs::write(folder.join("model.safetensors"), "wEights").unwrap(), "was altered");
        check(|folder| fs::remove_file(folder.join("config.json")).unwrap(), "`config.json` cannot be read");
        check(|folder| fs::remove_file(folder.join(MANIFEST)).unwrap(), "has no `manifest.json`");
        check(|folder| fs::write(folder.join(MANIFEST), "{\"fi").unwrap(), "`manifest.json` is damaged");
        check(|folder| fs::write(folder.join(MANIFEST), "[]").unwrap(), "lists no files");
        check(|folder| fs::remove_dir_all(folder).unwrap(), "there is no such folder");
    }

    #[test]
    fn a_failed_save_leaves_nothing_and_spoils_nothing() {
        let output = tempfile::tempdir().unwrap();
        let before = save_text(output.path(), 3, "weights");
        let write = |folder: &Path| {
            fs::write(folder.join("model.safetensors"), "half").unwrap();
            Err(Error::setting("the disk is full"))
        };
        assert_eq!(save(output.path(), 3, write).unwrap_err().to_string(), "the disk is full");
        assert_eq!(names(output.path()), ["checkpoint-3"]);
        verify(&before).unwrap();
    }

    #[test]
    fn a_crash_leaves_hidden_folders_that_are_swept() {
        let output = tempfile::tempdir().unwrap();
        save_text(output.path(), 3, "weights");
        let hidden = [".checkpoint-9.partial", ".checkpoint-3.replaced", ".checkpoint-5.deleted"];
        for name in hidden.iter().chain(&[".hidden", "checkpoint-x", "checkpoint-+4"]) {
            fs::create_dir(output.path().join(name)).unwrap();
        }
        fs::write(output.path().join("checkpoint-8"), "a file").unwrap();
        fs::write(output.path().join(".all_results.json.partial"), "half").unwrap();
        assert_eq!(steps(output.path()), [3]);
        assert_eq!(newest(output.path()), Some(folder(output.path(), 3)));
        let notes = sweep(output.path()).unwrap();
        assert_eq!(notes.len(), 4, "{notes:?}");
        assert!(notes[0].starts_with("removed `.all_results.json.partial`, which an interrupted run left in"));
        assert_eq!(names(output.path()), [".hidden", "checkpoint-+4", "checkpoint-3", "checkpoint-8", "checkpoint-x"]);
        delete(output.path(), 3).unwrap();
        assert!(steps(output.path()).is_empty());
        assert_eq!(newest(output.path()), None);
    }

    #[test]
    fn a_checkpoint_that_was_being_replaced_comes_back() {
        let output = tempfile::tempdir().unwrap();
        save_text(output.path(), 3, "weights");
        // Killed between the two renames of a second save of the same step.
        fs::rename(folder(output.path(), 3), output.path().join(".checkpoint-3.replaced")).unwrap();
        fs::create_dir(output.path().join(".checkpoint-3.partial")).unwrap();
        let notes = sweep(output.path()).unwrap();
        assert!(notes[1].starts_with("restored `checkpoint-3`"), "{notes:?}");
        assert_eq!(names(output.path()), ["checkpoint-3"]);
        verify(&folder(output.path(), 3)).unwrap();
    }
}
