//! The judgment of one prediction: figures, entities, and the counts of each sentence.

use super::request::ScoreRequest;
use anyhow::Context;
use tagsmith_data::labeled::Labeled;
use tagsmith_message::Note;
use tagsmith_text::labels::unlabeled;
use tagsmith_text::score::analysis::{Analysis, Analyzer};
use tagsmith_text::score::seen::Known;
use tagsmith_text::score::units::UnitCounts;
use tagsmith_text::score::{Score, Scorer};

/// What is found of one prediction.
pub struct Judged {
    /// The figures.
    pub score: Score,
    /// What became of the entities, where entities are scored.
    pub analysis: Option<Analysis>,
    /// The counts of each sentence.
    pub units: Vec<UnitCounts>,
    /// Words without a gold label, which are left out.
    pub left_out: Note,
}

/// Scores one prediction. The scorer keeps its numbers of types for the next.
///
/// # Errors
/// Labels that the method cannot read.
pub fn judge(
    request: &ScoreRequest,
    (numbers, known): (&mut Scorer, Option<&Known>),
    gold: &Labeled,
    predicted: &Labeled,
) -> anyhow::Result<Judged> {
    let mut scorer = numbers.emptied();
    let mut analyzer = Analyzer::new(request.pairing, known, request.zero_division);
    let keeps_units = request.chance.is_some() || request.second.is_some();
    let mut units = Vec::new();
    let mut left_out = unlabeled::left_out();
    for (gold_sentence, sentence) in gold.sentences.iter().zip(&predicted.sentences) {
        let place = |word| format!("{}:{}: word {}", gold.source, gold_sentence.line, word + 1);
        let unknown = unlabeled::unknown(&gold_sentence.labels, &mut left_out, place);
        let known = |items| unlabeled::without(items, &unknown);
        scorer.add(&known(&gold_sentence.labels), &known(&sentence.labels)).with_context(|| {
            format!("{}:{} against {}:{}", gold.source, gold_sentence.line, predicted.source, sentence.line)
        })?;
        let found = scorer.found();
        if keeps_units {
            units.push(UnitCounts::of(&found));
        }
        analyzer.add(&scorer, &found, &known(&gold_sentence.words));
    }
    let score = scorer.score(request.zero_division);
    let analysis = scorer.method().reading().map(|_| analyzer.finish(&scorer));
    *numbers = scorer;
    Ok(Judged { score, analysis, units, left_out })
}
