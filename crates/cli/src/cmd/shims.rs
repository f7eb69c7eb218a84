//! `tagsmith shims FOLDER`: the originals' scripts by their names, each a few lines that start this program.
//!
//! `python run_ner.py …` and `accelerate launch train_bi_encoder.py …` then work as they are typed. Where a launcher started
//! several processes, the first starts them on MPI, and the others wait for it.

use crate::terminal::streams::print;
use anyhow::{Context, Result, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::fs;
use std::path::{Path, PathBuf};
use tagsmith_files::atomic_write;

/// Scripts, and the commands that they are.
const SCRIPTS: [(&str, &str); 8] = [
    ("run_ner.py", "train"),
    ("run_ner_no_trainer.py", "run_ner_no_trainer"),
    ("train_bi_encoder.py", "train_bi_encoder"),
    ("train_bi_encoder_contrastive.py", "train_bi_encoder_contrastive"),
    ("train_cross_encoder.py", "train_cross_encoder"),
    ("train_cross_encoder_contrastive.py", "train_cross_encoder_contrastive"),
    ("evaluate_bi_encoder.py", "evaluate_bi_encoder"),
    ("evaluate_cross_encoder.py", "evaluate_cross_encoder"),
];

/// The script with places for its name, its command and this program.
const SCRIPT: &str = include_str!("shim.py");

/// Returns the command.
pub fn command() -> Command {
    Command::new("shims").about("Write the originals' scripts, such as run_ner.py, that start this program").args([
        Arg::new("folder")
            .value_name("FOLDER")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .help("Where to write them"),
        Arg::new("overwrite")
            .long("overwrite")
            .action(ArgAction::SetTrue)
            .help("Write over files of these names that are something else"),
    ])
}

/// Runs the command. No file is written where one is in the way.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    let folder: &PathBuf = matches.get_one("folder").context("clap asks for the folder")?;
    let program = std::env::current_exe().context("the place of this program")?;
    let texts = SCRIPTS.map(|(script, command)| (folder.join(script), text(script, command, &program)));
    for (path, _) in &texts {
        let is_ours = || fs::read_to_string(path).is_ok_and(|text| text.contains("`tagsmith shims` wrote this file"));
        ensure!(
            matches.get_flag("overwrite") || !path.exists() || is_ours(),
            "{}: there is another file of this name: name another folder, or pass `--overwrite`",
            path.display()
        );
    }
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for (path, text) in &texts {
        atomic_write::write(path, text.as_bytes())?;
    }
    print(&format!("{} has {} scripts: python {}\n", folder.display(), texts.len(), texts[0].0.display()))?;
    Ok(0)
}

fn text(script: &str, command: &str, program: &Path) -> String {
    let program = serde_json::Value::from(program.display().to_string()).to_string();
    SCRIPT.replace("@SCRIPT@", script).replace("@COMMAND@", command).replace("@PROGRAM@", &program)
}
