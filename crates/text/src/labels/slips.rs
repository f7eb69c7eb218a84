//! Tags that do not follow their own scheme, such as `I-LOC` after `B-PER`.

use crate::labels::reading::letter_in_iobes;
use crate::labels::scheme::{Style, Tag, UNTYPED};
use crate::labels::unlabeled;
use crate::sentence::{Sentence, Split};
use tagsmith_message::{Note, quote};

/// What each tag of a split is; nothing for a label that is not a tag with a type.
type Tags<'s> = Vec<Option<Tag<&'s str>>>;

/// Returns the note about tags that do not follow the scheme that most tags of the split follow, if there are such.
///
/// In IOB2 every entity begins with `B-`, in IOB1 with `I-` unless it touches another of its type. Where letters end
/// entities (IOBES, BMES, BILOU), what began must end, and only what began may go on.
///
/// # Errors
/// A file of sentences cannot be read.
pub fn of(split: &Split) -> Result<Option<Note>, tagsmith_files::Error> {
    let tags = tags(split);
    let kinds = kinds(&tags);
    // Both ways to begin are counted, since the rarer one is the slip.
    let mut notes: Vec<Note> = kinds.iter().map(|(what, _)| Note::new(what).important()).collect();
    split.sentences.for_each(|sentence| {
        let is_unlabeled = |word: usize| {
            let tag = sentence.tags.get(word).map(|&tag| split.tag_names[tag as usize].as_str());
            tag == Some(unlabeled::TAG)
        };
        for (word, pair) in pairs(&sentence, &tags) {
            // What an unknown tag begins or ends is unknown.
            if is_unlabeled(word) || word.checked_sub(1).is_some_and(is_unlabeled) {
                continue;
            }
            for ((_, is_slip), note) in kinds.iter().zip(&mut notes) {
                if is_slip(pair) {
                    note.add(|| place(split, &sentence, word));
                }
            }
        }
        true
    })?;
    Ok(notes.into_iter().min_by_key(|note| note.count).filter(|note| note.count > 0))
}

/// Hands each of those tags to `hear`: the sentence, the word, and what stands before it. Where an entity does not end, the
/// word is the one after the last.
///
/// # Errors
/// A file of sentences cannot be read.
pub fn each(split: &Split, mut hear: impl FnMut(&Sentence, usize, String)) -> Result<(), tagsmith_files::Error> {
    let tags = tags(split);
    let kinds = kinds(&tags);
    let mut counts = vec![0u64; kinds.len()];
    split.sentences.for_each(|sentence| {
        for (_, pair) in pairs(&sentence, &tags) {
            counts.iter_mut().zip(kinds).for_each(|(count, (_, is_slip))| *count += u64::from(is_slip(pair)));
        }
        true
    })?;
    let rarer = kinds.iter().zip(counts).min_by_key(|(_, count)| *count);
    let Some(((_, is_slip), _)) = rarer.filter(|(_, count)| *count > 0) else { return Ok(()) };
    split.sentences.for_each(|sentence| {
        for (word, pair) in pairs(&sentence, &tags) {
            if is_slip(pair) {
                hear(&sentence, word, before(split, &sentence, word));
            }
        }
        true
    })
}

/// Returns the labels of a split as tags in the letters of IOBES.
fn tags(split: &Split) -> Tags<'_> {
    let typed = |name| Tag::of_any_scheme(name, Style::Prefix).filter(|tag| tag.kind != UNTYPED);
    let in_iobes = |tag: Tag<_>| Tag { letter: letter_in_iobes(tag.letter), ..tag };
    split.tag_names.iter().map(|name| typed(name.as_str()).map(in_iobes)).collect()
}

/// Returns the slips that tags of their letters can have.
fn kinds(tags: &Tags<'_>) -> &'static [Slip] {
    let has = |letter: char| tags.iter().flatten().any(|tag| tag.letter == letter);
    match (has('B'), has('E') || has('S')) {
        (false, _) => &[],
        (true, true) => &[(BROKEN, is_broken)],
        (true, false) => &[(WITHOUT_B, begins_with_i), (WITH_B, begins_with_b)],
    }
}

const WITHOUT_B: &str = "{tag begins|tags begin} an entity with `I-`, where the others begin with `B-`; {it counts as a beginning|they count as beginnings}";
const WITH_B: &str = "{tag begins|tags begin} an entity with `B-`, where the others begin with `I-`; {it counts as a beginning|they count as beginnings}";
const BROKEN: &str =
    "{tag does|tags do} not follow the one before: an entity goes on that did not begin, or does not end";

/// A tag and the one before it, both in the letters of IOBES; nothing stands for `O`.
type Pair<'s> = (Option<Tag<&'s str>>, Option<Tag<&'s str>>);

/// A kind of slip: what it is, and whether a pair is one.
type Slip = (&'static str, fn(Pair<'_>) -> bool);

/// Returns all neighbors of a sentence, with the word of the second; the word after the last is one too.
fn pairs<'s>(sentence: &Sentence, tags: &Tags<'s>) -> Vec<(usize, Pair<'s>)> {
    let tag = |word: usize| sentence.tags.get(word).and_then(|tag| tags[*tag as usize]);
    let before = |word: usize| word.checked_sub(1).and_then(tag);
    (0..=sentence.tags.len()).map(|word| (word, (before(word), tag(word)))).collect()
}

