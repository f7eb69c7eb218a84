//! Models: a folder with a configuration, weights and a tokenizer.

use crate::listing::Listing;
use crate::repo::Kind;
use crate::snapshot::{MAIN, Snapshot};
use crate::{Error, Hub};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Largest index of weight shards that is read.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// What of a model is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// config.json.
    Config,
    /// The weights: one file, or shards and their index.
    Weights,
    /// tokenizer.json and what stands beside it, or what one can be put together from.
    Tokenizer,
}

impl Part {
    /// A whole model.
    pub const ALL: [Part; 3] = [Part::Config, Part::Weights, Part::Tokenizer];
}

/// Files of weights and the indices that stand for them where they are in shards; the first that is there is read.
const WEIGHTS: [(&str, &str); 2] =
    [("model.safetensors", "model.safetensors.index.json"), ("pytorch_model.bin", "pytorch_model.bin.index.json")];

/// What a configuration may be in; span taggers have their encoders' too.
const CONFIGS: [&str; 3] = ["config.json", "token_encoder_config.json", "type_encoder_config.json"];

/// Where tokenizers may be; span taggers have folders for theirs.
const TOKENIZER_FOLDERS: [&str; 4] = ["", "tokenizer/", "token_tokenizer/", "type_tokenizer/"];

/// What belongs to every tokenizer.
const TOKENIZER: [&str; 4] =
    ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/// Files that each hold the vocabulary of a tokenizer without tokenizer.json.
pub const VOCABULARIES: [&str; 6] =
    ["vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spm.model", "spiece.model", "tokenizer.model"];

/// Files beside a vocabulary that a tokenizer also needs.
const VOCABULARY_COMPANIONS: [&str; 2] = ["merges.txt", "bpe.codes"];

impl Hub {
    /// Returns the folder of a model with the parts that are needed.
    ///
    /// It is a folder as it is, or else the snapshot of a name on the hub. The snapshot has nothing in it but what was needed once.
    ///
    /// # Errors
    /// There is no such folder or name, or a part of it is missing; whatever the hub answers instead of a file.
    pub fn model(&self, name: &str, revision: Option<&str>, parts: &[Part]) -> Result<PathBuf, Error> {
        if Path::new(name).exists() {
            self.say_unused_revision(Kind::Model, Path::new(name), revision);
            return local_model(name, parts);
        }
        let repo = self.repo(Kind::Model, name)?;
        let revision = revision.unwrap_or(MAIN);
        let found = self.look_up(repo.clone(), revision, |files| files.has("config.json"));
        let snapshot = found.map_err(|failure| failure.explain(&self.asked(&repo, revision)))?;
        let files = wanted(&snapshot.listing, parts);
        self.ensure(&snapshot, files.iter().map(String::as_str))?;
        if parts.contains(&Part::Weights) {
            self.ensure_shards(&snapshot)?;
        }
        check(&snapshot.folder(), name, parts)?;
        Ok(snapshot.folder())
    }

    /// What the index of shards names, where the weights are in shards.
    fn ensure_shards(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let Some(Stored::Sharded(index)) = stored(&|file| snapshot.listing.has(file)) else { return Ok(()) };
        let shards = shards(&snapshot.folder().join(index))?;
        if let Some(shard) = shards.iter().find(|shard| !snapshot.listing.has(shard)) {
            return Err(Error::path(
                &snapshot.repo.id,
                format!("{index} names the shard {shard:?}, which is not there: take another revision"),
            ));
        }
        self.ensure(snapshot, shards.iter().map(String::as_str))
    }
}

/// The folder of a model that is here, if it has the parts.
fn local_model(name: &str, parts: &[Part]) -> Result<PathBuf, Error> {
    let folder = PathBuf::from(name);
    if !folder.is_dir() {
        return Err(Error::path(name, "this is a file: pass the model's folder"));
    }
    check(&folder, name, parts)?;
    Ok(folder)
}

/// The files of a repository that make up the parts, shards apart.
fn wanted(listing: &Listing, parts: &[Part]) -> Vec<String> {
    let mut files = Vec::new();
    let mut take = |file: String| {
        if listing.has(&file) {
            files.push(file);
        }
    };
    if parts.contains(&Part::Config) {
        CONFIGS.iter().for_each(|file| take((*file).to_owned()));
    }
    if parts.contains(&Part::Tokenizer) {
        for folder in TOKENIZER_FOLDERS {
            TOKENIZER.iter().for_each(|file| take(format!("{folder}{file}")));
            if !listing.has(&format!("{folder}tokenizer.json")) {
                let vocabulary = VOCABULARIES.iter().chain(&VOCABULARY_COMPANIONS);
                vocabulary.for_each(|file| take(format!("{folder}{file}")));
            }
        }
    }
    if parts.contains(&Part::Weights) {
        match stored(&|file| listing.has(file)) {
            Some(Stored::Whole(file) | Stored::Sharded(file)) => take(file.to_owned()),
            None => {}
        }
    }
    files
}

