//! The example in Rust tags as `Tagger` does.

#[path = "../../../examples/tag.rs"]
mod tag;

use tagsmith_testkit::scratch::Scratch;

#[test]
fn the_example_tags_a_text() {
    let scratch = Scratch::with_tagger();
    let text = "jo lives in millville";
    let lines = tag::tag(scratch.path("model").to_str().unwrap(), text).unwrap();
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
