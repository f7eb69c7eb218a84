//! An analysis as JSON.

use super::Analysis;
use crate::score::bootstrap::Interval;
use crate::score::calibration::{BINS, Calibration};
use crate::score::confusion::NOTHING;
use crate::score::error_classes::{ClassCounts, ErrorClass};
use crate::score::lengths::{ENTITY_WORDS, SENTENCE_WORDS, names};
use crate::score::seen::Acquaintance;
use crate::score::semeval::{Answer, Tallies, Tally};
use crate::score::units::{Figure, Part, Units};
use crate::score::{Count, Metrics};
use serde_json::{Map, Value, json};

impl Analysis {
    /// Returns everything by name: `semeval`, `errors`, `confusion`, `by_entity_length`, `by_sentence_length`, and `seen` where
    /// training data is known.
    pub fn json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        let of_types = |value: &dyn Fn(u32) -> Value| -> Map<String, Value> {
            self.types().map(|(name, kind)| (name.to_owned(), value(kind))).collect()
        };
        let tallies = |tallies: &Tallies| -> Value {
            let all = Answer::ALL.iter().zip(tallies);
            all.map(|(answer, tally)| (answer.name().to_owned(), self.tally(tally))).collect::<Map<_, _>>().into()
        };
        let of_kind = |kind| tallies(&self.semeval.of_kind(kind));
        object.insert("semeval".into(), json!({ "overall": tallies(self.semeval.all()), "types": of_types(&of_kind) }));
        let errors = json!({ "all": classes(self.classes.all()), "types": of_types(&|kind| classes(self.classes.of_kind(kind))) });
        object.insert("errors".into(), errors);
        let kinds: Vec<&str> = self.kinds.iter().map(String::as_str).chain([NOTHING]).collect();
        object.insert("confusion".into(), json!({ "types": kinds, "rows": self.confusion_rows() }));
        let lengths = &self.lengths;
        let of_length = |name: &String, count: &Count| {
            let mut row = Map::from_iter([("words".to_owned(), json!(name))]);
            row.extend(self.count(*count));
            row
        };
        let entities = names(&ENTITY_WORDS);
        let entities = entities.iter().zip(&lengths.entities).filter(|(_, count)| **count != Count::default());
        let entities = entities.map(|(name, count)| of_length(name, count).into());
        object.insert("by_entity_length".into(), entities.collect::<Vec<Value>>().into());
        let sentences = names(&SENTENCE_WORDS);
        let groups = sentences.iter().zip(&lengths.sentences).zip(lengths.of_length);
        let sentences = groups.filter(|(_, sentences)| *sentences > 0).map(|((name, count), sentences)| {
            let mut row = of_length(name, count);
            row.insert("sentences".into(), sentences.into());
            row.into()
        });
        object.insert("by_sentence_length".into(), sentences.collect::<Vec<Value>>().into());
        if let Some(seen) = &self.seen {
            let groups = Acquaintance::ALL.map(|group| (group.name().to_owned(), self.count(seen.of(group)).into()));
            object.insert("seen".into(), Map::from_iter(groups).into());
        }
        object
    }

    fn tally(&self, tally: &Tally) -> Value {
        let Tally { correct, incorrect, partial, missed, spurious } = *tally;
        let Metrics { precision, recall, f1 } = tally.metrics(self.zero_division);
        json!({
            "correct": correct, "incorrect": incorrect, "partial": partial, "missed": missed, "spurious": spurious,
            "possible": tally.possible(), "actual": tally.actual(),
            "precision": precision, "recall": recall, "f1": f1,
        })
    }

    fn count(&self, count: Count) -> Map<String, Value> {
        let Metrics { precision, recall, f1 } = Metrics::of(count, self.zero_division);
        let fields =
            [("precision", json!(precision)), ("recall", json!(recall)), ("f1", json!(f1))].into_iter().chain([
                ("number", json!(count.gold)),
                ("predicted", json!(count.predicted)),
                ("correct", json!(count.correct)),
            ]);
        fields.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn classes(counts: ClassCounts) -> Value {
    ErrorClass::ALL
        .iter()
        .zip(counts)
        .map(|(class, count)| (class.key().to_owned(), count.into()))
        .collect::<Map<_, _>>()
        .into()
}

/// Returns an interval as a list of its two bounds, or nothing.
pub fn interval(interval: &Option<Interval>) -> Value {
    interval.map_or(Value::Null, |Interval { low, high }| json!([low, high]))
}

/// Returns one value a figure by the figures' names: `precision`, `recall` and `f1` of `overall`, of `macro` and of each of
/// `types`, and `accuracy`.
pub fn intervals(units: &Units, value: impl Fn(usize) -> Value) -> Value {
    let (mut overall, mut mean, mut types) = (Map::new(), Map::new(), Map::new());
    let mut accuracy = Value::Null;
    for (at, figure) in Figure::all(units.kinds.len()).into_iter().enumerate() {
        let name = |part: Part| part.name().to_owned();
        match figure {
            Figure::Micro(part) => _ = overall.insert(name(part), value(at)),
            Figure::Macro(part) => _ = mean.insert(name(part), value(at)),
            Figure::Accuracy => accuracy = value(at),
            Figure::Of(kind, part) => {
                let of = types.entry(units.kinds[kind].clone()).or_insert_with(|| Map::new().into());
                of[name(part).as_str()] = value(at);
            }
        }
    }
    json!({ "overall": overall, "macro": mean, "accuracy": accuracy, "types": types })
}

/// Returns a reliability curve: `ece`, `mce`, `number`, and the bins, which an empty one has no figures in.
pub fn calibration(curve: &Calibration) -> Value {
    let bins = curve.bins.iter().enumerate().map(|(at, bin)| {
        let figure = |value: f64| if bin.count > 0 { json!(value) } else { Value::Null };
        let bound = |bin: usize| bin as f64 / BINS as f64;
        json!({
            "from": bound(at), "to": bound(at + 1), "number": bin.count,
            "confidence": figure(bin.confidence()), "accuracy": figure(bin.accuracy()),
        })
    });
    let bins: Vec<Value> = bins.collect();
    json!({ "ece": curve.error(), "mce": curve.largest_error(), "number": curve.count(), "bins": bins })
}
