//! The best path through a sentence, in O(words · labels).
//!
//! What a label may follow depends on letters and on whether the type stays, so not all pairs of labels are looked at.

use crate::decode::calibration::Biases;
use crate::decode::grammar::Grammar;
use std::sync::Arc;

/// Rules of labels, and a bias for each kind of step.
#[derive(Clone, Debug)]
pub struct Viterbi {
    grammar: Arc<Grammar>,
    biases: Biases,
}

/// The best label of one letter, and the best of another type than that one's.
#[derive(Clone, Copy)]
struct Best {
    first: Option<(f64, u32)>,
    of_another_type: Option<(f64, u32)>,
}

impl Viterbi {
    /// Returns what finds the best legal path, with these biases.
    pub fn new(grammar: impl Into<Arc<Grammar>>, biases: Biases) -> Viterbi {
        Viterbi { grammar: grammar.into(), biases }
    }

    /// Returns the rules.
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// Returns the labels of the best legal path through `words` words; none if no path is legal. `score` gives a label's
    /// logarithm at a word, minus infinity for one that it cannot have.
    ///
    /// Where paths are equal, the lowest label counts: at the last word, then at the one before, and so on.
    pub fn best_path(&self, words: usize, score: impl Fn(usize, usize) -> f64) -> Option<Vec<u32>> {
        let labels = self.grammar.labels();
        if words == 0 {
            return Some(Vec::new());
        }
        let begin = |label| if self.grammar.may_be_first(label) { score(0, label) } else { f64::NEG_INFINITY };
        let mut scores: Vec<f64> = (0..labels).map(begin).collect();
        let mut before = Vec::with_capacity((words - 1) * labels);
        let mut next = vec![f64::NEG_INFINITY; labels];
        for word in 1..words {
            let best = self.best_of_letters(&scores);
            for (label, next) in next.iter_mut().enumerate() {
                let (sum, from) = self.best_before(label, &scores, &best).unwrap_or((f64::NEG_INFINITY, 0));
                *next = sum + score(word, label);
                before.push(from);
            }
            std::mem::swap(&mut scores, &mut next);
        }
        let last = (0..labels).filter(|&label| self.grammar.may_be_last(label));
        let (_, mut label) = last.map(|label| (scores[label], label as u32)).fold(None, better)?;
        let mut path = vec![label; words];
        for word in (1..words).rev() {
            label = before[(word - 1) * labels + label as usize];
            path[word - 1] = label;
        }
        Some(path)
    }

    fn best_of_letters(&self, scores: &[f64]) -> Vec<Best> {
        let mut best = vec![Best { first: None, of_another_type: None }; self.grammar.letters()];
        for (label, &score) in (0..).zip(scores) {
            let (letter, _) = self.grammar.tag(label as usize);
            let Best { first, of_another_type } = &mut best[letter];
            match *first {
                // Labels of one letter all have types of their own.
                Some(there) if better(Some(there), (score, label)) == Some(there) => {
                    *of_another_type = better(*of_another_type, (score, label));
                }
                there => {
                    *of_another_type = there;
                    *first = better(None, (score, label));
                }
            }
        }
        best
    }

    /// Returns the best score of a path up to before `label`, the step to `label` included, and the label before.
    fn best_before(&self, label: usize, scores: &[f64], best: &[Best]) -> Option<(f64, u32)> {
        let (letter, kind) = self.grammar.tag(label);
        let mut found = None;
        for (before, best) in best.iter().enumerate() {
            if let Some(step) = self.grammar.between(before, letter, true)
                && let Some(same) = self.grammar.of_same_type(label, before)
            {
                found = better(found, (scores[same as usize] + self.biases.of(step), same));
            }
            let is_same = |(_, label): &(f64, u32)| self.grammar.tag(*label as usize).1 == kind;
            let other = if best.first.as_ref().is_some_and(is_same) { best.of_another_type } else { best.first };
            if let (Some(step), Some((score, other))) = (self.grammar.between(before, letter, false), other) {
                found = better(found, (score + self.biases.of(step), other));
            }
        }
        found
    }
}

/// Returns the better of a candidate and what there is: the higher score, or the lower label. Minus infinity is nothing.
fn better(there: Option<(f64, u32)>, candidate: (f64, u32)) -> Option<(f64, u32)> {
    let is_better = |&(score, label): &(f64, u32)| score > candidate.0 || score == candidate.0 && label < candidate.1;
    match there {
        Some(there) if is_better(&there) => Some(there),
        there if candidate.0 == f64::NEG_INFINITY => there,
        _ => Some(candidate),
    }
}
