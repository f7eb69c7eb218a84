//! The one reading of tags: the labels of a sentence become entities.
//!
//! Scores, the entities of a prediction, the gold entities of span taggers and error reports all read tags here. So no
//! two of them disagree about what a sequence of tags means.

use crate::labels::label_scheme::LabelScheme;
use crate::labels::scheme::{Conlleval, Scheme, Span, Style, Tag, UNTYPED, is_iob_like};

/// Rules by which the tags of a sentence become entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// The forgiving rules of the CoNLL-2000 script, with each letter as it is written: seqeval's default mode. They
    /// know the letters B, I, E and S, which covers IOB1, IOB2, IOE1, IOE2 and IOBES.
    Conlleval,
    /// The forgiving rules with the letters of every scheme. `M` (BMES) continues as `I` does; `L` and `U` (BILOU) end and
    /// stand alone as `E` and `S` do. A label that is not a tag is outside every entity.
    AnyScheme,
    /// The strict rules of one scheme: words that do not begin and end by them are not an entity.
    Strict(Scheme),
    /// Each word by itself: a label other than `O` is an entity of one word, whose type is the whole label.
    Words,
    /// The state machine of the original span trainers. `I`, `E` and `L` continue the open entity, whatever its type;
    /// `M` and a tag without a type end it.
    OriginalSpans,
}

impl Rules {
    /// Returns the rules of a reading that is asked for: those of every scheme where the labels show theirs.
    pub fn of(asked: LabelScheme) -> Rules {
        match asked {
            LabelScheme::Auto => Rules::AnyScheme,
            LabelScheme::Strict(scheme) => Rules::Strict(scheme),
            LabelScheme::Words => Rules::Words,
        }
    }

    /// Takes a label apart. `None` is a label that is not a tag by these rules.
    pub fn tag(self, label: &str, style: Style) -> Option<Tag<&str>> {
        match self {
            Rules::Conlleval => Tag::conlleval(label, style),
            Rules::Strict(_) => Tag::strict(label, style),
            Rules::AnyScheme | Rules::OriginalSpans => Tag::of_any_scheme(label, style),
            Rules::Words if label == "O" => Some(Tag { letter: 'O', kind: UNTYPED }),
            Rules::Words => Some(Tag { letter: 'S', kind: label }),
        }
    }

    /// Returns the entities of one sentence of labels, in order. A label that is not a tag by these rules, or a letter that
    /// a strict scheme lacks, is outside every entity.
    pub fn spans<'a>(self, labels: &[&'a str], style: Style) -> Vec<Span<&'a str>> {
        let known = |tag: &Tag<&str>| !matches!(self, Rules::Strict(scheme) if !scheme.letters().contains(tag.letter));
        let outside = Tag { letter: 'O', kind: UNTYPED };
        let tag = |label: &&'a str| self.tag(label, style).filter(known).unwrap_or(outside);
        let tags: Vec<Tag<&str>> = labels.iter().map(tag).collect();
        let mut spans = Vec::new();
        let read = SpanReader::new(self, UNTYPED).sentence(&tags, &mut spans);
        read.expect("only the scheme's letters are left");
        spans
    }
}

/// Reads sentence after sentence by fixed rules. The entity types are numbers or texts.
#[derive(Clone, Debug)]
pub struct SpanReader<K> {
    rules: Rules,
    untyped: K,
    conlleval: Conlleval<K>,
    /// The tags of a sentence with the letters of IOBES.
    translated: Vec<Tag<K>>,
}

impl<K: Copy + PartialEq> SpanReader<K> {
    /// Returns a reader before its first sentence; `untyped` is the type that `O` has.
    pub fn new(rules: Rules, untyped: K) -> Self {
        SpanReader { rules, untyped, conlleval: Conlleval::new(untyped), translated: Vec::new() }
    }

    /// Appends the entities of one sentence to `spans`, in order. By [`Rules::Conlleval`] positions are counted over all
    /// sentences so far, by all other rules from the sentence's first word.
    ///
    /// # Errors
    /// The index of a tag with a letter that the strict scheme lacks.
    pub fn sentence(&mut self, tags: &[Tag<K>], spans: &mut Vec<Span<K>>) -> Result<(), usize> {
        match self.rules {
            Rules::Conlleval => self.conlleval.sentence(tags, spans),
            Rules::Strict(scheme) => return scheme.find_spans(tags, self.untyped, spans),
            Rules::AnyScheme | Rules::Words => {
                self.translated.clear();
                self.translated.extend(tags.iter().map(|tag| Tag { letter: letter_in_iobes(tag.letter), ..*tag }));
                Conlleval::new(self.untyped).sentence(&self.translated, spans);
            }
            Rules::OriginalSpans => original_spans(tags, self.untyped, spans),
        }
        Ok(())
    }
}

