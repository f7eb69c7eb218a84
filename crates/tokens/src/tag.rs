//! From words or running text to labels and entities: encode, cut into windows, score in batches, merge, read off.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use crate::error::of_device;
use crate::folder::Head;
use crate::model::Model;
use tagsmith_encoder::batch::{Batch, each_by_tokens};
use tagsmith_encoder::config::Config;
use tagsmith_kernel::{Device, Precision};
use tagsmith_message::Remedy;
use tagsmith_text::align::aggregate::{Entity, OUTSIDE, PieceScores, Strategy, aggregate, most_probable};
use tagsmith_text::align::windows::Plan;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::scheme::{self, Style};
use tagsmith_text::tagged::{CodePoints, Content, InPieces, Input, Mention, Tagged, Tally, Watch, WordLabel, joined};
use tagsmith_text::tokenizer::{self, Pieces, Tokenizer};

/// Why something cannot be tagged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The model's files.
    #[error("the model cannot be read")]
    Model(#[from] crate::error::Error),
    /// The tokenizer's files.
    #[error("the tokenizer cannot be read")]
    Tokenizer(#[source] tokenizer::Error),
    /// A longest sequence that the model does not take.
    #[error("`max_seq_length` is {asked} but the model has {positions} positions: ask for at most that")]
    TooLong {
        /// What was asked for.
        asked: usize,
        /// What the position table allows.
        positions: usize,
    },
    /// A scheme that the model's labels are not of.
    #[error("the model's labels are not of the scheme that is asked for")]
    Scheme(#[from] scheme::Error),
    /// An input that the tokenizer or the windows refuse.
    #[error("{place}: cannot be tagged")]
    Input {
        /// Where the input is.
        place: String,
        /// Why.
        source: tokenizer::Error,
    },
    /// Rows of the word table that cannot be read, or a device that failed or has too little memory.
    #[error(transparent)]
    Kernel(#[from] tagsmith_kernel::Error),
    /// Scores that are infinite or not numbers: no label follows from them.
    #[error(
        "{place}: the model's scores are not numbers: its weights were spoiled in training, or by whoever wrote them"
    )]
    NotNumbers {
        /// The first input whose scores are not.
        place: String,
    },
    /// A piece that the model has no row for.
    #[error("{place}: the tokenizer gives {what} {id} but the model has {rows}: they are not of one checkpoint")]
    Table {
        /// Where the input is.
        place: String,
        /// `token id` or `token type`.
        what: &'static str,
        /// The number.
        id: u32,
        /// Rows of the table.
        rows: usize,
    },
}

impl Error {
    /// Returns what the user can do about the error.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Error::Model(error) => error.remedy(),
            Error::Kernel(tagsmith_kernel::Error::Device(error)) => of_device(error),
            _ => None,
        }
    }
}

/// What the user may choose.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The longest sequence in pieces, special ones included; what tokenizer and model allow if none.
    pub max_seq_length: Option<usize>,
    /// How many pieces windows share at most; a quarter of a window if none.
    pub stride: Option<usize>,
    /// Rows of a batch at most (a longer window is a batch of its own).
    pub batch_tokens: usize,
    /// How entities are formed.
    pub strategy: Strategy,
    /// How tags are read.
    pub scheme: LabelScheme,
    /// Whether entities show their pieces too.
    pub in_pieces: bool,
    /// Whether what is in no entity is given as well, under the label `O`.
    pub outside: bool,
}

/// A request made definite for one model.
#[derive(Clone, Debug)]
pub struct TagOptions {
    /// The labels' names, in id order.
    pub labels: Vec<String>,
    /// The longest sequence in pieces, special ones included.
    pub max_length: usize,
    /// How many pieces windows share at most.
    pub stride: usize,
    /// Rows of a batch at most.
    pub batch_tokens: usize,
    /// How entities are formed.
    pub strategy: Strategy,
    /// How tags are read.
    pub scheme: LabelScheme,
    /// Whether entities show their pieces too.
    pub in_pieces: bool,
    /// Whether what is in no entity is given as well, under the label `O`.
    pub outside: bool,
    /// Rows of the model's token table.
    pub vocab_size: usize,
    /// Rows of its token-type table; 0 if it has none.
    pub type_vocab_size: usize,
}

