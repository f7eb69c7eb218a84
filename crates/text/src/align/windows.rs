//! Inputs longer than the model: overlapping windows at word borders, and what they say merged word by word.

use std::ops::Range;

use crate::tokenizer::{Error, Pieces};

/// A plan to cut one input into windows. Ranges count the input's pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The pieces of each window without special pieces; one window if everything fits.
    pub windows: Vec<Range<usize>>,
    /// Words longer than a window, whose pieces lie in several windows.
    pub parted: Vec<u32>,
    units: Vec<Range<usize>>,
}

impl Plan {
    /// Cuts `pieces` into windows of at most `max_length` pieces, special ones included. A window begins with the last
    /// words of the one before, as many as have at most `stride` pieces together. Windows end between words. Only a
    /// word longer than a window, as text without spaces has them, is cut between its pieces.
    ///
    /// # Errors
    /// A sequence that special pieces fill; a stride that fills the window.
    pub fn new(pieces: &Pieces, max_length: usize, stride: usize) -> Result<Plan, Error> {
        let room = pieces.room(max_length)?;
        if stride >= room {
            return Err(Error::Stride { stride, room });
        }
        let content = pieces.content();
        let mut plan = Plan { windows: Vec::new(), parted: Vec::new(), units: Vec::new() };
        if content.len() <= room {
            plan.windows.push(content);
            return Ok(plan);
        }
        for unit in units(pieces) {
            if unit.len() <= room {
                plan.units.push(unit);
            } else {
                plan.parted.extend(pieces.words[unit.start]);
                plan.units.extend(unit.map(|at| at..at + 1));
            }
        }
        let units = &plan.units;
        let mut first = 0;
        loop {
            let start = units[first].start;
            let mut next = first + 1;
            while next < units.len() && units[next].end - start <= room {
                next += 1;
            }
            let end = units[next - 1].end;
            plan.windows.push(start..end);
            if next == units.len() {
                return Ok(plan);
            }
            first = next;
            // The word after this window must fit behind the overlap, or the next window would bring nothing new.
            while first > 0
                && end - units[first - 1].start <= stride
                && units[next].end - units[first - 1].start <= room
            {
                first -= 1;
            }
        }
    }

    /// Merges the windows' probabilities, each (its range × K), into one row a piece of `pieces` (T × K).
    ///
    /// A word in more than one window is taken from the window with the greatest probability of a label at the word's
    /// first piece. Of a word that is cut, each piece counts by itself. If two windows are equal, the earlier one counts.
    /// Rows of special pieces stay zero.
    pub fn merge(&self, pieces: &Pieces, labels: usize, windows: &[Vec<f32>]) -> Vec<f32> {
        assert_eq!(windows.len(), self.windows.len(), "merge: {} windows planned", self.windows.len());
        let mut merged = vec![0.0; pieces.len() * labels];
        if let [only] = &self.windows[..] {
            assert_eq!(windows[0].len(), only.len() * labels, "merge: a window of {} pieces", only.len());
            merged[only.start * labels..only.end * labels].copy_from_slice(&windows[0]);
            return merged;
        }
        let mut best = vec![f32::NEG_INFINITY; self.units.len()];
        let mut unit = 0;
        for (window, probabilities) in self.windows.iter().zip(windows) {
            assert_eq!(probabilities.len(), window.len() * labels, "merge: a window of {} pieces", window.len());
            unit = self.units[..unit + 1].partition_point(|it| it.start < window.start);
            let mut at = unit;
            while at < self.units.len() && self.units[at].start < window.end {
                let pieces = self.units[at].start..self.units[at].end.min(window.end);
                let rows = &probabilities[(pieces.start - window.start) * labels..(pieces.end - window.start) * labels];
                let margin = rows[..labels].iter().copied().fold(f32::NEG_INFINITY, f32::max);
                if margin > best[at] {
                    best[at] = margin;
                    merged[pieces.start * labels..pieces.end * labels].copy_from_slice(rows);
                }
                at += 1;
            }
            unit = at.min(self.units.len()) - 1;
        }
        merged
    }
}

