//! One label for every word of every sentence, whatever its length.

use super::data::Alignment;
use super::decoding::Way;
use crate::events::Events;
use anyhow::Context;
use tagsmith_text::align::Example;
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::parallel;
use tagsmith_text::sentence::Split;
use tagsmith_text::tagged::{Content, Input, Tally};
use tagsmith_tokens::examples::Examples;
use tagsmith_tokens::model::Model;
use tagsmith_tokens::tag::{Request, TagOptions, encode, tag};

/// Returns the label names of each sentence's words. Sentences that the evaluated `examples` hold whole have their
/// labels in `predictions`; the others are tagged in overlapping windows.
pub fn word_labels<'a>(
    model: &Model,
    (alignment, decoding): (&Alignment<'a>, &Way),
    split: &Split,
    examples: &Examples,
    predictions: &[Vec<u32>],
    batch_tokens: usize,
    events: &mut dyn Events,
) -> anyhow::Result<Vec<Vec<&'a str>>> {
    let names = alignment.labels.names();
    let mut labels: Vec<Option<Vec<u32>>> = Vec::with_capacity(split.sentences.len());
    // The sentences that are tagged in windows, and where each of them is.
    let (mut partly, mut places) = (Vec::new(), Vec::new());
    for block in split.sentences.blocks() {
        for sentence in block? {
            let at = labels.len();
            labels.push(of_first_pieces(&examples.get(at)?, &predictions[at], sentence.words.len()));
            if labels[at].is_none() {
                let place = format!("{}:{}", split.source, sentence.line);
                partly.push(Input { place, content: Content::Words(sentence.words) });
                places.push(at);
            }
        }
    }
    let request = Request {
        max_seq_length: Some(alignment.max_length),
        stride: None,
        batch_tokens,
        strategy: Strategy::Simple,
        scheme: decoding.scheme,
        in_pieces: false,
        outside: false,
        decoding: decoding.asked.clone(),
        threshold: None,
        abstains_below: None,
    };
    let decoders = decoding.decoders.with_chain(model.chain()?);
    let options = TagOptions::new(&model.config, alignment.tokenizer, decoders, request)?;
    let mut tally = Tally::default();
    let encoded = parallel::map(&partly, alignment.threads, |input| encode(alignment.tokenizer, &options, input));
    let encoded = encoded.into_iter().collect::<Result<_, _>>().context("the test split cannot be tagged")?;
    let tagged = tag((alignment.tokenizer, &options), encoded, &mut tally, |batch| model.infer(batch))?;
    for (at, tagged) in places.into_iter().zip(tagged) {
        labels[at] = Some(tagged.labels.iter().map(|word| word.label).collect());
    }
    events.notes_about("predictions.txt", tally.notes());
    let named = |labels: Option<Vec<u32>>| {
        labels.expect("every sentence is tagged").iter().map(|&label| names[label as usize].as_str()).collect()
    };
    Ok(labels.into_iter().map(named).collect())
}

/// Returns the label of each word's first piece, if every word has one.
fn of_first_pieces(example: &Example, predicted: &[u32], words: usize) -> Option<Vec<u32>> {
    let mut labels = vec![None; words];
    for (word, &label) in example.words.iter().zip(predicted) {
        if let Some(word) = word {
            labels[*word as usize].get_or_insert(label);
        }
    }
    labels.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_label_of_its_first_piece() {
        let example = |words: &[Option<u32>]| Example {
            ids: vec![1; words.len()],
            types: vec![0; words.len()],
            labels: vec![0; words.len()],
            words: words.to_vec(),
            sentence: 0,
        };
        let split = example(&[None, Some(0), Some(1), Some(1), Some(2), None]);
        assert_eq!(of_first_pieces(&split, &[9, 3, 4, 5, 6, 9], 3), Some(vec![3, 4, 6]));
        // A word that was cut off, and one in the middle that has no piece.
        assert_eq!(of_first_pieces(&split, &[9, 3, 4, 5, 6, 9], 4), None);
        assert_eq!(of_first_pieces(&example(&[None, Some(0), Some(2), None]), &[9, 1, 2, 9], 3), None);
        assert_eq!(of_first_pieces(&example(&[None, None]), &[9, 9], 0), Some(vec![]));
    }
}
