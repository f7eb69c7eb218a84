//! Examples as bytes: some five for each piece, in memory or, beyond a limit, in a file.

use std::collections::BTreeMap;
use tagsmith_files::Error;
use tagsmith_files::records::{Records, Room, put_number, take_number};
use tagsmith_text::align::{Example, IGNORE};

/// Examples in the order of their sentences, one for each.
#[derive(Debug)]
pub struct Examples {
    records: Records,
    /// Pieces of each example.
    lengths: Vec<u32>,
    /// How many examples have so many pieces.
    of_length: BTreeMap<u32, usize>,
    /// A bit for each piece of the vocabulary: whether it occurs.
    occurring: Vec<u64>,
}

impl Examples {
    /// Returns an empty list that takes a part of `room`.
    pub fn new(room: &Room) -> Examples {
        let records = Records::new(room);
        Examples { records, lengths: Vec::new(), of_length: BTreeMap::new(), occurring: Vec::new() }
    }

    /// Returns these examples in memory.
    pub fn in_memory(examples: &[Example]) -> Examples {
        let mut all = Examples::new(&Room::unlimited());
        for example in examples {
            all.push(example).expect("an unlimited room needs no file");
        }
        all
    }

    /// Adds an example, whose ids are rows of a model's word table: memory grows with the largest of them.
    ///
    /// # Errors
    /// A file is needed and cannot be written.
    pub fn push(&mut self, example: &Example) -> Result<(), Error> {
        self.records.push(&encode(example))?;
        let length = example.ids.len() as u32;
        self.lengths.push(length);
        *self.of_length.entry(length).or_default() += 1;
        for &id in &example.ids {
            let (word, bit) = (id as usize / 64, id % 64);
            if self.occurring.len() <= word {
                self.occurring.resize(word + 1, 0);
            }
            self.occurring[word] |= 1 << bit;
        }
        Ok(())
    }

    /// Returns the number of examples.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Returns whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Returns the number of pieces of each example.
    pub fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// Returns example `at`, which is that of sentence `at`.
    ///
    /// # Errors
    /// The file of the examples cannot be read.
    pub fn get(&self, at: usize) -> Result<Example, Error> {
        let mut record = Vec::new();
        self.records.get(at, &mut record)?;
        Ok(decode(&record, at as u32))
    }

    /// Returns the examples with these numbers.
    ///
    /// # Errors
    /// The file of the examples cannot be read.
    pub fn get_all(&self, numbers: &[usize]) -> Result<Vec<Example>, Error> {
        numbers.iter().map(|&at| self.get(at)).collect()
    }

    /// Returns all examples, one after another.
    pub fn iter(&self) -> impl Iterator<Item = Result<Example, Error>> + '_ {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Counts the pieces of all examples.
    pub fn pieces(&self) -> u64 {
        self.of_length.iter().map(|(&length, &count)| u64::from(length) * count as u64).sum()
    }

    /// Counts the pieces of the `count` longest examples.
    pub fn longest(&self, count: usize) -> usize {
        let (mut left, mut pieces) = (count, 0);
        for (&length, &of_length) in self.of_length.iter().rev() {
            let taken = of_length.min(left);
            pieces += taken * length as usize;
            left -= taken;
        }
        pieces
    }

    /// Counts the pieces of the vocabulary that occur here or in `others`.
    pub fn different_pieces(&self, others: &Examples) -> u64 {
        let words = 0..self.occurring.len().max(others.occurring.len());
        let of = |examples: &Examples, word: usize| examples.occurring.get(word).copied().unwrap_or(0);
        words.map(|word| u64::from((of(self, word) | of(others, word)).count_ones())).sum()
    }

    /// Returns the bytes in memory: those of the examples, of where they are, and of their lengths.
    pub fn bytes_in_memory(&self) -> u64 {
        let beside = size_of_val(&self.lengths[..]) + size_of_val(&self.occurring[..]);
        self.bytes_of_room() + self.records.bytes_of_index() + beside as u64
    }

    /// Returns the bytes in memory that a smaller room would leave to a file.
    pub fn bytes_of_room(&self) -> u64 {
        self.records.bytes_in_memory()
    }

    /// Returns the bytes that are in a file.
    pub fn bytes_in_file(&self) -> u64 {
        self.records.bytes_in_file()
    }
}

