//! Many files in, as many out: each one whole or absent, and none made twice.

use super::input::is_parquet;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_ranks::World;

/// A file to tag and the file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub input: PathBuf,
    pub output: PathBuf,
    /// Of the output.
    pub format: String,
}

/// What the output folder says of the run that fills it.
const RUN: &str = "predict_run.json";

/// Those of the shards that this rank has to make: what is there is done. `choices` are what decides their content: a
/// folder that was filled with others is refused.
pub fn to_make(shards: Vec<Shard>, folder: &Path, choices: &Value, world: &World) -> Result<Vec<Shard>> {
    let run = folder.join(RUN);
    let done: Vec<u8> = match world.is_first() {
        true => {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            match fs::read(&run) {
                Ok(before) => check_choices(&before, choices, folder)?,
                Err(_) => {
                    let mut file = super::output::Staged::create(run)?;
                    serde_json::to_writer_pretty(&mut file, choices)?;
                    file.publish()?;
                }
            }
            shards.iter().map(|shard| u8::from(shard.output.exists())).collect()
        }
        false => Vec::new(),
    };
    // One rank looks, so that all agree on what there is to do.
    let done = world.gather(&done).swap_remove(0);
    let count = done.iter().filter(|&&done| done == 1).count();
    if count > 0 {
        eprintln!("note: {count} of {} files are there already, in {}", shards.len(), folder.display());
    }
    let left = shards.into_iter().zip(done).filter(|(_, done)| *done == 0).map(|(shard, _)| shard);
    Ok(dealt(left.collect(), world.size()).swap_remove(world.rank()))
}

/// To each rank its shards: the largest first, each to the rank that has least.
fn dealt(mut shards: Vec<Shard>, ranks: usize) -> Vec<Vec<Shard>> {
    let size = |shard: &Shard| fs::metadata(&shard.input).map_or(0, |data| data.len());
    let sizes: BTreeMap<PathBuf, u64> = shards.iter().map(|shard| (shard.input.clone(), size(shard))).collect();
    shards.sort_by_key(|shard| std::cmp::Reverse(sizes[&shard.input]));
    let mut dealt = vec![(0, Vec::new()); ranks];
    for shard in shards {
        let least = dealt.iter_mut().min_by_key(|(bytes, _)| *bytes).expect("there is a rank");
        least.0 += sizes[&shard.input].max(1);
        least.1.push(shard);
    }
    dealt.into_iter().map(|(_, shards)| shards).collect()
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

/// A shard for each file, or each file of a folder, in the order of their names.
pub fn of(inputs: &[PathBuf], folder: &Path, input_format: &str, output_format: Option<&str>) -> Result<Vec<Shard>> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let entries = fs::read_dir(input).with_context(|| input.display().to_string())?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
        let hidden = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        files.extend(paths.into_iter().filter(|path| path.is_file() && !hidden(path)));
    }
    files.sort();
    let mut shards: Vec<Shard> = Vec::new();
    for input in files {
        let made_of_parquet = if is_parquet(&input, input_format) { "parquet" } else { "jsonl" };
        let format = output_format.unwrap_or(made_of_parquet).to_owned();
        let name = input.file_name().with_context(|| format!("{}: not a file's name", input.display()))?;
        let name = name.to_string_lossy();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
        let output = folder.join(format!("{stem}.{}", if format == "text" { "txt" } else { &format }));
        if let Some(other) = shards.iter().find(|shard| shard.output == output) {
            let (one, two) = (other.input.display(), input.display());
            bail!("{one} and {two} would both become {}: tag them into folders of their own", output.display());
        }
        let same = fs::canonicalize(&output).is_ok_and(|at| fs::canonicalize(&input).is_ok_and(|from| at == from));
        ensure!(!same, "{}: the file would be written over: name another `--output-dir`", input.display());
        shards.push(Shard { input, output, format });
    }
    ensure!(!shards.is_empty(), "there is no file to tag");
    Ok(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(inputs: &[&str], format: Option<&str>) -> Result<Vec<String>> {
        let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
        let shards = of(&inputs, Path::new("out"), "auto", format)?;
        Ok(shards.into_iter().map(|shard| shard.output.display().to_string()).collect())
    }

    #[test]
    fn a_file_becomes_a_file_of_its_name() {
        let inputs = ["b/two.jsonl.gz", "a/one.txt", "c/three.parquet", "plain"];
        assert_eq!(
            shards(&inputs, None).unwrap(),
            ["out/one.jsonl", "out/two.jsonl", "out/three.parquet", "out/plain.jsonl"]
        );
        assert_eq!(shards(&["a.b.txt"], Some("text")).unwrap(), ["out/a.b.txt"]);
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
            Shard { output: input.clone(), input, format: "jsonl".into() }
        };
        let all: Vec<Shard> = [5, 90, 40, 0, 50, 1].map(shard).into();
        for ranks in 1..8 {
            let dealt = dealt(all.clone(), ranks);
            assert_eq!(dealt.len(), ranks);
            let mut names: Vec<_> = dealt.concat().into_iter().map(|shard| shard.input).collect();
            names.sort();
            let mut want: Vec<_> = all.iter().map(|shard| shard.input.clone()).collect();
            want.sort();
            assert_eq!(names, want);
        }
        // 90 for one, 50 + 40 + … for the other.
        let two = dealt(all, 2);
        assert_eq!([two[0].len(), two[1].len()].iter().sum::<usize>(), 6);
        assert!(two[0][0].input.ends_with("90") && two[1][0].input.ends_with("50") && two[1][1].input.ends_with("40"));
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
