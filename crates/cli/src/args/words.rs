//! The words of a command line before clap reads them, one spelling for all commands, and what clap refuses of them.
//!
//! Names of commands and options may have hyphens or underscores. An option may be shortened to a beginning that no
//! other option of its command has.

use super::option::{DEVICE, Fate, Kind, Opt};
use super::parse::{UsageError, no_device, refusal_of};
use super::table::OPTIONS;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};
use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use tagsmith_app::machine::device::DeviceChoice;
use tagsmith_message::{closest, quote};
use tagsmith_spans::config::keys::KEYS;

/// The argument of a command that is a file of keys.
pub const CONFIG: &str = "config";

/// Words of other programs for what the commands do.
const OTHER_COMMANDS: [(&[&str], &str); 4] = [
    (
        &["eval", "test", "validate"],
        "`tagsmith evaluate` evaluates a model on a file, `tagsmith score` compares files of labels, and \
         `tagsmith evaluate_bi_encoder` and `evaluate_cross_encoder` evaluate span taggers as the originals do",
    ),
    (&["tag", "infer", "inference", "run", "pipeline", "annotate"], "`tagsmith predict` tags documents"),
    (&["fit", "finetune", "fine_tune", "ner", "run_ner.py"], "`tagsmith train` fine-tunes a model"),
    (&["config", "launch", "info", "version"], "`tagsmith env` says what there is to compute with"),
];

/// A command line as clap is to read it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The words, every name spelled as the command declares it.
    pub words: Vec<OsString>,
    /// Lines there are to say about them.
    pub lines: Vec<String>,
    /// The command's name, as it is declared; empty where none is given.
    pub command: String,
}

/// Spells the words of a command line as `program`, with its commands, declares them.
pub fn settle(words: Vec<OsString>, program: &Command) -> Result<Settled, UsageError> {
    let mut rest = words.into_iter();
    let mut settled = Settled { words: rest.next().into_iter().collect(), ..Settled::default() };
    let mut name = rest.next();
    if name.as_deref().is_some_and(|name| name == "help") {
        settled.words.extend(name);
        name = rest.next();
    }
    let Some(name) = name else { return Ok(settled) };
    let spelled = name.to_string_lossy().into_owned();
    if spelled.starts_with('-') {
        settled.words.push(name);
        settled.words.extend(rest);
        return Ok(settled);
    }
    let is_named = |command: &&Command| {
        command.get_name_and_visible_aliases().into_iter().any(|known| plain(known) == plain(&spelled))
    };
    let command = program.get_subcommands().find(is_named).ok_or_else(|| no_command(&spelled, program))?;
    settled.command = command.get_name().to_owned();
    settled.words.push(settled.command.clone().into());
    let rest: Vec<OsString> = rest.collect();
    if rest.iter().take_while(|word| *word != "--").any(|word| word == "--version" || word == "-V") {
        return Ok(Settled { words: vec![settled.words.swap_remove(0), "--version".into()], ..Settled::default() });
    }
    if command.get_arguments().any(Arg::is_trailing_var_arg_set) {
        settled.words.extend(rest);
        return Ok(settled);
    }
    options(rest, command, &mut settled)?;
    Ok(settled)
}

fn options(words: Vec<OsString>, command: &Command, settled: &mut Settled) -> Result<(), UsageError> {
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let long = word.to_str().filter(|word| word.len() > 2).and_then(|word| word.strip_prefix("--"));
        let Some(long) = long else {
            let is_end = word == "--";
            settled.words.push(word);
            if is_end {
                settled.words.extend(words);
                return Ok(());
            }
            continue;
        };
        let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
        match find(name, command)? {
            Found::Own { known, shortened } => {
                if shortened {
                    settled.lines.push(format!("`--{name}` is read as `--{known}`"));
                }
                if known == DEVICE {
                    refuse_device(value.or(words.peek().and_then(|next| next.to_str())))?;
                }
                let value = value.map(|value| format!("={value}")).unwrap_or_default();
                settled.words.push(format!("--{known}{value}").into());
            }
            Found::Other(option) => {
                let is_flag = option.kind == Kind::Flag;
                let next = words.next_if(|next| !is_flag && !next.to_string_lossy().starts_with("--"));
                let next = next.map(|next| next.to_string_lossy().into_owned());
                let value = value.map(str::to_owned).or(next).unwrap_or(if is_flag { "true" } else { "" }.to_owned());
                other_device(option, &value, command, settled)?;
            }
        }
    }
    Ok(())
}

