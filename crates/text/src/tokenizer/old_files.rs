//! A tokenizer.json put together from the files that came before it. They are vocab.txt, vocab.json with merges.txt, or
//! a sentencepiece model. The switches come from tokenizer_config.json, special_tokens_map.json and added_tokens.json.
//!
//! Everything is as transformers 5.23 does it when it finds no tokenizer.json, its oddities included. A checkpoint was
//! trained and will be used with what that gives.
//!
//! # Source
//! `tokenization_auto.py`, `tokenization_utils_base.py`, `convert_slow_tokenizer.py` and each model's own file of
//! transformers 5.23.

use crate::tokenizer::error::Error;
use crate::tokenizer::sentencepiece::{self, Model};
use serde_json::{Map, Value};
use std::io;
use std::path::{Path, PathBuf};
use tagsmith_message::Note;

/// Every file that a tokenizer can be put together from.
pub const VOCABULARY_FILES: [&str; 6] =
    ["vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spm.model", "spiece.model", "tokenizer.model"];

/// Returns whether a folder holds a tokenizer.json, or files that one can be put together from.
pub fn has_tokenizer(folder: &Path) -> bool {
    folder.join("tokenizer.json").is_file() || VOCABULARY_FILES.iter().any(|name| folder.join(name).is_file())
}

/// The largest vocabulary file in bytes: ten times the size of any that exists.
const VOCABULARY_BYTES_MAX: u64 = 1 << 28;

/// The most special and added tokens of a tokenizer: each is compared with all.
const ADDED_MAX: usize = 1 << 13;

/// The classes of tokenizers that transformers builds from these files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Bert,
    Roberta,
    Gpt2,
    Deberta,
    XlmRoberta,
    Camembert,
    DebertaV2,
    Albert,
    /// A sentencepiece model of no class of its own.
    Sentencepiece,
}

impl Class {
    fn named(name: &str) -> Option<Class> {
        Some(match name.strip_suffix("Fast").unwrap_or(name) {
            "BertTokenizer" | "DistilBertTokenizer" | "ElectraTokenizer" => Class::Bert,
            "RobertaTokenizer" | "LongformerTokenizer" | "BartTokenizer" => Class::Roberta,
            "GPT2Tokenizer" => Class::Gpt2,
            "DebertaTokenizer" => Class::Deberta,
            "XLMRobertaTokenizer" => Class::XlmRoberta,
            "CamembertTokenizer" => Class::Camembert,
            "DebertaV2Tokenizer" => Class::DebertaV2,
            "AlbertTokenizer" => Class::Albert,
            "TokenizersBackend" | "PreTrainedTokenizer" => Class::Sentencepiece,
            _ => return None,
        })
    }

    fn of_model_type(model_type: &str) -> Option<Class> {
        Some(match model_type {
            "bert" | "distilbert" | "electra" => Class::Bert,
            "roberta" | "longformer" | "bart" => Class::Roberta,
            "gpt2" => Class::Gpt2,
            "deberta" => Class::Deberta,
            "xlm-roberta" => Class::XlmRoberta,
            "camembert" => Class::Camembert,
            "deberta-v2" => Class::DebertaV2,
            "albert" => Class::Albert,
            "modernbert" => Class::Sentencepiece,
            _ => return None,
        })
    }

    /// Returns the class that tokenizer_config.json names, or else the model's configuration; none if neither names one
    /// that is known here. `PreTrainedTokenizerFast` is [`Class::Sentencepiece`]: it has no switches.
    pub fn told(config: &Map<String, Value>, model: &Map<String, Value>) -> Option<Class> {
        let text = |json: &Map<String, Value>, key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        match text(config, "tokenizer_class").or_else(|| text(model, "tokenizer_class")) {
            Some(name) => Class::named(&name),
            None => text(model, "model_type").and_then(|kind| Class::of_model_type(&kind)),
        }
    }

