//! Entities in documents of any length: encode, cut into windows, find, merge, read off.

use crate::batch::encode::{self, Encoding, Masking, Prompt, plain_labels};
use crate::config::{Architecture, Threshold};
use crate::error::Error;
use crate::find::decode::{Candidate, Mode, accept};
use crate::find::{Query, range};
use crate::folder::Tokenizers;
use crate::model::Model;
use std::ops::Range;
use std::sync::Arc;
use tagsmith_message::Note;
use tagsmith_ranks::World;
use tagsmith_text::align::windows::Plan;
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::tagged::{CodePoints, Content, Input, Mention, Tagged, Tally, Watch, WordLabel, joined};
use tagsmith_text::tokenizer::{Pieces, Tokenizer, split_words};

/// Pieces in a window where neither the user nor the model says.
const WINDOW: usize = 512;

/// Pieces by which a text can differ when it stands after a prompt.
const SEAM: usize = 2;

/// Pieces that one letter can become: a byte each.
const PIECES_OF_A_LETTER: usize = 4;

/// A label as the user names it, and as the model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// The user's choices.
#[derive(Clone, Debug)]
pub struct Request {
    /// The labels to look for.
    pub labels: Vec<Label>,
    /// The bar that scores must exceed; the model's own if none.
    pub threshold: Option<Threshold>,
    /// Which entities may share pieces.
    pub decoding: Mode,
    /// The longest sequence in pieces, special ones and prompt included; what the model was trained on if none.
    pub max_seq_length: Option<usize>,
    /// The most pieces that windows share; a quarter of a window if none.
    pub stride: Option<usize>,
    /// The most pieces of a batch. A longer window is a batch of its own.
    pub batch_tokens: usize,
}

/// A model that looks for some labels in whatever it is given.
pub struct Tagger {
    model: Model,
    query: Query,
    reader: Arc<Reader>,
    threshold: Threshold,
    decoding: Mode,
    batch_tokens: usize,
    /// The labels' names.
    names: Vec<String>,
    /// The labels of words: `O`, then `B-` and `I-` of each name.
    word_labels: Vec<String>,
}

impl Tagger {
    /// Encodes the labels. Returns notes beside the tagger.
    ///
    /// # Errors
    /// No label, an empty or a repeated one, or more labels than a prompt holds. A window that is longer than the
    /// model's positions, or a stride that fills the window.
    pub fn new(mut model: Model, tokenizers: Tokenizers, request: Request) -> Result<(Tagger, Vec<Note>), Error> {
        let threshold = request.threshold.unwrap_or(model.config.threshold);
        if model.config.threshold_in_prompt() {
            let learned = if threshold == Threshold::Cls { Threshold::Cls } else { Threshold::LabelToken };
            model.config.threshold_token = learned;
        }
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
        let read: Vec<String> = request.labels.iter().map(|label| label.read.clone()).collect();
        let query = Query::new(&model, &tokenizers, read)?;
        notes.extend(query.notes.iter().cloned());
        notes.extend(tokenizers.notes(&model));
        let room = room(&model, &tokenizers.text, &query, max_length)?;
        let stride = request.stride.unwrap_or(room / 4);
        let prompt = query.prompt.clone();
        let reader = Arc::new(Reader { tokenizer: tokenizers.text, prompt, max_length, room, stride, format });
        let names: Vec<String> = request.labels.into_iter().map(|label| label.name).collect();
        let tags = names.iter().flat_map(|name| [format!("B-{name}"), format!("I-{name}")]);
        let word_labels = std::iter::once("O".to_owned()).chain(tags).collect();
        let (decoding, batch_tokens) = (request.decoding, request.batch_tokens);
        Ok((Tagger { model, query, reader, threshold, decoding, batch_tokens, names, word_labels }, notes))
    }

    /// Returns what encodes inputs. It can be handed to other threads.
    pub fn reader(&self) -> Arc<Reader> {
        self.reader.clone()
    }

    /// Returns the longest window in pieces, special ones and the labels included.
    pub fn max_length(&self) -> usize {
        self.reader.max_length
    }

    /// Returns the names that [`WordLabel::label`] counts: IOB2 tags of the labels.
    pub fn word_labels(&self) -> &[String] {
        &self.word_labels
    }

    /// Returns whether each word gets a label: only where entities share nothing.
    pub fn labels_words(&self) -> bool {
        self.decoding == Mode::Flat
    }

