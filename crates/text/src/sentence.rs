//! The result of every reader: sentences of words, each word with at most one tag.

use std::sync::Arc;
use tagsmith_files::Error;
use tagsmith_files::records::{Records, Room, put_number, take_number};
use tagsmith_message::Note;

/// One sentence: its words and, where the data has them, one tag a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The words in order.
    pub words: Vec<String>,
    /// One index into [`Split::tag_names`] for each word; empty when the data has no tags.
    pub tags: Vec<u32>,
    /// The line (of text formats) or the row (of tables) where the sentence begins, from 1.
    pub line: u64,
}

/// The way in which the data writes its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagKind {
    /// The data has no label column.
    Absent,
    /// Strings; `tag_names` holds them in order of first appearance.
    Strings,
    /// Integers with names (`ClassLabel`); `tag_names` holds all names in the data set's order.
    ClassLabel,
    /// Integers without names; `tag_names` holds their decimal spellings in order of first appearance.
    Integers,
}

/// The columns that a reader took, and all columns that it saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The name of the words' column.
    pub text: String,
    /// The name of the tags' column, if there is one.
    pub label: Option<String>,
    /// The names of all columns, in the file's order.
    pub all: Vec<String>,
}

/// A part of a data set (train, validation, test).
///
/// ```
/// use tagsmith_text::labels::LabelSet;
/// use tagsmith_text::sentence::{Columns, Sentence, Sentences, Split, TagKind};
///
/// let words = ["Jo", "sings"].map(String::from).to_vec();
/// let split = Split {
///     source: "notes.conll".into(),
///     sentences: Sentences::in_memory(&[Sentence { words, tags: vec![0, 1], line: 1 }]),
///     tag_names: ["B-PER", "O"].map(String::from).to_vec(),
///     tag_kind: TagKind::Strings,
///     columns: Columns::default(),
///     notes: Vec::new(),
/// };
/// let (labels, _notes) = LabelSet::infer(Some(&split), &[])?;
/// assert_eq!(labels.names(), ["B-PER", "O"]);
/// # Ok::<(), tagsmith_text::labels::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Split {
    /// The name in messages: the file name or names.
    pub source: String,
    /// The sentences in the data's order.
    pub sentences: Sentences,
    /// The names that `Sentence::tags` index.
    pub tag_names: Vec<String>,
    /// The way in which the data writes its tags.
    pub tag_kind: TagKind,
    /// The columns that were read.
    pub columns: Columns,
    /// Notes about what the reader skipped, converted or guessed.
    pub notes: Vec<Note>,
}

/// Bytes of the sentences that a block holds: some two thousand short ones.
const BLOCK: u64 = 1 << 17;

/// Sentences in an order of their own. They are kept as bytes, and beyond a limit in a file ([`Room`]).
#[derive(Clone, Debug)]
pub struct Sentences {
    records: Arc<Records>,
    order: Order,
    /// Words of all records.
    words: u64,
}

/// The records that the sentences are, in their order.
#[derive(Clone, Debug)]
enum Order {
    /// The first so many.
    AsRead(usize),
    /// The records with these numbers.
    Drawn(Vec<u32>),
}

impl Sentences {
    /// Returns an empty list that takes a part of `room`.
    pub fn new(room: &Room) -> Sentences {
        Sentences { records: Arc::new(Records::new(room)), order: Order::AsRead(0), words: 0 }
    }

    /// Returns these sentences in memory.
    pub fn in_memory(sentences: &[Sentence]) -> Sentences {
        let mut all = Sentences::new(&Room::unlimited());
        for sentence in sentences {
            all.push(sentence).expect("an unlimited room needs no file");
        }
        all
    }

    /// Returns the number of sentences.
    pub fn len(&self) -> usize {
        match &self.order {
            Order::AsRead(count) => *count,
            Order::Drawn(order) => order.len(),
        }
    }

    /// Returns whether there is no sentence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a sentence at the end.
    ///
    /// # Panics
    /// Some sentences were left out, or the order is another than that of reading.
    ///
    /// # Errors
    /// A file is needed and cannot be written.
    pub fn push(&mut self, sentence: &Sentence) -> Result<(), Error> {
        let records = Arc::get_mut(&mut self.records).expect("sentences are added before they are shared");
        let Order::AsRead(count) = &mut self.order else { panic!("sentences are added before they are reordered") };
        assert_eq!(*count, records.len(), "sentences are added before some are left out");
        records.push(&encode(sentence))?;
        *count += 1;
        self.words += sentence.words.len() as u64;
        Ok(())
    }

