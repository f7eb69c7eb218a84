//! `tagsmith check`: every planted fault is found where it is, and sound data has none.

use serde_json::Value;
use tagsmith_testkit::scratch::Scratch;

/// Columns of a text such as `Jo/B-PER sings , New/B-LOC York/I-LOC`: a sentence a line, `O` where nothing is said.
fn columns(text: &str) -> String {
    let word = |word: &str| match word.rsplit_once('/') {
        Some((word, label)) => format!("{word}\t{label}\n"),
        None => format!("{word}\tO\n"),
    };
    let sentence = |line: &str| line.split(' ').map(word).collect::<String>() + "\n";
    text.lines().map(sentence).collect()
}

/// Checks data to learn from, and other data where there is some. Returns the status and the JSON.
fn check(learned: &str, other: Option<&str>, more: &str) -> (i32, Value) {
    let scratch = Scratch::empty();
    scratch.write("train.conll", columns(learned));
    if let Some(other) = other {
        scratch.write("test.conll", columns(other));
    }
    let against = if other.is_some() { "--against test.conll" } else { "" };
    let ran = scratch.shell(&format!("tagsmith check train.conll {against} {more} --json --quiet"));
    (
        ran.status,
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", ran.stdout, ran.stderr)),
    )
}

/// How many findings of a kind there are, and the first of them.
fn of(checked: &Value, kind: &str) -> (u64, String) {
    let all = checked["findings"].as_array().expect("a list");
    let Some(findings) = all.iter().find(|findings| findings["kind"] == kind) else { return (0, String::new()) };
    let first = &findings["findings"][0];
    let text = |key: &str| first[key].as_str().expect("a text").to_owned();
    (findings["count"].as_u64().expect("a count"), format!("{}: {}: {}", text("place"), text("words"), text("what")))
}

const SOUND: &str =
    "Jo/B-PER sings in Graz/B-LOC .\nAda/B-PER Lin/I-PER moved to New/B-LOC York/I-LOC .\nNobody came .";

#[test]
fn sound_data_have_no_findings() {
    let (status, checked) = check(SOUND, Some("Bo/B-PER reads .\nIt rains in Rome/B-LOC ."), "");
    assert_eq!((status, &checked["errors"], &checked["warnings"]), (0, &0.into(), &0.into()), "{checked}");
    assert_eq!(checked["classes"][0]["type"], "LOC");
    assert_eq!(checked["seen"]["LOC"]["never"], 1);
}

#[test]
fn every_planted_fault_is_found_at_its_place() {
    let often = |text: &str| (0..6).map(|at| format!("n{at} {text}")).collect::<Vec<_>>().join("\n");
    let long = "the quick brown fox jumps over the lazy dog and runs far away from all the hounds of the town at night";
    let near = format!("{long} y");
    let rows: [(&str, String, Option<&str>, u64, &str); 13] = [
        (
            "illegal_tag",
            format!("{SOUND}\nJo/B-PER Li/I-LOC"),
            None,
            1,
            "train.conll:19: Jo [Li]: `I-LOC` after `B-PER`",
        ),
        ("unknown_label", SOUND.into(), Some("Acme/B-ORG ."), 1, "test.conll:1: [Acme] .: `B-ORG`"),
        (
            "hidden_letter",
            format!("{SOUND}\nzero\u{200B}width here"),
            None,
            1,
            "train.conll:19: [zero\\u{200b}width] here: U+200B in `zero\\u{200b}width`",
        ),
        ("leak", SOUND.into(), Some("Nobody came ."), 1, "test.conll:1: Nobody came .: as in train.conll:15"),
        (
            "duplicate",
            format!("{SOUND}\nNobody came ."),
            None,
            1,
            "train.conll:19: Nobody came .: as in train.conll:15",
        ),
        (
            "other_labels",
            format!("{SOUND}\nNobody/B-PER came ."),
            None,
            1,
            "train.conll:19: [Nobody] came .: `B-PER` here, `O` in train.conll:15",
        ),
        (
            "near_duplicate",
            format!("{long} 1\n{long} 2"),
            None,
            1,
            "train.conll:25: the quick brown fox jumps over the lazy dog and runs far …: 100 % as in train.conll:1",
        ),
        (
            "near_leak",
            format!("{long} x"),
            Some(&near),
            1,
            "test.conll:1: the quick brown fox jumps over the lazy dog and runs far …: 90 % as in train.conll:1",
        ),
        (
            "other_type",
            often("Paris/B-LOC") + "\nz Paris/B-PER",
            None,
            1,
            "train.conll:19: z [Paris]: PER here; in all 6 LOC, 1 PER",
        ),
        (
            "unlabeled",
            often("Paris/B-LOC") + "\nz Paris",
            None,
            1,
            "train.conll:19: z [Paris]: LOC elsewhere: 6 with a label, 1 without",
        ),
        (
            "boundary",
            "a EU/B-ORG\nb the/B-ORG EU/I-ORG".into(),
            None,
            1,
            "train.conll:4: b [the EU]: `EU` is an entity 1 time, with the edge 1 time",
        ),
        (
            "over_sentence_end",
            "I like Paris/B-LOC ./I-LOC Berlin/I-LOC".into(),
            None,
            1,
            "train.conll:1: I like [Paris . Berlin]: `.` ends a sentence inside the entity",
        ),
        (
            "other_words",
            "I ca n't go".into(),
            Some("I can't go"),
            1,
            "test.conll:1: I [can't] go: `can't` is two words in the data to learn from, 1 time",
        ),
    ];
    for (kind, learned, other, count, first) in rows {
        let (status, checked) = check(&learned, other, "");
        assert_eq!(of(&checked, kind), (count, first.to_owned()), "{kind}: {checked}");
        let is_error = ["illegal_tag", "unknown_label", "hidden_letter"].contains(&kind);
        assert_eq!(status, i32::from(is_error), "{kind}");
    }
}

