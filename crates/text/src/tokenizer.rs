//! The one place that knows the `tokenizers` crate: words or running text in, pieces out.

mod class_switches;
pub mod error;
pub mod json_parts;
pub mod old_files;
pub mod pieces;
pub mod sentencepiece;
mod soundness;
mod steps;

pub use crate::tokenizer::error::Error;
pub use crate::tokenizer::pieces::Pieces;

use crate::tokenizer::class_switches::expecting_space;
use crate::tokenizer::old_files::Class;
use crate::tokenizer::steps::Stepped;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::LazyLock;
use tagsmith_message::Note;
use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Sequence as Normalizers};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{
    AddedToken, Decoder, Encoding, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
    SplitDelimiterBehavior,
};

/// transformers writes 10³⁰ for "no limit" and takes anything above 10²⁰ as that.
const UNLIMITED: f64 = 1e20;

/// Running text that is cut in two ways: into the words that a reader sees, and into the model's pieces.
#[derive(Clone, Debug)]
pub struct Text {
    /// The pieces; `pieces.words` counts in `words`, a piece over several words belonging to the first.
    pub pieces: Pieces,
    /// The start and the end of each word, in code points.
    pub words: Vec<(u32, u32)>,
    /// The first piece that touches each word.
    pub first_pieces: Vec<Option<u32>>,
    /// Whether each piece continues the word before it, by the rule of transformers' pipeline.
    pub continues: Vec<bool>,
}

/// A Hugging Face tokenizer, set up for tagging.
///
/// ```
/// use tagsmith_text::tokenizer::Tokenizer;
///
/// // A tokenizer of three pieces; `Tokenizer::from_folder` reads that of a model.
/// let json = br###"{
///     "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
///     "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
///     "model": {
///         "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
///         "vocab": {"[UNK]": 0, "sing": 1, "##s": 2}
///     }
/// }"###;
/// let tokenizer = Tokenizer::from_bytes(json, b"{}")?;
/// let pieces = tokenizer.encode_words(&["Jo".to_owned(), "sings".to_owned()])?;
/// assert_eq!(pieces.ids, [0, 1, 2]);
/// assert_eq!(pieces.words, [Some(0), Some(1), Some(1)]);
/// # Ok::<(), tagsmith_text::tokenizer::Error>(())
/// ```
pub struct Tokenizer {
    /// The tokenizer of sentences that are already words.
    for_words: Stepped,
    /// The tokenizer of running text, where it is another.
    for_text: Option<Stepped>,
    config: Map<String, Value>,
    /// The longest sequence its model takes, if the tokenizer knows.
    pub model_max_length: Option<usize>,
    unknown: Option<u32>,
    /// Ids of special tokens, which the tokenizer knows wherever an input spells them.
    special: HashSet<u32>,
    marks_continuations: bool,
    /// Notes about what was changed or is missing in the files.
    pub notes: Vec<Note>,
}