    /// Tags encoded inputs, in their order.
    ///
    /// # Errors
    /// Rows of a word table that cannot be read; scores that are not numbers.
    pub fn tag(&self, inputs: Vec<Encoded>, tally: &mut Tally, watch: Watch<'_>) -> Result<Vec<Tagged>, Error> {
        for Encoded { place, words, windows, parted, .. } in &inputs {
            tally.count(place, words.len(), windows.len());
            for word in parted {
                let what = "{word is|words are} longer than a whole window and {was|were} cut into several";
                tally.add(what, || format!("{place} word {}", word + 1));
            }
            if windows.iter().any(|window| window.encoded.cut > 0) {
                let what = "{input has|inputs have} a word longer than a whole window, whose end is not read";
                tally.add_important(what, || place.clone());
            }
            // In an overlap of windows they count twice.
            for _ in 0..windows.iter().map(|window| window.encoded.spelled).sum() {
                let what = "{special token|special tokens} that words spell (such as `[SEP]`) {was|were} read as ordinary letters";
                tally.add(what, || place.clone());
            }
        }
        let encoded: Vec<&encode::Encoded> =
            inputs.iter().flat_map(|input| &input.windows).map(|window| &window.encoded).collect();
        let (world, bar) = (World::alone(), self.threshold);
        let found = self.query.find(&self.model, &world, &encoded, bar, self.batch_tokens, watch)?;
        let mut found = found.into_iter();
        let read_off = |input: Encoded| {
            let of_windows: Vec<Vec<Candidate>> = found.by_ref().take(input.windows.len()).collect();
            let mut entities = accept(unique(input.merge(of_windows)), self.decoding);
            entities.sort_by_key(|it| (it.start, it.end, it.kind));
            self.read_off(input, &entities, tally)
        };
        Ok(inputs.into_iter().map(read_off).collect())
    }

    /// Turns entities, whose ends are inclusive, into mentions and labels of words.
    fn read_off(&self, input: Encoded, entities: &[Candidate], tally: &mut Tally) -> Tagged {
        let Encoded { place, text, words, places, unit, .. } = input;
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
            letters.mention(self.names[it.kind].clone(), it.score as f32, place)
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
        Tagged { text, words, labels, entities: mentions }
    }
}

/// Returns how many pieces of text a window has beside the prompt.
fn room(model: &Model, tokenizer: &Tokenizer, query: &Query, max_length: usize) -> Result<usize, Error> {
    if model.config.architecture == Architecture::BiEncoder {
        return Ok(max_length);
    }
    let (plain, _) = plain_labels(tokenizer, &query.labels)?;
    let prompt = tokenizer.encode_running(&Prompt::new(&model.config, &plain).items.join(" "))?;
    let special = prompt.prefix + prompt.suffix;
    // A window with less text than this would see entities without their surroundings.
    let least = special + SEAM + (max_length / 8).max(1);
    let room = max_length.saturating_sub(prompt.content().len() + SEAM);
    match room < least {
        true => Err(Error::PromptTooLong { labels: query.labels.len(), pieces: max_length }),
        false => Ok(room),
    }
}

/// The start and the end of each word, in code points.
type Places = Vec<(u32, u32)>;

/// The part of a tagger that turns inputs into pieces and windows: all that tagging does without the model.
pub struct Reader {
    tokenizer: Tokenizer,
    prompt: Option<Prompt>,
    max_length: usize,
    /// Pieces in a window without the prompt.
    room: usize,
    stride: usize,
    /// The format that the model was trained on.
    format: AnnotationFormat,
}

/// An input as the model will read it, with everything that leads back to its text.
pub struct Encoded {
    place: String,
    text: String,
    words: Vec<String>,
    /// The start and the end of each word in the text, in code points.
    places: Vec<(usize, usize)>,
    /// The unit that windows and candidates count in.
    unit: AnnotationFormat,
    windows: Vec<Window>,
    /// Words of running text that were cut, because no window holds them.
    parted: Vec<usize>,
}

/// A part of an input that the model reads at once.
struct Window {
    encoded: encode::Encoded,
    content: Content,
    /// Where the part lies in the input.
    range: Range<usize>,
    /// Where the window before ends and the window after begins, if there is one.
    neighbors: (Option<usize>, Option<usize>),
}

