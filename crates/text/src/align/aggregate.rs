//! Pieces become entities, as transformers' token-classification pipeline groups them.
//!
//! The pipeline knows `B-` and `I-` alone. Where a model's tags say more ([`TagReader::with_ends`]), its entities are what
//! the tags mean, read as they are read for scores.

use crate::labels::label_scheme::LabelScheme;
use crate::labels::reading::TagReader;
use crate::labels::scheme::Span;
use std::ops::Range;

/// The way in which labels of pieces become entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Each piece is an entity, under the label's whole name.
    None,
    /// Neighboring pieces of one type are one entity; `B-` begins another.
    Simple,
    /// Words are grouped like the pieces of `Simple`; each word has the label of its first piece.
    First,
    /// Words are grouped; each word has the most probable label of its pieces' mean.
    Average,
    /// Words are grouped; each word has the label of its surest piece.
    Max,
}

impl Strategy {
    /// The strategies' names, in the order of the variants.
    pub const NAMES: [&str; 5] = ["none", "simple", "first", "average", "max"];

    /// Returns the strategy's name.
    pub fn name(self) -> &'static str {
        Strategy::NAMES[self as usize]
    }

    /// Returns the strategy of that name.
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

/// One piece of text (special pieces are left out) with its scores.
#[derive(Clone, Copy, Debug)]
pub struct PieceScores<'a> {
    /// The probability of each label (K).
    pub probabilities: &'a [f32],
    /// The first code point of the piece in the text.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// Whether it belongs to the word of the piece before.
    pub continues: bool,
}

/// An entity that the model found in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// The type (`PER`), or the whole label (`B-PER`) under [`Strategy::None`].
    pub label: String,
    /// The mean probability of its parts' labels.
    pub score: f32,
    /// The first code point of the entity in the text.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
    /// The places of its pieces among those that were given.
    pub pieces: Range<usize>,
}

/// The label of what is outside of every entity.
pub const OUTSIDE: &str = "O";

/// Returns the entities of one text. `labels` names the K labels; `O` is outside every entity. `scheme` says how tags
/// become entities; by [`LabelScheme::Words`] each word is an entity under the label's whole name. With `outside`, what
/// is in no entity is given as well, in its place, under the label [`OUTSIDE`].
pub fn aggregate(
    strategy: Strategy,
    scheme: LabelScheme,
    outside: bool,
    labels: &[String],
    pieces: &[PieceScores],
) -> Vec<Entity> {
    let mut first_piece = 0;
    let mut tag = |word: &[PieceScores]| {
        let (label, score) = match strategy {
            Strategy::Average => most_probable_of_mean(word),
            Strategy::Max => surest(word),
            _ => most_probable(word[0].probabilities),
        };
        let (first, last) = (&word[0], &word[word.len() - 1]);
        let from = first_piece;
        first_piece += word.len();
        Tagged { label, score, start: first.start, end: last.end, from, to: first_piece, continues: first.continues }
    };
    let tagged: Vec<Tagged> = match strategy {
        Strategy::None | Strategy::Simple => pieces.chunks(1).map(tag).collect(),
        _ => pieces.chunk_by(|_, piece| piece.continues).map(&mut tag).collect(),
    };
    let asked = |it: &Entity| outside || it.label != OUTSIDE;
    if strategy == Strategy::None {
        return tagged.iter().map(|piece| piece.entity(labels[piece.label].clone())).filter(asked).collect();
    }
    let Some(reader) = TagReader::for_entities(labels, scheme) else {
        let groups = tagged.chunk_by(|a, b| joins(&labels[a.label], &labels[b.label]));
        return groups.map(|group| entity(group, labels)).filter(asked).collect();
    };
    // Pieces of a word that repeat its label are one tag: `S-LOC S-LOC` in one word is not two entities.
    let repeats = |a: &Tagged, b: &Tagged| b.continues && a.label == b.label;
    let tags: Vec<&[Tagged]> = tagged.chunk_by(repeats).collect();
    let spans = reader.spans(tags.iter().map(|parts| parts[0].label));
    let whole = |(range, kind): (Range<usize>, &str)| Tagged::whole(&tags[range].concat()).entity(kind.to_owned());
    let between = if outside { between(&spans, tags.len()) } else { Vec::new() };
    let between = between.into_iter().map(|range| (range, OUTSIDE));
    let mut found: Vec<Entity> = spans.iter().map(|it| (it.start..it.end, it.kind)).chain(between).map(whole).collect();
    found.sort_by_key(|it| it.pieces.start);
    found
}

