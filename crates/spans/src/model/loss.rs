//! Losses over scores of starts, ends and spans, with their gradients.
//!
//! The scores are those of places that can be a start, an end or a span. Whatever else the original's dense tensors
//! hold is masked there and adds nothing. Only its number counts: the original divides by it.

use crate::batch::SpanBatch;
use crate::config::{LossConfig, LossKind};
use crate::model::{END, SPAN, START, Scores};
use tagsmith_kernel::device::Error;
use tagsmith_kernel::memory::tensor::Tensor;

/// What the scores should be.
#[derive(Clone, Debug, Default)]
pub struct Gold {
    /// The entities that spans can represent.
    pub mentions: Vec<Mention>,
    /// Which positions may begin and which may end an entity (P each), and which spans can be one (N).
    pub masks: [Vec<bool>; 3],
    /// What sums are divided by: the counts over the whole batch, of which this may be a part.
    pub whole: Whole,
}

/// Counts over a whole batch, by which its losses are divided. Where a batch is cut, each part has those of the whole, so
/// that the parts' losses add up to the batch's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whole {
    /// Texts.
    pub texts: usize,
    /// Entities that spans can represent.
    pub mentions: usize,
    /// Elements of the original's padded tensors of positions and of spans for one label: B · S and B · N.
    pub padded: [usize; 2],
    /// Positions that may begin and that may end an entity, and spans that can be one.
    pub valid: [usize; 3],
}

impl Gold {
    /// Returns the gold of a batch of that many texts that is not cut.
    pub fn of_all(mentions: Vec<Mention>, masks: [Vec<bool>; 3], texts: usize, padded: [usize; 2]) -> Gold {
        let valid = std::array::from_fn(|part| masks[part].iter().filter(|counts| **counts).count());
        let whole = Whole { texts, mentions: mentions.len(), padded, valid };
        Gold { mentions, masks, whole }
    }
}

impl Whole {
    /// Returns the counts over a batch of these parts. All but `padded` are sums: padding depends on the batch's longest
    /// text.
    pub fn of_parts(parts: impl Iterator<Item = Whole>, padded: [usize; 2]) -> Whole {
        parts.fold(Whole { padded, ..Whole::default() }, |sum, part| Whole {
            texts: sum.texts + part.texts,
            mentions: sum.mentions + part.mentions,
            padded,
            valid: std::array::from_fn(|at| sum.valid[at] + part.valid[at]),
        })
    }
}

/// One entity; places count in the whole batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The number of the text.
    pub text: usize,
    /// The number of the label.
    pub kind: usize,
    /// Position, position and span.
    pub places: [usize; 3],
}

/// What sums are divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Normalization {
    /// All elements of the original's tensors, padding and what the masks take away included: its learning rates fit.
    #[default]
    Padded,
    /// The elements that count.
    Valid,
}

/// A loss and its gradient.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The loss's value.
    pub value: f64,
    /// The gradient with respect to each score that there is.
    pub dscores: Scores,
}

/// A place's score: its gold value and its weight, 0 where it does not count.
struct Place {
    row: usize,
    kind: usize,
}

/// The loss that `config` names. Scores of a device come here, and their gradients go there.
///
/// # Precision
/// f64 throughout, sums in the order of places.
/// # Errors
/// The first error of the device that the scores lie on.
/// # Panics
/// If scores are missing whose part has a weight.
pub fn loss(
    config: &LossConfig,
    normalization: Normalization,
    scores: &Scores,
    batch: &SpanBatch,
    gold: &Gold,
) -> Result<Loss, Error> {
    let c = batch.labels.count();
    let mut value = 0.0;
    let mut dscores: Scores = [None, None, None];
    for part in [START, END, SPAN] {
        let weight = config.weights[part];
        let Some(scores) = &scores[part] else {
            assert!(weight == 0.0, "loss: scores of part {part} are missing");
            continue;
        };
        let (device, scores) = (scores.device(), scores.clone().here()?);
        let mut d = vec![0f64; scores.data().len()];
        if weight != 0.0 {
            let part_loss = PartLoss { config, scores: scores.data(), batch, gold, part, c };
            value += weight
                * match config.kind {
                    LossKind::Contrastive => part_loss.contrastive(weight, &mut d),
                    _ => part_loss.classification(normalization, weight, &mut d),
                };
        }
        let d: Vec<f32> = d.into_iter().map(|d| d as f32).collect();
        dscores[part] = Some(Tensor::on(&device, scores.rows(), c, &d));
    }
    Ok(Loss { value, dscores })
}

