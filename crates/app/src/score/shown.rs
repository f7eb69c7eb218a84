//! Scores as JSON and as tables.

use super::chance::{Comparison, Intervals};
use super::request::Chance;
use super::{Calibrations, Figures, Scored, error_detection};
use serde_json::{Map, Value, json};
use tagsmith_message::{Note, counted};
use tagsmith_text::score::analysis::{self, Columns, intervals_table};
use tagsmith_text::score::bootstrap::Interval;
use tagsmith_text::score::table;
use tagsmith_text::score::units::{Figure, Part, Units};
use tagsmith_text::score::{Method, Score};

impl Scored {
    /// Returns everything as a JSON object. `show` writes a note.
    pub fn json(&self, show: &dyn Fn(&Note) -> String) -> Value {
        let mut object = match &self.figures {
            Figures::Labels(score, method) => table::json(score, *method),
            Figures::Errors(score, correct) => error_detection::json(score, correct),
        };
        let map = object.as_object_mut().expect("it was made as one");
        if let Some(analysis) = &self.analysis {
            map.extend(analysis.json());
        }
        if let Some(intervals) = &self.intervals {
            map.insert("intervals".into(), intervals.json());
        }
        if let (Some(comparison), Figures::Labels(_, method)) = (&self.comparison, &self.figures) {
            map.insert("comparison".into(), comparison.json(*method));
        }
        if let Some(Calibrations { words, entity_words }) = &self.calibration {
            let curves = json!({
                "words": analysis::calibration(words), "entity_words": analysis::calibration(entity_words),
            });
            map.insert("calibration".into(), curves);
        }
        map.insert("notes".into(), self.notes.iter().map(|note| Value::from(show(note))).collect());
        object
    }

    /// Returns tables with `digits` digits after the point. Those beside seqeval's are not wider than `width` letters.
    pub fn table(&self, digits: usize, width: usize) -> String {
        let (score, method) = match &self.figures {
            Figures::Labels(score, method) => (score, *method),
            Figures::Errors(score, _) => return error_detection::table(score, digits),
        };
        let mut text = match self.analysis.as_ref().filter(|_| self.shows_semeval) {
            Some(analysis) => analysis.semeval_text(digits, width),
            None => table::table(score, digits),
        };
        text += &line(score, method, digits);
        if let Some(analysis) = &self.analysis {
            text += &format!("\n{}", analysis.text(digits, width));
        }
        if let Some(intervals) = &self.intervals {
            text += &format!("\n{}", intervals.table(digits, width));
        }
        if let Some(calibrations) = &self.calibration {
            text += &format!("\n{}", calibrations.table(digits, width));
        }
        if let Some(comparison) = &self.comparison {
            text += &format!("\n{}", comparison.table(method, digits, width));
        }
        text
    }
}

/// Returns the line below seqeval's table.
fn line(score: &Score, method: Method, digits: usize) -> String {
    let Score { sentences, words, accuracy, .. } = score;
    format!(
        "\naccuracy {accuracy:.digits$} over {} in {}; scored by {method}\n",
        counted(*words as usize, "word"),
        counted(*sentences as usize, "sentence")
    )
}

/// Returns a share in percent as people write it: `95 %`, `99.5 %`.
fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

impl Intervals {
    fn json(&self) -> Value {
        let mut object = chance_json(&self.chance, self.units);
        object["figures"] = analysis::intervals(&self.counts, |at| analysis::interval(&self.intervals[at]));
        object
    }

    fn table(&self, digits: usize, width: usize) -> String {
        let Chance { confidence, resamples, unit, .. } = self.chance;
        format!(
            "intervals that hold {} of {} of {}\n{}",
            percent(confidence),
            counted(resamples, "resample"),
            counted(self.units, unit.name()),
            intervals_table(&self.counts, &self.values, &self.intervals, (digits, width))
        )
    }
}

fn chance_json(chance: &Chance, units: usize) -> Value {
    let Chance { confidence, resamples, unit, seed, .. } = chance;
    json!({ "confidence": confidence, "resamples": resamples, "unit": unit.name(), "units": units, "seed": seed })
}