/// Writes the number of pieces, whether types follow, the ids, the types, the labels and the words.
///
/// A piece without a label has 0, and label k is k + 1. A piece without a word has 0 too. Another word is one more than
/// its distance to the word before, whose sign is in the lowest bit.
fn encode(example: &Example) -> Vec<u8> {
    let Example { ids, types, labels, words, sentence: _ } = example;
    let length = ids.len();
    assert_eq!([types.len(), labels.len(), words.len()], [length; 3], "an example has a type, a label, a word a piece");
    let has_types = types.iter().any(|&of| of != 0);
    let mut record = Vec::with_capacity(8 + 6 * length);
    put_number(&mut record, length as u64);
    record.push(u8::from(has_types));
    ids.iter().for_each(|&id| put_number(&mut record, id.into()));
    if has_types {
        types.iter().for_each(|&of| put_number(&mut record, of.into()));
    }
    for &label in labels {
        assert!(label == IGNORE || label >= 0, "label {label}");
        put_number(&mut record, if label == IGNORE { 0 } else { label as u64 + 1 });
    }
    let mut before = 0;
    for word in words {
        let number = word.map_or(0, |word| {
            let step = i64::from(word) - std::mem::replace(&mut before, i64::from(word));
            1 + ((step << 1) ^ (step >> 63)) as u64
        });
        put_number(&mut record, number);
    }
    record
}

fn decode(record: &[u8], sentence: u32) -> Example {
    let mut rest = record;
    let length = take_number(&mut rest) as usize;
    let (&has_types, after) = rest.split_first().expect("a record says whether types follow");
    rest = after;
    let mut numbers = || (0..length).map(|_| take_number(&mut rest)).collect::<Vec<u64>>();
    let narrow = |numbers: Vec<u64>| numbers.into_iter().map(|number| number as u32).collect();
    let ids = narrow(numbers());
    let types = if has_types == 1 { narrow(numbers()) } else { vec![0; length] };
    let label = |number: u64| if number == 0 { IGNORE } else { (number - 1) as i32 };
    let labels = numbers().into_iter().map(label).collect();
    let mut before = 0;
    let word = |number: u64| {
        let step = number.checked_sub(1)?;
        before += (step >> 1) as i64 ^ -((step & 1) as i64);
        Some(before as u32)
    };
    Example { ids, types, labels, words: numbers().into_iter().map(word).collect(), sentence }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn examples() -> impl Strategy<Value = Vec<Example>> {
        let label = prop_oneof![Just(IGNORE), 0..9999];
        let piece = (0u32..300_000, prop_oneof![9 => Just(0u32), 1 => 0..3u32], label, prop::option::of(any::<u32>()));
        let example = |pieces: Vec<(u32, u32, i32, Option<u32>)>| Example {
            ids: pieces.iter().map(|piece| piece.0).collect(),
            types: pieces.iter().map(|piece| piece.1).collect(),
            labels: pieces.iter().map(|piece| piece.2).collect(),
            words: pieces.iter().map(|piece| piece.3).collect(),
            sentence: 0,
        };
        let numbered = |mut examples: Vec<Example>| {
            (0..).zip(&mut examples).for_each(|(number, example)| example.sentence = number);
            examples
        };
        prop::collection::vec(prop::collection::vec(piece, 0..20).prop_map(example), 0..20).prop_map(numbered)
    }

    proptest! {
        #[test]
        fn examples_come_back_and_are_counted(want in examples(), bytes in 0u64..2000) {
            let folder = tempfile::tempdir().unwrap();
            let mut kept = Examples::new(&Room::new(bytes, folder.path()));
            want.iter().for_each(|example| kept.push(example).unwrap());
            let got: Vec<Example> = kept.iter().map(|example| example.unwrap()).collect();
            prop_assert_eq!(&got, &want);
            let mut lengths: Vec<usize> = want.iter().map(|example| example.ids.len()).collect();
            prop_assert!(kept.lengths().iter().map(|&length| length as usize).eq(lengths.iter().copied()));
            lengths.sort_by_key(|&length| std::cmp::Reverse(length));
            for count in [0, 1, 3, 50] {
                prop_assert_eq!(kept.longest(count), lengths.iter().take(count).sum::<usize>());
            }
            prop_assert_eq!(kept.pieces(), lengths.iter().sum::<usize>() as u64);
            let (first, second) = want.split_at(want.len() / 2);
            let different = want.iter().flat_map(|example| &example.ids).collect::<HashSet<_>>().len();
            let [first, second] = [first, second].map(Examples::in_memory);
            prop_assert_eq!(first.different_pieces(&second), different as u64);
        }
    }

    #[test]
    fn a_piece_takes_some_five_bytes() {
        let example = Example {
            ids: (0..100).map(|at| 1000 + at * 200).collect(),
            types: vec![0; 100],
            labels: (0..100).map(|at| at % 9).collect(),
            words: (0..100).map(|at| Some(at / 2)).collect(),
            sentence: 0,
        };
        assert!((400..500).contains(&encode(&example).len()), "{}", encode(&example).len());
    }
}
