//! The demo's data: sentences from shapes and names, in three splits that share no sentence.

use super::grammar::{Draw, Grammar, Part, TYPES};
use super::shapes;
use std::collections::HashSet;
use tagsmith_text::sentence::Sentence;

/// How many sentences each split has.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sentences to train on.
    pub train: usize,
    /// Sentences with known names and shapes, newly combined.
    pub validation: usize,
    /// Sentences of which every shape and every name is new.
    pub test: usize,
}

/// The sentences of one split.
pub struct Sample {
    /// The split's name in messages.
    pub source: String,
    /// The sentences.
    pub sentences: Vec<Sentence>,
    /// The names that their tags index.
    pub tag_names: Vec<String>,
}

/// The three splits.
pub struct Corpus {
    /// Seen shapes, seen names.
    pub train: Sample,
    /// Seen shapes, seen names, other sentences.
    pub validation: Sample,
    /// Held-out shapes, held-out names.
    pub test: Sample,
}

impl Corpus {
    /// The corpus of `seed`. No sentence occurs twice in it.
    pub fn generate(seed: u64, sizes: Sizes) -> Corpus {
        let mut draw = Draw::new(seed);
        let mut taken = HashSet::new();
        let seen = Grammar::new(Part::Seen);
        let held_out = Grammar::new(Part::HeldOut);
        let mut split = |name: &str, shapes: &[&str], grammar: &Grammar, count: usize| {
            let sentences = sentences(shapes, grammar, count, &mut taken, &mut draw);
            Sample { source: format!("the demo's {name} sentences"), sentences, tag_names: tag_names() }
        };
        Corpus {
            train: split("training", shapes::SEEN, &seen, sizes.train),
            validation: split("validation", shapes::SEEN, &seen, sizes.validation),
            test: split("test", shapes::HELD_OUT, &held_out, sizes.test),
        }
    }
}

/// `O`, then `B-` and `I-` of each type, as `grammar::Tagged` numbers them.
pub fn tag_names() -> Vec<String> {
    let mut names = vec!["O".to_owned()];
    for kind in TYPES {
        names.push(format!("B-{kind}"));
        names.push(format!("I-{kind}"));
    }
    names
}

