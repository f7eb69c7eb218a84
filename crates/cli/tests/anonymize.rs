//! `tagsmith anonymize` on a small random model: what `predict` finds is gone, and nothing else is.

use serde_json::{Value, json};
use tagsmith_testkit::scratch::Scratch;

const TEXT: &str = "Jo moved to Zürich 🎉 in May .\n\nÅlesund , Łódź\nשרה כהן גרה בחיפה\n";

/// A folder with a model in `model` and a text.
fn scratch() -> Scratch {
    let scratch = Scratch::with_tagger();
    scratch.write("notes.txt", TEXT);
    scratch
}

/// The letters of a text, and its entities: type, first and last code point.
type Document = (Vec<char>, Vec<(String, usize, usize)>);

/// What `predict` finds in each document.
fn found(scratch: &Scratch, file: &str) -> Vec<Document> {
    let out = scratch.good(&format!("predict --model model --threads 1 {file}")).stdout;
    let document = |line: &str| {
        let document: Value = serde_json::from_str(line).unwrap();
        let entity = |entity: &Value| {
            let at = |key: &str| entity[key].as_u64().unwrap() as usize;
            (entity["label"].as_str().unwrap().to_owned(), at("start"), at("end"))
        };
        let entities = document["entities"].as_array().unwrap().iter().map(entity).collect();
        (document["text"].as_str().unwrap().chars().collect(), entities)
    };
    out.lines().map(document).collect()
}

/// A document with `new(type, letters)` in the place of entities. Those of one type with spaces between are one.
fn rewritten((text, entities): &Document, new: impl Fn(&str, &[char]) -> String) -> String {
    let mut joined: Vec<(String, usize, usize)> = Vec::new();
    for (label, start, end) in entities.iter().cloned() {
        match joined.last_mut() {
            Some(last)
                if last.0 == label && start > last.2 && text[last.2..start].iter().all(|&letter| letter == ' ') =>
            {
                last.2 = end;
            }
            _ => joined.push((label, start, end)),
        }
    }
    let (mut out, mut at) = (String::new(), 0);
    for (label, start, end) in joined {
        out.extend(&text[at..start]);
        out += &new(&label, &text[start..end]);
        at = end;
    }
    out.extend(&text[at..]);
    out
}

#[test]
fn entities_are_gone_and_all_else_stays() {
    let scratch = scratch();
    let found = found(&scratch, "notes.txt");
    assert!(found.iter().any(|(_, entities)| !entities.is_empty()), "the random model names something");
    let lines = |new: fn(&str, &[char]) -> String| {
        found.iter().map(|document| rewritten(document, new) + "\n").collect::<String>()
    };
    let replaced = lines(|label, _| format!("<{label}>"));
    assert_ne!(replaced, TEXT);
    for (options, expected) in [
        ("", replaced),
        ("--operator redact", lines(|_, _| String::new())),
        ("--operator keep", TEXT.to_owned()),
        ("--operator replace --new-value …", lines(|_, _| "…".into())),
        ("--operator mask", lines(|_, letters| "*".repeat(letters.len()))),
        (
            "--operator mask --masking_char • --chars-to-mask 1 --from-end",
            lines(|_, letters| letters[..letters.len() - 1].iter().chain(['•'].iter()).collect()),
        ),
        ("--score-threshold 1", TEXT.to_owned()),
    ] {
        let ran = scratch.good(&format!("anonymize notes.txt --model model --threads 1 {options}"));
        assert_eq!(ran.stdout, expected, "{options}");
        scratch.good(&format!("anonymize notes.txt --model model --threads 1 {options} --output out.txt"));
        assert_eq!(scratch.read("out.txt"), expected, "{options}");
    }
}

#[test]
fn lines_of_json_stay_lines_of_json_and_say_what_stands_where() {
    let scratch = scratch();
    let lines: String = TEXT.lines().map(|line| json!({"text": line}).to_string() + "\n").collect();
    scratch.write("notes.jsonl", lines);
    let found = found(&scratch, "notes.jsonl");
    let out = scratch.good("anonymize notes.jsonl --model model --threads 1").stdout;
    assert_eq!(out.lines().count(), found.len());
    for (line, document) in out.lines().zip(&found) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["text"], rewritten(document, |label, _| format!("<{label}>")));
        let text: Vec<char> = line["text"].as_str().unwrap().chars().collect();
        let mut before = text.len();
        for item in line["items"].as_array().unwrap() {
            let at = |key: &str| item[key].as_u64().unwrap() as usize;
            assert!(at("end") <= before, "from the end to the start");
            before = at("start");
            assert_eq!(text[at("start")..at("end")].iter().collect::<String>(), item["text"].as_str().unwrap());
            assert_eq!(
                (&item["operator"], &item["text"]),
                (&"replace".into(), &format!("<{}>", item["entity_type"].as_str().unwrap()).into())
            );
        }
    }
    let text = scratch.good("anonymize notes.jsonl --model model --threads 1 --output-format text").stdout;
    assert_eq!(text, scratch.good("anonymize notes.txt --model model --threads 1").stdout);
}

