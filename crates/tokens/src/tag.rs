//! From words or running text to labels and entities: encode, cut into windows, score in batches, merge, read off.

pub mod decoders;
mod encoded;
mod error;
mod options;
mod read_off;

use decoders::Decoders;
use options::check_threshold;
use read_off::{finish, word_rows};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

use crate::folder::Head;
use crate::model::Model;
use tagsmith_encoder::batch::{Batch, each_by_tokens};
use tagsmith_encoder::config::Config;
use tagsmith_kernel::{Device, Precision};
use tagsmith_text::tagged::{Input, Tagged, Tally, Watch};
use tagsmith_text::tokenizer::Tokenizer;

pub use encoded::{Encoded, Window, encode};
pub use error::Error;
pub use options::{Choices, Request, TagOptions};

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
        let decoders = Decoders::new(&config.labels, request.scheme, decoders::read(folder)?);
        let (mut model, of_weights) = Model::load(folder, config, Head::Required)?;
        let decoders = decoders.with_chain(model.chain()?);
        let options = TagOptions::new(&model.config, &tokenizer, decoders, request)?;
        notes.extend(options.chosen.note.clone());
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

    /// Returns what can decode.
    pub fn decoders(&self) -> &Decoders {
        &self.reader.options.decoders
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

    /// Returns the probabilities of each input's words, in the order of the inputs. They are those of a word's first piece;
    /// none for a word that the model reads nothing of.
    ///
    /// # Errors
    /// See [`Tagger::tag`].
    pub fn word_probabilities(&self, inputs: &[Encoded]) -> Result<Vec<Vec<Option<Vec<f32>>>>, Error> {
        let options = &self.reader.options;
        let windows = all_windows(inputs, options, |batch| self.model.infer(batch))?;
        let mut windows = windows.into_iter();
        let rows = |input: &Encoded| {
            let own: Vec<Vec<f32>> = windows.by_ref().take(input.windows()).collect();
            word_rows(input, &own, options.labels.len())
        };
        inputs.iter().map(rows).collect()
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
    ///
    /// # Errors
    /// A decoding or a threshold that the labels do not allow.
    pub fn with(&self, choices: &Choices) -> Result<Reader, Error> {
        let mut reader = self.clone();
        let options = &mut reader.options;
        options.strategy = choices.strategy.unwrap_or(options.strategy);
        options.stride = choices.stride.unwrap_or(options.stride);
        options.in_pieces = choices.in_pieces.unwrap_or(options.in_pieces);
        options.outside = choices.outside.unwrap_or(options.outside);
        options.threshold = choices.threshold.or(options.threshold);
        check_threshold(&options.labels, options.threshold)?;
        if choices.decoding != decoders::Asked::default() {
            options.asked = choices.decoding.or(&options.asked);
            options.chosen = options.decoders.choose(&options.asked)?;
        }
        Ok(reader)
    }

    /// Returns the names that [`WordLabel::label`](tagsmith_text::tagged::WordLabel::label) counts.
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
    let mut of_windows = all_windows(&inputs, options, infer)?.into_iter();
    let finished = inputs.into_iter().map(|input| {
        let own: Vec<Vec<f32>> = of_windows.by_ref().take(input.windows()).collect();
        finish((tokenizer, options), input, &own, tally)
    });
    finished.collect()
}

/// Returns the probabilities (its pieces × labels) of each window of all inputs.
fn all_windows(
    inputs: &[Encoded],
    options: &TagOptions,
    infer: impl Fn(&Batch) -> Result<Vec<f32>, tagsmith_kernel::Error>,
) -> Result<Vec<Vec<f32>>, tagsmith_kernel::Error> {
    let windows: Vec<Window<'_>> =
        inputs.iter().flat_map(|input| (0..input.windows()).map(move |window| (input, window))).collect();
    let lengths: Vec<usize> = windows.iter().map(|(input, window)| input.rows(*window)).collect();
    each_by_tokens(&lengths, options.batch_tokens, |group| {
        let group: Vec<Window<'_>> = group.iter().map(|&at| windows[at]).collect();
        probabilities(&group, options.labels.len(), &infer)
    })
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
        let temperature = input.chosen.temperature;
        let warmed = |row: &[f32]| softmax(&row.iter().map(|score| score / temperature).collect::<Vec<_>>());
        match temperature {
            1.0 => rows.chunks_exact(labels).flat_map(softmax).collect(),
            _ => rows.chunks_exact(labels).flat_map(warmed).collect(),
        }
    };
    Ok(windows.iter().zip(&batch.starts).map(of_window).collect())
}

/// exp(score − highest) / Σ exp(score − highest), in f32 as the pipeline has it.
pub fn softmax(scores: &[f32]) -> Vec<f32> {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}
