//! Letters that are there and not to be seen.

/// Returns whether a letter is there and not to be seen: a control character, a byte-order mark, or one without width. The
/// joiners of emoji and of scripts that need them are no such letters, and neither are soft marks of direction.
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{FEFF}' | '\u{200B}' | '\u{2060}' | '\u{00AD}' | '\u{180E}' | '\u{FFFE}' | '\u{FFFF}')
}
