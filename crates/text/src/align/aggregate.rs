//! Pieces become entities, as transformers' token-classification pipeline groups them.

/// How the labels of pieces become entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Not at all: one entity a piece, under the label's whole name.
    None,
    /// Neighbouring pieces of one type together; `B-` begins anew.
    Simple,
    /// As `Simple` over words, each with the label of its first piece.
    First,
    /// As `Simple` over words, each with the most probable label of its pieces' mean.
    Average,
    /// As `Simple` over words, each with the label of its surest piece.
    Max,
}

impl Strategy {
    /// Every strategy's name, in the order of the variants.
    pub const NAMES: [&str; 5] = ["none", "simple", "first", "average", "max"];

    /// Returns the strategy's name.
    pub fn name(self) -> &'static str {
        Strategy::NAMES[self as usize]
    }

    /// The strategy of that name.
    pub fn named(name: &str) -> Option<Strategy> {
        match name {
            "none" => Some(Strategy::None),
            "simple" => Some(Strategy::Simple),
            "first" => Some(Strategy::First),
            "average" => Some(Strategy::Average),
            "max" => Some(Strategy::Max),
            _ => None,
        }
    }
}

/// One piece of text (special ones are left out) and what the model says of it.
#[derive(Clone, Copy, Debug)]
pub struct PieceScores<'a> {
    /// One probability a label (K).
    pub probabilities: &'a [f32],
    /// Where the piece begins in the text, in code points.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// Whether it belongs to the word of the piece before.
    pub continues: bool,
}

/// Something the model names in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// The type (`PER`), or the whole label (`B-PER`) under [`Strategy::None`].
    pub label: String,
    /// The mean probability of its parts' labels.
    pub score: f32,
    /// Where it begins in the text, in code points.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

/// The entities of one text. `labels` names the K labels; `O` is nothing.
pub fn aggregate(strategy: Strategy, labels: &[String], pieces: &[PieceScores]) -> Vec<Entity> {
    let tagged: Vec<Tagged> = match strategy {
        Strategy::None | Strategy::Simple => pieces.chunks(1).map(|piece| tag_first(piece)).collect(),
        _ => pieces
            .chunk_by(|_, piece| piece.continues)
            .map(|word| match strategy {
                Strategy::First => tag_first(word),
                Strategy::Average => tag_average(word),
                _ => tag_max(word),
            })
            .collect(),
    };
    if strategy == Strategy::None {
        let outside = |piece: &&Tagged| labels[piece.label] != "O";
        return tagged.iter().filter(outside).map(|piece| piece.entity(labels[piece.label].clone())).collect();
    }
    tagged
        .chunk_by(|a, b| joins(&labels[a.label], &labels[b.label]))
        .filter_map(|group| entity(group, labels))
        .collect()
}

/// A piece or a word with the label that was decided.
#[derive(Clone, Copy)]
struct Tagged {
    label: usize,
    score: f32,
    start: u32,
    end: u32,
}

impl Tagged {
    fn new(parts: &[PieceScores], (label, score): (usize, f32)) -> Tagged {
        Tagged { label, score, start: parts[0].start, end: parts[parts.len() - 1].end }
    }

    fn entity(&self, label: String) -> Entity {
        Entity { label, score: self.score, start: self.start, end: self.end }
    }
}

fn tag_first(word: &[PieceScores]) -> Tagged {
    Tagged::new(word, most_probable(word[0].probabilities))
}

fn tag_max(word: &[PieceScores]) -> Tagged {
    let mut surest = most_probable(word[0].probabilities);
    for piece in &word[1..] {
        let candidate = most_probable(piece.probabilities);
        if candidate.1 > surest.1 {
            surest = candidate;
        }
    }
    Tagged::new(word, surest)
}

fn tag_average(word: &[PieceScores]) -> Tagged {
    let mut mean = word[0].probabilities.to_vec();
    for piece in &word[1..] {
        for (sum, probability) in mean.iter_mut().zip(piece.probabilities) {
            *sum += probability;
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= word.len() as f32);
    Tagged::new(word, most_probable(&mean))
}

/// The label of the highest probability, the first of equals, and that probability.
pub fn most_probable(probabilities: &[f32]) -> (usize, f32) {
    let mut best = (0, probabilities[0]);
    for (label, &probability) in probabilities.iter().enumerate().skip(1) {
        if probability > best.1 {
            best = (label, probability);
        }
    }
    best
}

/// Whether a part labelled `next` goes on with the entity whose last part is labelled `last`. A label without a prefix
/// continues itself.
fn joins(last: &str, next: &str) -> bool {
    let kind = |label: &str| label.strip_prefix("B-").or(label.strip_prefix("I-")).unwrap_or(label).to_owned();
    !next.starts_with("B-") && kind(last) == kind(next)
}

fn entity(group: &[Tagged], labels: &[String]) -> Option<Entity> {
    let first = labels[group[0].label].as_str();
    // What stands after the first hyphen, whatever stands before it: transformers cuts `E-PER` here and not in `joins`.
    let kind = first.split_once('-').map_or(first, |(_, kind)| kind);
    if kind == "O" {
        return None;
    }
    let sum: f64 = group.iter().map(|part| part.score as f64).sum();
    let whole = Tagged { score: (sum / group.len() as f64) as f32, end: group[group.len() - 1].end, ..group[0] };
    Some(whole.entity(kind.to_owned()))
}
