//! The Hugging Face folder of a token classifier: weights in, weights and config.json out, and a new head.

use crate::error::Error;
use crate::layout::{HeadKind, Layout};
use crate::model::Model;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tagsmith_encoder::config::Config;
use tagsmith_encoder::folder::{Loaded, Target, WeightFiles, check_size, weight_files};
use tagsmith_kernel::Precision;
use tagsmith_kernel::params::{Params, Slot, SlotId};
use tagsmith_kernel::random::torch::MersenneTwister;
use tagsmith_message::counted;
use tagsmith_weights::tensors::{self, Entry, Values};

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

impl Model {
    /// Reads `folder`'s weights as `config` says. Returns notes: a head that was drawn, tensors that were not used.
    ///
    /// # Errors
    /// Files that are missing, damaged or incomplete; a head that is missing or of another size, as `head` says.
    pub fn load(folder: &Path, config: Config, head: Head) -> Result<(Model, Vec<String>), Error> {
        if HeadKind::of(&config).is_none() {
            let path = folder.join("config.json");
            let problem = format!("names a head that is not known; there are {}", HeadKind::NAMES.join(" and "));
            return Err(tagsmith_files::Error::Key { path, key: HeadKind::KEY.into(), problem }.into());
        }
        let WeightFiles { files, note } = weight_files(folder, &[])?;
        let layout = Layout::new(&config);
        check_size(&files, &layout.slots[..layout.head.start])?;
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
        let files = weight_files(folder, &[])?.files;
        let device = self.params.begin_reading();
        self.read_weights(&files, Head::Required)?;
        Ok(self.params.end_reading(&device, self.precision)?)
    }

    fn read_weights(&mut self, files: &[PathBuf], head: Head) -> Result<Vec<String>, Error> {
        let Layout { prefix, encoder, head: slots, .. } = &self.layout;
        let target = Target { params: &mut self.params, prefix, words: encoder.words(), head: slots.clone() };
        let Loaded { missing, resized, mut notes } = target.read(files)?;
        for tensor in &resized {
            let needed = self.params.slots[tensor.slot.0].shape.clone();
            if !matches!(head, Head::Drawn { ignore_mismatched_sizes: true, .. }) {
                return Err(Error::HeadSize {
                    path: tensor.path.clone(),
                    tensor: tensor.tensor.clone(),
                    found: tensor.found.clone(),
                    needed,
                    labels: self.config.labels.len(),
                });
            }
            notes
                .push(format!("`{}` has shape {:?} and {needed:?} is needed: drawn anew", tensor.tensor, tensor.found));
        }
        if !missing.is_empty() {
            let Head::Drawn { seed, .. } = head else {
                let tensor = self.params.slots[missing[0]].name.clone();
                return Err(Error::NoHead { path: files[0].clone(), tensor });
            };
            let of_chain = |number: &usize| self.params.slots[*number].name.starts_with(HeadKind::CHAIN);
            if missing.iter().all(of_chain) {
                notes.push("the checkpoint knows nothing of neighboring labels: their numbers begin at 0".to_owned());
            } else if resized.is_empty() {
                let labels = counted(self.config.labels.len(), "label");
                notes.push(format!("the checkpoint has no head for {labels}: drawn from seed {seed}"));
            }
            self.draw_head(&missing, seed);
        }
        Ok(notes)
    }

    /// Draws the parameters that a head lacks in the order of transformers, from the generator that transformers has
    /// just seeded. Normal numbers with a cutoff come from a generator of our own.
    fn draw_head(&mut self, missing: &[usize], seed: u64) {
        let mut generator = MersenneTwister::new(seed);
        let cuts_off = self.config.facts.initial.cutoff.is_finite();
        for id in missing.iter().map(|&number| SlotId(number)) {
            let name = &self.params.slots[id.0].name;
            match name.ends_with("bias") {
                _ if cuts_off || name.starts_with(HeadKind::CHAIN) => self.draw(id, seed),
                true => self.params.get_mut(id).fill(0.0),
                false => generator.fill_normal(self.config.facts.head.deviation, self.params.get_mut(id)),
            }
        }
    }

    /// Writes config.json and model.safetensors into an existing folder.
    ///
    /// # Errors
    /// What the system says of either file.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        let entry = |(number, slot): (usize, &'_ Slot)| Entry {
            name: slot.name.clone().into(),
            shape: slot.shape.clone(),
            values: Values::F32s(self.params.blocks(SlotId(number))),
        };
        let entries = self.params.slots.iter().enumerate().map(entry).collect();
        tensors::write(&folder.join("model.safetensors"), entries, &[("format", "pt".into())])?;
        let path = folder.join("config.json");
        Ok(std::fs::write(&path, self.config_json()).map_err(tagsmith_files::Error::io(&path))?)
    }

    /// config.json as transformers writes it: two spaces, sorted keys.
    fn config_json(&self) -> String {
        let config = self.config.clone();
        let labels = config.labels.clone();
        let config = config.with_labels(&labels);
        let name = config.facts.class_name;
        let mut json = config.json;
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
