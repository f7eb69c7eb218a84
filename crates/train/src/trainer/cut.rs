//! Batches are cut into micro-batches, which bound memory and change no number.

use std::ops::Range;
use tagsmith_message::counted;

/// Cuts sequences of these lengths, in their order, into parts of at most `tokens_max` rows. A longer sequence is a part
/// of its own.
pub fn cut(lengths: &[usize], tokens_max: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut rows = 0;
    for (at, &length) in lengths.iter().enumerate() {
        match parts.last_mut() {
            Some(part) if rows + length <= tokens_max => {
                rows += length;
                part.end = at + 1;
            }
            _ => {
                rows = length;
                parts.push(at..at + 1);
            }
        }
    }
    parts
}

/// Says which sequences of these lengths are longer than a micro-batch may be. `noun` is what one of them is.
pub fn longer_than_allowed(lengths: &[u32], tokens_max: usize, noun: &str) -> Option<String> {
    let longer = || lengths.iter().filter(|&&rows| rows as usize > tokens_max);
    let (count, longest) = (longer().count(), longer().max()?);
    let (counted, have) = (counted(count, noun), if count == 1 { "has" } else { "have" });
    Some(format!(
        "{counted} {have} more than the {tokens_max} pieces that a micro-batch may have (`batch_tokens`), the longest \
         {longest}: each is a micro-batch of its own"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn parts_keep_the_order_and_are_bounded() {
        assert_eq!(cut(&[3, 9, 1, 3, 20, 2], 9), [0..1, 1..2, 2..4, 4..5, 5..6]);
        assert_eq!(cut(&[3, 9, 1, 3, 20, 2], 10), [0..1, 1..3, 3..4, 4..5, 5..6]);
        assert_eq!(cut(&[3, 9, 1], 100), [0..3]);
        assert_eq!(cut(&[], 9), Vec::<Range<usize>>::new());
    }
}