    /// Returns the class's own special token of a name.
    pub fn special_token(self, key: &str) -> Option<&'static str> {
        let place = NAMED.iter().position(|name| *name == key)?;
        Some(self.special_tokens()[place]).filter(|content| !content.is_empty())
    }

    pub fn name(self) -> &'static str {
        match self {
            Class::Bert => "BertTokenizer",
            Class::Roberta => "RobertaTokenizer",
            Class::Gpt2 => "GPT2Tokenizer",
            Class::Deberta => "DebertaTokenizer",
            Class::XlmRoberta => "XLMRobertaTokenizer",
            Class::Camembert => "CamembertTokenizer",
            Class::DebertaV2 => "DebertaV2Tokenizer",
            Class::Albert => "AlbertTokenizer",
            Class::Sentencepiece => "TokenizersBackend",
        }
    }

    pub fn vocabulary_file(self) -> &'static str {
        match self {
            Class::Bert => "vocab.txt",
            Class::Roberta | Class::Gpt2 | Class::Deberta => "vocab.json",
            Class::XlmRoberta | Class::Camembert => "sentencepiece.bpe.model",
            Class::DebertaV2 => "spm.model",
            Class::Albert => "spiece.model",
            Class::Sentencepiece => "tokenizer.model",
        }
    }

    /// Returns the special tokens in the order of [`NAMED`]; an empty text is none.
    fn special_tokens(self) -> [&'static str; 7] {
        match self {
            Class::Bert => ["", "", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"],
            Class::Roberta | Class::XlmRoberta | Class::Camembert => {
                ["<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"]
            }
            Class::Gpt2 => ["<|endoftext|>", "<|endoftext|>", "<|endoftext|>", "", "", "", ""],
            Class::Deberta | Class::DebertaV2 => ["[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"],
            Class::Albert => ["[CLS]", "[SEP]", "<unk>", "[SEP]", "<pad>", "[CLS]", "[MASK]"],
            // They are the model's own.
            Class::Sentencepiece => [""; 7],
        }
    }
}

/// The special tokens that have names, in the order in which they are added.
const NAMED: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A token that is looked for before anything is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub content: String,
    pub single_word: bool,
    pub lstrip: bool,
    pub rstrip: bool,
    pub normalized: bool,
    pub special: bool,
    /// Whether the token was given as a text alone, which transformers tells from one with properties.
    bare: bool,
}