impl Reader {
    /// Cuts an input into words, pieces and windows. Running text is read word by word, so that entities are whole words,
    /// unless the model was trained on running text.
    ///
    /// # Errors
    /// An input that the tokenizer refuses; a stride that fills the window.
    pub fn encode(&self, Input { place, content }: &Input) -> Result<Encoded, Error> {
        let at_place = |error| Error::Input { place: place.clone(), source: Box::new(error) };
        let (text, words, places, parted) = match content {
            Content::Words(words) => {
                let (text, places) = joined(words);
                (text, words.clone(), places, Vec::new())
            }
            Content::Text(text) => {
                let letters = CodePoints::new(text);
                let (places, parted) = self.parts(&letters, split_words(text)).map_err(at_place)?;
                let words = places.iter().map(|&(start, end)| letters.slice(start, end).to_owned()).collect();
                let places = places.iter().map(|&(start, end)| (start as usize, end as usize)).collect();
                (text.clone(), words, places, parted)
            }
        };
        let content = match (content, self.format) {
            (Content::Text(text), AnnotationFormat::Text) => Content::Text(text.clone()),
            _ => Content::Words(words.clone()),
        };
        let (unit, masking) = match content {
            Content::Text(_) => (AnnotationFormat::Text, Masking::None),
            Content::Words(_) => (AnnotationFormat::Tokens, Masking::Subwords),
        };
        let windows = self.windows(&content, masking).map_err(at_place)?;
        Ok(Encoded { place: place.clone(), text, words, places, unit, windows, parted })
    }

    /// Cuts words that no window holds between their pieces, as text without spaces has them. Returns the places of all
    /// words, and the numbers of the words that were cut.
    fn parts(&self, letters: &CodePoints, places: Places) -> Result<(Places, Vec<usize>), Error> {
        let room = self.room.saturating_sub(SEAM).max(1);
        // A piece covers a letter at least, but for bytes and spaces that a tokenizer adds.
        let may_be_long = |&(start, end): &(u32, u32)| (end - start) as usize * PIECES_OF_A_LETTER > room;
        if self.format == AnnotationFormat::Text || !places.iter().any(may_be_long) {
            return Ok((places, Vec::new()));
        }
        let (mut all, mut parted) = (Vec::with_capacity(places.len()), Vec::new());
        for (number, (start, end)) in places.into_iter().enumerate() {
            if !may_be_long(&(start, end)) {
                all.push((start, end));
                continue;
            }
            let pieces = self.tokenizer.encode_words(&[letters.slice(start, end).to_owned()])?;
            let content = pieces.content();
            let begins = content.clone().step_by((room / 2).max(1)).skip(1).map(|at| start + pieces.offsets[at].0);
            let mut borders: Vec<u32> = begins.filter(|&at| start < at && at < end).collect();
            borders.dedup();
            if content.len() <= room || borders.is_empty() {
                all.push((start, end));
                continue;
            }
            parted.push(number);
            let from = std::iter::once(start).chain(borders.iter().copied());
            all.extend(from.zip(borders.iter().copied().chain([end])));
        }
        Ok((all, parted))
    }

    fn windows(&self, content: &Content, masking: Masking) -> Result<Vec<Window>, Error> {
        if content.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = Encoding { max_length: self.max_length, masking };
        let ranges = self.ranges(content)?;
        let window = |(i, range): (usize, &Range<usize>)| {
            let content = part(content, range);
            let encoded = encoding.encode(&self.tokenizer, self.prompt.as_ref(), &content)?;
            let before = i.checked_sub(1).map(|i| ranges[i].end);
            let after = ranges.get(i + 1).map(|next| next.start);
            Ok(Window { encoded, content, range: range.clone(), neighbors: (before, after) })
        };
        ranges.iter().enumerate().map(window).collect()
    }

