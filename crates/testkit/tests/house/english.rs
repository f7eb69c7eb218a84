//! Four of CONTRIBUTING.md's rules of English, and American spelling.

use crate::none;
use crate::source::{Piece, Source, sources, texts, tracked};

/// Openers of a summary line that lacks its noun.
const HEADLESS: &[&str] = &["Of ", "Those ", "Their ", "The same", "As ", "Its "];

/// The most words in a sentence of documentation.
const WORDS: usize = 25;

/// Parts of words as British English writes them, and what American English writes.
const BRITISH: &[(&str, &str)] = &[
    ("labell", "label"),
    ("neighbour", "neighbor"),
    ("honour", "honor"),
    ("colour", "color"),
    ("behaviour", "behavior"),
    ("favour", "favor"),
    ("normalis", "normaliz"),
    ("optimis", "optimiz"),
    ("initialis", "initializ"),
    ("finalis", "finaliz"),
    ("serialis", "serializ"),
    ("tokenis", "tokeniz"),
    ("recognis", "recogniz"),
    ("organis", "organiz"),
    ("realis", "realiz"),
    ("summaris", "summariz"),
    ("minimis", "minimiz"),
    ("maximis", "maximiz"),
    ("generalis", "generaliz"),
    ("vectoris", "vectoriz"),
    ("quantis", "quantiz"),
    ("capitalis", "capitaliz"),
    ("specialis", "specializ"),
    ("equalis", "equaliz"),
    ("penalis", "penaliz"),
    ("analyse", "analyze"),
    ("cancell", "cancel"),
    ("travell", "travel"),
    ("modell", "model"),
    ("centre", "center"),
    ("artefact", "artifact"),
];

/// Words that hold such a part and are American.
const AMERICAN: &[&str] =
    &["optimist", "realist", "cancellation", "finalist", "specialist", "modellability", "borealis", "labellines"];

/// British words that a file keeps: another program's label, and sentences whose F1 benchmarks record.
const KEPT: &[(&str, &str)] = &[
    ("bench/spans_data.py", "organisation"),
    ("crates/app/src/demo/shapes.rs", "neighbour"),
    ("crates/app/src/demo/shapes.rs", "travelled"),
];

/// Doc blocks whose first line is not complete on its own.
fn headless(source: &Source) -> Vec<String> {
    let opens = |piece: &&Piece| HEADLESS.iter().any(|opener| piece.text.trim_start().starts_with(opener));
    shown(source, source.docs.iter().filter(opens))
}

/// "is no" in comments and in messages. "There is no" is English.
fn negated_nouns(source: &Source) -> Vec<String> {
    let messages = source.strings.iter().filter(|piece| source.ships() && piece.line < source.tests_from);
    let all = source.docs.iter().chain(&source.comments).chain(messages);
    let negates = |piece: &&Piece| flat(&piece.text).to_lowercase().replace("there is no ", "").contains(" is no ");
    shown(source, all.filter(negates))
}

/// Sentences of documentation that are too long.
fn long_sentences(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for piece in source.docs.iter().filter(|_| source.ships()) {
        for sentence in sentences(&piece.text) {
            let words = words(&sentence);
            if words > WORDS {
                found.push(format!("{}:{}: {words} words: {sentence}", source.path, piece.line));
            }
        }
    }
    found
}

