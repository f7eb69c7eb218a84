//! Configurations of a data set: what its card's `configs:` says, or folders in its folder.

use crate::dataset::remedy::as_files;
use crate::error::Error;
use glob::{MatchOptions, Pattern};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tagsmith_message::{Remedy, Setting};

/// The most bytes of a card that is read; some list the features of hundreds of configurations.
pub(crate) const CARD_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Default, Deserialize)]
struct Card {
    #[serde(default)]
    configs: Vec<Config>,
}

/// One entry of `configs:`.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    #[serde(rename = "config_name", default = "default_name")]
    pub(crate) name: String,
    #[serde(default)]
    default: bool,
    data_dir: Option<String>,
    data_files: Option<Files>,
}

fn default_name() -> String {
    "default".into()
}

/// The patterns of all splits; of `train` where no split is named.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Files {
    One(String),
    Several(Vec<Element>),
    BySplit(BTreeMap<String, Patterns>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Element {
    Pattern(String),
    Split { split: String, path: Patterns },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Patterns {
    One(String),
    Several(Vec<String>),
}

impl Patterns {
    fn all(&self) -> &[String] {
        match self {
            Patterns::One(pattern) => std::slice::from_ref(pattern),
            Patterns::Several(patterns) => patterns,
        }
    }
}

/// Returns the configurations that a card's front matter lists.
pub(crate) fn of_card(card: &str, place: &str) -> Result<Vec<Config>, Error> {
    let text = card.trim_start_matches('\u{FEFF}');
    let mut lines = text.lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return Ok(Vec::new());
    }
    let front: Vec<&str> = lines.take_while(|line| line.trim_end() != "---").collect();
    // Most cards have none, and then need not be understood.
    if !front.iter().any(|line| line.starts_with("configs:")) {
        return Ok(Vec::new());
    }
    let card: Card = serde_saphyr::from_str(&front.join("\n")).map_err(|error| {
        let what = error.to_string();
        let what = what.lines().next().unwrap_or_default();
        Error::path(place, format!("its `configs:` cannot be read ({what})")).with_remedy(as_files())
    })?;
    Ok(card.configs)
}

/// Returns the configuration that is meant: the one that is named, or the one that needs no name.
pub(crate) fn choose<'c>(configs: &'c [Config], name: Option<&str>, place: &str) -> Result<&'c Config, Error> {
    let found = match (name, configs) {
        (Some(name), _) => configs.iter().find(|config| config.name == name),
        (None, [only]) => Some(only),
        (None, _) => configs.iter().find(|config| config.default || config.name == "default"),
    };
    found.ok_or_else(|| no_such(name, configs.iter().map(|config| config.name.as_str()), place))
}

/// Returns the error for a configuration that is not there, or for none where there are several.
pub(crate) fn no_such<'n>(name: Option<&str>, names: impl Iterator<Item = &'n str>, place: &str) -> Error {
    const SHOWN: usize = 20;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let mut list = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        list += &format!(", … ({} in all)", names.len());
    }
    let config = Setting::DatasetConfigName;
    let (problem, remedy) = match (name, names.is_empty()) {
        (Some(name), true) => (format!("there is no configuration `{name}`, nor any other"), Remedy::Unset(config)),
        (Some(name), false) => (
            format!("there is no configuration `{name}` (there are: {list})"),
            Remedy::set(config).so_as("with one of them"),
        ),
        (None, _) => (format!("it has several configurations ({list})"), Remedy::set(config).so_as("with one of them")),
    };
    Error::path(place, problem).with_remedy(remedy)
}

impl Config {
    /// Returns the folder of the files, which ends in a slash; empty for the data set's own.
    pub(crate) fn folder(&self) -> String {
        match self.data_dir.as_deref().map(|folder| folder.trim_start_matches("./").trim_matches('/')) {
            None | Some("" | ".") => String::new(),
            Some(folder) => format!("{folder}/"),
        }
    }

    /// Returns the files by split, out of all files; none if it names none, so that their names decide.
    pub(crate) fn files(&self, all: &[PathBuf], place: &str) -> Result<Option<BTreeMap<String, Vec<PathBuf>>>, Error> {
        let Some(files) = &self.data_files else { return Ok(None) };
        let mut patterns: Vec<(&str, &str)> = Vec::new();
        match files {
            Files::One(pattern) => patterns.push(("train", pattern)),
            Files::Several(elements) => {
                for element in elements {
                    match element {
                        Element::Pattern(pattern) => patterns.push(("train", pattern)),
                        Element::Split { split, path } => {
                            patterns.extend(path.all().iter().map(|pattern| (split.as_str(), pattern.as_str())));
                        }
                    }
                }
            }
            Files::BySplit(splits) => {
                for (split, path) in splits {
                    patterns.extend(path.all().iter().map(|pattern| (split.as_str(), pattern.as_str())));
                }
            }
        }
        let mut of_split: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for (split, pattern) in patterns {
            let found = matching(&format!("{}{pattern}", self.folder()), all, place)?;
            let files = of_split.entry(split.to_owned()).or_default();
            files.extend(found.into_iter().cloned());
        }
        Ok(Some(of_split))
    }
}

