//! What becomes of the letters of an entity.

use crate::error::refusal;
use anyhow::Result;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};
use std::collections::BTreeMap;
use tagsmith_message::{Remedy, closest, quote, quote_all};

/// The fewest bytes of a salt that is given.
const SALT_BYTES_MIN: usize = 16;

/// Bytes of a salt that is drawn.
const SALT_BYTES: usize = 32;

/// Something that is done to the letters of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// Another text in their place; without one, the entity's type in angle brackets.
    Replace(Option<String>),
    /// Nothing in their place.
    Redact,
    /// Letters that stay as they are.
    Keep,
    /// Another letter in the place of some of them.
    Mask {
        /// The other letter; without one, letters go.
        letter: Option<char>,
        /// How many letters, from one of the ends.
        count: usize,
        /// Whether they are the last.
        from_end: bool,
    },
    /// A hash of the letters and the salt behind them, in hexadecimal digits.
    Hash {
        /// How it is computed.
        hash: HashType,
        /// The salt; without one, each entity gets one that nobody knows.
        salt: Option<Vec<u8>>,
    },
}

/// A way to compute a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HashType {
    /// SHA-256, with 64 digits.
    #[default]
    Sha256,
    /// SHA-512, with 128 digits.
    Sha512,
}

impl HashType {
    /// The names of all, in the order of the variants.
    pub const NAMES: [&str; 2] = ["sha256", "sha512"];

    /// Returns the way with this name.
    pub fn named(name: &str) -> Option<HashType> {
        [HashType::Sha256, HashType::Sha512].into_iter().zip(Self::NAMES).find(|(_, of)| *of == name).map(|(it, _)| it)
    }
}

impl Operator {
    /// The names of all, as Presidio has them.
    pub const NAMES: [&str; 5] = ["replace", "redact", "mask", "hash", "keep"];

    /// Returns the operator's name.
    pub fn name(&self) -> &'static str {
        match self {
            Operator::Replace(_) => "replace",
            Operator::Redact => "redact",
            Operator::Mask { .. } => "mask",
            Operator::Hash { .. } => "hash",
            Operator::Keep => "keep",
        }
    }

    /// Returns whether equal letters become different hashes, as each entity gets a salt of its own.
    pub fn draws_salts(&self) -> bool {
        matches!(self, Operator::Hash { salt: None, .. })
    }

    /// Returns a hash with a salt that is given.
    ///
    /// # Errors
    /// The salt is so short that hashes could be guessed.
    pub fn hash(hash: HashType, salt: Option<String>) -> Result<Operator> {
        let salt = salt.map(String::into_bytes);
        match salt.as_ref().map(Vec::len).filter(|bytes| *bytes < SALT_BYTES_MIN) {
            None => Ok(Operator::Hash { hash, salt }),
            Some(bytes) => {
                let message = format!("a salt of {bytes} bytes is too short to hide anything");
                let remedy = format!("give {SALT_BYTES_MIN} bytes at least, or none for a random salt an entity");
                Err(refusal(message, Remedy::to_do(remedy)))
            }
        }
    }

    /// Returns what becomes of `letters`, which are an entity of this type.
    ///
    /// # Panics
    /// If the system gives no random numbers for a salt.
    pub fn apply(&self, letters: &str, entity_type: &str) -> String {
        match self {
            Operator::Replace(Some(text)) => text.clone(),
            Operator::Replace(None) => format!("<{entity_type}>"),
            Operator::Redact => String::new(),
            Operator::Keep => letters.to_owned(),
            Operator::Mask { letter, count, from_end } => mask(letters, *letter, *count, *from_end),
            Operator::Hash { hash, salt: Some(salt) } => digits(*hash, letters, salt),
            Operator::Hash { hash, salt: None } => {
                let mut salt = [0; SALT_BYTES];
                getrandom::fill(&mut salt).expect("a system that runs this program gives random numbers");
                digits(*hash, letters, &salt)
            }
        }
    }
}

fn mask(letters: &str, letter: Option<char>, count: usize, from_end: bool) -> String {
    let all = letters.chars().count();
    let count = count.min(all);
    let masked = letter.into_iter().flat_map(|letter| std::iter::repeat_n(letter, count));
    match from_end {
        true => letters.chars().take(all - count).chain(masked).collect(),
        false => masked.chain(letters.chars().skip(count)).collect(),
    }
}

fn digits(hash: HashType, letters: &str, salt: &[u8]) -> String {
    fn of<D: Digest>(letters: &str, salt: &[u8]) -> String {
        let bytes = D::new().chain_update(letters).chain_update(salt).finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
    match hash {
        HashType::Sha256 => of::<Sha256>(letters, salt),
        HashType::Sha512 => of::<Sha512>(letters, salt),
    }
}

/// An operator for each type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operators {
    /// The operator of types that have none of their own.
    pub default: Operator,
    /// The operators of types that have one.
    pub by_type: BTreeMap<String, Operator>,
}

impl Default for Operators {
    /// Returns Presidio's default: each entity becomes its type in angle brackets.
    fn default() -> Self {
        Operators { default: Operator::Replace(None), by_type: BTreeMap::new() }
    }
}

