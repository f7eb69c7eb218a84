//! Pieces become entities, as transformers' token-classification pipeline groups them.
//!
//! The pipeline knows `B-` and `I-` alone. Where a model's tags say more ([`TagReader::with_ends`]), its entities are what
//! the tags mean, read as they are read for scores.

use crate::decode::{Decoded, Decoder, most_probable};
use crate::labels::label_scheme::LabelScheme;
use crate::labels::reading::TagReader;
use crate::labels::scheme::Span;
use std::borrow::Cow;
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

/// The way from probabilities of pieces to entities.
#[derive(Clone, Copy, Debug)]
pub struct Grouping<'a> {
    /// Whose probabilities a label is taken from, and what is grouped.
    pub strategy: Strategy,
    /// How tags become entities; by [`LabelScheme::Words`] each word is an entity under the label's whole name.
    pub scheme: LabelScheme,
    /// Whether what is in no entity is given as well, in its place, under the label [`OUTSIDE`].
    pub outside: bool,
    /// The names of the K labels; [`OUTSIDE`] is outside every entity.
    pub labels: &'a [String],
    /// What chooses the labels.
    pub decoder: &'a Decoder,
    /// The lowest score of an entity; none lets all pass.
    pub threshold: Option<f32>,
}

/// What [`aggregate`] finds in a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The entities, in the order of the text.
    pub entities: Vec<Entity>,
    /// The pieces of entities that are left out, because their score is below the threshold.
    pub below: Vec<Range<usize>>,
    /// Whether no path of labels is legal, so that each word has its most probable one.
    pub has_no_path: bool,
}

/// Returns the entities of one text.
///
/// A decoder that looks at neighbors gives labels to words, never to pieces. A word's probabilities are those of its first
/// piece, or what [`Strategy::Average`] and [`Strategy::Max`] make of its pieces. By [`Strategy::None`] and
/// [`Strategy::Simple`] each piece then has the label and the score of its word.
pub fn aggregate(grouping: Grouping<'_>, pieces: &[PieceScores]) -> Found {
    let Grouping { strategy, scheme, outside, labels, decoder, threshold } = grouping;
    let (tagged, has_no_path) = tag(grouping, pieces);
    let passes = |it: &Entity| it.label == OUTSIDE || threshold.is_none_or(|least| it.score >= least);
    let reader = match strategy {
        Strategy::None => None,
        _ => TagReader::for_entities(labels, scheme),
    };
    let Some(reader) = reader else {
        // Pieces whose label is their word's are not parted, though it begins with `B-`.
        let by_word = decoder.reads_words();
        let joins = |a: &Tagged, b: &Tagged| by_word && b.continues || joins(&labels[a.label], &labels[b.label]);
        let joins = |a: &Tagged, b: &Tagged| strategy != Strategy::None && joins(a, b);
        let groups: Vec<&[Tagged]> = tagged.chunk_by(joins).collect();
        let entity = |group: &[Tagged]| match strategy {
            Strategy::None => group[0].entity(labels[group[0].label].clone()),
            _ => entity(group, labels),
        };
        let all: Vec<Entity> = groups.iter().map(|group| entity(group)).collect();
        let below = all.iter().filter(|it| !passes(it)).map(|it| it.pieces.clone()).collect();
        let found = match outside {
            false => all.into_iter().filter(|it| passes(it) && it.label != OUTSIDE).collect(),
            true => with_outside(all, &groups, strategy != Strategy::None, passes),
        };
        return Found { entities: found, below, has_no_path };
    };
    // Pieces of a word that repeat its label are one tag: `S-LOC S-LOC` in one word is not two entities.
    let repeats = |a: &Tagged, b: &Tagged| b.continues && a.label == b.label;
    let tags: Vec<&[Tagged]> = tagged.chunk_by(repeats).collect();
    let spans = reader.spans(tags.iter().map(|parts| parts[0].label));
    let whole = |range: Range<usize>, kind: &str| Tagged::whole(&tags[range].concat()).entity(kind.to_owned());
    let (kept, left): (Vec<_>, Vec<_>) =
        spans.into_iter().map(|it| (it, whole(it.start..it.end, it.kind))).partition(|(_, entity)| passes(entity));
    let spans: Vec<Span<&str>> = kept.iter().map(|(span, _)| *span).collect();
    let between = if outside { between(&spans, tags.len()) } else { Vec::new() };
    let between = between.into_iter().map(|range| whole(range, OUTSIDE));
    let mut found: Vec<Entity> = kept.into_iter().map(|(_, entity)| entity).chain(between).collect();
    found.sort_by_key(|it| it.pieces.start);
    let below = left.into_iter().map(|(_, entity)| entity.pieces).collect();
    Found { entities: found, below, has_no_path }
}