/// Returns the ranges of `0..end` that are in no span. Spans come in their order and do not overlap.
fn between(spans: &[Span<&str>], end: usize) -> Vec<Range<usize>> {
    let starts = [0].into_iter().chain(spans.iter().map(|span| span.end));
    let ends = spans.iter().map(|span| span.start).chain([end]);
    starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| start..end).collect()
}

/// A piece or a word with the label that was decided.
#[derive(Clone, Copy)]
struct Tagged {
    label: usize,
    score: f32,
    start: u32,
    end: u32,
    /// The first piece.
    from: usize,
    /// One past the last piece.
    to: usize,
    /// Whether it belongs to the word of the piece before.
    continues: bool,
}

impl Tagged {
    /// The parts of an entity as one, with the first one's label and the mean score.
    fn whole(parts: &[Tagged]) -> Tagged {
        let sum: f64 = parts.iter().map(|part| part.score as f64).sum();
        let last = &parts[parts.len() - 1];
        Tagged { score: (sum / parts.len() as f64) as f32, end: last.end, to: last.to, ..parts[0] }
    }

    fn entity(&self, label: String) -> Entity {
        Entity { label, score: self.score, start: self.start, end: self.end, pieces: self.from..self.to }
    }
}

/// Returns the label of the surest piece and its probability.
fn surest(word: &[PieceScores]) -> (usize, f32) {
    let mut surest = most_probable(word[0].probabilities);
    for piece in &word[1..] {
        let candidate = most_probable(piece.probabilities);
        if candidate.1 > surest.1 {
            surest = candidate;
        }
    }
    surest
}

