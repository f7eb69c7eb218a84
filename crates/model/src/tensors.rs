//! safetensors files, read and written piece by piece: no tensor is ever in memory twice.

use crate::error::Error;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

/// Numbers read or written at once.
const PIECE: usize = 64 * 1024;

/// The format's own bound on a header.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// A tensor to write.
pub struct Entry<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its shape, outermost first.
    pub shape: Vec<usize>,
    /// Its numbers, row-major.
    pub values: Values<'a>,
}

/// A tensor's numbers.
pub enum Values<'a> {
    /// Floats, all at hand.
    F32(&'a [f32]),
    /// Floats, slice after slice.
    F32s(Box<dyn Iterator<Item = Cow<'a, [f32]>> + 'a>),
    /// Row numbers.
    U32(&'a [u32]),
}

/// Writes a file that replaces the one there was when it is complete.
///
/// # Errors
/// What the system says of the file.
///
/// # Panics
/// If slices do not make up their tensor.
pub fn write(path: &Path, mut entries: Vec<Entry<'_>>, metadata: &[(&str, String)]) -> Result<(), Error> {
    // The order that the format's own writer gives them.
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
    let written = write_all(&file, &header, entries).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|source| {
        // Nothing can be done about a rest of what cannot be used; the first error is the one to report.
        std::fs::remove_file(&partial).ok();
        io(source)
    })
}

fn write_all(file: &File, header: &[u8], entries: Vec<Entry<'_>>) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(4 * PIECE, file);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    let mut bytes = Vec::new();
    for Entry { name, shape, values } in entries {
        let mut written = 0;
        let mut write = |len: usize, words: &mut dyn Iterator<Item = [u8; 4]>| {
            written += len;
            bytes.resize(4 * len, 0);
            bytes.chunks_exact_mut(4).zip(words).for_each(|(to, word)| to.copy_from_slice(&word));
            out.write_all(&bytes)
        };
        let mut floats = |slice: &[f32]| {
            slice.chunks(PIECE).try_for_each(|piece| write(piece.len(), &mut piece.iter().map(|x| x.to_le_bytes())))
        };
        match values {
            Values::F32(slice) => floats(slice)?,
            Values::F32s(mut slices) => slices.try_for_each(|slice| floats(&slice))?,
            Values::U32(numbers) => write(numbers.len(), &mut numbers.iter().map(|x| x.to_le_bytes()))?,
        }
        assert_eq!(written, shape.iter().product::<usize>(), "tensors: `{name}` is not of shape {shape:?}");
    }
    out.flush()
}

/// An open file whose header was read and found whole.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    file: Mutex<File>,
    /// Its size and the time of its last change when it was opened.
    stamp: (u64, Option<SystemTime>),
    /// Where the tensors begin.
    data: u64,
    header: Metadata,
}

impl Reader {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        let io = |source| Error::Io { path: path.into(), source };
        let damaged = |problem: String| Error::Weights {
            path: path.into(),
            problem: format!("is not a whole safetensors file ({problem}): fetch or save it again"),
        };
        let mut file = File::open(path).map_err(io)?;
        let stamp = stamp(&file).map_err(io)?;
        let bytes = stamp.0;
        let mut length = [0; 8];
        if bytes < 8 {
            return Err(damaged(format!("it has {bytes} bytes")));
        }
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > HEADER_BYTES_MAX.min(bytes - 8) {
            return Err(damaged(format!("a header of {length} bytes in a file of {bytes}")));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(io)?;
        let header: Metadata = serde_json::from_slice(&header).map_err(|error| damaged(error.to_string()))?;
        let data = 8 + length;
        if data.checked_add(header.data_len() as u64) != Some(bytes) {
            return Err(damaged(format!("{} bytes of tensors, {} announced", bytes - data, header.data_len())));
        }
        Ok(Reader { path: path.into(), file: Mutex::new(file), stamp, data, header })
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort();
        names
    }

    /// A tensor's shape, `None` if there is no such tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| &info.shape[..])
    }

    /// A string of the header.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// The numbers of `name` from the `start`-th on: f32 as they are, bf16 exactly widened.
    ///
    /// # Errors
    /// A file that cannot be read, another type, a number that is not finite.
    ///
    /// # Panics
    /// If there is no such tensor, or it has fewer numbers.
    pub fn read(&self, name: &str, start: usize, out: &mut [f32]) -> Result<(), Error> {
        let bytes = match self.header.info(name).map(|info| info.dtype) {
            Some(Dtype::F32) => 4,
            Some(Dtype::BF16) => 2,
            other => {
                let found = other.map_or("nothing".into(), |dtype| format!("type {dtype:?}"));
                return Err(self.refuse(format!("`{name}` has {found}; F32 and BF16 are read")));
            }
        };
        let mut buffer = vec![0; bytes * PIECE.min(out.len())];
        for (piece, out) in out.chunks_mut(PIECE).enumerate() {
            let buffer = &mut buffer[..bytes * out.len()];
            self.read_bytes(name, bytes * (start + piece * PIECE), buffer)?;
            if bytes == 4 {
                let words = buffer.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                out.iter_mut().zip(words).for_each(|(out, x)| *out = x);
            } else {
                let words = buffer.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
                out.iter_mut().zip(words).for_each(|(out, x)| *out = f32::from_bits(u32::from(x) << 16));
            }
            if let Some(at) = out.iter().position(|value| !value.is_finite()) {
                return Err(self.refuse(format!("`{name}` has {} at element {}", out[at], start + piece * PIECE + at)));
            }
        }
        Ok(())
    }

    /// All numbers of a tensor of row numbers.
    ///
    /// # Errors
    /// A file that cannot be read, another type.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn read_u32(&self, name: &str) -> Result<Vec<u32>, Error> {
        let info = self.info(name);
        if info.dtype != Dtype::U32 {
            return Err(self.refuse(format!("`{name}` has type {:?}, not U32", info.dtype)));
        }
        let mut bytes = vec![0; info.data_offsets.1 - info.data_offsets.0];
        self.read_bytes(name, 0, &mut bytes)?;
        Ok(bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect())
    }

    fn read_bytes(&self, name: &str, from: usize, out: &mut [u8]) -> Result<(), Error> {
        let (start, end) = self.info(name).data_offsets;
        assert!(from + out.len() <= end - start, "tensors: `{name}` has {} bytes", end - start);
        let mut file = self.file.lock().expect("no thread panics while it reads");
        let read = file.seek(SeekFrom::Start(self.data + (start + from) as u64)).and_then(|_| file.read_exact(out));
        read.map_err(|source| Error::Io { path: self.path.clone(), source })
    }

    fn info(&self, name: &str) -> &TensorInfo {
        self.header.info(name).unwrap_or_else(|| panic!("tensors: {} has no `{name}`", self.path.display()))
    }

    /// Whether the file is still the one that was opened.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn unchanged(&self) -> Result<(), Error> {
        let now = stamp(&self.file.lock().expect("no thread panics while it reads"));
        match now.map_err(|source| Error::Io { path: self.path.clone(), source })? == self.stamp {
            true => Ok(()),
            false => Err(self.refuse("was written to while its weights were in use: run again".into())),
        }
    }

    /// An error about this file.
    pub fn refuse(&self, problem: String) -> Error {
        Error::Weights { path: self.path.clone(), problem }
    }
}

fn stamp(file: &File) -> std::io::Result<(u64, Option<SystemTime>)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}