impl Tokenizer {
    /// Reads `tokenizer.json` and, where there is one, `tokenizer_config.json`. Without the first the tokenizer is put
    /// together from the older files, as transformers does.
    ///
    /// # Errors
    /// Files that are missing, damaged, or of a tokenizer that cannot be put together.
    pub fn from_folder(folder: &Path) -> Result<Tokenizer, Error> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| Error::Read { path, source })
        };
        let json = match read("tokenizer.json") {
            Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let parts = old_files::assemble(folder)?;
                let config = serde_json::to_vec(&parts.config).expect("JSON can be written");
                // A fault of what was put together is a fault of its vocabulary, the only file.
                let read = Tokenizer::of_class(&parts.json, &config, None);
                let mut tokenizer = read.map_err(|error| match error {
                    Error::Invalid { message: problem, .. } => Error::Parts { path: parts.vocabulary, problem },
                    other => other,
                })?;
                tokenizer.notes.splice(0..0, parts.notes);
                return Ok(tokenizer);
            }
            other => other?,
        };
        let model = read("config.json").ok().and_then(|json| serde_json::from_slice::<Map<String, Value>>(&json).ok());
        let model = model.unwrap_or_default();
        match read("tokenizer_config.json") {
            Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let mut tokenizer = Tokenizer::of_class(&json, b"{}", Class::told(&Map::new(), &model))?;
                let missing = "there is no `tokenizer_config.json`, so the tokenizer names no longest sequence";
                tokenizer.notes.push(Note::once(missing));
                Ok(tokenizer)
            }
            other => {
                let config = other?;
                let class = Class::told(&config_of(&config)?, &model);
                Tokenizer::of_class(&json, &config, class)
            }
        }
    }

    /// Reads the contents of `tokenizer.json` and of `tokenizer_config.json`.
    ///
    /// # Errors
    /// Contents that are damaged, or that no tokenizer has.
    pub fn from_bytes(json: &[u8], config: &[u8]) -> Result<Tokenizer, Error> {
        let class = Class::told(&config_of(config)?, &Map::new());
        Tokenizer::of_class(json, config, class)
    }

    fn of_class(json: &[u8], config: &[u8], class: Option<Class>) -> Result<Tokenizer, Error> {
        let config = config_of(config)?;
        let mut inner = soundness::read(json)?;
        let mut notes = switch_off(&mut inner)?;
        notes.extend(class_switches::follow(&mut inner, &config, class)?);
        let spaced = with_prefix_space(&inner);
        if spaced.is_some() {
            notes.push(Note::once("the tokenizer puts no space before words; given words get one, as inside a text"));
        }
        let (for_words, for_text) = match spaced {
            Some(spaced) => (Stepped::new(spaced)?, Some(Stepped::new(inner)?)),
            None => (Stepped::new(inner)?, None),
        };
        let model_max_length = config
            .get("model_max_length")
            .and_then(Value::as_f64)
            .filter(|&length| (1.0..UNLIMITED).contains(&length))
            .map(|length| length as usize);
        let unknown = unknown_piece(&for_words, &config);
        let marks_continuations = match for_words.get_model() {
            ModelWrapper::WordPiece(model) => !model.continuing_subword_prefix.is_empty(),
            ModelWrapper::BPE(model) => model.continuing_subword_prefix.as_ref().is_some_and(|it| !it.is_empty()),
            _ => false,
        };
        let special = special_ids(&for_words);
        Ok(Tokenizer { for_words, for_text, config, model_max_length, unknown, special, marks_continuations, notes })
    }

    /// `tokenizer.json` and `tokenizer_config.json` as given words are encoded here, so that whoever loads them sees what
    /// the model was trained on: names and contents.
    pub fn files(&self) -> [(&'static str, String); 2] {
        let json = self.for_words.to_string(true).expect("what was read can be written");
        let mut config = self.config.clone();
        if self.for_text.is_some() {
            config.insert("add_prefix_space".into(), Value::Bool(true));
        }
        let config = serde_json::to_string_pretty(&config).expect("JSON can be written");
        [("tokenizer.json", json), ("tokenizer_config.json", config)]
    }

    /// Writes [`Tokenizer::files`] into a folder.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        for (name, text) in self.files() {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
        }
        Ok(())
    }

    /// Writes the tokenizer into a folder as it was read: whoever loads it encodes running text in the same way.
    ///
    /// # Errors
    /// An error of the system with either file.
    pub fn save_as_read(&self, folder: &Path) -> Result<(), Error> {
        let json =
            self.for_text.as_ref().unwrap_or(&self.for_words).to_string(true).expect("what was read can be written");
        let config = serde_json::to_string_pretty(&self.config).expect("JSON can be written");
        for (name, text) in [("tokenizer.json", json), ("tokenizer_config.json", config)] {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|source| Error::Write { path, source })?;
        }
        Ok(())
    }

    /// Makes `tokens` special: never cut, wherever they stand in an input. Those that are new get the next ids.
    ///
    /// # Errors
    /// The tokenizer refuses one.
    pub fn add_special(&mut self, tokens: &[&str]) -> Result<(), Error> {
        let tokens: Vec<AddedToken> = tokens.iter().map(|token| AddedToken::from(*token, true)).collect();
        for inner in [Some(&mut self.for_words), self.for_text.as_mut()].into_iter().flatten() {
            inner.add_special_tokens(tokens.clone()).map_err(|error| Error::Encode { message: error.to_string() })?;
        }
        self.special = special_ids(&self.for_words);
        Ok(())
    }

    /// Returns which pieces of an input are special tokens that it spells out (`[SEP]`, `<s>`), whoever wrote it. The unknown
    /// piece is not among them: it says no more than that a word is unknown.
    pub fn spelled(&self, pieces: &Pieces) -> Vec<usize> {
        let is = |&at: &usize| self.special.contains(&pieces.ids[at]) && Some(pieces.ids[at]) != self.unknown;
        pieces.content().filter(is).collect()
    }

    /// Returns whether a piece stands for what the vocabulary lacks.
    pub fn is_unknown(&self, id: u32) -> bool {
        self.unknown == Some(id)
    }

    /// Returns the spelling of a piece in the vocabulary, such as `##ich`. The unknown piece is spelled as the text that it
    /// stands for.
    pub fn spelling(&self, id: u32, covered: &str) -> String {
        let known = self.for_words.id_to_token(id).filter(|_| Some(id) != self.unknown);
        known.unwrap_or_else(|| covered.to_owned())
    }

    /// Returns pieces' spellings put together to a text, as transformers' `convert_tokens_to_string` does.
    pub fn put_together(&self, spellings: Vec<String>) -> String {
        let joined = spellings.join(" ");
        // A decoder that refuses what it is given would be a fault of its file; the pieces are then shown as they are.
        self.for_words.get_decoder().and_then(|decoder| decoder.decode(spellings).ok()).unwrap_or(joined)
    }

    /// Returns a token's id, if there is such a token.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.for_words.token_to_id(token)
    }

    /// Returns the pieces of running text; `words` count in the tokenizer's own cuts, offsets in code points of the text.
    ///
    /// # Errors
    /// The tokenizer refuses it.
    pub fn encode_running(&self, text: &str) -> Result<Pieces, Error> {
        let encoding = self.for_text.as_ref().unwrap_or(&self.for_words).encode_text(text)?;
        Ok(Pieces::new(&encoding))
    }

    /// Returns the note about pieces that a model with `rows` rows does not have. A text with one of them is refused.
    pub fn pieces_beyond(&self, rows: usize) -> Option<Note> {
        let mut beyond: Vec<(u32, String)> =
            self.for_words.get_vocab(true).into_iter().map(|it| (it.1, it.0)).collect();
        beyond.retain(|(id, _)| *id as usize >= rows);
        beyond.sort_unstable();
        let mut note = Note::new(
            "{piece of the tokenizer has an id|pieces of the tokenizer have ids} that the model has no row for: a text \
             with {it|one} is refused",
        );
        beyond.iter().for_each(|(id, piece)| note.add(|| format!("`{piece}` {id} of {rows} rows")));
        (note.count > 0).then_some(note)
    }

    /// Returns one more than the highest id that the tokenizer can give.
    pub fn id_bound(&self) -> usize {
        self.for_words.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// Returns the pieces of a sentence that is already words. A word may yield none.
    ///
    /// # Errors
    /// The tokenizer refuses it.
    pub fn encode_words(&self, words: &[String]) -> Result<Pieces, Error> {
        Ok(Pieces::new(&self.for_words.encode_words(words)?))
    }

    /// Returns the pieces and the words of running text.
    ///
    /// # Errors
    /// The tokenizer refuses it.
    pub fn encode_text(&self, text: &str) -> Result<Text, Error> {
        let encoding = self.for_text.as_ref().unwrap_or(&self.for_words).encode_text(text)?;
        let mut pieces = Pieces::new(&encoding);
        let words = split_words(text);
        let first_pieces = assign_words(&mut pieces, &words);
        let continues = self.continuations(&pieces, &encoding, text);
        Ok(Text { pieces, words, first_pieces, continues })
    }

    /// Returns which pieces continue a word, by transformers' rule. Where the vocabulary marks continuations, they are
    /// the pieces whose spelling is longer than what it covers (`##er` covers two letters). Elsewhere they are the
    /// pieces with no space at their start.
    fn continuations(&self, pieces: &Pieces, encoding: &Encoding, text: &str) -> Vec<bool> {
        let spaces: Vec<bool> = text.chars().map(|letter| letter == ' ').collect();
        let is_space = |at: u32| spaces.get(at as usize).copied().unwrap_or(false);
        let continues = |at: usize| {
            let (start, end) = pieces.offsets[at];
            if Some(pieces.ids[at]) == self.unknown {
                false
            } else if self.marks_continuations {
                encoding.get_tokens()[at].chars().count() != end.saturating_sub(start) as usize
            } else {
                start > 0 && !is_space(start - 1) && !is_space(start)
            }
        };
        (0..pieces.len()).map(continues).collect()
    }
}

