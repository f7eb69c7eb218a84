//! The four trainers and two evaluators of label-conditioned span taggers, with the original's names and files.

use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::{Style, Terminal, print};
use anyhow::{Context, Result, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use tagsmith_app::spans::evaluate::{SpanEvaluateRequest, evaluate_spans};
use tagsmith_app::spans::train::{SpanTrainRequest, SpanTrained, train_spans};
use tagsmith_hub::Hub;
use tagsmith_ranks::World;
use tagsmith_spans::config::Architecture;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::run::{Program, RunConfig};
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// Command, other spelling, and what the command trains. `train-spans` reads that from its file.
const TRAINERS: [(&str, &str, Option<Program>); 5] = [
    ("train_bi_encoder", "train-bi-encoder", program(Architecture::BiEncoder, false)),
    ("train_bi_encoder_contrastive", "train-bi-encoder-contrastive", program(Architecture::BiEncoder, true)),
    ("train_cross_encoder", "train-cross-encoder", program(Architecture::CrossEncoder, false)),
    ("train_cross_encoder_contrastive", "train-cross-encoder-contrastive", program(Architecture::CrossEncoder, true)),
    ("train-spans", "train_spans", None),
];

/// Command, other spelling, and what the model must be.
const EVALUATORS: [(&str, &str, Architecture); 2] = [
    ("evaluate_bi_encoder", "evaluate-bi-encoder", Architecture::BiEncoder),
    ("evaluate_cross_encoder", "evaluate-cross-encoder", Architecture::CrossEncoder),
];

const fn program(architecture: Architecture, contrastive: bool) -> Option<Program> {
    Some(Program { architecture, contrastive })
}

/// Returns the commands.
pub fn commands() -> Vec<Command> {
    let trainers = TRAINERS.iter().map(|&(name, alias, program)| {
        let about = match program {
            Some(_) => "Train a label-conditioned span tagger from the original's JSON file",
            None => "The same for every architecture: the file's `architecture` says which",
        };
        Command::new(name).alias(alias).about(about).args(trainer_args())
    });
    let evaluators = EVALUATORS.iter().map(|&(name, alias, _)| {
        let about = "Evaluate a label-conditioned span tagger on a file or a saved data set";
        Command::new(name).alias(alias).about(about).args(evaluator_args())
    });
    trainers.chain(evaluators).collect()
}

/// Returns whether a command is one of these.
pub fn has(name: &str) -> bool {
    TRAINERS.iter().any(|it| it.0 == name) || EVALUATORS.iter().any(|it| it.0 == name)
}

/// Runs the command. Returns the exit status.
pub fn run(name: &str, matches: &ArgMatches, world: &World) -> Result<u8> {
    let threads = matches.get_one::<usize>("threads").copied();
    ensure!(threads != Some(0), "`--threads 0`: at least one is needed");
    let trains = TRAINERS.iter().any(|it| it.0 == name);
    let style = Style { json: trains && matches.get_flag("json"), shows_progress: trains };
    let mut terminal = Terminal::new(Dialect::of(name), style);
    let hub = open_hub::open(asked(matches));
    if let Some(&(_, _, program)) = TRAINERS.iter().find(|it| it.0 == name) {
        train(matches, program, threads, (&hub, world), &mut terminal)?;
    } else {
        let (_, _, architecture) = EVALUATORS.iter().find(|it| it.0 == name).expect("`has` said so");
        evaluate(matches, *architecture, threads, (&hub, world), &mut terminal)?;
    }
    terminal.finish()?;
    Ok(0)
}

fn train(
    matches: &ArgMatches,
    program: Option<Program>,
    threads: Option<usize>,
    (hub, world): (&Hub, &World),
    terminal: &mut Terminal,
) -> Result<()> {
    let request = SpanTrainRequest {
        name: None,
        config: RunConfig::read(matches.get_one::<PathBuf>("config").context("clap asks for it")?, program)?,
        resume: matches.get_flag("resume"),
        normalization: match matches.get_one::<String>("loss_normalization").map(String::as_str) {
            Some("valid") => Normalization::Valid,
            _ => Normalization::Padded,
        },
        decoding: mode(matches),
        label_scheme: label_scheme(matches),
        parity: parity(matches),
        threads,
    };
    match train_spans(&request, hub, world, terminal)? {
        SpanTrained::Finished { figures, run } if matches.get_flag("json") => {
            let mut results = run.map(|run| run.results).unwrap_or_default();
            results.extend(figures.map(|figures| ("test_metrics".to_owned(), figures)));
            Ok(print(&format!("{:#}\n", Value::Object(results)))?)
        }
        SpanTrained::Finished { figures: Some(metrics), .. } => print_figures("test", &metrics),
        SpanTrained::Finished { figures: None, .. } | SpanTrained::Already(_) => Ok(()),
    }
}

fn evaluate(
    matches: &ArgMatches,
    architecture: Architecture,
    threads: Option<usize>,
    (hub, world): (&Hub, &World),
    terminal: &mut Terminal,
) -> Result<()> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let request = SpanEvaluateRequest {
        model: path("pretrained_model_name_or_path").context("clap asks for it")?,
        architecture,
        file: text("evaluation_file").context("clap asks for it")?,
        validation_file: text("validation_file"),
        format: text("evaluation_format").and_then(|name| AnnotationFormat::named(&name)),
        threshold: text("threshold"),
        label_map: path("label_map"),
        output_dir: path("output_dir").context("clap has a default")?,
        decoding: mode(matches),
        label_scheme: label_scheme(matches),
        parity: parity(matches),
        bf16: matches.get_flag("bf16"),
        threads,
    };
    let evaluated = evaluate_spans(&request, hub, world, terminal)?;
    if let Some(file) = evaluated.written {
        print_figures("test", &evaluated.metrics)?;
        eprintln!("written: {}", file.display());
    }
    Ok(())
}