#[test]
fn what_was_done_is_counted_by_type() {
    let scratch = scratch();
    let found = found(&scratch, "notes.txt");
    // With a letter between entities no two of them join.
    let labels: Vec<&str> = found.iter().flat_map(|(_, entities)| entities).map(|(label, ..)| label.as_str()).collect();
    let ran = scratch.good("anonymize notes.txt --model model --threads 1 --score-threshold 1");
    ran.says("note: 0 entities are anonymized\n");
    ran.says(&format!("warning: {} entities score below the threshold and stay in the text\n", labels.len()));
    let all = labels[0];
    scratch.write("names.json", json!({all: "THING"}).to_string());
    scratch.write("operators.json", json!({"THING": {"type": "redact"}, "DEFAULT": {"type": "keep"}}).to_string());
    let out = "anonymize notes.txt --model model --threads 1 --anonymizers operators.json --label-map";
    let [by_file, by_list] = ["names.json".to_owned(), format!("{all}=THING")].map(|map| {
        let ran = scratch.good(&format!("{out} {map}"));
        ran.says(" THING\n");
        (ran.stdout, ran.stderr.lines().filter(|line| line.contains("anonymized")).collect::<String>())
    });
    assert_eq!(by_file, by_list);
    let expected: String = found
        .iter()
        .map(|document| {
            rewritten(document, |label, letters| if label == all { String::new() } else { letters.iter().collect() })
                + "\n"
        })
        .collect();
    assert_eq!(by_file.0, expected);
    let hashed = |options: &str| {
        scratch.good(&format!("anonymize notes.txt --model model --threads 1 --operator hash {options}"))
    };
    let salted = "--salt sixteen-bytes-it";
    assert_eq!(hashed(salted).stdout, hashed(salted).stdout);
    let drawn = hashed("");
    assert_ne!(drawn.stdout, hashed("").stdout);
    drawn.says("with a random salt, so that equal texts have different hashes");
}

#[test]
fn a_request_that_cannot_be_done_is_a_line_and_writes_nothing() {
    let scratch = scratch();
    scratch.write("list.json", "[]");
    scratch.write("typo.json", json!({"PER": {"type": "replace", "newvalue": "X"}}).to_string());
    scratch.write("default.json", json!({"DEFAULT": {"type": "redact"}}).to_string());
    scratch.write("bad.jsonl", "{\"text\": \"Jo\"}\n{\"text\": 3}\n");
    for (options, said) in [
        (
            "--operator redact --new-value X",
            "`--new-value` is for `--operator replace`, and this is `redact`: leave one of them out",
        ),
        (
            "--operator hash --salt short",
            "a salt of 5 bytes is too short to hide anything: give 16 bytes at least, or none for a random salt an entity",
        ),
        ("--operator mask --masking-char ab", "`--masking-char ab`: one letter is needed"),
        ("--operator encrypt", "`--operator` needs one of `replace`, `redact`, `mask`, `hash`, `keep`, not `encrypt`"),
        (
            "--anonymizers list.json",
            "list.json: the anonymizers are not an object: give an object with an operator for each type",
        ),
        (
            "--anonymizers typo.json",
            "typo.json: the anonymizer of `PER`: `replace` has no key `newvalue`: write `new_value`",
        ),
        (
            "--anonymizers default.json --operator keep",
            "`--operator` and the operator `DEFAULT` of default.json are for the same entities: leave one of them out",
        ),
        ("--label-map PER", "`--label-map`: `PER` does not give a label another name: write `PER=PERSON,LOC=LOCATION`"),
        ("--score-threshold 7", "`--score-threshold 7`: scores are from 0 to 1"),
        ("--threshold 7", "the threshold `7` is not a number from 0 to 1: pass `--threshold` with one"),
    ] {
        let error = scratch.bad(&format!("anonymize notes.txt --model model --output out.txt {options}"));
        assert!(error.contains(said), "{options}: {error}");
        assert!(!scratch.path("out.txt").exists(), "{options}");
    }
    let error = scratch.bad("anonymize bad.jsonl --model model --output out.txt");
    assert!(error.contains("bad.jsonl:2"), "{error}");
    assert!(!scratch.path("out.txt").exists());
    scratch.bad("anonymize notes.txt notes.txt --model model");
}
