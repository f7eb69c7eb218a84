//! Tagged documents as JSON objects, one a line.

use serde::Serialize;
use tagsmith_text::tagged::Tagged;

#[derive(Serialize)]
struct Entity<'t> {
    text: &'t str,
    label: &'t str,
    score: f32,
    start: u32,
    end: u32,
    /// Absent where the tagger does not abstain.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    abstained: bool,
}

#[derive(Serialize)]
struct Document<'t> {
    text: &'t str,
    entities: Vec<Entity<'t>>,
    words: &'t [String],
    /// Absent where entities may overlap.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<&'t [&'t str]>,
}

/// Returns the line of a document. `labels` are the labels of the words, none where entities may overlap.
pub fn line(tagged: &Tagged, labels: &[&str]) -> String {
    let entities = tagged.entities.iter().map(|found| Entity {
        text: &found.text,
        label: &found.label,
        score: found.score,
        start: found.start,
        end: found.end,
        abstained: tagged.is_abstained(found.score),
    });
    let labels = (labels.len() == tagged.words.len()).then_some(labels);
    let document = Document { text: &tagged.text, entities: entities.collect(), words: &tagged.words, labels };
    serde_json::to_string(&document).expect("strings and numbers are JSON") + "\n"
}
