//! Examples become pieces, with the prompt before them and the place of the text. Beside them stand the pieces that can
//! begin and end an entity, and the spans of the gold entities.

use crate::config::{Architecture, Config, Threshold};
use crate::error::Error;
use std::borrow::Cow;
use std::ops::RangeInclusive;
use tagsmith_message::counted;
use tagsmith_text::example::{AnnotationFormat, Entity, Example};
use tagsmith_text::tagged::Content;
use tagsmith_text::tokenizer::{Pieces, Tokenizer};

/// Before each label of a prompt.
pub const LABEL: &str = "[LABEL]";
/// The place that a contrastive cross-encoder's entities must outdo.
pub const SPAN_THRESHOLD: &str = "[SPAN_THRESHOLD]";
/// Between prompt and text: for some vocabularies the real separator, for others ordinary pieces.
const SEPARATOR: &str = "[SEP]";

/// The special tokens that a cross-encoder adds to its tokenizer.
pub fn added_tokens(config: &Config) -> &'static [&'static str] {
    match (config.architecture, config.contrastive()) {
        (Architecture::BiEncoder, _) => &[],
        (Architecture::CrossEncoder, false) => &[LABEL],
        (Architecture::CrossEncoder, true) => &[LABEL, SPAN_THRESHOLD],
    }
}

/// Which pieces may begin or end an entity (`loss_masking`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Masking {
    /// Every piece of the text.
    None,
    /// The first and the last piece of a word.
    Subwords,
}

impl Masking {
    /// `none` or `subwords`.
    pub fn named(name: &str) -> Option<Masking> {
        match name {
            "none" => Some(Masking::None),
            "subwords" => Some(Masking::Subwords),
            _ => None,
        }
    }
}

/// What stands before the text of a cross-encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The prompt's items; running text has them joined by spaces, and one more after them.
    pub items: Vec<String>,
    /// C.
    pub labels: usize,
    /// Whether `[SPAN_THRESHOLD]` comes first.
    pub threshold: bool,
}

impl Prompt {
    /// `[LABEL] a [LABEL] b [SEP]`, with `[SPAN_THRESHOLD]` before it where the threshold is learned there.
    pub fn new(config: &Config, labels: &[String]) -> Prompt {
        let threshold = config.threshold_in_prompt() && config.threshold_token == Threshold::LabelToken;
        let mut items = Vec::new();
        if threshold {
            items.push(SPAN_THRESHOLD.to_owned());
        }
        for label in labels {
            items.extend([LABEL.to_owned(), label.clone()]);
        }
        items.push(SEPARATOR.to_owned());
        Prompt { items, labels: labels.len(), threshold }
    }

    /// The prompt's length in code points or in items.
    pub fn len(&self, format: AnnotationFormat) -> usize {
        match format {
            AnnotationFormat::Text => self.items.iter().map(|item| item.chars().count() + 1).sum(),
            AnnotationFormat::Tokens => self.items.len(),
        }
    }

    /// Whether it has no items; it always has one.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// How examples are encoded.
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    /// Pieces in a sequence at most, special ones included.
    pub max_length: usize,
    /// Who may begin and end.
    pub masking: Masking,
}

/// One example as a model reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Piece ids (T), cut to the longest sequence.
    pub ids: Vec<u32>,
    /// The types of the pieces (T).
    pub types: Vec<u32>,
    /// The pieces of the text, both ends inclusive; `None` if there is none.
    pub text: Option<RangeInclusive<usize>>,
    /// Which pieces may begin an entity (T).
    pub begins: Vec<bool>,
    /// Which may end one (T).
    pub ends: Vec<bool>,
    /// Start and end of each piece (T) in the text, or the words of each: what entities count.
    pub covers: Vec<(usize, usize)>,
    /// The pieces of labels' markers.
    pub markers: Vec<usize>,
    /// The piece that is a contrastive cross-encoder's threshold: `[SPAN_THRESHOLD]`, or the first of all.
    pub threshold: usize,
    /// Pieces of text that were cut off.
    pub cut: usize,
    /// Special tokens that the text spells (`[SEP]`): read as ordinary letters.
    pub spelled: usize,
}