fn config_of(text: &[u8]) -> Result<Map<String, Value>, Error> {
    serde_json::from_slice(text)
        .map_err(|error| Error::Invalid { file: "tokenizer_config.json", message: error.to_string() })
}

fn special_ids(inner: &tokenizers::Tokenizer) -> HashSet<u32> {
    let tokens = inner.get_added_tokens_decoder();
    tokens.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect()
}

/// Returns the start and the end of each word of running text, in code points. Text is cut at white space and around every punctuation mark, symbol (an emoji with its
/// modifiers is one) and Han ideograph.
pub fn split_words(text: &str) -> Vec<(u32, u32)> {
    const WORD: &str = concat!(
        r"[\x{1F1E6}-\x{1F1FF}]{2}", // a flag
        r"|\p{Han}\p{M}*",
        r"|[[\w\p{Cf}]--\p{Han}]+",
        r"|[^\w\s](?:\x{200D}[^\w\s]|[\p{M}\p{Cf}\x{1F3FB}-\x{1F3FF}])*",
    );
    static WORDS: LazyLock<Split> = LazyLock::new(|| {
        Split::new(SplitPattern::Regex(WORD.into()), SplitDelimiterBehavior::Removed, true)
            .expect("the pattern is legal")
    });
    let mut cut = PreTokenizedString::from(text);
    WORDS.pre_tokenize(&mut cut).expect("the pattern has no step that can fail");
    let splits = cut.get_splits(OffsetReferential::Original, OffsetType::Char);
    splits
        .into_iter()
        .map(|(_, (start, end), _)| (start as u32, end as u32))
        .filter(|(start, end)| start < end)
        .collect()
}

