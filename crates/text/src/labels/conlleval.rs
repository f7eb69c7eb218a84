//! The forgiving rules of the CoNLL-2000 script, as seqeval has them.

use crate::labels::tag::{Span, Tag};

/// A reader of sentence after sentence by the conlleval rules, with positions counted over the whole input.
///
/// Between sentences stands an `O`, so entities of tags with the letters B, I, E and S stay inside their sentence.
/// Other letters can end an entity that never began. For such an entity, seqeval reports the place where the last one
/// began, even in an earlier sentence. The reader is therefore a state and not a function.
#[derive(Clone, Debug)]
pub struct Conlleval<K> {
    untyped: K,
    /// `None` before the first word of all, whose type differs from every other.
    previous: Option<Tag<K>>,
    begin: usize,
    position: usize,
}

impl<K: Copy + PartialEq> Conlleval<K> {
    /// Returns a reader before its first sentence; `untyped` is the type that `O` has.
    pub fn new(untyped: K) -> Self {
        Conlleval { untyped, previous: None, begin: 0, position: 0 }
    }

    /// Appends the entities that end in this sentence to `spans`, in order.
    pub fn sentence(&mut self, tags: &[Tag<K>], spans: &mut Vec<Span<K>>) {
        let boundary = Tag { letter: 'O', kind: self.untyped };
        for tag in tags.iter().copied().chain([boundary]) {
            let (letter, kind) = self.previous.map_or(('O', None), |previous| (previous.letter, Some(previous.kind)));
            let type_changes = kind != Some(tag.kind);
            if let Some(kind) = kind
                && ends(letter, tag.letter, type_changes)
            {
                spans.push(Span { kind, start: self.begin, end: self.position });
            }
            if begins(letter, tag.letter, type_changes) {
                self.begin = self.position;
            }
            self.previous = Some(tag);
            self.position += 1;
        }
    }
}

/// Returns whether an entity ends between two letters.
pub(crate) fn ends(previous: char, letter: char, type_changes: bool) -> bool {
    matches!(previous, 'E' | 'S')
        || matches!((previous, letter), ('B' | 'I', 'B' | 'S' | 'O'))
        || (!matches!(previous, 'O' | '.') && type_changes)
}

/// Returns whether an entity begins at the second of two letters.
pub(crate) fn begins(previous: char, letter: char, type_changes: bool) -> bool {
    matches!(letter, 'B' | 'S')
        || matches!((previous, letter), ('E' | 'S' | 'O', 'E' | 'I'))
        || (!matches!(letter, 'O' | '.') && type_changes)
}
