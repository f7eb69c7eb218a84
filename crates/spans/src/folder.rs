//! A span tagger's folder in and out, and a new one from encoders.

use crate::batch::encode::added_tokens;
use crate::config::{Architecture, Config};
use crate::error::Error;
use crate::model::Model;
use crate::model::layout::{Layout, TOKEN_ENCODER, TYPE_ENCODER};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tagsmith_encoder::config::Config as EncoderConfig;
use tagsmith_encoder::folder::{OTHER_HEADS, WeightFiles, check_size, weight_files};
use tagsmith_files::json_fields::read_object;
use tagsmith_hub::Hub;
use tagsmith_hub::model::Part;
use tagsmith_kernel::Precision;
use tagsmith_kernel::params::{Params, Slot, SlotId};
use tagsmith_kernel::random::torch::MersenneTwister;
use tagsmith_message::{Note, Remedy};
use tagsmith_text::tokenizer::Tokenizer;
use tagsmith_text::tokenizer::old_files::has_tokenizer;
use tagsmith_train::memory::{FLOAT, size};
use tagsmith_weights::origin::{grown_table, table_of_file};
use tagsmith_weights::tensors::{self, Entry, Reader, Values};

/// The tokenizers of a span tagger.
pub struct Tokenizers {
    /// The tokenizer of texts, and of prompts before them.
    pub text: Tokenizer,
    /// The tokenizer of a bi-encoder's labels.
    pub labels: Option<Tokenizer>,
}

impl Tokenizers {
    /// Returns what there is to say about the tokenizers and about pieces that the model has no row for.
    pub fn notes(&self, model: &Model) -> Vec<Note> {
        let of = |tokenizer: &Tokenizer, rows: usize, what: &str| -> Vec<Note> {
            let notes = tokenizer.notes.iter().cloned().chain(tokenizer.pieces_beyond(rows));
            notes.map(|note| note.about(format!("tokenizer of {what}"))).collect()
        };
        let mut notes = of(&self.text, model.token_encoder.shape.vocab_size, "texts");
        if let (Some(labels), Some(kinds)) = (&self.labels, &model.type_encoder) {
            notes.extend(of(labels, kinds.shape.vocab_size, "labels"));
        }
        notes
    }
}

/// Standard deviation of new weights.
const DEVIATION: f32 = 0.02;

const TOKEN_CONFIG: &str = "token_encoder_config.json";
const TYPE_CONFIG: &str = "type_encoder_config.json";

/// Names of a token classifier's head, which an encoder's folder may hold.
const TOKEN_HEAD: &[&str] = &["classifier.", "head."];

/// What the original's first layout called its weights.
const FIRST_WEIGHTS: &[&str] = &["model.pt", "model.bin"];

