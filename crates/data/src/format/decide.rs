//! The one decision which format a file has.
//!
//! It goes by what the content shows for certain, then by the file's name, then by what the content looks like.

use crate::format::Format;
use crate::format::name::{by_extension, extension};
use crate::read_options::Wanted;
use crate::rules::choose_columns::is_content;
use crate::rules::column_layout::split;
use crate::rules::comments::{LineKind, Shape, kind_of};
use crate::rules::known_names::{is_beside_words, rank_as_words};
use crate::rules::sentence_ends::{is_blank, is_document_start};
use std::collections::BTreeSet;
use std::path::Path;
use tagsmith_message::Note;
use tagsmith_message::{Remedy, Setting};
use tagsmith_text::labels::scheme::{Style, is_iob_like};

/// Returns the format of a file or stream that begins so, with the reason where the name does not say the format.
pub(crate) fn decide(path: Option<&Path>, beginning: &[u8], source: &str, wanted: Wanted) -> (Format, Option<Note>) {
    let named = path.and_then(|path| by_extension(&extension(path)));
    let text = String::from_utf8_lossy(beginning);
    let text = text.trim_start_matches('\u{FEFF}');
    let (format, why) = certain(beginning, text)
        .or_else(|| of_labels(text, named).filter(|_| wanted == Wanted::Labels))
        .or_else(|| named.filter(|&named| named != Format::Tsv).map(|named| (named, "its name says so")))
        .unwrap_or_else(|| match named {
            Some(_) => of_tsv(text),
            None => likely(text, wanted),
        });
    // A document a line is what text is, and objects on a stream are seen to be objects.
    let is_plain = format == Format::Text || format == Format::Json && path.is_none();
    if named == Some(format) || is_plain || matches!(format, Format::LabelLines | Format::Labels) {
        return (format, None);
    }
    let note = Note::once(format!("{source} was read as {format}, because {why}"));
    let other = Remedy::SetTo(Setting::InputFormat, Format::Text.name().into()).so_as("to tag a document a line");
    let may_be_text = wanted == Wanted::Content && !format.is_binary();
    (format, Some(if may_be_text { note.with_remedy(other) } else { note }))
}

/// Returns the format that content shows whatever the file is called.
fn certain(beginning: &[u8], text: &str) -> Option<(Format, &'static str)> {
    if beginning.starts_with(b"PAR1") {
        return Some((Format::Parquet, "it begins with `PAR1`"));
    }
    if beginning.starts_with(b"ARROW1") || beginning.starts_with(b"\xFF\xFF\xFF\xFF") {
        return Some((Format::Arrow, "it begins as Arrow does"));
    }
    let text = text.trim_start();
    let after = |open: char| text.strip_prefix(open).map(str::trim_start);
    let is_object = after('{').is_some_and(|rest| rest.is_empty() || rest.starts_with('}') || begins_with_key(rest));
    if is_object || after('[').is_some_and(|rest| rest.starts_with('{')) {
        return Some((Format::Json, "it begins with a JSON object"));
    }
    None
}

/// Returns whether text begins with the first key of a JSON object and its colon.
fn begins_with_key(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('"') else { return false };
    match rest.split_once('"') {
        Some((_, rest)) => rest.trim_start().starts_with(':'),
        None => !rest.contains('\n'),
    }
}

