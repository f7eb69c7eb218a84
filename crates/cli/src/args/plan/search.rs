//! A search for options: trials that are drawn from ranges, with budgets that grow while trials fall out.

use super::super::parse::{UsageError, object, refused};
use serde_json::{Map, Value as Json, json};
use tagsmith_kernel::random::stream::Stream;

/// Digits that a number between two others is drawn with, so that people can type it.
const DIGITS: usize = 3;

/// The most trials, and the most rungs.
const MOST: u64 = 10_000;

/// The options that say how long a run is, and Hugging Face's value of the second where none is given.
const STEPS: &str = "max_steps";
const EPOCHS: &str = "num_train_epochs";
const EPOCHS_UNSAID: f64 = 3.0;

/// A search.
///
/// Trial i draws each option on its own, by `seed`: more trials leave the first ones what they are. With R `rungs`, a run of
/// rung r (from 0) has the length that the options say, divided by eta^(R−1−r). Of n trials in a rung ⌈n/eta⌉ go on to the
/// next. This is successive halving (Jamieson and Talwalkar 2016). Its rungs begin anew, as the schedule of a learning rate
/// ends with its run.
#[derive(Debug)]
pub struct Search {
    trials: u64,
    seed: u64,
    rungs: u64,
    /// One of how many trials goes on.
    pub eta: u64,
    ranges: Vec<(String, Range)>,
}

/// What an option is drawn from.
#[derive(Debug)]
enum Range {
    Choice(Vec<Json>),
    Between { from: f64, to: f64, is_log: bool, is_whole: bool },
}

impl Search {
    /// Reads the `search` of a plan.
    ///
    /// # Errors
    /// A part that is unknown or not of its kind.
    pub fn read(file: &str, value: &Json) -> Result<Search, UsageError> {
        let fields = object(file, "search", value)?;
        let known = ["trials", "seed", "rungs", "eta", "ranges"];
        if let Some(strange) = fields.keys().find(|key| !known.contains(&key.as_str())) {
            let remedy = format!("a search has {}", known.join(", "));
            return Err(refused(format!("{file}: `{strange}` is not a part of a search"), remedy));
        }
        let whole = |name: &str, unsaid: Option<u64>, least: u64, most: u64| match fields.get(name) {
            None => unsaid
                .ok_or_else(|| refused(format!("{file}: the search has no `{name}`"), format!("add \"{name}\": N"))),
            Some(value) => value.as_u64().filter(|it| (least..=most).contains(it)).ok_or_else(|| {
                refused(
                    format!("{file}: `{name}` of the search is {value}"),
                    format!("give a whole number from {least} to {most}"),
                )
            }),
        };
        let ranges = object(file, "ranges", fields.get("ranges").unwrap_or(&Json::Null))?;
        let ranges = ranges.iter().map(|(name, range)| Ok((name.clone(), Range::read(file, name, range)?)));
        let ranges = ranges.collect::<Result<Vec<_>, UsageError>>()?;
        if let Some((name, _)) = ranges.iter().find(|(name, _)| [STEPS, EPOCHS].contains(&name.as_str())) {
            let remedy = "put it among the `options`: trials of equal length are compared";
            return Err(refused(format!("{file}: `{name}` is not searched for"), remedy));
        }
        Ok(Search {
            trials: whole("trials", None, 1, MOST)?,
            seed: whole("seed", Some(42), 0, u64::MAX)?,
            rungs: whole("rungs", Some(1), 1, 20)?,
            eta: whole("eta", Some(3), 2, 100)?,
            ranges,
        })
    }

    /// Returns the trials' options, rung by rung. `shared` are the options of all.
    ///
    /// # Errors
    /// A length that cannot be divided.
    pub fn rungs(&self, file: &str, shared: &Map<String, Json>) -> Result<Vec<Vec<Trial>>, UsageError> {
        let last = self.rungs - 1;
        let rung = |rung: u64| {
            let part = (self.eta as f64).powi((last - rung) as i32);
            let length = length(file, shared, part)?;
            Ok((0..self.trials).map(|trial| self.trial(trial, rung, &length)).collect())
        };
        (0..self.rungs).map(rung).collect()
    }