impl Operators {
    /// The key of the operator of types that have none of their own.
    pub const DEFAULT: &str = "DEFAULT";

    /// Returns the operator of a type.
    pub fn of(&self, entity_type: &str) -> &Operator {
        self.by_type.get(entity_type).unwrap_or(&self.default)
    }

    /// Returns what a request to Presidio has as `anonymizers`: `{"PERSON": {"type": "redact"}, "DEFAULT": …}`.
    ///
    /// # Errors
    /// An operator that Presidio would refuse for an entity of its type; a key that it would ignore. `encrypt`, `decrypt`
    /// and `custom` are not offered.
    pub fn from_json(anonymizers: &Value) -> Result<Operators> {
        let Some(anonymizers) = anonymizers.as_object() else {
            let remedy = Remedy::to_do("give an object with an operator for each type");
            return Err(refusal("the anonymizers are not an object", remedy));
        };
        let mut operators = Operators::default();
        for (entity_type, operator) in anonymizers {
            let operator = Keys::of(entity_type, operator)?.operator()?;
            match entity_type.as_str() {
                Self::DEFAULT => operators.default = operator,
                name => drop(operators.by_type.insert(name.to_owned(), operator)),
            }
        }
        Ok(operators)
    }
}

/// The keys of an operator in JSON.
struct Keys<'j> {
    entity_type: &'j str,
    keys: &'j Map<String, Value>,
    name: &'j str,
}

impl<'j> Keys<'j> {
    fn of(entity_type: &'j str, operator: &'j Value) -> Result<Keys<'j>> {
        let name = operator.get("type").and_then(Value::as_str);
        let Some((keys, name)) = operator.as_object().zip(name) else {
            let message = format!("the anonymizer of {} has no `type`", quote(entity_type));
            return Err(refusal(message, one_of_all()));
        };
        Ok(Keys { entity_type, keys, name })
    }

    fn operator(&self) -> Result<Operator> {
        let (known, operator): (&[&str], _) = match self.name {
            "replace" => (&["new_value"], Operator::Replace(self.text("new_value")?.filter(|text| !text.is_empty()))),
            "redact" => (&[], Operator::Redact),
            "keep" => (&[], Operator::Keep),
            "mask" => (&["masking_char", "chars_to_mask", "from_end"], self.mask()?),
            "hash" => (&["hash_type", "salt"], self.hash()?),
            name @ ("encrypt" | "decrypt" | "custom") => {
                return Err(refusal(format!("{}: `{name}` is not offered", self.place()), one_of_all()));
            }
            name => {
                let message = format!("{}: there is no operator {}", self.place(), quote(name));
                return Err(refusal(message, one_of_all()));
            }
        };
        match self.keys.keys().find(|key| *key != "type" && !known.contains(&key.as_str())) {
            None => Ok(operator),
            Some(key) => {
                let meant = closest(key, known.iter().copied());
                let remedy = meant.map_or("leave it out".to_owned(), |meant| format!("write `{meant}`"));
                let message = format!("{}: `{}` has no key {}", self.place(), self.name, quote(key));
                Err(refusal(message, Remedy::to_do(remedy)))
            }
        }
    }

    fn mask(&self) -> Result<Operator> {
        let text = self.text("masking_char")?.ok_or_else(|| self.wrong("masking_char", "a letter"))?;
        let mut letters = text.chars();
        let letter = letters.next();
        if letters.next().is_some() {
            return Err(self.wrong("masking_char", "one letter"));
        }
        let count =
            self.keys.get("chars_to_mask").and_then(|count| count.as_i64().or(count.as_u64().map(|_| i64::MAX)));
        let count = count.ok_or_else(|| self.wrong("chars_to_mask", "a whole number"))?;
        let from_end = self.keys.get("from_end").and_then(Value::as_bool);
        let from_end = from_end.ok_or_else(|| self.wrong("from_end", "true or false"))?;
        Ok(Operator::Mask { letter, count: usize::try_from(count).unwrap_or(0), from_end })
    }

    fn hash(&self) -> Result<Operator> {
        let hash = match self.keys.get("hash_type") {
            None => HashType::default(),
            Some(name) => name
                .as_str()
                .and_then(HashType::named)
                .ok_or_else(|| self.wrong("hash_type", &HashType::NAMES.join(" or ")))?,
        };
        if self.keys.get("salt").is_some_and(Value::is_null) {
            return Err(self.wrong("salt", "a text"));
        }
        Operator::hash(hash, self.text("salt")?).map_err(|error| error.context(self.place()))
    }

    /// Returns a text that may be missing or null.
    fn text(&self, key: &str) -> Result<Option<String>> {
        match self.keys.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    fn wrong(&self, key: &str, needs: &str) -> anyhow::Error {
        let what = if self.keys.contains_key(key) { "cannot use this" } else { "needs" };
        let message = format!("{}: `{}` {what} `{key}`", self.place(), self.name);
        refusal(message, Remedy::to_do(format!("give it {needs}")))
    }

    fn place(&self) -> String {
        format!("the anonymizer of {}", quote(self.entity_type))
    }
}

fn one_of_all() -> Remedy {
    Remedy::to_do(format!("name one of {}", quote_all(Operator::NAMES)))
}