impl Encoding {
    /// Encodes an input after `prompt`. Special tokens that it spells are read as ordinary letters.
    ///
    /// # Errors
    /// What the tokenizer says; a prompt that leaves no room for the text.
    pub fn encode(&self, tokenizer: &Tokenizer, prompt: Option<&Prompt>, input: &Content) -> Result<Encoded, Error> {
        let mut read = Cow::Borrowed(input);
        let mut spelled = 0;
        let (pieces, offset) = loop {
            let (pieces, offset) = cut(tokenizer, prompt, &read)?;
            let mut of_text = tokenizer.spelled(&pieces);
            of_text.retain(|&at| covers(&pieces, input, at).1 > offset);
            if of_text.is_empty() || !blank(read.to_mut(), &pieces, offset, &of_text) {
                break (pieces, offset);
            }
            spelled += of_text.len();
        };
        let content = pieces.content();
        let room = pieces.room(self.max_length)?;
        let cut = content.len().saturating_sub(room);
        // Special pieces after the text stay.
        let kept: Vec<usize> = (0..content.end - cut).chain(content.end..pieces.len()).collect();
        let inside =
            |at: usize| at < content.end - cut && content.contains(&at) && covers(&pieces, input, at).1 > offset;
        let first = kept.iter().position(|&at| inside(at));
        let last = kept.iter().rposition(|&at| inside(at));
        let text = first.zip(last).map(|(first, last)| first..=last);
        if text.is_none() && cut > 0 {
            let labels = prompt.map_or(0, |prompt| prompt.labels);
            return Err(Error::PromptTooLong { labels, pieces: self.max_length });
        }
        let word = |place: isize| usize::try_from(place).ok().and_then(|place| pieces.words[*kept.get(place)?]);
        let edge = |place: usize, beside: isize| {
            let at = kept[place];
            match self.masking {
                Masking::None => content.contains(&at),
                Masking::Subwords => pieces.words[at].is_some() && word(place as isize + beside) != pieces.words[at],
            }
        };
        let marker = prompt.and_then(|_| tokenizer.token_id(LABEL));
        let before = text.as_ref().map_or(kept.len(), |text| *text.start());
        let markers = (0..before).filter(|&place| Some(pieces.ids[kept[place]]) == marker).collect::<Vec<_>>();
        if let Some(prompt) = prompt
            && markers.len() != prompt.labels
        {
            return Err(Error::Setting(format!(
                "a prompt of {} has {} `{LABEL}`: a label may not hold one, and the tokenizer must know it",
                counted(prompt.labels, "label"),
                counted(markers.len(), "marker")
            )));
        }
        Ok(Encoded {
            ids: kept.iter().map(|&at| pieces.ids[at]).collect(),
            types: kept.iter().map(|&at| pieces.types[at]).collect(),
            begins: (0..kept.len()).map(|place| edge(place, -1)).collect(),
            ends: (0..kept.len()).map(|place| edge(place, 1)).collect(),
            covers: kept
                .iter()
                .map(|&at| covers(&pieces, input, at))
                .map(|(start, end)| (start.saturating_sub(offset), end.saturating_sub(offset)))
                .collect(),
            threshold: match prompt.filter(|prompt| prompt.threshold).and(tokenizer.token_id(SPAN_THRESHOLD)) {
                Some(id) => kept.iter().position(|&at| pieces.ids[at] == id).unwrap_or(0),
                None => 0,
            },
            spelled,
            text,
            markers,
            cut,
        })
    }
}

/// The pieces of prompt and input together, and the prompt's length in code points or items.
fn cut(tokenizer: &Tokenizer, prompt: Option<&Prompt>, input: &Content) -> Result<(Pieces, usize), Error> {
    match input {
        Content::Text(text) => {
            let before = prompt.map_or(String::new(), |prompt| prompt.items.join(" ") + " ");
            let offset = before.chars().count();
            Ok((tokenizer.encode_running(&(before + text))?, offset))
        }
        Content::Words(words) => {
            let before = prompt.map_or(&[][..], |prompt| &prompt.items);
            Ok((tokenizer.encode_words(&[before, words].concat())?, before.len()))
        }
    }
}

/// Puts a space for the first letter of each of those pieces, so that nothing moves; whether anything changed.
fn blank(input: &mut Content, pieces: &Pieces, offset: usize, places: &[usize]) -> bool {
    let mut changed = false;
    for &at in places {
        let (start, end) = (pieces.offsets[at].0 as usize, pieces.offsets[at].1 as usize);
        let (text, start, end) = match input {
            Content::Text(text) => (text, start.saturating_sub(offset), end - offset),
            Content::Words(words) => {
                (&mut words[pieces.words[at].expect("it covers a word") as usize - offset], start, end)
            }
        };
        let mut letters: Vec<char> = text.chars().collect();
        if let Some(letter) = letters[start..end].iter_mut().find(|letter| !letter.is_whitespace()) {
            *letter = ' ';
            changed = true;
        }
        *text = letters.into_iter().collect();
    }
    changed
}