/// Returns whether a tag goes on with the entity of the one before.
fn goes_on((before, tag): Pair<'_>) -> bool {
    let is_open = |before: Tag<&str>, tag: Tag<&str>| matches!(before.letter, 'B' | 'I') && before.kind == tag.kind;
    matches!((before, tag), (Some(before), Some(tag)) if is_open(before, tag))
}

fn begins_with_i(pair: Pair<'_>) -> bool {
    pair.1.is_some_and(|tag| tag.letter == 'I') && !goes_on(pair)
}

fn begins_with_b(pair: Pair<'_>) -> bool {
    pair.1.is_some_and(|tag| tag.letter == 'B') && !goes_on(pair)
}

fn is_broken(pair: Pair<'_>) -> bool {
    let must_end = pair.0.is_some_and(|before| matches!(before.letter, 'B' | 'I'));
    let may_not_begin = pair.1.is_some_and(|tag| matches!(tag.letter, 'I' | 'E'));
    must_end && !(may_not_begin && goes_on(pair)) || may_not_begin && !goes_on(pair)
}

/// Returns the place of a word, and what stands there: ``f:3: word 2, `I-LOC` after `B-PER` ``.
fn place(split: &Split, sentence: &Sentence, word: usize) -> String {
    let before = before(split, sentence, word);
    let tag = name(split, sentence, word).unwrap_or_else(|| "the end".into());
    format!("{}:{}: word {}, {tag} after {before}", split.source, sentence.line, (word + 1).min(sentence.tags.len()))
}

/// Returns the label of a word, as a message shows it.
fn name(split: &Split, sentence: &Sentence, word: usize) -> Option<String> {
    sentence.tags.get(word).map(|tag| quote(&split.tag_names[*tag as usize]))
}

/// Returns what stands before a word.
fn before(split: &Split, sentence: &Sentence, word: usize) -> String {
    let label = word.checked_sub(1).and_then(|word| name(split, sentence, word));
    label.unwrap_or_else(|| "the beginning".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence::{Columns, Sentences, TagKind};

    fn split(sentences: &[&str]) -> Split {
        let mut tag_names: Vec<String> = Vec::new();
        let mut tag = |name: &str| {
            let known = tag_names.iter().position(|known| known == name);
            known.unwrap_or_else(|| {
                tag_names.push(name.to_owned());
                tag_names.len() - 1
            }) as u32
        };
        let mut sentence = |(number, tags): (usize, &&str)| {
            let tags: Vec<u32> = tags.split(' ').map(&mut tag).collect();
            Sentence { words: vec!["w".into(); tags.len()], tags, line: number as u64 + 1 }
        };
        let sentences: Vec<Sentence> = sentences.iter().enumerate().map(&mut sentence).collect();
        let sentences = Sentences::in_memory(&sentences);
        let (tag_kind, columns) = (TagKind::Strings, Columns::default());
        Split { source: "f".into(), sentences, tag_names, tag_kind, columns, notes: Vec::new() }
    }

    /// The schemes' definitions say which of these are legal (seqeval's strict mode refuses the others).
    #[test]
    fn slips_are_counted_with_a_place() {
        let said = |sentences: &[&str]| of(&split(sentences)).unwrap().map(|note| note.to_string());
        for legal in [
            &["B-PER I-PER O B-LOC", "O"][..],
            // IOB1: only what touches its own type begins with B.
            &["I-PER I-PER O I-LOC B-LOC", "I-PER"],
            &["I-PER O", "O I-PER I-PER"],
            &["B-PER I-PER E-PER S-LOC O"],
            &["B-PER M-PER E-PER S-LOC O"],
            &["B-PER I-PER L-PER U-LOC O"],
            &["NOUN VERB"],
            &["c i"],
            // Nobody knows what is tagged `?`.
            &["B-PER ? I-PER O", "? I-PER O", "O B-LOC ?"],
            &["B-PER ? E-PER", "S-LOC ?"],
        ] {
            assert_eq!(said(legal), None, "{legal:?}");
        }
        let iob2 = said(&["B-PER I-LOC", "I-PER O", "B-PER O B-LOC I-LOC B-LOC"]);
        let without_b = "tags begin an entity with `I-`, where the others begin with `B-`; they count as beginnings";
        let want =
            format!("2 {without_b} (f:1: word 2, `I-LOC` after `B-PER`, f:2: word 1, `I-PER` after the beginning)");
        assert_eq!(iob2, Some(want));
        let iob1 = said(&["I-PER I-PER O", "O B-PER", "I-LOC O I-LOC"]);
        let with_b = "tag begins an entity with `B-`, where the others begin with `I-`; it counts as a beginning";
        assert_eq!(iob1, Some(format!("1 {with_b} (f:2: word 2, `B-PER` after `O`)")));
        let iobes = said(&["B-PER O", "O E-LOC", "B-PER E-PER S-LOC", "B-PER"]);
        let places =
            "f:1: word 2, `O` after `B-PER`, f:2: word 2, `E-LOC` after `O`, f:4: word 1, the end after `B-PER`";
        let broken = "tags do not follow the one before: an entity goes on that did not begin, or does not end";
        assert_eq!(iobes, Some(format!("3 {broken} ({places})")));
    }
}
