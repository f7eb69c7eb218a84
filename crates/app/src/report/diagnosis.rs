//! What a model gets wrong: scores by type, which types it takes for which, the sentences with the most errors.

use super::entities::{Counted, Entities, Gatherer};
use std::collections::BTreeMap;
use tagsmith_text::align::{Example, IGNORE};
use tagsmith_text::labels::scheme::Tag;
use tagsmith_text::score::{Method, Score, error_detection};
use tagsmith_text::sentence::Split;
use tagsmith_tokens::examples::Examples;

/// Sentences shown.
const WORST: usize = 12;

/// A type's name, its precision, recall and F measure, and how many there are.
pub type TypeRow = (String, [f64; 3], u64);

/// What a model gets wrong in one split.
#[derive(Debug)]
pub struct Diagnosis {
    /// The split.
    pub source: String,
    /// Words looked at.
    pub words: usize,
    /// Sentences looked at.
    pub sentences: usize,
    /// The name of the third figure of a type: `F1` or `F0.5`.
    pub measure: &'static str,
    /// The figures of each type.
    pub types: Vec<TypeRow>,
    /// The label that says that nothing is there: `O`, or the label of words without an error.
    pub background: Option<String>,
    /// The kinds that words have.
    pub kinds: Vec<String>,
    /// For each gold kind, how many words were given each kind.
    pub confusion: Vec<Vec<u64>>,
    /// The sentences with the most wrong words, the worst first.
    pub worst: Vec<Sentence>,
    /// What became of the entities, where entities are scored.
    pub entities: Option<Entities>,
    /// The place and the words of the sentences that `entities` shows errors of, by their numbers.
    pub shown: BTreeMap<usize, (String, Vec<String>)>,
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

/// What a split was scored as, and how well.
#[derive(Clone, Copy)]
pub enum Judgment<'a> {
    /// Entities, or words by themselves, as the method says.
    Labels(Method, &'a Score),
    /// Words with and without an error, and the label of those without.
    Errors(&'a error_detection::Score, &'a str),
}

impl Judgment<'_> {
    /// Returns the name of the F measure, and the figures of each type that occurs.
    fn types(self) -> (&'static str, Vec<TypeRow>) {
        match self {
            Judgment::Labels(_, score) => {
                let types = score.types.iter().map(|kind| {
                    let metrics = kind.metrics;
                    (kind.name.clone(), [metrics.precision, metrics.recall, metrics.f1], kind.count.gold)
                });
                ("F1", types.collect())
            }
            // A right word is not an error, and a label that never occurs has no figures.
            Judgment::Errors(score, right) => {
                let errors = score.labels.iter().filter(|row| row.label != right && row.support > 0);
                let types = errors.map(|row| {
                    let figures = row.figures;
                    (row.label.clone(), [figures.precision, figures.recall, figures.f_half], row.support)
                });
                ("F0.5", types.collect())
            }
        }
    }
}

impl Diagnosis {
    /// Looks at the labels that a model gave to a split's examples, one a piece.
    ///
    /// # Errors
    /// A file of sentences or examples cannot be read.
    pub fn new(
        split: &Split,
        examples: &Examples,
        (predictions, probabilities): (&[Vec<u32>], &[Vec<f32>]),
        labels: &[String],
        judgment: Judgment<'_>,
    ) -> Result<Diagnosis, tagsmith_files::Error> {
        let (kinds, kind_of, background) = kinds(labels, judgment);
        let mut confusion = vec![vec![0; kinds.len()]; kinds.len()];
        let mut worst = Vec::new();
        let mut words = 0;
        let mut gatherer = match judgment {
            Judgment::Labels(method, _) => Gatherer::new(method, labels),
            Judgment::Errors(..) => None,
        };
        for (at, example) in examples.iter().enumerate() {
            let mut wrong = 0;
            let example = example?;
            let counted = of_words(&example, &predictions[at]);
            if let Some(gatherer) = &mut gatherer {
                let sure = probabilities.get(at).map(|of| probabilities_of_words(&example, of));
                gatherer.add(at, &counted, sure.as_deref());
            }
            for (_, gold, predicted) in counted {
                words += 1;
                confusion[kind_of[gold]][kind_of[predicted]] += 1;
                wrong += usize::from(gold != predicted);
            }
            if wrong > 0 {
                worst.push((wrong, at));
            }
        }
        worst.sort_by_key(|&(wrong, _)| std::cmp::Reverse(wrong));
        worst.truncate(WORST);
        let shown = |(wrong, at): (usize, usize)| {
            let sentence = split.sentences.get(at)?;
            let mut words: Vec<_> =
                sentence.words.into_iter().map(|word| (word, String::new(), None::<String>)).collect();
            for (word, gold, predicted) in of_words(&examples.get(at)?, &predictions[at]) {
                let other = (gold != predicted).then(|| labels[predicted].clone());
                (words[word].1, words[word].2) = (labels[gold].clone(), other);
            }
            Ok(Sentence { place: format!("{}:{}", split.source, sentence.line), words, wrong })
        };
        let worst = worst.into_iter().map(shown).collect::<Result<_, tagsmith_files::Error>>()?;
        let (measure, types) = judgment.types();
        let entities = gatherer.map(Gatherer::finish);
        let mut texts = BTreeMap::new();
        for sample in entities.iter().flat_map(|entities| &entities.samples) {
            let sentence = split.sentences.get(sample.sentence)?;
            texts.insert(sample.sentence, (format!("{}:{}", split.source, sentence.line), sentence.words));
        }
        Ok(Diagnosis {
            source: split.source.clone(),
            words,
            sentences: examples.len(),
            measure,
            types,
            background,
            kinds,
            confusion,
            worst,
            entities,
            shown: texts,
        })
    }
}

