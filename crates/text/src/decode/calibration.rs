//! `viterbi_calibration.json`: named operating points beside a model, in the layout of OpenAI's privacy-filter.
//!
//! An operating point may have a `temperature` beside its `biases`. Other readers take the biases by their key and leave
//! the temperature alone.

use crate::labels::scheme::Step;
use serde_json::{Map, Value, json};
use tagsmith_files::strict_json::Distinct;
use tagsmith_message::quote;

/// The file's name.
pub const FILE: &str = "viterbi_calibration.json";

/// The operating point that is used where none is named.
pub const DEFAULT: &str = "default";

/// Bytes of a file at most. One operating point takes some 400.
pub const LARGEST: u64 = 1 << 20;

/// What each kind of step adds to a path's score, beside the log-probabilities of its labels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Biases {
    values: [f64; 6],
}

impl Biases {
    /// Keys of the file, each with the step that it is of.
    pub const KEYS: [(&str, Step); 6] = [
        ("transition_bias_background_stay", Step::BackgroundStay),
        ("transition_bias_background_to_start", Step::BackgroundToStart),
        ("transition_bias_end_to_background", Step::EndToBackground),
        ("transition_bias_end_to_start", Step::EndToStart),
        ("transition_bias_inside_to_continue", Step::InsideToContinue),
        ("transition_bias_inside_to_end", Step::InsideToEnd),
    ];

    /// Returns the bias of a step.
    pub fn of(&self, step: Step) -> f64 {
        self.values[place(step)]
    }

    /// Returns the biases with another one for a step.
    #[must_use]
    pub fn with(mut self, step: Step, bias: f64) -> Biases {
        self.values[place(step)] = bias;
        self
    }
}

fn place(step: Step) -> usize {
    Biases::KEYS.iter().position(|(_, of)| *of == step).expect("each step has a key")
}

/// Biases, and the temperature that they were searched at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OperatingPoint {
    /// The biases.
    pub biases: Biases,
    /// What scores are divided by before they become probabilities; 1 where there is none.
    pub temperature: Option<f64>,
}

/// The operating points of a file, in its order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    points: Vec<(String, OperatingPoint)>,
}

impl Calibration {
    /// Reads what the file holds.
    ///
    /// # Errors
    /// What is wrong, as a clause that follows the file's name.
    pub fn read(text: &[u8]) -> Result<Calibration, String> {
        let Distinct(value) =
            serde_json::from_slice(text).map_err(|error| format!("is not JSON that can be read ({error})"))?;
        let points = match only(&value, "the file", &["operating_points"])?.remove(0) {
            Value::Object(points) if !points.is_empty() => points,
            _ => return Err("has no object of operating points under `operating_points`".into()),
        };
        let points = points.iter().map(|(name, point)| Ok((name.clone(), self::point(name, point)?)));
        Ok(Calibration { points: points.collect::<Result<_, String>>()? })
    }

    /// Returns the operating point of that name.
    pub fn point(&self, name: &str) -> Option<OperatingPoint> {
        self.points.iter().find(|(known, _)| known == name).map(|(_, point)| *point)
    }

    /// Returns the names of all operating points.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.points.iter().map(|(name, _)| name.as_str())
    }

    /// Gives a name to an operating point. One that had it is replaced, and all others stay.
    pub fn set(&mut self, name: &str, point: OperatingPoint) {
        match self.points.iter_mut().find(|(known, _)| known == name) {
            Some((_, there)) => *there = point,
            None => self.points.push((name.to_owned(), point)),
        }
    }

    /// Returns the file's text.
    pub fn text(&self) -> String {
        let point = |(name, point): &(String, OperatingPoint)| {
            let biases = Biases::KEYS.iter().map(|&(key, step)| (key.to_owned(), json!(point.biases.of(step))));
            let mut written = Map::from_iter([("biases".to_owned(), Value::Object(biases.collect()))]);
            written.extend(point.temperature.map(|temperature| ("temperature".to_owned(), json!(temperature))));
            (name.clone(), Value::Object(written))
        };
        let points: Map<String, Value> = self.points.iter().map(point).collect();
        let file = json!({ "operating_points": points });
        format!("{file:#}\n")
    }
}

fn point(name: &str, value: &Value) -> Result<OperatingPoint, String> {
    let place = format!("the operating point {}", quote(name));
    let mut found = only(value, &place, &["biases", "temperature"])?;
    let (temperature, biases) = (found.remove(1), found.remove(0));
    let keys = Biases::KEYS.map(|(key, _)| key);
    let numbers = only(&biases, &format!("`biases` of {place}"), &keys)?;
    let mut point = OperatingPoint::default();
    for ((key, step), number) in Biases::KEYS.into_iter().zip(numbers) {
        let number = number.as_f64().filter(|number| number.is_finite());
        point.biases =
            point.biases.with(step, number.ok_or_else(|| format!("has no number under `{key}` of {place}"))?);
    }
    if !temperature.is_null() {
        let number = temperature.as_f64().filter(|&number| is_temperature(number));
        point.temperature =
            Some(number.ok_or_else(|| format!("has no number above 0 under `temperature` of {place}"))?);
    }
    Ok(point)
}

/// Returns whether scores can be divided by a number.
pub fn is_temperature(number: f64) -> bool {
    number.is_finite() && number > 0.0
}

/// Returns the values of these keys, null where one is missing. Any other key is an error.
fn only(value: &Value, place: &str, keys: &[&str]) -> Result<Vec<Value>, String> {
    let Value::Object(object) = value else { return Err(format!("has no object where {place} should be")) };
    if let Some(other) = object.keys().find(|key| !keys.contains(&key.as_str())) {
        return Err(format!("has a key {} in {place} that is not known there", quote(other)));
    }
    Ok(keys.iter().map(|key| object.get(*key).cloned().unwrap_or_default()).collect())
}
