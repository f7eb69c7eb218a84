//! What the user can do about an error or a note, as data.

/// A choice that the user can make. Each is named after the option of `tagsmith train` that makes it, or after the
/// option of another command where training has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// The column of the words.
    TextColumn,
    /// The column of the labels.
    LabelColumn,

    // Models.
    /// Leave to draw a new head where the checkpoint's has another size.
    IgnoreMismatchedSizes,
}

/// What the user can do. A rim turns it into a clause that follows the error: ``: pass `--label_column_name` ``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Give one of these settings a value.
    Set(Vec<Setting>),
    /// Give this setting this value.
    SetTo(Setting, String),
    /// Leave this setting out.
    Unset(Setting),
    /// Do something else, as an imperative clause that names no option.
    Do(String),
    /// Do one of these.
    AnyOf(Vec<Remedy>),
    /// Do this for a purpose, which an infinitive says: `to draw a new head`.
    For(Box<Remedy>, String),
}

impl Remedy {
    /// Give `setting` a value.
    pub fn set(setting: Setting) -> Remedy {
        Remedy::Set(vec![setting])
    }

    /// Do what `clause` says; it names no option.
    pub fn to_do(clause: impl Into<String>) -> Remedy {
        Remedy::Do(clause.into())
    }

    /// The same, with the purpose that `infinitive` says.
    #[must_use]
    pub fn so_as(self, infinitive: impl Into<String>) -> Remedy {
        Remedy::For(Box::new(self), infinitive.into())
    }

    /// The remedy as a clause. `spell` writes a setting, with a value where there is one, as the rim calls it.
    pub fn clause(&self, spell: &dyn Fn(Setting, Option<&str>) -> String) -> String {
        match self {
            Remedy::Set(settings) => {
                let spelled: Vec<String> = settings.iter().map(|&setting| spell(setting, None)).collect();
                format!("pass {}", either(&spelled))
            }
            Remedy::SetTo(setting, value) => format!("pass {}", spell(*setting, Some(value))),
            Remedy::Unset(setting) => format!("leave out {}", spell(*setting, None)),
            Remedy::Do(clause) => clause.clone(),
            Remedy::AnyOf(remedies) => either(&remedies.iter().map(|remedy| remedy.clause(spell)).collect::<Vec<_>>()),
            Remedy::For(remedy, purpose) => format!("{} {purpose}", remedy.clause(spell)),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn either(choices: &[String]) -> String {
    match choices {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_is_a_clause_in_the_words_of_the_rim() {
        let spell = |setting: Setting, value: Option<&str>| match value {
            None => format!("<{setting:?}>"),
            Some(value) => format!("<{setting:?}={value}>"),
        };
        let both = Remedy::Set(vec![Setting::TextColumn, Setting::LabelColumn]);
        let clauses = [
            (Remedy::set(Setting::LabelColumn), "pass <LabelColumn>"),
            (both.clone(), "pass <TextColumn> or <LabelColumn>"),
            (Remedy::SetTo(Setting::TextColumn, "1".into()), "pass <TextColumn=1>"),
            (Remedy::Unset(Setting::TextColumn), "leave out <TextColumn>"),
            (Remedy::to_do("split the file").so_as("to read it"), "split the file to read it"),
            (Remedy::AnyOf(vec![Remedy::to_do("rename it"), both]), "rename it or pass <TextColumn> or <LabelColumn>"),
        ];
        for (remedy, clause) in clauses {
            assert_eq!(remedy.clause(&spell), clause);
        }
    }
}