/// The loss of one part: start, end or span.
struct PartLoss<'a> {
    config: &'a LossConfig,
    scores: &'a [f32],
    batch: &'a SpanBatch,
    gold: &'a Gold,
    part: usize,
    c: usize,
}

impl PartLoss<'_> {
    fn rows(&self, text: usize) -> std::ops::Range<usize> {
        let text = &self.batch.texts[text];
        if self.part == SPAN { text.spans.clone() } else { text.positions.clone() }
    }

    /// Whether a row can be what it is scored as.
    fn counts(&self, row: usize) -> bool {
        self.gold.masks[self.part][row]
    }

    fn x(&self, row: usize, kind: usize) -> f64 {
        f64::from(self.scores[row * self.c + kind])
    }

    /// Which (row, label) are gold, row-major.
    fn targets(&self) -> Vec<bool> {
        let mut targets = vec![false; self.scores.len()];
        for mention in &self.gold.mentions {
            targets[mention.places[self.part] * self.c + mention.kind] = true;
        }
        targets
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let rows = (0..self.batch.texts.len()).flat_map(move |text| {
            let rows = self.rows(text);
            rows.filter(move |&row| self.counts(row))
        });
        rows.flat_map(move |row| (0..self.c).map(move |kind| Place { row, kind }))
    }

    /// The value; adds `weight` times its gradient to `d`.
    fn classification(&self, normalization: Normalization, weight: f64, d: &mut [f64]) -> f64 {
        let count = match normalization {
            Normalization::Padded => self.gold.whole.padded[usize::from(self.part == SPAN)] * self.c,
            Normalization::Valid => self.gold.whole.valid[self.part] * self.c,
        };
        // A batch without a place has a loss of 0.
        let mean = 100.0 / count.max(1) as f64;
        match self.config.kind {
            LossKind::Bce => self.focal(None, mean, weight, d),
            LossKind::Focal => self.focal(Some(self.config.focal_gamma), mean, weight, d),
            LossKind::Dice => self.dice(weight, d),
            LossKind::DiceFocal => {
                let (dice, focal) = (self.config.dice_weight, self.config.focal_weight);
                dice * self.dice(weight * dice, d)
                    + focal * self.focal(Some(self.config.focal_gamma), mean, weight * focal, d)
            }
            LossKind::Contrastive => unreachable!("contrastive is not a classification"),
        }
    }

    /// `mean` · Σ α_t (1 − q_t)^γ ℓ with ℓ = p·y·sp(−x) + (1 − y)·sp(x), q_t the probability of what is right; without
    /// γ it is Σ ℓ.
    fn focal(&self, gamma: Option<f64>, mean: f64, weight: f64, d: &mut [f64]) -> f64 {
        let targets = self.targets();
        let positive = self.config.positive_weights[self.part].unwrap_or(1.0);
        let mut total = 0.0;
        for Place { row, kind } in self.places() {
            let at = row * self.c + kind;
            // z is x towards what is right.
            let (z, sign, factor) = match targets[at] {
                true => (self.x(row, kind), 1.0, positive),
                false => (-self.x(row, kind), -1.0, 1.0),
            };
            let (l, wrong) = (softplus(-z), sigmoid(-z));
            let (value, slope) = match gamma {
                None => (l, -wrong),
                Some(gamma) => {
                    let hard = wrong.powf(gamma);
                    // d wrong / dz = −wrong · (1 − wrong)
                    (l * hard, -hard * (wrong + gamma * (1.0 - wrong) * l))
                }
            };
            let alpha = match (gamma, self.config.focal_alpha) {
                (Some(_), Some(alpha)) if targets[at] => alpha,
                (Some(_), Some(alpha)) => 1.0 - alpha,
                _ => 1.0,
            };
            total += alpha * factor * value;
            d[at] += weight * mean * alpha * factor * sign * slope;
        }
        mean * total
    }

    /// 100 · (1 − (2 Σ P·Y + s) / (Σ P² + Σ Y² + s)) with P = σ(x).
    fn dice(&self, weight: f64, d: &mut [f64]) -> f64 {
        let targets = self.targets();
        let smooth = self.config.dice_smooth;
        let (mut common, mut sizes) = (0.0, 0.0);
        for Place { row, kind } in self.places() {
            let (p, y) = (sigmoid(self.x(row, kind)), f64::from(u8::from(targets[row * self.c + kind])));
            common += p * y;
            sizes += p * p + y;
        }
        let (above, below) = (2.0 * common + smooth, sizes + smooth);
        for Place { row, kind } in self.places() {
            let (p, y) = (sigmoid(self.x(row, kind)), f64::from(u8::from(targets[row * self.c + kind])));
            let slope = (2.0 * y * below - above * 2.0 * p) / (below * below);
            d[row * self.c + kind] -= weight * 100.0 * slope * p * (1.0 - p);
        }
        100.0 * (1.0 - above / below)
    }

    /// Threshold term: the mean over texts and labels of −x₀/τ + ln Σ m·e^(x/τ). The weight m is 1 for column 0 and what
    /// is not gold and `masked_weight` for all else. Mention term: the mean over mentions of the same with the
    /// mention's score for x₀, its own m being 1.
    fn contrastive(&self, weight: f64, d: &mut [f64]) -> f64 {
        let LossConfig { tau, threshold_weight, mention_weight, masked_weight, .. } = *self.config;
        let targets = self.targets();
        let (texts, whole) = (self.batch.texts.len(), self.gold.whole);
        let threshold_share = threshold_weight / (whole.texts * self.c) as f64;
        let mention_share = if whole.mentions > 0 { mention_weight / whole.mentions as f64 } else { 0.0 };
        let mut of_text: Vec<Vec<usize>> = vec![Vec::new(); texts * self.c];
        for mention in &self.gold.mentions {
            of_text[mention.text * self.c + mention.kind].push(mention.places[self.part]);
        }
        let mut total = 0.0;
        for text in 0..texts {
            let rows = self.rows(text);
            for kind in 0..self.c {
                let negative = |row: usize| row == rows.start || (self.counts(row) && !targets[row * self.c + kind]);
                let mut term = |target: usize, share: f64| {
                    let of_row = |row| if row == target || negative(row) { 1.0 } else { masked_weight };
                    let among = || rows.clone().map(|row| (row, of_row(row))).filter(|&(_, m)| m > 0.0);
                    let highest = among().map(|(row, _)| self.x(row, kind)).fold(f64::NEG_INFINITY, f64::max);
                    let each = |(row, m): (usize, f64)| m * ((self.x(row, kind) - highest) / tau).exp();
                    let sum: f64 = among().map(each).sum();
                    for (row, m) in among() {
                        d[row * self.c + kind] += weight * share * each((row, m)) / sum / tau;
                    }
                    d[target * self.c + kind] -= weight * share / tau;
                    share * (sum.ln() + (highest - self.x(target, kind)) / tau)
                };
                total += term(rows.start, threshold_share);
                for &place in &of_text[text * self.c + kind] {
                    total += term(place, mention_share);
                }
            }
        }
        total
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// ln(1 + eˣ), without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{LabelInput, Text};

    fn config(kind: LossKind) -> LossConfig {
        LossConfig {
            kind,
            weights: [0.0, 0.0, 1.0],
            positive_weights: [None; 3],
            focal_alpha: Some(0.75),
            focal_gamma: 2.0,
            dice_smooth: 1.0,
            dice_weight: 0.5,
            focal_weight: 0.5,
            threshold_weight: 0.5,
            mention_weight: 0.5,
            tau: 1.0,
            masked_weight: 0.0,
        }
    }

    fn computed(
        config: &LossConfig,
        normalization: Normalization,
        scores: &Scores,
        batch: &SpanBatch,
        gold: &Gold,
    ) -> Loss {
        loss(config, normalization, scores, batch, gold).expect("the processor works")
    }

    /// One text, one label, a score a span; `padded` elements in the original's tensor.
    fn one(scores: &[f32], gold: &[usize], padded: usize) -> (Scores, SpanBatch, Gold) {
        let n = scores.len();
        let text = Text { positions: 0..0, spans: 0..n };
        let labels = LabelInput::InPrompt { count: 1, marker_rows: vec![0] };
        let batch = SpanBatch { texts: vec![text], labels, ..SpanBatch::default() };
        let masks = [Vec::new(), Vec::new(), vec![true; n]];
        let mention = |&span: &usize| Mention { text: 0, kind: 0, places: [0, 0, span] };
        let mentions = gold.iter().map(mention).collect();
        let gold = Gold::of_all(mentions, masks, 1, [0, padded]);
        ([None, None, Some(Tensor::from_slice(n, 1, scores))], batch, gold)
    }

    /// The specification's values. x = [2, −1, 0.5, −3], y = [1, 0, 0, 0], the third masked.
    #[test]
    fn the_specifications_values() {
        let (scores, batch, gold) = one(&[2.0, -1.0, -3.0], &[0], 4);
        let value = |config: LossConfig| computed(&config, Normalization::Padded, &scores, &batch, &gold).value;
        let near = |got: f64, want: f64| assert!((got - want).abs() <= 6e-7, "{got} is not {want}");
        near(value(config(LossKind::Bce)), 12.219426);
        near(value(LossConfig { positive_weights: [None, None, Some(10.0)], ..config(LossKind::Bce) }), 40.778229);
        near(value(config(LossKind::Focal)), 0.176113);
        near(value(LossConfig { focal_gamma: 0.0, ..config(LossKind::Focal) }), 4.641457);
        near(value(config(LossKind::Dice)), 3.114952);
        near(value(config(LossKind::DiceFocal)), 1.645532);
        let valid = computed(&config(LossKind::Bce), Normalization::Valid, &scores, &batch, &gold).value;
        near(valid, 12.219426 * 4.0 / 3.0);

        let (scores, batch, gold) = one(&[1.0, 3.0, 0.5, -2.0, 2.5], &[1, 4], 5);
        let value = |threshold_weight, mention_weight| {
            let config = LossConfig { threshold_weight, mention_weight, ..config(LossKind::Contrastive) };
            computed(&config, Normalization::Padded, &scores, &batch, &gold).value
        };
        near(value(1.0, 0.0), 0.504597);
        near(value(0.0, 1.0), (0.202253 + 0.314500) / 2.0);
        near(value(0.5, 0.5), 0.381487);
        assert!((value(0.5, 0.4) - 0.381487).abs() > 1e-3, "the weights do nothing");
    }

    #[test]
    fn no_mention_leaves_the_threshold_term() {
        let (scores, batch, gold) = one(&[1.0, 3.0, 0.5], &[], 3);
        let got = computed(&config(LossKind::Contrastive), Normalization::Padded, &scores, &batch, &gold);
        let want = 0.5 * ((1f64.exp() + 3f64.exp() + 0.5f64.exp()).ln() - 1.0);
        assert!((got.value - want).abs() < 1e-12, "{} {want}", got.value);
        assert!(got.dscores[SPAN].as_ref().expect("there is one").data().iter().all(|d| d.is_finite()));
    }

    #[test]
    fn gradients_are_finite_differences() {
        let kinds = [LossKind::Bce, LossKind::Focal, LossKind::Dice, LossKind::DiceFocal, LossKind::Contrastive];
        for kind in kinds {
            for (alpha, gamma, tau) in [(Some(0.25), 2.0, 0.5), (None, 0.5, 1.0), (Some(0.9), 0.0, 2.0)] {
                let config = LossConfig {
                    focal_alpha: alpha,
                    focal_gamma: gamma,
                    tau,
                    positive_weights: [None, None, Some(3.0)],
                    weights: [0.0, 0.0, 0.7],
                    threshold_weight: 0.3,
                    ..config(kind)
                };
                let x = [0.5f32, -1.25, 2.0, 0.25, -3.5, 1.5];
                let (scores, batch, gold) = one(&x, &[2, 4], 9);
                let got = computed(&config, Normalization::Padded, &scores, &batch, &gold);
                // Scores are f32: steps that it holds exactly, and the error of a central difference with them.
                let step = 1.0 / 1024.0;
                let value = |at: usize, by: f32| {
                    let mut x = x;
                    x[at] += by;
                    let (scores, batch, gold) = one(&x, &[2, 4], 9);
                    computed(&config, Normalization::Padded, &scores, &batch, &gold).value
                };
                let d = got.dscores[SPAN].as_ref().expect("there is one").data().to_vec();
                for (at, &d) in d.iter().enumerate() {
                    let fine = (value(at, step) - value(at, -step)) / f64::from(2.0 * step);
                    let coarse = (value(at, 2.0 * step) - value(at, -2.0 * step)) / f64::from(4.0 * step);
                    // Richardson's extrapolation: error O(step⁴).
                    let want = (4.0 * fine - coarse) / 3.0;
                    let apart = (f64::from(d) - want).abs();
                    assert!(apart <= 1e-6 * want.abs().max(0.1), "{kind:?} at {at}: {d} {want}");
                }
            }
        }
    }
}
