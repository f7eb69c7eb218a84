//! Grammatical error detection: a label a word, one of which says that the word is right.
//!
//! Words are scored one by one, as error-detection programs do, not as entities. With tp, fp and fn of a label: P = tp
//! / (tp + fp), R = tp / (tp + fn), F1 = 2PR / (P + R), F0.5 = 1.25·PR / (0.25·P + R). Each is 0 without a denominator.
//! The averages are plain means over *all* listed labels, also those that never occur. In the binary view every label
//! but the correct one is an error, and P is 1 without a false alarm, R 1 without a missed error.
//!
//! # Source
//! CAMeL-Lab/arabic-gec's `ged` evaluation and the MultiGED 2023 task; scikit-learn's figures where it has them.

use crate::score::numpy_sum;
use crate::sentence::Split;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use tagsmith_message::Note;

/// The labels that say that a word is right: the ARETA taxonomy's and MultiGED's.
pub const CORRECT: [&str; 2] = ["UC", "c"];

/// The label of a word whose error is unknown: training neither learns nor scores it.
pub const UNKNOWN: &str = "UNK";

/// Returns the label with its parts, which `+` joins, in code point order: `B+A` and `A+B` are one label.
pub fn canonical(label: &str) -> Cow<'_, str> {
    let mut parts: Vec<&str> = label.split('+').collect();
    if parts.is_sorted() {
        return Cow::Borrowed(label);
    }
    parts.sort_unstable();
    Cow::Owned(parts.join("+"))
}

/// Brings a split's labels into their canonical form. Notes say how many words that changed, and how many are
/// [`UNKNOWN`].
///
/// # Errors
/// A file of sentences cannot be read or written.
pub fn canonicalize(split: &mut Split) -> Result<(), tagsmith_files::Error> {
    let mut names: Vec<String> = Vec::new();
    let mut ids: HashMap<String, u32> = HashMap::new();
    let mut renumbered = Vec::with_capacity(split.tag_names.len());
    let mut changed = Vec::with_capacity(split.tag_names.len());
    for name in &split.tag_names {
        let name_now = canonical(name);
        changed.push(name_now != name.as_str());
        let next = names.len() as u32;
        let id = *ids.entry(name_now.clone().into_owned()).or_insert(next);
        if id == next {
            names.push(name_now.into_owned());
        }
        renumbered.push(id);
    }
    let unknown = ids.get(UNKNOWN).copied();
    let mut sorted =
        Note::new("{label had its|labels had their} parts, which `+` joins, in another order and {was|were} sorted");
    let mut unknowns =
        Note::naming("{word is|words are} labeled `{}`: {it is|they are} neither learned nor scored", &[&UNKNOWN])
            .important();
    split.sentences = split.sentences.changed(|sentence| {
        for tag in &mut sentence.tags {
            let place = || format!("{}:{}", split.source, sentence.line);
            if changed[*tag as usize] {
                sorted.add(place);
            }
            *tag = renumbered[*tag as usize];
            if Some(*tag) == unknown {
                unknowns.add(place);
            }
        }
    })?;
    split.tag_names = names;
    split.notes.extend([sorted, unknowns].into_iter().filter(|note| note.count > 0));
    Ok(())
}

/// Precision, recall and the two F measures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// tp / (tp + fp)
    pub precision: f64,
    /// tp / (tp + fn)
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// The F measure in which precision counts twice as much: β = 0.5.
    pub f_half: f64,
}

impl Figures {
    /// Returns the figures of the words that are right, predicted and gold. A ratio without a denominator is 0.
    fn of(count: Count) -> Figures {
        let Count { correct, predicted, gold } = count;
        let f = |beta: f64| {
            let square = beta * beta;
            ratio((1.0 + square) * correct as f64, square * gold as f64 + predicted as f64)
        };
        Figures {
            precision: ratio(correct as f64, predicted as f64),
            recall: ratio(correct as f64, gold as f64),
            f1: f(1.0),
            f_half: f(0.5),
        }
    }

