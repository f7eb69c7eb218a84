//! The operating points in a model's folder, and the choices that they decide.

use crate::tag::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tagsmith_files::{Error as FileError, atomic_write};
use tagsmith_text::decode::calibration::{Biases, Calibration, DEFAULT, FILE, LARGEST, OperatingPoint};
use tagsmith_text::decode::chain::Chain;
use tagsmith_text::decode::grammar::Grammar;
use tagsmith_text::decode::viterbi::Viterbi;
use tagsmith_text::decode::{Decoder, Decoding};
use tagsmith_text::labels::label_scheme::LabelScheme;

/// Reads the operating points of a model's folder; none where there is no such file.
///
/// # Errors
/// A file that cannot be read, or that is not in the layout.
pub fn read(folder: &Path) -> Result<Option<Calibration>, FileError> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let mut text = Vec::new();
    let opened = File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut text));
    opened.map_err(FileError::io(&path))?;
    if text.len() as u64 > LARGEST {
        return Err(FileError::content(
            &path,
            format!("has more than {LARGEST} bytes, which no operating points need"),
        ));
    }
    Calibration::read(&text).map(Some).map_err(|problem| FileError::content(&path, problem))
}

/// Writes the operating points of a model's folder. A reader sees the old file or the new one.
///
/// # Errors
/// What the system says.
pub fn write(folder: &Path, calibration: &Calibration) -> Result<(), FileError> {
    atomic_write::write(&folder.join(FILE), calibration.text().as_bytes())
}

/// What the user may choose about decoding.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The way in which words get labels; without it, each gets its most probable one.
    pub decoding: Option<Decoding>,
    /// The operating point; without it, the one called `default`, where there is a file.
    pub operating_point: Option<String>,
    /// What scores are divided by; without it, the operating point's.
    pub temperature: Option<f64>,
}

impl Asked {
    /// Returns these choices, or those of `default` where nothing is chosen.
    #[must_use]
    pub fn or(&self, default: &Asked) -> Asked {
        Asked {
            decoding: self.decoding.or(default.decoding),
            operating_point: self.operating_point.clone().or_else(|| default.operating_point.clone()),
            temperature: self.temperature.or(default.temperature),
        }
    }
}

/// What decodes for one model.
#[derive(Clone, Debug)]
pub struct Decoders {
    /// The rules of its labels, or why there are none.
    grammar: Result<Arc<Grammar>, tagsmith_text::decode::grammar::Error>,
    /// The operating points beside the model.
    calibration: Option<Arc<Calibration>>,
    /// What the model has learned of neighbors.
    chain: Option<Arc<Chain>>,
}

/// A decoder, with what belongs to it.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The decoder.
    pub decoder: Decoder,
    /// What scores are divided by before they become probabilities.
    pub temperature: f32,
    /// What was chosen where that is not the plain case, as a sentence.
    pub note: Option<String>,
}

impl Decoders {
    /// Returns what decodes for a model with these labels and operating points.
    pub fn new(labels: &[String], scheme: LabelScheme, calibration: Option<Calibration>) -> Decoders {
        let grammar = Grammar::new(labels, scheme).map(Arc::new);
        Decoders { grammar, calibration: calibration.map(Arc::new), chain: None }
    }

    /// Returns these with what a model has learned of neighbors.
    #[must_use]
    pub fn with_chain(&self, chain: Option<Chain>) -> Decoders {
        Decoders { chain: chain.map(Arc::new), ..self.clone() }
    }

    /// Returns the decoder that is asked for.
    ///
    /// # Errors
    /// Labels without legal paths; an operating point that is not in the file, or that nothing would use.
    pub fn choose(&self, asked: &Asked) -> Result<Chosen, Error> {
        let plain = asked.temperature.unwrap_or(1.0) as f32;
        if asked.decoding != Some(Decoding::Viterbi) {
            if let Some(name) = &asked.operating_point {
                return Err(Error::UnusedPoint { name: name.clone() });
            }
            let decoder = match (&self.chain, asked.decoding) {
                (Some(chain), None) => Decoder::Chain(chain.clone()),
                _ => Decoder::Argmax,
            };
            return Ok(Chosen { decoder, temperature: plain, note: None });
        }
        let grammar = self.grammar.as_ref().map_err(|error| Error::Grammar(error.clone()))?;
        let point = self.point(asked.operating_point.as_deref())?;
        let note = self.note(grammar, asked, point.map(|(name, _)| name));
        let point = point.map_or_else(OperatingPoint::default, |(_, point)| point);
        let temperature = asked.temperature.or(point.temperature).unwrap_or(1.0) as f32;
        let decoder = self.by(point.biases)?;
        Ok(Chosen { decoder, temperature, note: Some(note) })
    }

    fn note(&self, grammar: &Grammar, asked: &Asked, point: Option<&str>) -> String {
        let of = match point {
            Some(name) => format!("the operating point `{name}` of {FILE}"),
            None => "no biases".to_owned(),
        };
        let unused =
            self.calibration.as_ref().filter(|_| point.is_none()).map_or("", |_| "; its file has no `default`");
        let temperature = match asked.temperature {
            Some(temperature) => format!(", temperature {temperature}"),
            None => String::new(),
        };
        format!("sentences get their best legal path: tags are {}, with {of}{unused}{temperature}", grammar.name())
    }

    fn point<'a>(&self, asked: Option<&'a str>) -> Result<Option<(&'a str, OperatingPoint)>, Error> {
        let known = self.calibration.as_deref();
        let found = |name: &str| known.and_then(|calibration| calibration.point(name));
        match asked {
            None => Ok(found(DEFAULT).map(|point| (DEFAULT, point))),
            Some(name) => match found(name) {
                Some(point) => Ok(Some((name, point))),
                None => Err(Error::NoPoint {
                    name: name.to_owned(),
                    known: known.map(|known| known.names().map(str::to_owned).collect()).unwrap_or_default(),
                }),
            },
        }
    }

    /// Returns what decodes by these biases.
    ///
    /// # Errors
    /// Labels without legal paths.
    pub fn by(&self, biases: Biases) -> Result<Decoder, Error> {
        let grammar = self.grammar.as_ref().map_err(|error| Error::Grammar(error.clone()))?;
        Ok(match &self.chain {
            Some(chain) => Decoder::Chain(Arc::new(chain.restricted(grammar, &biases))),
            None => Decoder::Viterbi(Arc::new(Viterbi::new(grammar.clone(), biases))),
        })
    }

    /// Returns whether the model has learned of neighbors.
    pub fn has_chain(&self) -> bool {
        self.chain.is_some()
    }

    /// Returns the name of the rules, where labels have any.
    pub fn scheme(&self) -> Option<&'static str> {
        self.grammar.as_ref().ok().map(|grammar| grammar.name())
    }

    /// Returns the operating points beside the model.
    pub fn calibration(&self) -> Calibration {
        self.calibration.as_deref().cloned().unwrap_or_default()
    }

    /// Returns the names of the operating points beside the model.
    pub fn points(&self) -> Vec<String> {
        let names = |calibration: &Arc<Calibration>| calibration.names().map(str::to_owned).collect();
        self.calibration.as_ref().map(names).unwrap_or_default()
    }

    /// Returns whether the labels are tags whose paths can be legal or not.
    pub fn has_rules(&self) -> bool {
        self.grammar.is_ok()
    }
}
