//! Learning rates that are functions of the step.

pub mod keywords;
pub mod plateau;

use crate::error::Error;
use crate::schedule::keywords::Keywords;
use serde_json::{Map, Value};
use std::f64::consts::PI;

/// The schedules that `lr_scheduler_type` names, apart from those that follow a metric ([`crate::schedule::plateau`]).
pub const NAMES: [&str; 10] = [
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "constant",
    "constant_with_warmup",
    "inverse_sqrt",
    "cosine_with_min_lr",
    "cosine_warmup_with_min_lr",
    "warmup_stable_decay",
];

/// A multiplier of the learning rate at each step of a run.
///
/// ```
/// use tagsmith_train::schedule::Schedule;
///
/// // 10 steps of warm-up, then down to 0 at step 100.
/// let schedule = Schedule::new("linear", &serde_json::Map::new(), 5e-5, 10, 100)?;
/// assert_eq!([0, 5, 10, 55, 100].map(|step| schedule.multiplier(step)), [0.0, 0.5, 1.0, 0.5, 0.0]);
/// # Ok::<(), tagsmith_train::error::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    rise: Rise,
    fall: Fall,
    /// W, steps of warm-up.
    warmup: f64,
    /// T, steps in all.
    total: f64,
}

/// What happens before step W.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rise {
    /// s / W
    Linear,
    /// (s + 1) / W: the first update already learns.
    LinearFromOne,
    /// From `start` at step 0 to 1 at step W − 1.
    LinearFrom { start: f64 },
    /// From `floor` to 1 along a curve.
    Curve { curve: Curve, floor: f64 },
}

/// What happens from step W on; x is the part of the way from W to T.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fall {
    Constant,
    Linear,
    /// ½(1 + cos 2πcx), raised to end at `floor`; `ahead` steps early.
    Cosine {
        cycles: f64,
        floor: f64,
        ahead: f64,
    },
    /// ½(1 + cos πcx) with a jump back to 1 after each of `cycles` half waves.
    Restarts {
        cycles: f64,
    },
    /// (1 − x)^power down to `end`, both as parts of the rate.
    Polynomial {
        power: f64,
        end: f64,
        learning_rate: f64,
    },
    InverseSqrt {
        timescale: f64,
    },
    /// 1 for `stable` steps, then down to `floor` over `decay` steps.
    StableThenDecay {
        stable: f64,
        decay: f64,
        curve: Curve,
        cycles: f64,
        floor: f64,
    },
}

/// The shapes of warm-up and decay in `warmup_stable_decay`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Curve {
    Linear,
    Cosine,
    OneMinusSqrt,
}

impl Schedule {
    /// The schedule called `name` over `warmup` + the rest of `total` steps. `keywords` are `lr_scheduler_kwargs`:
    /// one that the schedule does not take is refused. `learning_rate` is what the multipliers will multiply.
    pub fn new(
        name: &str,
        keywords: &Map<String, Value>,
        learning_rate: f64,
        warmup: u64,
        total: u64,
    ) -> Result<Schedule, Error> {
        let mut keywords = Keywords::new(name, keywords);
        let (warmup, total) = (warmup as f64, total as f64);
        let rise = match name {
            "cosine_warmup_with_min_lr" => match keywords.number("warmup_lr_rate")? {
                Some(start) => Rise::LinearFrom { start },
                None => Rise::LinearFromOne,
            },
            "warmup_stable_decay" => Rise::Curve {
                curve: curve(&mut keywords, "warmup_type", Curve::Linear)?,
                floor: keywords.number("min_lr_ratio")?.unwrap_or(0.0),
            },
            _ => Rise::Linear,
        };
        let fall = fall(name, &mut keywords, learning_rate, warmup, total)?;
        keywords.finish()?;
        // `constant` alone has no warm-up, whatever W says.
        let warmup = if name == "constant" { 0.0 } else { warmup };
        Ok(Schedule { rise, fall, warmup, total })
    }

    /// The multiplier for the update after `step` updates.
    pub fn multiplier(&self, step: u64) -> f64 {
        let s = step as f64;
        if s < self.warmup { self.rising(s) } else { self.falling(s) }
    }

    fn rising(&self, s: f64) -> f64 {
        match self.rise {
            Rise::Linear => s / self.warmup.max(1.0),
            Rise::LinearFromOne => (s + 1.0) / self.warmup.max(1.0),
            Rise::LinearFrom { start } => start + (1.0 - start) * s / (self.warmup - 1.0).max(1.0),
            Rise::Curve { curve, floor } => raised(curve.rising(s / self.warmup.max(1.0)), floor),
        }
    }