/// Returns the format that content without a telling name looks like.
fn likely(text: &str, wanted: Wanted) -> (Format, &'static str) {
    let line = text.lines().find(|line| !line.starts_with('#') && !is_blank(line)).unwrap_or_default();
    let cells: Vec<&str> = line.split('\t').collect();
    if cells.len() == 10 && cells[0].starts_with(|char: char| char.is_ascii_digit()) {
        return (Format::Conllu, "its lines have ten columns and begin with a number");
    }
    let names: Vec<&str> = line.split(if line.contains(',') { ',' } else { ';' }).collect();
    let has = |fits: &dyn Fn(&str) -> bool| names.iter().any(|name| fits(name));
    if names.len() > 1 && has(&|name| rank_as_words(name).is_some()) && has(&|name| is_beside_words(name, "ner")) {
        return (Format::Csv, "its first line names columns of words and labels");
    }
    if wanted == Wanted::Content {
        return match columns(text) {
            Some(why) => (Format::Conll, why),
            None if names.len() > 1 && names.into_iter().any(is_content) => {
                (Format::Csv, "its first line names columns")
            }
            None => (Format::Text, "nothing shows another format"),
        };
    }
    if names.len() > 1 && !line.contains(char::is_whitespace) && names.iter().all(|name| !name.is_empty()) {
        return (Format::Csv, "its first line is names and commas");
    }
    (Format::Conll, "it is neither JSON, CoNLL-U nor CSV")
}

/// Tells apart what `.tsv` names: tables with a header, and column files, which alone have blank lines between lines.
fn of_tsv(text: &str) -> (Format, &'static str) {
    if text.trim().lines().any(is_blank) {
        return (Format::Conll, "blank lines part its lines into sentences");
    }
    // The last line may be cut off.
    let whole = text.rsplit_once('\n').map_or(text, |(whole, _)| whole);
    let rows: Vec<Vec<&str>> = whole.lines().filter(|line| !line.starts_with('#')).map(split).collect();
    let last = |row: &Vec<&str>| row.last().copied().unwrap_or_default().trim().to_owned();
    let tags: BTreeSet<String> = rows.iter().map(last).collect();
    let is_even = rows.iter().all(|row| row.len() == rows[0].len() && row.len() > 1);
    match rows.len() > 1 && is_even && is_iob_like(&tags.into_iter().collect::<Vec<_>>(), Style::Prefix) {
        true => (Format::Conll, "each of its lines ends in one tag"),
        false => (Format::Tsv, "it has no blank lines"),
    }
}

/// Returns why text is columns of words and labels and not documents, if it is.
///
/// All lines have as many columns, two at least, and the last columns are labels. Labels are tags of a scheme, or (in
/// columns that tabs part) one word each. One line alone shows nothing.
fn columns(text: &str) -> Option<&'static str> {
    // The last line may be cut off.
    let (whole, _) = text.rsplit_once('\n')?;
    let mut rows: Vec<(bool, Vec<&str>)> = Vec::new();
    let mut hashes: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut begins = true;
    for line in whole.lines() {
        let cells = split(line);
        if is_blank(line) {
            begins = true;
            continue;
        }
        if is_document_start(cells[0]) {
            return Some("it has `-DOCSTART-` lines");
        }
        match kind_of(line, cells.len(), None, begins) {
            LineKind::Comment => {}
            LineKind::Data => {
                rows.push((line.contains('\t'), cells));
                begins = false;
            }
            LineKind::CommentOrWord | LineKind::WordWithHash => hashes.push((line, cells)),
        }
    }
    let tabs = rows.iter().any(|(tabs, _)| *tabs);
    let width = rows.iter().map(|(_, cells)| cells.len()).max()?;
    let shape = Some(Shape { width, tabs, leaves_out: false });
    let is_word = |(line, cells): &(&str, Vec<&str>)| kind_of(line, cells.len(), shape, false) == LineKind::Data;
    rows.extend(hashes.into_iter().filter(is_word).map(|(_, cells)| (tabs, cells)));
    let full: Vec<&[&str]> = rows.iter().filter(|(_, cells)| cells.len() == width).map(|(_, row)| &row[..]).collect();
    // Files of error detection leave the label of a right word out.
    let is_even = full.len() == rows.len() || tabs && width == 2 && full.len() * 2 > rows.len();
    if rows.len() < 2 || width < 2 || !is_even {
        return None;
    }
    let has_space = |cell: &str| cell.trim().contains(char::is_whitespace);
    if tabs && full.iter().all(|row| !has_space(row[width - 1]) && !row[width - 1].trim().is_empty()) {
        let words_with_spaces = full.iter().filter(|row| has_space(row[0])).count();
        if words_with_spaces * 10 <= full.len() {
            return Some("all its lines have the same columns, parted by tabs");
        }
    }
    let tags: BTreeSet<&str> = full.iter().map(|row| row[width - 1].trim()).collect();
    let tags: Vec<&str> = tags.into_iter().collect();
    is_iob_like(&tags, Style::Prefix).then_some("all its lines have the same columns, and the last ones are tags")
}

