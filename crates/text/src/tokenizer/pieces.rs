//! What a tokenizer returns: pieces, their words and their places.

use crate::tokenizer::error::Error;
use std::ops::Range;
use tokenizers::Encoding;

/// The pieces of one sentence or text: T of them, special ones included, nothing truncated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// Token ids (T).
    pub ids: Vec<u32>,
    /// Token type ids (T), as the post-processor gives them.
    pub types: Vec<u32>,
    /// The word of each piece (T); none for special pieces and for pieces that touch no word.
    pub words: Vec<Option<u32>>,
    /// Start and end (T) in code points: inside the word if words were encoded, inside the text otherwise.
    pub offsets: Vec<(u32, u32)>,
    /// The number of special pieces before the others.
    pub prefix: usize,
    /// The number of special pieces after the others.
    pub suffix: usize,
}

impl Pieces {
    /// Returns T, the number of pieces.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns whether there is no piece at all, not even a special one.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns the range of the pieces between the special ones.
    pub fn content(&self) -> Range<usize> {
        self.prefix..self.len() - self.suffix
    }

    /// Returns how many pieces of text a sequence of `max_length` holds.
    ///
    /// # Errors
    /// A sequence that special pieces fill.
    pub fn room(&self, max_length: usize) -> Result<usize, Error> {
        let special = self.prefix + self.suffix;
        if max_length <= special {
            return Err(Error::NoRoom { max_length, special });
        }
        Ok(max_length - special)
    }

    /// Returns the first piece of each of `words` words.
    pub fn first_of_words(&self, words: usize) -> Vec<Option<u32>> {
        let mut first = vec![None; words];
        for (at, word) in self.words.iter().enumerate() {
            if let Some(word) = word {
                first[*word as usize].get_or_insert(at as u32);
            }
        }
        first
    }

    /// Returns one row a piece, for a range of the content with the special pieces around it.
    pub fn around<T: Clone>(&self, rows: &[T], range: Range<usize>) -> Vec<T> {
        assert_eq!(rows.len(), self.len(), "around: {} pieces", self.len());
        [&rows[..self.prefix], &rows[range], &rows[self.len() - self.suffix..]].concat()
    }

    /// Takes over what the tokenizer returned.
    pub(crate) fn new(encoding: &Encoding) -> Pieces {
        let special = encoding.get_special_tokens_mask();
        let prefix = special.iter().take_while(|&&mask| mask == 1).count();
        let suffix = special[prefix..].iter().rev().take_while(|&&mask| mask == 1).count();
        Pieces {
            ids: encoding.get_ids().to_vec(),
            types: encoding.get_type_ids().to_vec(),
            words: encoding.get_word_ids().to_vec(),
            offsets: encoding.get_offsets().iter().map(|&(start, end)| (start as u32, end as u32)).collect(),
            prefix,
            suffix,
        }
    }
}