/// Takes the shapes in turn, so that each is as frequent as any other.
///
/// A shape that has nothing new to say after a few tries loses its turn.
fn sentences(
    shapes: &[&str],
    grammar: &Grammar,
    count: usize,
    taken: &mut HashSet<Vec<String>>,
    draw: &mut Draw,
) -> Vec<Sentence> {
    const TRIES: usize = 8;
    let mut sentences = Vec::with_capacity(count);
    for shape in shapes.iter().cycle() {
        if sentences.len() == count {
            break;
        }
        for _ in 0..TRIES {
            let (words, tags): (Vec<String>, Vec<u32>) = grammar.sentence(shape, shapes, draw).into_iter().unzip();
            if taken.insert(words.clone()) {
                sentences.push(Sentence { words, tags, line: sentences.len() as u64 + 1 });
                break;
            }
        }
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::names;

    const SIZES: Sizes = Sizes { train: 2_000, validation: 200, test: 300 };

    /// Every name a part can utter, the coined ones included.
    fn names_of(part: Part) -> HashSet<String> {
        let list = |pool: &names::Pool| match part {
            Part::Seen => pool.seen,
            Part::HeldOut => pool.held_out,
        };
        let lists = [
            names::GIVEN,
            names::GIVEN_COMMON,
            names::GIVEN_PLACE,
            names::SURNAME,
            names::SURNAME_PLACE,
            names::PLACE,
            names::RIVER,
            names::SURNAME_PARTICLE,
            names::FIRM,
            names::ACRONYM,
            names::PRODUCT,
        ];
        let mut all: HashSet<String> = lists
            .iter()
            .flat_map(|pool| list(pool).split([' ', '~']))
            .filter(|word| word.contains(char::is_uppercase))
            .map(str::to_owned)
            .collect();
        let mut coin = |stems: &names::Pool, endings: &[&str]| {
            for stem in list(stems).split_whitespace() {
                all.extend(endings.iter().map(|ending| format!("{stem}{ending}")));
            }
        };
        coin(&names::STEM, &names::SURNAME_ENDINGS);
        coin(&names::STEM, &names::PLACE_ENDINGS);
        coin(&names::STEM, &names::SURNAME_PLACE_ENDINGS);
        coin(&names::BRAND_STEM, &names::BRAND_ENDINGS);
        all
    }

    /// The sentence with every name replaced by its type and every number by `#`.
    fn skeleton(sentence: &Sentence) -> String {
        let mut parts = Vec::new();
        for (word, &tag) in sentence.words.iter().zip(&sentence.tags) {
            match tag {
                0 if word.bytes().any(|byte| byte.is_ascii_digit()) => parts.push("#".to_owned()),
                0 => parts.push(word.to_lowercase()),
                tag if tag % 2 == 1 => parts.push(TYPES[tag as usize / 2].to_owned()),
                _ => {}
            }
        }
        parts.join(" ")
    }

    #[test]
    fn no_held_out_name_is_seen() {
        let (seen, held_out) = (names_of(Part::Seen), names_of(Part::HeldOut));
        assert_eq!(seen.intersection(&held_out).collect::<Vec<_>>(), Vec::<&String>::new());
        assert!(seen.len() > 1_000 && held_out.len() > 500, "{} seen, {} held out", seen.len(), held_out.len());
        let corpus = Corpus::generate(3, SIZES);
        for sentence in corpus.train.sentences.iter().chain(&corpus.validation.sentences) {
            for word in &sentence.words {
                assert!(!held_out.contains(word), "`{word}` in {:?}", sentence.words);
            }
        }
        for sentence in &corpus.test.sentences {
            for (word, &tag) in sentence.words.iter().zip(&sentence.tags) {
                // Months are a closed set, so dates alone repeat what training saw.
                let date = (1..=2).contains(&tag);
                assert!(tag == 0 || date || !seen.contains(word), "`{word}` in {:?}", sentence.words);
            }
        }
    }

    #[test]
    fn no_held_out_shape_is_seen() {
        let corpus = Corpus::generate(4, SIZES);
        let seen = corpus.train.sentences.iter().chain(&corpus.validation.sentences);
        let seen: HashSet<String> = seen.map(skeleton).collect();
        for sentence in &corpus.test.sentences {
            assert!(!seen.contains(&skeleton(sentence)), "{}", skeleton(sentence));
        }
    }

    /// The test is about shapes and names, not about words the model cannot know.
    #[test]
    fn held_out_shapes_use_words_that_training_knows() {
        let words = |shapes: &[&'static str]| -> HashSet<&'static str> {
            let tokens = shapes.iter().flat_map(|shape| shape.split([' ', '[', ']', '|']));
            tokens.filter(|token| !token.starts_with('{')).collect()
        };
        let (seen, held_out) = (words(shapes::SEEN), words(shapes::HELD_OUT));
        let unknown: Vec<_> = held_out.difference(&seen).collect();
        assert!(unknown.len() * 6 < held_out.len(), "{} of {}: {unknown:?}", unknown.len(), held_out.len());
        assert!(shapes::SEEN.len() >= 60 && shapes::HELD_OUT.len() >= 20);
    }

    #[test]
    fn tags_are_legal_iob2() {
        let corpus = Corpus::generate(5, SIZES);
        for split in [&corpus.train, &corpus.validation, &corpus.test] {
            for sentence in &split.sentences {
                assert_eq!(sentence.words.len(), sentence.tags.len());
                let mut before = "O";
                for &tag in &sentence.tags {
                    let name = split.tag_names[tag as usize].as_str();
                    if let Some(kind) = name.strip_prefix("I-") {
                        assert!(before != "O" && &before[2..] == kind, "`{before}` `{name}`: {:?}", sentence.words);
                    }
                    before = name;
                }
            }
        }
    }

    #[test]
    fn a_seed_is_a_corpus() {
        let [one, again, other] = [6, 6, 7].map(|seed| Corpus::generate(seed, SIZES));
        assert_eq!(one.train.sentences, again.train.sentences);
        assert_eq!(one.test.sentences, again.test.sentences);
        assert_ne!(one.train.sentences, other.train.sentences);
        assert_eq!(
            [one.train.sentences.len(), one.validation.sentences.len(), one.test.sentences.len()],
            [2000, 200, 300]
        );
    }

    #[test]
    fn no_sentence_occurs_twice() {
        let corpus = Corpus::generate(8, SIZES);
        let all = [&corpus.train, &corpus.validation, &corpus.test].into_iter().flat_map(|split| &split.sentences);
        let mut taken = HashSet::new();
        for sentence in all {
            assert!(taken.insert(&sentence.words), "{:?}", sentence.words);
        }
    }

    /// What a list of names could not solve: in each part the same single word bears three types.
    #[test]
    fn names_are_ambiguous() {
        let corpus = Corpus::generate(9, SIZES);
        for split in [&corpus.train, &corpus.test] {
            let mut bearers: HashSet<(&str, u32)> = HashSet::new();
            for sentence in &split.sentences {
                bearers.extend(sentence.words.iter().map(String::as_str).zip(sentence.tags.iter().copied()));
            }
            let words: HashSet<&str> = bearers.iter().map(|bearer| bearer.0).collect();
            let types = |word: &str| [3, 5, 7].iter().filter(|&&tag| bearers.contains(&(word, tag))).count();
            let ambiguous = words.into_iter().filter(|word| types(word) == 3).count();
            assert!(ambiguous >= 5, "{ambiguous} words begin a LOC, an ORG and a PER");
        }
    }
}