/// Returns the runs of pieces that stay together: each is a word. Pieces that touch no word stay with the word before.
fn units(pieces: &Pieces) -> Vec<Range<usize>> {
    let mut units: Vec<Range<usize>> = Vec::new();
    let mut previous = None;
    for at in pieces.content() {
        let word = pieces.words[at];
        match units.last_mut() {
            Some(last) if word.is_none() || word == previous => last.end = at + 1,
            _ => units.push(at..at + 1),
        }
        previous = word.or(previous);
    }
    units
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One special piece on each side, and words of these many pieces; 0 is a piece that touches no word.
    fn pieces(words: &[usize]) -> Pieces {
        let mut of = vec![None];
        for (word, &count) in words.iter().enumerate() {
            of.extend(std::iter::repeat_n((count > 0).then_some(word as u32), count.max(1)));
        }
        of.push(None);
        let rows = of.len();
        Pieces {
            ids: vec![7; rows],
            types: vec![0; rows],
            words: of,
            offsets: vec![(0, 0); rows],
            prefix: 1,
            suffix: 1,
        }
    }

    fn windows(words: &[usize], max_length: usize, stride: usize) -> Vec<Range<usize>> {
        Plan::new(&pieces(words), max_length, stride).unwrap().windows
    }

    #[test]
    fn windows_begin_and_end_at_words() {
        assert_eq!(windows(&[1, 1, 1], 5, 1), [1..4]);
        assert_eq!(windows(&[], 5, 1), [1..1]);
        // Room for four pieces. Words lie at 1..3, 3..5, 5..6, 6..9.
        assert_eq!(windows(&[2, 2, 1, 3], 6, 0), [1..5, 5..9]);
        assert_eq!(windows(&[2, 2, 1, 3], 6, 2), [1..5, 3..6, 5..9]);
        // One piece of overlap holds no whole word.
        assert_eq!(windows(&[2, 2, 2], 6, 1), [1..5, 5..7]);
        // The piece that touches no word stays with the word before it.
        assert_eq!(windows(&[2, 0, 2, 2], 6, 0), [1..4, 4..8]);
    }

    #[test]
    fn a_word_longer_than_a_window_is_read_whole() {
        // Room for four pieces. The long word lies at 2..11.
        let plan = Plan::new(&pieces(&[1, 9, 1]), 6, 2).unwrap();
        assert_eq!((&plan.windows[..], &plan.parted[..]), (&[1..5, 3..7, 5..9, 7..11, 9..12][..], &[1][..]));
        let plan = Plan::new(&pieces(&[9]), 6, 0).unwrap();
        assert_eq!(plan.windows, [1..5, 5..9, 9..10]);
        // Every piece has a row of its own, from the window that is surest of it.
        let rows = [vec![0.1, 0.2, 0.3, 0.4], vec![0.5, 0.6, 0.7, 0.8], vec![0.9]];
        let want = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.0];
        assert_eq!(plan.merge(&pieces(&[9]), 1, &rows), want);
    }

    #[test]
    fn what_cannot_be_windowed_is_an_error() {
        assert!(matches!(Plan::new(&pieces(&[1]), 2, 0), Err(Error::NoRoom { max_length: 2, special: 2 })));
        assert!(matches!(Plan::new(&pieces(&[1]), 6, 4), Err(Error::Stride { stride: 4, room: 4 })));
    }

    #[test]
    fn a_word_is_taken_where_it_is_surest() {
        // Words at 1, 2, 3, 4; windows 1..4 and 2..5 share words 2 and 3.
        let pieces = pieces(&[1, 1, 1, 1]);
        let plan = Plan::new(&pieces, 5, 2).unwrap();
        assert_eq!(plan.windows, [1..4, 2..5]);
        let first = vec![0.5, 0.5, 0.3, 0.7, 0.4, 0.6];
        let second = vec![0.8, 0.2, 0.6, 0.4, 0.1, 0.9];
        let merged = plan.merge(&pieces, 2, &[first, second]);
        // The second word is surer in the second window; the third word's windows tie and the earlier one wins.
        let want = [0.0, 0.0, 0.5, 0.5, 0.8, 0.2, 0.4, 0.6, 0.1, 0.9, 0.0, 0.0];
        assert_eq!(merged, want);
        let last_window_wins = [0.0, 0.0, 0.5, 0.5, 0.8, 0.2, 0.6, 0.4, 0.1, 0.9, 0.0, 0.0];
        assert_ne!(merged, last_window_wins);
    }

    proptest! {
        #[test]
        fn every_word_is_whole_in_some_window(
            words in prop::collection::vec(1usize..7, 1..60),
            max_length in 9usize..30,
            stride in 0usize..7,
        ) {
            let pieces = pieces(&words);
            let plan = Plan::new(&pieces, max_length, stride).unwrap();
            prop_assert!(plan.parted.is_empty());
            for unit in units(&pieces) {
                prop_assert!(plan.windows.iter().any(|window| window.start <= unit.start && unit.end <= window.end));
            }
            for pair in plan.windows.windows(2) {
                prop_assert!(pair[0].start < pair[1].start && pair[0].end < pair[1].end);
                prop_assert!(pair[0].end.saturating_sub(pair[1].start) <= stride);
            }
            // A probability that names its piece and its window arrives at its piece, and the largest wins.
            let scores: Vec<Vec<f32>> = plan
                .windows
                .iter()
                .enumerate()
                .map(|(window, range)| range.clone().map(|at| (at * 1000 + window * 7 % 5) as f32).collect())
                .collect();
            let merged = plan.merge(&pieces, 1, &scores);
            for (at, &got) in merged.iter().enumerate().take(pieces.len() - 1).skip(1) {
                prop_assert_eq!(got as usize / 1000, at);
            }
            for unit in units(&pieces) {
                let surest = plan
                    .windows
                    .iter()
                    .zip(&scores)
                    .filter(|(window, _)| window.contains(&unit.start))
                    .map(|(window, row)| row[unit.start - window.start])
                    .fold(0.0, f32::max);
                prop_assert_eq!(merged[unit.start], surest);
            }
        }
    }
}
