//! The weights of a Hugging Face folder: which files hold them, and which tensor belongs to which parameter.

use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tagsmith_kernel::params::{Params, Slot, SlotId};
use tagsmith_weights::error::Error;
use tagsmith_weights::origin::table_of_file;
use tagsmith_weights::tensors::Reader;

/// What base checkpoints carry for other heads; not part of a token classifier.
pub const OTHER_HEADS: &[&str] = &[
    "pooler.",
    "cls.",
    "lm_head.",
    "qa_outputs.",
    "vocab_",
    "discriminator_predictions.",
    "generator_predictions.",
    "generator_lm_head.",
    "pre_classifier.",
    "embeddings.position_ids",
    "score.",
    "decoder.",
    "lm_predictions.",
    "mask_predictions.",
    // DeBERTa's where no position is added to the input.
    "embeddings.position_embeddings.",
];

/// Where the word table stands a second time in the checkpoint of a language model. Which of the two names a file keeps
/// depends on the program that wrote it.
const TIED_TO_WORDS: &[&str] = &[
    "cls.predictions.decoder.weight",
    "lm_head.decoder.weight",
    "lm_head.weight",
    "vocab_projector.weight",
    "generator_lm_head.weight",
];

/// What training programs put before every name.
const WRAPPERS: &[&str] = &["module.", "_orig_mod.", "model."];

/// What a folder's weights may be called, the first that is there being read: a file, or the index of its shards.
const WEIGHT_FILES: &[&str] =
    &["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The files that hold a model's weights.
#[derive(Clone, Debug)]
pub struct WeightFiles {
    /// At least one, in order.
    pub files: Vec<PathBuf>,
    /// A note about the weight files that were left alone.
    pub note: Option<String>,
}

/// Parameters to read, and how checkpoints name them.
pub struct Target<'a> {
    /// The parameters.
    pub params: &'a mut Params,
    /// The part of a name that a checkpoint of the encoder alone leaves out: `bert.`.
    pub prefix: &'a str,
    /// The word table.
    pub words: SlotId,
    /// Numbers of the head's slots. A checkpoint may lack these, or have them in another shape.
    pub head: Range<usize>,
}

/// Outcome of reading weights into a [`Target`].
pub struct Loaded {
    /// Numbers of the head's slots that keep the values they had.
    pub missing: Vec<usize>,
    /// Tensors of the head that have another shape than their slot.
    pub resized: Vec<Resized>,
    /// What the user should know about the files.
    pub notes: Vec<String>,
}

/// A tensor of a head whose shape is not that of its slot.
pub struct Resized {
    /// The file.
    pub path: PathBuf,
    /// The tensor's name in the file.
    pub tensor: String,
    /// The tensor's shape in the file.
    pub found: Vec<usize>,
    /// The parameter it would be.
    pub slot: SlotId,
}

impl Target<'_> {
    /// Reads the weights that `files` hold.
    ///
    /// # Errors
    /// Files that are missing or damaged, that lack a parameter of the encoder, or have it in another shape. Some
    /// parameters may then be the file's.
    pub fn read(mut self, files: &[PathBuf]) -> Result<Loaded, Error> {
        let names = self.names_in_files();
        let mut loading = Loading { found: vec![None; self.params.slots.len()], ..Loading::default() };
        for path in files {
            loading.file(path, &mut self, &names)?;
        }
        loading.finish(&files[0], self)
    }

    /// Every name that a checkpoint may have for a slot: with the family's prefix, without it, and with the oldest
    /// names of a norm's parameters.
    fn names_in_files(&self) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for (number, slot) in self.params.slots.iter().enumerate() {
            let bare = slot.name.strip_prefix(self.prefix).unwrap_or(&slot.name).to_owned();
            for name in [slot.name.clone(), bare] {
                if name.contains("LayerNorm.") {
                    names.insert(name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"), number);
                }
                names.insert(name, number);
            }
        }
        names
    }
}

/// Refuses, before any memory is taken, an encoder that is larger than the files can hold.
///
/// # Errors
/// The files are too small, or not there.
pub fn check_size<'s>(files: &[PathBuf], encoder: impl IntoIterator<Item = &'s Slot>) -> Result<(), Error> {
    let mut bytes = 0;
    for path in files {
        bytes += std::fs::metadata(path).map_err(|source| Error::Io { path: path.clone(), source })?.len();
    }
    let parameters: u64 = encoder.into_iter().map(|slot| slot.len() as u64).sum();
    // No type that is read has fewer than two bytes.
    if 2 * parameters > bytes {
        let problem = format!("has {bytes} bytes, too few for the {parameters} parameters that config.json asks for");
        return Err(Error::Weights { path: files[0].clone(), problem });
    }
    Ok(())
}

/// The files of a folder's weights: safetensors before pickles, one file before shards, `also` last.
///
/// # Errors
/// There is none, or the index of shards is damaged.
pub fn weight_files(folder: &Path, also: &[&str]) -> Result<WeightFiles, Error> {
    let there: Vec<&str> =
        WEIGHT_FILES.iter().chain(also).copied().filter(|name| folder.join(name).is_file()).collect();
    let Some((first, others)) = there.split_first() else {
        let names: Vec<&str> = WEIGHT_FILES[1..].iter().chain(also).copied().collect();
        let problem = format!("not found, nor {}", names.join(", "));
        return Err(Error::Weights { path: folder.join(WEIGHT_FILES[0]), problem });
    };
    let note = (!others.is_empty())
        .then(|| format!("{}: read, {} beside it left alone", folder.join(first).display(), others.join(", ")));
    let files = if first.ends_with(".index.json") { shards(folder, first)? } else { vec![folder.join(first)] };
    Ok(WeightFiles { files, note })
}