/// Rewrites `pieces.words` to count in `words`; returns the first piece that touches each.
fn assign_words(pieces: &mut Pieces, words: &[(u32, u32)]) -> Vec<Option<u32>> {
    let mut first_pieces = vec![None; words.len()];
    pieces.words.fill(None);
    let mut word = 0;
    for at in pieces.content() {
        let (start, end) = pieces.offsets[at];
        while word < words.len() && words[word].1 <= start {
            word += 1;
        }
        let touched = (word..words.len()).take_while(|&it| words[it].0 < end);
        for it in touched {
            pieces.words[at].get_or_insert(it as u32);
            first_pieces[it].get_or_insert(at as u32);
        }
    }
    first_pieces
}

/// Switches off settings that a tokenizer.json can carry from its last call and that do not belong to the tokenizer.
fn switch_off(inner: &mut tokenizers::Tokenizer) -> Result<Vec<Note>, Error> {
    let mut notes = Vec::new();
    if let Some(truncation) = inner.get_truncation() {
        let to = truncation.max_length;
        notes.push(Note::once(format!("truncation to {to} pieces in `tokenizer.json` is switched off")));
        inner
            .with_truncation(None)
            .map_err(|error| Error::Invalid { file: "tokenizer.json", message: error.to_string() })?;
    }
    if inner.get_padding().is_some() {
        notes.push(Note::once("padding in `tokenizer.json` is switched off"));
        inner.with_padding(None);
    }
    if let ModelWrapper::BPE(model) = inner.get_model()
        && let Some(rate) = model.dropout
    {
        notes.push(Note::once(format!("random merges ({rate}) in `tokenizer.json` are switched off")));
        let mut model = model.clone();
        model.dropout = None;
        inner.with_model(model);
    }
    Ok(notes)
}