/// A new model: encoders with the weights of their folders, a head drawn from `seed`. Returns notes too.
///
/// # Errors
/// Files that are missing, damaged or of another kind; a head that takes more than the `allowed` bytes.
pub fn assemble(
    config: Config,
    seed: u64,
    hub: &Hub,
    allowed: Option<u64>,
) -> Result<(Model, Tokenizers, Vec<String>), Error> {
    let mut notes = Vec::new();
    let folder = |name: &str, key: &str| match name {
        "" => Err(Error::Setting(format!("`{key}` names no encoder"))),
        name => Ok(hub.model(name, None, &Part::ALL)?),
    };
    let token_folder = folder(&config.token_encoder, "token_encoder")?;
    let type_folder = match config.architecture {
        Architecture::BiEncoder => Some(folder(&config.type_encoder, "type_encoder")?),
        Architecture::CrossEncoder => None,
    };
    let mut text = Tokenizer::from_folder(&token_folder)?;
    text.add_special(added_tokens(&config))?;
    let labels = type_folder.as_deref().map(Tokenizer::from_folder).transpose()?;
    let (token, token_notes) = EncoderConfig::read(&token_folder)?;
    notes.extend(token_notes);
    let rows = token.shape.vocab_size.max(if added_tokens(&config).is_empty() { 0 } else { text.id_bound() });
    let token = with_rows(token, rows);
    let kinds = match &type_folder {
        Some(folder) => {
            let (kinds, type_notes) = EncoderConfig::read(folder)?;
            notes.extend(type_notes);
            Some(kinds)
        }
        None => None,
    };
    check_head(&Layout::new(&config, &token, kinds.as_ref()), allowed)?;
    let mut model = empty(config, token, kinds);
    let mut found = vec![false; model.params.slots.len()];
    let folders = [(Some(&token_folder), TOKEN_ENCODER), (type_folder.as_ref(), TYPE_ENCODER)];
    for (folder, inside) in folders {
        let Some(folder) = folder else { continue };
        let encoder = if inside == TOKEN_ENCODER { Some(&model.token_encoder) } else { model.type_encoder.as_ref() };
        let prefix = encoder.expect("it has the encoder").facts.prefix;
        let names = names_in_base(&model.params, inside, prefix);
        let weights = weight_files(folder, &[])?;
        let (unused, read) = read(weights, &mut model.params, &names, &mut found, inside == TOKEN_ENCODER)?;
        notes.extend(read);
        let foreign = |name: &&String| {
            let bare = name.strip_prefix(prefix).unwrap_or(name);
            !OTHER_HEADS.iter().chain(TOKEN_HEAD).any(|head| bare.starts_with(head))
        };
        notes.extend(unused.iter().filter(foreign).map(|name| format!("{}: not used: `{name}`", folder.display())));
    }
    let of_encoder = |name: &str| [TOKEN_ENCODER, TYPE_ENCODER].iter().any(|inside| name.starts_with(inside));
    let missing = |model: &Model, encoders: bool| -> Vec<usize> {
        let slots = model.params.slots.iter().zip(&found).enumerate();
        slots.filter(|(_, (slot, found))| !**found && of_encoder(&slot.name) == encoders).map(|(i, _)| i).collect()
    };
    let (of_head, of_encoders) = (missing(&model, false), missing(&model, true));
    for &number in &of_encoders {
        let name = &model.params.slots[number].name;
        if !name.contains("pooler.") {
            let folder =
                if name.starts_with(TOKEN_ENCODER) { &model.config.token_encoder } else { &model.config.type_encoder };
            return Err(Error::at(
                Path::new(folder),
                format!("the weights lack `{name}`: download or save the model again"),
            ));
        }
    }
    let mut generator = MersenneTwister::new(seed);
    of_head.into_iter().chain(of_encoders).for_each(|number| draw(&mut model, number, &mut generator));
    Ok((model, Tokenizers { text, labels }, notes))
}

/// Refuses, before any memory is taken, a head whose weights alone take more than the `allowed` bytes.
fn check_head(layout: &Layout, allowed: Option<u64>) -> Result<(), Error> {
    let is_of_head = |slot: &&Slot| ![TOKEN_ENCODER, TYPE_ENCODER].iter().any(|inside| slot.name.starts_with(inside));
    let parameters: u64 = layout.slots.iter().filter(is_of_head).map(|slot| slot.len() as u64).sum();
    match allowed {
        Some(allowed) if FLOAT * parameters > allowed => Err(Error::Memory {
            planned: format!("{} for the head's weights", size(FLOAT * parameters)),
            allowed: size(allowed),
            remedy: Remedy::to_do(
                "lower `linear_hidden_size`, `span_width_embedding_size` or `max_span_length` in the configuration",
            ),
        }),
        _ => Ok(()),
    }
}

/// A model with zeros for weights.
fn empty(config: Config, token_encoder: EncoderConfig, type_encoder: Option<EncoderConfig>) -> Model {
    let layout = Layout::new(&config, &token_encoder, type_encoder.as_ref());
    let params = Params::zeros(layout.slots.clone());
    Model { config, token_encoder, type_encoder, layout, params, precision: Precision::F32 }
}

/// Returns the encoder with a word table of `rows` rows.
fn with_rows(mut config: EncoderConfig, rows: usize) -> EncoderConfig {
    config.shape.vocab_size = rows;
    config.json.insert("vocab_size".into(), rows.into());
    config
}

/// Draws one parameter: weights normal, biases 0, scales ln(1/temperature). Slots are in the order of the original's
/// modules. PyTorch therefore draws the same head where its generator is seeded before `normal_` of each weight in
/// turn.
fn draw(model: &mut Model, number: usize, generator: &mut MersenneTwister) {
    let slot = model.params.slots[number].clone();
    let scale = (1.0 / model.config.temperature).ln() as f32;
    let widths = number == model.layout.widths.0;
    let values = model.params.get_mut(SlotId(number));
    match slot.shape[..] {
        [] => values[0] = scale,
        [_] => values.fill(0.0),
        _ => {
            generator.fill_normal(DEVIATION, values);
            if widths {
                values[..slot.shape[1]].fill(0.0);
            }
        }
    }
}