/// Returns how text lays out labels without their words, if it does.
fn of_labels(text: &str, named: Option<Format>) -> Option<(Format, &'static str)> {
    if named.is_some_and(|named| !matches!(named, Format::Conll | Format::Tsv)) {
        return None;
    }
    let is_full = |line: &&str| !is_blank(line) && !line.starts_with('#') && !line.starts_with("-DOCSTART-");
    let full = || text.lines().filter(is_full);
    let fields = |line: &str| line.split_whitespace().count();
    let width = full().next().map_or(0, fields);
    let is_ragged = full().any(|line| fields(line) != width);
    let has_gap = text.trim().lines().any(is_blank);
    let is_all_tags = || {
        let distinct: BTreeSet<&str> = text.split_whitespace().collect();
        is_iob_like(&distinct.into_iter().collect::<Vec<_>>(), Style::Prefix)
    };
    let of_lines = Some((Format::LabelLines, "its lines hold labels alone"));
    match (is_ragged, width) {
        (false, 1) if has_gap => Some((Format::Labels, "its lines hold a label each")),
        (false, 0 | 1) => of_lines,
        // In a file of columns a line may be too short by mistake, and its reader says so.
        (true, _) if !has_gap && !text.contains('\t') && (named.is_none() || is_all_tags()) => of_lines,
        (false, _) if !has_gap && is_all_tags() => of_lines,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::is_data_file;

    #[test]
    fn formats_by_name() {
        let check = |name: &str, want: bool| assert_eq!(is_data_file(Path::new(name)), want, "{name}");
        for name in ["a.json", "a.JSONL", "a.csv.gz", "a.iob2", "a.b.conllu", "a.txt", "a.txt.gz", "x/a.arrow", "a.bio"]
        {
            check(name, true);
        }
        for name in [
            "README.txt",
            "LICENSE.txt",
            "labels.txt",
            "dataset_info.json",
            "state.json",
            "a.md",
            "a",
            "a.parquet.gz",
            "a.gz",
        ] {
            check(name, false);
        }
    }

    fn decided(name: &str, content: &[u8], wanted: Wanted) -> Format {
        decide(Some(Path::new(name)), content, name, wanted).0
    }

    #[test]
    fn formats_by_content() {
        let check =
            |text: &str, want: Format| assert_eq!(decided("a", text.as_bytes(), Wanted::Tagged), want, "{text:?}");
        check("{\"a\": 1}", Format::Json);
        check("\u{FEFF}\n {\n  \"a\": 1}", Format::Json);
        check("[\n{\"a\": 1}]", Format::Json);
        check("[ O\n", Format::Conll);
        check("{ O\n", Format::Conll);
        check("[\tO\n", Format::Conll);
        check("{\t\"\tO\n", Format::Conll);
        check("# text\n1\ta\tb\tX\t_\t_\t0\troot\t_\t_\n", Format::Conllu);
        check("1-2\ta\tb\tX\t_\t_\t0\troot\t_\t_\n", Format::Conllu);
        check("10\ta\tb\tX\n", Format::Conll);
        check("tokens,ner_tags\na b,O O\n", Format::Csv);
        check(", O\n", Format::Conll);
        check("EU\tB-ORG\n", Format::Conll);
        check("", Format::Conll);
        check("PAR1..", Format::Parquet);
        assert_eq!(decided("a", b"\xFF\xFF\xFF\xFF\x10", Wanted::Tagged), Format::Arrow);
        assert_eq!(decided("a", b"ARROW1\0\0", Wanted::Tagged), Format::Arrow);
    }

    #[test]
    fn content_that_is_certain_comes_before_the_name() {
        for wanted in [Wanted::Tagged, Wanted::Content, Wanted::Labels] {
            assert_eq!(decided("a.conll", b"PAR1..", wanted), Format::Parquet);
            assert_eq!(decided("a.csv", b"{\"tokens\": [\"a\"]}", wanted), Format::Json);
            assert_eq!(decided("a.conllu", b"{\tO\n", wanted), Format::Conllu);
        }
    }

    #[test]
    fn tables_and_columns_both_end_in_tsv() {
        let check = |text: &str, want: Format| {
            assert_eq!(decided("a.tsv", text.as_bytes(), Wanted::Tagged), want, "{text:?}");
            assert_eq!(decided("a.tsv", text.as_bytes(), Wanted::Content), want, "{text:?}");
        };
        check("tokens\tner_tags\na b\tO O\n\n", Format::Tsv);
        check("a\tc\nb\ti\n\nc\tc\n", Format::Conll);
        check("a\tc\r\n\t\r\nc\tc\r\n", Format::Conll);
    }

    #[test]
    fn columns_with_an_odd_line_are_not_lines_of_labels() {
        for text in ["#Text=Go\nAnna B-PER\nleft O\n", "Anna NNP B-PER\nleft O\n", "# a remark on it\nAnna O\nleft O\n"]
        {
            assert_eq!(decided("a.conll", text.as_bytes(), Wanted::Labels), Format::Conll, "{text:?}");
        }
        for text in ["B-PER O O\nO\n", "O\nB-PER O\n"] {
            assert_eq!(decided("predicted.conll", text.as_bytes(), Wanted::Labels), Format::LabelLines, "{text:?}");
        }
        assert_eq!(decided("predictions.txt", b"NN VB\nNN\n", Wanted::Labels), Format::LabelLines);
    }

    #[test]
    fn prose_is_not_columns() {
        for text in [
            "",
            "Jo\n",
            "EU O",
            "Jo moved to Graz .\nAnna .\n",
            "Hello world\nGood morning\nBye bye\n",
            "Hello world\n\nGood morning\n\nBye bye\n",
            "Hello,world\n",
            "\u{4F60}\u{597D},\u{4E16}\u{754C}\n",
            "# Title\n\nSome text here.\nMore text there.\n",
            "1\tThe cat sat.\n2\tThe dog ran off.\n",
            "one two\tthree\nfour five\tsix\n",
            "Jo\nmoved\n\nAnna\n",
            "# a\tb\nJo\tmoved\n",
        ] {
            for name in ["a.txt", "a.md", "a"] {
                assert_eq!(decided(name, text.as_bytes(), Wanted::Content), Format::Text, "{name} {text:?}");
            }
        }
    }

    #[test]
    fn columns_under_other_names_are_columns() {
        for text in [
            "Jo B-PER\nmoved O\nto O\nGraz B-LOC\n",
            "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\n",
            "# id = 1\nJo NNP B-PER\nruns VBZ O\n\nAnna NNP B-PER\n",
            "we\tUC\nhas\tA+B\n\nbeen\tA\nend\tUC\n",
            "we\tUC\nhas\tA\n\nend\nnow\tUC\n",
            "Jo\tPROPN\nruns\tVERB\n",
            "#\tO\n#EU\tO\nJo\tB-PER\n",
            "#EU B-ORG\nleft O\n",
        ] {
            for name in ["a.txt", "a.testa", "a"] {
                assert_eq!(decided(name, text.as_bytes(), Wanted::Content), Format::Conll, "{name} {text:?}");
            }
        }
        let conllu = "1\tJo\tjo\tPROPN\t_\t_\t2\tnsubj\t_\t_\n2\truns\trun\tVERB\t_\t_\t0\troot\t_\t_\n";
        assert_eq!(decided("a.txt", conllu.as_bytes(), Wanted::Content), Format::Conllu);
    }
}
