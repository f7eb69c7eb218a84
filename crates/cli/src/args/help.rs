//! `tagsmith train --help`, from the table.

use super::option::{Fate, Group, Kind, Opt};
use super::table::OPTIONS;
use std::fmt::Write;

const OPENING: &str = "\
Fine-tune, evaluate and run a token classifier, with the options of run_ner.py (transformers 4 and 5).

usage: tagsmith train --model_name_or_path MODEL --train_file FILE --output_dir FOLDER --do_train [OPTIONS]
       tagsmith train OPTIONS.json [OPTIONS]

An option may be written with underscores or hyphens, as `--name value` or `--name=value`, and be shortened to a
beginning that no other option has. A flag takes true or false, or nothing for true. The last mention counts.
Options in a file `run_ner.args` in the working folder come first; a JSON file is an object of options and values.
";

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

/// The whole text.
pub fn text() -> String {
    let mut text = String::from(OPENING);
    for &(group, title) in GROUPS {
        write!(text, "\n{title}:\n").expect("a string takes all");
        for option in OPTIONS.iter().filter(|option| option.group == group) {
            line(&mut text, option);
        }
    }
    text
}

/// The option and what it does, broken between words where the line would be too long.
fn line(text: &mut String, option: &Opt) {
    const INDENT: usize = 43;
    const LINE_WIDTH: usize = 120;
    let value = match option.kind {
        Kind::Flag => "",
        Kind::Int => " N",
        Kind::Float => " X",
        Kind::Text => " TEXT",
        Kind::Choice(_) => " WORD",
        Kind::List => " WORD…",
        Kind::Dict => " JSON",
    };
    let mut column = INDENT;
    write!(text, "{:<INDENT$}", format!("  --{}{value}", option.name)).expect("a string takes all");
    for word in description(option).split(' ') {
        let width = word.chars().count();
        if column + 1 + width > LINE_WIDTH {
            write!(text, "\n{:INDENT$}", "").expect("a string takes all");
            column = INDENT;
        } else if column > INDENT {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

fn description(option: &Opt) -> String {
    let mut what = match option.fate {
        Fate::Renamed(to) => format!("→ --{to}"),
        Fate::Translated(_) => format!("→ --{}", option.text),
        Fate::Works | Fate::NoEffect | Fate::Refused => option.text.to_owned(),
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
    if let Some(default) = option.default
        && option.kind != Kind::Flag
    {
        write!(what, " [{default}]").expect("a string takes all");
    }
    what
}