/// Every name that an encoder's own checkpoint may have for its slots.
fn names_in_base(params: &Params, inside: &str, family: &str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for (number, slot) in params.slots.iter().enumerate() {
        let Some(bare) = slot.name.strip_prefix(inside) else { continue };
        for name in [bare.to_owned(), format!("{family}{bare}")] {
            if name.contains("LayerNorm.") {
                names.insert(name.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"), number);
            }
            names.insert(name, number);
        }
    }
    names
}

/// Reads what `names` has a slot for; returns the other names, and notes. Word tables may grow.
fn read(
    weights: WeightFiles,
    params: &mut Params,
    names: &BTreeMap<String, usize>,
    found: &mut [bool],
    grows: bool,
) -> Result<(Vec<String>, Vec<String>), Error> {
    let mut unused = Vec::new();
    let mut notes: Vec<String> = weights.note.into_iter().collect();
    for path in weights.files {
        let reader = Arc::new(Reader::open(&path)?);
        notes.extend_from_slice(reader.notes());
        for name in reader.names() {
            let Some(&number) = names.get(&name) else {
                unused.push(name);
                continue;
            };
            let slot = params.slots[number].clone();
            let shape = reader.shape(&name).expect("the file names its own tensors").to_vec();
            let more = match (slot.sparse, &shape[..]) {
                (true, &[rows, width]) if grows && width == slot.shape[1] => slot.shape[0].saturating_sub(rows),
                _ => 0,
            };
            let in_file: Vec<usize> =
                slot.shape.iter().enumerate().map(|(i, n)| if i == 0 { n - more } else { *n }).collect();
            if shape != in_file {
                let problem = format!("`{name}` has shape {shape:?}, {:?} is needed", slot.shape);
                return Err(reader.refuse(problem).into());
            }
            if slot.sparse {
                let (rows, width) = (shape[0], shape[1]);
                *params.table_mut(SlotId(number)) = match more {
                    0 => table_of_file(&reader, &name, rows, width)?,
                    more => grown_table(&reader, &name, (rows, width), more)?,
                };
            } else {
                reader.read(&name, 0, params.get_mut(SlotId(number)))?;
            }
            found[number] = true;
        }
    }
    Ok((unused, notes))
}

/// Reads a checkpoint, ours or one of the original's. Returns notes too.
///
/// # Errors
/// Files that are missing, damaged or incomplete.
pub fn load(folder: &Path) -> Result<(Model, Vec<String>), Error> {
    let config = Config::read(folder)?;
    let (model, notes) = load_as(folder, config)?;
    Ok((model, notes))
}

/// Reads a checkpoint as [`load`] does, with another configuration of the head.
///
/// # Errors
/// The errors of [`load`].
pub fn load_as(folder: &Path, config: Config) -> Result<(Model, Vec<String>), Error> {
    let weights = weight_files(folder, FIRST_WEIGHTS)?;
    let first = weights.files[0].clone();
    let mut notes = Vec::new();
    let mut rows = BTreeMap::new();
    for path in &weights.files {
        let reader = Reader::open(path)?;
        for inside in [TOKEN_ENCODER, TYPE_ENCODER] {
            let name = format!("{inside}embeddings.word_embeddings.weight");
            rows.extend(reader.shape(&name).map(|shape| (inside, shape[0])));
        }
    }
    let embedded = read_object(&folder.join("config.json"))?;
    let mut encoder = |file: &str, key: &str, inside: &str| -> Result<EncoderConfig, Error> {
        // The first layout has a folder for each encoder.
        let own = folder.join(inside.trim_end_matches('.')).join("config.json");
        let path = if own.is_file() { own } else { folder.join(file) };
        let json: Map<String, Value> = match embedded.get(key) {
            Some(Value::Object(json)) if !path.exists() => json.clone(),
            _ => read_object(&path)?,
        };
        let (config, more) = EncoderConfig::from_json(path, json)?;
        notes.extend(more);
        // Old checkpoints have spare rows.
        let rows = rows.get(inside).copied().unwrap_or(config.shape.vocab_size);
        Ok(with_rows(config, rows))
    };
    let token = encoder(TOKEN_CONFIG, "token_encoder_config", TOKEN_ENCODER)?;
    let kinds = match config.architecture {
        Architecture::BiEncoder => Some(encoder(TYPE_CONFIG, "type_encoder_config", TYPE_ENCODER)?),
        Architecture::CrossEncoder => None,
    };
    let layout = Layout::new(&config, &token, kinds.as_ref());
    check_size(&weights.files, layout.slots.iter().filter(|slot| !slot.frozen))?;
    let mut model = empty(config, token, kinds);
    let names = own_names(&model.params);
    let mut found = vec![false; model.params.slots.len()];
    let (unused, read) = read(weights, &mut model.params, &names, &mut found, false)?;
    notes.extend(read);
    notes.extend(unused.iter().map(|name| format!("{}: not used: `{name}`", folder.display())));
    for (number, found) in found.into_iter().enumerate() {
        let slot = &model.params.slots[number];
        if !found && !slot.frozen {
            return Err(lacks(&first, &slot.name));
        }
        if !found {
            draw(&mut model, number, &mut MersenneTwister::new(0));
        }
    }
    Ok((model, notes))
}

/// Takes the weights of a checkpoint of the same model, in place.
///
/// # Errors
/// Files that are missing, damaged or of another model.
pub fn reload(model: &mut Model, folder: &Path) -> Result<(), Error> {
    let weights = weight_files(folder, FIRST_WEIGHTS)?;
    let first = weights.files[0].clone();
    let mut found = vec![false; model.params.slots.len()];
    let names = own_names(&model.params);
    let device = model.params.begin_reading();
    read(weights, &mut model.params, &names, &mut found, false)?;
    let missing = model.params.slots.iter().zip(found).find(|(slot, found)| !found && !slot.frozen);
    missing.map_or(Ok(()), |(slot, _)| Err(lacks(&first, &slot.name)))?;
    Ok(model.params.end_reading(&device, model.precision)?)
}

/// The names that a span tagger's own checkpoint has for its slots.
fn own_names(params: &Params) -> BTreeMap<String, usize> {
    params.slots.iter().enumerate().map(|(number, slot)| (slot.name.clone(), number)).collect()
}

fn lacks(file: &Path, name: &str) -> Error {
    Error::at(file, format!("lacks `{name}`: download or save the model again"))
}

/// The tokenizers of a checkpoint: in its folder, or in the encoders' that its configuration names.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn tokenizers(folder: &Path, config: &Config, hub: &Hub) -> Result<Tokenizers, Error> {
    let find = |places: &[PathBuf], name: &str| -> Result<Tokenizer, Error> {
        if let Some(place) = places.iter().find(|place| has_tokenizer(place)) {
            return Ok(Tokenizer::from_folder(place)?);
        }
        Ok(Tokenizer::from_folder(&hub.model(name, None, &[Part::Tokenizer])?)?)
    };
    let places = ["token_tokenizer", "tokenizer", "token_encoder", ""].map(|inside| folder.join(inside));
    let mut text = find(&places, &config.token_encoder)?;
    text.add_special(added_tokens(config))?;
    let labels = match config.architecture {
        Architecture::BiEncoder => {
            Some(find(&["type_tokenizer", "type_encoder"].map(|inside| folder.join(inside)), &config.type_encoder)?)
        }
        Architecture::CrossEncoder => None,
    };
    Ok(Tokenizers { text, labels })
}

