//! Word labels become piece labels: what a model is trained and scored on.

pub mod aggregate;
pub mod windows;

use crate::align::windows::Plan;
use crate::labels::LabelSet;
use crate::parallel;
use crate::sentence::Sentence;
use crate::tokenizer::{Error, Pieces, Tokenizer};
use tagsmith_message::{Note, Wording, counted};

/// The label of a piece that is not counted.
pub const IGNORE: i32 = -100;

/// The label of a word's pieces after its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelAll {
    /// No label: only the first piece is counted.
    FirstOnly,
    /// The word's label, its `B-` turned into `I-` where the labels have that one: `label_all_tokens` of run_ner.
    MapToInside,
    /// The word's label as it is, so that each piece of a `B-` word begins an entity.
    Repeat,
}

/// The choices that change the examples, apart from the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlignOptions {
    /// The longest sequence in pieces, special ones included; no limit if none.
    pub max_length: Option<usize>,
    /// The label of a word's further pieces.
    pub label_all: LabelAll,
    /// The most pieces that windows of a longer sentence share; without it, the sentence is truncated.
    pub stride: Option<usize>,
}

/// A sequence for the model with one label a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Token ids (T).
    pub ids: Vec<u32>,
    /// Token type ids (T).
    pub types: Vec<u32>,
    /// Label ids or [`IGNORE`] (T).
    pub labels: Vec<i32>,
    /// The word of each piece (T).
    pub words: Vec<Option<u32>>,
    /// The index of its sentence.
    pub sentence: u32,
}

/// The number of sentences that a thread takes at a time.
const SENTENCES_A_TURN: usize = 16;

/// Encodes sentences and labels their pieces, block after block, and counts what is lost on the way.
pub struct Aligner<'a> {
    tokenizer: &'a Tokenizer,
    /// The name of the sentences' source.
    source: &'a str,
    /// The id of each tag's label; none where its words are not counted.
    label_ids: &'a [Option<u32>],
    /// The label of further pieces, for each label.
    continuation: Vec<i32>,
    options: AlignOptions,
    threads: usize,
    /// Sentences so far.
    sentences: usize,
    lost: Truncation,
}

impl<'a> Aligner<'a> {
    /// Returns an aligner of the sentences of `source`, on up to `threads` threads.
    ///
    /// `label_ids` are the source's tags as `labels` numbers them ([`LabelSet::ids_of`]). Sentences without tags get
    /// [`IGNORE`] throughout. With windows, a word in more than one is counted in the first alone.
    pub fn new(
        tokenizer: &'a Tokenizer,
        source: &'a str,
        labels: &LabelSet,
        label_ids: &'a [Option<u32>],
        options: AlignOptions,
        threads: usize,
    ) -> Aligner<'a> {
        let continuation = match options.label_all {
            LabelAll::FirstOnly => vec![IGNORE; labels.len()],
            LabelAll::MapToInside => labels.continuations().into_iter().map(|label| label as i32).collect(),
            LabelAll::Repeat => (0..labels.len() as i32).collect(),
        };
        let lost = Truncation::new();
        Aligner { tokenizer, source, label_ids, continuation, options, threads, sentences: 0, lost }
    }

    /// Returns the examples of the source's next sentences, in their order; more than one a sentence only with windows.
    ///
    /// # Errors
    /// The tokenizer refuses a sentence, or a window has no room for a piece.
    pub fn align(&mut self, sentences: &[Sentence]) -> Result<Vec<Example>, Error> {
        let turns: Vec<(usize, &[Sentence])> =
            (self.sentences..).step_by(SENTENCES_A_TURN).zip(sentences.chunks(SENTENCES_A_TURN)).collect();
        let aligned = parallel::map(&turns, self.threads, |&(first, turn)| {
            let (mut examples, mut lost) = (Vec::with_capacity(turn.len()), Truncation::new());
            for (number, sentence) in (first..).zip(turn) {
                self.align_sentence(sentence, number, &mut examples, &mut lost)?;
            }
            Ok((examples, lost))
        });
        let mut examples = Vec::with_capacity(sentences.len());
        for part in aligned {
            let (of_part, lost) = part?;
            examples.extend(of_part);
            self.lost.absorb(lost);
        }
        self.sentences += sentences.len();
        Ok(examples)
    }

    /// Returns notes about truncated sentences and words without a piece.
    pub fn into_notes(self) -> Vec<Note> {
        self.lost.into_notes(self.options)
    }

    /// Adds the examples of sentence `number` of the source, and counts what was lost of it.
    fn align_sentence(
        &self,
        sentence: &Sentence,
        number: usize,
        examples: &mut Vec<Example>,
        lost: &mut Truncation,
    ) -> Result<(), Error> {
        assert!(sentence.tags.is_empty() || sentence.tags.len() == sentence.words.len(), "align: a tag for each word");
        let place = || format!("{}:{}", self.source, sentence.line);
        let pieces = self.tokenizer.encode_words(&sentence.words)?;
        lost.pieceless(&pieces, &sentence.words, place);
        let AlignOptions { max_length, stride, .. } = self.options;
        let ranges = match max_length {
            Some(max_length) if pieces.len() > max_length => {
                lost.too_long(&pieces, max_length, stride, sentence.words.len(), place)?
            }
            _ => vec![pieces.content()],
        };
        let piece_labels = label_pieces(&pieces, |word| {
            let tag = *sentence.tags.get(word as usize)?;
            let label = self.label_ids[tag as usize]?;
            Some((label as i32, self.continuation[label as usize]))
        });
        let mut covered = 0;
        for range in ranges {
            let mut example = window(&pieces, &piece_labels, range.clone(), number as u32);
            let overlap = covered.max(range.start) - range.start;
            example.labels[pieces.prefix..pieces.prefix + overlap].fill(IGNORE);
            covered = range.end;
            examples.push(example);
        }
        Ok(())
    }
}