    /// Returns the weighted mean of each figure; all are 0 without a weight.
    fn mean(rows: &[LabelFigures], weight: impl Fn(&LabelFigures) -> f64) -> Figures {
        let total = numpy_sum::sum(&rows.iter().map(&weight).collect::<Vec<_>>());
        let mean = |get: fn(&Figures) -> f64| {
            let values: Vec<f64> = rows.iter().map(|row| get(&row.figures) * weight(row)).collect();
            ratio(numpy_sum::sum(&values), total)
        };
        Figures {
            precision: mean(|figures| figures.precision),
            recall: mean(|figures| figures.recall),
            f1: mean(|figures| figures.f1),
            f_half: mean(|figures| figures.f_half),
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// One label's row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelFigures {
    /// The label.
    pub label: String,
    /// The label's figures.
    pub figures: Figures,
    /// Gold words that have it.
    pub support: u64,
}

/// Figures of the binary view: is there an error at all?
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Binary {
    /// The share of words called wrong that are wrong; 1 without a false alarm.
    pub precision: f64,
    /// The share of wrong words that are called wrong; 1 without a missed one.
    pub recall: f64,
    /// 1.25·PR / (0.25·P + R)
    pub f_half: f64,
    /// The share of words that are judged rightly.
    pub accuracy: f64,
}

/// The figures of error detection.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Each listed label, in the list's order.
    pub labels: Vec<LabelFigures>,
    /// Means over all listed labels.
    pub all: Figures,
    /// Means over the labels of errors.
    pub errors: Figures,
    /// Means over all listed labels, weighted by their support.
    pub weighted: Figures,
    /// Micro averages over the listed labels, where gold or prediction has others; otherwise they are the accuracy.
    pub micro: Option<Figures>,
    /// Words whose label is right, of all words.
    pub accuracy: f64,
    /// Figures of the binary view.
    pub binary: Binary,
    /// Words scored.
    pub words: u64,
    /// Labels that are not in the list, in gold and prediction.
    pub notes: Vec<Note>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    correct: u64,
    predicted: u64,
    gold: u64,
}

/// Counts gold and predicted labels.
#[derive(Clone, Debug)]
pub struct Scorer {
    labels: Vec<String>,
    ids: HashMap<String, usize>,
    /// The label of words that are right.
    correct: usize,
    counts: Vec<Count>,
    words: u64,
    right_words: u64,
    /// Errors found, words called wrong, wrong words.
    errors: Count,
    right_judgements: u64,
    unlisted: Note,
}

/// No label says that a word is right, so no error can be told from it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("none of the labels is `UC` or `c`, the label of a word without an error: is this error detection?")]
pub struct NoCorrectLabel;

impl Scorer {
    /// Returns a scorer over these labels, taken in their canonical form, each once.
    ///
    /// # Errors
    /// No label says that a word is right.
    pub fn new<S: AsRef<str>>(labels: &[S]) -> Result<Scorer, NoCorrectLabel> {
        let mut names: Vec<String> = Vec::new();
        let mut ids = HashMap::new();
        for label in labels {
            let label = canonical(label.as_ref()).into_owned();
            let next = names.len();
            if *ids.entry(label.clone()).or_insert(next) == next {
                names.push(label);
            }
        }
        let correct = CORRECT.iter().find_map(|label| ids.get(*label)).copied().ok_or(NoCorrectLabel)?;
        Ok(Scorer {
            counts: vec![Count::default(); names.len()],
            labels: names,
            ids,
            correct,
            words: 0,
            right_words: 0,
            errors: Count::default(),
            right_judgements: 0,
            unlisted: Note::new("{label is|labels are} not in the list: such a word is wrong to every listed label")
                .important(),
        })
    }

    /// The label of words that are right.
    pub fn correct_label(&self) -> &str {
        &self.labels[self.correct]
    }