/// Says a device that is asked for by another option as `--device` does, or refuses it.
fn other_device(option: &Opt, value: &str, command: &Command, settled: &mut Settled) -> Result<(), UsageError> {
    let shown =
        if option.kind == Kind::Flag { format!("`--{}`", option.name) } else { format!("`--{} {value}`", option.name) };
    let nothing = |why: &str| format!("{shown} changes nothing: {why}");
    let computes = command.get_arguments().any(|arg| arg.get_long() == Some(DEVICE));
    match option.fate {
        Fate::Devices(without) if without.contains(&value) => settled.lines.push(nothing(option.text)),
        Fate::Device(into) => {
            let device = into(value).ok_or_else(|| refusal_of(option, value))?;
            match computes {
                true => {
                    settled.lines.push(format!("`--{}` is called `--{DEVICE} {device}` now", option.name));
                    settled.words.extend([format!("--{DEVICE}").into(), device.into()]);
                }
                false if device == "cpu" || device == "auto" => settled.lines.push(nothing(NO_NUMBERS)),
                false => return Err(refusal_of(option, value)),
            }
        }
        _ => return Err(refusal_of(option, value)),
    }
    Ok(())
}

/// Why a device changes nothing in some commands.
const NO_NUMBERS: &str = "this command needs no GPU";

/// Reads settled words as `program` declares them. Help and versions that are asked for are printed, and end the process.
pub fn matched(words: Vec<OsString>, program: Command) -> Result<ArgMatches, UsageError> {
    program.try_get_matches_from(words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingSubcommand => error.exit(),
        kind => usage(kind, &error),
    })
}

/// Returns an error of clap, which takes several lines, as the other errors of a command line.
fn usage(kind: ErrorKind, error: &clap::Error) -> UsageError {
    let all = |kind| match error.get(kind) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(all)) => all.clone(),
        _ => Vec::new(),
    };
    // Its names have their values beside them: `--device <DEVICE>`.
    let bare = |name: &String| name.split([' ', '=']).next().unwrap_or_default().trim_matches(['<', '>']).to_owned();
    let names: Vec<String> = all(ContextKind::InvalidArg).iter().map(bare).collect();
    let option = names.first().cloned().unwrap_or_default();
    let value = all(ContextKind::InvalidValue).concat();
    let valid: Vec<String> = all(ContextKind::ValidValue).iter().map(|value| format!("`{value}`")).collect();
    let expected = if valid.is_empty() { "a value".to_owned() } else { format!("one of {}", valid.join(", ")) };
    match (kind, error.source()) {
        (ErrorKind::InvalidValue, _) if value.is_empty() => UsageError::NoValue { option, expected },
        (ErrorKind::InvalidValue, _) => UsageError::WrongValue { option, value, expected, meant: None },
        (ErrorKind::ValueValidation, Some(why)) => UsageError::Unfit { option, value, why: why.to_string() },
        (ErrorKind::MissingRequiredArgument, _) => UsageError::Missing(names),
        (ErrorKind::ArgumentConflict, _) => {
            let others: Vec<String> = all(ContextKind::PriorArg).iter().map(bare).collect();
            UsageError::Conflict { option, others }
        }
        (ErrorKind::TooManyValues, _) => UsageError::NeedlessValue { option, value },
        (ErrorKind::UnknownArgument, _) => UsageError::NoPlace(option),
        _ => UsageError::Unfit { option, value, why: kind.to_string() },
    }
}

