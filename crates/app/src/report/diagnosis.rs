//! What a model gets wrong: scores by type, which types it takes for which, the sentences with the most errors.

use tagsmith_text::align::{Example, IGNORE};
use tagsmith_text::labels::scheme::Tag;
use tagsmith_text::score::{Method, Score};
use tagsmith_text::sentence::Split;

/// Sentences shown.
const WORST: usize = 12;

/// What a model gets wrong in one split.
#[derive(Debug)]
pub struct Diagnosis {
    /// The split.
    pub source: String,
    /// Words looked at.
    pub words: usize,
    /// Sentences looked at.
    pub sentences: usize,
    /// Name, precision, recall, F1 and how many there are, of each type.
    pub types: Vec<(String, [f64; 3], u64)>,
    /// The kinds that words have.
    pub kinds: Vec<String>,
    /// For each gold kind, how many words were given each kind.
    pub confusion: Vec<Vec<u64>>,
    /// The sentences with the most wrong words, the worst first.
    pub worst: Vec<Sentence>,
}

/// A sentence with errors.
#[derive(Debug)]
pub struct Sentence {
    /// Where it begins.
    pub place: String,
    /// Each word with its gold label and, where that is another, the predicted one.
    pub words: Vec<(String, String, Option<String>)>,
    /// How many of them are wrong.
    pub wrong: usize,
}

impl Diagnosis {
    /// Looks at the labels that a model gave to a split's examples, one a piece. `method` says whether labels are tags
    /// of entities, whose kind is their type.
    pub fn new(
        split: &Split,
        examples: &[Example],
        predictions: &[Vec<u32>],
        labels: &[String],
        method: Method,
        score: &Score,
    ) -> Diagnosis {
        let (kinds, kind_of) = kinds(labels, method);
        let mut confusion = vec![vec![0; kinds.len()]; kinds.len()];
        let mut worst = Vec::new();
        let mut words = 0;
        for (example, predicted) in examples.iter().zip(predictions) {
            let sentence = &split.sentences[example.sentence as usize];
            let mut shown: Vec<(String, String, Option<String>)> =
                sentence.words.iter().map(|word| (word.clone(), String::new(), None)).collect();
            let mut wrong = 0;
            let mut previous = None;
            for ((&word, &gold), &predicted) in example.words.iter().zip(&example.labels).zip(predicted) {
                let begins = word != previous;
                previous = word;
                let Some(word) = word.filter(|_| begins && gold != IGNORE) else { continue };
                let (gold, predicted) = (gold as usize, predicted as usize);
                words += 1;
                confusion[kind_of[gold]][kind_of[predicted]] += 1;
                wrong += usize::from(gold != predicted);
                let other = (gold != predicted).then(|| labels[predicted].clone());
                (shown[word as usize].1, shown[word as usize].2) = (labels[gold].clone(), other);
            }
            if wrong > 0 {
                worst.push(Sentence { place: format!("{}:{}", split.source, sentence.line), words: shown, wrong });
            }
        }
        worst.sort_by_key(|sentence| std::cmp::Reverse(sentence.wrong));
        worst.truncate(WORST);
        let types = score.types.iter().map(|kind| {
            let metrics = kind.metrics;
            (kind.name.clone(), [metrics.precision, metrics.recall, metrics.f1], kind.support)
        });
        Diagnosis {
            source: split.source.clone(),
            words,
            sentences: examples.len(),
            types: types.collect(),
            kinds,
            confusion,
            worst,
        }
    }
}

/// The kinds that labels have, in the labels' order with `O` first, and each label's.
fn kinds(labels: &[String], method: Method) -> (Vec<String>, Vec<usize>) {
    let kind = |label: &String| match method.reading() {
        None => label.clone(),
        Some((rules, style)) => match rules.tag(label, style) {
            Some(Tag { letter: 'O', .. }) | None => "O".to_owned(),
            Some(Tag { kind, .. }) => kind.to_owned(),
        },
    };
    let mut kinds: Vec<String> = Vec::new();
    for name in labels.iter().map(kind) {
        if !kinds.contains(&name) {
            kinds.push(name);
        }
    }
    kinds.sort_by_key(|name| name != "O");
    let place = |label: &String| kinds.iter().position(|name| *name == kind(label)).expect("every kind was taken in");
    let of_labels = labels.iter().map(place).collect();
    (kinds, of_labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_text::labels::scheme::Style;
    use tagsmith_text::score::{Scorer, ZeroDivision};
    use tagsmith_text::sentence::{Columns, TagKind};

    #[test]
    fn errors_are_counted_by_kind_and_by_sentence() {
        let labels = ["B-LOC", "B-PER", "I-PER", "O"].map(String::from);
        let sentence = |words: &str, line| tagsmith_text::sentence::Sentence {
            words: words.split(' ').map(String::from).collect(),
            tags: vec![0; words.split(' ').count()],
            line,
        };
        let split = Split {
            source: "f".into(),
            sentences: vec![sentence("jo sings", 1), sentence("ann lee in rome", 4)],
            tag_names: Vec::new(),
            tag_kind: TagKind::Strings,
            columns: Columns::default(),
            notes: Vec::new(),
        };
        // The second word of the second sentence has two pieces, its third none that counts.
        let example = |words: &[Option<u32>], labels: &[i32], sentence| Example {
            ids: vec![0; words.len()],
            types: vec![0; words.len()],
            labels: labels.to_vec(),
            words: words.to_vec(),
            sentence,
        };
        let examples = [
            example(&[None, Some(0), Some(1), None], &[IGNORE, 1, 3, IGNORE], 0),
            example(&[Some(0), Some(1), Some(1), Some(3)], &[1, 2, 2, 0], 1),
        ];
        let predictions = [vec![3, 1, 1, 3], vec![0, 2, 3, 1]];
        let mut scorer = Scorer::with_labels(Method::Conlleval(Style::Prefix), &labels);
        scorer.add_ids(&[1, 3], &[1, 1]).unwrap();
        let score = scorer.score(ZeroDivision::Zero);
        let found = Diagnosis::new(&split, &examples, &predictions, &labels, Method::Conlleval(Style::Prefix), &score);
        assert_eq!(found.kinds, ["O", "LOC", "PER"]);
        // Rows are gold: `sings` taken for a person; `ann` for a place, `lee` right, `rome` for a person.
        assert_eq!(found.confusion, [[0, 0, 1], [0, 0, 1], [0, 1, 2]]);
        assert_eq!((found.words, found.sentences), (5, 2));
        let worst: Vec<_> = found.worst.iter().map(|sentence| (sentence.place.as_str(), sentence.wrong)).collect();
        assert_eq!(worst, [("f:4", 2), ("f:1", 1)]);
        let word = |at: usize| {
            let (word, gold, other) = &found.worst[0].words[at];
            (word.as_str(), gold.as_str(), other.as_deref())
        };
        assert_eq!(
            [word(0), word(1), word(2)],
            [("ann", "B-PER", Some("B-LOC")), ("lee", "I-PER", None), ("in", "", None)]
        );
        assert_eq!(found.types, [("PER".to_owned(), [0.5, 1.0, 2.0 / 3.0], 1)]);
        assert_eq!(kinds(&labels, Method::Words).0, ["O", "B-LOC", "B-PER", "I-PER"]);
    }
}
