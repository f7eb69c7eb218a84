//! Training, prediction, scoring and span taggers see the same words and the same sentences in every file.

mod corpus;

use corpus::{TEXTS, Text};
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_data::ReadOptions;
use tagsmith_data::dataset::load_files;
use tagsmith_data::documents::{Documents, Source};
use tagsmith_data::format::Format;
use tagsmith_data::labeled::LabelFile;
use tagsmith_data::span_examples;
use tagsmith_message::Setting;
use tagsmith_testkit::golden;
use tagsmith_testkit::scratch::Scratch;
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::labels::reading::Rules;
use tagsmith_text::tagged::Content;

/// The words of each sentence.
type Sentences = Vec<Vec<String>>;

/// A reader of what is to be tagged.
type Reader<'r> = &'r dyn Fn(&Path, &ReadOptions) -> Result<Sentences, String>;

/// Reads as prediction does. A document of running text has no words.
fn predicted(path: &Path, options: &ReadOptions) -> Result<Sentences, String> {
    let show = |error: tagsmith_data::error::Error| format!("{error} {:?}", error.remedy());
    let mut documents = Documents::open(Source::File(path.to_owned()), None, options).map_err(show)?;
    let mut sentences = Vec::new();
    while let Some((document, _)) = documents.read().map_err(show)? {
        match document.content {
            Content::Words(words) => sentences.push(words),
            Content::Text(text) => return Err(format!("the document {text:?} has no words")),
        }
    }
    Ok(sentences)
}

/// Compares what all readers see in a file. Returns whether training reads it at all.
fn compare(path: &Path, options: &ReadOptions, predict: Reader) -> Result<bool, String> {
    let name = path.display().to_string();
    let Ok(split) = load_files(std::slice::from_ref(&name), options) else { return Ok(false) };
    let sentences = split.sentences.to_vec().map_err(|error| error.to_string())?;
    let words: Sentences = sentences.iter().map(|sentence| sentence.words.clone()).collect();
    let differ = |what: &str, got: &dyn std::fmt::Debug| Err(format!("{what}: {got:?}, training: {words:?}"));
    let got = predict(path, options)?;
    if got != words {
        return differ("prediction", &got);
    }
    if split.columns.label.is_none() {
        return Ok(true);
    }
    let file = LabelFile::open(path, None).map_err(|error| error.to_string())?;
    // A file that holds labels alone, to all appearances, is scored as one: nothing tells them from words.
    if options.text_column.is_none() && !matches!(file.format(), Format::LabelLines | Format::Labels) {
        let (column, missing) = (options.label_column.as_deref(), options.missing_label.as_deref());
        let labeled = file.read(column, Setting::GoldColumn, missing).map_err(|error| error.to_string())?;
        let got: Sentences = labeled.sentences.iter().map(|sentence| sentence.words.clone()).collect();
        let tag = |tag: &u32| split.tag_names[*tag as usize].clone();
        let tags: Sentences = sentences.iter().map(|sentence| sentence.tags.iter().map(tag).collect()).collect();
        let labels: Sentences = labeled.sentences.iter().map(|sentence| sentence.labels.clone()).collect();
        let lines = sentences.iter().zip(&labeled.sentences).all(|(one, other)| one.line == other.line);
        if got != words || labels != tags || !lines {
            return differ("scoring", &labeled.sentences);
        }
    }
    let ReadOptions { text_column, label_column, task, missing_label, meter: _, room: _ } = options;
    if [text_column, label_column, missing_label].iter().all(|named| named.is_none()) && task == "ner" {
        let spans = span_examples::load(&[name], AnnotationFormat::Tokens, &[], Rules::AnyScheme);
        let spans = spans.map_err(|error| error.to_string())?;
        let got: Vec<&Content> = spans.examples.iter().map(|(_, example)| &example.content).collect();
        if !got.iter().zip(&words).all(|(content, words)| **content == Content::Words(words.clone()))
            || got.len() != words.len()
        {
            return differ("span taggers", &got);
        }
    }
    Ok(true)
}

