//! A learning rate that falls when evaluation stops improving.

use crate::error::Error;
use crate::schedule::keywords::Keywords;
use serde_json::{Map, Value, json};

/// The name of this schedule, as `lr_scheduler_type` has it.
pub const NAME: &str = "reduce_lr_on_plateau";

/// Multiplies the rate by `factor` after more than `patience` evaluations without improvement.
///
/// # Source
/// PyTorch `ReduceLROnPlateau`, including its default `mode` of `min` whatever the metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    rising_is_better: bool,
    factor: f64,
    patience: u64,
    threshold: f64,
    relative: bool,
    cooldown: u64,
    floor: f64,
    /// The smallest fall worth making.
    epsilon: f64,
    state: State,
}

/// What changes from evaluation to evaluation.
#[derive(Clone, Debug, PartialEq)]
struct State {
    learning_rate: f64,
    best: Option<f64>,
    bad_evaluations: u64,
    cooling: u64,
}

impl Plateau {
    /// Starts at `learning_rate`, with PyTorch's defaults where `keywords` say nothing.
    pub fn new(keywords: &Map<String, Value>, learning_rate: f64) -> Result<Plateau, Error> {
        let mut keywords = Keywords::new(NAME, keywords);
        let plateau = Plateau {
            rising_is_better: keywords.choice("mode", &[("min", false), ("max", true)])?.unwrap_or(false),
            factor: keywords.number("factor")?.unwrap_or(0.1),
            patience: keywords.count("patience")?.unwrap_or(10),
            threshold: keywords.number("threshold")?.unwrap_or(1e-4),
            relative: keywords.choice("threshold_mode", &[("rel", true), ("abs", false)])?.unwrap_or(true),
            cooldown: keywords.count("cooldown")?.unwrap_or(0),
            floor: keywords.number("min_lr")?.unwrap_or(0.0),
            epsilon: keywords.number("eps")?.unwrap_or(1e-8),
            state: State { learning_rate, best: None, bad_evaluations: 0, cooling: 0 },
        };
        keywords.finish()?;
        if plateau.factor >= 1.0 {
            return Err(Error::setting(format!(
                "`lr_scheduler_kwargs`: `factor` is {}, but should be below 1",
                plateau.factor
            )));
        }
        Ok(plateau)
    }

    /// The rate of the next update.
    pub fn learning_rate(&self) -> f64 {
        self.state.learning_rate
    }

    /// Whether it takes a higher metric for a better one.
    pub fn rising_is_better(&self) -> bool {
        self.rising_is_better
    }

    /// Takes in one evaluation.
    pub fn observe(&mut self, metric: f64) {
        if self.improves(metric) {
            self.state.best = Some(metric);
            self.state.bad_evaluations = 0;
        } else {
            self.state.bad_evaluations += 1;
        }
        if self.state.cooling > 0 {
            self.state.cooling -= 1;
            self.state.bad_evaluations = 0;
        }
        if self.state.bad_evaluations > self.patience {
            let lower = (self.state.learning_rate * self.factor).max(self.floor);
            if self.state.learning_rate - lower > self.epsilon {
                self.state.learning_rate = lower;
            }
            self.state.cooling = self.cooldown;
            self.state.bad_evaluations = 0;
        }
    }

    fn improves(&self, metric: f64) -> bool {
        let Some(best) = self.state.best else { return !metric.is_nan() };
        let margin = if self.relative { best * self.threshold } else { self.threshold };
        if self.rising_is_better { metric > best + margin } else { metric < best - margin }
    }

    /// Returns the state, for a checkpoint.
    pub fn to_json(&self) -> Value {
        json!({
            "learning_rate": self.state.learning_rate,
            "best": self.state.best,
            "bad_evaluations": self.state.bad_evaluations,
            "cooling": self.state.cooling,
        })
    }

    /// Takes back the state that [`Self::to_json`] wrote.
    pub fn restore(&mut self, state: &Value) -> Option<()> {
        self.state = State {
            learning_rate: state["learning_rate"].as_f64()?,
            best: state["best"].as_f64(),
            bad_evaluations: state["bad_evaluations"].as_u64()?,
            cooling: state["cooling"].as_u64()?,
        };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_testkit::golden::trainer as golden;

    fn floats(value: &Value) -> Vec<f64> {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn rates(mut plateau: Plateau, metrics: &[f64]) -> Vec<f64> {
        let observe = |&metric: &f64| {
            plateau.observe(metric);
            plateau.learning_rate()
        };
        metrics.iter().map(observe).collect()
    }

    #[test]
    fn rates_are_those_of_torch() {
        for row in golden::rows("plateaus") {
            let plateau =
                Plateau::new(row["kwargs"].as_object().unwrap(), row["learning_rate"].as_f64().unwrap()).unwrap();
            let (metrics, want) = (floats(&row["metrics"]), floats(&row["rates"]));
            assert_eq!(rates(plateau.clone(), &metrics), want, "{}", row["kwargs"]);
            let impatient = Plateau { patience: plateau.patience.saturating_sub(1), ..plateau.clone() };
            let upside_down = Plateau { rising_is_better: !plateau.rising_is_better, ..plateau };
            assert_ne!(rates(upside_down, &metrics), want);
            if impatient.patience < row["kwargs"]["patience"].as_u64().unwrap_or(10) {
                assert_ne!(rates(impatient, &metrics), want);
            }
        }
    }

    #[test]
    fn state_survives_a_checkpoint() {
        for row in golden::rows("plateaus") {
            let fresh = || Plateau::new(row["kwargs"].as_object().unwrap(), 0.02).unwrap();
            let metrics = floats(&row["metrics"]);
            let (before, after) = metrics.split_at(7);
            let mut whole = fresh();
            before.iter().for_each(|&metric| whole.observe(metric));
            let mut resumed = fresh();
            resumed.restore(&serde_json::from_str(&whole.to_json().to_string()).unwrap()).unwrap();
            assert_eq!(rates(resumed, after), rates(whole, after));
        }
    }

    #[test]
    fn a_factor_of_one_is_refused() {
        let keywords = json!({"factor": 1.0});
        let refusal = Plateau::new(keywords.as_object().unwrap(), 0.1).unwrap_err().to_string();
        assert_eq!(refusal, "`lr_scheduler_kwargs`: `factor` is 1, but should be below 1");
    }
}
