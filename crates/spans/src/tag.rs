//! Entities in documents of any length: encode, cut into windows, find, merge, read off.

pub mod cut;

use crate::config::{Architecture, Threshold};
use crate::error::Error;
use crate::find::Query;
use crate::find::decode::{Candidate, Mode, accept};
use crate::folder::Tokenizers;
use crate::model::Model;
use cut::{Cut, Cutter, SEAM, unique};
use std::cell::Cell;
use std::sync::Arc;
use tagsmith_encoder::batch::each_by_tokens;
use tagsmith_message::Note;
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::tagged::{CodePoints, Input, Mention, Tagged, Tally, Watch, WordLabel};
use tagsmith_text::tokenizer::Tokenizer;

/// Pieces in a window where neither the user nor the model says.
const WINDOW: usize = 512;

/// A label as the user names it, and as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// The name that entities get.
    pub name: String,
    /// The text that is encoded: the name, or the name with its description.
    pub read: String,
}

impl Label {
    /// Returns a label that is read as `name: description`.
    pub fn new(name: &str, description: Option<&str>) -> Label {
        let read = description.map_or_else(|| name.to_owned(), |description| format!("{name}: {description}"));
        Label { name: name.to_owned(), read }
    }
}

/// The user's choices for all inputs.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// The longest sequence in pieces, special ones and prompt included; what the model was trained on if none.
    pub max_seq_length: Option<usize>,
    /// The most pieces of a batch. A longer window is a batch of its own.
    pub batch_tokens: usize,
}

/// What may differ from input to input that looks for the same labels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// The bar that scores must exceed; the model's own if none.
    pub threshold: Option<Threshold>,
    /// Which entities may share pieces.
    pub decoding: Mode,
    /// The most pieces that windows share; a quarter of a window if none.
    pub stride: Option<usize>,
}

/// A model that looks for some labels in whatever it is given.
pub struct Tagger {
    model: Model,
    tokenizers: Arc<Tokenizers>,
    max_length: usize,
    /// The format that the model was trained on.
    format: AnnotationFormat,
    batch_tokens: usize,
}

/// Labels to look for, as a model reads them. A bi-encoder's vectors are computed once.
pub struct LabelSet {
    query: Query,
    /// Where the threshold is learned, as far as a prompt says.
    learned: Threshold,
    /// Pieces in a window without the prompt.
    room: usize,
    /// The labels' names.
    names: Vec<String>,
    /// The labels of words: `O`, then `B-` and `I-` of each name.
    word_labels: Vec<String>,
}

impl Tagger {
    /// Makes a tagger that knows no labels yet. Returns notes beside it.
    ///
    /// # Errors
    /// A window that is longer than the model's positions.
    pub fn new(model: Model, tokenizers: Tokenizers, request: Request) -> Result<(Tagger, Vec<Note>), Error> {
        let positions = model.positions_max();
        let longest = model.config.max_seq_length.unwrap_or(WINDOW).min(positions);
        let max_length = request.max_seq_length.unwrap_or(longest);
        if max_length > positions {
            return Err(Error::TooLong { asked: max_length, positions });
        }
        let mut notes = Vec::new();
        let format = model.config.annotation_format.unwrap_or_else(|| {
            notes.push(Note::once(
                "config.json does not say whether the model was trained on words or on running text \
                 (`annotation_format`): running text is cut into words, as most of the original's configurations have it",
            ));
            AnnotationFormat::Tokens
        });
        notes.extend(tokenizers.notes(&model));
        let (tokenizers, batch_tokens) = (Arc::new(tokenizers), request.batch_tokens);
        Ok((Tagger { model, tokenizers, max_length, format, batch_tokens }, notes))
    }

    /// Encodes labels. `threshold` is the one that inputs will have: another kind of it may need another prompt.
    ///
    /// # Errors
    /// No label, an empty or a repeated one, or more labels than a prompt holds. Rows of a word table that cannot be read.
    pub fn label_set(&self, labels: &[Label], threshold: Option<Threshold>) -> Result<LabelSet, Error> {
        let learned = self.learned(threshold);
        let read: Vec<String> = labels.iter().map(|label| label.read.clone()).collect();
        let query = Query::with_threshold(&self.model, &self.tokenizers, read, learned)?;
        let room = room(&self.model, &self.tokenizers.text, &query, self.max_length)?;
        let names: Vec<String> = labels.iter().map(|label| label.name.clone()).collect();
        let tags = names.iter().flat_map(|name| [format!("B-{name}"), format!("I-{name}")]);
        let word_labels = std::iter::once("O".to_owned()).chain(tags).collect();
        Ok(LabelSet { query, learned, room, names, word_labels })
    }

    /// Returns the kind of learned threshold that a prompt for `threshold` has.
    pub fn learned(&self, threshold: Option<Threshold>) -> Threshold {
        let config = &self.model.config;
        match threshold.unwrap_or(config.threshold) {
            _ if !config.threshold_in_prompt() => config.threshold_token,
            Threshold::Cls => Threshold::Cls,
            _ => Threshold::LabelToken,
        }
    }

