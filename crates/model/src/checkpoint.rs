//! A Hugging Face folder's weights: model.safetensors, whole or in shards.

use crate::config::{Config, Family};
use crate::error::Error;
use crate::layout::Layout;
use crate::model::Model;
use crate::tensors::{self, copy_values};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagsmith_kernel::params::{Params, SlotId};

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
const OTHER_HEADS: &[&str] = &[
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
        let mut model = Model { params: Params::zeros(layout.slots.clone()), config, layout };
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
            let bytes = std::fs::read(path).map_err(|source| Error::Io { path: path.clone(), source })?;
            loading.file(path, &bytes, self, &names, head)?;
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
        let slots = self.params.slots.iter().enumerate();
        let tensors: Vec<_> =
            slots.map(|(number, slot)| (&slot.name[..], &slot.shape[..], self.params.get(SlotId(number)))).collect();
        tensors::write(&folder.join("model.safetensors"), &tensors, &[("format", "pt".into())])?;
        let path = folder.join("config.json");
        std::fs::write(&path, self.config_json()).map_err(|source| Error::Io { path, source })
    }

    /// config.json as transformers writes it: two spaces, sorted keys.
    fn config_json(&self) -> String {
        let config = self.config.clone();
        let labels = config.labels.clone();
        let mut json = config.with_labels(&labels).json;
        let name = match (self.config.family, self.config.model_type.as_str()) {
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
    let encoder = layout.slots.iter().filter(|slot| !slot.name.starts_with("classifier"));
    let parameters: u64 = encoder.map(|slot| slot.len() as u64).sum();
    // No type that is read has fewer than two bytes.
    if 2 * parameters > bytes {
        let problem = format!("has {bytes} bytes, too few for the {parameters} parameters that config.json asks for");
        return Err(Error::Weights { path: files[0].clone(), problem });
    }
    Ok(())
}

/// The safetensors files of a folder, in order.
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
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
        bytes: &[u8],
        model: &mut Model,
        names: &BTreeMap<String, usize>,
        head: Head,
    ) -> Result<(), Error> {
        let refuse = |problem: String| Error::Weights { path: path.into(), problem };
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|error| refuse(format!("is not a whole safetensors file ({error}): fetch it again")))?;
        let mut tensors: Vec<_> = tensors.iter().collect();
        tensors.sort_by_key(|&(name, _)| name);
        for (name, tensor) in tensors {
            let Some(&number) = names.get(name) else {
                let bare = name.strip_prefix(model.layout.prefix).unwrap_or(name);
                if !OTHER_HEADS.iter().any(|head| bare.starts_with(head)) {
                    self.unused.push(name.to_owned());
                }
                continue;
            };
            let slot = model.params.slots[number].clone();
            if tensor.shape() != slot.shape {
                if !slot.name.starts_with("classifier") {
                    return Err(refuse(format!(
                        "`{name}` has shape {:?}, config.json asks for {:?}",
                        tensor.shape(),
                        slot.shape
                    )));
                }
                if !matches!(head, Head::Drawn { ignore_mismatched_sizes: true, .. }) {
                    return Err(Error::HeadSize {
                        path: path.into(),
                        tensor: name.to_owned(),
                        found: tensor.shape().to_vec(),
                        needed: slot.shape,
                        labels: model.config.labels.len(),
                    });
                }
                self.notes.push(format!(
                    "`{name}` has shape {:?} and {:?} is needed: drawn anew (--ignore_mismatched_sizes)",
                    tensor.shape(),
                    slot.shape
                ));
                continue;
            }
            copy_values(&tensor, model.params.get_mut(SlotId(number)))
                .map_err(|problem| refuse(format!("`{name}` {problem}")))?;
            self.found[number] = true;
        }
        Ok(())
    }

    fn finish(self, path: &Path, model: &mut Model, head: Head) -> Result<Vec<String>, Error> {
        let Loading { found, mut unused, mut notes } = self;
        let missing: Vec<usize> = (0..found.len()).filter(|&number| !found[number]).collect();
        let is_head = |&number: &usize| model.params.slots[number].name.starts_with("classifier");
        let lost: Vec<&str> = missing
            .iter()
            .filter(|number| !is_head(number))
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
            for number in missing {
                model.initialise(number, seed);
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
