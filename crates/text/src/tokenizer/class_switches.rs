//! The switches of tokenizer_config.json, as the class that it names has them in transformers.
//!
//! A class builds its steps from its switches and takes the vocabulary from tokenizer.json. So where both disagree, the
//! switches count. `PreTrainedTokenizerFast` takes tokenizer.json as it is, and its switches have no effect.
//!
//! # Source
//! `convert_to_native_format` and the models' own tokenizers of transformers 5.24.

use crate::tokenizer::error::Error;
use crate::tokenizer::old_files::{Class, Token};
use serde_json::{Map, Value, json};
use tagsmith_message::Note;
use tokenizers::Tokenizer;
use tokenizers::normalizers::{NormalizerWrapper, Sequence as Normalizers};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::processors::PostProcessorWrapper;
use tokenizers::processors::sequence::Sequence as PostProcessors;

const FILE: &str = "tokenizer_config.json";

/// Changes the tokenizer as the switches of its class ask. A note tells each change, and each switch without effect.
///
/// # Errors
/// A switch that is neither true nor false.
pub(super) fn follow(
    inner: &mut Tokenizer,
    config: &Map<String, Value>,
    class: Option<Class>,
) -> Result<Vec<Note>, Error> {
    let mut switches = Switches { config, class, notes: Vec::new() };
    switches.follow(inner)?;
    switches.surround(inner);
    Ok(switches.notes)
}

struct Switches<'a> {
    config: &'a Map<String, Value>,
    class: Option<Class>,
    notes: Vec<Note>,
}