/// Returns the most probable label of the pieces' mean and its probability.
fn most_probable_of_mean(word: &[PieceScores]) -> (usize, f32) {
    let mut mean = word[0].probabilities.to_vec();
    for piece in &word[1..] {
        for (sum, probability) in mean.iter_mut().zip(piece.probabilities) {
            *sum += probability;
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= word.len() as f32);
    most_probable(&mean)
}

/// Returns the label of the highest probability, the first of equals, and that probability.
pub fn most_probable(probabilities: &[f32]) -> (usize, f32) {
    let mut best = (0, probabilities[0]);
    for (label, &probability) in probabilities.iter().enumerate().skip(1) {
        if probability > best.1 {
            best = (label, probability);
        }
    }
    best
}

/// Returns whether a part with the label `next` continues the entity whose last part has the label `last`. A label without
/// a prefix continues itself.
fn joins(last: &str, next: &str) -> bool {
    let kind = |label: &str| label.strip_prefix("B-").or(label.strip_prefix("I-")).unwrap_or(label).to_owned();
    !next.starts_with("B-") && kind(last) == kind(next)
}

fn entity(group: &[Tagged], labels: &[String]) -> Entity {
    let first = labels[group[0].label].as_str();
    // transformers takes what stands after the first hyphen, whatever stands before it: it cuts `E-PER` here, but not in
    // `joins`.
    let kind = first.split_once('-').map_or(first, |(_, kind)| kind);
    Tagged::whole(group).entity(kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [&str; 10] = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "S-LOC", "M-ORG", "B-ORG", "U-LOC", "L-PER"];

    /// Entities of pieces with these labels, a letter each; `+` before a label continues the word.
    fn entities(strategy: Strategy, labels: &[&str], pieces: &str) -> Vec<String> {
        entities_by(LabelScheme::Auto, strategy, labels, pieces)
    }

    fn entities_by(scheme: LabelScheme, strategy: Strategy, labels: &[&str], pieces: &str) -> Vec<String> {
        found(scheme, strategy, false, labels, pieces)
    }

    fn found(scheme: LabelScheme, strategy: Strategy, outside: bool, labels: &[&str], pieces: &str) -> Vec<String> {
        let names: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
        let rows: Vec<(bool, Vec<f32>)> = pieces
            .split(' ')
            .map(|piece| {
                let label = piece.trim_start_matches('+');
                let at = labels.iter().position(|name| *name == label).unwrap();
                (piece.starts_with('+'), (0..labels.len()).map(|id| if id == at { 0.5 } else { 0.0 }).collect())
            })
            .collect();
        let scores: Vec<PieceScores> = (0..)
            .zip(&rows)
            .map(|(at, (continues, row))| PieceScores {
                probabilities: row,
                start: at * 2,
                end: at * 2 + 1,
                continues: *continues,
            })
            .collect();
        let found = aggregate(strategy, scheme, outside, &names, &scores);
        found.iter().map(|it| format!("{} {}..{} {}", it.label, it.start, it.end, it.score)).collect()
    }

    /// Entities are what the tags mean by the schemes' definitions. The grouping of transformers, whose letters are B
    /// and I alone, gives `E-PER` an entity of its own.
    #[test]
    fn tags_with_ends_are_read_by_their_scheme() {
        for strategy in [Strategy::Simple, Strategy::First, Strategy::Average, Strategy::Max] {
            let read = |pieces| entities(strategy, &LABELS, pieces);
            assert_eq!(read("B-PER E-PER O S-LOC"), ["PER 0..3 0.5", "LOC 6..7 0.5"], "{strategy:?}");
            assert_eq!(read("S-PER S-PER U-LOC U-LOC").len(), 4, "{strategy:?}");
            assert_eq!(read("B-ORG M-ORG M-ORG O"), ["ORG 0..5 0.5"], "{strategy:?}");
            assert_eq!(read("B-PER I-PER L-PER E-PER"), ["PER 0..5 0.5", "PER 6..7 0.5"], "{strategy:?}");
            // The pieces of a word are one tag.
            assert_eq!(read("S-LOC +S-LOC S-LOC"), ["LOC 0..3 0.5", "LOC 4..5 0.5"], "{strategy:?}");
            assert_eq!(read("B-PER +B-PER E-PER +E-PER"), ["PER 0..7 0.5"], "{strategy:?}");
        }
        assert_eq!(entities(Strategy::None, &LABELS, "B-PER E-PER"), ["B-PER 0..1 0.5", "E-PER 2..3 0.5"]);
        // The wrong twin: the pipeline's grouping, which models with `B-` and `I-` alone keep.
        let pipeline = ["O", "B-PER", "B-LOC", "E-PER", "MISC"];
        assert_eq!(entities(Strategy::First, &pipeline, "B-PER E-PER"), ["PER 0..1 0.5", "PER 2..3 0.5"]);
    }

    /// Between entities stands what is in none, in the order of the text. Entities are as without it.
    #[test]
    fn what_is_outside_is_given_where_it_is_asked_for() {
        let read = |outside, pieces| found(LabelScheme::Auto, Strategy::First, outside, &LABELS, pieces);
        let cases = [
            (
                "O O B-PER E-PER O S-LOC S-LOC O",
                vec!["O 0..3", "PER 4..7", "O 8..9", "LOC 10..11", "LOC 12..13", "O 14..15"],
            ),
            ("B-PER E-PER", vec!["PER 0..3"]),
            ("O +O O", vec!["O 0..5"]),
        ];
        for (pieces, wanted) in cases {
            let all = read(true, pieces);
            assert_eq!(all, wanted.iter().map(|it| format!("{it} 0.5")).collect::<Vec<_>>());
            let inside: Vec<String> = all.into_iter().filter(|it| !it.starts_with("O ")).collect();
            assert_eq!(read(false, pieces), inside);
        }
        // By strict rules, a tag that begins no entity is outside too.
        let strict = |pieces| {
            let scheme = LabelScheme::named("iob2").unwrap();
            found(scheme, Strategy::First, true, &["O", "B-PER", "I-PER"], pieces)
        };
        assert_eq!(strict("I-PER O B-PER I-PER"), ["O 0..3 0.5", "PER 4..7 0.5"]);
    }

    /// A scheme that is asked for is read by its strict rules, as `score` reads it.
    #[test]
    fn an_asked_scheme_decides() {
        let labels = ["O", "B-PER", "I-PER"];
        let read =
            |scheme: &str, pieces| entities_by(LabelScheme::named(scheme).unwrap(), Strategy::First, &labels, pieces);
        assert_eq!(read("auto", "I-PER O B-PER I-PER"), ["PER 0..1 0.5", "PER 4..7 0.5"]);
        assert_eq!(read("iob2", "I-PER O B-PER I-PER"), ["PER 4..7 0.5"]);
        assert_eq!(read("iob1", "I-PER O I-PER B-PER"), ["PER 0..1 0.5", "PER 4..5 0.5", "PER 6..7 0.5"]);
        assert_eq!(read("words", "B-PER I-PER +I-PER O"), ["B-PER 0..1 0.5", "I-PER 2..5 0.5"]);
    }
}