impl TagOptions {
    /// What `request` means for a model of this configuration.
    ///
    /// # Errors
    /// A longer sequence than the model takes; labels that are not of the scheme that is asked for.
    pub fn new(config: &Config, tokenizer: &Tokenizer, request: Request) -> Result<TagOptions, Error> {
        let positions = config.shape.positions_max;
        let max_length = match request.max_seq_length {
            Some(asked) if asked > positions => return Err(Error::TooLong { asked, positions }),
            Some(asked) => asked,
            None => tokenizer.model_max_length.map_or(positions, |length| length.min(positions)),
        };
        request.scheme.check(&config.labels, Style::Prefix)?;
        Ok(TagOptions {
            labels: config.labels.clone(),
            max_length,
            stride: request.stride.unwrap_or(max_length / 4),
            batch_tokens: request.batch_tokens,
            strategy: request.strategy,
            scheme: request.scheme,
            in_pieces: request.in_pieces,
            outside: request.outside,
            vocab_size: config.shape.vocab_size,
            type_vocab_size: config.shape.type_vocab_size,
        })
    }
}

/// What may differ from input to input. What is not chosen is as the tagger was loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// How entities are formed.
    pub strategy: Option<Strategy>,
    /// How many pieces windows share at most.
    pub stride: Option<usize>,
    /// Whether entities show their pieces too.
    pub in_pieces: Option<bool>,
    /// Whether what is in no entity is given as well, under the label `O`.
    pub outside: Option<bool>,
}

/// A model with its tokenizer.
pub struct Tagger {
    model: Model,
    reader: Arc<Reader>,
}

/// The part of a tagger that turns inputs into pieces and windows: all that tagging does without the model.
#[derive(Clone)]
pub struct Reader {
    tokenizer: Arc<Tokenizer>,
    options: TagOptions,
}

impl Tagger {
    /// Reads a Hugging Face folder, for a device. Returns what was noteworthy in its files beside the tagger.
    ///
    /// # Errors
    /// Files that are missing or damaged; a model without a head; a longer sequence than the model takes; a device without
    /// enough memory.
    pub fn load(
        folder: &Path,
        request: Request,
        precision: Precision,
        device: &Device,
    ) -> Result<(Tagger, Vec<String>), Error> {
        let (config, mut notes) = Config::read(folder).map_err(crate::error::Error::from)?;
        let tokenizer = Tokenizer::from_folder(folder).map_err(Error::Tokenizer)?;
        let options = TagOptions::new(&config, &tokenizer, request)?;
        let (mut model, of_weights) = Model::load(folder, config, Head::Required)?;
        model.precision = precision;
        if let Device::Gpu(_) = device {
            model = model.to(device)?;
        }
        notes.extend(of_weights);
        let beyond = tokenizer.pieces_beyond(options.vocab_size);
        notes.extend(tokenizer.notes.iter().chain(&beyond).map(ToString::to_string));
        Ok((Tagger { model, reader: Arc::new(Reader { tokenizer: Arc::new(tokenizer), options }) }, notes))
    }

    /// Returns what encodes inputs. It can be handed to other threads.
    pub fn reader(&self) -> Arc<Reader> {
        self.reader.clone()
    }

    /// Returns the longest window in pieces, special ones included.
    pub fn max_length(&self) -> usize {
        self.reader.options.max_length
    }

    /// Tags encoded inputs, in their order.
    ///
    /// # Errors
    /// Rows of the word table that cannot be read; scores that are not numbers.
    pub fn tag(&self, inputs: Vec<Encoded>, tally: &mut Tally, watch: Watch<'_>) -> Result<Vec<Tagged>, Error> {
        let all: usize = inputs.iter().map(Encoded::all_rows).sum();
        let done = Cell::new(0);
        tag((&self.reader.tokenizer, &self.reader.options), inputs, tally, |batch| {
            let scores = self.model.infer(batch)?;
            done.set(done.get() + batch.rows());
            watch(done.get(), all);
            Ok(scores)
        })
    }