impl Switches<'_> {
    fn follow(&mut self, inner: &mut Tokenizer) -> Result<(), Error> {
        match self.class {
            Some(Class::Bert) | None => self.bert(inner),
            Some(Class::Roberta | Class::Gpt2 | Class::Deberta) => self.prefix_space_of_bytes(inner),
            Some(Class::XlmRoberta | Class::Camembert) => self.prefix_mark(inner, PrependScheme::Never),
            Some(Class::DebertaV2) => {
                self.lower_case(inner, false)?;
                self.prefix_mark(inner, PrependScheme::First)
            }
            Some(Class::Albert) => {
                self.lower_case(inner, true)?;
                self.prefix_mark(inner, PrependScheme::Never)
            }
            Some(Class::Sentencepiece) => self.without_effect(inner),
        }
    }

    /// Returns a switch that is given.
    fn given(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(*on)),
            Some(other) => {
                let message = format!("`{key}` is {other}, neither true nor false");
                Err(Error::Invalid { file: FILE, message })
            }
        }
    }

    /// Says that a switch counts, and not what tokenizer.json does.
    fn overrides(&mut self, key: &str, value: impl ToString) {
        let value = value.to_string();
        let what = match (self.config.contains_key(key), self.class) {
            (false, Some(class)) => {
                let class = class.name();
                format!("`{key}` is {value} by default in transformers' {class}, which overrides `tokenizer.json`")
            }
            _ => format!("`{key}` is {value} in `{FILE}` and overrides `tokenizer.json`"),
        };
        self.notes.push(Note::once(what));
    }

    /// Follows BERT's three switches. Where no class is known, only those that are given count.
    fn bert(&mut self, inner: &mut Tokenizer) -> Result<(), Error> {
        let named = self.class.is_some();
        let [lower, han, accents] =
            [self.given("do_lower_case")?, self.given("tokenize_chinese_chars")?, self.given("strip_accents")?];
        let Some(NormalizerWrapper::BertNormalizer(normalizer)) = inner.get_normalizer() else {
            return if named { self.other_normalizer(inner) } else { Ok(()) };
        };
        let before = *normalizer;
        let mut normalizer = before;
        normalizer.lowercase = lower.unwrap_or(if named { true } else { before.lowercase });
        normalizer.handle_chinese_chars = han.unwrap_or(if named { true } else { before.handle_chinese_chars });
        if normalizer.lowercase != before.lowercase {
            self.overrides("do_lower_case", normalizer.lowercase);
        }
        if normalizer.handle_chinese_chars != before.handle_chinese_chars {
            self.overrides("tokenize_chinese_chars", normalizer.handle_chinese_chars);
        }
        // Where nobody says it, accents are stripped with lower case.
        let strips = |accents: Option<bool>| accents.unwrap_or(normalizer.lowercase);
        let is_told = named || self.config.contains_key("strip_accents");
        if is_told && strips(accents) != strips(before.strip_accents) {
            normalizer.strip_accents = accents;
            self.overrides("strip_accents", accents.map_or("null".to_owned(), |accents| accents.to_string()));
        }
        inner.with_normalizer(Some(normalizer)).map_err(refused)?;
        Ok(())
    }

    /// Says that tokenizer.json is followed though the class has a normalizer of its own.
    fn other_normalizer(&mut self, inner: &Tokenizer) -> Result<(), Error> {
        let kind = inner.get_normalizer().map_or("no normalizer".to_owned(), |normalizer| {
            let json = serde_json::to_value(normalizer).expect("what was read can be written");
            format!("the normalizer {}", json["type"].as_str().unwrap_or_default())
        });
        let class = self.class.map(Class::name).unwrap_or_default();
        self.notes.push(Note::once(format!(
            "`tokenizer.json` has {kind}, which is followed; transformers' {class} would use its own"
        )));
        Ok(())
    }

    /// Follows `add_prefix_space` of a byte-level class.
    fn prefix_space_of_bytes(&mut self, inner: &mut Tokenizer) -> Result<(), Error> {
        let asked = self.given("add_prefix_space")?.unwrap_or(false);
        let Some(PreTokenizerWrapper::ByteLevel(bytes)) = inner.get_pre_tokenizer() else { return Ok(()) };
        if bytes.add_prefix_space == asked {
            return Ok(());
        }
        let bytes = (*bytes).add_prefix_space(asked);
        inner.with_pre_tokenizer(Some(bytes));
        if let Some(processor) = inner.get_post_processor() {
            let processor = expecting_space(processor.clone(), asked);
            inner.with_post_processor(Some(processor));
        }
        self.overrides("add_prefix_space", asked);
        Ok(())
    }

    /// Follows `add_prefix_space` of a class that marks spaces; `without` is its scheme where the switch is off.
    fn prefix_mark(&mut self, inner: &mut Tokenizer, without: PrependScheme) -> Result<(), Error> {
        let asked = self.given("add_prefix_space")?.unwrap_or(true);
        let scheme = if asked { PrependScheme::Always } else { without };
        let Some(step) = inner.get_pre_tokenizer().and_then(|step| with_scheme(step, scheme)) else { return Ok(()) };
        inner.with_pre_tokenizer(Some(step));
        self.overrides("add_prefix_space", asked);
        Ok(())
    }

    /// Follows `do_lower_case` of a class whose normalizer has a step for it or not.
    fn lower_case(&mut self, inner: &mut Tokenizer, default: bool) -> Result<(), Error> {
        let asked = self.given("do_lower_case")?.unwrap_or(default);
        let steps = match inner.get_normalizer() {
            Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().to_vec(),
            Some(step) => vec![step.clone()],
            None => Vec::new(),
        };
        let is_lower = |step: &NormalizerWrapper| matches!(step, NormalizerWrapper::Lowercase(_));
        if steps.iter().any(is_lower) == asked {
            return Ok(());
        }
        let mut steps: Vec<NormalizerWrapper> = steps.into_iter().filter(|step| !is_lower(step)).collect();
        if asked {
            let is_table = |step: &NormalizerWrapper| matches!(step, NormalizerWrapper::Precompiled(_));
            // The step is the first, or stands before the table of characters.
            let at = steps.iter().position(is_table).unwrap_or(0);
            steps.insert(at, tokenizers::normalizers::Lowercase.into());
        }
        inner.with_normalizer(Some(Normalizers::new(steps))).map_err(refused)?;
        self.overrides("do_lower_case", asked);
        Ok(())
    }

    /// Says which switches of a class without switches disagree with tokenizer.json.
    fn without_effect(&mut self, inner: &Tokenizer) -> Result<(), Error> {
        let steps = match inner.get_normalizer() {
            Some(NormalizerWrapper::Sequence(steps)) => steps.as_ref().to_vec(),
            other => other.cloned().into_iter().collect(),
        };
        let bert = steps.iter().find_map(|step| match step {
            NormalizerWrapper::BertNormalizer(normalizer) => Some(*normalizer),
            _ => None,
        });
        let any = |is: fn(&NormalizerWrapper) -> bool| steps.iter().any(is);
        let lowers = bert.is_some_and(|bert| bert.lowercase) || any(|it| matches!(it, NormalizerWrapper::Lowercase(_)));
        let strips = bert.is_some_and(|bert| bert.strip_accents.unwrap_or(bert.lowercase))
            || any(|it| matches!(it, NormalizerWrapper::StripAccents(_)));
        let prepends = any(|it| matches!(it, NormalizerWrapper::Prepend(_)));
        let done = [
            ("do_lower_case", Some(lowers)),
            ("strip_accents", Some(strips)),
            ("tokenize_chinese_chars", bert.map(|bert| bert.handle_chinese_chars)),
            ("add_prefix_space", inner.get_pre_tokenizer().and_then(prefixes).map(|prefixes| prefixes || prepends)),
        ];
        for (key, done) in done {
            let (Ok(Some(given)), Some(done)) = (self.given(key), done) else { continue };
            if given != done {
                self.notes.push(Note::once(format!(
                    "`{key}` is {given} in `{FILE}` and has no effect: its class takes `tokenizer.json` as it is, as in \
                     transformers"
                )));
            }
        }
        Ok(())
    }

    /// Puts a class's special pieces around a sequence where tokenizer.json does not say which, or says that there are
    /// none.
    fn surround(&mut self, inner: &mut Tokenizer) {
        if inner.get_post_processor().is_some() {
            return;
        }
        let token = |key: &str| {
            let given = self.config.get(key).and_then(|value| Token::of(value, true)).map(|token| token.content);
            let content = given.or_else(|| self.class?.special_token(key).map(str::to_owned))?;
            inner.token_to_id(&content).map(|id| (content, id))
        };
        let keys = match self.class {
            Some(Class::XlmRoberta | Class::Camembert) => Some(["bos_token", "eos_token"]),
            None | Some(Class::Gpt2 | Class::Sentencepiece) => None,
            _ => Some(["cls_token", "sep_token"]),
        };
        let around = keys.and_then(|[first, last]| Some([token(first)?, token(last)?]));
        let Some([first, last]) = around else {
            let what = "`tokenizer.json` has no `post_processor`: no special pieces stand around a sequence";
            self.notes.push(Note::once(what));
            return;
        };
        let special = |(content, _): &(String, u32)| json!({ "SpecialToken": { "id": content, "type_id": 0 } });
        let sequence = |name: &str| json!({ "Sequence": { "id": name, "type_id": 0 } });
        let define = |(content, id): &(String, u32)| {
            (content.clone(), json!({ "id": content, "ids": [id], "tokens": [content] }))
        };
        let template = json!({
            "type": "TemplateProcessing",
            "single": [special(&first), sequence("A"), special(&last)],
            "pair": [special(&first), sequence("A"), special(&last), sequence("B"), special(&last)],
            "special_tokens": Map::from_iter([define(&first), define(&last)]),
        });
        let processor: PostProcessorWrapper = serde_json::from_value(template).expect("a template of this form");
        inner.with_post_processor(Some(processor));
        self.notes.push(Note::once(format!(
            "`tokenizer.json` has no `post_processor`: `{}` and `{}` stand around a sequence, as transformers' {} puts them",
            first.0,
            last.0,
            self.class.map(Class::name).unwrap_or_default()
        )));
    }
}

