//! What was found, as text, as JSON and in three lines.

use super::checked::Checked;
use super::classes::Class;
use super::finding::{Findings, Kind, Severity};
use serde_json::{Map, Value, json};
use tagsmith_message::{Note, counted};
use tagsmith_text::score::analysis::Columns;

impl Checked {
    /// Returns everything as a JSON object. `show` writes a note.
    pub fn json(&self, show: &dyn Fn(&Note) -> String) -> Value {
        let files = self.files.iter().map(|file| {
            json!({ "file": file.source, "against": file.is_other, "sentences": file.sentences, "words": file.words })
        });
        let seen: Map<String, Value> = self.seen.iter().map(|(kind, seen)| (kind.clone(), seen.json())).collect();
        json!({
            "files": files.collect::<Vec<_>>(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": self.findings.iter().map(Findings::json).collect::<Vec<_>>(),
            "classes": self.classes.iter().map(Class::json).collect::<Vec<_>>(),
            "seen": seen,
            "longest": self.longest,
            "notes": self.notes.iter().map(show).collect::<Vec<_>>(),
        })
    }

    /// Returns findings of each kind, at most `most` of each, then the types and what of their mentions was seen. Tables are not
    /// wider than `width` letters.
    pub fn text(&self, most: usize, width: usize) -> String {
        let mut text = String::new();
        for findings in &self.findings {
            let Findings { kind, count, kept } = findings;
            text += &format!("{}: {count} {}\n", kind.severity().name(), kind.title(*count));
            for finding in kept.iter().take(most) {
                text += &format!("  {}: {}: {}\n", finding.place, finding.words, finding.what);
            }
            let more = count - kept.len().min(most);
            if more > 0 {
                text += &format!("  … {more} more\n");
            }
            text.push('\n');
        }
        let has_other = self.files.iter().any(|file| file.is_other);
        if !self.classes.is_empty() {
            text += "mentions by type; ± is the 95 % interval that a recall of one half would have\n";
            text += &self.class_table(has_other).text(width);
            text.push('\n');
        }
        text + &format!("{}\n", self.verdict())
    }

    /// Returns the mentions of each type.
    fn class_table(&self, has_other: bool) -> Columns {
        let titles = ["", "to learn from", "±", "to measure on", "±", "seen before"];
        let columns = if has_other { titles.len() } else { 3 };
        let mut table = Columns::new(titles.into_iter().take(columns));
        let margin =
            |mentions| Class::margin(mentions).map_or("–".to_owned(), |margin| format!("{:.1} %", margin * 100.0));
        for class in &self.classes {
            let seen = self.seen.get(&class.name).filter(|seen| seen.mentions > 0);
            let share = seen
                .map_or("–".to_owned(), |seen| format!("{:.0} %", 100.0 * seen.seen as f64 / seen.mentions as f64));
            let cells = [
                class.name.clone(),
                class.learned.to_string(),
                margin(class.learned),
                class.other.to_string(),
                margin(class.other),
                share,
            ];
            table.row(cells.into_iter().take(columns));
        }
        table
    }

    /// Returns a line: how many errors and warnings there are in how much data.
    pub fn verdict(&self) -> String {
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let sentences: usize = self.files.iter().map(|file| file.sentences).sum();
        let words: u64 = self.files.iter().map(|file| file.words).sum();
        format!(
            "{} and {} in {} and {} of {}",
            counted(errors, "error"),
            counted(warnings, "warning"),
            counted(sentences, "sentence"),
            counted(words as usize, "word"),
            counted(self.files.len(), "file")
        )
    }

    /// Returns three lines for whoever begins a training: errors and warnings, what the data share, the rarest types.
    pub fn summary(&self) -> [String; 3] {
        let named = |severity| {
            let of = |findings: &&Findings| findings.kind.severity() == severity;
            let each = self.findings.iter().filter(of).map(|it| format!("{} {}", it.count, it.kind.key()));
            let each: Vec<String> = each.collect();
            if each.is_empty() { "none".to_owned() } else { each.join(", ") }
        };
        let first = format!("errors: {}; warnings: {}", named(Severity::Error), named(Severity::Warning));
        let other: u64 = self.seen.values().map(|seen| seen.mentions).sum();
        let seen: u64 = self.seen.values().map(|seen| seen.seen).sum();
        let sentences: usize = self.files.iter().filter(|file| file.is_other).map(|file| file.sentences).sum();
        let second = match sentences {
            0 => "there is no other data to compare with".to_owned(),
            sentences => {
                let share = if other == 0 { 0.0 } else { 100.0 * seen as f64 / other as f64 };
                format!(
                    "of {} to measure on, {} stand in the data to learn from; of {} of entities, {share:.0} % were seen",
                    counted(sentences, "sentence"),
                    self.of(Kind::Leak),
                    counted(other as usize, "mention")
                )
            }
        };
        let mut rare: Vec<&Class> = self.classes.iter().collect();
        rare.sort_by_key(|class| (class.learned, &class.name));
        let rare: Vec<String> = rare.iter().take(3).map(|class| format!("{} {}", class.learned, class.name)).collect();
        let third = match rare.is_empty() {
            true => "there are no entities".to_owned(),
            false => format!("{}, the fewest mentions: {}", counted(self.classes.len(), "type"), rare.join(", ")),
        };
        [first, second, third]
    }
}