/// How weights are stored.
enum Stored {
    Whole(&'static str),
    /// In shards that this index names.
    Sharded(&'static str),
}

/// The preferred of the forms that are there.
fn stored(has: &dyn Fn(&str) -> bool) -> Option<Stored> {
    let of = |&(whole, index): &(&'static str, &'static str)| match has(whole) {
        true => Some(Stored::Whole(whole)),
        false => has(index).then_some(Stored::Sharded(index)),
    };
    WEIGHTS.iter().find_map(of)
}

/// The parts are in the folder.
fn check(folder: &Path, name: &str, parts: &[Part]) -> Result<(), Error> {
    let has = |file: &str| folder.join(file).is_file();
    let mut missing = Vec::new();
    if parts.contains(&Part::Config) && !has("config.json") {
        missing.push("config.json".to_owned());
    }
    if parts.contains(&Part::Weights) {
        match stored(&has) {
            Some(Stored::Whole(_)) => {}
            Some(Stored::Sharded(index)) => {
                missing.extend(shards(&folder.join(index))?.into_iter().filter(|shard| !has(shard)));
            }
            None => missing.push(WEIGHTS[0].0.into()),
        }
    }
    let has_tokenizer =
        |at: &&str| has(&format!("{at}tokenizer.json")) || VOCABULARIES.iter().any(|name| has(&format!("{at}{name}")));
    if parts.contains(&Part::Tokenizer) && !TOKENIZER_FOLDERS.iter().any(has_tokenizer) {
        missing.push("tokenizer.json".into());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let problem = format!("the model lacks {}: download or save the model again, whole", missing.join(", "));
    Err(Error::path(name, problem))
}

/// The shards that an index names.
fn shards(index: &Path) -> Result<BTreeSet<String>, Error> {
    let refuse = |problem: String| Error::path(index.display(), format!("{problem}: download it again"));
    let length = fs::metadata(index).map_err(Error::open(index))?.len();
    if length > INDEX_BYTES_MAX {
        return Err(refuse(format!("{length} bytes are too many for an index")));
    }
    let text = fs::read(index).map_err(Error::open(index))?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| refuse(format!("this is not JSON ({error})")))?;
    let files = value.get("weight_map").and_then(Value::as_object);
    let files = files.and_then(|files| files.values().map(|file| file.as_str().map(str::to_owned)).collect());
    files.ok_or_else(|| refuse("`weight_map` does not map names to files".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// `files` are written into a folder; `name=text` gives one a content.
    fn check_parts(parts: &[Part], files: &[&str], want: Expect) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for file in files {
            let (name, text) = file.split_once('=').unwrap_or((file, ""));
            fs::write(folder.path().join(name), text).expect("the scratch folder takes files");
        }
        let name = folder.path().to_str().expect("a UTF-8 path");
        let got = match local_model(name, parts) {
            Ok(path) => {
                assert_eq!(path, folder.path());
                "complete".into()
            }
            Err(error) => error.to_string().replace(name, "M"),
        };
        want.assert_eq(&got);
    }

    fn check(files: &[&str], want: Expect) {
        check_parts(&Part::ALL, files, want);
    }

    #[test]
    fn folders() {
        check(&["config.json", "model.safetensors", "tokenizer.json"], expect!["complete"]);
        check(
            &["config.json"],
            expect!["M: the model lacks model.safetensors, tokenizer.json: download or save the model again, whole"],
        );
        check(&["config.json", "pytorch_model.bin", "vocab.txt"], expect!["complete"]);
        check(
            &[],
            expect![
                "M: the model lacks config.json, model.safetensors, tokenizer.json: download or save the model again, whole"
            ],
        );
        let index =
            "model.safetensors.index.json={\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\"}}";
        check(&["config.json", "tokenizer.json", index, "a.safetensors", "b.safetensors"], expect!["complete"]);
        check(
            &["config.json", "tokenizer.json", index, "a.safetensors"],
            expect!["M: the model lacks b.safetensors: download or save the model again, whole"],
        );
        let index = index.replace("model", "pytorch_model").replace("safetensors", "bin");
        check(
            &["config.json", "spm.model", &index, "a.bin"],
            expect!["M: the model lacks b.bin: download or save the model again, whole"],
        );
        check(
            &["config.json", "tokenizer.json", "model.safetensors.index.json={}"],
            expect!["M/model.safetensors.index.json: `weight_map` does not map names to files: download it again"],
        );
        check(
            &["config.json", "tokenizer.json", "model.safetensors.index.json=x"],
            expect![
                "M/model.safetensors.index.json: this is not JSON (expected value at line 1 column 1): download it again"
            ],
        );
    }

    #[test]
    fn only_the_parts_that_are_needed() {
        check_parts(&[Part::Config], &["config.json"], expect!["complete"]);
        check_parts(&[Part::Tokenizer], &["tokenizer.json"], expect!["complete"]);
        check_parts(&[Part::Config, Part::Weights], &["config.json", "model.safetensors"], expect!["complete"]);
        check_parts(
            &[Part::Tokenizer],
            &["config.json", "model.safetensors"],
            expect!["M: the model lacks tokenizer.json: download or save the model again, whole"],
        );
    }
}
