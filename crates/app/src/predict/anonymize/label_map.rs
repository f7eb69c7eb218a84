//! Other names for a model's labels.

use crate::error::refusal;
use anyhow::Result;
use serde_json::Value;
use std::collections::BTreeMap;
use tagsmith_message::{Remedy, quote};

/// Names of labels that Presidio's analyzer knows by other names, and those that openai/privacy-filter gives.
const PRESIDIO: [(&str, &str); 20] = [
    ("PER", "PERSON"),
    ("LOC", "LOCATION"),
    ("ORG", "ORGANIZATION"),
    ("MISC", "MISC"),
    ("DAT", "DATE_TIME"),
    ("DATE", "DATE_TIME"),
    ("TIME", "DATE_TIME"),
    ("DT", "DATE_TIME"),
    ("TI", "DATE_TIME"),
    ("PS", "PERSON"),
    ("LC", "LOCATION"),
    ("OG", "ORGANIZATION"),
    ("private_person", "PERSON"),
    ("private_email", "EMAIL_ADDRESS"),
    ("private_phone", "PHONE_NUMBER"),
    ("private_address", "LOCATION"),
    ("private_url", "URL"),
    ("private_date", "DATE_TIME"),
    ("account_number", "US_BANK_NUMBER"),
    ("secret", "SECRET"),
];

/// Other names for labels. A label that has none keeps its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMap(BTreeMap<String, String>);

impl LabelMap {
    /// The word that stands for [`LabelMap::presidio`].
    pub const PRESIDIO: &str = "presidio";

    /// Returns Presidio's names for what models call `PER`, `LOC` and the like.
    pub fn presidio() -> LabelMap {
        LabelMap(PRESIDIO.map(|(label, name)| (label.to_owned(), name.to_owned())).into())
    }

    /// Returns the names that an object gives to labels: `{"PER": "PERSON"}`.
    ///
    /// # Errors
    /// Something else than an object of names.
    pub fn from_json(names: &Value) -> Result<LabelMap> {
        let names = names.as_object().and_then(|names| {
            let name = |(label, name): (&String, &Value)| {
                Some((label.clone(), name.as_str().filter(|name| !name.is_empty())?.to_owned()))
            };
            names.iter().map(name).collect::<Option<_>>()
        });
        names.map(LabelMap).ok_or_else(|| {
            let remedy = Remedy::to_do("write them as {\"PER\": \"PERSON\"}");
            refusal("the names of labels are not an object of texts", remedy)
        })
    }

    /// Returns the names that a list gives to labels: `PER=PERSON,LOC=PLACE`; or Presidio's, if it is `presidio`.
    ///
    /// # Errors
    /// A part of the list without two names around `=`; a label that occurs twice.
    pub fn parse(list: &str) -> Result<LabelMap> {
        if list == Self::PRESIDIO {
            return Ok(Self::presidio());
        }
        let mut map = BTreeMap::new();
        for part in list.split(',').map(str::trim) {
            let names = part.split_once('=').map(|(label, name)| (label.trim(), name.trim()));
            let Some((label, name)) = names.filter(|(label, name)| !label.is_empty() && !name.is_empty()) else {
                let message = format!("{} does not give a label another name", quote(part));
                return Err(refusal(message, Remedy::to_do("write `PER=PERSON,LOC=LOCATION`")));
            };
            if map.insert(label.to_owned(), name.to_owned()).is_some() {
                let message = format!("the label {} gets two names", quote(label));
                return Err(refusal(message, Remedy::to_do("name each label once")));
            }
        }
        Ok(LabelMap(map))
    }

    /// Returns the name of a label.
    pub fn of<'n>(&'n self, label: &'n str) -> &'n str {
        self.0.get(label).map_or(label, String::as_str)
    }

    /// Returns whether the label keeps its own name because none is given.
    pub fn lacks(&self, label: &str) -> bool {
        !self.0.contains_key(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_get_the_names_that_are_given() {
        let map = LabelMap::parse(" PER=PERSON, LOC = PLACE").unwrap();
        assert_eq!(["PER", "LOC", "ORG"].map(|label| map.of(label)), ["PERSON", "PLACE", "ORG"]);
        assert_eq!(map, LabelMap::from_json(&json!({"LOC": "PLACE", "PER": "PERSON"})).unwrap());
        let presidio = LabelMap::parse("presidio").unwrap();
        assert_eq!(
            ["PER", "DATE", "private_email", "Gene"].map(|label| presidio.of(label)),
            ["PERSON", "DATE_TIME", "EMAIL_ADDRESS", "Gene"]
        );
        assert!(presidio.lacks("Gene") && !presidio.lacks("MISC"));
        for list in ["", "PER", "PER=", "=PERSON", "PER=A,", "PER=A,PER=B"] {
            assert!(LabelMap::parse(list).is_err(), "{list}");
        }
        for names in [json!([]), json!({"PER": 3}), json!({"PER": ""})] {
            assert!(LabelMap::from_json(&names).is_err(), "{names}");
        }
    }
}
