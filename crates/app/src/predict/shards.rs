//! Many files in, as many out: each one whole or absent, and none made twice.

use super::output::{self, OutputFormat, Staged};
use crate::error::refusal;
use crate::events::Events;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_data::dataset::is_saved;
use tagsmith_data::format::Format;
use tagsmith_message::{Remedy, Setting, Wording, counted};
use tagsmith_ranks::World;

/// A file to tag and the file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The file to tag.
    pub input: PathBuf,
    /// The file to write.
    pub output: PathBuf,
    /// The format of the output.
    pub format: OutputFormat,
}

/// The file that describes the run that fills the output folder.
const RUN: &str = "predict_run.json";

/// Returns the shards that this rank has to make. An output that is there is done. `choices` are what decides the
/// content of the outputs: a folder that was filled with other choices is refused.
pub fn to_make(
    shards: Vec<Shard>,
    folder: &Path,
    choices: &Value,
    world: &World,
    events: &mut dyn Events,
) -> Result<Vec<Shard>> {
    let run = folder.join(RUN);
    let done: Vec<u8> = match world.is_first() {
        true => {
            output::sweep(folder, None, events)?;
            match fs::read(&run) {
                Ok(before) if holds_files(folder)? => check_choices(&before, choices, folder)?,
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| run.display().to_string());
                }
                // An earlier run that wrote no output does not fix the choices: they may have been refused.
                _ => {
                    let mut file = Staged::create(run)?;
                    serde_json::to_writer_pretty(&mut file, choices)?;
                    file.publish()?;
                }
            }
            shards.iter().map(|shard| u8::from(shard.output.exists())).collect()
        }
        false => Vec::new(),
    };
    let names = shards.iter().flat_map(|shard| [shard.input.as_os_str().as_encoded_bytes(), &[0]].concat());
    let names = world.gather(&names.collect::<Vec<u8>>());
    let same = names.iter().all(|seen| *seen == names[0]);
    ensure!(same, "ranks see different files to tag: start again when all of them are there");
    // One rank looks at outputs and sizes, so that all ranks agree on who does what.
    let owners: Vec<u8> = match world.is_first() {
        true => owners(&shards, &done, world.size()).into_iter().flat_map(u32::to_le_bytes).collect(),
        false => Vec::new(),
    };
    let owners = world.gather(&owners).swap_remove(0);
    let owners: Vec<u32> = owners.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let count = owners.iter().filter(|&&owner| owner == DONE).count();
    if count > 0 {
        let what = "{} of {} {is|are} there already, in {}";
        let said = Wording::new(what, &[&count, &counted(shards.len(), "file"), &folder.display()]);
        events.say(said.of(count));
    }
    let mine = shards.into_iter().zip(owners).filter(|(_, owner)| *owner as usize == world.rank());
    Ok(mine.map(|(shard, _)| shard).collect())
}

/// The owner of a shard that no rank has to make.
const DONE: u32 = u32::MAX;

/// Returns the owner of each shard. The largest shards are dealt first, each to the rank that has least.
fn owners(shards: &[Shard], done: &[u8], ranks: usize) -> Vec<u32> {
    let sizes: Vec<u64> =
        shards.iter().map(|shard| fs::metadata(&shard.input).map_or(0, |data| data.len()).max(1)).collect();
    let mut order: Vec<usize> = (0..shards.len()).filter(|&shard| done[shard] == 0).collect();
    order.sort_by_key(|&shard| std::cmp::Reverse(sizes[shard]));
    let mut owners = vec![DONE; shards.len()];
    let mut bytes = vec![0; ranks];
    for shard in order {
        let least = (0..ranks).min_by_key(|&rank| bytes[rank]).expect("there is a rank");
        bytes[least] += sizes[shard];
        owners[shard] = least as u32;
    }
    owners
}

/// Returns whether anything whole is in a folder beside the description of its run.
fn holds_files(folder: &Path) -> Result<bool> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<std::io::Result<Vec<_>>>()?;
    Ok(names.iter().any(|name| name != RUN && !is_hidden(name)))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn check_choices(before: &[u8], now: &Value, folder: &Path) -> Result<()> {
    let before: Value = serde_json::from_slice(before).with_context(|| format!("{}: {RUN}", folder.display()))?;
    let names = now.as_object().into_iter().flatten().map(|(name, _)| name);
    let other = names.into_iter().find(|name| before[name.as_str()] != now[name.as_str()]);
    match other {
        Some(name) => bail!(
            "{}: its files were made with `{name}` {}, and now it is {}: name another folder",
            folder.display(),
            before[name.as_str()],
            now[name.as_str()]
        ),
        None => Ok(()),
    }
}

