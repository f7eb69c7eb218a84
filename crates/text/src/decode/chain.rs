//! The best path by numbers of first labels, of pairs and of last labels: what a conditional random field has learned.

use crate::decode::calibration::Biases;
use crate::decode::grammar::Grammar;

/// Numbers that are added to the scores of words, for K labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// The numbers of first labels (K).
    pub start: Vec<f64>,
    /// The numbers of pairs (K, K); the label before is the row.
    pub transitions: Vec<f64>,
    /// The numbers of last labels (K).
    pub end: Vec<f64>,
}

impl Chain {
    /// Returns the chain that allows legal paths alone, with a bias for each kind of step.
    ///
    /// # Panics
    /// If the rules are of another number of labels.
    #[must_use]
    pub fn restricted(&self, grammar: &Grammar, biases: &Biases) -> Chain {
        let labels = self.start.len();
        assert_eq!(labels, grammar.labels(), "chain: rules of as many labels");
        let only = |is_legal: bool, number: f64| if is_legal { number } else { f64::NEG_INFINITY };
        let pair = |(at, number): (usize, &f64)| match grammar.step(at / labels, at % labels) {
            Some(step) => number + biases.of(step),
            None => f64::NEG_INFINITY,
        };
        let (first, last) = (self.start.iter().enumerate(), self.end.iter().enumerate());
        Chain {
            start: first.map(|(label, &number)| only(grammar.may_be_first(label), number)).collect(),
            transitions: self.transitions.iter().enumerate().map(pair).collect(),
            end: last.map(|(label, &number)| only(grammar.may_be_last(label), number)).collect(),
        }
    }

    /// Returns the labels of the best path through `words` words, in O(words · labels²); none if every path has a score of
    /// minus infinity. `score` gives a label's score at a word.
    ///
    /// Where paths are equal, the lowest label counts: at the last word, then at the one before, and so on.
    pub fn best_path(&self, words: usize, score: impl Fn(usize, usize) -> f64) -> Option<Vec<u32>> {
        let labels = self.start.len();
        if words == 0 {
            return Some(Vec::new());
        }
        let mut scores: Vec<f64> = (0..labels).map(|label| self.start[label] + score(0, label)).collect();
        let mut before = Vec::with_capacity((words - 1) * labels);
        for word in 1..words {
            let next = |to: usize| {
                let (from, best) = best((0..labels).map(|from| scores[from] + self.transitions[from * labels + to]));
                before.push(from as u32);
                best + score(word, to)
            };
            scores = (0..labels).map(next).collect();
        }
        let (last, highest) = best((0..labels).map(|label| scores[label] + self.end[label]));
        if highest == f64::NEG_INFINITY {
            return None;
        }
        let mut path = vec![last as u32; words];
        for word in (1..words).rev() {
            path[word - 1] = before[(word - 1) * labels + path[word] as usize];
        }
        Some(path)
    }
}

/// Returns the place of the highest number, the first of equals, and the number.
fn best(numbers: impl Iterator<Item = f64>) -> (usize, f64) {
    let first = (0, f64::NEG_INFINITY);
    numbers.enumerate().fold(first, |best, number| if number.1 > best.1 { number } else { best })
}