impl Token {
    fn bare(content: &str) -> Token {
        Token {
            content: content.into(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: true,
            bare: true,
        }
    }

    pub fn of(value: &Value, special: bool) -> Option<Token> {
        let is = |key: &str| value.get(key).and_then(Value::as_bool);
        match value {
            Value::String(content) => Some(Token::bare(content)),
            Value::Object(_) => Some(Token {
                content: value.get("content")?.as_str()?.to_owned(),
                single_word: is("single_word").unwrap_or(false),
                lstrip: is("lstrip").unwrap_or(false),
                rstrip: is("rstrip").unwrap_or(false),
                normalized: is("normalized").unwrap_or(!special),
                special,
                bare: false,
            }),
            _ => None,
        }
    }
}

/// A tokenizer that was put together.
pub(crate) struct Assembled {
    /// The file that its pieces are from.
    pub vocabulary: PathBuf,
    /// The content of tokenizer.json.
    pub json: Vec<u8>,
    /// The content of tokenizer_config.json.
    pub config: Map<String, Value>,
    pub notes: Vec<Note>,
}

/// Puts a tokenizer together from `folder`'s files.
///
/// # Errors
/// Files that are missing or damaged, and tokenizers of other kinds.
pub(crate) fn assemble(folder: &Path) -> Result<Assembled, Error> {
    let object = |name: &str| -> Result<Map<String, Value>, Error> {
        match read(folder, name)? {
            None => Ok(Map::new()),
            Some(text) => serde_json::from_slice(&text).map_err(|error| refusal(folder, name, error)),
        }
    };
    let (model, mut config) = (object("config.json")?, object("tokenizer_config.json")?);
    let class = class(folder, &model, &config)?;
    let mut parts = Parts { folder, class, settings: config.clone(), added: Vec::new(), notes: Vec::new() };
    let vocabulary = parts.vocabulary()?;
    if let (Class::Sentencepiece, Vocabulary::Pieces(Model { trainer, .. })) = (class, &vocabulary) {
        let own = [
            ("bos_token", trainer.bos_id(), trainer.bos_piece()),
            ("eos_token", trainer.eos_id(), trainer.eos_piece()),
            ("unk_token", trainer.unk_id(), trainer.unk_piece()),
        ];
        for (key, _, piece) in own.into_iter().filter(|(_, id, _)| *id >= 0) {
            parts.settings.entry(key).or_insert_with(|| piece.into());
        }
    }
    parts.special_tokens(object("special_tokens_map.json")?, &object("added_tokens.json")?, vocabulary.control())?;
    let json = parts.json(vocabulary)?;
    let file = parts.file();
    let merges = if file == "vocab.json" { " and merges.txt" } else { "" };
    let what = format!(
        "there is no `tokenizer.json`: the tokenizer is put together from {file}{merges}, as transformers' {}",
        class.name()
    );
    parts.notes.insert(0, Note::once(what));
    for key in NAMED {
        if let Some(token) = parts.named(key) {
            config.insert(key.into(), token.content.into());
        }
    }
    config.entry("tokenizer_class").or_insert(class.name().into());
    Ok(Assembled {
        vocabulary: folder.join(file),
        json: serde_json::to_vec(&json).expect("JSON can be written"),
        config,
        notes: parts.notes,
    })
}

fn refusal(folder: &Path, name: &str, problem: impl ToString) -> Error {
    Error::Parts { path: folder.join(name), problem: problem.to_string() }
}

/// Returns a file's content, if there is such a file.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, Error> {
    let path = folder.join(name);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() > VOCABULARY_BYTES_MAX => {
            Err(refusal(folder, name, format!("has {} bytes, too many for a vocabulary", metadata.len())))
        }
        Ok(_) => std::fs::read(&path).map(Some).map_err(|source| Error::Read { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Returns the tokenizer's class: from its own configuration first, then the model's, then the model's type.
fn class(folder: &Path, model: &Map<String, Value>, config: &Map<String, Value>) -> Result<Class, Error> {
    if !VOCABULARY_FILES.iter().any(|name| folder.join(name).is_file()) {
        return Err(Error::Missing { folder: folder.to_owned(), vocabulary_files: &VOCABULARY_FILES });
    }
    let named = [("tokenizer_config.json", config), ("config.json", model)]
        .into_iter()
        .find_map(|(file, json)| json.get("tokenizer_class").and_then(Value::as_str).map(|name| (file, name)));
    let unknown = |file: &str, key: &str, name: &str| {
        let problem = format!(
            "`{key}` is `{name}`, and there is no tokenizer.json; one is put together for BERT, RoBERTa, GPT-2, DeBERTa, XLM-RoBERTa, CamemBERT, DeBERTa-v2, ALBERT and a tokenizer.model: save the tokenizer with transformers' `save_pretrained`"
        );
        Err(refusal(folder, file, problem))
    };
    match (named, model.get("model_type").and_then(Value::as_str)) {
        (Some((file, name)), _) => Class::named(name).map_or_else(|| unknown(file, "tokenizer_class", name), Ok),
        (None, Some(kind)) => Class::of_model_type(kind).map_or_else(|| unknown("config.json", "model_type", kind), Ok),
        (None, None) => Err(refusal(
            folder,
            "config.json",
            "names no `model_type`, nor tokenizer_config.json a `tokenizer_class`: which tokenizer the files are of is not known",
        )),
    }
}

/// The content of a vocabulary file.
pub(crate) enum Vocabulary {
    Ids(Map<String, Value>),
    Pieces(Model),
}

impl Vocabulary {
    /// Returns the pieces of a sentencepiece model that are special, or at least never cut.
    fn control(&self) -> Option<Vec<Token>> {
        let Vocabulary::Pieces(model) = self else { return None };
        let steering = model
            .pieces
            .iter()
            .filter(|piece| matches!(piece.kind(), sentencepiece::CONTROL | sentencepiece::USER_DEFINED));
        let token = |piece: &sentencepiece::Piece| Token {
            special: piece.kind() == sentencepiece::CONTROL,
            bare: false,
            ..Token::bare(&piece.piece)
        };
        Some(steering.map(token).collect())
    }
}

/// The parts of a tokenizer.json; `json_parts.rs` puts them together.
pub(crate) struct Parts<'a> {
    pub folder: &'a Path,
    pub class: Class,
    /// The settings of tokenizer_config.json, and of the files that override it.
    pub settings: Map<String, Value>,
    /// Tokens that are looked for first, in the order in which they are added.
    pub added: Vec<Token>,
    pub notes: Vec<Note>,
}

impl Parts<'_> {
    pub fn refuse(&self, name: &str, problem: impl ToString) -> Error {
        refusal(self.folder, name, problem)
    }

    /// Returns the file with the pieces. transformers takes a tokenizer.model for any class, before the file that the class names.
    pub fn file(&self) -> &'static str {
        let name = self.class.vocabulary_file();
        let general = name.ends_with(".model") && self.folder.join("tokenizer.model").is_file();
        if general { "tokenizer.model" } else { name }
    }