    /// Returns the probabilities of the pieces of some windows, all of which the model reads at once.
    ///
    /// # Errors
    /// Rows of the word table that cannot be read.
    pub fn infer(&self, windows: &[Window<'_>]) -> Result<Vec<Vec<f32>>, Error> {
        Ok(probabilities(windows, self.reader.options.labels.len(), &|batch: &Batch| self.model.infer(batch))?)
    }

    /// Reads an input's labels and entities off the probabilities of its windows.
    ///
    /// # Errors
    /// Probabilities that are not numbers.
    pub fn finish(&self, input: Encoded, windows: &[Vec<f32>], tally: &mut Tally) -> Result<Tagged, Error> {
        finish((&self.reader.tokenizer, &self.reader.options), input, windows, tally)
    }
}

impl Reader {
    /// Returns a reader of the same tokenizer with other choices.
    pub fn with(&self, choices: &Choices) -> Reader {
        let mut reader = self.clone();
        let options = &mut reader.options;
        options.strategy = choices.strategy.unwrap_or(options.strategy);
        options.stride = choices.stride.unwrap_or(options.stride);
        options.in_pieces = choices.in_pieces.unwrap_or(options.in_pieces);
        options.outside = choices.outside.unwrap_or(options.outside);
        reader
    }

    /// Returns the names that [`WordLabel::label`] counts.
    pub fn labels(&self) -> &[String] {
        &self.options.labels
    }

