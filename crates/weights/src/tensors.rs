//! Files of tensors, read and written piece by piece, so that no tensor is ever in memory twice.
//!
//! This file reads and writes safetensors. `torch_file.rs` finds the tensors in a file of `torch.save`.

use crate::error::Error;
use crate::place::{Order, Place};
use crate::torch_file;
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

/// How many numbers are read or written at once.
const PIECE: usize = 64 * 1024;

/// The largest header that the safetensors format allows, in bytes.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// A tensor to write.
pub struct Entry<'a> {
    /// The tensor's name.
    pub name: Cow<'a, str>,
    /// The tensor's shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// The tensor's numbers, row-major.
    pub values: Values<'a>,
}

/// The numbers of a tensor.
pub enum Values<'a> {
    /// Floats that are all in memory.
    F32(&'a [f32]),
    /// Floats that come slice after slice.
    F32s(Box<dyn Iterator<Item = Result<Cow<'a, [f32]>, tagsmith_kernel::Error>> + 'a>),
    /// Row numbers.
    U32(&'a [u32]),
}

/// Writes a safetensors file. It replaces an older file only when it is complete.
///
/// # Errors
/// The file cannot be written, or numbers to write cannot be read.
///
/// # Panics
/// If the slices of a tensor hold more or fewer numbers than its shape.
pub fn write(path: &Path, mut entries: Vec<Entry<'_>>, metadata: &[(&str, String)]) -> Result<(), Error> {
    // The order in which the format's own writer puts tensors.
    let dtype = |entry: &Entry<'_>| if matches!(entry.values, Values::U32(_)) { Dtype::U32 } else { Dtype::F32 };
    entries.sort_by(|a, b| dtype(b).cmp(&dtype(a)).then(a.name.cmp(&b.name)));
    let mut end = 0;
    let mut infos = Vec::new();
    for entry in &entries {
        let start = end;
        end += 4 * entry.shape.iter().product::<usize>();
        let info = TensorInfo { dtype: dtype(entry), shape: entry.shape.clone(), data_offsets: (start, end) };
        infos.push((entry.name.to_string(), info));
    }
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let header = Metadata::new(Some(metadata), infos).expect("offsets follow from the shapes");
    let mut header = serde_json::to_vec(&header).expect("a header always prints");
    header.resize(header.len().next_multiple_of(8), b' ');

    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let io = |source| Error::Io { path: path.into(), source };
    let file = File::create(&partial).map_err(io)?;
    let written = write_all(&file, &header, entries, io);
    written.and_then(|()| std::fs::rename(&partial, path).map_err(io)).inspect_err(|_| {
        // If the partial file cannot be removed either, the first error is still the one to report.
        std::fs::remove_file(&partial).ok();
    })
}

fn write_all(
    file: &File,
    header: &[u8],
    entries: Vec<Entry<'_>>,
    io: impl Fn(std::io::Error) -> Error + Copy,
) -> Result<(), Error> {
    let mut out = BufWriter::with_capacity(4 * PIECE, file);
    out.write_all(&(header.len() as u64).to_le_bytes()).map_err(io)?;
    out.write_all(header).map_err(io)?;
    let mut bytes = Vec::new();
    for Entry { name, shape, values } in entries {
        let mut written = 0;
        let mut write = |len: usize, words: &mut dyn Iterator<Item = [u8; 4]>| {
            written += len;
            bytes.resize(4 * len, 0);
            bytes.chunks_exact_mut(4).zip(words).for_each(|(to, word)| to.copy_from_slice(&word));
            out.write_all(&bytes).map_err(io)
        };
        let mut floats = |slice: &[f32]| {
            slice.chunks(PIECE).try_for_each(|piece| write(piece.len(), &mut piece.iter().map(|x| x.to_le_bytes())))
        };
        match values {
            Values::F32(slice) => floats(slice)?,
            Values::F32s(mut slices) => slices.try_for_each(|slice| floats(&slice?))?,
            Values::U32(numbers) => write(numbers.len(), &mut numbers.iter().map(|x| x.to_le_bytes()))?,
        }
        assert_eq!(written, shape.iter().product::<usize>(), "tensors: `{name}` is not of shape {shape:?}");
    }
    out.flush().map_err(io)
}

/// An open file of tensors, whose header was read and is whole.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: Mutex<File>,
    /// The size and the time of the last change when the file was opened.
    stamp: (u64, Option<SystemTime>),
    places: BTreeMap<String, Place>,
    metadata: HashMap<String, String>,
    notes: Vec<String>,
}