    fn vocabulary(&self) -> Result<Vocabulary, Error> {
        let name = self.file();
        let missing = || {
            let problem =
                format!("is missing, and a {} is made from it: download the model again, whole", self.class.name());
            self.refuse(name, problem)
        };
        let bytes = read(self.folder, name)?.ok_or_else(missing)?;
        if name.ends_with(".model") {
            if bytes.len() as u64 > sentencepiece::MODEL_BYTES_MAX {
                return Err(self.refuse(name, "is too large for a sentencepiece model"));
            }
            return Model::parse(&bytes).map(Vocabulary::Pieces).map_err(|problem| self.refuse(name, problem));
        }
        if name == "vocab.json" {
            let ids: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|error| self.refuse(name, error))?;
            return Ok(Vocabulary::Ids(ids));
        }
        let text = String::from_utf8(bytes).map_err(|error| self.refuse(name, error))?;
        // Where lines are equal, the last one's number counts.
        Ok(Vocabulary::Ids(text.lines().map(|line| line.trim_end().to_owned()).zip((0..).map(Value::from)).collect()))
    }

    pub fn flag(&self, key: &str, default: bool) -> Result<bool, Error> {
        match self.settings.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => {
                Err(self.refuse("tokenizer_config.json", format!("`{key}` is {other}, neither true nor false")))
            }
        }
    }

    /// Returns a special token by its name, if there is one.
    fn named(&self, key: &str) -> Option<Token> {
        match self.settings.get(key) {
            Some(value) => Token::of(value, true),
            None => {
                let content = self.class.special_token(key)?;
                // The one token that a class of transformers gives a property.
                let greedy = self.class == Class::Camembert && key == "mask_token";
                Some(Token { lstrip: greedy, bare: !greedy, ..Token::bare(content) })
            }
        }
    }

    pub fn content(&self, key: &str) -> Result<String, Error> {
        let none = || {
            self.refuse(
                "tokenizer_config.json",
                format!("`{key}` is not a token, and a {} needs one", self.class.name()),
            )
        };
        self.named(key).map(|token| token.content).ok_or_else(none)
    }

    fn check_count(&self, tokens: usize) -> Result<(), Error> {
        let problem = || format!("{tokens} special and added tokens; more than {ADDED_MAX} are taken for a mistake");
        if tokens > ADDED_MAX { Err(self.refuse(self.file(), problem())) } else { Ok(()) }
    }

    /// Gathers the tokens that are looked for first.
    fn special_tokens(
        &mut self,
        map: Map<String, Value>,
        added: &Map<String, Value>,
        control: Option<Vec<Token>>,
    ) -> Result<(), Error> {
        let list = |value: Option<&Value>| -> Option<Vec<Token>> {
            value?
                .as_array()
                .map(|tokens| tokens.iter().filter_map(|token| Token::of(token, token["special"] == true)).collect())
        };
        let mut additional = list(self.settings.get("additional_special_tokens"));
        let mut extra = list(self.settings.get("extra_special_tokens"));
        if extra.as_ref().is_none_or(Vec::is_empty) && additional.is_some() {
            extra = additional.take();
        }
        let mut decoder: Vec<(u64, Token)> = Vec::new();
        if let Some(tokens) = self.settings.get("added_tokens_decoder").and_then(Value::as_object) {
            for (id, token) in tokens {
                let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
                match (id.parse(), Token::of(token, special)) {
                    (Ok(id), Some(token)) => decoder.push((id, token)),
                    _ => {
                        let problem = format!("`added_tokens_decoder` maps `{id}` to {token}, which is not a token");
                        return Err(self.refuse("tokenizer_config.json", problem));
                    }
                }
            }
        } else {
            for (key, value) in map {
                match key.as_str() {
                    "additional_special_tokens" => additional = list(Some(&value)),
                    "extra_special_tokens" => {
                        let more = list(Some(&value)).unwrap_or_default();
                        extra.get_or_insert_default().extend(more);
                    }
                    _ => _ = self.settings.insert(key, value),
                }
            }
            self.check_count(added.len() + extra.iter().flatten().count())?;
            let named = |token: &str| {
                let is = |key: &&str| {
                    self.settings
                        .get(*key)
                        .and_then(|value| Token::of(value, true))
                        .is_some_and(|it| it.content == token)
                };
                NAMED.iter().any(is) || extra.iter().flatten().any(|it| it.content == token)
            };
            for (content, id) in added {
                let Some(id) = id.as_u64() else {
                    return Err(self.refuse("added_tokens.json", format!("`{content}` has the id {id}")));
                };
                let special = named(content);
                decoder.push((id, Token { normalized: !special, special, bare: false, ..Token::bare(content) }));
            }
        }
        decoder.sort_by_key(|(id, _)| *id);
        let custom = self
            .settings
            .iter()
            .filter(|(key, value)| key.ends_with("_token") && value.is_string() && !NAMED.contains(&key.as_str()));
        let named: Vec<Token> = NAMED
            .iter()
            .filter_map(|key| self.named(key))
            .chain(custom.filter_map(|(_, value)| Token::of(value, true)))
            .collect();
        // A sentencepiece model's own pieces take the place of what is given beside them.
        let extra = extra.or(control).or(additional).unwrap_or_default();
        self.check_count(decoder.len() + named.len() + extra.len())?;
        let mut tokens: Vec<Token> = decoder.iter().map(|(_, token)| token.clone()).collect();
        for token in named.iter().chain(&extra) {
            let known = decoder.iter().any(|(_, it)| it.content == token.content);
            if !known && !tokens.iter().any(|it| it.content == token.content && it.bare == token.bare) {
                tokens.push(token.clone());
            }
        }
        for token in &mut tokens {
            token.special |= named.iter().any(|it| it.content == token.content);
        }
        self.added = tokens;
        let set = |key: &str| self.settings.get(key);
        let without_effect = [
            ("never_split", set("never_split").is_some_and(Value::is_array)),
            ("do_basic_tokenize", set("do_basic_tokenize") == Some(&Value::Bool(false))),
        ];
        for (key, given) in without_effect {
            if given {
                let what = format!(
                    "`{key}` in `tokenizer_config.json` has no effect, as in transformers since its tokenizers are fast ones"
                );
                self.notes.push(Note::once(what));
            }
        }
        Ok(())
    }
}
