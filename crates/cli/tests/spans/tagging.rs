//! Entities of words and of running text, labels, and ways of decoding.

use crate::harness::tagsmith;
use serde_json::{Value, json};
use tagsmith_testkit::scratch::Scratch;

/// Whether each entity begins and ends where a word does, in a text whose words have spaces between.
fn has_whole_words(document: &Value) -> bool {
    let text = format!(" {} ", document["text"].as_str().expect("a text"));
    let letters: Vec<char> = text.chars().collect();
    document["entities"].as_array().expect("a list").iter().all(|entity| {
        let place = |key: &str| entity[key].as_u64().expect("a number") as usize;
        letters[place("start")] == ' ' && letters[place("end") + 1] == ' '
    })
}

#[test]
fn entities_of_running_text_are_whole_words() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    let text = "anna lives in hamburg , jo works at the mill and sings in new york city\n";
    let predict = |more: &[&str], text: &str| {
        let labels = ["predict", "--model", "bi_encoder", "--labels", "person,place", "--threshold", "0.01"];
        let (status, out, said) = tagsmith(&[&labels[..], more].concat(), at, text);
        assert_eq!(status, 0, "{said}");
        (out, said)
    };
    let document = |out: &str| -> Value { serde_json::from_str(out.lines().next().expect("a line")).expect("JSON") };
    let (out, said) = predict(&[], text);
    assert!(said.contains("(`annotation_format`): running text is cut into words"), "{said}");
    let of_text = document(&out);
    assert!(has_whole_words(&of_text) && of_text["entities"].as_array().is_some_and(|it| it.len() > 2), "{of_text}");
    // The same words, given as words, have the same entities.
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(of_text["words"], json!(words));
    let (out, _) = predict(&[], &(json!({"tokens": words}).to_string() + "\n"));
    assert_eq!(document(&out), of_text);

    // Each word has an IOB2 tag, in JSON and in columns alike: an entity's words and no others have its label.
    let labels: Vec<&str> = of_text["labels"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(labels.len(), words.len());
    let (columns, _) = predict(&["--output-format", "conll"], text);
    let rows: Vec<String> = words.iter().zip(&labels).map(|(word, label)| format!("{word}\t{label}")).collect();
    assert_eq!(columns, rows.join("\n") + "\n\n");
    let mut tagged = Vec::new();
    for (word, label) in words.iter().zip(&labels) {
        match label.split_once('-') {
            Some(("B", kind)) => tagged.push((word.to_string(), kind.to_owned())),
            Some(("I", kind)) => {
                let (text, open) = tagged.last_mut().expect("`B-` comes first");
                assert_eq!(open, kind);
                *text = format!("{text} {word}");
            }
            _ => assert_eq!(*label, "O"),
        }
    }
    let entities = of_text["entities"].as_array().expect("a list").iter();
    let of = |it: &Value, key: &str| it[key].as_str().expect("a text").to_owned();
    assert_eq!(tagged, entities.map(|it| (of(it, "text"), of(it, "label"))).collect::<Vec<_>>());
    // Where words may be in two entities, none has a label.
    let (out, _) = predict(&["--decoding", "nested"], text);
    assert_eq!((document(&out)["words"].clone(), document(&out).get("labels")), (json!(words), None));

    // A model of running text finds what it learned to find, parts of words included.
    let json = scratch.read("bi_encoder/config.json");
    scratch.write("bi_encoder/config.json", json.replacen('{', "{\"annotation_format\": \"text\",", 1));
    let (out, said) = predict(&[], text);
    assert!(!said.contains("annotation_format"), "{said}");
    assert!(!has_whole_words(&document(&out)), "{out}");
    let (_, said) = predict(&["--output-format", "conll"], text);
    assert!(said.contains("entities begin or end inside a word: the whole word has their label"), "{said}");
}

