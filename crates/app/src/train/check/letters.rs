//! Letters that nobody sees, and white space at the edges of words.

use super::corpus::Sight;
use super::finding::{Findings, Kind};
use super::hidden::is_hidden;

/// Findings about letters.
pub struct Letters {
    hidden: Findings,
    space: Findings,
}

impl Default for Letters {
    fn default() -> Self {
        Letters { hidden: Findings::new(Kind::HiddenLetter), space: Findings::new(Kind::EdgeSpace) }
    }
}

impl Letters {
    /// Looks at a sentence.
    pub fn see(&mut self, sight: &Sight<'_>) {
        for (at, word) in sight.sentence.words.iter().enumerate() {
            if word.is_ascii() && !word.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
                continue;
            }
            if let Some(letter) = word.chars().find(|&letter| is_hidden(letter)) {
                let what = format!("U+{:04X} in `{}`", u32::from(letter), word.escape_debug());
                self.hidden.add(|| sight.finding(at..at + 1, what));
            }
            if word.trim() != word && !word.trim().is_empty() {
                self.space.add(|| sight.finding(at..at + 1, format!("`{word}`")));
            }
        }
    }

    /// Returns the findings.
    pub fn finish(self) -> [Findings; 2] {
        [self.hidden, self.space]
    }
}