#[test]
fn a_model_says_what_it_cannot_read() {
    let scratch = Scratch::with_tagger();
    scratch.write("train.conll", columns(&format!("Jo 鿕鿖 {}", "x ".repeat(200).trim_end())));
    let ran = scratch.shell("tagsmith check train.conll --model model --json --quiet");
    let checked: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
    assert_eq!(of(&checked, "too_long").0, 1, "{checked}");
    assert!(of(&checked, "unknown_piece").0 >= 1 && checked["longest"].as_u64().is_some(), "{checked}");
}

#[test]
fn what_is_mended_keeps_its_entities() {
    let scratch = Scratch::empty();
    let bad = "Jo\u{200B}\tB-PER\nLi\tI-LOC\nsings\tO\n\nIn\tO\nNew\tI-LOC\nYork\tI-LOC\n\nBo\tB-PER\nBee\tI-PER\n\n";
    scratch.write("bad.conll", bad);
    let ran = scratch.shell("tagsmith check bad.conll --fix safe --output good.conll");
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("mended: 1 word, 2 labels; left out: 0 empty words"), "{}", ran.stderr);
    let good = "Jo\tB-PER\nLi\tB-LOC\nsings\tO\n\nIn\tO\nNew\tB-LOC\nYork\tI-LOC\n\nBo\tB-PER\nBee\tI-PER\n\n";
    assert_eq!(scratch.read("good.conll"), good);
    // Sound data are left as they are, and no file is written over.
    let ran = scratch.shell("tagsmith check good.conll --fix safe --output good.conll");
    assert!(ran.status == 2 && ran.stderr.contains("none is written over"), "{}", ran.stderr);
    assert_eq!(scratch.shell("tagsmith check good.conll --fix safe --output again.conll").status, 0);
    assert_eq!(scratch.read("again.conll"), good);
    // By seqeval's rules both have the same entities.
    assert_eq!(scratch.good("score bad.conll good.conll --mode conlleval --min-f1 1 --quiet").status, 0);
}

#[test]
fn a_page_shows_what_is_found_and_asks_for_nothing() {
    let scratch = Scratch::empty();
    scratch.write("train.conll", columns("Jo/B-PER Li/I-LOC <script>/B-LOC"));
    let ran = scratch.shell("tagsmith check train.conll --html page.html");
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    let page = scratch.read("page.html");
    assert!(page.contains("<h2>Errors</h2>") && page.contains("id=\"illegal_tag\"") && page.contains("&lt;script&gt;"));
    for asks in ["http", "<script", "<link", "url(", "src="] {
        assert!(!page.contains(asks), "{asks}");
    }
}