fn options(text: &Text) -> ReadOptions {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    ReadOptions {
        text_column: named(text.text),
        label_column: named(text.label),
        missing_label: named(text.missing),
        ..ReadOptions::default()
    }
}

/// Writes a file, packed if its name says so.
fn write(folder: &Scratch, name: &str, content: &[u8]) -> PathBuf {
    folder.write_as_named(name, content);
    folder.path(name)
}

/// Compares the readers on all texts of the corpus, each as it is, with other line ends, with a mark, and packed.
fn compare_corpus(predict: Reader) -> Vec<String> {
    let folder = Scratch::empty();
    let mut differences = Vec::new();
    for text in TEXTS {
        let content = text.content.trim_start_matches('\u{FEFF}');
        let name = |more: &str| format!("a.{}{more}", text.extension);
        let files = [
            write(&folder, &name(""), text.content.as_bytes()),
            write(&folder, &name(".gz"), text.content.as_bytes()),
            write(&folder, &format!("crlf.{}", text.extension), content.replace('\n', "\r\n").as_bytes()),
            write(&folder, &format!("mark.{}", text.extension), format!("\u{FEFF}{content}").as_bytes()),
        ];
        for path in files {
            match compare(&path, &options(text), predict) {
                Ok(read) => assert!(read, "training reads {text:?} as {}", path.display()),
                Err(difference) => differences.push(format!("{text:?} as {}: {difference}", path.display())),
            }
        }
    }
    differences
}