fn matching<'f>(pattern: &str, all: &'f [PathBuf], place: &str) -> Result<Vec<&'f PathBuf>, Error> {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let refuse = |problem: String| Error::path(place, format!("its `configs:` name `{pattern}`, {problem}"));
    let compiled = Pattern::new(pattern.trim_start_matches("./"))
        .map_err(|error| refuse(format!("which is not a pattern ({error}): correct the card")))?;
    let found: Vec<&PathBuf> = all.iter().filter(|file| compiled.matches_path_with(file, options)).collect();
    if found.is_empty() {
        return Err(refuse("and no file is called so: take another revision, or pass the files".into()));
    }
    Ok(found)
}

/// Returns whether any file is in this folder.
pub(crate) fn has_folder(all: &[PathBuf], folder: &str) -> bool {
    all.iter().any(|file| file.starts_with(folder) && file != Path::new(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::split_builder::tests::show_error;
    use expect_test::{Expect, expect};

    const FILES: [&str; 6] =
        ["README.md", "data/dev-0.parquet", "data/train-0.parquet", "data/train-1.parquet", "en/a.csv", "en/b/c.csv"];

    fn check(front: &str, name: Option<&str>, want: Expect) {
        let all: Vec<PathBuf> = FILES.iter().map(PathBuf::from).collect();
        let card = format!("---\nlicense: mit\n{front}\n---\n# Data\nconfigs: none\n");
        let got = of_card(&card, "C").and_then(|configs| {
            let config = choose(&configs, name, "C")?;
            let files = config.files(&all, "C")?;
            Ok(format!("{} {:?} {files:?}", config.name, config.folder()))
        });
        want.assert_eq(&got.unwrap_or_else(|error| show_error(&error)));
    }

    #[test]
    fn cards() {
        let two = "configs:\n- config_name: a\n  data_files:\n  - split: train\n    path: data/train-*\n  - split: dev\n    \
                   path:\n    - data/dev-*\n- config_name: b\n  data_dir: en";
        check(
            two,
            Some("a"),
            expect![[
                r#"a "" Some({"dev": ["data/dev-0.parquet"], "train": ["data/train-0.parquet", "data/train-1.parquet"]})"#
            ]],
        );
        check(two, Some("b"), expect![[r#"b "en/" None"#]]);
        check(
            two,
            None,
            expect!["C: it has several configurations (`a`, `b`): pass <DatasetConfigName> with one of them"],
        );
        check(
            two,
            Some("c"),
            expect![
                "C: there is no configuration `c` (there are: `a`, `b`): pass <DatasetConfigName> with one of them"
            ],
        );
        check(&format!("{two}\n  default: true"), None, expect![[r#"b "en/" None"#]]);
        check(
            "configs:\n- data_files: en/**/*.csv",
            None,
            expect![[r#"default "" Some({"train": ["en/a.csv", "en/b/c.csv"]})"#]],
        );
        check(
            "configs:\n- config_name: x\n  data_dir: ./en/\n  data_files: ['*.csv']",
            None,
            expect![[r#"x "en/" Some({"train": ["en/a.csv"]})"#]],
        );
        check(
            "configs:\n- data_files:\n    test: data/*",
            None,
            expect![[
                r#"default "" Some({"test": ["data/dev-0.parquet", "data/train-0.parquet", "data/train-1.parquet"]})"#
            ]],
        );
        check(
            "configs:\n- data_files: fr/*",
            None,
            expect![
                "C: its `configs:` name `fr/*`, and no file is called so: take another revision, or pass the files"
            ],
        );
        check(
            "configs: 3",
            None,
            expect![
                "C: its `configs:` cannot be read (error: line 2 column 10: expected sequence start): pass <TrainFile>, <ValidationFile> or <TestFile>"
            ],
        );
    }

    #[test]
    fn cards_without_configurations() {
        for card in ["", "# Data\nconfigs:\n", "---\nlicense: mit\n---\n", "---\nno: [yaml\n---\n"] {
            assert!(of_card(card, "C").expect("nothing to refuse").is_empty(), "{card:?}");
        }
    }
}