    fn falling(&self, s: f64) -> f64 {
        let way = (self.total - self.warmup).max(1.0);
        let x = (s - self.warmup) / way;
        match self.fall {
            Fall::Constant => 1.0,
            Fall::Linear => ((self.total - s) / way).max(0.0),
            Fall::Cosine { cycles, floor, ahead } => raised(half_wave(cycles, (s - self.warmup + ahead) / way), floor),
            Fall::Restarts { .. } if x >= 1.0 => 0.0,
            Fall::Restarts { cycles } => (0.5 * (1.0 + (PI * ((cycles * x) % 1.0)).cos())).max(0.0),
            Fall::Polynomial { end, learning_rate, .. } if s >= self.total => end / learning_rate,
            Fall::Polynomial { power, end, learning_rate } => {
                ((learning_rate - end) * (1.0 - x).powf(power) + end) / learning_rate
            }
            Fall::InverseSqrt { timescale } => 1.0 / ((s + timescale - self.warmup) / timescale).sqrt(),
            Fall::StableThenDecay { stable, decay, curve, cycles, floor } => {
                let decayed = s - self.warmup - stable;
                if decayed < 0.0 {
                    1.0
                } else if decayed < decay {
                    raised(curve.falling(decayed / decay.max(1.0), cycles), floor)
                } else {
                    floor
                }
            }
        }
    }
}

fn fall(name: &str, keywords: &mut Keywords, learning_rate: f64, warmup: f64, total: f64) -> Result<Fall, Error> {
    Ok(match name {
        "constant" | "constant_with_warmup" => Fall::Constant,
        "linear" => Fall::Linear,
        "cosine" => Fall::Cosine { cycles: keywords.number("num_cycles")?.unwrap_or(0.5), floor: 0.0, ahead: 0.0 },
        "cosine_with_min_lr" | "cosine_warmup_with_min_lr" => Fall::Cosine {
            cycles: keywords.number("num_cycles")?.unwrap_or(0.5),
            floor: floor(name, keywords, learning_rate)?,
            ahead: if name == "cosine_with_min_lr" { 0.0 } else { 1.0 },
        },
        "cosine_with_restarts" => Fall::Restarts { cycles: keywords.number("num_cycles")?.unwrap_or(1.0) },
        "polynomial" => {
            let end = keywords.number("lr_end")?.unwrap_or(1e-7);
            if learning_rate <= end {
                return Err(Error::setting(format!(
                    "`polynomial` falls from the learning rate {learning_rate:e} to `lr_end` {end:e}: that is not below it"
                )));
            }
            Fall::Polynomial { power: keywords.number("power")?.unwrap_or(1.0), end, learning_rate }
        }
        "inverse_sqrt" => {
            let default = if warmup > 0.0 { warmup } else { 10_000.0 };
            Fall::InverseSqrt { timescale: keywords.positive("timescale")?.unwrap_or(default) }
        }
        "warmup_stable_decay" => {
            let decay = keywords.number("num_decay_steps")?.ok_or_else(|| {
                Error::setting("`warmup_stable_decay` needs `num_decay_steps` in `lr_scheduler_kwargs`")
            })?;
            Fall::StableThenDecay {
                stable: keywords.number("num_stable_steps")?.unwrap_or(total - warmup - decay),
                decay,
                curve: curve(keywords, "decay_type", Curve::Cosine)?,
                cycles: keywords.number("num_cycles")?.unwrap_or(0.5),
                floor: keywords.number("min_lr_ratio")?.unwrap_or(0.0),
            }
        }
        "greedy" => {
            return Err(Error::setting(
                "`greedy` is not offered: its floor of 1e-3 lies above every rate that fine-tunes an encoder; \
                 use `reduce_lr_on_plateau` to follow a metric",
            ));
        }
        _ => {
            return Err(Error::setting(format!(
                "no learning-rate schedule is called `{name}`; there are {}, {}",
                NAMES.join(", "),
                crate::schedule::plateau::NAME
            )));
        }
    })
}

/// The floor of a cosine as a part of the rate: `min_lr_rate`, or `min_lr` over the rate.
fn floor(name: &str, keywords: &mut Keywords, learning_rate: f64) -> Result<f64, Error> {
    match (keywords.number("min_lr")?, keywords.number("min_lr_rate")?) {
        (Some(rate), None) => Ok(rate / learning_rate),
        (None, Some(part)) => Ok(part),
        _ => Err(Error::setting(format!(
            "`{name}` needs either `min_lr` or `min_lr_rate` in `lr_scheduler_kwargs`, and not both"
        ))),
    }
}

fn curve(keywords: &mut Keywords, key: &str, default: Curve) -> Result<Curve, Error> {
    let curves = [("linear", Curve::Linear), ("cosine", Curve::Cosine), ("1-sqrt", Curve::OneMinusSqrt)];
    keywords.choice(key, &curves).map(|found| found.unwrap_or(default))
}

impl Curve {
    fn rising(self, x: f64) -> f64 {
        match self {
            Curve::Linear => x,
            Curve::Cosine => 0.5 * (1.0 - (PI * x).cos()),
            Curve::OneMinusSqrt => 1.0 - (1.0 - x).sqrt(),
        }
    }

