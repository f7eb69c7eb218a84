//! The options of a tagger, by their keywords.

use crate::error::raised;
use crate::json::from_python;
use anyhow::anyhow;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use tagsmith_app::machine::device::DeviceChoice;
use tagsmith_app::predict::tagger::{Decoding, TaggerOptions};
use tagsmith_cli::keywords::hub;
use tagsmith_hub::Hub;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::decode::calibration::is_temperature;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// What the keywords of a tagger ask for.
pub struct Asked {
    /// How the model tags.
    pub tagger: TaggerOptions,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
    cache_dir: Option<String>,
    token: Option<String>,
}

impl Asked {
    /// Reads keywords. Python's `None` is an option that is not given.
    ///
    /// # Errors
    /// A keyword that does not exist; a value that does not fit.
    pub fn by(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Asked> {
        // Entities show their pieces: `pipeline` needs them.
        let tagger = TaggerOptions { in_pieces: true, ..TaggerOptions::default() };
        let mut asked = Asked { tagger, threads: None, cache_dir: None, token: None };
        for (name, value) in keywords.into_iter().flatten() {
            if !value.is_none() {
                asked.set(&name.extract::<String>()?, &value)?;
            }
        }
        Ok(asked)
    }

    /// Opens the hub.
    pub fn hub(&self) -> Hub {
        hub(self.cache_dir.as_deref(), self.token.as_deref())
    }

    fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let options = &mut self.tagger;
        match name {
            "revision" => options.revision = Some(value.extract()?),
            "precision" => {
                let named = |name: &str| ["f32", "bf16"].iter().position(|it| *it == name);
                options.bf16 = choice(name, value, named, "f32 and bf16")? == 1;
            }
            "threads" => self.threads = Some(at_least(1, name, value)?),
            "batch_tokens" => options.batch_tokens = Some(at_least(1, name, value)?),
            "max_seq_length" => options.max_seq_length = Some(at_least(0, name, value)?),
            "stride" => options.stride = Some(at_least(0, name, value)?),
            "aggregation_strategy" => {
                options.strategy = Some(choice(name, value, Strategy::named, &Strategy::NAMES.join(", "))?);
            }
            "label_scheme" => {
                options.label_scheme = Some(choice(name, value, LabelScheme::named, &LabelScheme::NAMES.join(", "))?);
            }
            "outside" => options.outside = value.extract()?,
            "labels" => options.labels = Some(from_python(value)?),
            "threshold" => options.threshold = Some(value.str()?.to_string()),
            "decoding" => options.decoding = Some(choice(name, value, Decoding::named, &Decoding::NAMES.join(", "))?),
            "operating_point" => options.operating_point = Some(value.extract()?),
            "temperature" => {
                options.temperature = Some(within(name, value, is_temperature, "a number above 0")?);
            }
            "abstain_below" => {
                let is_probability = |number| (0.0..=1.0).contains(&number);
                options.abstain_below = Some(within(name, value, is_probability, "a number from 0 to 1")? as f32);
            }
            "device" => options.device.device = choice(name, value, DeviceChoice::named, DeviceChoice::NAMES)?,
            "cuda_libraries" => options.device.cuda_libraries = Some(value.extract::<PathBuf>()?),
            "cache_dir" => self.cache_dir = Some(value.extract::<PathBuf>()?.display().to_string()),
            "token" => self.token = Some(value.extract()?),
            _ => return Err(PyTypeError::new_err(format!("a tagger has no option `{name}=`"))),
        }
        Ok(())
    }
}

/// Returns the choice of a name, or the error that lists the names.
fn choice<T>(option: &str, value: &Bound<'_, PyAny>, named: impl Fn(&str) -> Option<T>, names: &str) -> PyResult<T> {
    let name: String = value.extract()?;
    named(&name).ok_or_else(|| refused(anyhow!("`{option}=\"{name}\"`: there are {names}")))
}

fn within(option: &str, value: &Bound<'_, PyAny>, fits: impl Fn(f64) -> bool, what: &str) -> PyResult<f64> {
    let number: f64 = value.extract()?;
    if fits(number) { Ok(number) } else { Err(refused(anyhow!("`{option}={number}`: {what} is needed"))) }
}

fn at_least(least: usize, option: &str, value: &Bound<'_, PyAny>) -> PyResult<usize> {
    let number: i64 = value.extract()?;
    let fits = usize::try_from(number).ok().filter(|number| *number >= least);
    fits.ok_or_else(|| refused(anyhow!("`{option}={number}`: at least {least} is needed")))
}

fn refused(error: anyhow::Error) -> PyErr {
    raised("predict", &error)
}
