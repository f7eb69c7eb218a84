//! A Hugging Face folder's weights: model.safetensors or pytorch_model.bin, whole or in shards.

use crate::config::{Config, Family};
use crate::layout::{Layout, is_head};
use crate::model::Model;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tagsmith_kernel::Precision;
use tagsmith_kernel::params::{Params, Slot, SlotId};
use tagsmith_kernel::random::torch::MersenneTwister;
use tagsmith_weights::error::Error;
use tagsmith_weights::origin::table_of_file;
use tagsmith_weights::tensors::{self, Entry, Reader, Values};

/// What to do where a checkpoint has no head for the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Refuse: the model is to be used as it is.
    Required,
    /// Draw one, for training.
    Drawn {
        /// Decides the new head's weights.
        seed: u64,
        /// Whether a head of another size is left behind too.
        ignore_mismatched_sizes: bool,
    },
}

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
    /// Those that were left alone.
    pub note: Option<String>,
}

impl Model {
    /// Reads `folder`'s weights as `config` says. Returns notes: a head that was drawn, tensors that were not used.
    ///
    /// # Errors
    /// Files that are missing, damaged or incomplete; a head that is missing or of another size, as `head` says.
    pub fn load(folder: &Path, config: Config, head: Head) -> Result<(Model, Vec<String>), Error> {
        let WeightFiles { files, note } = weight_files(folder, &[])?;
        let layout = Layout::new(&config);
        check_size(&files, &layout)?;
        let params = Params::zeros(layout.slots.clone());
        let mut model = Model { params, config, layout, precision: Precision::F32 };
        let mut notes: Vec<String> = note.into_iter().collect();
        notes.extend(model.read_weights(&files, head)?);
        Ok((model, notes))
    }

    /// Takes the weights of a checkpoint of the same configuration, in place.
    ///
    /// # Errors
    /// Files that are missing, damaged, incomplete or of another shape; some weights may then be the file's.
    pub fn reload(&mut self, folder: &Path) -> Result<(), Error> {
        self.read_weights(&weight_files(folder, &[])?.files, Head::Required).map(|_notes| ())
    }

    fn read_weights(&mut self, files: &[PathBuf], head: Head) -> Result<Vec<String>, Error> {
        let names = self.names_in_files();
        let mut loading = Loading { found: vec![None; self.params.slots.len()], ..Loading::default() };
        for path in files {
            loading.file(path, self, &names, head)?;
        }
        loading.finish(&files[0], self, head)
    }

    /// Every name that a checkpoint may have for a slot: with the family's prefix, without it, and with the oldest
    /// names of a norm's parameters.
    fn names_in_files(&self) -> BTreeMap<String, usize> {
        let mut names = BTreeMap::new();
        for (number, slot) in self.params.slots.iter().enumerate() {
            let bare = slot.name.strip_prefix(self.layout.prefix).unwrap_or(&slot.name).to_owned();
            for name in [slot.name.clone(), bare] {
                if name.contains("LayerNorm.") {
                    names.insert(name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"), number);
                }
                names.insert(name, number);
            }
        }
        names
    }

    /// Writes config.json and model.safetensors into an existing folder.
    ///
    /// # Errors
    /// What the system says of either file.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let entry = |(number, slot): (usize, &'_ Slot)| Entry {
            name: slot.name.clone().into(),
            shape: slot.shape.clone(),
            values: match slot.sparse {
                true => Values::F32s(Box::new(self.params.table(SlotId(number)).blocks().map(Cow::from))),
                false => Values::F32(self.params.get(SlotId(number))),
            },
        };
        let entries = self.params.slots.iter().enumerate().map(entry).collect();
        tensors::write(&folder.join("model.safetensors"), entries, &[("format", "pt".into())])?;
        let path = folder.join("config.json");
        std::fs::write(&path, self.config_json()).map_err(|source| Error::Io { path, source })
    }

    /// config.json as transformers writes it: two spaces, sorted keys.
    fn config_json(&self) -> String {
        let config = self.config.clone();
        let labels = config.labels.clone();
        let mut json = config.with_labels(&labels).json;
        let name = match (&self.config.family, self.config.model_type.as_str()) {
            (Family::ModernBert(_), _) => "ModernBert",
            (Family::Deberta(_), _) => "DebertaV2",
            (Family::Bert, _) => "Bert",
            (Family::DistilBert, _) => "DistilBert",
            (Family::Electra, _) => "Electra",
            (Family::Roberta, "xlm-roberta") => "XLMRoberta",
            (Family::Roberta, "camembert") => "Camembert",
            (Family::Roberta, _) => "Roberta",
        };
        json.insert("architectures".into(), Value::from(vec![format!("{name}ForTokenClassification")]));
        json.remove("torch_dtype");
        json.insert("dtype".into(), "float32".into());
        let mut sorted: Vec<_> = json.into_iter().collect();
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut text = serde_json::to_string_pretty(&Value::Object(sorted.into_iter().collect()))
            .expect("a JSON value always prints");
        text.push('\n');
        text
    }
}

