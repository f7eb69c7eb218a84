//! Examples become batches.

use tagsmith_encoder::batch::Batch;
use tagsmith_text::align::Example;

/// The examples' rows one after the other, nothing padded.
pub fn collate(examples: &[Example]) -> Batch {
    let mut batch = Batch::default();
    for example in examples {
        batch.push(&example.ids, &example.types, &example.labels);
    }
    batch
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
        let batch = collate(&[a, b]);
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
}
