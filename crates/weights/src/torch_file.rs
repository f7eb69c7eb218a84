//! The places of tensors in files of `torch.save`.
//!
//! Since PyTorch 1.6 such a file is a zip archive without compression: `data.pkl` describes the tensors, `data/0`,
//! `data/1`, … hold their numbers. An older file is a row of pickles, and then the numbers. Both are read without
//! unpacking or executing anything, so that rows can be fetched later as from a safetensors file.
//!
//! # Source
//! `torch/serialization.py` of PyTorch 2.15, `_save` and `_legacy_save`.

use crate::pickle::{PICKLE_BYTES_MAX, Pickle, State, Storage, View};
use crate::place::{Order, Place};
use safetensors::Dtype;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use zip::read::ZipArchive;
use zip::{CompressionMethod, result::ZipError};

/// The most bytes that an archive's directory may have: some 100,000 entries.
const DIRECTORY_BYTES_MAX: usize = 1 << 24;

/// The first bytes of a row of pickles: protocol 2, a number that nobody else would write, and format version 1001.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.";

/// The order of bytes that an archive must name, if it names one.
const LITTLE: &[u8] = b"little";

/// The tensors of a file, and notes about it.
pub(crate) type Contents = (BTreeMap<String, Place>, Vec<String>);

/// Finds the tensors of a file of `bytes` bytes.
///
/// # Errors
/// The problem with the file, as a clause that follows its name.
pub(crate) fn contents(file: &File, bytes: u64) -> Result<Contents, String> {
    let mut start = vec![0; LEGACY.len().min(bytes as usize)];
    read_at(file, 0, &mut start)?;
    if start.starts_with(b"PK\x03\x04") {
        zipped(file, bytes)
    } else if start == LEGACY {
        legacy(file, bytes)
    } else if start.starts_with(b"\x80") {
        Err("is a pickle, but `torch.save` did not write it: save the model with `save_pretrained`".into())
    } else {
        Err("is not a file of `torch.save` (files from before 2018 are not read): save the model with `save_pretrained`"
            .into())
    }
}

fn damaged(problem: impl std::fmt::Display) -> String {
    format!("is not a whole file of `torch.save` ({problem}): fetch or save it again")
}

fn refused(problem: impl std::fmt::Display) -> String {
    format!(
        "holds a pickle that is refused ({problem}): save the model with `save_pretrained`, which writes safetensors"
    )
}

fn read_at(mut file: &File, at: u64, out: &mut [u8]) -> Result<(), String> {
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(out)).map_err(damaged)
}

fn zipped(file: &File, bytes: u64) -> Result<Contents, String> {
    let said = |error: ZipError| damaged(error);
    let mut archive = ZipArchive::new(Metered { file, left: DIRECTORY_BYTES_MAX }).map_err(said)?;
    // Everything is in one folder, whose name is the one that the file once had.
    let folder = {
        let mut described = archive.file_names_raw().filter_map(|name| name.strip_suffix(b"data.pkl"));
        match (described.next(), described.next()) {
            (Some(folder), None) => folder.to_vec(),
            _ => return Err(damaged("the archive does not have exactly one `data.pkl`")),
        }
    };
    let mut entry = |name: &str| -> Result<Option<(u64, u64)>, String> {
        let full = [&folder, name.as_bytes()].concat();
        let Some(number) = archive.index_for_name_raw(&full) else { return Ok(None) };
        let entry = archive.by_index_raw(number).map_err(said)?;
        let (start, size) = (entry.data_start().unwrap_or(u64::MAX), entry.size());
        if entry.compression() != CompressionMethod::Stored || entry.encrypted() || entry.compressed_size() != size {
            return Err(damaged(format!("`{name}` is packed, which `torch.save` never does")));
        }
        match start.checked_add(size) {
            Some(end) if end <= bytes => Ok(Some((start, size))),
            _ => Err(damaged(format!("`{name}` ends beyond the file"))),
        }
    };
    let order = entry("byteorder")?;
    let (at, size) = entry("data.pkl")?.ok_or_else(|| damaged("the archive has no `data.pkl`"))?;
    if size > PICKLE_BYTES_MAX as u64 {
        return Err(refused(format!("it has {size} bytes; {PICKLE_BYTES_MAX} are more than any model needs")));
    }
    let mut text = vec![0; size as usize];
    read_at(file, at, &mut text)?;
    if let Some((at, size)) = order {
        let mut written = vec![0; size.min(LITTLE.len() as u64) as usize];
        read_at(file, at, &mut written)?;
        if written != LITTLE {
            return Err(damaged("its numbers are not written little end first"));
        }
    }
    let (pickle, _) = Pickle::read(&text).map_err(refused)?;
    let state = pickle.state().map_err(refused)?;
    let mut starts = HashMap::new();
    for Storage { key, dtype, len } in pickle.storages().values().copied() {
        let (start, size) = entry(&format!("data/{key}"))?
            .ok_or_else(|| damaged(format!("the archive has no `data/{}`", key.escape_debug())))?;
        if size_of(dtype, len) != Some(size) {
            return Err(damaged(format!(
                "`data/{}` has {size} bytes, not {len} numbers {dtype:?}",
                key.escape_debug()
            )));
        }
        starts.insert(key, start);
    }
    placed(&state, &starts)
}