/// Refuses, before any memory is taken, a configuration that asks for more than the files can hold.
fn check_size(files: &[PathBuf], layout: &Layout) -> Result<(), Error> {
    let mut bytes = 0;
    for path in files {
        bytes += std::fs::metadata(path).map_err(|source| Error::Io { path: path.clone(), source })?.len();
    }
    let encoder = layout.slots.iter().filter(|slot| !is_head(&slot.name));
    let parameters: u64 = encoder.map(|slot| slot.len() as u64).sum();
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
    /// Whether a head of another size was met.
    resized: bool,
    /// The word table under a head's name.
    tied: Option<(Arc<Reader>, String)>,
    of_other_heads: Counted,
    unused: Counted,
    wrapped: Counted,
    notes: Vec<String>,
}

impl Loading {
    fn file(
        &mut self,
        path: &Path,
        model: &mut Model,
        names: &BTreeMap<String, usize>,
        head: Head,
    ) -> Result<(), Error> {
        let reader = Arc::new(Reader::open(path)?);
        self.notes.extend_from_slice(reader.notes());
        let is_of_other_head = |name: &str| {
            let bare = name.strip_prefix(model.layout.prefix).unwrap_or(name);
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
            if let Some(other) = &self.found[number] {
                return Err(
                    reader.refuse(format!("`{other}` and `{name}` are both `{}`", model.params.slots[number].name))
                );
            }
            let slot = model.params.slots[number].clone();
            let shape = reader.shape(name).expect("the file names its own tensors");
            if shape != slot.shape {
                if !is_head(&slot.name) {
                    let problem = format!("`{name}` has shape {shape:?}, config.json asks for {:?}", slot.shape);
                    return Err(reader.refuse(problem));
                }
                if !matches!(head, Head::Drawn { ignore_mismatched_sizes: true, .. }) {
                    return Err(Error::HeadSize {
                        path: path.into(),
                        tensor: name.clone(),
                        found: shape.to_vec(),
                        needed: slot.shape,
                        labels: model.config.labels.len(),
                    });
                }
                self.resized = true;
                self.notes.push(format!(
                    "`{name}` has shape {shape:?} and {:?} is needed: drawn anew (--ignore_mismatched_sizes)",
                    slot.shape
                ));
                continue;
            }
            if slot.sparse {
                let table = table_of_file(&reader, name, slot.shape[0], slot.shape[1])?;
                *model.params.table_mut(SlotId(number)) = table;
            } else {
                reader.read(name, 0, model.params.get_mut(SlotId(number)))?;
            }
            self.found[number] = Some(name.clone());
        }
        Ok(())
    }

    fn finish(self, path: &Path, model: &mut Model, head: Head) -> Result<Vec<String>, Error> {
        let Loading { mut found, resized, tied, mut of_other_heads, unused, wrapped, mut notes } = self;
        let words = model.layout.encoder.words;
        let slot = model.params.slots[words.0].clone();
        if let Some((reader, name)) = tied {
            if found[words.0].is_some() || reader.shape(&name) != Some(&slot.shape[..]) {
                of_other_heads.add(&name);
            } else {
                notes.push(format!("{}: `{name}` is taken for `{}`, which it was tied to", path.display(), slot.name));
                let table = table_of_file(&reader, &name, slot.shape[0], slot.shape[1])?;
                *model.params.table_mut(words) = table;
                found[words.0] = Some(name);
            }
        }
        let missing: Vec<usize> = (0..found.len()).filter(|&number| found[number].is_none()).collect();
        let of_head = |&number: &usize| is_head(&model.params.slots[number].name);
        let lost: Vec<&str> = missing
            .iter()
            .filter(|number| !of_head(number))
            .map(|&number| model.params.slots[number].name.as_str())
            .collect();
        if let Some(first) = lost.first() {
            let problem = format!("lacks `{first}`{}", and_more(lost.len() - 1));
            return Err(Error::Weights { path: path.into(), problem });
        }
        if !missing.is_empty() {
            let Head::Drawn { seed, .. } = head else { return Err(Error::NoHead { path: path.into() }) };
            if !resized {
                let labels = model.config.labels.len();
                notes.push(format!("the checkpoint has no head for {labels} labels: drawn from seed {seed}"));
            }
            draw_head(model, &missing, seed);
        }
        notes.extend(wrapped.note(path, "read as if nothing stood before the name"));
        notes.extend(of_other_heads.note(path, "left out, parts of heads for other tasks"));
        notes.extend(unused.note(path, "not used"));
        Ok(notes)
    }
}

/// Draws what a head lacks in the order of transformers, from the generator that transformers has just seeded. ModernBERT's
/// weights are normal numbers cut off, which come from a generator of our own.
fn draw_head(model: &mut Model, missing: &[usize], seed: u64) {
    let mut generator = MersenneTwister::new(seed);
    for &number in missing {
        let slot = &model.params.slots[number];
        match (&model.config.family, slot.name.ends_with("bias")) {
            (Family::ModernBert(_), _) => model.initialise(number, seed),
            (_, true) => model.params.get_mut(SlotId(number)).fill(0.0),
            (_, false) => {
                generator.fill_normal(model.config.initializer_range, model.params.get_mut(SlotId(number)));
            }
        }
    }
}

fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more") }
}
