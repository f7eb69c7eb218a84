//! The training split shuffled, and a part of it held out, as `datasets` does both.

use crate::error::refusal;
use tagsmith_message::{Remedy, Setting, counted};
use tagsmith_text::sentence::Split;
use tagsmith_train::trainer::order::numpy_permutation;

/// The size of the part that is held out, and its draw.
#[derive(Clone, Copy, Debug)]
pub struct HeldOut {
    /// Sentences; below 1, a part of all.
    pub size: f64,
    /// Seed of the draw.
    pub seed: u64,
}

/// Shuffles `train` as `train.shuffle(seed)` does.
pub fn shuffle(train: &mut Split, seed: u64) {
    let order = numpy_permutation(seed, train.sentences.len());
    train.sentences = train.sentences.reordered(&order);
}

/// Moves sentences out of `train` and returns them, as `train.train_test_split(size, seed)` does.
///
/// # Source
/// datasets 5.2: the first sentences of a permutation are held out, and a part is rounded up.
pub fn hold_out(train: &mut Split, held_out: HeldOut) -> anyhow::Result<Split> {
    let sentences = train.sentences.len();
    let count = match held_out.size {
        part if part < 1.0 => (part * sentences as f64).ceil() as usize,
        count => count as usize,
    };
    if count >= sentences {
        let taken = counted(count, "sentence");
        return Err(refusal(
            format!("holding out {taken} of {sentences} leaves none to train on"),
            Remedy::set(Setting::ValidationSize).so_as("with a smaller number"),
        ));
    }
    let order = numpy_permutation(held_out.seed, sentences);
    let held_out = train.sentences.reordered(&order[..count]);
    train.sentences = train.sentences.reordered(&order[count..]);
    Ok(Split {
        source: train.source.clone(),
        sentences: held_out,
        tag_names: train.tag_names.clone(),
        tag_kind: train.tag_kind,
        columns: train.columns.clone(),
        notes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tagsmith_text::sentence::{Columns, Sentence, Sentences, TagKind};

    /// The orders that datasets 5.2 makes, written by `oracle/dataset_split.py`.
    const GOLDEN: &str = include_str!("../../../../golden/dataset_split/orders.json");

    fn numbered(sentences: usize) -> Split {
        let sentence = |number: usize| Sentence { words: Vec::new(), tags: Vec::new(), line: number as u64 };
        Split {
            source: "f".into(),
            sentences: Sentences::in_memory(&(0..sentences).map(sentence).collect::<Vec<_>>()),
            tag_names: vec!["O".into()],
            tag_kind: TagKind::Strings,
            columns: Columns::default(),
            notes: Vec::new(),
        }
    }

    fn numbers(split: &Split) -> Vec<u64> {
        split.sentences.to_vec().unwrap().iter().map(|sentence| sentence.line).collect()
    }

    #[test]
    fn orders_are_those_of_datasets() {
        let cases: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
        assert_eq!(cases.len(), 8);
        for case in cases {
            let want = |key: &str| -> Vec<u64> { serde_json::from_value(case[key].clone()).unwrap() };
            let mut train = numbered(case["sentences"].as_u64().unwrap() as usize);
            if let Some(seed) = case["shuffle_seed"].as_u64() {
                shuffle(&mut train, seed);
            }
            let seed = case["split_seed"].as_u64().unwrap();
            let held_out = hold_out(&mut train, HeldOut { size: case["size"].as_f64().unwrap(), seed }).unwrap();
            assert_eq!((numbers(&held_out), numbers(&train)), (want("test"), want("train")), "{case}");
            assert_eq!(held_out.tag_names, train.tag_names);
            // Another seed, and the file's own order, are told.
            let mut other = numbered(train.sentences.len() + held_out.sentences.len());
            if other.sentences.len() < 10 {
                continue;
            }
            let twin = hold_out(&mut other, HeldOut { size: case["size"].as_f64().unwrap(), seed: seed + 1 }).unwrap();
            assert_ne!((numbers(&twin), numbers(&other)), (want("test"), want("train")));
        }
    }

    #[test]
    fn something_must_be_left() {
        let error = hold_out(&mut numbered(5), HeldOut { size: 5.0, seed: 42 }).unwrap_err().to_string();
        assert_eq!(error, "holding out 5 sentences of 5 leaves none to train on");
    }
}
