//! An input as the model will read it.

use crate::tag::decoders::Chosen;
use crate::tag::error::Error;
use crate::tag::options::TagOptions;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::align::windows::Plan;
use tagsmith_text::tagged::{CodePoints, Content, Input, joined};
use tagsmith_text::tokenizer::{self, Pieces, Tokenizer};

/// An input as the model will read it.
pub struct Encoded {
    pub(super) place: String,
    pub(super) prepared: Prepared,
    pub(super) plan: Plan,
    pub(super) strategy: Strategy,
    pub(super) in_pieces: bool,
    pub(super) outside: bool,
    pub(super) chosen: Chosen,
    pub(super) threshold: Option<f32>,
}

/// One window of an input: the input, and the window's number.
pub type Window<'a> = (&'a Encoded, usize);

impl Encoded {
    /// Counts the windows.
    pub fn windows(&self) -> usize {
        self.plan.windows.len()
    }

    /// Counts the rows that the model reads of a window: its pieces, with the special ones around them.
    pub fn rows(&self, window: usize) -> usize {
        let pieces = &self.prepared.pieces;
        self.plan.windows[window].len() + pieces.prefix + pieces.suffix
    }

    /// Counts the pieces, special ones included.
    pub fn pieces(&self) -> usize {
        self.prepared.pieces.len()
    }

    /// Counts the rows that the model reads, in all windows.
    pub(super) fn all_rows(&self) -> usize {
        (0..self.windows()).map(|window| self.rows(window)).sum()
    }
}

/// Cuts an input into words, pieces and windows.
///
/// # Errors
/// An input that the tokenizer refuses; a stride that fills the window; a piece that the model has no row for.
pub fn encode(tokenizer: &Tokenizer, options: &TagOptions, input: &Input) -> Result<Encoded, Error> {
    let Input { place, content } = input;
    let refused = |source| Error::Input { place: place.clone(), source };
    let prepared = prepare(tokenizer, content.clone()).map_err(refused)?;
    check_tables(&prepared.pieces, options, place)?;
    let plan = Plan::new(&prepared.pieces, options.max_length, options.stride).map_err(refused)?;
    let TagOptions { strategy, in_pieces, outside, threshold, .. } = *options;
    let chosen = options.chosen.clone();
    Ok(Encoded { place: place.clone(), prepared, plan, strategy, in_pieces, outside, chosen, threshold })
}

/// An input in pieces, with everything that leads back from them to its text.
pub(super) struct Prepared {
    pub(super) text: String,
    pub(super) words: Vec<String>,
    pub(super) pieces: Pieces,
    /// The first piece of each word.
    pub(super) first_pieces: Vec<Option<u32>>,
    /// Start and end of each piece in the text, in code points.
    pub(super) spans: Vec<(u32, u32)>,
    /// Whether each piece belongs to the word of the one before.
    pub(super) continues: Vec<bool>,
}

fn prepare(tokenizer: &Tokenizer, content: Content) -> Result<Prepared, tokenizer::Error> {
    match content {
        Content::Words(words) => {
            let pieces = tokenizer.encode_words(&words)?;
            let (text, places) = joined(&words);
            let shift = |(word, &(start, end)): (&Option<u32>, &(u32, u32))| {
                let by = word.map_or(0, |word| places[word as usize].0 as u32);
                (start + by, end + by)
            };
            Ok(Prepared {
                text,
                first_pieces: pieces.first_of_words(words.len()),
                spans: pieces.words.iter().zip(&pieces.offsets).map(shift).collect(),
                continues: (0..pieces.len()).map(|at| at > 0 && pieces.words[at] == pieces.words[at - 1]).collect(),
                words,
                pieces,
            })
        }
        Content::Text(text) => {
            let encoded = tokenizer.encode_text(&text)?;
            let letters = CodePoints::new(&text);
            let words = encoded.words.iter().map(|&(start, end)| letters.slice(start, end).to_owned()).collect();
            let spans = encoded.pieces.offsets.clone();
            let (pieces, first_pieces, continues) = (encoded.pieces, encoded.first_pieces, encoded.continues);
            Ok(Prepared { text, words, pieces, first_pieces, spans, continues })
        }
    }
}

fn check_tables(pieces: &Pieces, options: &TagOptions, place: &str) -> Result<(), Error> {
    let beyond = |ids: &[u32], rows: usize, what| match ids.iter().find(|&&id| id as usize >= rows) {
        Some(&id) => Err(Error::Table { place: place.to_owned(), what, id, rows }),
        None => Ok(()),
    };
    beyond(&pieces.ids, options.vocab_size, "token id")?;
    if options.type_vocab_size > 0 { beyond(&pieces.types, options.type_vocab_size, "token type") } else { Ok(()) }
}