/// Returns the option `--some_name`, also understood as `--some-name`.
fn option(name: &'static str) -> Arg {
    let option = Arg::new(name).long(name);
    if name.contains('_') { option.alias(name.replace('_', "-")) } else { option }
}

fn common_args() -> [Arg; 6] {
    [
        option("threads")
            .value_name("N")
            .value_parser(value_parser!(usize))
            .help("Threads that compute [default: all]"),
        option("decoding")
            .value_parser(Mode::NAMES)
            .default_value("flat")
            .help("Which entities may share pieces: none; one inside another; those of different labels"),
        option("label_scheme")
            .value_name("SCHEME")
            .value_parser(PossibleValuesParser::new(LabelScheme::NAMES))
            .ignore_case(true)
            .default_value("auto")
            .help("How tags become gold entities: by a scheme's strict rules, word by word, or as the tags show it"),
        option("parity")
            .value_name("NAMES")
            .value_delimiter(',')
            .value_parser(Parity::NAMES)
            .help("Defects of the original to have, for its very figures; DESIGN.md says what each is"),
        option("cache_dir").value_name("DIR").help("Where the hub's files are kept [default: as Python's]"),
        option("token").value_name("TOKEN").help("The hub's token [default: HF_TOKEN, or what `hf auth login` left]"),
    ]
}

fn trainer_args() -> Vec<Arg> {
    let mut args = vec![
        Arg::new("config").value_name("CONFIG.json").required(true).value_parser(value_parser!(PathBuf)),
        option("resume").action(ArgAction::SetTrue).help("Go on from the newest checkpoint in `output_dir`"),
        option("json").action(ArgAction::SetTrue).help("Print all results as one JSON object on standard output"),
        option("loss_normalization").value_parser(["padded", "valid"]).default_value("padded").help(
            "Divide classification losses by all elements of padded batches, as the original, or by those that count",
        ),
    ];
    args.extend(common_args());
    args
}

fn evaluator_args() -> Vec<Arg> {
    let path = |name| option(name).value_parser(value_parser!(PathBuf));
    let mut args = vec![
        path("pretrained_model_name_or_path").value_name("DIR").required(true).help("A checkpoint's folder"),
        option("evaluation_file")
            .alias("evaluation_dataset")
            .value_name("FILE")
            .required(true)
            .help("JSON lines, a folder saved by `save_to_disk`, or words with tags"),
        option("threshold")
            .help("A number from 0 to 1; for contrastive models also cls or label_token; auto: the best on --validation_file [default: the model's]"),
        option("evaluation_format")
            .value_parser(["text", "tokens"])
            .help("What entities count [default: what the model was trained on]"),
        option("validation_file").value_name("FILE").help("What --threshold auto is chosen on"),
        path("label_map").value_name("FILE").help("JSON object: labels of the file and their names for the model"),
        path("output_dir").value_name("DIR").default_value("evals").help("Where eval_….json goes"),
        option("bf16").action(ArgAction::SetTrue).help("Products of factors rounded to bf16; sums and all else stay f32"),
    ];
    args.extend(common_args());
    args
}

fn asked(matches: &ArgMatches) -> Asked<'_> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    Asked { cache_dir: text("cache_dir"), token: text("token"), plain: false }
}

fn parity(matches: &ArgMatches) -> Parity {
    Parity::named(matches.get_many::<String>("parity").into_iter().flatten().map(String::as_str))
}

fn label_scheme(matches: &ArgMatches) -> LabelScheme {
    matches.get_one::<String>("label_scheme").and_then(|name| LabelScheme::named(name)).unwrap_or_default()
}

fn mode(matches: &ArgMatches) -> Mode {
    matches.get_one::<String>("decoding").and_then(|name| Mode::named(name)).unwrap_or_default()
}

/// Prints the figures that matter most.
fn print_figures(what: &str, metrics: &Value) -> Result<()> {
    let mut out = std::io::stdout();
    let figure = |place: &Value, key: &str| place[key].as_f64().unwrap_or(0.0);
    for (name, place) in
        [("micro", &metrics["micro"]), ("macro", &metrics["macro"]), ("strict", &metrics["strict"]["micro"])]
    {
        let [p, r, f] = ["precision", "recall", "f1"].map(|key| figure(place, key));
        writeln!(out, "{what} {name:<6} precision {p:.4} recall {r:.4} f1 {f:.4}")?;
    }
    if metrics["special_tokens_spelled"] != 0 {
        let spelled = &metrics["special_tokens_spelled"];
        writeln!(out, "{what} texts spell {spelled} special tokens (such as `[SEP]`): read as ordinary letters")?;
    }
    if metrics["texts_cut_off"] != 0 {
        writeln!(
            out,
            "{what} {} texts are longer than the model reads: their ends were cut off",
            metrics["texts_cut_off"]
        )?;
    }
    if metrics["gold_without_span"] != 0 {
        let [lost, gold] = ["gold_without_span", "gold"].map(|key| &metrics[key]);
        writeln!(out, "{what} {lost} of {gold} gold entities are no span the model can find: they count as missed")?;
    }
    Ok(())
}