    /// Returns the windows' ranges of code points or words, cut at word borders.
    fn ranges(&self, content: &Content) -> Result<Vec<Range<usize>>, Error> {
        let pieces = match content {
            Content::Text(text) => self.tokenizer.encode_running(text)?,
            Content::Words(words) => self.tokenizer.encode_words(words)?,
        };
        let plan = Plan::new(&pieces, self.room, self.stride)?;
        if plan.windows.len() == 1 {
            return Ok(std::iter::once(0..content.len()).collect());
        }
        let covers = |piece: usize| match content {
            Content::Text(_) => (pieces.offsets[piece].0 as usize, pieces.offsets[piece].1 as usize),
            Content::Words(_) => word(&pieces, piece),
        };
        let range = |window: &Range<usize>| covers(window.start).0..covers(window.end - 1).1;
        let mut ranges: Vec<Range<usize>> = plan.windows.iter().map(range).collect();
        if let (Content::Words(_), false) = (content, plan.parted.is_empty()) {
            // A given word that no window holds stands alone, and its end is not read. Others stand beside it no more.
            let is_parted = |word: usize| plan.parted.contains(&(word as u32));
            for range in &mut ranges {
                while range.start < range.end && is_parted(range.start) {
                    range.start += 1;
                }
                while range.start < range.end && is_parted(range.end - 1) {
                    range.end -= 1;
                }
            }
            ranges.retain(|range| !range.is_empty());
            ranges.extend(plan.parted.iter().map(|&word| word as usize..word as usize + 1));
            ranges.sort_by_key(|range| (range.start, range.end));
            ranges.dedup();
        }
        Ok(ranges)
    }
}

fn word(pieces: &Pieces, piece: usize) -> (usize, usize) {
    pieces.words[piece].map_or((0, 0), |word| (word as usize, word as usize + 1))
}

fn part(content: &Content, range: &Range<usize>) -> Content {
    match content {
        Content::Text(text) => Content::Text(text.chars().skip(range.start).take(range.len()).collect()),
        Content::Words(words) => Content::Words(words[range.clone()].to_vec()),
    }
}

impl Encoded {
    /// Returns the candidates of all windows with ends that count, inclusive, in the input.
    fn merge(&self, of_windows: Vec<Vec<Candidate>>) -> Vec<Candidate> {
        let mut merged = Vec::new();
        for (window, candidates) in self.windows.iter().zip(of_windows) {
            let Window { encoded, content, range: whole, neighbors: (before, after) } = window;
            for it in candidates {
                let (start, end) = range(encoded, content, &it);
                if start >= end {
                    continue;
                }
                let (start, end) = (whole.start + start, whole.start + end);
                // A candidate that touches a cut and lies in the overlap is seen whole by the neighbor.
                let cut_before = start == whole.start && before.is_some_and(|before| end <= before);
                let cut_after = end == whole.end && after.is_some_and(|after| start >= after);
                if !cut_before && !cut_after {
                    merged.push(Candidate { start, end: end - 1, ..it });
                }
            }
        }
        merged
    }
}

/// Returns the best of each span and label: neighboring windows may both see it.
fn unique(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates
        .sort_by(|a, b| (a.start, a.end, a.kind).cmp(&(b.start, b.end, b.kind)).then(b.score.total_cmp(&a.score)));
    candidates.dedup_by_key(|it| (it.start, it.end, it.kind));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text without spaces is one word. It is cut between its pieces, so that the model reads all of it.
    #[test]
    fn a_word_longer_than_a_window_is_read_whole() {
        let folder = tagsmith_testkit::golden::path("pieces/xlm-roberta");
        let reader = Reader {
            tokenizer: Tokenizer::from_folder(&folder).expect("it reads"),
            prompt: None,
            max_length: 30,
            room: 30,
            stride: 8,
            format: AnnotationFormat::Tokens,
        };
        let long = "กรุงเทพเป็นเมืองใหญ่".repeat(20);
        let encode =
            |content: Content| reader.encode(&Input { place: "test:1".into(), content }).expect("it is encoded");
        let encoded = encode(Content::Text(format!("{long} Jo")));
        assert!(encoded.words.len() > 3 && encoded.parted == [0], "{:?}", encoded.words);
        let (last, parts) = encoded.words.split_last().expect("it has words");
        assert_eq!((last.as_str(), parts.concat()), ("Jo", long.clone()));
        assert!(encoded.windows.len() > 2 && encoded.windows.iter().all(|window| window.encoded.cut == 0));
        // A word that was given stays one word, and its end is not read.
        let words = ["Jo", &long, "and", "Ann", &long].map(String::from).to_vec();
        let given = encode(Content::Words(words));
        let ranges: Vec<_> = given.windows.iter().map(|window| window.range.clone()).collect();
        assert_eq!((given.parted.len(), &ranges[..]), (0, &[0..1, 1..2, 2..4, 4..5][..]));
        let cut: Vec<bool> = given.windows.iter().map(|window| window.encoded.cut > 0).collect();
        assert_eq!(cut, [false, true, false, true]);
    }
}