/// The text on one line, with a space before it.
fn flat(text: &str) -> String {
    format!(" {}", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The sentences of a block of documentation; headings, tables, lists and code end one too.
fn sentences(text: &str) -> Vec<String> {
    let (mut paragraphs, mut code) = (vec![String::new()], false);
    for line in text.lines().map(str::trim) {
        code ^= line.starts_with("```");
        let apart = line.is_empty() || code || ["#", "|", "```"].iter().any(|mark| line.starts_with(mark));
        let item = ["- ", "* "].iter().any(|mark| line.starts_with(mark))
            || line.split_once(". ").is_some_and(|(number, _)| number.chars().all(|c| c.is_ascii_digit()));
        if apart || item {
            paragraphs.push(String::new());
        }
        if !apart {
            let paragraph = paragraphs.last_mut().expect("one was begun");
            paragraph.push(' ');
            paragraph.push_str(line);
        }
    }
    let mut sentences = Vec::new();
    for paragraph in paragraphs {
        let mut sentence = String::new();
        let mut code = false;
        let chars: Vec<char> = paragraph.chars().collect();
        for (i, &c) in chars.iter().enumerate() {
            code ^= c == '`';
            sentence.push(if code && c == ' ' { '_' } else { c });
            let next = chars.get(i + 1..).unwrap_or_default();
            let begins = next.first() == Some(&' ') && next.get(1).is_some_and(|c| !c.is_lowercase());
            if !code && ".?!".contains(c) && begins {
                sentences.push(std::mem::take(&mut sentence));
            }
        }
        sentences.push(sentence);
    }
    sentences.into_iter().map(|sentence| sentence.trim().to_owned()).filter(|sentence| !sentence.is_empty()).collect()
}

/// Words of a sentence. Signs and numbers of a formula do not count.
fn words(sentence: &str) -> usize {
    sentence.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count()
}

/// Words in British spelling, line by line.
fn british(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let lower = line.to_lowercase();
        for word in lower.split(|c: char| !c.is_alphabetic()) {
            let american = AMERICAN.iter().any(|known| word.starts_with(known)) || KEPT.contains(&(path, word));
            if let Some((part, better)) = BRITISH.iter().find(|(part, _)| word.contains(part) && !american) {
                found.push(format!("{path}:{}: {word} ({part} is {better})", i + 1));
            }
        }
    }
    found
}

fn shown<'s>(source: &Source, pieces: impl Iterator<Item = &'s Piece>) -> Vec<String> {
    pieces.map(|piece| format!("{}:{}: {}", source.path, piece.line, flat(&piece.text).trim())).collect()
}

fn checked() -> impl Iterator<Item = Source> {
    sources().into_iter()
}

#[test]
fn summary_lines_have_their_noun() {
    none("documentation that begins without its noun", checked().flat_map(|source| headless(&source)).collect());
}

#[test]
fn nothing_is_no_thing() {
    none("write \"is not a\"", checked().flat_map(|source| negated_nouns(&source)).collect());
}

#[test]
fn sentences_are_short() {
    none("sentences over 25 words", checked().flat_map(|source| long_sentences(&source)).collect());
}

#[test]
fn spelling_is_american() {
    let files = texts(&[".rs", ".py", ".md", ".toml"]).into_iter();
    let own = files.filter(|(path, _)| !path.ends_with("house/english.rs"));
    let found = own.flat_map(|(path, text)| british(&path, &text));
    let names = tracked().into_iter().flat_map(|(path, _)| british("name", &path));
    none("British spelling", found.chain(names).collect());
}

#[test]
fn planted_english_is_refused() {
    let source = |text: &str| Source::new("crates/kernel/src/x.rs", text);
    for opener in
        ["Of the rows.", "Its command.", "The same, in f64.", "As `forward`.", "Those that learn.", "Their sum."]
    {
        assert_eq!(headless(&source(&format!("/// {opener}\nfn f() {{}}"))).len(), 1, "{opener}");
    }
    assert!(headless(&source("/// Often used.\n/// Its rows.\nfn f() {}\n// Of code.")).is_empty());

    assert_eq!(negated_nouns(&source("// A folder is no\n// file.")).len(), 1);
    assert_eq!(negated_nouns(&source("f(\"`x` is no option\")")).len(), 1);
    assert!(negated_nouns(&source("// This is not a file; there is nothing, and there is no\n// folder.")).is_empty());

    let sentence = |words: usize| format!("/// {}.\n/// Another one.", vec!["word"; words].join(" "));
    assert_eq!(long_sentences(&source(&sentence(26))).len(), 1);
    assert!(long_sentences(&source(&sentence(25))).is_empty());
    let parts = format!("/// {}\n///\n/// # Panics\n/// - {}", vec!["word"; 20].join(" "), vec!["word"; 20].join(" "));
    assert!(long_sentences(&source(&parts)).is_empty());
    assert_eq!(
        sentences("y = Σ x · `a + b` over 25 rows.").iter().map(|sentence| words(sentence)).collect::<Vec<_>>(),
        [6]
    );
    assert_eq!(sentences("One. Two\nand more: `a. B`. three\n# Panics\nFour").len(), 3);

    for word in ["labelled", "Neighbours", "honour", "normalised", "optimiser", "COLOUR", "behaviour", "unlabelled"] {
        assert_eq!(british("x.rs", &format!("let {word}_1 = 1;")).len(), 1, "{word}");
    }
    assert!(
        british("x.rs", "labeled neighbors honor normalized; cancellation is optimistic, precise, promised").is_empty()
    );
}
