//! Inputs of any length become windows, and what was found in the windows is found in the input.

use crate::batch::encode::{self, Encoding, Masking, Prompt};
use crate::error::Error;
use crate::find::decode::Candidate;
use crate::find::range;
use crate::folder::Tokenizers;
use std::ops::Range;
use std::sync::Arc;
use tagsmith_text::align::windows::Plan;
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::tagged::{CodePoints, Content, Input, Tally, joined};
use tagsmith_text::tokenizer::{Pieces, split_words};

/// Pieces by which a text can differ when it stands after a prompt.
pub const SEAM: usize = 2;

/// Pieces that one letter can become: a byte each.
const PIECES_OF_A_LETTER: usize = 4;

/// The start and the end of each word, in code points.
type Places = Vec<(u32, u32)>;

/// What cuts inputs into windows.
pub struct Cutter {
    /// The tokenizer of texts, among others.
    pub tokenizers: Arc<Tokenizers>,
    /// The text before each window of a cross-encoder.
    pub prompt: Option<Prompt>,
    /// Pieces in a window.
    pub max_length: usize,
    /// Pieces in a window without the prompt.
    pub room: usize,
    /// The most pieces that windows share.
    pub stride: usize,
    /// The format that the model was trained on.
    pub format: AnnotationFormat,
}

/// An input as the model will read it, with everything that leads back to its text.
pub struct Cut {
    /// Where the input is.
    pub place: String,
    /// The text.
    pub text: String,
    /// The words.
    pub words: Vec<String>,
    /// The start and the end of each word in the text, in code points.
    pub places: Vec<(usize, usize)>,
    /// The unit that windows and candidates count in.
    pub unit: AnnotationFormat,
    /// The windows.
    pub windows: Vec<Window>,
    /// Words of running text that were cut, because no window holds them.
    parted: Vec<usize>,
}

/// A part of an input that the model reads at once.
pub struct Window {
    /// The part as the model reads it.
    pub encoded: encode::Encoded,
    content: Content,
    /// Where the part lies in the input.
    range: Range<usize>,
    /// Where the window before ends and the window after begins, if there is one.
    neighbors: (Option<usize>, Option<usize>),
}

impl Cutter {
    /// Cuts an input into words, pieces and windows. Running text is read word by word, so that entities are whole words,
    /// unless the model was trained on running text.
    ///
    /// # Errors
    /// An input that the tokenizer refuses; a stride that fills the window.
    pub fn cut(&self, Input { place, content }: &Input) -> Result<Cut, Error> {
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
        Ok(Cut { place: place.clone(), text, words, places, unit, windows, parted })
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
            let pieces = self.tokenizers.text.encode_words(&[letters.slice(start, end).to_owned()])?;
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
            let encoded = encoding.encode(&self.tokenizers.text, self.prompt.as_ref(), &content)?;
            let before = i.checked_sub(1).map(|i| ranges[i].end);
            let after = ranges.get(i + 1).map(|next| next.start);
            Ok(Window { encoded, content, range: range.clone(), neighbors: (before, after) })
        };
        ranges.iter().enumerate().map(window).collect()
    }

    /// Returns the windows' ranges of code points or words, cut at word borders.
    fn ranges(&self, content: &Content) -> Result<Vec<Range<usize>>, Error> {
        let pieces = match content {
            Content::Text(text) => self.tokenizers.text.encode_running(text)?,
            Content::Words(words) => self.tokenizers.text.encode_words(words)?,
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

impl Cut {
    /// Counts the input, with what was cut.
    pub fn count(&self, tally: &mut Tally) {
        let Cut { place, words, windows, parted, .. } = self;
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
            let what =
                "{special token|special tokens} that words spell (such as `[SEP]`) {was|were} read as ordinary letters";
            tally.add(what, || place.clone());
        }
    }

    /// Returns the code point where the first word begins whose end is not read, if there is one.
    pub fn unread_from(&self) -> Option<u32> {
        let is_cut = |window: &&Window| window.encoded.cut > 0;
        let begins = |window: &Window| match self.unit {
            AnnotationFormat::Text => window.range.start as u32,
            AnnotationFormat::Tokens => self.places[window.range.end - 1].0 as u32,
        };
        self.windows.iter().filter(is_cut).map(begins).min()
    }

    /// Returns the candidates of all windows with ends that count, inclusive, in the input.
    pub fn merge(&self, of_windows: Vec<Vec<Candidate>>) -> Vec<Candidate> {
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
pub fn unique(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates
        .sort_by(|a, b| (a.start, a.end, a.kind).cmp(&(b.start, b.end, b.kind)).then(b.score.total_cmp(&a.score)));
    candidates.dedup_by_key(|it| (it.start, it.end, it.kind));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_text::tokenizer::Tokenizer;

    /// A text without spaces is one word. It is cut between its pieces, so that the model reads all of it.
    #[test]
    fn a_word_longer_than_a_window_is_read_whole() {
        let folder = tagsmith_testkit::golden::path("pieces/xlm-roberta");
        let text = Tokenizer::from_folder(&folder).expect("it reads");
        let cutter = Cutter {
            tokenizers: Arc::new(Tokenizers { text, labels: None }),
            prompt: None,
            max_length: 30,
            room: 30,
            stride: 8,
            format: AnnotationFormat::Tokens,
        };
        let long = "กรุงเทพเป็นเมืองใหญ่".repeat(20);
        let encode = |content: Content| cutter.cut(&Input { place: "test:1".into(), content }).expect("it is encoded");
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
