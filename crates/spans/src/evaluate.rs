//! A model finds entities in examples, and how good they are.

use crate::collate;
use crate::config::{Architecture, Config, Threshold};
use crate::decode::{Candidate, Mode, accept, candidates, probability};
use crate::encode::{Encoded, Encoding, Prompt, plain_labels};
use crate::error::Error;
use crate::folder::Tokenizers;
use crate::model::Model;
use crate::score::{Labelled, Score};
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use tagsmith_encoder::batch::Batch;
use tagsmith_kernel::memory::tensor::Tensor;
use tagsmith_ranks::World;
use tagsmith_text::example::Example;
use tagsmith_text::tagged::Content;

/// A model ready to find some labels.
pub struct Finder<'a> {
    model: &'a Model,
    tokenizers: &'a Tokenizers,
    encoding: Encoding,
    /// What it looks for.
    pub labels: Vec<String>,
    prompt: Option<Prompt>,
    label_batch: Option<Batch>,
    label_vectors: Option<Tensor>,
    /// What the user should know about the labels.
    pub notes: Vec<String>,
}

/// Pieces computed at once.
pub const BATCH_PIECES: usize = 2048;

/// What was found in one input before a decision: spans above the lowest bar, and the learned bars.
#[derive(Clone, Debug)]
pub struct Findings {
    /// The input as it was read.
    pub encoded: Encoded,
    /// Candidates above the bar that was asked for.
    pub candidates: Vec<Candidate>,
}

impl<'a> Finder<'a> {
    /// Encodes the labels, once.
    ///
    /// # Errors
    /// What the tokenizer says; no label, an empty or a repeated one.
    pub fn new(
        model: &'a Model,
        tokenizers: &'a Tokenizers,
        encoding: Encoding,
        labels: Vec<String>,
    ) -> Result<Finder<'a>, Error> {
        check_labels(&labels)?;
        let cross = model.config.architecture == Architecture::CrossEncoder;
        let reader = tokenizers.labels.as_ref().filter(|_| !cross).unwrap_or(&tokenizers.text);
        let (plain, spelled) = plain_labels(reader, &labels)?;
        let (mut prompt, mut label_batch, mut cut) = (None, None, 0);
        if cross {
            prompt = Some(Prompt::new(&model.config, &plain));
        } else {
            let (batch, longer) = collate::labels(reader, &plain)?;
            (label_batch, cut) = (Some(batch), longer);
        }
        let label_vectors = label_batch.as_ref().map(|batch| model.label_vectors(batch));
        let notes = label_notes(spelled, cut);
        Ok(Finder { model, tokenizers, encoding, labels, prompt, label_batch, label_vectors, notes })
    }

    /// Inputs as the model reads them, in their order.
    ///
    /// # Errors
    /// What the tokenizer says; more labels than a prompt holds.
    pub fn encode(&self, inputs: &[&Content]) -> Result<Vec<Encoded>, Error> {
        let encode = |input: &&Content| self.encoding.encode(&self.tokenizers.text, self.prompt.as_ref(), input);
        inputs.iter().map(encode).collect()
    }

    /// Candidates of every input, in their order.
    ///
    /// # Errors
    /// What the tokenizer says; more labels than a prompt holds.
    pub fn find(&self, inputs: &[&Content], bar: Threshold) -> Result<Vec<Findings>, Error> {
        self.find_among(&World::alone(), inputs, bar)
    }

    /// The same; ranks share the work, and each of them gets all candidates.
    ///
    /// # Errors
    /// As [`Finder::find`].
    pub fn find_among(&self, world: &World, inputs: &[&Content], bar: Threshold) -> Result<Vec<Findings>, Error> {
        let encoded = self.encode(inputs)?;
        let batches = by_length(&encoded);
        // Batches are sorted by length, so that every so-many-th is as much work for each rank.
        let share = |rank: usize| batches.iter().skip(rank).step_by(world.size());
        let mut mine = Vec::new();
        for batch in share(world.rank()) {
            let refs: Vec<&Encoded> = batch.iter().map(|&number| &encoded[number]).collect();
            for candidates in self.score(&refs, bar) {
                mine.extend((candidates.len() as u64).to_le_bytes());
                candidates.iter().for_each(|it| mine.extend(to_bytes(it)));
            }
        }
        let mut found: Vec<Vec<Candidate>> = vec![Vec::new(); encoded.len()];
        for (rank, bytes) in world.gather(&mine).iter().enumerate() {
            let mut words = bytes.chunks_exact(8).map(|word| word.try_into().expect("eight bytes"));
            let mut next = || words.next().expect("ranks send what they say");
            for &number in share(rank).flatten() {
                let count = u64::from_le_bytes(next());
                found[number] = (0..count).map(|_| from_bytes(&mut next)).collect();
            }
        }
        Ok(encoded.into_iter().zip(found).map(|(encoded, candidates)| Findings { encoded, candidates }).collect())
    }

    fn score(&self, encoded: &[&Encoded], bar: Threshold) -> Vec<Vec<Candidate>> {
        let c = self.labels.len();
        let (scene, listed) = collate::scene(&self.model.config, encoded, self.label_batch.clone());
        let scores = self.model.infer(&scene, self.label_vectors.as_ref());
        let of = |(number, listed): (usize, &collate::Listed)| {
            let bars: Vec<f64> = match bar {
                Threshold::Number(number) => vec![f64::from(number); c],
                // Column 0 stands before the spans.
                _ => scores.row(scene.texts[number].spans.start).iter().map(|&x| probability(x)).collect(),
            };
            let spans = listed.spans.iter().zip(&listed.rows);
            let spans = spans.filter(|(span, _)| encoded[number].findable(&self.model.config, **span));
            candidates(spans.map(|(&span, &row)| (span, scores.row(row))), &bars)
        };
        listed.iter().enumerate().map(of).collect()
    }
}

