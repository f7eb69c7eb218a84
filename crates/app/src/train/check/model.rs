//! What a model would make of the data: sentences that are too long for it, and words that its tokenizer does not know.

use super::corpus::{Corpus, finding};
use super::finding::{Findings, Kind};
use anyhow::Result;
use std::path::Path;
use tagsmith_encoder::config::Config;
use tagsmith_text::parallel;
use tagsmith_text::tokenizer::Tokenizer;

/// Returns the findings, and the longest sequence in pieces that the model reads.
///
/// # Errors
/// A model without a tokenizer or a configuration; a file of sentences that cannot be read.
pub fn findings(corpus: &Corpus, folder: &Path, threads: usize) -> Result<([Findings; 2], usize)> {
    let tokenizer = Tokenizer::from_folder(folder)?;
    let (config, _) = Config::read(folder)?;
    let positions = config.shape.positions_max;
    let most = tokenizer.model_max_length.map_or(positions, |named| named.min(positions));
    let mut all = [Kind::TooLong, Kind::UnknownPiece].map(Findings::new);
    for file in &corpus.files {
        for block in file.split.sentences.blocks() {
            let block = block?;
            let pieces = parallel::map(&block, threads, |sentence| tokenizer.encode_words(&sentence.words));
            for (sentence, pieces) in block.iter().zip(pieces) {
                let pieces = pieces?;
                if pieces.len() > most {
                    let what = format!("{} pieces, and the model reads {most}", pieces.len());
                    all[0].add(|| finding(file, sentence, 0..0, what));
                }
                let mut last = None;
                for (id, word) in pieces.ids.iter().zip(&pieces.words) {
                    let Some(word) = word.filter(|_| tokenizer.is_unknown(*id)) else { continue };
                    if last.replace(word) != Some(word) {
                        let at = word as usize;
                        all[1].add(|| finding(file, sentence, at..at + 1, "the vocabulary lacks a part of it"));
                    }
                }
            }
        }
    }
    Ok((all, most))
}