#[test]
fn an_emulated_gpu_finds_the_processors_entities() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    let text = "anna lives in hamburg , jo works at the mill and sings in new york city\n";
    for name in ["bi_encoder", "cross_encoder"] {
        scratch.put_span_tagger(name);
        let [here, there] = ["cpu", "emulated"].map(|device| {
            let labels = ["predict", "--model", name, "--labels", "person,place", "--threshold", "0.01"];
            let (status, out, said) = tagsmith(&[&labels[..], &["--device", device]].concat(), at, text);
            assert_eq!(status, 0, "{said}");
            assert_eq!(said.contains("a GPU is emulated"), device == "emulated", "{said}");
            let document: Value = serde_json::from_str(out.trim()).expect("a line of JSON");
            document["entities"].as_array().expect("a list").clone()
        });
        assert!(here.len() == there.len() && here.len() > 2, "{name}: {here:?}, {there:?}");
        let mut other_bits = 0;
        for (here, there) in here.iter().zip(&there) {
            for key in ["start", "end", "label"] {
                assert_eq!(here[key], there[key], "{name}");
            }
            let [a, b] = [here, there].map(|it| it["score"].as_f64().expect("a number"));
            assert!((a - b).abs() <= 1e-5, "{name}: {a} and {b}");
            other_bits += usize::from(a != b);
        }
        assert!(other_bits > 0, "{name}: a GPU adds in another order: were the scores the processor's?");
    }
}

