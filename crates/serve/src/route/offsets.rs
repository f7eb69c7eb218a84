//! Places in a text in the unit that a client counts in.

use std::borrow::Cow;

/// What offsets count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetUnit {
    /// Unicode code points, as Python counts.
    #[default]
    CodePoint,
    /// Units of UTF-16, as JavaScript and Java count.
    Utf16,
    /// Bytes of UTF-8, as Go and Rust count.
    Byte,
}

impl OffsetUnit {
    /// The names, in the order of the variants.
    pub const NAMES: [&str; 3] = ["code_point", "utf16", "byte"];

    /// Returns the unit of that name.
    pub fn named(name: &str) -> Option<OffsetUnit> {
        match name {
            "code_point" => Some(OffsetUnit::CodePoint),
            "utf16" => Some(OffsetUnit::Utf16),
            "byte" => Some(OffsetUnit::Byte),
            _ => None,
        }
    }
}

/// Places in one text, from code points to a unit.
pub struct Offsets<'t> {
    /// The place of each code point, and the end; empty where both units are the same.
    places: Cow<'t, [u32]>,
}

impl Offsets<'_> {
    /// Counts a text.
    pub fn new(text: &str, unit: OffsetUnit) -> Offsets<'static> {
        if unit == OffsetUnit::CodePoint || text.is_ascii() {
            return Offsets { places: Cow::Borrowed(&[]) };
        }
        let mut at = 0;
        let mut places = Vec::with_capacity(text.len() + 1);
        for letter in text.chars() {
            places.push(at);
            at += if unit == OffsetUnit::Utf16 { letter.len_utf16() } else { letter.len_utf8() } as u32;
        }
        places.push(at);
        Offsets { places: Cow::Owned(places) }
    }

    /// Returns the place of a code point.
    pub fn of(&self, code_point: u32) -> u32 {
        self.places.get(code_point as usize).copied().unwrap_or(code_point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What a client cuts out by its own units is what code points cut out.
        #[test]
        fn a_slice_is_the_same_in_every_unit(text in "\\PC{0,20}", start in 0usize..20, length in 0usize..20) {
            let letters: Vec<char> = text.chars().collect();
            let (start, end) = (start.min(letters.len()), (start + length).min(letters.len()));
            let want: String = letters[start..end].iter().collect();
            let at = |unit| {
                let offsets = Offsets::new(&text, unit);
                offsets.of(start as u32) as usize..offsets.of(end as u32) as usize
            };
            prop_assert_eq!(&text[at(OffsetUnit::Byte)], &want);
            let units: Vec<u16> = text.encode_utf16().collect();
            prop_assert_eq!(String::from_utf16(&units[at(OffsetUnit::Utf16)]).expect("no pair is cut"), want);
            prop_assert_eq!(at(OffsetUnit::CodePoint), start..end);
        }
    }
}