/// Returns the letter of IOBES that means the same.
pub(crate) fn letter_in_iobes(letter: char) -> char {
    match letter {
        'M' => 'I',
        'L' => 'E',
        'U' => 'S',
        other => other,
    }
}

fn original_spans<K: Copy + PartialEq>(tags: &[Tag<K>], untyped: K, spans: &mut Vec<Span<K>>) {
    let mut open = false;
    for (at, tag) in tags.iter().enumerate() {
        let counts = tag.kind != untyped && matches!(tag.letter, 'B' | 'S' | 'U' | 'I' | 'E' | 'L');
        match spans.last_mut() {
            Some(last) if counts && open && matches!(tag.letter, 'I' | 'E' | 'L') => last.end = at + 1,
            _ if counts => spans.push(Span { kind: tag.kind, start: at, end: at + 1 }),
            _ => {}
        }
        open = counts;
    }
}

/// Reads sentences whose tags are ids in one set of labels.
#[derive(Clone, Debug)]
pub struct TagReader {
    rules: Rules,
    /// Each label as a tag whose type is a number of `kinds`; a label that is not a tag is an `O`.
    tags: Vec<Tag<u32>>,
    kinds: Vec<String>,
    bare: Vec<usize>,
}

/// The number of [`UNTYPED`] among a reader's types.
const UNTYPED_ID: u32 = 0;

impl TagReader {
    /// Returns a reader for labels whose ids are their places. By strict rules a letter that the scheme lacks is
    /// outside every entity.
    pub fn new<S: AsRef<str>>(labels: &[S], style: Style, rules: Rules) -> TagReader {
        let mut reader =
            TagReader { rules, tags: Vec::with_capacity(labels.len()), kinds: vec![UNTYPED.into()], bare: Vec::new() };
        let known = |letter: &char| match rules {
            Rules::Strict(scheme) => scheme.letters().contains(*letter),
            _ => true,
        };
        for (id, label) in labels.iter().enumerate() {
            let tag = match rules.tag(label.as_ref(), style).filter(|tag| known(&tag.letter)) {
                Some(Tag { letter, kind }) => Tag { letter, kind: reader.kind(kind) },
                None => {
                    reader.bare.push(id);
                    Tag { letter: 'O', kind: UNTYPED_ID }
                }
            };
            reader.tags.push(tag);
        }
        reader
    }

    /// Returns a reader for the labels of a model whose tags say where entities end (`E`, `L`, `S`, `U`) or have BMES's
    /// `M`. `None` for labels of other schemes and for words' classes. A label without a letter is a type of its own: a
    /// run of it is one entity.
    pub fn with_ends<S: AsRef<str>>(labels: &[S]) -> Option<TagReader> {
        let style = Style::Prefix;
        let tags = || labels.iter().filter_map(|label| Tag::of_any_scheme(label.as_ref(), style));
        let has = |letters: &str| tags().any(|tag| tag.kind != UNTYPED && letters.contains(tag.letter));
        // `E-LOC` alone beside `MISC` may be a type with an odd name; no other letter is met by chance.
        let of_letters = |letters: &str| -> Vec<&str> {
            tags().filter(|tag| tag.kind != UNTYPED && letters.contains(tag.letter)).map(|tag| tag.kind).collect()
        };
        let ends = of_letters("E");
        let every_type_ends = || of_letters("BI").iter().all(|kind| ends.contains(kind));
        if !(has("SLUM") || has("E") && (is_iob_like(labels, style) || every_type_ends())) {
            return None;
        }
        let mut reader = TagReader::new(labels, style, Rules::AnyScheme);
        for id in std::mem::take(&mut reader.bare) {
            reader.tags[id] = Tag { letter: 'I', kind: reader.kind(labels[id].as_ref()) };
        }
        Some(reader)
    }

    /// Returns a reader for the entities of a model with these labels. `None` where the labels are grouped as
    /// transformers' pipeline groups them.
    pub fn for_entities<S: AsRef<str>>(labels: &[S], asked: LabelScheme) -> Option<TagReader> {
        match asked {
            LabelScheme::Auto => TagReader::with_ends(labels),
            asked => Some(TagReader::new(labels, Style::Prefix, Rules::of(asked))),
        }
    }