    fn trial(&self, trial: u64, rung: u64, length: &Map<String, Json>) -> Trial {
        let stream = Stream::new(self.seed).child(trial);
        let drawn = |(column, (name, range)): (usize, &(String, Range))| {
            (name.clone(), range.at(f64::from(stream.uniform(0, column))))
        };
        let drawn: Vec<(String, Json)> = self.ranges.iter().enumerate().map(drawn).collect();
        let values: Vec<String> = drawn.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let number = trial + 1;
        let (mut name, mut folder) = (format!("trial {number}: {}", values.join(", ")), format!("trial-{number}"));
        if self.rungs > 1 {
            name = format!("rung {}, {name}", rung + 1);
            folder = format!("rung-{}-{folder}", rung + 1);
        }
        let mut options: Map<String, Json> = drawn.into_iter().collect();
        options.extend(length.clone());
        Trial { name, folder, options }
    }
}

/// A trial of a rung.
#[derive(Debug)]
pub struct Trial {
    /// What to call its run.
    pub name: String,
    /// The folder of its run.
    pub folder: String,
    /// The options that are drawn, and its length.
    pub options: Map<String, Json>,
}

/// Returns the option that makes a run one part of `part` as long.
fn length(file: &str, shared: &Map<String, Json>, part: f64) -> Result<Map<String, Json>, UsageError> {
    let mut length = Map::new();
    if part == 1.0 {
        return Ok(length);
    }
    let number = |name: &str| match shared.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or_else(|| {
            refused(format!("{file}: `{name}` is {value}"), "give a number: the rungs of a search divide it")
        }),
    };
    match number(STEPS)?.filter(|steps| *steps > 0.0) {
        Some(steps) => length.insert(STEPS.into(), json!((steps / part).ceil() as u64)),
        None => length.insert(EPOCHS.into(), json!(number(EPOCHS)?.unwrap_or(EPOCHS_UNSAID) / part)),
    };
    Ok(length)
}

impl Range {
    fn read(file: &str, name: &str, value: &Json) -> Result<Range, UsageError> {
        let wrong = |why: &str| {
            let remedy = r#"give a list of values, or {"from": 1e-5, "to": 1e-3, "scale": "log"}"#;
            refused(format!("{file}: the range of `{name}` {why}"), remedy)
        };
        let fields = match value {
            Json::Array(values) if !values.is_empty() => return Ok(Range::Choice(values.clone())),
            Json::Object(fields) => fields,
            _ => return Err(wrong("is neither values nor two ends")),
        };
        if let Some(strange) = fields.keys().find(|key| !["from", "to", "scale"].contains(&key.as_str())) {
            return Err(wrong(&format!("has a `{strange}`")));
        }
        let (Some(low), Some(high)) = (fields.get("from"), fields.get("to")) else {
            return Err(wrong("has no two ends"));
        };
        let (Some(from), Some(to)) = (low.as_f64(), high.as_f64()) else {
            return Err(wrong("has an end that is not a number"));
        };
        let is_log = match fields.get("scale").map(Json::as_str) {
            None | Some(Some("linear")) => false,
            Some(Some("log")) => true,
            Some(_) => return Err(wrong("has a scale that is neither linear nor log")),
        };
        if from >= to {
            return Err(wrong("ends before it begins"));
        }
        if is_log && from <= 0.0 {
            return Err(wrong("has a scale of log, and begins at or below 0"));
        }
        let is_whole = [low, high].iter().all(|end| end.is_u64() || end.is_i64());
        Ok(Range::Between { from, to, is_log, is_whole })
    }

    /// Returns the value at a part of the range, from 0 until 1.
    fn at(&self, part: f64) -> Json {
        match self {
            Range::Choice(values) => values[((part * values.len() as f64) as usize).min(values.len() - 1)].clone(),
            // Each whole number, both ends too, has the same part of a linear range.
            &Range::Between { from, to, is_log: false, is_whole: true } => {
                json!((from + (part * (to - from + 1.0)).floor()).min(to) as i64)
            }
            &Range::Between { from, to, is_log, is_whole } => {
                let value = if is_log { from * (to / from).powf(part) } else { from + part * (to - from) };
                match is_whole {
                    true => json!(value.round() as i64),
                    false => json!(short(value).clamp(from, to)),
                }
            }
        }
    }
}

