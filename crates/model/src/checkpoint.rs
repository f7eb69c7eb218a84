//! A Hugging Face folder's weights: model.safetensors, whole or in shards.

use crate::config::{Config, Family};
use crate::error::Error;
use crate::layout::{Layout, is_head};
use crate::model::Model;
use crate::origin::table_of_file;
use crate::tensors::{self, Entry, Reader, Values};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tagsmith_kernel::Precision;
use tagsmith_kernel::mersenne::MersenneTwister;
use tagsmith_kernel::params::{Params, Slot, SlotId};

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

impl Model {
    /// Reads `folder`'s safetensors as `config` says. Returns notes: a head that was drawn, tensors that were not used.
    ///
    /// # Errors
    /// Files that are missing, damaged or incomplete; a head that is missing or of another size, as `head` says.
    pub fn load(folder: &Path, config: Config, head: Head) -> Result<(Model, Vec<String>), Error> {
        let files = weight_files(folder)?;
        let layout = Layout::new(&config);
        check_size(&files, &layout)?;
        let params = Params::zeros(layout.slots.clone());
        let mut model = Model { params, config, layout, precision: Precision::F32 };
        let notes = model.read_weights(&files, head)?;
        Ok((model, notes))
    }

    /// Takes the weights of a checkpoint of the same configuration, in place.
    ///
    /// # Errors
    /// Files that are missing, damaged, incomplete or of another shape; some weights may then be the file's.
    pub fn reload(&mut self, folder: &Path) -> Result<(), Error> {
        self.read_weights(&weight_files(folder)?, Head::Required).map(|_notes| ())
    }

    fn read_weights(&mut self, files: &[PathBuf], head: Head) -> Result<Vec<String>, Error> {
        let names = self.names_in_files();
        let mut loading =
            Loading { found: vec![false; self.params.slots.len()], unused: Vec::new(), notes: Vec::new() };
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

/// The safetensors files of a folder, in order.
///
/// # Errors
/// There is none, or the index of shards is damaged.
pub fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let whole = folder.join("model.safetensors");
    if whole.exists() {
        return Ok(vec![whole]);
    }
    let index = folder.join("model.safetensors.index.json");
    let text = match std::fs::read(&index) {
        Ok(text) => text,
        Err(_) => {
            let problem = if folder.join("pytorch_model.bin").exists() {
                "not found, only pytorch_model.bin, which is not read yet: save the model with safetensors"
            } else {
                "not found, nor model.safetensors.index.json"
            };
            return Err(Error::Weights { path: whole, problem: problem.into() });
        }
    };
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

struct Loading {
    found: Vec<bool>,
    unused: Vec<String>,
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
        for name in &reader.names() {
            let Some(&number) = names.get(name) else {
                let bare = name.strip_prefix(model.layout.prefix).unwrap_or(name);
                if !OTHER_HEADS.iter().any(|head| bare.starts_with(head)) {
                    self.unused.push(name.clone());
                }
                continue;
            };
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
            self.found[number] = true;
        }
        Ok(())
    }

    fn finish(self, path: &Path, model: &mut Model, head: Head) -> Result<Vec<String>, Error> {
        let Loading { found, mut unused, mut notes } = self;
        let missing: Vec<usize> = (0..found.len()).filter(|&number| !found[number]).collect();
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
            if notes.is_empty() {
                let labels = model.config.labels.len();
                notes.push(format!("the checkpoint has no head for {labels} labels: drawn from seed {seed}"));
            }
            // In the order of transformers, which draws a head's missing weights from the generator it has just seeded.
            let mut generator = MersenneTwister::new(seed);
            for number in missing {
                if matches!(model.config.family, Family::ModernBert(_)) {
                    // transformers cuts ModernBERT's normal numbers off, by a formula of PyTorch's own: these are ours.
                    model.initialise(number, seed);
                    continue;
                }
                let is_bias = model.params.slots[number].name.ends_with("bias");
                let values = model.params.get_mut(SlotId(number));
                match is_bias {
                    true => values.fill(0.0),
                    false => generator.fill_normal(model.config.initializer_range, values),
                }
            }
        }
        if !unused.is_empty() {
            unused.sort();
            notes.push(format!("{}: not used: `{}`{}", path.display(), unused[0], and_more(unused.len() - 1)));
        }
        Ok(notes)
    }
}

fn and_more(count: usize) -> String {
    if count == 0 { String::new() } else { format!(" and {count} more") }
}