    /// Counts one word. `place` is for labels that are not in the list.
    pub fn add(&mut self, gold: &str, predicted: &str, place: impl Fn() -> String) {
        let (gold, predicted) = (canonical(gold), canonical(predicted));
        let id = |label: &str| self.ids.get(label).copied();
        let (gold_id, predicted_id) = (id(&gold), id(&predicted));
        let is_right = gold == predicted;
        if let Some(id) = gold_id {
            self.counts[id].gold += 1;
            self.counts[id].correct += u64::from(is_right);
        }
        if let Some(id) = predicted_id {
            self.counts[id].predicted += 1;
        }
        for (label, id) in [(gold, gold_id), (predicted, predicted_id)] {
            if id.is_none() {
                self.unlisted.add(|| format!("`{label}` {}", place()));
            }
        }
        let (is_error, is_called_error) = (gold_id != Some(self.correct), predicted_id != Some(self.correct));
        self.errors.gold += u64::from(is_error);
        self.errors.predicted += u64::from(is_called_error);
        self.errors.correct += u64::from(is_error && is_called_error);
        self.right_judgements += u64::from(is_error == is_called_error);
        self.words += 1;
        self.right_words += u64::from(is_right);
    }

    /// The score of all words so far.
    pub fn score(&self) -> Score {
        let row = |(label, &count): (&String, &Count)| LabelFigures {
            label: label.clone(),
            figures: Figures::of(count),
            support: count.gold,
        };
        let labels: Vec<LabelFigures> = self.labels.iter().zip(&self.counts).map(row).collect();
        let without_correct: Vec<LabelFigures> =
            labels.iter().filter(|row| row.label != self.labels[self.correct]).cloned().collect();
        let micro = (self.unlisted.count > 0).then(|| {
            let sum = |get: fn(&Count) -> u64| self.counts.iter().map(get).sum::<u64>();
            Figures::of(Count {
                correct: sum(|count| count.correct),
                predicted: sum(|count| count.predicted),
                gold: sum(|count| count.gold),
            })
        });
        Score {
            all: Figures::mean(&labels, |_| 1.0),
            errors: Figures::mean(&without_correct, |_| 1.0),
            weighted: Figures::mean(&labels, |row| row.support as f64),
            labels,
            micro,
            accuracy: ratio(self.right_words as f64, self.words as f64),
            binary: self.binary(),
            words: self.words,
            notes: Some(self.unlisted.clone()).filter(|note| note.count > 0).into_iter().collect(),
        }
    }

    fn binary(&self) -> Binary {
        let Count { correct, predicted, gold } = self.errors;
        let or_one = |part: u64, whole: u64| if part == whole { 1.0 } else { part as f64 / whole as f64 };
        let (precision, recall) = (or_one(correct, predicted), or_one(correct, gold));
        Binary {
            precision,
            recall,
            f_half: ratio(1.25 * precision * recall, 0.25 * precision + recall),
            accuracy: ratio(self.right_judgements as f64, self.words as f64),
        }
    }
}

impl Score {
    /// The figures by name: `precision`, `recall`, `f1`, `f0.5`, the same with `err_` before them, and `bin_precision`,
    /// `bin_recall`, `bin_f0.5`, `bin_accuracy`.
    pub fn metrics(&self) -> Map<String, Value> {
        let mut map = Map::new();
        for (prefix, figures) in [("", self.all), ("err_", self.errors)] {
            for (name, value) in NAMES.iter().zip(values(&figures)) {
                map.insert(format!("{prefix}{name}"), json!(value));
            }
        }
        let Binary { precision, recall, f_half, accuracy } = self.binary;
        for (name, value) in [("precision", precision), ("recall", recall), ("f0.5", f_half), ("accuracy", accuracy)] {
            map.insert(format!("bin_{name}"), json!(value));
        }
        map
    }