    /// Returns the sentences in another order; `order` may leave some out.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Sentences {
        let drawn = order.iter().map(|&at| self.record(at) as u32).collect();
        Sentences { records: Arc::clone(&self.records), order: Order::Drawn(drawn), words: self.words }
    }

    /// Leaves out all but the first `count` sentences.
    pub fn truncate(&mut self, count: usize) {
        match &mut self.order {
            Order::AsRead(all) => *all = count.min(*all),
            Order::Drawn(order) => order.truncate(count),
        }
    }

    fn record(&self, at: usize) -> usize {
        match &self.order {
            Order::AsRead(count) => {
                assert!(at < *count, "sentence {at} of {count}");
                at
            }
            Order::Drawn(order) => order[at] as usize,
        }
    }

    /// Returns sentence `at`.
    ///
    /// # Errors
    /// The file of the sentences cannot be read.
    pub fn get(&self, at: usize) -> Result<Sentence, Error> {
        let mut record = Vec::new();
        self.records.get(self.record(at), &mut record)?;
        Ok(decode(&record))
    }

    /// Returns the sentences in blocks of bounded size, in their order.
    pub fn blocks(&self) -> impl Iterator<Item = Result<Vec<Sentence>, Error>> + '_ {
        let mut next = 0;
        std::iter::from_fn(move || {
            let first = next;
            if first == self.len() {
                return None;
            }
            let mut block = Vec::new();
            let read = match &self.order {
                Order::AsRead(count) => {
                    next = count.min(&(first + self.records.count_within(first, BLOCK))).to_owned();
                    self.records.for_each(first..next, |record| block.push(decode(record)))
                }
                Order::Drawn(order) => {
                    let (mut record, mut bytes, mut read) = (Vec::new(), 0, Ok(()));
                    while next < order.len() && bytes < BLOCK && read.is_ok() {
                        read = self.records.get(order[next] as usize, &mut record);
                        if read.is_ok() {
                            block.push(decode(&record));
                        }
                        bytes += record.len() as u64;
                        next += 1;
                    }
                    read
                }
            };
            Some(read.map(|()| block))
        })
    }

    /// Hands each sentence to `each`, which says whether to go on.
    ///
    /// # Errors
    /// The file of the sentences cannot be read.
    pub fn for_each(&self, mut each: impl FnMut(Sentence) -> bool) -> Result<(), Error> {
        for block in self.blocks() {
            for sentence in block? {
                if !each(sentence) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns all sentences.
    ///
    /// # Errors
    /// The file of the sentences cannot be read.
    pub fn to_vec(&self) -> Result<Vec<Sentence>, Error> {
        let mut all = Vec::with_capacity(self.len());
        self.blocks().try_for_each(|block| block.map(|block| all.extend(block)))?;
        Ok(all)
    }

    /// Returns the sentences as `change` makes them, in the same order.
    ///
    /// # Errors
    /// A file of sentences cannot be read or written.
    pub fn changed(&self, mut change: impl FnMut(&mut Sentence)) -> Result<Sentences, Error> {
        let mut changed = Sentences::new(self.records.room());
        for block in self.blocks() {
            for mut sentence in block? {
                change(&mut sentence);
                changed.push(&sentence)?;
            }
        }
        Ok(changed)
    }

    /// Returns these sentences without the others of the same origin, which take memory as long as any of them is kept.
    ///
    /// # Errors
    /// A file of sentences cannot be read or written.
    pub fn on_their_own(&self) -> Result<Sentences, Error> {
        match self.order {
            Order::AsRead(count) if count == self.records.len() => Ok(self.clone()),
            _ => self.changed(|_| {}),
        }
    }

    /// Returns the number of words.
    ///
    /// # Errors
    /// The file of the sentences cannot be read.
    pub fn count_words(&self) -> Result<u64, Error> {
        if self.len() == self.records.len() {
            return Ok(self.words);
        }
        let (mut words, mut record) = (0, Vec::new());
        for at in 0..self.len() {
            self.records.get(self.record(at), &mut record)?;
            words += header(&mut &record[..]).1;
        }
        Ok(words)
    }

    /// Returns the bytes in memory, those of other sentences of the same origin among them.
    pub fn bytes_in_memory(&self) -> u64 {
        let order = match &self.order {
            Order::AsRead(_) => 0,
            Order::Drawn(order) => size_of_val(&order[..]),
        };
        self.records.bytes_in_memory() + self.records.bytes_of_index() + order as u64
    }

    /// Returns the bytes that are in a file.
    pub fn bytes_in_file(&self) -> u64 {
        self.records.bytes_in_file()
    }

    /// Returns whether these sentences and the others are parts of the same data.
    pub fn are_of_one_origin(&self, others: &Sentences) -> bool {
        Arc::ptr_eq(&self.records, &others.records)
    }
}

/// Writes the line, the number of words, the number of tags, the tags, and each word after its length.
fn encode(sentence: &Sentence) -> Vec<u8> {
    let Sentence { words, tags, line } = sentence;
    let mut record = Vec::with_capacity(8 + tags.len() + words.iter().map(|word| word.len() + 1).sum::<usize>());
    for number in [*line, words.len() as u64, tags.len() as u64] {
        put_number(&mut record, number);
    }
    tags.iter().for_each(|&tag| put_number(&mut record, tag.into()));
    for word in words {
        put_number(&mut record, word.len() as u64);
        record.extend_from_slice(word.as_bytes());
    }
    record
}

/// Takes the line, the number of words and the number of tags from the front of a record.
fn header(rest: &mut &[u8]) -> (u64, u64, u64) {
    (take_number(rest), take_number(rest), take_number(rest))
}

fn decode(record: &[u8]) -> Sentence {
    let mut rest = record;
    let (line, words, tags) = header(&mut rest);
    let tags = (0..tags).map(|_| take_number(&mut rest) as u32).collect();
    let word = |_| {
        let length = take_number(&mut rest) as usize;
        let (word, after) = rest.split_at(length);
        rest = after;
        String::from_utf8(word.to_vec()).expect("a word was written as UTF-8")
    };
    Sentence { words: (0..words).map(word).collect(), tags, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(number: usize) -> Sentence {
        let words: Vec<String> = (0..number % 7).map(|at| format!("wörd{number}\n{}", " ".repeat(at))).collect();
        let tags =
            if number.is_multiple_of(5) { Vec::new() } else { (0..words.len() as u32).map(|at| at * 100).collect() };
        Sentence { words, tags, line: 3 * number as u64 }
    }

    #[test]
    fn sentences_come_back_from_memory_and_from_a_file() {
        const COUNT: usize = 30_000;
        let folder = tempfile::tempdir().unwrap();
        for bytes in [u64::MAX, 1000] {
            let mut all = Sentences::new(&Room::new(bytes, folder.path()));
            for number in 0..COUNT {
                all.push(&sentence(number)).unwrap();
            }
            assert_eq!(all.bytes_in_file() > 0, bytes == 1000);
            let check = |got: &Sentences, want: &[usize]| {
                let want: Vec<Sentence> = want.iter().map(|&number| sentence(number)).collect();
                assert!(got.to_vec().unwrap() == want);
                assert_eq!(got.len(), want.len());
                let words: usize = want.iter().map(|sentence| sentence.words.len()).sum();
                assert_eq!(got.count_words().unwrap(), words as u64);
                assert_eq!(got.get(want.len() - 1).unwrap(), want[want.len() - 1]);
            };
            let order: Vec<usize> = (0..COUNT).collect();
            check(&all, &order);
            let most = all.blocks().map(|block| block.unwrap().len()).max().unwrap();
            assert!((1000..10_000).contains(&most), "{most} in a block");
            let order: Vec<usize> = (0..COUNT).rev().step_by(3).collect();
            let mut drawn = all.reordered(&order);
            check(&drawn, &order);
            drawn.truncate(10);
            check(&drawn, &order[..10]);
            check(&drawn.reordered(&[9, 0]), &[order[9], order[0]]);
            let alone = drawn.on_their_own().unwrap();
            check(&alone, &order[..10]);
            assert!(drawn.are_of_one_origin(&all) && !alone.are_of_one_origin(&all));
            assert!(alone.bytes_in_memory() + alone.bytes_in_file() < 1000);
            all.truncate(7000);
            check(&all, &(0..7000).collect::<Vec<_>>());
        }
    }
}
