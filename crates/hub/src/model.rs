//! Models: a folder with a configuration, weights and a tokenizer.

use crate::{Error, Wanted, not_found};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_text::tokenizer_files::has_tokenizer;

/// Largest index of weight shards that is read.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// What a model's weights may be called, the preferred name first; an index of shards has `.index.json` behind it.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// The folder of a model: it holds config.json, weights (in one file, or the index of their shards and each of them) and
/// tokenizer.json, or what one can be put together from.
pub fn resolve_model(name: &str) -> Result<PathBuf, Error> {
    let folder = PathBuf::from(name);
    if !folder.exists() {
        return Err(not_found(name, Wanted::Model));
    }
    if !folder.is_dir() {
        return Err(Error::path(name, "this is a file: pass the model's folder"));
    }
    let mut missing = Vec::new();
    if !folder.join("config.json").is_file() {
        missing.push("config.json".to_owned());
    }
    missing.extend(missing_weights(&folder)?);
    if !has_tokenizer(&folder) {
        missing.push("tokenizer.json".to_owned());
    }
    if missing.is_empty() {
        return Ok(folder);
    }
    let problem = format!("the model lacks {}: download or save the model again, whole", missing.join(", "));
    Err(Error::path(name, problem))
}

fn missing_weights(folder: &Path) -> Result<Vec<String>, Error> {
    for name in WEIGHTS {
        if folder.join(name).is_file() {
            return Ok(Vec::new());
        }
        let index = folder.join(format!("{name}.index.json"));
        if index.is_file() {
            return missing_shards(folder, &index);
        }
    }
    Ok(vec![WEIGHTS[0].into()])
}

fn missing_shards(folder: &Path, index: &Path) -> Result<Vec<String>, Error> {
    let refuse = |problem: String| Error::path(index.display(), format!("{problem}: download it again"));
    let length = fs::metadata(index).map_err(Error::open(index))?.len();
    if length > INDEX_BYTES_MAX {
        return Err(refuse(format!("{length} bytes are too many for an index")));
    }
    let text = fs::read(index).map_err(Error::open(index))?;
    let value: Value = serde_json::from_slice(&text).map_err(|error| refuse(format!("this is not JSON ({error})")))?;
    let files = value.get("weight_map").and_then(Value::as_object);
    let files: Option<BTreeSet<&str>> = files.and_then(|files| files.values().map(Value::as_str).collect());
    let files = files.ok_or_else(|| refuse("`weight_map` does not map names to files".into()))?;
    Ok(files.into_iter().filter(|file| !folder.join(file).is_file()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    /// `files` are written into a folder; `name=text` gives one a content.
    fn check(files: &[&str], want: Expect) {
        let folder = tempfile::tempdir().expect("a scratch folder");
        for file in files {
            let (name, text) = file.split_once('=').unwrap_or((file, ""));
            fs::write(folder.path().join(name), text).expect("the scratch folder takes files");
        }
        let name = folder.path().to_str().expect("a UTF-8 path");
        let got = match resolve_model(name) {
            Ok(path) => {
                assert_eq!(path, folder.path());
                "complete".into()
            }
            Err(error) => error.to_string().replace(name, "M"),
        };
        want.assert_eq(&got);
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
    fn names_that_are_no_folders() {
        let error = |name: &str| resolve_model(name).expect_err("there is no such folder").to_string();
        expect!["bert-base-cased: there is no such folder, and names on the Hugging Face hub are not resolved yet: download the model (`hf download bert-base-cased --local-dir bert-base-cased`) and pass its folder"].assert_eq(&error("bert-base-cased"));
        expect!["google/bert_uncased_L-2_H-128_A-2: there is no such folder, and names on the Hugging Face hub are not resolved yet: download the model (`hf download google/bert_uncased_L-2_H-128_A-2 --local-dir bert_uncased_L-2_H-128_A-2`) and pass its folder"].assert_eq(&error("google/bert_uncased_L-2_H-128_A-2"));
        expect!["./bert-base-cased: there is no such file or folder: correct the path"]
            .assert_eq(&error("./bert-base-cased"));
        expect!["/no/such/folder: there is no such file or folder: correct the path"]
            .assert_eq(&error("/no/such/folder"));
        expect!["src/lib.rs: this is a file: pass the model's folder"].assert_eq(&error("src/lib.rs"));
    }
}