    /// A table of cells parted by tabs: a row a label, then accuracy (or micro average) and both averages.
    pub fn table(&self, digits: usize) -> String {
        let mut text = format!("label\t{}\tsupport\n", NAMES.join("\t"));
        let mut row = |name: &str, figures: &Figures, support: u64| {
            let cells = values(figures).map(|value| format!("{value:.digits$}"));
            text.push_str(&format!("{name}\t{}\t{support}\n", cells.join("\t")));
        };
        for LabelFigures { label, figures, support } in &self.labels {
            row(label, figures, *support);
        }
        let support = self.labels.iter().map(|row| row.support).sum();
        match &self.micro {
            Some(micro) => row("micro avg", micro, support),
            // Where every label is listed, all four are the same number.
            None => {
                let Score { accuracy, .. } = *self;
                let same = Figures { precision: accuracy, recall: accuracy, f1: accuracy, f_half: accuracy };
                row("accuracy", &same, support);
            }
        }
        row("macro avg", &self.all, support);
        row("weighted avg", &self.weighted, support);
        text
    }
}

const NAMES: [&str; 4] = ["precision", "recall", "f1", "f0.5"];

fn values(figures: &Figures) -> [f64; 4] {
    [figures.precision, figures.recall, figures.f1, figures.f_half]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence::{Columns, Sentence, Sentences, TagKind};

    /// Random corpora and scikit-learn's figures, written by `oracle/error_detection.py`.
    const GOLDEN: &str = include_str!("../../../../golden/error_detection/cases.jsonl");

    fn cases() -> Vec<Value> {
        GOLDEN.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn words(case: &Value, side: &str) -> Vec<String> {
        case[side].as_str().unwrap().split(' ').map(String::from).collect()
    }

    fn scorer(case: &Value) -> Scorer {
        Scorer::new(&words(case, "labels")).unwrap()
    }

    fn score(case: &Value) -> Score {
        let mut scorer = scorer(case);
        for (gold, predicted) in words(case, "gold").iter().zip(&words(case, "predicted")) {
            scorer.add(gold, predicted, String::new);
        }
        scorer.score()
    }

    /// Whether a figure differs by more than rounding.
    fn differs(want: &Value, got: f64) -> bool {
        let want: f64 = want.as_str().unwrap().parse().unwrap();
        let distance = (want - got).abs();
        distance.is_nan() || distance > 4.0 * f64::EPSILON * want.abs()
    }

    fn row_differs(want: &Value, got: &Figures) -> bool {
        values(got).into_iter().enumerate().any(|(at, got)| differs(&want[at], got))
    }

    /// The first figure of the case that the score does not have.
    fn difference(case: &Value, score: &Score) -> Option<&'static str> {
        let rows = case["rows"].as_array().unwrap();
        if rows.len() != score.labels.len() {
            return Some("number of labels");
        }
        for (want, got) in rows.iter().zip(&score.labels) {
            if want[0] != got.label.as_str() || row_differs(&want[1], &got.figures) || want[2] != got.support {
                return Some("labels");
            }
        }
        let micro = match (&case["micro"], &score.micro) {
            (Value::Null, None) => false,
            (Value::Array(_), Some(got)) => row_differs(&case["micro"], got),
            _ => true,
        };
        let Binary { precision, recall, f_half, accuracy } = score.binary;
        let binary = [precision, recall, f_half, accuracy];
        [
            ("macro", row_differs(&case["macro"], &score.all)),
            ("errors", row_differs(&case["errors"], &score.errors)),
            ("weighted", row_differs(&case["weighted"], &score.weighted)),
            ("micro", micro),
            ("accuracy", differs(&case["accuracy"], score.accuracy)),
            ("binary", binary.into_iter().enumerate().any(|(at, got)| differs(&case["binary"][at], got))),
        ]
        .into_iter()
        .find_map(|(name, differs)| differs.then_some(name))
    }

    #[test]
    fn figures_are_scikit_learns() {
        let cases = cases();
        assert_eq!(cases.len(), 60);
        for (index, case) in cases.iter().enumerate() {
            assert_eq!(difference(case, &score(case)), None, "line {}", index + 1);
        }
    }

    #[test]
    fn wrong_twins_are_told() {
        let seen = |score: &Score, rows: &dyn Fn(&LabelFigures) -> bool| {
            let kept: Vec<LabelFigures> = score.labels.iter().filter(|row| rows(row)).cloned().collect();
            Figures::mean(&kept, |_| 1.0)
        };
        type Twin<'a> = (&'a str, &'a dyn Fn(&Value) -> Score);
        let twins: [Twin; 5] = [
            ("labels as they are written", &|case| {
                let mut scorer = scorer(case);
                for (gold, predicted) in words(case, "gold").iter().zip(&words(case, "predicted")) {
                    // A part that sorts last keeps `canonical` from bringing two orders together.
                    let mark =
                        |label: &str| if canonical(label) == label { label.into() } else { label.to_owned() + "~" };
                    scorer.add(&mark(gold), &mark(predicted), String::new);
                }
                scorer.score()
            }),
            ("means over labels that occur", &|case| {
                let score = score(case);
                Score { all: seen(&score, &|row| row.support > 0), ..score }
            }),
            ("F0.5 of the mean precision and recall", &|case| {
                let mut score = score(case);
                let Figures { precision, recall, .. } = score.all;
                score.all.f_half = ratio(1.25 * precision * recall, 0.25 * precision + recall);
                score
            }),
            ("errors include the correct label", &|case| {
                let score = score(case);
                Score { errors: score.all, ..score }
            }),
            ("no false alarm counts as nothing found", &|case| {
                let mut score = score(case);
                let predicted = words(case, "predicted");
                if predicted.iter().all(|label| CORRECT.contains(&label.as_str())) {
                    score.binary.precision = 0.0;
                }
                score
            }),
        ];
        for (twin, wrong) in twins {
            let telling = cases().iter().filter(|case| difference(case, &wrong(case)).is_some()).count();
            assert!(telling >= 3, "{twin}: only {telling} corpora tell");
        }
    }

    #[test]
    fn a_score_by_hand() {
        // Two errors of kind A, one found as such, one missed; one right word called B.
        let mut scorer = Scorer::new(&["A", "B", "UC"]).unwrap();
        for (gold, predicted) in [("A", "A"), ("A", "UC"), ("UC", "B"), ("UC", "UC")] {
            scorer.add(gold, predicted, String::new);
        }
        let score = scorer.score();
        expect_test::expect![[r#"
            label	precision	recall	f1	f0.5	support
            A	1.000	0.500	0.667	0.833	2
            B	0.000	0.000	0.000	0.000	0
            UC	0.500	0.500	0.500	0.500	2
            accuracy	0.500	0.500	0.500	0.500	4
            macro avg	0.500	0.333	0.389	0.444	4
            weighted avg	0.750	0.500	0.583	0.667	4
        "#]]
        .assert_eq(&score.table(3));
        assert_eq!(score.binary, Binary { precision: 0.5, recall: 0.5, f_half: 0.5, accuracy: 0.5 });
        let names: Vec<_> = score.metrics().keys().cloned().collect();
        expect_test::expect!["precision recall f1 f0.5 err_precision err_recall err_f1 err_f0.5 bin_precision bin_recall bin_f0.5 bin_accuracy"]
            .assert_eq(&names.join(" "));
    }

    #[test]
    fn labels_must_tell_right_from_wrong() {
        assert_eq!(Scorer::new(&["A", "B"]).unwrap_err(), NoCorrectLabel);
        assert_eq!(Scorer::new(&["i", "c"]).unwrap().correct_label(), "c");
        assert_eq!(Scorer::new(&["c", "UC", "B+A", "A+B"]).unwrap().labels, ["c", "UC", "A+B"]);
        assert_eq!(Scorer::new(&["c", "UC"]).unwrap().correct_label(), "UC");
    }

    #[test]
    fn a_split_takes_canonical_labels() {
        let sentence = |tags: &[u32], line| Sentence { words: vec!["w".into(); tags.len()], tags: tags.to_vec(), line };
        let mut split = Split {
            source: "f".into(),
            sentences: Sentences::in_memory(&[sentence(&[0, 1, 2], 1), sentence(&[1, 3], 5)]),
            tag_names: ["A+B", "B+A", "UC", "UNK"].map(String::from).to_vec(),
            tag_kind: TagKind::Strings,
            columns: Columns::default(),
            notes: Vec::new(),
        };
        canonicalize(&mut split).unwrap();
        assert_eq!(split.tag_names, ["A+B", "UC", "UNK"]);
        let tags: Vec<_> = split.sentences.to_vec().unwrap().into_iter().map(|sentence| sentence.tags).collect();
        assert_eq!(tags, [vec![0, 0, 1], vec![0, 2]]);
        let notes: Vec<_> = split.notes.iter().map(ToString::to_string).collect();
        expect_test::expect![[r#"
            2 labels had their parts, which `+` joins, in another order and were sorted (f:1, f:5)
            1 word is labeled `UNK`: it is neither learned nor scored (f:5)"#]]
        .assert_eq(&notes.join("\n"));
    }
}