/// Returns groups as entities, with runs of what is outside or does not pass as one where `merge` says so.
fn with_outside(all: Vec<Entity>, groups: &[&[Tagged]], merge: bool, passes: impl Fn(&Entity) -> bool) -> Vec<Entity> {
    let named = all.into_iter().map(|it| if passes(&it) { it } else { Entity { label: OUTSIDE.to_owned(), ..it } });
    let pairs: Vec<(Entity, &[Tagged])> = named.zip(groups.iter().copied()).collect();
    let runs = pairs.chunk_by(|(a, _), (b, _)| merge && a.label == OUTSIDE && b.label == OUTSIDE);
    let run = |run: &[(Entity, &[Tagged])]| match run {
        [(entity, _)] => entity.clone(),
        _ => {
            let parts: Vec<Tagged> = run.iter().flat_map(|(_, group)| group.iter().copied()).collect();
            Tagged::whole(&parts).entity(OUTSIDE.to_owned())
        }
    };
    runs.map(run).collect()
}

/// Returns the pieces or words with their labels, and whether no path of labels was legal.
fn tag(grouping: Grouping<'_>, pieces: &[PieceScores]) -> (Vec<Tagged>, bool) {
    let Grouping { strategy, decoder, .. } = grouping;
    let in_pieces = matches!(strategy, Strategy::None | Strategy::Simple);
    let words: Vec<&[PieceScores]> = match in_pieces && !decoder.reads_words() {
        true => pieces.chunks(1).collect(),
        false => pieces.chunk_by(|_, piece| piece.continues).collect(),
    };
    let rows: Vec<Cow<'_, [f32]>> = words
        .iter()
        .map(|word| match strategy {
            Strategy::Average => mean(word),
            Strategy::Max => Cow::Borrowed(surest(word)),
            _ => Cow::Borrowed(word[0].probabilities),
        })
        .collect();
    let borrowed: Vec<Option<&[f32]>> = rows.iter().map(|row| Some(&**row)).collect();
    let Decoded { labels, has_no_path, .. } = decoder.decode(&borrowed, 0);
    let mut tagged = Vec::with_capacity(if in_pieces { pieces.len() } else { words.len() });
    let mut from = 0;
    for ((word, row), label) in words.iter().zip(&rows).zip(labels) {
        let score = row[label as usize];
        for part in word.chunks(if in_pieces { 1 } else { word.len() }) {
            let (first, last) = (&part[0], &part[part.len() - 1]);
            let to = from + part.len();
            let (start, end, continues) = (first.start, last.end, first.continues);
            tagged.push(Tagged { label: label as usize, score, start, end, from, to, continues });
            from = to;
        }
    }
    (tagged, has_no_path)
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

/// Returns the probabilities of the surest piece, the first of equals.
fn surest<'a>(word: &[PieceScores<'a>]) -> &'a [f32] {
    let mut surest = word[0].probabilities;
    for piece in &word[1..] {
        if most_probable(piece.probabilities).1 > most_probable(surest).1 {
            surest = piece.probabilities;
        }
    }
    surest
}

/// Returns the mean of the pieces' probabilities.
fn mean<'a>(word: &[PieceScores<'a>]) -> Cow<'a, [f32]> {
    if let [only] = word {
        return Cow::Borrowed(only.probabilities);
    }
    let mut mean = word[0].probabilities.to_vec();
    for piece in &word[1..] {
        for (sum, probability) in mean.iter_mut().zip(piece.probabilities) {
            *sum += probability;
        }
    }
    mean.iter_mut().for_each(|sum| *sum /= word.len() as f32);
    Cow::Owned(mean)
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
        let decoder = Decoder::Argmax;
        let grouping = Grouping { strategy, scheme, outside, labels: &names, decoder: &decoder, threshold: None };
        aggregate(grouping, &scores)
            .entities
            .iter()
            .map(|it| format!("{} {}..{} {}", it.label, it.start, it.end, it.score))
            .collect()
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