/// Returns a number with few digits.
fn short(value: f64) -> f64 {
    format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(value: Json) -> Result<Search, String> {
        Search::read("plan.json", &value).map_err(|error| error.to_string())
    }

    fn object_of(value: Json) -> Map<String, Json> {
        value.as_object().cloned().unwrap()
    }

    fn numbers(rung: &[Trial], name: &str) -> Vec<f64> {
        rung.iter().map(|trial| trial.options[name].as_f64().unwrap()).collect()
    }

    /// A thousand draws: within the ends, as often in one third of the range as in another, and no function of the others.
    #[test]
    fn draws_are_spread_over_their_ranges() {
        let ranges = json!({"a": {"from": 1e-5, "to": 1e-2, "scale": "log"}, "b": {"from": 0.0, "to": 0.3},
            "c": {"from": 1, "to": 3}, "d": [8, 16, 32]});
        let rungs = search(json!({"trials": 3000, "ranges": ranges})).unwrap().rungs("f", &Map::new()).unwrap();
        let [rung] = &rungs[..] else { panic!("{}", rungs.len()) };
        let thirds = |name: &str, third: &dyn Fn(f64) -> usize| {
            let mut counts = [0; 3];
            numbers(rung, name).iter().for_each(|&value| counts[third(value)] += 1);
            // Of a binomial of 3,000 and 1/3 the deviation is 26.
            assert!(counts.iter().all(|count| (900..1100).contains(count)), "{name}: {counts:?}");
        };
        thirds("a", &|value| ((value.log10() + 5.0) as usize).min(2));
        thirds("b", &|value| ((value * 10.0) as usize).min(2));
        thirds("c", &|value| value as usize - 1);
        thirds("d", &|value| value.log2() as usize - 3);
        let (a, b) = (numbers(rung, "a"), numbers(rung, "b"));
        assert!(
            a.iter().all(|value| (1e-5..=1e-2).contains(value)) && b.iter().all(|value| (0.0..=0.3).contains(value))
        );
        let both = a.iter().zip(&b).filter(|&(&a, &b)| a < 10f64.powf(-3.5) && b < 0.15).count();
        assert!((650..850).contains(&both), "{both}");
    }

    #[test]
    fn more_trials_leave_the_first_ones_what_they_are() {
        let rung = |trials: u64, seed: u64| {
            let ranges = json!({"learning_rate": {"from": 1e-5, "to": 1e-3, "scale": "log"}});
            search(json!({"trials": trials, "seed": seed, "ranges": ranges}))
                .unwrap()
                .rungs("f", &Map::new())
                .unwrap()
                .remove(0)
        };
        let (few, many, other) = (rung(3, 1), rung(9, 1), rung(3, 2));
        let rates = |rung: &[Trial]| numbers(rung, "learning_rate");
        assert_eq!(rates(&few), rates(&many)[..3]);
        assert_ne!(rates(&few), rates(&other));
        assert!(few[0].name.starts_with("trial 1: learning_rate ") && few[0].folder == "trial-1", "{:?}", few[0]);
    }

    #[test]
    fn rungs_grow_to_the_length_that_is_asked_for() {
        let of = |shared: Json, name: &str| -> Vec<Option<f64>> {
            let search = search(json!({"trials": 1, "rungs": 3, "eta": 4, "ranges": {"seed": [1]}})).unwrap();
            let rungs = search.rungs("f", &object_of(shared)).unwrap();
            rungs.iter().map(|rung| rung[0].options.get(name).and_then(Json::as_f64)).collect()
        };
        // The last rung has the length of the options themselves.
        assert_eq!(of(json!({"max_steps": 100}), "max_steps"), [Some(7.0), Some(25.0), None]);
        assert_eq!(of(json!({"num_train_epochs": 8}), "num_train_epochs"), [Some(0.5), Some(2.0), None]);
        assert_eq!(of(json!({"max_steps": -1}), "num_train_epochs"), [Some(3.0 / 16.0), Some(0.75), None]);
    }

    #[test]
    fn a_search_that_is_none_is_refused() {
        let range = |range: Json| search(json!({"trials": 1, "ranges": {"a": range}})).unwrap_err();
        assert_eq!(range(json!({"from": 2, "to": 1})), "plan.json: the range of `a` ends before it begins");
        assert_eq!(range(json!([])), "plan.json: the range of `a` is neither values nor two ends");
        assert_eq!(
            range(json!({"from": 0, "to": 1, "scale": "log"})),
            "plan.json: the range of `a` has a scale of log, and begins at or below 0"
        );
        assert_eq!(range(json!({"from": 0, "to": 1, "step": 1})), "plan.json: the range of `a` has a `step`");
        assert_eq!(range(json!({"from": 0})), "plan.json: the range of `a` has no two ends");
        assert_eq!(search(json!({"ranges": {}})).unwrap_err(), "plan.json: the search has no `trials`");
        assert_eq!(search(json!({"trials": 0, "ranges": {}})).unwrap_err(), "plan.json: `trials` of the search is 0");
        assert_eq!(search(json!({"trial": 1})).unwrap_err(), "plan.json: `trial` is not a part of a search");
        let steps = search(json!({"trials": 1, "ranges": {"max_steps": [1]}})).unwrap_err();
        assert_eq!(steps, "plan.json: `max_steps` is not searched for");
    }
}
