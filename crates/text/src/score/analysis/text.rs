//! An analysis as tables for a terminal.

use super::Analysis;
use crate::score::bootstrap::Interval;
use crate::score::confusion::NOTHING;
use crate::score::error_classes::{ClassCounts, ErrorClass};
use crate::score::lengths::{ENTITY_WORDS, SENTENCE_WORDS, names};
use crate::score::seen::Acquaintance;
use crate::score::semeval::{Answer, Tallies, Tally};
use crate::score::units::{Figure, Part, Units};
use crate::score::{Count, Metrics};

/// A table whose first column names the rows. All others are figures, to the right.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Blanks between columns.
const GAP: usize = 2;

impl Columns {
    /// Returns a table without rows.
    pub fn new<S: Into<String>>(titles: impl IntoIterator<Item = S>) -> Columns {
        Columns { titles: titles.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row, as many fields as there are titles.
    pub fn row<S: Into<String>>(&mut self, fields: impl IntoIterator<Item = S>) {
        self.rows.push(fields.into_iter().map(Into::into).collect());
    }

    /// Returns the lines, none of them longer than `width` letters if a name and a figure fit. What is wider stands below,
    /// behind the names again.
    pub fn text(&self, width: usize) -> String {
        let letters = |text: &String| text.chars().count();
        let lines = || [&self.titles].into_iter().chain(&self.rows);
        let widest = |column: usize| lines().filter_map(|row| row.get(column)).map(letters).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.titles.len()).map(widest).collect();
        let Some((name, figures)) = widths.split_first() else { return String::new() };
        let mut text = String::new();
        let mut first = 1;
        while first < widths.len() || text.is_empty() {
            let mut used = *name;
            let fits = figures[first - 1..].iter().take_while(|figure| {
                used += GAP + **figure;
                used <= width
            });
            let after = (first + fits.count().max(1)).min(widths.len());
            if !text.is_empty() {
                text.push('\n');
            }
            for row in lines() {
                let mut line = format!("{:<name$}", row.first().map_or("", String::as_str));
                for column in first..after {
                    line += &format!("{:GAP$}{:>figure$}", "", row[column], figure = widths[column]);
                }
                text += line.trim_end();
                text.push('\n');
            }
            first = after.max(first + 1);
        }
        text
    }
}

impl Analysis {
    /// Returns SemEval's figures: a table over all types, and one for each answer with a row a type.
    pub fn semeval_text(&self, digits: usize, width: usize) -> String {
        let titles = |first: &str| {
            Columns::new(
                [first, "COR", "INC", "PAR", "MIS", "SPU", "precision", "recall", "f1-score"].map(str::to_owned),
            )
        };
        let row = |name: &str, tally: &Tally| -> Vec<String> {
            let Tally { correct, incorrect, partial, missed, spurious } = *tally;
            let counts = [correct, incorrect, partial, missed, spurious].map(|count| count.to_string());
            let Metrics { precision, recall, f1 } = tally.metrics(self.zero_division);
            let figures = [precision, recall, f1].map(|figure| format!("{figure:.digits$}"));
            [name.to_owned()].into_iter().chain(counts).chain(figures).collect()
        };
        let mut all = titles("");
        Answer::ALL.iter().zip(self.semeval.all()).for_each(|(answer, tally)| all.row(row(answer.name(), tally)));
        let mut text = all.text(width);
        let of_types: Vec<(&str, Tallies)> =
            self.types().map(|(name, kind)| (name, self.semeval.of_kind(kind))).collect();
        for (at, answer) in Answer::ALL.iter().enumerate() {
            let mut table = titles(answer.name());
            of_types.iter().for_each(|(name, tallies)| table.row(row(name, &tallies[at])));
            text += &format!("\n{}", table.text(width));
        }
        text
    }

