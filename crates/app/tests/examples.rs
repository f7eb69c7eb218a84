//! The example in Rust tags as `Tagger` does.

#[path = "../../../examples/tag.rs"]
mod tag;

use std::fs;
use tagsmith_testkit::golden;
use tempfile::TempDir;

#[test]
fn the_example_tags_a_text() {
    let folder = TempDir::new().unwrap();
    for (from, to) in [
        ("models/bert/config.json", "config.json"),
        ("models/bert/model.safetensors", "model.safetensors"),
        ("run_ner/tokenizer.json", "tokenizer.json"),
        ("run_ner/tokenizer_config.json", "tokenizer_config.json"),
    ] {
        fs::copy(golden::path(from), folder.path().join(to)).unwrap();
    }
    let text = "jo lives in millville";
    let lines = tag::tag(folder.path().to_str().unwrap(), text).unwrap();
    for line in &lines {
        // Whatever a model of random weights finds, it says where it stands.
        let (place, words) = (line.split(' ').next().unwrap(), line.splitn(4, ' ').nth(3).unwrap());
        let (start, end) = place.split_once("..").unwrap();
        assert_eq!(&text[start.parse().unwrap()..end.parse().unwrap()], words, "{lines:?}");
    }
    assert!(tag::tag("nowhere", text).is_err());
    // The program itself wants two words.
    assert!(tag::main().unwrap_err().to_string().contains("give a model's folder"));
}
