//! Tags a text with a trained model: `cargo run --release --example tag -- MODEL TEXT`.
#![allow(clippy::print_stdout)]

use anyhow::bail;
use tagsmith_app::predict::tagger::{Tagger, TaggerOptions};
use tagsmith_hub::{Hub, Settings};
use tagsmith_text::tagged::{Content, Input};

/// Prints an entity a line.
pub fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, text] = &words[..] else { bail!("give a model's folder and a text") };
    for line in tag(model, text)? {
        println!("{line}");
    }
    Ok(())
}

/// Returns a line for each entity of a text: its place, its label, its probability and its words.
pub fn tag(model: &str, text: &str) -> anyhow::Result<Vec<String>> {
    // The model is a folder, so nothing is looked up on a hub.
    let hub = Hub::new(Settings::offline("hub-cache", "this example reads folders"), |_| {});
    let (tagger, _notes) = Tagger::load(model, &TaggerOptions::default(), &hub)?;
    let input = Input { place: "text".into(), content: Content::Text(text.to_owned()) };
    let tagged = tagger.tag(&[input])?;
    let line = |entity: &tagsmith_text::tagged::Mention| {
        format!("{}..{} {} {:.2} {}", entity.start, entity.end, entity.label, entity.score, entity.text)
    };
    Ok(tagged[0].entities.iter().map(line).collect())
}