impl Reader {
    /// Opens a file and reads the description of its tensors. A name that ends in `.safetensors` tells the format;
    /// any other file is one of `torch.save`.
    ///
    /// # Errors
    /// A file that is missing, damaged, or asks for more than tensors.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let io = |source| Error::Io { path: path.into(), source };
        let mut file = File::open(path).map_err(io)?;
        let stamp = stamp(&file).map_err(io)?;
        let mut metadata = HashMap::new();
        let found = if path.extension().is_some_and(|extension| extension == "safetensors") {
            header(&mut file, stamp.0)
                .map_err(|problem| format!("is not a whole safetensors file ({problem}): fetch or save it again"))
                .map(|(places, strings)| {
                    metadata = strings;
                    (places, Vec::new())
                })
        } else {
            torch_file::contents(&file, stamp.0)
        };
        let (places, mut notes) = found.map_err(|problem| Error::Weights { path: path.into(), problem })?;
        for (dtype, done) in [
            (Dtype::F16, "widened to f32, which is exact"),
            (Dtype::BF16, "widened to f32, which is exact"),
            (Dtype::F64, "rounded to f32"),
        ] {
            let count = places.values().filter(|place| place.dtype == dtype).count();
            match count {
                0 => (),
                1 => notes.push(format!("1 tensor is {dtype:?}: {done}")),
                _ => notes.push(format!("{count} tensors are {dtype:?}: {done}")),
            }
        }
        let notes = notes.into_iter().map(|note| format!("{}: {note}", path.display())).collect();
        Ok(Reader { path: path.into(), file: Mutex::new(file), stamp, places, metadata, notes })
    }

    /// Returns what the user should know about the file.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }

    /// A tensor's shape, `None` if there is no such tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.places.get(name).map(|place| &place.shape[..])
    }

    /// A string of the header.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// Whether parts of `name` can be read without the rest.
    pub(crate) fn in_rows(&self, name: &str) -> bool {
        self.place(name).order == Order::Rows
    }

    /// Reads the numbers of `name` from number `start` on, row-major. f16 and bf16 are widened exactly, f64 is rounded.
    ///
    /// # Errors
    /// A file that cannot be read, another type, a view with gaps, a number that is not finite.
    ///
    /// # Panics
    /// If there is no such tensor, or it has fewer numbers.
    pub fn read(&self, name: &str, start: usize, out: &mut [f32]) -> Result<(), Error> {
        let place = self.place(name);
        let all = place.shape.iter().product::<usize>();
        assert!(start + out.len() <= all, "tensors: `{name}` has {all} numbers");
        match &place.order {
            Order::Rows => self.read_rows(name, start, out),
            Order::Strides(strides) => {
                let mut stored = vec![0.0; all];
                self.read_rows(name, 0, &mut stored)?;
                for (i, out) in (start..).zip(out) {
                    // The remainder of the division is the place in the last dimension, and so on outwards.
                    let mut rest = i;
                    let at = place.shape.iter().zip(strides).rev().map(|(n, stride)| {
                        let at = rest % n;
                        rest /= n;
                        at * stride
                    });
                    *out = stored[at.sum::<usize>()];
                }
                Ok(())
            }
            Order::Scattered => Err(self.refuse(format!(
                "`{name}` is a view with gaps or repetitions: save the model with `save_pretrained`, or `tensor.contiguous()`"
            ))),
        }
    }

    /// Reads numbers in the order of the file.
    fn read_rows(&self, name: &str, start: usize, out: &mut [f32]) -> Result<(), Error> {
        let dtype = self.place(name).dtype;
        let bytes = match dtype {
            Dtype::F64 => 8,
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            other => {
                let problem = format!("`{name}` has type {other:?}; F64, F32, F16 and BF16 are read");
                return Err(self.refuse(problem));
            }
        };
        let mut buffer = vec![0; bytes * PIECE.min(out.len())];
        for (piece, out) in out.chunks_mut(PIECE).enumerate() {
            let buffer = &mut buffer[..bytes * out.len()];
            self.read_bytes(name, bytes * (start + piece * PIECE), buffer)?;
            match dtype {
                Dtype::F64 => fill(out, buffer, |b| f64::from_le_bytes(b) as f32),
                Dtype::F32 => fill(out, buffer, f32::from_le_bytes),
                Dtype::F16 => fill(out, buffer, |b| f16::from_le_bytes(b).to_f32()),
                _ => fill(out, buffer, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
            }
            if let Some(at) = out.iter().position(|value| !value.is_finite()) {
                return Err(self.refuse(format!("`{name}` has {} at element {}", out[at], start + piece * PIECE + at)));
            }
        }
        Ok(())
    }

    /// Reads all numbers of a tensor of row numbers.
    ///
    /// # Errors
    /// A file that cannot be read, another type.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn read_u32(&self, name: &str) -> Result<Vec<u32>, Error> {
        let place = self.place(name);
        if place.dtype != Dtype::U32 {
            return Err(self.refuse(format!("`{name}` has type {:?}, not U32", place.dtype)));
        }
        let mut bytes = vec![0; 4 * place.shape.iter().product::<usize>()];
        self.read_bytes(name, 0, &mut bytes)?;
        Ok(bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    }

    fn read_bytes(&self, name: &str, from: usize, out: &mut [u8]) -> Result<(), Error> {
        let start = self.place(name).start + from as u64;
        let mut file = self.file.lock().expect("no thread panics while it reads");
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(out));
        read.map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    fn place(&self, name: &str) -> &Place {
        self.places.get(name).unwrap_or_else(|| panic!("tensors: {} has no `{name}`", self.path.display()))
    }

    /// Checks that nobody has written to the file since it was opened.
    ///
    /// # Errors
    /// The file has another size or time of change, or cannot be asked.
    pub(crate) fn unchanged(&self) -> Result<(), Error> {
        let now = stamp(&self.file.lock().expect("no thread panics while it reads"));
        match now.map_err(|source| Error::Io { path: self.path.clone(), source })? == self.stamp {
            true => Ok(()),
            false => Err(self.refuse("was written to while its weights were in use: run again".into())),
        }
    }

    /// Returns an error about this file.
    pub fn refuse(&self, problem: String) -> Error {
        Error::Weights { path: self.path.clone(), problem }
    }
}