    fn falling(self, x: f64, cycles: f64) -> f64 {
        match self {
            Curve::Linear => 1.0 - x,
            Curve::Cosine => half_wave(cycles, x),
            Curve::OneMinusSqrt => 1.0 - x.sqrt(),
        }
    }
}

fn half_wave(cycles: f64, x: f64) -> f64 {
    0.5 * (1.0 + (PI * cycles * 2.0 * x).cos())
}

fn raised(factor: f64, floor: f64) -> f64 {
    (factor * (1.0 - floor) + floor).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_testkit::golden::trainer as golden;

    fn object(value: &Value) -> &Map<String, Value> {
        value.as_object().unwrap()
    }

    /// The rates of a golden row, computed by a schedule made by `make(name, keywords, rate, W, T)`.
    fn largest_error(row: &Value, twist: impl Fn(u64, u64) -> (u64, u64), lag: u64) -> f64 {
        let rate = row["learning_rate"].as_f64().unwrap();
        let (warmup, total) = twist(row["warmup"].as_u64().unwrap(), row["total"].as_u64().unwrap());
        let schedule =
            Schedule::new(row["name"].as_str().unwrap(), object(&row["kwargs"]), rate, warmup, total).unwrap();
        let rates = row["rates"].as_array().unwrap();
        let error = |(step, want): (usize, &Value)| {
            (rate * schedule.multiplier(step as u64 + lag) - want.as_f64().unwrap()).abs()
        };
        rates.iter().enumerate().map(error).fold(0.0, f64::max)
    }

    #[test]
    fn rates_are_those_of_get_scheduler() {
        let mut names = std::collections::BTreeSet::new();
        for row in golden::rows("schedules") {
            let error = largest_error(&row, |warmup, total| (warmup, total), 0);
            assert!(error <= 1e-15, "{row}: {error:e}");
            names.insert(row["name"].as_str().unwrap().to_owned());
        }
        assert_eq!(names.len(), NAMES.len());
    }

    #[test]
    fn schedules_off_by_one_are_rejected() {
        for row in golden::rows("schedules") {
            if row["name"] == "constant" || row["total"].as_u64() == Some(1) {
                continue;
            }
            let lagging = largest_error(&row, |warmup, total| (warmup, total), 1);
            let longer = largest_error(&row, |warmup, total| (warmup + 1, total), 0);
            let moves = row["rates"].as_array().unwrap().windows(2).any(|pair| pair[0] != pair[1]);
            assert!(lagging > 1e-6 || !moves, "one step late passes: {row}");
            assert!(longer > 1e-6, "a longer warm-up passes: {row}");
        }
    }

    #[test]
    fn the_specification_example() {
        // lr 5e-5, W = 2, T = 10, worked by hand.
        let schedule = Schedule::new("linear", &Map::new(), 5e-5, 2, 10).unwrap();
        let want = [0.0, 2.5e-5, 5e-5, 4.375e-5, 3.75e-5, 3.125e-5, 2.5e-5, 1.875e-5, 1.25e-5, 6.25e-6, 0.0];
        for (step, want) in want.iter().enumerate() {
            assert!((5e-5 * schedule.multiplier(step as u64) - want).abs() <= 1e-20);
        }
    }

    #[test]
    fn refusals_name_the_keyword() {
        let refusal = |name: &str, keywords: &str| {
            let keywords: Value = serde_json::from_str(keywords).unwrap();
            Schedule::new(name, object(&keywords), 0.1, 2, 10).unwrap_err().to_string()
        };
        let check = |name, keywords, want: &str| assert_eq!(refusal(name, keywords), want);
        check(
            "linear",
            r#"{"num_cycles": 1}"#,
            "`linear` takes no `num_cycles` in `lr_scheduler_kwargs`: it takes none",
        );
        check(
            "cosine",
            r#"{"cycles": 1}"#,
            "`cosine` takes no `cycles` in `lr_scheduler_kwargs`: it takes `num_cycles`",
        );
        check(
            "cosine",
            r#"{"num_cycles": "two"}"#,
            "`lr_scheduler_kwargs`: `num_cycles` is `\"two\"`, but should be a number",
        );
        check(
            "warmup_stable_decay",
            r#"{"num_decay_steps": 1, "decay_type": "steep"}"#,
            "`lr_scheduler_kwargs`: `decay_type` is `\"steep\"`, but should be one of linear, cosine, 1-sqrt",
        );
        check("inverse_sqrt", r#"{"timescale": 0}"#, "`lr_scheduler_kwargs`: `timescale` is 0, but should be above 0");
        assert!(refusal("cosine_with_min_lr", "{}").contains("`min_lr_rate`"));
        assert!(refusal("warmup_stable_decay", "{}").contains("`num_decay_steps`"));
        assert!(refusal("polynomial", r#"{"lr_end": 0.1}"#).contains("`lr_end`"));
        assert!(refusal("greedy", "{}").contains("reduce_lr_on_plateau"));
        assert!(refusal("lineer", "{}").contains("linear"));
    }
}