/// Returns the tokenizer with a space before each given word, if it is byte-level or marks spaces and would put none.
fn with_prefix_space(inner: &tokenizers::Tokenizer) -> Option<tokenizers::Tokenizer> {
    let mut spaced = inner.clone();
    let Some(pre_tokenizer) = inner.get_pre_tokenizer() else {
        // Nothing cuts words: spaces that are marked are part of the pieces.
        let normalizer = inner.get_normalizer().filter(|normalizer| marks_spaces(normalizer))?;
        let space = Prepend::new(" ".into()).into();
        spaced.with_normalizer(Some(Normalizers::new(vec![space, normalizer.clone()]))).ok()?;
        return Some(spaced);
    };
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(bytes) if !bytes.add_prefix_space => {
            spaced.with_pre_tokenizer(Some((*bytes).add_prefix_space(true)));
        }
        // Other steps cut the word before the byte-level one does: the space has to be there before them.
        PreTokenizerWrapper::Sequence(steps) if steps.as_ref().iter().any(lacks_prefix_space) => {
            if inner.get_normalizer().is_some_and(prepends_space) {
                return None;
            }
            let space = Prepend::new(" ".into()).into();
            let normalizers = inner.get_normalizer().cloned().into_iter().chain([space]).collect();
            spaced.with_normalizer(Some(Normalizers::new(normalizers))).ok()?;
        }
        other => _ = spaced.with_pre_tokenizer(Some(with_marked_space(other)?)),
    }
    if let Some(processor) = inner.get_post_processor() {
        spaced.with_post_processor(Some(expecting_space(processor.clone(), true)));
    }
    Some(spaced)
}

/// Returns the step with a mark before every word, if it never puts one.
fn with_marked_space(step: &PreTokenizerWrapper) -> Option<PreTokenizerWrapper> {
    match step {
        PreTokenizerWrapper::Metaspace(marks) if marks.get_prepend_scheme() == PrependScheme::Never => {
            let mut marks = marks.clone();
            marks.set_prepend_scheme(PrependScheme::Always);
            Some(marks.into())
        }
        PreTokenizerWrapper::Sequence(steps) => {
            let at = steps.as_ref().iter().position(|step| with_marked_space(step).is_some())?;
            let mut steps = steps.as_ref().to_vec();
            steps[at] = with_marked_space(&steps[at])?;
            Some(PreTokenizers::new(steps).into())
        }
        _ => None,
    }
}

fn lacks_prefix_space(step: &PreTokenizerWrapper) -> bool {
    matches!(step, PreTokenizerWrapper::ByteLevel(bytes) if !bytes.add_prefix_space)
}

fn prepends_space(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Prepend(step) => step.prepend == " ",
        NormalizerWrapper::Sequence(steps) => steps.as_ref().last().is_some_and(prepends_space),
        _ => false,
    }
}

/// Whether spaces become marks, and no mark stands before the first word.
fn marks_spaces(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Replace(step) => step.content == "▁",
        NormalizerWrapper::Sequence(steps) => {
            let prepends = |step: &NormalizerWrapper| matches!(step, NormalizerWrapper::Prepend(_));
            steps.as_ref().iter().any(marks_spaces) && !steps.as_ref().iter().any(prepends)
        }
        _ => false,
    }
}

fn unknown_piece(inner: &tokenizers::Tokenizer, config: &Map<String, Value>) -> Option<u32> {
    let named = config.get("unk_token").and_then(|token| token.as_str().or_else(|| token.get("content")?.as_str()));
    named.and_then(|token| inner.token_to_id(token)).or_else(|| match inner.get_model() {
        ModelWrapper::WordPiece(model) => inner.token_to_id(&model.unk_token),
        ModelWrapper::WordLevel(model) => inner.token_to_id(&model.unk_token),
        ModelWrapper::BPE(model) => model.unk_token.as_ref().and_then(|token| inner.token_to_id(token)),
        ModelWrapper::Unigram(_) => None,
    })
}