/// Returns the words that count in an example: the number, the gold label and the predicted label of each.
fn of_words(example: &Example, predicted: &[u32]) -> Vec<Counted> {
    let of_piece = |(at, word): (usize, u32)| (word as usize, example.labels[at] as usize, predicted[at] as usize);
    first_pieces(example).map(of_piece).collect()
}

/// Returns the probability of each word that counts: its first piece's.
fn probabilities_of_words(example: &Example, of_pieces: &[f32]) -> Vec<f32> {
    first_pieces(example).map(|(at, _)| of_pieces[at]).collect()
}

/// Returns the first piece of each word that counts, with the word's number.
fn first_pieces(example: &Example) -> impl Iterator<Item = (usize, u32)> {
    let mut previous = None;
    example.words.iter().zip(&example.labels).enumerate().filter_map(move |(at, (&word, &gold))| {
        let begins = std::mem::replace(&mut previous, word) != word;
        Some((at, word.filter(|_| begins && gold != IGNORE)?))
    })
}

/// The kinds that labels have, in the labels' order with the background first; each label's kind; the background.
fn kinds(labels: &[String], judgment: Judgment<'_>) -> (Vec<String>, Vec<usize>, Option<String>) {
    let (reading, background) = match judgment {
        Judgment::Labels(method, _) => (method.reading(), method.reading().map(|_| "O".to_owned())),
        Judgment::Errors(_, right) => (None, Some(right.to_owned())),
    };
    let kind = |label: &String| match reading {
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
    let first = background.as_deref().unwrap_or("O");
    kinds.sort_by_key(|name| name != first);
    let place = |label: &String| kinds.iter().position(|name| *name == kind(label)).expect("every kind was taken in");
    let of_labels = labels.iter().map(place).collect();
    (kinds, of_labels, background)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_text::labels::scheme::Style;
    use tagsmith_text::score::{Scorer, ZeroDivision};
    use tagsmith_text::sentence::{Columns, Sentences, TagKind};

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
            sentences: Sentences::in_memory(&[sentence("jo sings", 1), sentence("ann lee in rome", 4)]),
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
        let examples = Examples::in_memory(&[
            example(&[None, Some(0), Some(1), None], &[IGNORE, 1, 3, IGNORE], 0),
            example(&[Some(0), Some(1), Some(1), Some(3)], &[1, 2, 2, 0], 1),
        ]);
        let predictions = [vec![3, 1, 1, 3], vec![0, 2, 3, 1]];
        let mut scorer = Scorer::with_labels(Method::Conlleval(Style::Prefix), &labels);
        scorer.add_ids(&[1, 3], &[1, 1]).unwrap();
        let score = scorer.score(ZeroDivision::Zero);
        let judgment = Judgment::Labels(Method::Conlleval(Style::Prefix), &score);
        let found = Diagnosis::new(&split, &examples, (&predictions, &[]), &labels, judgment).unwrap();
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
        assert_eq!((found.measure, found.background.as_deref()), ("F1", Some("O")));
        // `sings` and `ann` are invented; of `ann lee` the first word is lost; `rome` is taken for a person.
        let entities = found.entities.expect("entities are scored");
        let errors: Vec<_> = entities.samples.iter().map(|it| (it.class.key(), it.sentence, it.gold.clone())).collect();
        let gold = |words, kind: &str| Some((words, kind.to_owned()));
        let want = [
            ("type", 1, gold(3..4, "LOC")),
            ("left_boundary", 1, gold(0..2, "PER")),
            ("invented", 0, None),
            ("invented", 1, None),
        ];
        assert_eq!(errors, want);
        assert_eq!((found.shown.len(), &*found.shown[&1].0, entities.calibration), (2, "f:4", None));
        let words = Judgment::Labels(Method::Words, &score);
        assert_eq!(kinds(&labels, words).0, ["O", "B-LOC", "B-PER", "I-PER"]);
    }

    #[test]
    fn a_word_without_an_error_is_not_a_type() {
        let labels = ["SPLIT", "UC", "MERGE"].map(String::from);
        let mut scorer = error_detection::Scorer::new(&labels).unwrap();
        // One of two found, one false alarm: precision 1/2, recall 1/2, and so is F0.5.
        for (gold, predicted) in [("SPLIT", "SPLIT"), ("SPLIT", "UC"), ("UC", "SPLIT"), ("UC", "UC")] {
            scorer.add(gold, predicted, String::new);
        }
        let score = scorer.score();
        let judgment = Judgment::Errors(&score, "UC");
        assert_eq!(judgment.types(), ("F0.5", vec![("SPLIT".to_owned(), [0.5; 3], 2)]));
        let (kinds, of_labels, background) = kinds(&labels, judgment);
        assert_eq!((kinds, of_labels), (["UC", "SPLIT", "MERGE"].map(String::from).to_vec(), vec![1, 0, 2]));
        assert_eq!(background.as_deref(), Some("UC"));
    }
}
