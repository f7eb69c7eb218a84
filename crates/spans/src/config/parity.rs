//! Defects of the original that change a number. Nothing here has them unless their names are given.

use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_text::labels::reading::Rules;

/// The defects to have, so that the original's figures can be had too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parity {
    /// `longest_span`: entities of L pieces are not learned and never found right, though spans of L pieces are scored.
    pub longest_span: bool,
    /// `last_piece`: a contrastive cross-encoder's entities never end at the text's last piece, and no span that does
    /// is a wrong one to learn from.
    pub last_piece: bool,
    /// `softmax_mask`: in contrastive losses masked places and other gold ones weigh [`MASKED_WEIGHT`] instead of
    /// nothing. Padding, which is never computed here, still weighs nothing: equal for batches without it.
    pub softmax_mask: bool,
    /// `overlapping`: entities that share pieces are learned from and counted, though flat decoding never finds both.
    pub overlapping: bool,
    /// `tags`: `I`, `E` and `L` continue any open entity, whatever its type, and `M` is not a tag.
    pub tags: bool,
}

/// The original adds the logarithm of the mask and this, which scores of a small temperature outweigh.
pub const MASKED_WEIGHT: f64 = 1e-13;

impl Parity {
    /// The names of all defects.
    pub const NAMES: [&str; 5] = ["longest_span", "last_piece", "softmax_mask", "overlapping", "tags"];

    /// Returns the defects of some [`Parity::NAMES`]; other names are ignored.
    pub fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Parity {
        let mut parity = Parity::default();
        for name in names {
            match name {
                "longest_span" => parity.longest_span = true,
                "last_piece" => parity.last_piece = true,
                "softmax_mask" => parity.softmax_mask = true,
                "overlapping" => parity.overlapping = true,
                "tags" => parity.tags = true,
                _ => {}
            }
        }
        parity
    }

    /// Returns the rules by which tags become gold entities: the original's, or else those that are asked for.
    pub fn tag_rules(self, asked: LabelScheme) -> Rules {
        if self.tags { Rules::OriginalSpans } else { Rules::of(asked) }
    }
}
