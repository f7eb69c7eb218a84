//! `tagsmith accelerate config`: asks what accelerate's asks, and writes the file that accelerate's writes.

use crate::args::accelerate::Answers;
use crate::environment;
use crate::terminal::streams::{aside, print};
use anyhow::{Context, Result, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use std::fs;
use std::io::{self, BufRead};
use std::path::PathBuf;
use tagsmith_files::atomic_write;

/// Returns the command.
pub fn command() -> Command {
    Command::new("accelerate")
        .about("Ask what to compute on, and write accelerate's configuration, which train reads")
        .args([
            Arg::new("action")
                .value_name("ACTION")
                .required(true)
                .value_parser(["config"])
                .help("Ask, and write the answers"),
            Arg::new("default").value_name("default").value_parser(["default"]).help("Ask nothing: one process, f32"),
            Arg::new("config_file")
                .long("config_file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("The file to write [default: default_config.yaml where accelerate looks for it]"),
            Arg::new("mixed_precision")
                .long("mixed_precision")
                .value_parser(Answers::PRECISIONS)
                .help("The precision of `config default`"),
        ])
}

/// Runs the command.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let file = match matches.get_one::<PathBuf>("config_file") {
        Some(file) => file.clone(),
        None => environment::accelerate_defaults().into_iter().next().context("accelerate has a default file")?,
    };
    let precision = matches.get_one::<String>("mixed_precision").map_or(Answers::PRECISIONS[0], String::as_str);
    let answers = match matches.get_one::<String>("default") {
        Some(_) => Answers::new("NO", 1, precision),
        None => ask(&mut io::stdin().lock())?,
    };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    atomic_write::write(&file, answers.yaml().as_bytes())?;
    print(&format!("accelerate's configuration is in {}\n", file.display()))?;
    Ok(0)
}

/// Asks for everything. What does not fit is asked for again.
fn ask(answers: &mut dyn BufRead) -> Result<Answers> {
    let kinds = ["NO", "MULTI_CPU", "MULTI_GPU"];
    let said = "Which type of machine are you using: NO (one processor or GPU), MULTI_CPU or MULTI_GPU? [NO]";
    let kind = choice(answers, said, &kinds)?;
    let processes = match kind {
        "NO" => 1,
        _ => loop {
            let word = answer(answers, "How many processes should be used? [1]")?;
            match word.parse() {
                Ok(number @ 1..) => break number,
                _ if word.is_empty() => break 1,
                _ => aside(&format!("`{word}` is not a number from 1 on")),
            }
        },
    };
    let said = "Which precision: no (f32), fp16 or bf16? [no]";
    Ok(Answers::new(kind, processes, choice(answers, said, &Answers::PRECISIONS)?))
}

/// Asks until one of some words is the answer. No answer is the first word.
fn choice<'w>(answers: &mut dyn BufRead, question: &str, words: &[&'w str]) -> Result<&'w str> {
    loop {
        let word = answer(answers, question)?;
        match words.iter().find(|known| known.eq_ignore_ascii_case(&word)) {
            Some(known) => return Ok(known),
            None if word.is_empty() => return Ok(words[0]),
            None => aside(&format!("`{word}` is none of {}", words.join(", "))),
        }
    }
}

fn answer(answers: &mut dyn BufRead, question: &str) -> Result<String> {
    aside(question);
    let mut line = String::new();
    if answers.read_line(&mut line).context("standard input")? == 0 {
        bail!("standard input ended before all was answered: nothing is written");
    }
    Ok(line.trim().to_owned())
}