#[test]
fn all_texts_are_seen_alike() {
    let differences = compare_corpus(&predicted);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Files that `datasets` and pyarrow wrote (oracle/dataset_files.py).
#[test]
fn all_tables_are_seen_alike() {
    let golden = golden::path("dataset_files");
    let mut read = 0;
    for entry in fs::read_dir(golden).expect("the golden files") {
        let path = entry.expect("a golden file").path();
        if path.is_file() && path.extension().is_none_or(|extension| extension != "json") {
            read += usize::from(compare(&path, &ReadOptions::default(), &predicted).expect("all see the same"));
        }
    }
    assert_eq!(read, 8);
}

/// Saved data sets and folders of files are read by prediction and scoring as by training.
#[test]
fn folders_are_seen_alike() {
    let folder = Scratch::empty();
    write(&folder, "one.conll", b"Jo B-PER\nran O\n");
    write(&folder, "two.conll", b"Ulm B-LOC\n\nno O\n");
    assert_eq!(compare(folder.folder(), &ReadOptions::default(), &predicted), Ok(true));
    let saved = golden::path("dataset_files");
    let is_saved = |path: &Path| path.join("state.json").exists();
    let folders = fs::read_dir(saved).expect("the golden files").map(|entry| entry.expect("a file").path());
    let mut read = 0;
    for folder in folders.filter(|path| is_saved(path)) {
        assert_eq!(compare(&folder, &ReadOptions::default(), &predicted), Ok(true), "{}", folder.display());
        read += 1;
    }
    assert!(read > 0, "a saved data set among the golden files");
}

/// Training wants a list of words; prediction does not cut a string under that name into words of its own.
#[test]
fn words_that_are_a_string_are_refused() {
    let folder = Scratch::empty();
    for name in ["tokens", "words"] {
        let content = format!("{{\"{name}\": \"../../etc\", \"ner_tags\": [\"O\"]}}\n");
        let path = write(&folder, "a.jsonl", content.as_bytes());
        assert_eq!(compare(&path, &ReadOptions::default(), &predicted), Ok(false));
        let refused = predicted(&path, &ReadOptions::default()).expect_err("a string");
        assert!(refused.contains(&format!("a.jsonl:1: `{name}` is a string, not a list of words")), "{refused}");
        let asked = ReadOptions { text_column: Some(name.to_owned()), ..ReadOptions::default() };
        let text = predicted(&path, &asked).expect_err("running text");
        assert!(text.starts_with("the document"), "{text}");
    }
}

/// Words of column files, cut as prediction once did: at any white space, whatever begins with `#`.
fn cut_at_white_space(path: &Path, options: &ReadOptions) -> Result<Sentences, String> {
    let text = match path.extension() {
        Some(extension) if extension == "conll" => fs::read_to_string(path).map_err(|error| error.to_string())?,
        _ => return predicted(path, options),
    };
    let sentences = text.trim_start_matches('\u{FEFF}').split("\n\n");
    let word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let words = sentences.map(|sentence| sentence.lines().filter_map(word).collect());
    Ok(words.filter(|words: &Vec<String>| !words.is_empty()).collect())
}

/// Takes a comment for a word.
fn with_comments(path: &Path, options: &ReadOptions) -> Result<Sentences, String> {
    let mut sentences = predicted(path, options)?;
    let text = fs::read_to_string(path).unwrap_or_default();
    if text.starts_with("# a remark\n") {
        sentences[0].insert(0, "#".into());
    }
    Ok(sentences)
}

/// Takes lines of columns under a name that is not theirs for documents.
fn lines_as_documents(path: &Path, options: &ReadOptions) -> Result<Sentences, String> {
    match path.extension() {
        Some(extension) if extension == "txt" => Err("the documents have no words".into()),
        _ => predicted(path, options),
    }
}

#[test]
fn wrong_twins_are_rejected() {
    let found = compare_corpus(&cut_at_white_space);
    assert!(found.iter().any(|difference| difference.contains("New\\u{a0}York")), "{found:?}");
    for twin in [&with_comments as Reader, &lines_as_documents] {
        assert!(!compare_corpus(twin).is_empty());
    }
}

/// Sentences of words with a tag each. Words hold spaces that do not part columns, signs of comments, and commas.
fn sentences() -> impl Strategy<Value = Vec<Vec<(String, String)>>> {
    let word = "[a-zA-Z0-9äß#.,'\"\\-\u{A0}\u{200B}\u{3000}]{1,5}";
    prop::collection::vec(prop::collection::vec((word, "O|[BI]-[A-Z]{1,3}"), 1..5), 1..5)
}

/// How a column file is written.
#[derive(Clone, Debug)]
struct Style {
    separator: &'static str,
    numbered: bool,
    reversed: bool,
    comments: bool,
    blank: &'static str,
    end: &'static str,
    mark: bool,
    last: bool,
}

fn style() -> impl Strategy<Value = Style> {
    let any = || any::<bool>();
    let blank = prop::sample::select(vec!["", " ", "\t", "\u{A0}"]);
    let separator = prop::sample::select(vec!["\t", " ", "  "]);
    let end = prop::sample::select(vec!["\n", "\r\n"]);
    (separator, any(), any(), any(), blank, end, any(), any()).prop_map(
        |(separator, numbered, reversed, comments, blank, end, mark, last)| Style {
            separator,
            numbered,
            reversed,
            comments,
            blank,
            end,
            mark,
            last,
        },
    )
}

/// Returns the file and the column of its words.
fn columns(sentences: &[Vec<(String, String)>], style: &Style) -> (String, usize) {
    let mut lines: Vec<String> = Vec::new();
    for (number, sentence) in sentences.iter().enumerate() {
        if style.comments {
            lines.push(format!("# sent_id = s-{number}"));
            lines.push("# a longer remark, which has more columns than the data".into());
        }
        for (index, (word, tag)) in sentence.iter().enumerate() {
            let mut cells = vec![word.clone(), tag.clone()];
            if style.reversed {
                cells.reverse();
            }
            if style.numbered {
                cells.insert(0, (index + 1).to_string());
            }
            lines.push(cells.join(style.separator));
        }
        lines.push(style.blank.to_owned());
    }
    let end = if style.last { style.end } else { "" };
    let text = format!("{}{}{end}", if style.mark { "\u{FEFF}" } else { "" }, lines.join(style.end));
    (text, usize::from(style.numbered) + usize::from(style.reversed))
}

/// Compares the readers on content under some names.
fn check(names: &[&str], content: &str, options: &ReadOptions) -> Result<(), TestCaseError> {
    let folder = Scratch::empty();
    for name in names {
        let path = write(&folder, name, content.as_bytes());
        let outcome = compare(&path, options, &predicted);
        prop_assert!(outcome.is_ok(), "{name} {content:?}: {outcome:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn columns_are_seen_alike(sentences in sentences(), style in style()) {
        let (text, column) = columns(&sentences, &style);
        let label = if style.reversed { usize::from(style.numbered) } else { column + 1 };
        let options = ReadOptions {
            text_column: Some(column.to_string()),
            label_column: Some(label.to_string()),
            ..ReadOptions::default()
        };
        check(&["a.conll", "a.bio.gz", "a.iob2"], &text, &options)?;
        check(&["a.conll"], &text, &ReadOptions::default())?;
    }

    /// Under a name that says nothing, columns of tags are still columns.
    #[test]
    fn columns_are_known_by_their_tags(sentences in sentences(), style in style()) {
        let style = Style { reversed: false, ..style };
        let (text, column) = columns(&sentences, &style);
        let options = ReadOptions { text_column: Some(column.to_string()), ..ReadOptions::default() };
        let words: Vec<&str> = sentences.iter().flatten().map(|(word, _)| word.as_str()).collect();
        let is_whole = style.last || !style.blank.is_empty() || style.end.len() + words.len() > 2;
        // A line that begins with `#` and a space shows no columns; one with another word has to show them.
        let parts_words = style.separator == "\t";
        let shows = words.iter().filter(|&&word| style.numbered || parts_words || word != "#").count();
        let is_shown = style.numbered || words.iter().any(|word| !word.starts_with('#'));
        prop_assume!(words.len() > 2 && shows > 1 && is_shown && is_whole);
        check(&["a.txt", "a.testa", "a"], &text, &options)?;
    }

    #[test]
    fn tables_are_seen_alike(sentences in sentences(), id in any::<bool>(), text in any::<bool>(), end in "\n|\r\n") {
        let mut rows = Vec::new();
        let mut lines = String::new();
        for (number, sentence) in sentences.iter().enumerate() {
            let (words, tags): (Vec<&str>, Vec<&str>) =
                sentence.iter().map(|(word, tag)| (word.as_str(), tag.as_str())).unzip();
            let mut row = serde_json::Map::new();
            if id {
                row.insert("id".into(), number.into());
            }
            if text {
                row.insert("text".into(), words.join(" ").into());
            }
            row.insert("tokens".into(), words.clone().into());
            row.insert("ner_tags".into(), tags.clone().into());
            rows.push(row.clone());
            lines += &(serde_json::Value::from(row).to_string() + &end);
        }
        let names: Vec<String> = rows[0].keys().cloned().collect();
        let array = serde_json::to_string_pretty(&rows).expect("JSON");
        check(&["a.jsonl", "a.json.gz", "a.txt"], &lines, &ReadOptions::default())?;
        check(&["a.json", "a"], &array, &ReadOptions::default())?;
        for (separator, name) in [(b',', "a.csv"), (b'\t', "a.tsv.gz")] {
            let mut table = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
            table.write_record(&names).expect("memory");
            for row in &rows {
                table.write_record(row.values().map(ToString::to_string)).expect("memory");
            }
            let table = String::from_utf8(table.into_inner().expect("memory")).expect("UTF-8");
            check(&[name], &table, &ReadOptions::default())?;
        }
    }

    #[test]
    fn treebanks_are_seen_alike(sentences in sentences(), end in "\n|\r\n") {
        let mut text = String::new();
        for (number, sentence) in sentences.iter().enumerate() {
            text += &format!("# sent_id = {number}{end}");
            for (index, (word, tag)) in sentence.iter().enumerate() {
                text += &format!("{}\t{word}\t_\tX\t{tag}\t_\t0\troot\t_\t_{end}", index + 1);
            }
            text += &end;
        }
        check(&["a.conllu", "a.conllu.gz", "a.txt"], &text, &ReadOptions::default())?;
    }

    /// Whatever training reads as columns, prediction and scoring read alike.
    #[test]
    fn arbitrary_lines_are_seen_alike(text in "([#\\-_a-zB-I0-9 \t\r=é\u{FEFF}\u{A0}]{0,8}\n){0,12}") {
        check(&["a.conll", "a.bio"], &text, &ReadOptions::default())?;
    }
}
