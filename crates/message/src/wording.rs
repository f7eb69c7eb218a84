//! What a note says, with the forms for one thing and for several.

use serde::{Deserialize, Serialize};
use std::fmt::Display;

/// What a note says, once for a count of 1 and once for every other count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    one: String,
    several: String,
}

impl Wording {
    /// Returns the wording of a text such as `{word has|words have} no label and got {}`. Braces hold the form for one
    /// thing and the form for several. `{}` stands for the next of `values`.
    ///
    /// Forms are read from a text of the program alone, and `values` are shown as they are, whatever they hold.
    ///
    /// # Panics
    /// If a brace is left open, a brace holds one form, or the text does not name each value once.
    pub fn new(text: &'static str, values: &[&dyn Display]) -> Wording {
        let mut wording = Wording { one: String::new(), several: String::new() };
        let (mut rest, mut values) = (text, values.iter());
        while let Some((plain, from_brace)) = rest.split_once('{') {
            let (inside, after) = from_brace.split_once('}').expect("a brace is closed");
            wording.add(plain, plain);
            match inside {
                "" => {
                    let value = values.next().expect("each `{}` has a value").to_string();
                    wording.add(&value, &value);
                }
                forms => {
                    let (one, several) = forms.split_once('|').expect("a brace holds two forms");
                    wording.add(one, several);
                }
            }
            rest = after;
        }
        assert!(values.next().is_none(), "each value has a `{{}}`");
        wording.add(rest, rest);
        wording
    }

    /// Returns the wording of a text that is the same for every count.
    pub fn fixed(text: impl Into<String>) -> Wording {
        let text = text.into();
        Wording { one: text.clone(), several: text }
    }

    /// Returns the form for several things, which stands where no count is shown.
    pub fn plural(&self) -> &str {
        &self.several
    }

    /// Returns the form for `count` things.
    pub fn of(&self, count: usize) -> &str {
        if count == 1 { &self.one } else { &self.several }
    }

    fn add(&mut self, one: &str, several: &str) {
        self.one += one;
        self.several += several;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms for one thing and for several.
    fn forms(wording: &Wording) -> [&str; 2] {
        [1, 2].map(|count| wording.of(count))
    }

    #[test]
    fn both_forms_are_read_from_one_text() {
        let wording = Wording::new("{word is|words are} empty; {it is|they are} kept", &[]);
        assert_eq!(forms(&wording), ["word is empty; it is kept", "words are empty; they are kept"]);
        assert_eq!(
            [0, 1, 2].map(|count| wording.of(count)),
            [wording.plural(), "word is empty; it is kept", wording.plural()]
        );
    }

    /// A file may be called what a form looks like.
    #[test]
    fn values_are_never_read_as_forms() {
        for value in ["{a|b}", "{}", "{", "}", "|", "{{}}", "a|b", ""] {
            let wording = Wording::new("{file|files} of {} {is|are} left out: {}", &[&value, &2]);
            let want = [format!("file of {value} is left out: 2"), format!("files of {value} are left out: 2")];
            assert_eq!(forms(&wording), want.each_ref().map(String::as_str));
            assert_eq!(forms(&Wording::fixed(value)), [value, value]);
        }
    }

    #[test]
    fn a_text_that_cannot_be_read_is_refused() {
        let no_values: &[&dyn Display] = &[];
        for (text, values) in
            [("{word|words", no_values), ("{word}", no_values), ("{}", no_values), ("words", &[&"value"])]
        {
            let values: Vec<String> = values.iter().map(|value| value.to_string()).collect();
            let read =
                move || Wording::new(text, &values.iter().map(|value| value as &dyn Display).collect::<Vec<_>>());
            assert!(std::panic::catch_unwind(read).is_err(), "{text}");
        }
    }
}