/// Batches of at most so many pieces, or of one text. The longest come first: later ones live in their memory.
fn by_length(encoded: &[Encoded]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..encoded.len()).collect();
    order.sort_by_key(|&number| Reverse(encoded[number].ids.len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut pieces = 0;
    for number in order {
        let length = encoded[number].ids.len();
        match batches.last_mut() {
            Some(batch) if pieces + length <= BATCH_PIECES => {
                pieces += length;
                batch.push(number);
            }
            _ => {
                pieces = length;
                batches.push(vec![number]);
            }
        }
    }
    batches
}

/// Four words: start, end, kind and score.
fn to_bytes(it: &Candidate) -> impl Iterator<Item = u8> {
    let [start, end, kind] = [it.start, it.end, it.kind].map(|number| number as u64);
    [start, end, kind, it.score.to_bits()].into_iter().flat_map(u64::to_le_bytes)
}

fn from_bytes(next: &mut impl FnMut() -> [u8; 8]) -> Candidate {
    let [start, end, kind] = [(); 3].map(|()| u64::from_le_bytes(next()) as usize);
    Candidate { start, end, kind, score: f64::from_le_bytes(next()) }
}

/// What the user should know about labels of which so many spell special tokens, and so many were cut.
pub(crate) fn label_notes(spelled: usize, cut: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if spelled > 0 {
        notes.push(format!("labels spell {spelled} special tokens (such as `[SEP]`): read as ordinary letters"));
    }
    if cut > 0 {
        notes.push(format!("{cut} labels are longer than {} pieces: their ends are not read", collate::LABEL_PIECES));
    }
    notes
}

/// No label, an empty or a repeated one is refused.
///
/// # Errors
/// That, in one line.
pub fn check_labels(labels: &[String]) -> Result<(), Error> {
    if labels.is_empty() {
        return Err(Error::Setting("there is no label to look for: name at least one".into()));
    }
    for (number, label) in labels.iter().enumerate() {
        if label.trim().is_empty() {
            return Err(Error::Setting(format!("label {} is empty: give it a name", number + 1)));
        }
        if labels[..number].contains(label) {
            return Err(Error::Setting(format!("the label `{label}` is given twice: name every label once")));
        }
    }
    Ok(())
}

/// How good a model's entities are.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// On spans of pieces; gold entities that are no span count as missed.
    pub score: Score,
    /// The same without those, as the original counts.
    pub representable: Score,
    /// On the code points (or words) of the data.
    pub strict: Score,
    /// Gold entities.
    pub gold: u64,
    /// Those that are no span: cut off, too long, or with ends inside a word where only words have ends.
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

/// Evaluates findings against their examples.
///
/// # Panics
/// If their numbers differ.
pub fn evaluate(
    examples: &[Example],
    findings: &[Findings],
    labels: &[String],
    config: &Config,
    above: f64,
    mode: Mode,
) -> Evaluation {
    assert_eq!(examples.len(), findings.len(), "evaluate: findings of other examples");
    let mut evaluation = Evaluation::default();
    for (example, Findings { encoded, candidates }) in examples.iter().zip(findings) {
        let (gold, _) = encoded.gold(example, labels, config);
        let named = |&(i, j, kind): &(usize, usize, usize)| -> Labelled { (i, j, labels[kind].clone()) };
        let gold: Vec<Labelled> = gold.iter().map(named).collect();
        let above = candidates.iter().copied().filter(|it| it.score > above).collect();
        let accepted = accept(above, mode);
        let predicted: Vec<Labelled> = accepted.iter().map(|it| named(&(it.start, it.end, it.kind))).collect();
        evaluation.score.add(&gold, &predicted);
        evaluation.representable.add(&gold, &predicted);
        let outside = |it: &Candidate| {
            let (start, end) = range(encoded, &example.content, it);
            (start, end, labels[it.kind].clone())
        };
        let strict: Vec<Labelled> = accepted.iter().map(outside).collect();
        let whole: Vec<Labelled> = example.entities.iter().map(|e| (e.start, e.end, e.label.clone())).collect();
        evaluation.strict.add(&whole, &strict);
        let mut seen: Vec<&Labelled> = Vec::new();
        for (entity, labelled) in example.entities.iter().zip(&whole) {
            if seen.contains(&labelled) {
                continue;
            }
            seen.push(labelled);
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

/// The code points (without white space around them) or words that a candidate covers, half-open.
pub fn range(encoded: &Encoded, input: &Content, it: &Candidate) -> (usize, usize) {
    let (mut start, mut end) = (encoded.covers[it.start].0, encoded.covers[it.end].1);
    if let Content::Text(text) = input {
        let inside: Vec<char> = text.chars().skip(start).take(end.saturating_sub(start)).collect();
        start += inside.iter().take_while(|char| char.is_whitespace()).count();
        end -= inside.iter().rev().take_while(|char| char.is_whitespace()).count().min(end.saturating_sub(start));
    }
    (start, end)
}

/// A threshold's figures on the curve that `--threshold auto` chooses from.
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
pub fn curve(
    examples: &[Example],
    findings: &[Findings],
    labels: &[String],
    config: &Config,
    mode: Mode,
) -> (Vec<Point>, f64) {
    let points: Vec<Point> = (1..20)
        .map(|step| {
            let threshold = f64::from(step) / 20.0;
            let evaluation = evaluate(examples, findings, labels, config, threshold, mode);
            Point { threshold, figures: evaluation.score.total().figures() }
        })
        .collect();
    let best =
        points.iter().fold(points[0], |best, point| if point.figures[2] >= best.figures[2] { *point } else { best });
    (points, best.threshold)
}
