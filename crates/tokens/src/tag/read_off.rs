//! Probabilities of an input's pieces become labels of its words and entities.

use crate::tag::encoded::{Encoded, Prepared};
use crate::tag::error::Error;
use crate::tag::options::TagOptions;
use std::ops::Range;
use tagsmith_text::align::aggregate::{Entity, Found, Grouping, OUTSIDE, PieceScores, Strategy, aggregate};
use tagsmith_text::decode::{Decoded, most_probable};
use tagsmith_text::tagged::{CodePoints, InPieces, Mention, Tagged, Tally, WordLabel};
use tagsmith_text::tokenizer::Tokenizer;

/// Merges the probabilities of an input's windows as [`Plan::merge`] says, and reads its labels and entities off them.
pub(super) fn finish(
    (tokenizer, options): (&Tokenizer, &TagOptions),
    input: Encoded,
    windows: &[Vec<f32>],
    tally: &mut Tally,
) -> Result<Tagged, Error> {
    let Encoded { place, prepared, plan, .. } = &input;
    tally.count(place, prepared.words.len(), plan.windows.len());
    for word in &plan.parted {
        let place = || format!("{place} word {}", word + 1);
        tally.add("{word is|words are} longer than a whole window and {was|were} read in parts", place);
    }
    let probabilities = merged(&input, windows, options.labels.len())?;
    let rows: Vec<&[f32]> = probabilities.chunks_exact(options.labels.len()).collect();
    let (mut labels, stopgaps, decoded) = word_labels(&input, &rows, &options.labels);
    for word in stopgaps {
        let place = || format!("{place} word {} {:?}", word + 1, prepared.words[word]);
        tally.add_important("{word gives|words give} the model nothing to read and got a stopgap label", place);
    }
    for _ in 0..decoded.changed {
        const OTHER: &str =
            "{word has|words have} another label than {its|their} most probable one, so that tags are legal";
        tally.add(OTHER, || place.clone());
    }
    let Mentions { entities, blank, below, has_no_path } = mentions(&input, &rows, (tokenizer, options));
    if decoded.has_no_path || has_no_path {
        const NO_PATH: &str =
            "{input has|inputs have} no legal path of labels, so each word got its most probable label";
        tally.add_important(NO_PATH, || place.clone());
    }
    for _ in 0..blank {
        tally.add("{entity|entities} of white space alone {is|are} left out", || place.clone());
    }
    for pieces in &below {
        tally.add("{entity is|entities are} below the threshold and left out", || place.clone());
        set_outside(&mut labels, pieces, (&input, &rows, &options.labels));
    }
    let abstains_below = options.abstains_below;
    tally.entities += entities.iter().filter(|it| it.label != OUTSIDE).count();
    let Prepared { text, words, .. } = input.prepared;
    let tagged = Tagged { text, words, labels, entities, abstains_below };
    for _ in tagged.labels.iter().filter(|word| tagged.is_abstained(word.probability)) {
        tally.add("{word is|words are} abstained from", || input.place.clone());
    }
    for _ in tagged.entities.iter().filter(|it| tagged.is_abstained(it.score)) {
        tally.add("{entity is|entities are} abstained from", || input.place.clone());
    }
    Ok(tagged)
}

/// Returns the probabilities of an input's pieces (pieces × labels).
fn merged(input: &Encoded, windows: &[Vec<f32>], labels: usize) -> Result<Vec<f32>, Error> {
    let probabilities = input.plan.merge(&input.prepared.pieces, labels, windows);
    // An infinite score makes the probabilities of its piece NaN.
    match probabilities.iter().all(|probability| probability.is_finite()) {
        true => Ok(probabilities),
        false => Err(Error::NotNumbers { place: input.place.clone() }),
    }
}

/// Returns the probabilities of an input's words.
pub(super) fn word_rows(input: &Encoded, windows: &[Vec<f32>], labels: usize) -> Result<Vec<Option<Vec<f32>>>, Error> {
    let probabilities = merged(input, windows, labels)?;
    let rows: Vec<&[f32]> = probabilities.chunks_exact(labels).collect();
    Ok(first_rows(input, &rows).into_iter().map(|row| row.map(<[f32]>::to_vec)).collect())
}

/// Returns the row of each word's first piece; none for a word that no window reads.
fn first_rows<'r>(input: &Encoded, rows: &[&'r [f32]]) -> Vec<Option<&'r [f32]>> {
    // A piece that no window holds has probabilities of zero.
    let is_read = |row: &&[f32]| row.iter().any(|&probability| probability != 0.0);
    let row = |first: &Option<u32>| first.map(|at| rows[at as usize]).filter(is_read);
    input.prepared.first_pieces.iter().map(row).collect()
}

