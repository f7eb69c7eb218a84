//! What was found, as a page of HTML that needs nothing else.

use super::checked::Checked;
use super::classes::Class;
use super::finding::{Excerpt, Finding, Findings, Severity};
use crate::report::html::{document, escaped};
use std::fmt::Write;

/// Findings of a kind that the page shows; the rest is folded away or counted.
const SHOWN: usize = 10;
const FOLDED: usize = 200;

impl Checked {
    /// Returns the page.
    pub fn page(&self) -> String {
        let title = self.files.iter().map(|file| file.source.as_str()).collect::<Vec<_>>().join(", ");
        let mut html = format!("<p class=\"dim\">{}</p>\n", escaped(&self.verdict()));
        html += "<h2>Files</h2>\n<div class=\"wide\"><table><tr><th>file</th><th>use</th><th>sentences</th><th>words</th></tr>\n";
        for file in &self.files {
            let role = if file.is_other { "to measure on" } else { "to learn from" };
            let (sentences, words) = (file.sentences, file.words);
            writeln!(
                html,
                "<tr><td>{}</td><td>{role}</td><td>{sentences}</td><td>{words}</td></tr>",
                escaped(&file.source)
            )
            .expect("a string takes all");
        }
        html += "</table></div>\n<h2>Findings</h2>\n";
        html += &self.summary_table();
        html += &self.findings_of(Severity::Error, "Errors");
        html += &self.findings_of(Severity::Warning, "Warnings");
        html += &self.classes_table();
        document(&format!("Check of {title}"), &html)
    }

    /// Returns how many findings there are of each kind: what a report shows of a check.
    pub fn summary_table(&self) -> String {
        if self.findings.is_empty() {
            return "<p>Nothing was found.</p>\n".to_owned();
        }
        let row = |findings: &Findings| {
            let Findings { kind, count, .. } = findings;
            let severity = kind.severity().name();
            format!(
                "<tr><td><a href=\"#{}\">{}</a></td><td>{severity}</td><td>{count}</td></tr>\n",
                kind.key(),
                kind.title(*count)
            )
        };
        let rows: String = self.findings.iter().map(row).collect();
        format!("<div class=\"wide\"><table><tr><th>finding</th><th></th><th>number</th></tr>\n{rows}</table></div>\n")
    }

    fn findings_of(&self, severity: Severity, title: &str) -> String {
        let of: Vec<&Findings> = self.findings.iter().filter(|it| it.kind.severity() == severity).collect();
        if of.is_empty() {
            return String::new();
        }
        let mut html = format!("<h2>{title}</h2>\n");
        for findings in of {
            let Findings { kind, count, kept } = findings;
            write!(
                html,
                "<h3 id=\"{}\">{count} {}</h3>\n{}",
                kind.key(),
                kind.title(*count),
                list(&kept[..kept.len().min(SHOWN)])
            )
            .expect("a string takes all");
            let rest = &kept[kept.len().min(SHOWN)..kept.len().min(FOLDED)];
            if !rest.is_empty() {
                write!(html, "<details><summary>{} more</summary>\n{}</details>\n", rest.len(), list(rest))
                    .expect("a string takes all");
            }
            let missing = count - kept.len().min(FOLDED);
            if missing > 0 {
                writeln!(html, "<p class=\"dim\">{missing} more are not shown here.</p>").expect("a string takes all");
            }
        }
        html
    }

    fn classes_table(&self) -> String {
        if self.classes.is_empty() {
            return String::new();
        }
        let margin =
            |mentions| Class::margin(mentions).map_or("–".to_owned(), |margin| format!("±{:.1} %", margin * 100.0));
        let row = |class: &Class| {
            let seen = self.seen.get(&class.name).filter(|seen| seen.mentions > 0);
            let seen = seen
                .map_or("–".to_owned(), |seen| format!("{:.0} %", 100.0 * seen.seen as f64 / seen.mentions as f64));
            format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{seen}</td></tr>\n",
                escaped(&class.name),
                class.learned,
                margin(class.learned),
                class.other,
                margin(class.other)
            )
        };
        let rows: String = self.classes.iter().map(row).collect();
        format!(
            "<h2>Mentions by type</h2>\n<p class=\"dim\">± is the 95 % interval that a recall of one half would have.</p>\n\
             <div class=\"wide\"><table><tr><th>type</th><th>to learn from</th><th></th><th>to measure on</th><th></th>\
             <th>seen before</th></tr>\n{rows}</table></div>\n"
        )
    }
}

fn list(findings: &[Finding]) -> String {
    let row = |finding: &Finding| {
        let Finding { place, words, what } = finding;
        let Excerpt { before, about, after } = words;
        let words = format!("{} <b>{}</b> {}", escaped(before), escaped(about), escaped(after));
        format!("<tr><td>{}</td><td>{words}</td><td>{}</td></tr>\n", escaped(place), escaped(what))
    };
    let rows: String = findings.iter().map(row).collect();
    format!("<div class=\"wide\"><table class=\"facts\">{rows}</table></div>\n")
}