#[test]
fn labels_with_descriptions_hundreds_of_labels_and_modes() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    let predict = |more: &[&str], text: &str| {
        let (status, out, said) = tagsmith(&[&["predict", "--model", "bi_encoder"][..], more].concat(), at, text);
        assert_eq!(status, 0, "{said}");
        let document: Value = serde_json::from_str(out.lines().next().expect("a line")).expect("it is JSON");
        (document["entities"].as_array().expect("a list").clone(), said)
    };
    let text = "jo lives in new york city\n";
    // A description is read; the name is what is reported.
    let describe = |json: &str| scratch.write("labels.json", json);
    describe(r#"{"person": null, "place": "a city or a lake"}"#);
    let (described, _) = predict(&["--labels", "labels.json", "--threshold", "0.01"], text);
    describe(r#"["person", "place"]"#);
    let (bare, _) = predict(&["--labels", "labels.json", "--threshold", "0.01"], text);
    let (named, _) = predict(&["--labels", "person,place", "--threshold", "0.01"], text);
    assert!(!named.is_empty() && described.iter().all(|it| it["label"] == "person" || it["label"] == "place"));
    assert_eq!(bare, named);
    assert_ne!(described, named, "the description changes nothing");
    describe(r#"{"person": 3}"#);
    let (status, _, said) = tagsmith(&["predict", "--model", "bi_encoder", "--labels", "labels.json"], at, text);
    let want = "error: the labels are neither a list of names nor an object of names and descriptions: pass `--labels` as \
                `person,place` or as a JSON file\n";
    assert_eq!((status, said.ends_with(want)), (2, true), "{said}");
    describe(r#"{"person": null, "person": "a human being"}"#);
    let (status, _, said) = tagsmith(&["predict", "--model", "bi_encoder", "--labels", "labels.json"], at, text);
    let want =
        "error: labels.json: this is not JSON that can be read: the key `person` occurs twice at line 1 column 43\n";
    assert_eq!((status, said.ends_with(want)), (2, true), "{said}");

    // An output folder remembers what the file held, not its name.
    scratch.write("text.txt", text);
    let run = |labels| {
        let model = ["predict", "--model", "bi_encoder", "--labels", labels];
        let (status, _, said) = tagsmith(&[&model[..], &["text.txt", "--output-dir", "out"]].concat(), at, "");
        (status, said)
    };
    // What was refused binds nobody.
    describe(r#"{"person": 3}"#);
    assert_eq!(run("labels.json").0, 2);
    describe(r#"["person", "place"]"#);
    assert_eq!(run("labels.json").0, 0);
    let (status, said) = run("person, place");
    assert!(status == 0 && said.contains("note: 1 of 1 file is there already"), "{said}");
    describe(r#"["person", "lake"]"#);
    let want = r#"its files were made with `labels` ["person","place"], and now it is ["person","lake"]: name another"#;
    let (status, said) = run("labels.json");
    assert!(status == 2 && said.contains(want), "{said}");

    // 500 labels, each with a vector of its own: what two of them find does not depend on the others.
    let many: Vec<String> = (0..498).map(|i| format!("team {i}")).collect();
    let many = format!("person,place,{}", many.join(","));
    let per_type = ["--decoding", "per_type", "--threshold", "0.01"];
    let (of_many, _) = predict(&[&["--labels", many.as_str()][..], &per_type].concat(), text);
    let (of_two, _) = predict(&[&["--labels", "person,place"][..], &per_type].concat(), text);
    let ours = |it: &&Value| it["label"] == "person" || it["label"] == "place";
    assert_eq!(of_many.iter().filter(ours).collect::<Vec<_>>(), of_two.iter().collect::<Vec<_>>());
    assert!(of_many.len() > of_two.len());

    let overlap = |entities: &[Value], nested: bool| {
        let place = |it: &Value| (it["start"].as_u64().expect("a number"), it["end"].as_u64().expect("a number"));
        let pairs = entities.iter().enumerate().flat_map(|(i, a)| entities[i + 1..].iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| (place(a), place(b), a["label"] == b["label"])).any(|(a, b, same)| {
            let meet = a.0 < b.1 && b.0 < a.1;
            let inside = (a.0 <= b.0 && b.1 <= a.1) || (b.0 <= a.0 && a.1 <= b.1);
            meet && if nested { !inside || a == b } else { same }
        })
    };
    let two = ["--labels", "person,place", "--threshold", "0.01", "--decoding"];
    let [flat, nested, per_type] =
        ["flat", "nested", "per_type"].map(|mode| predict(&[&two[..], &[mode]].concat(), text).0);
    assert!(
        nested.len() > flat.len() && per_type.len() > flat.len(),
        "{} {} {}",
        flat.len(),
        nested.len(),
        per_type.len()
    );
    assert!(!overlap(&nested, true) && !overlap(&per_type, false));
    // Brackets cannot show what overlaps: with those that a note counts they are all.
    for (mode, all) in [("flat", &flat), ("nested", &nested), ("per_type", &per_type)] {
        let shown = ["predict", "--model", "bi_encoder", "--output-format", "text"];
        let (_, out, said) = tagsmith(&[&shown[..], &two, &[mode]].concat(), at, text);
        let hidden = all.len() - out.matches('[').count();
        let note = format!("warning: {hidden} entities overlap others and cannot be shown as text");
        assert_eq!((hidden > 0, said.contains(&note)), (mode != "flat", mode != "flat"), "{mode}: {said}");
    }

    // Special tokens that given words spell are ordinary letters. In running text their brackets are words of their own.
    let spelled = "jo [SEP] lives in [CLS] york\n";
    let words = json!({"tokens": spelled.split_whitespace().collect::<Vec<_>>()}).to_string() + "\n";
    let (_, said) = predict(&["--labels", "person,a [SEP] b", "--threshold", "0.5"], &words);
    let of_words = "note: 2 special tokens that words spell (such as `[SEP]`) were read as ordinary letters";
    assert!(said.contains(of_words), "{said}");
    assert!(said.contains("note: labels spell 1 special token (such as `[SEP]`)"), "{said}");
    let (_, said) = predict(&["--labels", "person", "--threshold", "0.5"], spelled);
    assert!(!said.contains("special token"), "{said}");
    let (_, said) = predict(&["--labels", &"jo ".repeat(80), "--threshold", "0.5"], text);
    assert!(said.contains("warning: 1 label is longer than 64 pieces: its end is not read"), "{said}");
}