    /// Returns what encodes inputs that look for these labels. It can be handed to other threads.
    ///
    /// # Panics
    /// If the labels were encoded for another kind of threshold.
    pub fn reader(&self, labels: &Arc<LabelSet>, choices: &Choices) -> Reader {
        assert_eq!(labels.learned, self.learned(choices.threshold), "tag: labels for another kind of threshold");
        let (max_length, room, format) = (self.max_length, labels.room, self.format);
        let stride = choices.stride.unwrap_or(room / 4);
        let (tokenizers, prompt) = (self.tokenizers.clone(), labels.query.prompt.clone());
        let cutter = Cutter { tokenizers, prompt, max_length, room, stride, format };
        let threshold = choices.threshold.unwrap_or(self.model.config.threshold);
        let search = Search { labels: labels.clone(), threshold, decoding: choices.decoding };
        Reader { cutter: Arc::new(cutter), search }
    }

    /// Returns the tokenizer of texts.
    pub fn tokenizers(&self) -> &Arc<Tokenizers> {
        &self.tokenizers
    }

    /// Returns the model's configuration.
    pub fn threshold(&self) -> Threshold {
        self.model.config.threshold
    }

    /// Returns whether the model's threshold can be learned: the threshold may then be `cls` or `label_token`.
    pub fn is_contrastive(&self) -> bool {
        self.model.config.contrastive()
    }

    /// Returns the longest window in pieces, special ones and the labels included.
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// Tags encoded inputs, in their order. Windows of like length that look for the same labels share batches.
    ///
    /// # Errors
    /// Rows of a word table that cannot be read; scores that are not numbers.
    pub fn tag(&self, inputs: Vec<Encoded>, tally: &mut Tally, watch: Watch<'_>) -> Result<Vec<Tagged>, Error> {
        let windows: Vec<Window<'_>> =
            inputs.iter().flat_map(|input| (0..input.windows()).map(move |window| (input, window))).collect();
        let all = windows.iter().map(|(input, window)| input.rows(*window)).sum();
        let done = Cell::new(0);
        let mut found = Vec::with_capacity(windows.len());
        for windows in windows.chunk_by(|(one, _), (next, _)| one.shares_batches_with(next)) {
            let lengths: Vec<usize> = windows.iter().map(|(input, window)| input.rows(*window)).collect();
            found.extend(each_by_tokens(&lengths, self.batch_tokens, |group| {
                let found = self.infer(&group.iter().map(|&at| windows[at]).collect::<Vec<_>>())?;
                done.set(done.get() + group.iter().map(|&at| lengths[at]).sum::<usize>());
                watch(done.get(), all);
                Ok::<_, Error>(found)
            })?);
        }
        let mut found = found.into_iter();
        let finish = |input: Encoded| {
            let own = found.by_ref().take(input.windows()).collect();
            self.finish(input, own, tally)
        };
        Ok(inputs.into_iter().map(finish).collect())
    }

    /// Returns what was found in some windows, all of which the model reads at once.
    ///
    /// # Errors
    /// Rows of a word table that cannot be read; scores that are not numbers.
    ///
    /// # Panics
    /// If the windows look for different labels.
    pub fn infer(&self, windows: &[Window<'_>]) -> Result<Vec<Vec<Candidate>>, Error> {
        let Some((first, _)) = windows.first() else { return Ok(Vec::new()) };
        assert!(windows.iter().all(|(input, _)| input.shares_batches_with(first)), "tag: windows of other labels");
        let encoded: Vec<_> = windows.iter().map(|(input, window)| &input.cut.windows[*window].encoded).collect();
        let bars: Vec<Threshold> = windows.iter().map(|(input, _)| input.search.threshold).collect();
        first.search.labels.query.score(&self.model, &encoded, &bars)
    }

    /// Turns what was found in an input's windows into mentions and labels of words.
    pub fn finish(&self, input: Encoded, found: Vec<Vec<Candidate>>, tally: &mut Tally) -> Tagged {
        input.cut.count(tally);
        let mut entities = accept(unique(input.cut.merge(found)), input.search.decoding);
        entities.sort_by_key(|it| (it.start, it.end, it.kind));
        let Encoded { cut, search } = input;
        search.read_off(cut, &entities, tally)
    }
}

impl LabelSet {
    /// Returns notes about labels that are read in another way than they are written.
    pub fn notes(&self) -> &[Note] {
        &self.query.notes
    }

    /// Returns the labels' names.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// The part of a tagger that turns inputs into pieces and windows: all that tagging does without the model.
#[derive(Clone)]
pub struct Reader {
    cutter: Arc<Cutter>,
    search: Search,
}

/// What is looked for in an input.
#[derive(Clone)]
struct Search {
    labels: Arc<LabelSet>,
    threshold: Threshold,
    decoding: Mode,
}

/// An input as the model will read it, and what is looked for in it.
pub struct Encoded {
    cut: Cut,
    search: Search,
}

/// One window of an input: the input, and the window's number.
pub type Window<'a> = (&'a Encoded, usize);

impl Reader {
    /// Cuts an input into words, pieces and windows. Running text is read word by word, so that entities are whole words,
    /// unless the model was trained on running text.
    ///
    /// # Errors
    /// An input that the tokenizer refuses; a stride that fills the window.
    pub fn encode(&self, input: &Input) -> Result<Encoded, Error> {
        Ok(Encoded { cut: self.cutter.cut(input)?, search: self.search.clone() })
    }