    /// Returns the tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Cuts an input into words, pieces and windows.
    ///
    /// # Errors
    /// An input that the tokenizer refuses; a stride that fills the window; a piece that the model has no row for.
    pub fn encode(&self, input: &Input) -> Result<Encoded, Error> {
        encode(&self.tokenizer, &self.options, input)
    }
}

/// An input as the model will read it.
pub struct Encoded {
    place: String,
    prepared: Prepared,
    plan: Plan,
    strategy: Strategy,
    in_pieces: bool,
    outside: bool,
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
    fn all_rows(&self) -> usize {
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
    let TagOptions { strategy, in_pieces, outside, .. } = *options;
    Ok(Encoded { place: place.clone(), prepared, plan, strategy, in_pieces, outside })
}

/// Tags inputs, in their order, with whatever gives a batch's scores (rows × labels). Windows of like length share batches
/// of at most `options.batch_tokens` rows.
///
/// # Errors
/// What `infer` cannot compute; scores that are not numbers.
pub fn tag(
    (tokenizer, options): (&Tokenizer, &TagOptions),
    inputs: Vec<Encoded>,
    tally: &mut Tally,
    infer: impl Fn(&Batch) -> Result<Vec<f32>, tagsmith_kernel::Error>,
) -> Result<Vec<Tagged>, Error> {
    let windows: Vec<Window<'_>> =
        inputs.iter().flat_map(|input| (0..input.windows()).map(move |window| (input, window))).collect();
    let lengths: Vec<usize> = windows.iter().map(|(input, window)| input.rows(*window)).collect();
    let of_windows = each_by_tokens(&lengths, options.batch_tokens, |group| {
        let group: Vec<Window<'_>> = group.iter().map(|&at| windows[at]).collect();
        probabilities(&group, options.labels.len(), &infer)
    })?;
    let mut of_windows = of_windows.into_iter();
    let finished = inputs.into_iter().map(|input| {
        let own: Vec<Vec<f32>> = of_windows.by_ref().take(input.windows()).collect();
        finish((tokenizer, options), input, &own, tally)
    });
    finished.collect()
}

/// Returns the probabilities (its pieces × labels) of each window. The windows are one batch.
///
/// # Errors
/// What `infer` cannot compute.
fn probabilities(
    windows: &[Window<'_>],
    labels: usize,
    infer: &impl Fn(&Batch) -> Result<Vec<f32>, tagsmith_kernel::Error>,
) -> Result<Vec<Vec<f32>>, tagsmith_kernel::Error> {
    let mut batch = Batch::default();
    for (input, window) in windows {
        let (pieces, window) = (&input.prepared.pieces, &input.plan.windows[*window]);
        batch.push(&pieces.around(&pieces.ids, window.clone()), &pieces.around(&pieces.types, window.clone()), &[]);
    }
    let scores = infer(&batch)?;
    assert_eq!(scores.len(), batch.rows() * labels, "tag: {} rows of {labels} labels", batch.rows());
    let of_window = |((input, window), &start): (&Window<'_>, &u32)| {
        let first = start as usize + input.prepared.pieces.prefix;
        let rows = &scores[first * labels..(first + input.plan.windows[*window].len()) * labels];
        rows.chunks_exact(labels).flat_map(softmax).collect()
    };
    Ok(windows.iter().zip(&batch.starts).map(of_window).collect())
}

/// Merges the probabilities of an input's windows as [`Plan::merge`] says, and reads its labels and entities off them.
fn finish(
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
    let probabilities = plan.merge(&prepared.pieces, options.labels.len(), windows);
    // An infinite score makes the probabilities of its piece NaN.
    if probabilities.iter().any(|probability| !probability.is_finite()) {
        return Err(Error::NotNumbers { place: input.place });
    }
    let rows: Vec<&[f32]> = probabilities.chunks_exact(options.labels.len()).collect();
    let (labels, stopgaps) = word_labels(&prepared.first_pieces, &rows, &options.labels);
    for word in stopgaps {
        let place = || format!("{place} word {} {:?}", word + 1, prepared.words[word]);
        tally.add_important("{word gives|words give} the model nothing to read and got a stopgap label", place);
    }
    let (entities, blank) = mentions(&input, &rows, (tokenizer, options));
    for _ in 0..blank {
        tally.add("{entity|entities} of white space alone {is|are} left out", || place.clone());
    }
    tally.entities += entities.iter().filter(|it| it.label != OUTSIDE).count();
    let Prepared { text, words, .. } = input.prepared;
    Ok(Tagged { text, words, labels, entities })
}

/// An input in pieces, with everything that leads back from them to its text.
struct Prepared {
    text: String,
    words: Vec<String>,
    pieces: Pieces,
    /// The first piece of each word.
    first_pieces: Vec<Option<u32>>,
    /// Start and end of each piece in the text, in code points.
    spans: Vec<(u32, u32)>,
    /// Whether each piece belongs to the word of the one before.
    continues: Vec<bool>,
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

/// exp(score − highest) / Σ exp(score − highest), in f32 as the pipeline has it.
pub fn softmax(scores: &[f32]) -> Vec<f32> {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The most probable label at each word's first piece, and the words that have no piece to look at. Such words get `O`,
/// or if the labels have no `O` the one most frequent among the other words.
fn word_labels(first_pieces: &[Option<u32>], rows: &[&[f32]], names: &[String]) -> (Vec<WordLabel>, Vec<usize>) {
    let read = |first: &Option<u32>| {
        // A piece that no window holds has probabilities of zero.
        let row = first.map(|at| rows[at as usize]).filter(|row| row.iter().any(|&probability| probability != 0.0))?;
        let (label, probability) = most_probable(row);
        Some(WordLabel { label: label as u32, probability })
    };
    let found: Vec<Option<WordLabel>> = first_pieces.iter().map(read).collect();
    let stopgap = names.iter().position(|name| name == "O").unwrap_or_else(|| {
        let mut counts = vec![0usize; names.len()];
        found.iter().flatten().for_each(|word| counts[word.label as usize] += 1);
        let most = counts.iter().max().copied().unwrap_or(0);
        counts.iter().position(|&count| count == most).unwrap_or(0)
    });
    let stopgaps = (0..found.len()).filter(|&word| found[word].is_none()).collect();
    let stopgap = WordLabel { label: stopgap as u32, probability: 0.0 };
    (found.into_iter().map(|word| word.unwrap_or(stopgap)).collect(), stopgaps)
}

/// Returns the entities without white space around them, and how many were nothing else.
fn mentions(
    Encoded { prepared, strategy, in_pieces, outside, .. }: &Encoded,
    rows: &[&[f32]],
    (tokenizer, options): (&Tokenizer, &TagOptions),
) -> (Vec<Mention>, usize) {
    let read = |&at: &usize| rows[at].iter().any(|&probability| probability != 0.0);
    let piece = |&at: &usize| {
        let (start, end) = prepared.spans[at];
        PieceScores { probabilities: rows[at], start, end, continues: prepared.continues[at] }
    };
    let places: Vec<usize> = prepared.pieces.content().filter(read).collect();
    let pieces: Vec<PieceScores> = places.iter().map(piece).collect();
    let letters = CodePoints::new(&prepared.text);
    let found = aggregate(*strategy, options.scheme, *outside, &options.labels, &pieces);
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
    let mentions: Vec<Mention> = found.into_iter().filter_map(mention).collect();
    let blank = count - mentions.len();
    (mentions, blank)
}