impl Comparison {
    fn json(&self, method: Method) -> Value {
        let number = |value: f64| if value.is_nan() { Value::Null } else { json!(value) };
        let mut second = table::json(&self.second, method);
        if let Some(analysis) = &self.analysis {
            second.as_object_mut().expect("it was made as one").extend(analysis.json());
        }
        let mut object = chance_json(&self.chance, self.counts.units.len());
        let map = object.as_object_mut().expect("it was made as one");
        let by_figure = |value: &dyn Fn(usize) -> Value| analysis::intervals(&self.counts, value);
        let Comparison { names, tested, .. } = self;
        let fields: Map<String, Value> = [
            ("first", json!(names[0])),
            ("second", json!(names[1])),
            ("second_figures", second),
            ("swaps", json!(self.chance.swaps)),
            ("exact", json!(tested.exact)),
            ("differing", json!(tested.differing)),
            ("difference", by_figure(&|at| number(tested.differences[at]))),
            ("interval", by_figure(&|at| analysis::interval(&self.intervals[at]))),
            ("p", by_figure(&|at| number(tested.p[at]))),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        map.extend(fields);
        object
    }

    fn table(&self, method: Method, digits: usize, width: usize) -> String {
        let Comparison { names: [a, b], second, tested, .. } = self;
        let unit = self.chance.unit.name();
        let how = match tested.exact {
            true => format!("all ways to swap {}", counted(tested.differing, unit)),
            false => format!("{} of predictions of whole {unit}s", counted(self.chance.swaps, "swap")),
        };
        let units = self.counts.units.len();
        format!(
            "second prediction, {b}\n{}{}\nF1 of both, the second less the first, its {} interval, and p by {how}\n\
             first: {a}\nsecond: {b}\n{} of {} differ\n{}",
            table::table(second, digits),
            line(second, method, digits),
            percent(self.chance.confidence),
            tested.differing,
            counted(units, unit),
            self.rows(digits).text(width)
        )
    }

    fn rows(&self, digits: usize) -> Columns {
        let mut table = Columns::new(["", "first", "second", "difference", "interval", "p"]);
        let figures = Figure::all(self.counts.kinds.len());
        let name = |figure: &Figure| name(figure, &self.counts);
        // The types come first, as in seqeval's table.
        let of_types = |(_, figure): &(usize, &Figure)| matches!(figure, Figure::Of(..));
        let (types, averages): (Vec<_>, Vec<_>) = figures.iter().enumerate().partition(of_types);
        for (at, figure) in types.into_iter().chain(averages) {
            let Some(name) = name(figure) else { continue };
            let shown = |value: f64| if value.is_nan() { "–".to_owned() } else { format!("{value:.digits$}") };
            let signed = |value: f64| if value.is_nan() { "–".to_owned() } else { format!("{value:+.digits$}") };
            let interval = self
                .intervals
                .get(at)
                .copied()
                .flatten()
                .map_or("–".to_owned(), |Interval { low, high }| format!("[{low:+.digits$}, {high:+.digits$}]"));
            let [first, second] = [0, 1].map(|side| shown(self.values[side][at]));
            table.row([name, first, second, signed(self.tested.differences[at]), interval, shown(self.tested.p[at])]);
        }
        table
    }
}

/// Returns the name of a figure that a comparison shows: the types' F1, both averages and the accuracy.
fn name(figure: &Figure, units: &Units) -> Option<String> {
    match figure {
        Figure::Of(kind, Part::F1) => Some(units.kinds[*kind].clone()),
        Figure::Micro(Part::F1) => Some("micro avg".into()),
        Figure::Macro(Part::F1) => Some("macro avg".into()),
        Figure::Accuracy => Some("accuracy".into()),
        Figure::Of(..) | Figure::Micro(_) | Figure::Macro(_) => None,
    }
}

impl Calibrations {
    fn table(&self, digits: usize, width: usize) -> String {
        let mut table = Columns::new(["probability", "words", "mean", "right", "entity words", "mean", "right"]);
        for (at, (all, of_entities)) in self.words.bins.iter().zip(&self.entity_words.bins).enumerate() {
            let cells = [all, of_entities].map(|bin| {
                let figure = |value: f64| if bin.count > 0 { format!("{value:.digits$}") } else { "–".to_owned() };
                [bin.count.to_string(), figure(bin.confidence()), figure(bin.accuracy())]
            });
            let name = format!("{:.1}–{:.1}", at as f64 / 10.0, (at + 1) as f64 / 10.0);
            table.row([name].into_iter().chain(cells.into_iter().flatten()));
        }
        format!(
            "calibration: expected error {:.digits$} over all words, {:.digits$} over words that the model takes for entities\n{}",
            self.words.error(),
            self.entity_words.error(),
            table.text(width)
        )
    }
}
