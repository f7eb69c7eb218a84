//! safetensors files of f32 tensors.

use crate::error::Error;
use safetensors::{Dtype, SafeTensors, View, tensor::TensorView};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

/// A file's tensors, without their shapes, and its metadata.
#[derive(Debug)]
pub struct Tensors {
    /// Values by name.
    pub tensors: BTreeMap<String, Vec<f32>>,
    /// The header's metadata.
    pub metadata: HashMap<String, String>,
}

/// Writes named tensors with their shapes.
///
/// # Errors
/// What the system says of the file.
pub fn write(path: &Path, tensors: &[(&str, &[usize], &[f32])], metadata: &[(&str, String)]) -> Result<(), Error> {
    let views = tensors.iter().map(|&(name, shape, values)| (name, F32View { shape, values }));
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let io = |source| Error::Io { path: path.into(), source };
    // The library writes through a temporary file that only its owner may read: the file gets the permissions that
    // any other new file has here.
    let permissions = File::create(path).and_then(|file| file.metadata()).map_err(io)?.permissions();
    safetensors::serialize_to_file(views, Some(metadata), path)
        .map_err(|error| Error::Weights { path: path.into(), problem: format!("cannot be written: {error}") })?;
    std::fs::set_permissions(path, permissions).map_err(io)
}

/// Reads a file whole.
///
/// # Errors
/// A file that is missing or damaged, or holds a type that is not read.
pub fn read(path: &Path) -> Result<Tensors, Error> {
    let refuse = |problem: String| Error::Weights { path: path.into(), problem };
    let damaged = |error| refuse(format!("is not a whole safetensors file ({error})"));
    let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in file.iter() {
        let mut values = vec![0.0; tensor.shape().iter().product()];
        copy_values(&tensor, &mut values).map_err(|problem| refuse(format!("`{name}` {problem}")))?;
        tensors.insert(name.to_owned(), values);
    }
    Ok(Tensors { tensors, metadata: header.metadata().clone().unwrap_or_default() })
}

/// f32 as it is, bf16 and f16 exactly widened.
pub(crate) fn copy_values(tensor: &TensorView, out: &mut [f32]) -> Result<(), String> {
    let data = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => {
            for (bytes, out) in data.chunks_exact(4).zip(out.iter_mut()) {
                *out = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            }
        }
        Dtype::BF16 => {
            for (bytes, out) in data.chunks_exact(2).zip(out.iter_mut()) {
                *out = f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16);
            }
        }
        other => return Err(format!("has type {other:?}; F32 and BF16 are read")),
    }
    match out.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("has {} at element {at}", out[at])),
        None => Ok(()),
    }
}

/// f32 values to write as a tensor.
struct F32View<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for F32View<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}
