//! The fingerprint of a model: whoever gives the same answers to all questions has the same.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Returns the fingerprint of the model in a folder: `sha256:` and a hash of its files. Of each file it hashes the name's
/// length in 8 bytes, the name, and the SHA-256 of the content.
///
/// # Errors
/// A file that cannot be read.
pub fn of(folder: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for (name, path) in files(folder)? {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update(hash_of(&path).with_context(|| path.display().to_string())?);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("sha256:{digits}"))
}

/// Returns the SHA-256 of a file, as digits.
///
/// # Errors
/// A file that cannot be read.
pub fn of_file(path: &Path) -> Result<String> {
    let hash = hash_of(path).with_context(|| path.display().to_string())?;
    Ok(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the files that decide what a model answers: their names in the folder, in order, and their paths.
///
/// # Errors
/// A folder that cannot be read.
pub fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    list(folder, folder, &mut files)?;
    files.sort();
    Ok(files)
}

/// Returns the SHA-256 of a file.
fn hash_of(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut part = vec![0; 1 << 18];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hash.finalize().into()),
            read => hash.update(&part[..read]),
        }
    }
}

fn list(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    const PARTS: [&str; 4] = ["token_tokenizer", "type_tokenizer", "token_encoder", "type_encoder"];
    const KINDS: [&str; 5] = [".safetensors", ".bin", ".json", ".model", ".txt"];
    // What a training leaves beside its model.
    const RESULTS: [&str; 6] = ["optimizer", "trainer_state", "training_args", "loop_state", "results", "predictions"];
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            if PARTS.contains(&name.as_str()) {
                list(root, &path, files)?;
            }
        } else if KINDS.iter().any(|kind| name.ends_with(kind)) && !RESULTS.iter().any(|part| name.contains(part)) {
            files.push((name, path));
        }
    }
    Ok(())
}
