//! Examples become batches.

use std::ops::Range;

use tagsmith_encoder::batch::Batch;
use tagsmith_text::align::Example;

/// The examples' rows one after the other, nothing padded.
pub fn collate(examples: &[&Example]) -> Batch {
    let mut batch = Batch::default();
    for example in examples {
        batch.push(&example.ids, &example.types, &example.labels);
    }
    batch
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_the_examples_rows() {
        let example = |ids: &[u32], labels: &[i32]| Example {
            ids: ids.to_vec(),
            types: vec![1; ids.len()],
            labels: labels.to_vec(),
            words: vec![None; ids.len()],
            sentence: 0,
        };
        let (a, b) = (example(&[5, 6], &[-100, 2]), example(&[7, 8, 9], &[0, 1, -100]));
        let batch = collate(&[&a, &b]);
        assert_eq!(batch.ids, [5, 6, 7, 8, 9]);
        assert_eq!(batch.types, [1; 5]);
        assert_eq!(batch.starts, [0, 2, 5]);
        assert_eq!(batch.labels, [-100, 2, 0, 1, -100]);
        assert_eq!(batch.counted(), 3);
    }

    #[test]
    fn a_label_that_is_not_counted_is_negative() {
        // The loss and the encoder's batches skip negative labels.
        const { assert!(tagsmith_text::align::IGNORE < 0) };
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn parts_keep_the_order_and_are_bounded() {
        assert_eq!(cut(&[3, 9, 1, 3, 20, 2], 9), [0..1, 1..2, 2..4, 4..5, 5..6]);
        assert_eq!(cut(&[3, 9, 1, 3, 20, 2], 10), [0..1, 1..3, 3..4, 4..5, 5..6]);
        assert_eq!(cut(&[3, 9, 1], 100), [0..3]);
        assert_eq!(cut(&[], 9), Vec::<Range<usize>>::new());
    }
}
