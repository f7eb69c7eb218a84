//! A file of labels, one a line, whose order gives their ids: `labels.txt`.

use crate::bytes::input::Input;
use crate::bytes::lines::{Limit, Lines};
use crate::error::Error;
use crate::read_options::Meter;
use std::path::Path;
use tagsmith_text::labels::LabelSet;

/// Reads the labels of a file. Empty lines at the end are nothing.
///
/// # Errors
/// The file cannot be read, a label is listed twice, or an empty line stands between labels.
pub fn read(path: &Path) -> Result<LabelSet, Error> {
    labels(Input::open(path, &Meter::default())?, &path.display().to_string())
}

fn labels(input: Input, source: &str) -> Result<LabelSet, Error> {
    let mut lines = Lines::new(input, source, Limit::Item);
    let mut names = Vec::new();
    let mut empty = 0;
    while let Some((_, line)) = lines.next()? {
        if line.trim().is_empty() {
            empty += 1;
        } else {
            names.extend(vec![String::new(); std::mem::take(&mut empty)]);
            names.push(line.trim().to_owned());
        }
    }
    LabelSet::new(names)
        .map_err(|error| Error::content(source, format!("{error}: it needs one label a line, each once")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, want: Expect) {
        let got = match labels(Input::from_bytes(text.into()), "labels.txt") {
            Ok(labels) => labels.names().join(" "),
            Err(error) => error.to_string(),
        };
        want.assert_eq(&got);
    }

    #[test]
    fn a_label_a_line() {
        check("\u{FEFF}UC\r\nREPLACE_OH+MERGE-B \r\nUNK\n\n", expect!["UC REPLACE_OH+MERGE-B UNK"]);
        check(
            "UC\n\nI\n",
            expect!["labels.txt: the label with id 1 has an empty name: it needs one label a line, each once"],
        );
        check(
            "UC\nI\nUC\n",
            expect![
                "labels.txt: the label `UC` is listed twice, as id 0 and as id 2: it needs one label a line, each once"
            ],
        );
        check("\n", expect!["labels.txt: the data has no labels: it needs one label a line, each once"]);
    }
}