fn shards(folder: &Path, index: &str) -> Result<Vec<PathBuf>, Error> {
    let index = folder.join(index);
    let text = std::fs::read(&index).map_err(|source| Error::Io { path: index.clone(), source })?;
    let json: Value = serde_json::from_slice(&text).map_err(|source| Error::Json { path: index.clone(), source })?;
    let refuse = |problem: &str| Error::Weights { path: index.clone(), problem: problem.into() };
    let map = json["weight_map"].as_object().ok_or_else(|| refuse("has no `weight_map`"))?;
    let mut names: Vec<&str> = map
        .values()
        .map(|name| name.as_str().filter(|name| !name.contains(['/', '\\'])))
        .collect::<Option<_>>()
        .ok_or_else(|| refuse("`weight_map` names something that is not a file in this folder"))?;
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(refuse("`weight_map` is empty"));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// A name without what training programs put before it, if `known` knows it so.
fn unwrapped(name: &str, known: impl Fn(&str) -> bool) -> Option<&str> {
    let mut bare = name;
    while let Some(rest) = WRAPPERS.iter().find_map(|wrapper| bare.strip_prefix(wrapper)) {
        bare = rest;
        if known(bare) {
            return Some(bare);
        }
    }
    None
}

/// Names that have one thing in common: how many, and the first.
#[derive(Default)]
struct Counted {
    count: usize,
    first: String,
}

impl Counted {
    fn add(&mut self, name: &str) {
        if self.count == 0 || name < self.first.as_str() {
            self.first = name.to_owned();
        }
        self.count += 1;
    }

    fn note(&self, path: &Path, what: &str) -> Option<String> {
        let Counted { count, first } = self;
        (*count > 0).then(|| format!("{}: {what}: `{first}`{}", path.display(), and_more(count - 1)))
    }
}

#[derive(Default)]
struct Loading {
    /// The name that each slot's tensor had.
    found: Vec<Option<String>>,
    resized: Vec<Resized>,
    /// The word table under a head's name.
    tied: Option<(Arc<Reader>, String)>,
    of_other_heads: Counted,
    unused: Counted,
    wrapped: Counted,
    notes: Vec<String>,
}

impl Loading {
    fn file(&mut self, path: &Path, target: &mut Target, names: &BTreeMap<String, usize>) -> Result<(), Error> {
        let reader = Arc::new(Reader::open(path)?);
        self.notes.extend_from_slice(reader.notes());
        let prefix = target.prefix;
        let is_of_other_head = |name: &str| {
            let bare = name.strip_prefix(prefix).unwrap_or(name);
            OTHER_HEADS.iter().any(|head| bare.starts_with(head))
        };
        for name in &reader.names() {
            let known = |name: &str| names.contains_key(name) || is_of_other_head(name);
            let inside = if known(name) { None } else { unwrapped(name, known) };
            if inside.is_some() {
                self.wrapped.add(name);
            }
            let inside = inside.unwrap_or(name);
            let Some(&number) = names.get(inside) else {
                if TIED_TO_WORDS.contains(&inside) && self.tied.is_none() {
                    self.tied = Some((reader.clone(), name.clone()));
                    continue;
                }
                let kind = if is_of_other_head(inside) { &mut self.of_other_heads } else { &mut self.unused };
                kind.add(name);
                continue;
            };
            let slot = target.params.slots[number].clone();
            if let Some(other) = &self.found[number] {
                return Err(reader.refuse(format!("`{other}` and `{name}` are both `{}`", slot.name)));
            }
            let shape = reader.shape(name).expect("the file names its own tensors");
            if shape != slot.shape {
                if !target.head.contains(&number) {
                    let problem = format!("`{name}` has shape {shape:?}, config.json asks for {:?}", slot.shape);
                    return Err(reader.refuse(problem));
                }
                let (tensor, found) = (name.clone(), shape.to_vec());
                self.resized.push(Resized { path: path.into(), tensor, found, slot: SlotId(number) });
                continue;
            }
            if slot.sparse {
                let table = table_of_file(&reader, name, slot.shape[0], slot.shape[1])?;
                *target.params.table_mut(SlotId(number)) = table;
            } else {
                reader.read(name, 0, target.params.get_mut(SlotId(number)))?;
            }
            self.found[number] = Some(name.clone());
        }
        Ok(())
    }

    fn finish(self, path: &Path, target: Target) -> Result<Loaded, Error> {
        let Loading { mut found, resized, tied, mut of_other_heads, unused, wrapped, mut notes } = self;
        let words = target.words;
        let slot = target.params.slots[words.0].clone();
        if let Some((reader, name)) = tied {
            if found[words.0].is_some() || reader.shape(&name) != Some(&slot.shape[..]) {
                of_other_heads.add(&name);
            } else {
                notes.push(format!("{}: `{name}` is taken for `{}`, which it was tied to", path.display(), slot.name));
                let table = table_of_file(&reader, &name, slot.shape[0], slot.shape[1])?;
                *target.params.table_mut(words) = table;
                found[words.0] = Some(name);
            }
        }
        let all = (0..found.len()).filter(|&number| found[number].is_none());
        let (missing, lost): (Vec<usize>, Vec<usize>) = all.partition(|number| target.head.contains(number));
        if let Some(&first) = lost.first() {
            let problem = format!("lacks `{}`{}", target.params.slots[first].name, and_more(lost.len() - 1));
            return Err(Error::Weights { path: path.into(), problem });
        }
        notes.extend(wrapped.note(path, "read as if nothing stood before the name"));
        notes.extend(of_other_heads.note(path, "left out, parts of heads for other tasks"));
        notes.extend(unused.note(path, "not used"));
        Ok(Loaded { missing, resized, notes })
    }
}

fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more") }
}
