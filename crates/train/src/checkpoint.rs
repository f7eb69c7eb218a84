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
    let staged = output.join(format!(".checkpoint-{step}.partial"));
    let replaced = output.join(format!(".checkpoint-{step}.replaced"));
    remove(&staged)?;
    fs::create_dir_all(&staged).map_err(Error::at(&staged))?;
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
    atomic_write::sync_folder(output).map_err(Error::from)?;
    remove(&replaced)?;
    Ok(target)
}

/// Removes the hidden folders that a crash left; returns their names.
pub fn sweep(output: &Path) -> Result<Vec<String>, Error> {
    let Ok(entries) = fs::read_dir(output) else { return Ok(Vec::new()) };
    let mut swept = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".checkpoint-") && (name.ends_with(".partial") || name.ends_with(".replaced")) {
            remove(&entry.path())?;
            swept.push(name);
        }
    }
    swept.sort();
    Ok(swept)
}

/// Removes a checkpoint. It loses its name first, so that a crash leaves no half of it.
pub fn delete(output: &Path, step: u64) -> Result<(), Error> {
    let hidden = output.join(format!(".checkpoint-{step}.replaced"));
    remove(&hidden)?;
    let target = folder(output, step);
    fs::rename(&target, &hidden).map_err(Error::at(&target))?;
    remove(&hidden)
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
    let mut names = Vec::new();
    list(folder, "", &mut names)?;
    names.sort();
    let mut files = Vec::new();
    for name in names {
        let path = folder.join(&name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(Error::at(&path))?;
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
            true => {
                list(&entry.path(), &format!("{inside}{name}/"), names)?;
                atomic_write::sync_folder(&entry.path()).map_err(Error::from)?;
            }
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
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::at(folder)(error)),
        _ => Ok(()),
    }
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
        for name in [".checkpoint-9.partial", ".checkpoint-3.replaced", ".hidden", "checkpoint-x", "checkpoint-+4"] {
            fs::create_dir(output.path().join(name)).unwrap();
        }
        fs::write(output.path().join("checkpoint-8"), "a file").unwrap();
        assert_eq!(steps(output.path()), [3]);
        assert_eq!(newest(output.path()), Some(folder(output.path(), 3)));
        assert_eq!(sweep(output.path()).unwrap(), [".checkpoint-3.replaced", ".checkpoint-9.partial"]);
        assert_eq!(names(output.path()), [".hidden", "checkpoint-+4", "checkpoint-3", "checkpoint-8", "checkpoint-x"]);
        delete(output.path(), 3).unwrap();
        assert!(steps(output.path()).is_empty());
        assert_eq!(newest(output.path()), None);
    }
}
