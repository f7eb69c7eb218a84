//! A project's labeling configuration: which text is labeled, and with what.

use crate::refusal::Refusal;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes of a configuration, at most.
const NODES_MAX: u32 = 100_000;

/// The attribute in which Label Studio's own programs name a model's labels, with commas between them.
const PREDICTED: &str = "predicted_values";

/// What a project wants of a text.
#[derive(Debug, PartialEq)]
pub struct Config {
    /// The name of the element with the labels.
    pub from_name: String,
    /// The name of the element with the text.
    pub to_name: String,
    /// The key of the text in a task's data.
    pub key: String,
    /// What the project writes for each label of a model.
    labels: BTreeMap<String, String>,
    /// The labels' values, each once: what people read.
    values: BTreeSet<String>,
}

impl Config {
    /// Reads a configuration: its first labels for a text count.
    ///
    /// # Errors
    /// What is not XML; a configuration that labels no text, or one in another element than `Text`.
    pub fn read(text: &str) -> Result<Config, Refusal> {
        let options = ParsingOptions { nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options)
            .map_err(|_| Refusal::validation("the labeling configuration is not XML that can be read"))?;
        let elements = || document.descendants().filter(Node::is_element);
        let mut other = None;
        for labels in elements().filter(|node| node.has_tag_name("Labels")) {
            let (Some(name), Some(to)) = (labels.attribute("name"), labels.attribute("toName")) else { continue };
            let Some(target) = elements().find(|node| node.attribute("name") == Some(to)) else { continue };
            let key = target.attribute("value").and_then(|value| value.strip_prefix('$'));
            match (target.tag_name().name(), key) {
                ("Text", Some(key)) => {
                    let (from_name, to_name, key) = (name.to_owned(), to.to_owned(), key.to_owned());
                    let values = valued(labels).map(|(_, value)| value.to_owned()).collect();
                    return Ok(Config { from_name, to_name, key, labels: model_labels(labels), values });
                }
                ("HyperText" | "Paragraphs", _) => other = Some(target.tag_name().name().to_owned()),
                _ => {}
            }
        }
        Err(Refusal::validation(match other {
            Some(other) => format!("the project labels `{other}`, and only `Text` is tagged here"),
            None => "the labeling configuration has no `<Labels>` for a `<Text value=\"$…\">`".to_owned(),
        }))
    }

    /// Returns what the project writes for a label of a model, if it has one: an alias before a value, as its annotators do.
    pub fn label(&self, label: &str) -> Option<&str> {
        self.labels.get(label).map(String::as_str)
    }

    /// Returns the labels' values, each once.
    pub fn values(&self) -> &BTreeSet<String> {
        &self.values
    }
}

/// Returns the labels that have a value, and their values.
fn valued<'a, 'i>(labels: Node<'a, 'i>) -> impl Iterator<Item = (Node<'a, 'i>, &'a str)> {
    let all = labels.descendants().filter(|node| node.has_tag_name("Label"));
    all.filter_map(|label| Some((label, label.attribute("value")?)))
}

/// Returns what the project writes for labels of a model: those named as a value before those named as an alias, and these
/// before `predicted_values`.
fn model_labels(labels: Node<'_, '_>) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    let mut add = |name: &str, written: &str| {
        if !name.is_empty() {
            map.entry(name.to_owned()).or_insert_with(|| written.to_owned());
        }
    };
    let alias = |label: Node<'_, '_>| label.attribute("alias").filter(|alias| !alias.is_empty()).map(str::to_owned);
    let all: Vec<(Node<'_, '_>, &str, String)> =
        valued(labels).map(|(label, value)| (label, value, alias(label).unwrap_or_else(|| value.to_owned()))).collect();
    all.iter().for_each(|(_, value, written)| add(value, written));
    all.iter().for_each(|(_, _, written)| add(written, written));
    for (label, _, written) in &all {
        let names = label.attribute(PREDICTED).unwrap_or_default();
        names.split(',').for_each(|name| add(name.trim(), written));
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration of Label Studio's template for named entities, with the ways in which labels get names.
    #[test]
    fn labels_have_values_aliases_and_predicted_values() {
        let config = r#"<View>
          <Choices name="c" toName="text"><Choice value="x"/></Choices>
          <Labels name="label" toName="text">
            <Label value="PER" background="red"/>
            <Label value="Organization" alias="ORG"/>
            <Label value="Place" predicted_values="LOC, GPE,PER"/>
          </Labels>
          <Text name="text" value="$body"/>
        </View>"#;
        let config = Config::read(config).unwrap();
        assert_eq!((&*config.from_name, &*config.to_name, &*config.key), ("label", "text", "body"));
        let of = |label| config.label(label);
        assert_eq!([of("PER"), of("ORG"), of("LOC"), of("GPE")].map(Option::unwrap), ["PER", "ORG", "Place", "Place"]);
        // A model that is told the values finds them, and the project writes the alias.
        assert_eq!(of("Organization"), Some("ORG"));
        assert_eq!(of("MISC"), None);
        assert_eq!(Vec::from_iter(config.values()), ["Organization", "PER", "Place"]);
    }

    #[test]
    fn what_has_no_labels_for_a_text_is_refused() {
        let html = r#"<View><Labels name="l" toName="t"/><HyperText name="t" value="$h"/></View>"#;
        assert!(Config::read(html).unwrap_err().message.contains("`HyperText`"));
        let bomb = format!("<!DOCTYPE v [<!ENTITY a \"{}\">]><View>&a;</View>", "x".repeat(100));
        for bad in
            ["", "<View>", "<View/>", &bomb, "<View><Labels name='l' toName='t'/><Text name='t' value='x'/></View>"]
        {
            assert!(Config::read(bad).is_err(), "{bad}");
        }
    }
}
