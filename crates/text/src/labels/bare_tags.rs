//! Bare types as labels (`PER PER O LOC`) become IOB2 (`B-PER I-PER O B-LOC`).

use crate::labels::unlabeled;
use crate::sentence::{Split, TagKind};
use std::collections::HashMap;
use tagsmith_message::Note;

/// Rewrites a split's labels. `O` stays, and a label that begins with `B-` or `I-` is kept. Of a run of equal types the
/// first begins an entity that the others continue. Two neighboring entities of one type cannot be told apart: they
/// become one.
///
/// # Errors
/// A file of sentences cannot be read or written.
pub fn to_iob2(split: &mut Split) -> Result<(), tagsmith_files::Error> {
    let bare = std::mem::take(&mut split.tag_names);
    let mut ids: HashMap<String, u32> = HashMap::new();
    let mut id = |name: String| {
        let next = split.tag_names.len() as u32;
        *ids.entry(name).or_insert_with_key(|name| {
            split.tag_names.push(name.clone());
            next
        })
    };
    let mut rewritten = Note::new("{word|words} had a bare type and got `B-` or `I-`: a run of one type is one entity");
    let mut kept = Note::new("{word|words} had `B-` or `I-` already and kept it");
    split.sentences = split.sentences.changed(|sentence| {
        let mut before = None;
        for tag in &mut sentence.tags {
            let name = bare[*tag as usize].as_str();
            let place = || format!("{}:{}", split.source, sentence.line);
            let continues = before == Some(*tag);
            before = Some(*tag);
            *tag = match name {
                "O" | unlabeled::TAG => id(name.to_owned()),
                _ if name.starts_with("B-") || name.starts_with("I-") => {
                    kept.add(place);
                    id(name.to_owned())
                }
                _ => {
                    rewritten.add(place);
                    id(format!("{}-{name}", if continues { "I" } else { "B" }))
                }
            };
        }
    })?;
    if split.tag_kind == TagKind::ClassLabel {
        split.tag_kind = TagKind::Strings;
    }
    split.notes.extend([rewritten, kept].into_iter().filter(|note| note.count > 0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sentence::{Columns, Sentence, Sentences};

    #[test]
    fn runs_of_a_type_become_entities() {
        let names = ["O", "PER", "LOC", "B-ORG", "I-ORG"];
        let sentence = |tags: &[u32], line| Sentence { words: vec!["w".into(); tags.len()], tags: tags.to_vec(), line };
        let mut split = Split {
            source: "f".into(),
            sentences: Sentences::in_memory(&[
                sentence(&[1, 1, 2, 0, 1], 1),
                sentence(&[1, 0, 3, 4], 7),
                sentence(&[], 12),
            ]),
            tag_names: names.map(String::from).to_vec(),
            tag_kind: TagKind::ClassLabel,
            columns: Columns::default(),
            notes: Vec::new(),
        };
        to_iob2(&mut split).unwrap();
        let named = |at: usize| -> Vec<&str> {
            let sentence = split.sentences.get(at).unwrap();
            sentence.tags.iter().map(|&tag| split.tag_names[tag as usize].as_str()).collect()
        };
        // No entity crosses from one sentence into the next.
        assert_eq!(named(0), ["B-PER", "I-PER", "B-LOC", "O", "B-PER"]);
        assert_eq!(named(1), ["B-PER", "O", "B-ORG", "I-ORG"]);
        assert_eq!(split.tag_kind, TagKind::Strings);
        let notes: Vec<_> = split.notes.iter().map(ToString::to_string).collect();
        expect_test::expect![[r#"
            5 words had a bare type and got `B-` or `I-`: a run of one type is one entity (f:1, f:1, f:1, …)
            2 words had `B-` or `I-` already and kept it (f:7, f:7)"#]]
        .assert_eq(&notes.join("\n"));
        // Once more changes nothing.
        let once = split.clone();
        to_iob2(&mut split).unwrap();
        let all = |split: &Split| split.sentences.to_vec().unwrap();
        assert_eq!((all(&split), &split.tag_names), (all(&once), &once.tag_names));
    }
}