    /// Returns the names that [`WordLabel::label`] counts: IOB2 tags of the labels.
    pub fn word_labels(&self) -> &[String] {
        &self.search.labels.word_labels
    }

    /// Returns whether each word gets a label: only where entities share nothing.
    pub fn labels_words(&self) -> bool {
        self.search.labels_words()
    }

    /// Returns the labels.
    pub fn label_set(&self) -> &Arc<LabelSet> {
        &self.search.labels
    }
}

impl Encoded {
    /// Counts the windows.
    pub fn windows(&self) -> usize {
        self.cut.windows.len()
    }

    /// Counts the rows that the model reads of a window: its pieces, with the prompt and the special ones around them.
    pub fn rows(&self, window: usize) -> usize {
        self.cut.windows[window].encoded.ids.len()
    }

    /// Counts the pieces that the model reads, in all windows.
    pub fn pieces(&self) -> usize {
        (0..self.windows()).map(|window| self.rows(window)).sum()
    }

    /// Returns the code point where the first word begins whose end is not read, if there is one.
    pub fn unread_from(&self) -> Option<u32> {
        self.cut.unread_from()
    }

    /// Returns whether windows of both inputs can be read at once: those that look for the same labels.
    pub fn shares_batches_with(&self, other: &Encoded) -> bool {
        Arc::ptr_eq(&self.search.labels, &other.search.labels)
    }
}

impl Search {
    fn labels_words(&self) -> bool {
        self.decoding == Mode::Flat
    }

    /// Turns entities, whose ends are inclusive, into mentions and labels of words.
    fn read_off(&self, input: Cut, entities: &[Candidate], tally: &mut Tally) -> Tagged {
        let Cut { place, text, words, places, unit, .. } = input;
        let letters = CodePoints::new(&text);
        let in_letters = |it: &Candidate| match unit {
            AnnotationFormat::Text => (it.start, it.end + 1),
            AnnotationFormat::Tokens => (places[it.start].0, places[it.end].1),
        };
        // Pieces may begin with the space before them.
        let placed = |it: &Candidate| {
            let (start, end) = in_letters(it);
            letters.trimmed(start as u32, end as u32).map(|place| (*it, place))
        };
        let placed: Vec<(Candidate, (u32, u32))> = entities.iter().filter_map(placed).collect();
        for _ in placed.len()..entities.len() {
            tally.add("{entity|entities} of white space alone {is|are} left out", || place.clone());
        }
        let mention = |&(it, place): &(Candidate, (u32, u32))| {
            letters.mention(self.labels.names[it.kind].clone(), it.score as f32, place)
        };
        let mentions: Vec<Mention> = placed.iter().map(mention).collect();
        let mut labels = Vec::new();
        if self.labels_words() {
            labels = vec![WordLabel { label: 0, probability: 0.0 }; words.len()];
            for &(it, (start, end)) in &placed {
                let (start, end) = (start as usize, end as usize);
                // Words do not overlap and are in order.
                let first = places.partition_point(|place| place.1 <= start);
                let last = places.partition_point(|place| place.0 < end);
                if first == last {
                    continue;
                }
                if places[first].0 != start || places[last - 1].1 != end {
                    let what = "{entity begins or ends|entities begin or end} inside a word: the whole word has {its|their} label";
                    tally.add(what, || format!("{place}: {:?}", letters.slice(start as u32, end as u32)));
                }
                for (i, word) in labels[first..last].iter_mut().enumerate() {
                    let label = 1 + 2 * it.kind as u32 + u32::from(i > 0);
                    *word = WordLabel { label, probability: it.score as f32 };
                }
            }
        }
        tally.entities += mentions.len();
        Tagged { text, words, labels, entities: mentions, abstains_below: None }
    }
}

/// Returns how many pieces of text a window has beside the prompt.
fn room(model: &Model, tokenizer: &Tokenizer, query: &Query, max_length: usize) -> Result<usize, Error> {
    if model.config.architecture == Architecture::BiEncoder {
        return Ok(max_length);
    }
    let items = query.prompt.as_ref().map(|prompt| prompt.items.join(" ")).unwrap_or_default();
    let prompt = tokenizer.encode_running(&items)?;
    let special = prompt.prefix + prompt.suffix;
    // A window with less text than this would see entities without their surroundings.
    let least = special + SEAM + (max_length / 8).max(1);
    let room = max_length.saturating_sub(prompt.content().len() + SEAM);
    match room < least {
        true => Err(Error::PromptTooLong { labels: query.labels.len(), pieces: max_length }),
        false => Ok(room),
    }
}