fn legacy(file: &File, bytes: u64) -> Result<Contents, String> {
    let length = (bytes as usize).min(PICKLE_BYTES_MAX);
    let mut text = vec![0; length];
    read_at(file, 0, &mut text)?;
    let mut at = LEGACY.len();
    // Three pickles: a description of the system that wrote the file, the tensors, and the keys of their storages in
    // the order of the numbers that follow.
    let (_, length) = Pickle::read(&text[at..]).map_err(refused)?;
    at += length;
    let (pickle, length) = Pickle::read(&text[at..]).map_err(refused)?;
    at += length;
    let state = pickle.state().map_err(refused)?;
    let (keys, length) = Pickle::read(&text[at..]).map_err(refused)?;
    let keys = keys.texts().ok_or_else(|| damaged("no list of keys after the tensors"))?;
    let mut start = (at + length) as u64;
    let mut starts = HashMap::new();
    for key in keys {
        let storage = pickle.storages().get(key).ok_or_else(|| damaged("it has numbers that no tensor uses"))?;
        let mut count = [0; 8];
        read_at(file, start, &mut count)?;
        let size = size_of(storage.dtype, storage.len);
        let end = size.and_then(|size| (start + 8).checked_add(size)).filter(|&end| end <= bytes);
        match end {
            Some(end) if u64::from_le_bytes(count) == storage.len as u64 => {
                starts.insert(key, start + 8);
                start = end;
            }
            _ => return Err(damaged("its numbers end too early")),
        }
    }
    placed(&state, &starts)
}

fn size_of(dtype: Dtype, len: usize) -> Option<u64> {
    (len as u64).checked_mul(dtype.bitsize() as u64 / 8)
}

/// Returns the places of the tensors of `state`, whose storages begin at `starts`.
fn placed(state: &State<'_>, starts: &HashMap<&str, u64>) -> Result<Contents, String> {
    let mut places = BTreeMap::new();
    for (name, View { storage, offset, shape, strides }) in &state.tensors {
        let missing = || damaged(format!("the numbers of `{}` are missing", name.escape_debug()));
        let start = starts.get(storage.key).ok_or_else(missing)?
            + size_of(storage.dtype, *offset).expect("an offset lies inside its storage");
        let place = Place { dtype: storage.dtype, order: Order::of(shape, strides), shape: shape.clone(), start };
        places.insert((*name).to_owned(), place);
    }
    let mut notes = Vec::new();
    if let Some(key) = state.under {
        notes.push(format!("the weights are read from the dictionary under `{key}`"));
    }
    match state.others {
        0 => (),
        1 => notes.push("1 entry that is not a tensor is left out".into()),
        others => notes.push(format!("{others} entries that are not tensors are left out")),
    }
    Ok((places, notes))
}

/// A file of which a limited number of bytes may be read.
struct Metered<'a> {
    file: &'a File,
    left: usize,
}

impl Read for Metered<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.left);
        if most == 0 && !out.is_empty() {
            return Err(io::Error::other(format!("its directory has more than {DIRECTORY_BYTES_MAX} bytes")));
        }
        let read = self.file.read(&mut out[..most])?;
        self.left -= read;
        Ok(read)
    }
}

impl Seek for Metered<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