    /// Returns the tables of errors, confusion and lengths.
    pub fn text(&self, digits: usize, width: usize) -> String {
        let mut text = format!(
            "errors: what became of the gold entities, and entities that are invented\n{}",
            self.errors_text(width)
        );
        text += &format!("\nconfusion: a row is gold, a column predicted\n{}", self.confusion_text(width));
        let lengths = &self.lengths;
        let mut table = Columns::new(["words of the entity", "precision", "recall", "f1-score", "support"]);
        let occurs = |(_, count): &(&String, &Count)| **count != Count::default();
        for (name, count) in names(&ENTITY_WORDS).iter().zip(&lengths.entities).filter(occurs) {
            table.row(self.count_row(name, *count, digits));
        }
        text += &format!("\n{}", table.text(width));
        let mut table =
            Columns::new(["words of the sentence", "precision", "recall", "f1-score", "support", "sentences"]);
        for ((name, count), sentences) in names(&SENTENCE_WORDS).iter().zip(&lengths.sentences).zip(lengths.of_length) {
            if sentences > 0 {
                table.row(self.count_row(name, *count, digits).into_iter().chain([sentences.to_string()]));
            }
        }
        text += &format!("\n{}", table.text(width));
        if let Some(seen) = &self.seen {
            let mut table = Columns::new(["mentions in training", "precision", "recall", "f1-score", "support"]);
            for group in Acquaintance::ALL {
                let name = match group {
                    Acquaintance::Seen => "seen",
                    Acquaintance::OtherType => "seen as another type",
                    Acquaintance::Unseen => "not seen",
                };
                table.row(self.count_row(name, seen.of(group), digits));
            }
            text += &format!("\n{}", table.text(width));
        }
        text
    }

    fn count_row(&self, name: &str, count: Count, digits: usize) -> Vec<String> {
        let Metrics { precision, recall, f1 } = Metrics::of(count, self.zero_division);
        let figures = [precision, recall, f1].map(|figure| format!("{figure:.digits$}"));
        [name.to_owned()].into_iter().chain(figures).chain([count.gold.to_string()]).collect()
    }

    fn errors_text(&self, width: usize) -> String {
        let mut table = Columns::new([""].into_iter().chain(ErrorClass::ALL.map(ErrorClass::title)));
        let row = |name: &str, counts: ClassCounts| -> Vec<String> {
            [name.to_owned()].into_iter().chain(counts.map(|count| count.to_string())).collect()
        };
        self.types().for_each(|(name, kind)| table.row(row(name, self.classes.of_kind(kind))));
        table.row(row("all", self.classes.all()));
        table.text(width)
    }

    fn confusion_text(&self, width: usize) -> String {
        let names: Vec<&str> = self.kinds.iter().map(String::as_str).chain([NOTHING]).collect();
        let mut table = Columns::new([""].into_iter().chain(names.iter().copied()));
        for (name, row) in names.iter().zip(self.confusion_rows()) {
            table.row([name.to_string()].into_iter().chain(row.iter().map(u64::to_string)));
        }
        table.text(width)
    }
}

/// Returns a table of figures with their intervals: a row for each type and each average.
pub fn intervals_table(
    units: &Units,
    values: &[f64],
    intervals: &[Option<Interval>],
    (digits, width): (usize, usize),
) -> String {
    let mut table = Columns::new(["", "precision", "recall", "f1-score"]);
    let figures = Figure::all(units.kinds.len());
    let cell = |figure: Figure| {
        let at = figures.iter().position(|it| *it == figure).expect("every figure has its place");
        match intervals.get(at).copied().flatten() {
            Some(Interval { low, high }) => format!("{:.digits$} [{low:.digits$}, {high:.digits$}]", values[at]),
            None => "–".to_owned(),
        }
    };
    for (at, name) in units.kinds.iter().enumerate() {
        table.row([name.clone()].into_iter().chain(Part::ALL.map(|part| cell(Figure::Of(at, part)))));
    }
    table.row(["micro avg".to_owned()].into_iter().chain(Part::ALL.map(|part| cell(Figure::Micro(part)))));
    table.row(["macro avg".to_owned()].into_iter().chain(Part::ALL.map(|part| cell(Figure::Macro(part)))));
    format!("{}accuracy {}\n", table.text(width), cell(Figure::Accuracy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_wide_table_goes_on_below() {
        let mut table = Columns::new(["", "PER", "LOCATION", "∅"]);
        table.row(["PER", "1", "2", "30"]);
        table.row(["LOCATION", "0", "5", "6"]);
        expect![[r#"
                      PER  LOCATION   ∅
            PER         1         2  30
            LOCATION    0         5   6
        "#]]
        .assert_eq(&table.text(80));
        assert_eq!(table.text(27), table.text(80));
        expect![[r#"
                      PER  LOCATION
            PER         1         2
            LOCATION    0         5

                       ∅
            PER       30
            LOCATION   6
        "#]]
        .assert_eq(&table.text(26));
        // Where nothing fits, each figure has lines of its own.
        assert_eq!(table.text(1).matches("LOCATION  ").count(), 3);
        assert_eq!(Columns::new(["names"]).text(80), "names\n");
    }
}