/// Labels as they are read: special tokens that they spell become ordinary letters. Returns how many there were, too.
///
/// # Errors
/// What the tokenizer says.
pub fn plain_labels(tokenizer: &Tokenizer, labels: &[String]) -> Result<(Vec<String>, usize), Error> {
    let mut spelled = 0;
    let mut plain = Vec::with_capacity(labels.len());
    for label in labels {
        let mut read = Content::Text(label.clone());
        loop {
            let (pieces, _) = cut(tokenizer, None, &read)?;
            let places = tokenizer.spelled(&pieces);
            if places.is_empty() || !blank(&mut read, &pieces, 0, &places) {
                break;
            }
            spelled += places.len();
        }
        let Content::Text(label) = read else { unreachable!("a label is a text") };
        plain.push(label);
    }
    Ok((plain, spelled))
}

/// What a piece covers, in code points or words; special pieces nothing.
fn covers(pieces: &Pieces, input: &Content, at: usize) -> (usize, usize) {
    match input {
        Content::Text(_) => (pieces.offsets[at].0 as usize, pieces.offsets[at].1 as usize),
        Content::Words(_) => pieces.words[at].map_or((0, 0), |word| (word as usize, word as usize + 1)),
    }
}

impl Encoded {
    /// The pieces that a gold entity snaps to, both ends inclusive: the smallest range that covers it. `None` if it is
    /// not whole in what was read.
    pub fn place(&self, entity: &Entity, format: AnnotationFormat) -> Option<(usize, usize)> {
        let text = self.text.clone()?;
        let (first, last) = (*text.start(), *text.end());
        let covers = |at: usize| self.covers[at];
        match format {
            AnnotationFormat::Text => {
                if covers(first).0 > entity.start || covers(last).1 < entity.end {
                    return None;
                }
                let i = (first..=last).rev().find(|&at| covers(at).0 <= entity.start)?;
                let j = (first..=last).rev().find(|&at| covers(at).1 < entity.end).map_or(first, |at| at + 1);
                (i <= j).then_some((i, j))
            }
            AnnotationFormat::Tokens => {
                let is = |word: usize| move |at: &usize| covers(*at) == (word, word + 1);
                let i = text.clone().find(is(entity.start))?;
                text.clone().find(is(entity.end - 1))?;
                let j = text.rev().find(|&at| covers(at).1 > covers(at).0 && covers(at).0 < entity.end)?;
                (i <= j).then_some((i, j))
            }
        }
    }

    /// The spans that an entity can have, at most `longest` pieces, in order of start and end.
    pub fn spans(&self, longest: usize) -> Vec<(usize, usize)> {
        let Some(text) = self.text.clone() else { return Vec::new() };
        let last = *text.end();
        let from = |i: usize| (i..(i + longest).min(last + 1)).filter(|&j| self.ends[j]).map(move |j| (i, j));
        text.filter(|&i| self.begins[i]).flat_map(from).collect()
    }

    /// Whether a span can be found at all. Every one can, but for [`Parity::last_piece`](crate::config::parity::Parity).
    pub fn findable(&self, config: &Config, (_, end): (usize, usize)) -> bool {
        let last = self.text.as_ref().map(|text| *text.end());
        !(config.parity.last_piece && config.threshold_in_prompt() && last == Some(end))
    }

    /// The span of a gold entity, both ends inclusive. `None` if it is not whole in what was read, too long, or begins
    /// or ends where none may.
    pub fn span_of(&self, entity: &Entity, input: &Content, config: &Config) -> Option<(usize, usize)> {
        let format = match input {
            Content::Text(_) => AnnotationFormat::Text,
            Content::Words(_) => AnnotationFormat::Tokens,
        };
        let is_span = |&(i, j): &(usize, usize)| j - i < config.longest_gold() && self.begins[i] && self.ends[j];
        self.place(entity, format).filter(is_span)
    }

    /// The example's entities as pieces with their label's number among `labels`, each once; and how many have none.
    pub fn gold(&self, example: &Example, labels: &[String], config: &Config) -> (Vec<(usize, usize, usize)>, usize) {
        let mut gold = Vec::new();
        let mut lost = 0;
        for entity in &example.entities {
            let Some(kind) = labels.iter().position(|label| *label == entity.label) else { continue };
            match self.span_of(entity, &example.content, config) {
                Some((i, j)) if !gold.contains(&(i, j, kind)) => gold.push((i, j, kind)),
                Some(_) => {}
                None => lost += 1,
            }
        }
        (gold, lost)
    }
}
