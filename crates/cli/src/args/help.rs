//! `tagsmith train --help`, from the table.

use super::option::{Fate, Group, Kind, Opt};
use super::program::Program;
use std::fmt::Write;

const USAGE: &str = "\
usage: tagsmith NAME --model_name_or_path MODEL --train_file FILE --output_dir FOLDER WHAT[OPTIONS]
       tagsmith NAME OPTIONS.json [OPTIONS]";

const RULES: &str = "\
An option may be written with underscores or hyphens, as `--name value` or `--name=value`, and be shortened to a \
beginning that no other option has. A flag takes true or false, or nothing for true. The last mention counts. Options in \
a file `run_ner.args` in the working folder come first; a JSON file is an object of options and values, such as the \
training_args.json that a run leaves.";

const FIGURES: &str = "\
Figures: eval_loss is run_ner.py's, a mean of the means of batches, so that it depends on per_device_eval_batch_size; \
eval_token_loss is the mean over all labels that count, whatever the batches. precision, recall and f1 are seqeval's, of \
entities; accuracy is of words.";

const GROUPS: &[(Group, &str)] = &[
    (Group::Needed, "Needed first"),
    (Group::Data, "Data and model"),
    (Group::Training, "Training"),
    (Group::Saving, "Evaluation and checkpoints"),
    (Group::Reporting, "Reporting"),
    (Group::OtherNames, "Other names"),
    (Group::NoEffect, "Accepted, because they can change no result"),
    (Group::Refused, "Refused"),
];

/// Whether the words ask for help, wherever among them.
pub fn is_asked(words: &[String]) -> bool {
    words.iter().any(|word| word == "--help" || word == "-h")
}

/// The whole text, in lines of at most `width` letters.
pub fn text(program: &Program, width: usize) -> String {
    let trains = program.options().any(|option| option.name == "do_train" && program.default(option) == Some("true"));
    let usage = USAGE.replace("NAME", program.name).replace("WHAT", if trains { "" } else { "--do_train " });
    let mut text = paragraph(program.about, width) + "\n";
    for line in usage.lines() {
        text += &hanging(line, 7, width);
    }
    text = text + "\n" + &paragraph(RULES, width) + "\n" + &paragraph(FIGURES, width);
    for &(group, title) in GROUPS {
        text += &format!("\n{}", paragraph(&format!("{title}:"), width));
        for option in program.options().filter(|option| option.group == group) {
            line(&mut text, option, program, width);
        }
    }
    text
}

/// The lines of a text that is broken between words, each of at most `width` letters.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut letters = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let last = lines.last_mut().expect("there is one");
        let more = word.chars().count();
        if letters == 0 {
            last.push_str(word);
            letters = more;
        } else if letters + 1 + more <= width {
            *last += &format!(" {word}");
            letters += 1 + more;
        } else {
            lines.push(word.to_owned());
            letters = more;
        }
    }
    lines
}

fn paragraph(text: &str, width: usize) -> String {
    broken(text, width).join("\n") + "\n"
}

/// A paragraph whose lines but the first begin after `indent` blanks. Blanks before the first stay.
fn hanging(text: &str, indent: usize, width: usize) -> String {
    let blanks = text.len() - text.trim_start().len();
    let lines = broken(text, width.saturating_sub(indent));
    format!("{:blanks$}{}\n", "", lines.join(&format!("\n{:indent$}", "")))
}

/// The option and what it does, beside its name, or below it where the name leaves no room.
fn line(text: &mut String, option: &Opt, program: &Program, width: usize) {
    // The column where descriptions begin. Narrow terminals have room for them below the names alone.
    let indent: usize = match width {
        110.. => 43,
        60.. => 30,
        _ => 6,
    };
    let value = match option.kind {
        Kind::Flag => "",
        Kind::Int => " N",
        Kind::Float => " X",
        Kind::Text => " TEXT",
        Kind::Choice(_) => " WORD",
        Kind::List => " WORD…",
        Kind::Dict => " JSON",
    };
    let name = format!("  --{}{value}", option.name);
    let description = broken(&description(option, program), width.saturating_sub(indent).max(20));
    let description = description.join(&format!("\n{:indent$}", ""));
    match name.chars().count() < indent - 1 {
        true => writeln!(text, "{name:<indent$}{description}"),
        false => writeln!(text, "{name}\n{:indent$}{description}", ""),
    }
    .expect("a string takes all");
}

/// Returns what an option does, or what became of it.
pub fn description(option: &Opt, program: &Program) -> String {
    let mut what = match option.fate {
        Fate::Renamed(to) => format!("→ --{to}"),
        Fate::Translated(_) | Fate::Device(_) => format!("→ --{}", option.text),
        Fate::Works | Fate::NoEffect | Fate::Refused | Fate::Devices(_) => option.text.to_owned(),
    };
    if !matches!(option.fate, Fate::Works) {
        return what;
    }
    // The optimizers are too many to list, and all but one are refused.
    if let Kind::Choice(words) = option.kind
        && words.len() <= 12
    {
        write!(what, ": {}", words.join(", ")).expect("a string takes all");
    }
    if let Some(default) = program.default(option)
        && (option.kind != Kind::Flag || default != option.default.unwrap_or_default())
    {
        write!(what, " [{default}]").expect("a string takes all");
    }
    what
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::program::{RUN_NER, WITHOUT_TRAINER};

    #[test]
    fn lines_fit_the_terminal_and_no_name_is_glued_to_its_description() {
        for width in [50, 60, 80, 100, 120] {
            let text = text(&RUN_NER, width);
            for line in text.lines() {
                let letters = line.chars().count();
                assert!(letters <= width || !line.trim().contains(' '), "{width}: {line}");
                let name = line.strip_prefix("  --").and_then(|rest| rest.split([' ', '\n']).next());
                assert!(name.is_none_or(|name| RUN_NER.options().any(|option| option.name == name)), "{width}: {line}");
            }
        }
    }

    #[test]
    fn each_program_shows_its_own_usage_and_defaults() {
        let text = text(&WITHOUT_TRAINER, 120);
        assert!(text.contains("usage: tagsmith run_ner_no_trainer --model_name_or_path"), "{text}");
        for (name, default) in [("eval_strategy", "[epoch]"), ("max_grad_norm", "[0]"), ("do_train", "[true]")] {
            let line = text.lines().find(|line| line.starts_with(&format!("  --{name} ")));
            assert!(line.is_some_and(|line| line.ends_with(default)), "{name}: {line:?}");
        }
        assert!(!text.contains("tagsmith train --model_name_or_path"));
    }
}