/// Returns one label a piece: the first of `word_label` for a word's first piece, the second for the others.
fn label_pieces(pieces: &Pieces, word_label: impl Fn(u32) -> Option<(i32, i32)>) -> Vec<i32> {
    let mut previous = None;
    let label = |&word: &Option<u32>| {
        let begins = word != previous;
        previous = word;
        match word.and_then(&word_label) {
            None => IGNORE,
            Some((first, _)) if begins => first,
            Some((_, continuation)) => continuation,
        }
    };
    pieces.words.iter().map(label).collect()
}

/// Returns the example of a range of the pieces, with the special pieces around it.
fn window(pieces: &Pieces, labels: &[i32], range: std::ops::Range<usize>, sentence: u32) -> Example {
    Example {
        ids: pieces.around(&pieces.ids, range.clone()),
        types: pieces.around(&pieces.types, range.clone()),
        labels: pieces.around(labels, range.clone()),
        words: pieces.around(&pieces.words, range),
        sentence,
    }
}

/// Counts of what sequences lost: words that were cut off, and words without a piece.
struct Truncation {
    too_long: Note,
    words_lost: usize,
    windows: usize,
    parted: Note,
    pieceless: Note,
}

impl Truncation {
    fn new() -> Truncation {
        Truncation {
            too_long: Note::new(""),
            words_lost: 0,
            windows: 0,
            parted: Note::new("{word is|words are} longer than a whole window and {is|are} read in parts"),
            pieceless: Note::new("{word gives|words give} no piece, so {it is|they are} neither trained nor scored")
                .important(),
        }
    }

    fn pieceless(&mut self, pieces: &Pieces, words: &[String], place: impl Fn() -> String) {
        for (at, first) in pieces.first_of_words(words.len()).iter().enumerate() {
            if first.is_none() {
                self.pieceless.add(|| format!("{} word {} {:?}", place(), at + 1, words[at]));
            }
        }
    }

    /// Returns the windows of a sentence that does not fit, or the one that truncation leaves.
    fn too_long(
        &mut self,
        pieces: &Pieces,
        max_length: usize,
        stride: Option<usize>,
        words: usize,
        place: impl Fn() -> String,
    ) -> Result<Vec<std::ops::Range<usize>>, Error> {
        self.too_long.add(&place);
        if let Some(stride) = stride {
            let plan = Plan::new(pieces, max_length, stride)?;
            for word in plan.parted {
                self.parted.add(|| format!("{} word {}", place(), word + 1));
            }
            self.windows += plan.windows.len();
            return Ok(plan.windows);
        }
        let kept = pieces.prefix..pieces.prefix + pieces.room(max_length)?;
        let firsts = pieces.first_of_words(words);
        self.words_lost += firsts.iter().flatten().filter(|&&first| first as usize >= kept.end).count();
        Ok(vec![kept])
    }

    /// Counts what a later part of the split lost.
    fn absorb(&mut self, later: Truncation) {
        let Truncation { too_long, words_lost, windows, parted, pieceless } = later;
        self.too_long.absorb(too_long);
        self.words_lost += words_lost;
        self.windows += windows;
        self.parted.absorb(parted);
        self.pieceless.absorb(pieceless);
    }

    fn into_notes(mut self, options: AlignOptions) -> Vec<Note> {
        let max_length = options.max_length.unwrap_or_default();
        self.too_long.important = options.stride.is_none();
        self.too_long.what = match options.stride {
            None => Wording::new(
                "{sentence has|sentences have} more than {} pieces and {was|were} cut there: {} lost",
                &[&max_length, &counted(self.words_lost, "word")],
            ),
            Some(_) => Wording::new(
                "{sentence has|sentences have} more than {} pieces and became {}",
                &[&max_length, &counted(self.windows, "window")],
            ),
        };
        [self.too_long, self.parted, self.pieceless].into_iter().filter(|note| note.count > 0).collect()
    }
}
