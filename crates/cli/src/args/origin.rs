//! Where the choices of a run come from: a command that makes it again, and the choices of a run that asks for nothing.

use super::parse::{Given, command_line};
use super::program::{Program, RUN_NER};
use super::train;
use super::value::Value;
use super::values::settle;
use crate::terminal::interrupt::quoted;
use serde_json::{Map, Value as Json};
use std::path::Path;
use tagsmith_app::options::{Origin, TaskArgs};

/// Options whose values are secrets, which no report shows.
const SECRETS: [&str; 3] = ["token", "hub_token", "push_to_hub_token"];

/// The option that every command ends with.
const OUTPUT: &str = " --output_dir ";

/// Describes where the choices of a run with this output folder come from.
pub fn of(given: &[Given], output_dir: &Path, program: &Program) -> Origin {
    let mut command = format!("tagsmith {}", program.name);
    for (at, one) in given.iter().enumerate() {
        let name = one.option.name;
        let comes_again = given[at + 1..].iter().any(|later| later.option.name == name);
        if comes_again || name == "output_dir" || SECRETS.contains(&name) {
            continue;
        }
        command += &format!(" --{name}");
        match &one.value {
            Value::Flag(true) => {}
            Value::List(words) => words.iter().for_each(|word| command += &format!(" {}", quoted(word))),
            value => command += &format!(" {}", quoted(&value.typed())),
        }
    }
    command += &format!("{OUTPUT}{}", quoted(&output_dir.display().to_string()));
    Origin { name: None, command, defaults: defaults() }
}

/// Gives the command another output folder, which is its last option.
pub fn move_to(origin: &mut Origin, output_dir: &Path) {
    let end = origin.command.rfind(OUTPUT).expect("a command names its output folder");
    origin.command.truncate(end);
    origin.command += OUTPUT;
    origin.command += &quoted(&output_dir.display().to_string());
}

/// Returns every choice as it is where nothing is asked for but what a command line must have.
fn defaults() -> Map<String, Json> {
    let needed =
        ["--model_name_or_path", "-", "--train_file", "-", "--output_dir", "-", "--do_train"].map(String::from);
    let (values, _) =
        settle(&command_line(&needed, &RUN_NER).expect("the options exist"), &RUN_NER).expect("they have values");
    let mut args = train::resolve(&values, Vec::new()).expect("nothing is missing").args;
    args.tasks = TaskArgs::default();
    (args.model.model_name_or_path, args.data.train_file) = (String::new(), None);
    args.output.output_dir = Default::default();
    match serde_json::to_value(&args) {
        Ok(Json::Object(map)) => map,
        _ => unreachable!("a struct of plain fields is a JSON object"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(line: &[&str]) -> Origin {
        let words: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        of(&command_line(&words, &RUN_NER).unwrap(), Path::new("my out"), &RUN_NER)
    }

    #[test]
    fn the_command_makes_the_same_run_and_tells_no_secret() {
        let line = [
            "--model_name_or_path",
            "my model",
            "--seed=5",
            "--hub_token",
            "hf_secret",
            "--token=hf_other",
            "--do-train",
            "--freeze",
            "embeddings",
            "layer.0",
            "--output_dir",
            "elsewhere",
            "--seed",
            "6",
            "--train_file",
            "it's",
        ];
        let command = origin(&line).command;
        assert_eq!(
            command,
            "tagsmith train --model_name_or_path 'my model' --do_train --freeze embeddings layer.0 --seed 6 \
             --train_file 'it'\\''s' --output_dir 'my out'"
        );
        // Its words, without the shell's marks, are read as the same options.
        let words = command.replace("'it'\\''s'", "it's").replace("'my model'", "my_model").replace("'my out'", "o");
        let words: Vec<String> = words.split(' ').skip(2).map(String::from).collect();
        assert_eq!(command_line(&words, &RUN_NER).unwrap().len(), 6);
    }

    #[test]
    fn defaults_are_those_of_run_ner() {
        let defaults = origin(&[]).defaults;
        let values = ["learning_rate", "num_train_epochs", "per_device_train_batch_size", "seed", "weight_decay"]
            .map(|name| defaults[name].as_f64().unwrap());
        assert_eq!(values, [5e-5, 3.0, 8.0, 42.0, 0.0]);
        assert_eq!((&defaults["do_train"], &defaults["train_file"]), (&Json::Bool(false), &Json::Null));
    }
}