/// Gives `O` to the words of an entity that is left out: those whose first piece is among its pieces.
fn set_outside(
    labels: &mut [WordLabel],
    pieces: &Range<usize>,
    (input, rows, names): (&Encoded, &[&[f32]], &[String]),
) {
    let outside = names.iter().position(|name| name == OUTSIDE).expect("a threshold needs a label for it");
    for (word, first) in labels.iter_mut().zip(&input.prepared.first_pieces) {
        if let Some(first) = first.filter(|&first| pieces.contains(&(first as usize))) {
            *word = WordLabel { label: outside as u32, probability: rows[first as usize][outside] };
        }
    }
}

/// The label of each word by its first piece, the words that have no piece to look at, and what decoding did. Such words
/// get `O`, or if the labels have no `O` the one most frequent among the other words.
fn word_labels(input: &Encoded, rows: &[&[f32]], names: &[String]) -> (Vec<WordLabel>, Vec<usize>, Decoded) {
    let read = first_rows(input, rows);
    let stopgap = names.iter().position(|name| name == OUTSIDE).unwrap_or_else(|| {
        let mut counts = vec![0usize; names.len()];
        read.iter().flatten().for_each(|row| counts[most_probable(row).0] += 1);
        let most = counts.iter().max().copied().unwrap_or(0);
        counts.iter().position(|&count| count == most).unwrap_or(0)
    });
    let decoded = input.chosen.decoder.decode(&read, stopgap as u32);
    let label = |(row, &label): (&Option<&[f32]>, &u32)| WordLabel {
        label,
        probability: row.map_or(0.0, |row| row[label as usize]),
    };
    let labels = read.iter().zip(&decoded.labels).map(label).collect();
    let stopgaps = (0..read.len()).filter(|&word| read[word].is_none()).collect();
    (labels, stopgaps, decoded)
}

/// The entities of an input.
struct Mentions {
    /// Entities without white space around them.
    entities: Vec<Mention>,
    /// How many were nothing else.
    blank: usize,
    /// The pieces of those below the threshold.
    below: Vec<Range<usize>>,
    /// Whether no path of labels was legal.
    has_no_path: bool,
}

fn mentions(
    Encoded { prepared, strategy, in_pieces, outside, chosen, threshold, .. }: &Encoded,
    rows: &[&[f32]],
    (tokenizer, options): (&Tokenizer, &TagOptions),
) -> Mentions {
    let read = |&at: &usize| rows[at].iter().any(|&probability| probability != 0.0);
    let piece = |&at: &usize| {
        let (start, end) = prepared.spans[at];
        PieceScores { probabilities: rows[at], start, end, continues: prepared.continues[at] }
    };
    let places: Vec<usize> = prepared.pieces.content().filter(read).collect();
    let pieces: Vec<PieceScores> = places.iter().map(piece).collect();
    let letters = CodePoints::new(&prepared.text);
    let grouping = Grouping {
        strategy: *strategy,
        scheme: options.scheme,
        outside: *outside,
        labels: &options.labels,
        decoder: &chosen.decoder,
        threshold: *threshold,
    };
    let Found { entities: found, below, has_no_path } = aggregate(grouping, &pieces);
    let below = below.into_iter().map(|it| places[it.start]..places[it.end - 1] + 1).collect();
    let count = found.len();
    let spelling = |&at: &usize| {
        let (start, end) = prepared.spans[at];
        tokenizer.spelling(prepared.pieces.ids[at], letters.slice(start, end))
    };
    let word = |places: &[usize]| match strategy {
        Strategy::None => places.iter().map(spelling).collect(),
        Strategy::Simple => tokenizer.put_together(places.iter().map(spelling).collect()),
        // The pipeline puts words together, and then the entity of them.
        _ => {
            let words = places.chunk_by(|_, &at| prepared.continues[at]);
            let words = words.map(|word| tokenizer.put_together(word.iter().map(spelling).collect()));
            tokenizer.put_together(words.collect())
        }
    };
    let mention = |it: Entity| {
        let places = &places[it.pieces];
        let shown = || InPieces { word: word(places), index: places[0] as u32, start: it.start, end: it.end };
        let in_pieces = in_pieces.then(shown);
        let mention = letters.mention(it.label, it.score, letters.trimmed(it.start, it.end)?);
        Some(Mention { in_pieces, ..mention })
    };
    let entities: Vec<Mention> = found.into_iter().filter_map(mention).collect();
    let blank = count - entities.len();
    Mentions { entities, blank, below, has_no_path }
}