fn stamp(file: &File) -> std::io::Result<(u64, Option<SystemTime>)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}

fn fill<const N: usize>(out: &mut [f32], bytes: &[u8], number: impl Fn([u8; N]) -> f32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *out = number(*bytes);
    }
}

/// The place of each tensor, and the strings that the file holds about itself.
type Header = (BTreeMap<String, Place>, HashMap<String, String>);

/// Reads the header of a safetensors file of `bytes` bytes.
fn header(file: &mut File, bytes: u64) -> Result<Header, String> {
    let mut length = [0; 8];
    if bytes < 8 {
        return Err(format!("it has {bytes} bytes"));
    }
    file.read_exact(&mut length).map_err(|error| error.to_string())?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_BYTES_MAX.min(bytes - 8) {
        return Err(format!("a header of {length} bytes in a file of {bytes}"));
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(|error| error.to_string())?;
    let header: Metadata = serde_json::from_slice(&header).map_err(|error| error.to_string())?;
    let data = 8 + length;
    if data.checked_add(header.data_len() as u64) != Some(bytes) {
        return Err(format!("{} bytes of tensors, {} announced", bytes - data, header.data_len()));
    }
    let place = |info: &TensorInfo| Place {
        dtype: info.dtype,
        shape: info.shape.clone(),
        start: data + info.data_offsets.0 as u64,
        order: Order::Rows,
    };
    let places = header.tensors().into_iter().map(|(name, info)| (name, place(info))).collect();
    Ok((places, header.metadata().clone().unwrap_or_default()))
}
