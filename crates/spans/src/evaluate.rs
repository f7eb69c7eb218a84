//! A model finds entities in examples, and how good they are.

pub mod score;

use crate::batch::encode::{Encoded, Encoding};
use crate::config::{Config, Threshold};
use crate::error::Error;
use crate::evaluate::score::{Labeled, Score};
use crate::find::decode::{Candidate, Mode, accept};
use crate::find::{BATCH_PIECES, Query, range};
use crate::folder::Tokenizers;
use crate::model::Model;
use serde_json::{Map, Value, json};
use tagsmith_message::Note;
use tagsmith_ranks::World;
use tagsmith_text::example::{Example, labels_of};
use tagsmith_text::tagged::{Content, Watch};

/// The candidates of some examples, before a threshold and a decoding decide.
pub struct Found {
    /// The labels that were looked for.
    pub labels: Vec<String>,
    /// Each example as it was read.
    encoded: Vec<Encoded>,
    /// Each example's spans above the bar that was asked for.
    candidates: Vec<Vec<Candidate>>,
    /// Notes about labels that were read in another way than they are written.
    pub notes: Vec<Note>,
}

/// Looks for `labels` in some examples. Ranks share the work, and each of them gets everything. `watch` hears how far
/// this rank is.
///
/// # Errors
/// No label, an empty or a repeated one, or more labels than a prompt holds. An example or a label that the tokenizer
/// refuses. Rows of a word table that cannot be read.
pub fn find(
    (model, tokenizers): (&Model, &Tokenizers),
    encoding: Encoding,
    labels: Vec<String>,
    examples: &[Example],
    bar: Threshold,
    world: &World,
    watch: Watch<'_>,
) -> Result<Found, Error> {
    let query = Query::new(model, tokenizers, labels)?;
    let contents: Vec<&Content> = examples.iter().map(|example| &example.content).collect();
    let encoded = query.encode(&tokenizers.text, encoding, &contents)?;
    let candidates = query.find(model, world, &encoded.iter().collect::<Vec<_>>(), bar, BATCH_PIECES, watch)?;
    let Query { labels, notes, .. } = query;
    Ok(Found { labels, encoded, candidates, notes })
}

/// How good a model's entities are.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// On spans of pieces; gold entities that are not a span count as missed.
    pub score: Score,
    /// On spans of pieces, without the gold entities that are not a span, as the original counts.
    pub representable: Score,
    /// On the code points (or words) of the data.
    pub strict: Score,
    /// Gold entities.
    pub gold: u64,
    /// Gold entities that are not a span: cut off, too long, or with ends inside a word where only words have ends.
    pub lost: u64,
    /// Texts of which a part was cut off.
    pub cut: u64,
    /// Special tokens that the texts spell: read as ordinary letters.
    pub spelled: u64,
}

impl Evaluation {
    /// Micro-averaged F1.
    pub fn f1(&self) -> f64 {
        self.score.total().figures()[2]
    }

    /// The names of the figures of [`Evaluation::record`], without its prefix.
    pub const FIGURES: [&str; 6] = ["precision", "recall", "f1", "f1_macro", "strict_f1", "gold_without_span"];

    /// Returns the figures as a run's record: `eval_f1` and its kin, where `split` is `eval`.
    pub fn record(&self, split: &str) -> Map<String, Value> {
        let [precision, recall, f1] = self.score.total().figures();
        let strict_f1 = self.strict.total().figures()[2];
        let macro_f1 = self.score.mean()[2];
        let figures = [json!(precision), json!(recall), json!(f1), json!(macro_f1), json!(strict_f1), json!(self.lost)];
        Evaluation::FIGURES.into_iter().zip(figures).map(|(name, figure)| (format!("{split}_{name}"), figure)).collect()
    }