/// Returns a shard for each file, or each file of a folder, in the order of their names.
pub fn of(
    inputs: &[PathBuf],
    folder: &Path,
    input_format: Option<Format>,
    output_format: Option<OutputFormat>,
) -> Result<Vec<Shard>> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() || is_saved(input) {
            files.push(input.clone());
            continue;
        }
        let entries = fs::read_dir(input).with_context(|| input.display().to_string())?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
        let hidden = |path: &Path| path.file_name().is_some_and(is_hidden);
        files.extend(paths.into_iter().filter(|path| path.is_file() && !hidden(path)));
    }
    files.sort();
    let mut shards: Vec<Shard> = Vec::new();
    for input in files {
        let is_parquet = input_format.or_else(|| Format::of_name(&input)) == Some(Format::Parquet);
        let default = if is_parquet { OutputFormat::Parquet } else { OutputFormat::Jsonl };
        let format = output_format.unwrap_or(default);
        let name = input.file_name().with_context(|| format!("{}: not a file's name", input.display()))?;
        let name = name.to_string_lossy();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
        let output = folder.join(format!("{stem}.{}", format.extension()));
        if let Some(other) = shards.iter().find(|shard| shard.output == output) {
            let (one, two) = (other.input.display(), input.display());
            bail!("{one} and {two} would both become {}: tag them into folders of their own", output.display());
        }
        let same = fs::canonicalize(&output).is_ok_and(|at| fs::canonicalize(&input).is_ok_and(|from| at == from));
        if same {
            let message = format!("{}: the file would be written over", input.display());
            return Err(refusal(message, Remedy::set(Setting::OutputDir).so_as("with another folder")));
        }
        shards.push(Shard { input, output, format });
    }
    ensure!(!shards.is_empty(), "there is no file to tag");
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(inputs: &[&str], format: Option<OutputFormat>) -> Result<Vec<String>> {
        let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
        let shards = of(&inputs, Path::new("out"), None, format)?;
        Ok(shards.into_iter().map(|shard| shard.output.display().to_string()).collect())
    }

    #[test]
    fn a_file_becomes_a_file_of_its_name() {
        let inputs = ["b/two.jsonl.gz", "a/one.txt", "c/three.parquet", "plain"];
        assert_eq!(
            shards(&inputs, None).unwrap(),
            ["out/one.jsonl", "out/two.jsonl", "out/three.parquet", "out/plain.jsonl"]
        );
        assert_eq!(shards(&["a.b.txt"], Some(OutputFormat::Text { color: false })).unwrap(), ["out/a.b.txt"]);
        let both = shards(&["a/x.txt", "b/x.jsonl"], None).unwrap_err().to_string();
        assert!(both.starts_with("a/x.txt and b/x.jsonl would both become out/x.jsonl"), "{both}");
        assert!(shards(&[], None).is_err());
    }

    #[test]
    fn every_shard_is_dealt_once() {
        let folder = tempfile::tempdir().unwrap();
        let shard = |size: usize| {
            let input = folder.path().join(format!("{size}"));
            fs::write(&input, vec![b'x'; size]).unwrap();
            Shard { output: input.clone(), input, format: OutputFormat::Jsonl }
        };
        let all: Vec<Shard> = [5, 90, 40, 0, 50, 1].map(shard).into();
        for ranks in 1..8 {
            let owners = owners(&all, &[0; 6], ranks);
            assert!(owners.iter().all(|&owner| (owner as usize) < ranks), "{owners:?}");
        }
        // 90 for one, 50 + 40 + … for the other. A shard that is done has no owner.
        assert_eq!(owners(&all, &[0, 0, 0, 0, 0, 1], 2)[..5], [0, 0, 1, 1, 1]);
        assert_eq!(owners(&all, &[1, 0, 0, 1, 0, 1], 2), [DONE, 0, 1, DONE, 1, DONE]);
    }

    #[test]
    fn a_folder_of_other_choices_is_refused() {
        let now = serde_json::json!({"model": "a", "stride": 3});
        let check = |before: &str| check_choices(before.as_bytes(), &now, Path::new("out"));
        check(r#"{"model": "a", "stride": 3}"#).unwrap();
        let other = check(r#"{"model": "b", "stride": 3}"#).unwrap_err().to_string();
        assert_eq!(other, r#"out: its files were made with `model` "b", and now it is "a": name another folder"#);
        assert!(check("{").is_err());
    }
}