fn refused(error: impl ToString) -> Error {
    Error::Invalid { file: "tokenizer.json", message: error.to_string() }
}

/// Returns whether a step puts a space or a mark before a text, where it could.
fn prefixes(step: &PreTokenizerWrapper) -> Option<bool> {
    match step {
        PreTokenizerWrapper::ByteLevel(bytes) => Some(bytes.add_prefix_space),
        PreTokenizerWrapper::Metaspace(marks) => Some(marks.get_prepend_scheme() != PrependScheme::Never),
        PreTokenizerWrapper::Sequence(steps) => steps.as_ref().iter().find_map(prefixes),
        _ => None,
    }
}

/// Returns the step with this scheme of marks; none if it has it already, or has no marks.
fn with_scheme(step: &PreTokenizerWrapper, scheme: PrependScheme) -> Option<PreTokenizerWrapper> {
    match step {
        PreTokenizerWrapper::Metaspace(marks) if marks.get_prepend_scheme() != scheme => {
            let mut marks = marks.clone();
            marks.set_prepend_scheme(scheme);
            Some(marks.into())
        }
        PreTokenizerWrapper::Sequence(steps) => {
            let mut steps = steps.as_ref().to_vec();
            let (at, other) = steps.iter().enumerate().find_map(|(at, step)| Some((at, with_scheme(step, scheme)?)))?;
            steps[at] = other;
            Some(PreTokenizers::new(steps).into())
        }
        _ => None,
    }
}

/// Returns the step that trims offsets, told whether the first space is not the user's.
pub(super) fn expecting_space(processor: PostProcessorWrapper, added: bool) -> PostProcessorWrapper {
    match processor {
        PostProcessorWrapper::Roberta(roberta) => roberta.add_prefix_space(added).into(),
        PostProcessorWrapper::ByteLevel(bytes) => bytes.add_prefix_space(added).into(),
        PostProcessorWrapper::Sequence(steps) => {
            PostProcessors::new(steps.into_iter().map(|step| expecting_space(step, added)).collect()).into()
        }
        other => other,
    }
}