/// Writes a checkpoint into an existing folder, in the original's newer layout.
///
/// # Errors
/// What the system says of a file.
pub fn save(folder: &Path, model: &Model, tokenizers: &Tokenizers) -> Result<(), Error> {
    let params = &model.params;
    let entries = params.slots.iter().enumerate().map(|(number, slot)| Entry {
        name: slot.name.clone().into(),
        shape: slot.shape.clone(),
        values: Values::F32s(params.blocks(SlotId(number))),
    });
    tensors::write(&folder.join("model.safetensors"), entries.collect(), &[("format", "pt".into())])?;
    write_json(&folder.join("config.json"), model.config.to_json())?;
    write_json(&folder.join(TOKEN_CONFIG), model.token_encoder.json.clone())?;
    if let Some(kinds) = &model.type_encoder {
        write_json(&folder.join(TYPE_CONFIG), kinds.json.clone())?;
    }
    let text = if model.type_encoder.is_some() { "token_tokenizer" } else { "tokenizer" };
    let all = [(text, Some(&tokenizers.text)), ("type_tokenizer", tokenizers.labels.as_ref())];
    for (name, tokenizer) in all {
        let Some(tokenizer) = tokenizer else { continue };
        let place = folder.join(name);
        std::fs::create_dir_all(&place).map_err(|source| Error::Io { path: place.clone(), source })?;
        tokenizer.save_as_read(&place)?;
    }
    Ok(())
}

fn write_json(path: &Path, mut json: Map<String, Value>) -> Result<(), Error> {
    json.sort_keys();
    let text = serde_json::to_string_pretty(&Value::Object(json)).expect("a JSON value always prints");
    std::fs::write(path, text + "\n").map_err(|source| Error::Io { path: path.into(), source })
}