    /// The original's object and what it leaves out. `loss` is 0 there always.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut json = self.score.to_json();
        json.insert("loss".into(), json!(0.0));
        json.insert("gold".into(), json!(self.gold));
        json.insert("gold_without_span".into(), json!(self.lost));
        json.insert("texts_cut_off".into(), json!(self.cut));
        json.insert("special_tokens_spelled".into(), json!(self.spelled));
        let short = |score: &Score| {
            let mut figures = score.to_json();
            figures.remove("per_class");
            Value::Object(figures)
        };
        json.insert("representable_gold_only".into(), short(&self.representable));
        json.insert("strict".into(), short(&self.strict));
        json
    }
}

/// Evaluates a model on examples with their own labels. Ranks share the work.
///
/// # Errors
/// Examples without an entity; whatever the tokenizer refuses.
pub fn assess(
    (model, tokenizers): (&Model, &Tokenizers),
    encoding: Encoding,
    examples: &[Example],
    mode: Mode,
    world: &World,
    watch: Watch<'_>,
) -> Result<Evaluation, Error> {
    let bar = model.config.threshold;
    let found = find((model, tokenizers), encoding, labels_of(examples), examples, bar, world, watch)?;
    Ok(evaluate(examples, &found, &model.config, 0.0, mode))
}

/// Evaluates what was found in some examples. Candidates count from a score above `above`.
///
/// # Panics
/// If it was found in other examples.
pub fn evaluate(examples: &[Example], found: &Found, config: &Config, above: f64, mode: Mode) -> Evaluation {
    assert_eq!(examples.len(), found.encoded.len(), "evaluate: found in other examples");
    let labels = &found.labels;
    let mut evaluation = Evaluation::default();
    for ((example, encoded), candidates) in examples.iter().zip(&found.encoded).zip(&found.candidates) {
        let (gold, _) = encoded.gold(example, labels, config);
        let named = |&(i, j, kind): &(usize, usize, usize)| -> Labeled { (i, j, labels[kind].clone()) };
        let gold: Vec<Labeled> = gold.iter().map(named).collect();
        let above = candidates.iter().copied().filter(|it| it.score > above).collect();
        let accepted = accept(above, mode);
        let predicted: Vec<Labeled> = accepted.iter().map(|it| named(&(it.start, it.end, it.kind))).collect();
        evaluation.score.add(&gold, &predicted);
        evaluation.representable.add(&gold, &predicted);
        let outside = |it: &Candidate| {
            let (start, end) = range(encoded, &example.content, it);
            (start, end, labels[it.kind].clone())
        };
        let strict: Vec<Labeled> = accepted.iter().map(outside).collect();
        let whole: Vec<Labeled> = example.entities.iter().map(|e| (e.start, e.end, e.label.clone())).collect();
        evaluation.strict.add(&whole, &strict);
        let mut seen: Vec<&Labeled> = Vec::new();
        for (entity, labeled) in example.entities.iter().zip(&whole) {
            if seen.contains(&labeled) {
                continue;
            }
            seen.push(labeled);
            evaluation.gold += 1;
            if encoded.span_of(entity, &example.content, config).is_none() {
                evaluation.lost += 1;
                evaluation.score.add_missed(&entity.label);
            }
        }
        evaluation.cut += u64::from(encoded.cut > 0);
        evaluation.spelled += encoded.spelled as u64;
    }
    evaluation
}

/// A threshold's figures on the curve that an automatic threshold is chosen from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The threshold.
    pub threshold: f64,
    /// Precision, recall and F1.
    pub figures: [f64; 3],
}

/// What candidates have to be above for the [`curve`]: just less than its lowest threshold.
pub const LOWEST: Threshold = Threshold::Number(0.049);

/// Figures at thresholds from 0.05 to 0.95, and the threshold of the best F1 (the highest of equal ones).
pub fn curve(examples: &[Example], found: &Found, config: &Config, mode: Mode) -> (Vec<Point>, f64) {
    let points: Vec<Point> = (1..20)
        .map(|step| {
            let threshold = f64::from(step) / 20.0;
            let evaluation = evaluate(examples, found, config, threshold, mode);
            Point { threshold, figures: evaluation.score.total().figures() }
        })
        .collect();
    let best =
        points.iter().fold(points[0], |best, point| if point.figures[2] >= best.figures[2] { *point } else { best });
    (points, best.threshold)
}