    fn kind(&mut self, name: &str) -> u32 {
        let found = self.kinds.iter().position(|kind| kind == name);
        found.unwrap_or_else(|| {
            self.kinds.push(name.into());
            self.kinds.len() - 1
        }) as u32
    }

    /// Returns the ids of the labels that are not tags.
    pub fn bare(&self) -> &[usize] {
        &self.bare
    }

    /// Returns the type of a label's entities: [`UNTYPED`] for `O`, for a letter alone and for a label that is not a tag.
    ///
    /// # Panics
    /// If the id is not a label's.
    pub fn kind_of(&self, id: usize) -> &str {
        &self.kinds[self.tags[id].kind as usize]
    }

    /// Returns the entities of one sentence of label ids, in order.
    ///
    /// # Panics
    /// If an id is not a label's.
    pub fn spans(&self, ids: impl IntoIterator<Item = usize>) -> Vec<Span<&str>> {
        let tags: Vec<Tag<u32>> = ids.into_iter().map(|id| self.tags[id]).collect();
        let mut spans = Vec::new();
        let read = SpanReader::new(self.rules, UNTYPED_ID).sentence(&tags, &mut spans);
        read.expect("`new` gave the scheme its letters alone");
        let named = |span: Span<u32>| Span { kind: &*self.kinds[span.kind as usize], start: span.start, end: span.end };
        spans.into_iter().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// What seqeval 1.2.2 makes of tags, written by `oracle/score.py`.
    const TABLES: &str = include_str!("../../../../golden/score/tables.jsonl");

    /// The sequences of seqeval's table of BIES tags under `reading`, and the entities of each.
    fn table(reading: &str) -> Vec<(Vec<String>, String)> {
        let lines = TABLES.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let is_wanted = |case: &Value| {
            case["reading"] == reading && case["style"] == "prefix" && case["alphabet"].to_string().contains("\"S-A\"")
        };
        let case = lines.into_iter().find(is_wanted).expect("such a table");
        let alphabet: Vec<String> = serde_json::from_value(case["alphabet"].clone()).unwrap();
        let mut all: Vec<Vec<String>> = Vec::new();
        let mut last: Vec<Vec<String>> = vec![Vec::new()];
        for _ in 0..case["longest"].as_u64().unwrap() {
            let longer = |head: &Vec<String>| {
                let head = head.clone();
                alphabet.iter().map(move |tag| [&head[..], std::slice::from_ref(tag)].concat()).collect::<Vec<_>>()
            };
            last = last.iter().flat_map(longer).collect();
            all.extend(last.iter().cloned());
        }
        let spans = case["spans"].as_str().unwrap().split(';').map(str::to_owned);
        all.into_iter().zip(spans).collect()
    }

    /// The tags of IOBES with the letters of another scheme.
    fn translated(tags: &[String], letters: [(char, char); 3]) -> Vec<String> {
        let translate = |tag: &String| {
            let (letter, rest) = tag.split_at(1);
            let letter = letters.iter().find(|(from, _)| letter.starts_with(*from)).map(|(_, to)| to.to_string());
            letter.unwrap_or_else(|| tag[..1].to_owned()) + rest
        };
        tags.iter().map(translate).collect()
    }

    const BMES: [(char, char); 3] = [('I', 'M'), ('E', 'E'), ('S', 'S')];
    const BILOU: [(char, char); 3] = [('I', 'I'), ('E', 'L'), ('S', 'U')];

    /// The entities of a sentence, read by names and by ids.
    fn read(tags: &[String], rules: Rules) -> String {
        let names: Vec<&str> = tags.iter().map(String::as_str).collect();
        let spans = rules.spans(&names, Style::Prefix);
        assert_eq!(TagReader::new(tags, Style::Prefix, rules).spans(0..tags.len()), spans, "{tags:?}");
        spans.iter().map(|span| format!("{}{}{}", span.kind, span.start, span.end)).collect()
    }

    /// How many sequences of seqeval's table `rules` read in another way, once their letters are those of a scheme.
    fn differing(reading: &str, letters: [(char, char); 3], rules: Rules) -> (usize, usize) {
        let table = table(reading);
        let differing = table.iter().filter(|(tags, expected)| read(&translated(tags, letters), rules) != *expected);
        (differing.count(), table.len())
    }

    /// BMES is IOBES with `M` for `I`, BILOU is IOBES with `L` for `E` and `U` for `S`. What seqeval reads in IOBES is
    /// therefore the meaning of the same sequence in the other letters.
    #[test]
    fn bmes_and_bilou_are_iobes_in_other_letters() {
        let iobes = [('I', 'I'), ('E', 'E'), ('S', 'S')];
        let all = 9 + 81 + 729 + 6561;
        for letters in [iobes, BMES, BILOU] {
            assert_eq!(differing("conlleval", letters, Rules::AnyScheme), (0, all), "{letters:?}");
        }
        assert_eq!(differing("IOBES", BMES, Rules::Strict(Scheme::Bmes)), (0, all));
        // Wrong twins: letters as they are written, the original's machine, strict rules of the next scheme.
        for (letters, rules) in [
            (BMES, Rules::Conlleval),
            (BILOU, Rules::Conlleval),
            (BMES, Rules::OriginalSpans),
            (BILOU, Rules::OriginalSpans),
            (BMES, Rules::Strict(Scheme::Iobes)),
            (BMES, Rules::Strict(Scheme::Bmes)),
        ] {
            let (different, all) = differing("conlleval", letters, rules);
            assert!(different * 20 > all, "{letters:?} {rules:?}: only {different} of {all} sequences tell");
        }
    }

    #[test]
    fn every_scheme_is_read_back() {
        let span = |kind, start, end| Span { kind, start, end };
        let spans = [span("A", 0, 2), span("A", 2, 3), span("C", 3, 6), span("C", 7, 8), span("A", 8, 11)];
        for scheme in Scheme::ALL {
            let tags = scheme.tags(&spans, 12, Style::Prefix).unwrap();
            let reader = TagReader::new(&tags, Style::Prefix, Rules::AnyScheme);
            assert_eq!(reader.spans(0..12), spans, "{scheme}: {tags:?}");
            assert!(reader.bare().is_empty());
        }
    }

    /// The state machine that the four trainers of span taggers share: B opens, I continues whatever is open.
    #[test]
    fn the_original_ignores_the_types_of_what_continues() {
        let read_text = |tags: &str, rules| {
            let tags: Vec<String> = tags.split(' ').map(String::from).collect();
            read(&tags, rules)
        };
        for (tags, original, any_scheme) in [
            ("B-a I-b O I-c B-c", "a02c34c45", "a01b12c34c45"),
            ("O B-x B-x", "x12x23", "x12x23"),
            ("B-x M-x E-x", "x01x23", "x03"),
            ("S-x U-x L-x", "x01x13", "x01x12x23"),
            ("B I O PER", "", "_02"),
        ] {
            assert_eq!(read_text(tags, Rules::OriginalSpans), original, "{tags}");
            assert_eq!(read_text(tags, Rules::AnyScheme), any_scheme, "{tags}");
        }
    }

    #[test]
    fn labels_that_are_not_tags_are_listed_and_outside() {
        let labels = ["O", "B-PER", "PER", "0", "I-PER"];
        let reader = TagReader::new(&labels, Style::Prefix, Rules::AnyScheme);
        assert_eq!(reader.bare(), [2, 3]);
        assert_eq!(
            reader.spans([1, 2, 4, 3, 1]),
            [(0, 1), (2, 3), (4, 5)].map(|(start, end)| Span { kind: "PER", start, end })
        );
        assert_eq!([0, 1, 2].map(|id| reader.kind_of(id)), [UNTYPED, "PER", UNTYPED]);
    }

    #[test]
    fn models_whose_tags_have_ends_are_told_apart() {
        for (labels, has_ends) in [
            ("O B-PER I-PER", false),
            ("O B-PER I-PER E-PER S-PER", true),
            ("O B-PER M-PER E-PER", true),
            ("O I-PER E-PER", true),
            ("O U-PER B-PER I-PER L-PER", true),
            // A stray label does not change how thousands of tags are read.
            ("O B-PER I-PER E-PER S-PER 0", true),
            ("O I-PER E-PER I-LOC E-LOC 0", true),
            // The label of a type may begin with a letter and a dash.
            ("O B-PER I-PER MISC E-LOC", false),
            ("NOUN VERB X S", false),
            ("O PER LOC", false),
        ] {
            let labels: Vec<&str> = labels.split(' ').collect();
            assert_eq!(TagReader::with_ends(&labels).is_some(), has_ends, "{labels:?}");
        }
        let reader = TagReader::with_ends(&["O", "S-PER", "MISC"]).unwrap();
        let kinds: Vec<_> = reader.spans([2, 2, 1, 0, 2]).iter().map(ToString::to_string).collect();
        assert_eq!(kinds, ["MISC 0..2", "PER 2..3", "MISC 4..5"]);
    }
}