/// What the name of an option stands for.
enum Found {
    /// An option of the command.
    Own {
        /// The name of the option, as it is declared.
        known: String,
        /// Whether its name was shortened.
        shortened: bool,
    },
    /// Another way of asking for a device.
    Other(&'static Opt),
}

fn find(name: &str, command: &Command) -> Result<Found, UsageError> {
    let stem = plain(name);
    // Each option's name, and all by which it may be called.
    let named = command.get_arguments().filter_map(|arg| {
        let long = arg.get_long()?;
        let others = arg.get_all_aliases().unwrap_or_default();
        Some((long, [vec![long], others].concat().into_iter().map(plain).collect::<Vec<_>>()))
    });
    let mut known: Vec<(&str, Vec<String>)> = named.collect();
    known.push(("help", vec!["help".into()]));
    let own = known.iter().find(|(_, names)| names.contains(&stem));
    if let Some((long, _)) = own {
        return Ok(Found::Own { known: (*long).to_owned(), shortened: false });
    }
    let asks = |option: &&Opt| matches!(option.fate, Fate::Device(_) | Fate::Devices(_));
    if let Some(option) = OPTIONS.iter().filter(asks).find(|option| option.name == stem) {
        return Ok(Found::Other(option));
    }
    let begins = |names: &[String]| names.iter().any(|name| name.starts_with(&stem));
    let found: BTreeSet<String> =
        known.iter().filter(|(_, names)| begins(names)).map(|(long, _)| (*long).into()).collect();
    let found = Vec::from_iter(found);
    let meant = closest(&stem, known.iter().map(|(long, _)| *long)).map(str::to_owned);
    let spelled = format!("--{name}");
    match &found[..] {
        [] => Err(unknown(spelled, &stem, meant, command)),
        [only] => Ok(Found::Own { known: only.clone(), shortened: true }),
        _ => Err(UsageError::ambiguous(&spelled, &found, meant)),
    }
}

/// Refuses a device that nothing computes on here.
fn refuse_device(name: Option<&str>) -> Result<(), UsageError> {
    match name.filter(|name| !name.starts_with("--") && DeviceChoice::named(name).is_none()) {
        Some(name) => Err(no_device(name)),
        None => Ok(()),
    }
}

/// The error of a name that no option of the command has. Commands that read their settings from a file name its key.
fn unknown(spelled: String, stem: &str, meant: Option<String>, command: &Command) -> UsageError {
    let reads_keys = command.get_positionals().any(|arg| arg.get_id() == CONFIG);
    let keys = || KEYS.iter().map(|&(key, ..)| key);
    let key = keys().find(|key| *key == stem).or_else(|| closest(stem, keys()).filter(|_| meant.is_none()));
    match key.filter(|_| reads_keys) {
        Some(key) => UsageError::Refused {
            message: format!("there is no option `{spelled}`"),
            remedy: format!("`{key}` is a key of CONFIG.json: write it there"),
        },
        None => UsageError::Unknown { spelled, meant },
    }
}

/// A name with underscores.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

fn no_command(spelled: &str, program: &Command) -> UsageError {
    let names = program.get_subcommands().map(Command::get_name);
    let other = OTHER_COMMANDS.iter().find(|(words, _)| words.contains(&plain(spelled).to_lowercase().as_str()));
    let remedy = match (other, closest(spelled, names)) {
        (Some((_, does)), _) => (*does).to_owned(),
        (None, Some(near)) => format!("did you mean `tagsmith {near}`?"),
        (None, None) => "`tagsmith --help` lists the commands".to_owned(),
    };
    let spelled = quote(spelled).trim_matches('`').to_owned();
    UsageError::NoCommand { spelled, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command;

    fn settled(line: &str) -> Result<String, String> {
        let words = ["tagsmith"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
        let settled = settle(words, &command()).map_err(|error| format!("{error}; {}", error.hint("predict")))?;
        let words: Vec<_> = settled.words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        Ok(words
            .iter()
            .map(|word| word.as_ref())
            .chain(settled.lines.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn hyphens_and_underscores_are_one_spelling_everywhere() {
        for (line, want) in [
            ("run-ner --seed 1", "train --seed 1"),
            ("run-ner-no-trainer --seed 1", "run_ner_no_trainer --seed 1"),
            ("train-bi-encoder x.json", "train_bi_encoder x.json"),
            ("train-spans x.json", "train_spans x.json"),
            ("evaluate-cross-encoder --evaluation-file f", "evaluate_cross_encoder --evaluation_file f"),
            ("score g p --min_f1 0.5", "score g p --min-f1 0.5"),
            ("predict --model_name_or_path m --output_format=conll", "predict --model m --output-format=conll"),
            ("demo --output-dir d", "demo --output_dir d"),
            ("predict --model m -- --output_format", "predict --model m -- --output_format"),
            ("train --version", "--version"),
            ("predict --version", "--version"),
        ] {
            assert_eq!(settled(line).as_deref(), Ok(want), "{line}");
        }
    }

    #[test]
    fn an_option_may_be_shortened_in_every_command() {
        assert_eq!(settled("predict --thresh 1").unwrap(), "predict --threshold 1 `--thresh` is read as `--threshold`");
        let line = "evaluate_bi_encoder --pretrained_model d --evaluation_fi f";
        let want = "evaluate_bi_encoder --pretrained_model_name_or_path d --evaluation_file f";
        assert!(settled(line).unwrap().starts_with(want));
        assert!(
            settled("score g --pred 1").unwrap_err().starts_with("`--pred` could be `--pred-column`, `--pred-format`")
        );
        assert_eq!(
            settled("predict --thresold 1").unwrap_err(),
            "there is no option `--thresold`; did you mean `--threshold`?"
        );
    }

    #[test]
    fn a_key_of_a_file_is_named_where_it_is_taken_for_an_option() {
        let key = "`learning_rate` is a key of CONFIG.json: write it there";
        for (line, want) in [
            ("train_bi_encoder c.json --learning_rate 1", format!("there is no option `--learning_rate`; {key}")),
            ("train-spans c.json --learning-rte=1", format!("there is no option `--learning-rte`; {key}")),
            (
                "train_spans c.json --thread 1",
                "train_spans c.json --threads 1 `--thread` is read as `--threads`".to_owned(),
            ),
            ("train_spans c.json --theads 1", "there is no option `--theads`; did you mean `--threads`?".to_owned()),
            (
                "train_spans c.json --xyzzy",
                "there is no option `--xyzzy`; `tagsmith predict --help` lists the options".to_owned(),
            ),
            (
                "evaluate_bi_encoder --learning_rate 1",
                "there is no option `--learning_rate`; `tagsmith predict --help` lists the options".to_owned(),
            ),
        ] {
            assert_eq!(settled(line).unwrap_or_else(|error| error), want, "{line}");
        }
    }

    #[test]
    fn a_device_may_be_asked_for_in_other_words() {
        for (line, want) in [
            ("predict --no_cuda --model m", "predict --device cpu --model m `--no_cuda` is called `--device cpu` now"),
            ("predict --use-cpu", "predict --device cpu `--use_cpu` is called `--device cpu` now"),
            (
                "evaluate_bi_encoder --gpu 0",
                "evaluate_bi_encoder --device cuda:0 `--gpu` is called `--device cuda:0` now",
            ),
            (
                "train_spans c.json --use_cuda",
                "train_spans c.json --device cuda `--use_cuda` is called `--device cuda` now",
            ),
            ("predict --gpus=0", "predict --device cpu `--gpus` is called `--device cpu` now"),
            ("score g p --use_cpu", "score g p `--use_cpu` changes nothing: this command needs no GPU"),
        ] {
            assert_eq!(settled(line).as_deref(), Ok(want), "{line}");
        }
        for line in [
            "predict --device cpu",
            "predict --device=emulated",
            "train_spans c.json --device cuda:1",
            "env --device auto",
        ] {
            assert_eq!(settled(line).as_deref(), Ok(line));
        }
    }

    #[test]
    fn devices_that_do_not_compute_are_refused_in_every_command() {
        for line in [
            "predict --model m --device=mps",
            "evaluate_bi_encoder --device cuda:x",
            "train_spans c.json --gpus 2",
            "predict --gpu",
            "score g p --cuda",
            "predict --fsdp full_shard",
        ] {
            let error = settled(line).unwrap_err();
            assert!(error.contains(&format!("cannot be honored: {}", super::super::option::NO_DEVICE)), "{error}");
        }
    }

    /// What is wrong with a line, in its one line.
    fn refused(line: &str) -> String {
        let words = ["tagsmith"].into_iter().chain(line.split(' ')).map(OsString::from).collect();
        let settled = settle(words, &command()).unwrap();
        matched(settled.words, command()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn an_option_without_its_value_is_an_error_of_one_line_in_every_command() {
        let mut tried = 0;
        for of_program in
            command().get_subcommands().filter(|command| !command.get_arguments().any(Arg::is_trailing_var_arg_set))
        {
            let options = of_program.get_arguments().filter(|arg| arg.get_action().takes_values());
            for long in options.filter_map(Arg::get_long) {
                let error = refused(&format!("{} --{long}", of_program.get_name()));
                assert!(error.starts_with(&format!("`--{long}` needs ")) && error.lines().count() == 1, "{error}");
                tried += 1;
            }
        }
        assert!(tried > 60, "{tried}");
    }

    #[test]
    fn what_clap_refuses_is_said_as_everything_else() {
        for (line, want) in [
            ("predict --device", "`--device` needs a value"),
            ("predict --model", "`--model` needs a value"),
            ("predict x", "`--model` is missing"),
            ("score", "`GOLD` is missing"),
            ("train_bi_encoder", "`CONFIG.json` is missing"),
            ("predict --model m --threads x", "`--threads` cannot be `x`: invalid digit found in string"),
            ("score g p --min-f1 2", "`--min-f1` cannot be `2`: not a number from 0 to 1"),
            (
                "predict --model m --decoding flut",
                "`--decoding` needs one of `argmax`, `viterbi`, `flat`, `nested`, `per_type`, not `flut`",
            ),
            ("predict --model m --bf16=1", "`--bf16` takes no value, but `1` is given"),
            ("predict --model m --model n", "`--model` is given twice"),
            ("predict --model m --output a --output-dir b", "`--output` and `--output-dir` do not go together"),
            ("score a b c d", "there is no place for `d`"),
            ("predict --model m -x", "there is no place for `-x`"),
        ] {
            assert_eq!(refused(line), want, "{line}");
        }
    }

    #[test]
    fn commands_nobody_knows_get_a_suggestion() {
        assert_eq!(settled("trian").unwrap_err(), "there is no command `trian`; did you mean `tagsmith train`?");
        assert_eq!(settled("compar").unwrap_err(), "there is no command `compar`; did you mean `tagsmith compare`?");
        let evaluate = settled("eval").unwrap_err();
        assert!(evaluate.contains("`tagsmith evaluate`") && evaluate.contains("`tagsmith score`"), "{evaluate}");
        assert_eq!(settled("xyzzy").unwrap_err(), "there is no command `xyzzy`; `tagsmith --help` lists the commands");
    }
}
