//! The four trainers and two evaluators of label-conditioned span taggers, with the original's names and files.

use super::{device, quiet, style};
use crate::args::words::CONFIG;
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::interrupt::{Writes, quoted, writes};
use crate::terminal::streams::{Output, aside, print};
use crate::terminal::{Style, Terminal};
use anyhow::{Context, Result, ensure};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use tagsmith_app::spans::evaluate::{SpanEvaluateRequest, evaluate_spans};
use tagsmith_app::spans::train::{SpanTrainRequest, SpanTrained, train_spans};
use tagsmith_hub::Hub;
use tagsmith_message::{Wording, counted};
use tagsmith_ranks::World;
use tagsmith_spans::config::Architecture;
use tagsmith_spans::config::keys::KEYS;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::run::{Program, RunConfig};
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_text::example::AnnotationFormat;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// Commands, what they train, and what their help says. `train_spans` reads from its file what it trains.
const TRAINERS: [(&str, Option<Program>, &str); 5] = [
    (
        "train_bi_encoder",
        program(Architecture::BiEncoder, false),
        "Train a span tagger that reads labels by an encoder of their own, by cross-entropy",
    ),
    (
        "train_bi_encoder_contrastive",
        program(Architecture::BiEncoder, true),
        "Train a span tagger that reads labels by an encoder of their own, by contrast with other spans and labels",
    ),
    (
        "train_cross_encoder",
        program(Architecture::CrossEncoder, false),
        "Train a span tagger that reads labels in a prompt before the text, by cross-entropy",
    ),
    (
        "train_cross_encoder_contrastive",
        program(Architecture::CrossEncoder, true),
        "Train a span tagger that reads labels in a prompt before the text, by contrast with other spans and labels",
    ),
    ("train_spans", None, "Train any of these span taggers: the file's `architecture` says which"),
];

/// Commands, what the model must be, and what their help says.
const EVALUATORS: [(&str, Architecture, &str); 2] = [
    (
        "evaluate_bi_encoder",
        Architecture::BiEncoder,
        "Evaluate a span tagger of train_bi_encoder or train_bi_encoder_contrastive on a file or a saved data set",
    ),
    (
        "evaluate_cross_encoder",
        Architecture::CrossEncoder,
        "Evaluate a span tagger of train_cross_encoder or train_cross_encoder_contrastive on a file or a saved data set",
    ),
];

const fn program(architecture: Architecture, contrastive: bool) -> Option<Program> {
    Some(Program { architecture, contrastive })
}

/// Returns the commands.
pub fn commands() -> Vec<Command> {
    let trainers = TRAINERS
        .iter()
        .map(|&(name, _, about)| Command::new(name).about(about).after_long_help(keys()).args(trainer_args()));
    let evaluators = EVALUATORS.iter().map(|&(name, _, about)| Command::new(name).about(about).args(evaluator_args()));
    trainers.chain(evaluators).collect()
}

/// Returns the keys of a trainer's file, a line each.
fn keys() -> String {
    let mut text = "Keys of CONFIG.json (those with no default have to be there):\n".to_owned();
    for (key, _, meaning) in KEYS {
        text += &format!("  {key}: {meaning}\n");
    }
    text
}

/// Returns whether a command is one of these.
pub fn has(name: &str) -> bool {
    TRAINERS.iter().any(|it| it.0 == name) || EVALUATORS.iter().any(|it| it.0 == name)
}

/// Runs the command. Returns the exit status.
pub fn run(name: &str, matches: &ArgMatches, world: &World) -> Result<u8> {
    let threads = matches.get_one::<usize>("threads").copied();
    ensure!(threads != Some(0), "`--threads 0`: at least one is needed");
    let trainer = TRAINERS.iter().find(|it| it.0 == name);
    let style = Style { json: trainer.is_some() && matches.get_flag("json"), ..style(matches) };
    let mut terminal = Terminal::new(Dialect::of(name), style).of_ranks(world);
    let hub = open_hub::open(asked(matches));
    match trainer {
        Some(&(_, program, _)) => train(matches, program, threads, (&hub, world), &mut terminal)?,
        None => {
            let (_, architecture, _) = EVALUATORS.iter().find(|it| it.0 == name).expect("`has` said so");
            evaluate(matches, *architecture, threads, (&hub, world), &mut terminal)?;
        }
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
        config: RunConfig::read(matches.get_one::<PathBuf>(CONFIG).context("clap asks for it")?, program)?,
        resume: matches.get_flag("resume"),
        normalization: match matches.get_one::<String>("loss_normalization").map(String::as_str) {
            Some("valid") => Normalization::Valid,
            _ => Normalization::Padded,
        },
        decoding: mode(matches),
        label_scheme: label_scheme(matches),
        parity: parity(matches),
        device: device::of(matches),
        threads,
    };
    writes(Writes::Run(request.config.run.output.clone()));
    if request.config.disable_tqdm {
        terminal.hide_progress();
    }
    let trained = train_spans(&request, hub, world, terminal)?;
    if let SpanTrained::Finished { run: Some(_), .. } = &trained {
        let folder = request.config.run.output.display().to_string();
        let next = format!("tagsmith predict --model {} --labels NAMES FILE", quoted(&folder));
        terminal.say(&format!("the model is in {folder}; to tag with it: {next}"));
    }
    match trained {
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
        device: device::of(matches),
        threads,
    };
    let evaluated = evaluate_spans(&request, hub, world, terminal)?;
    if let Some(file) = evaluated.written {
        print_figures("test", &evaluated.metrics)?;
        aside(&format!("written: {}", file.display()));
    }
    Ok(())
}

fn option(name: &'static str) -> Arg {
    Arg::new(name).long(name)
}

fn common_args() -> Vec<Arg> {
    let [device, libraries] = device::args(false);
    vec![
        device,
        libraries,
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
        quiet(),
    ]
}

fn trainer_args() -> Vec<Arg> {
    let mut args = vec![
        Arg::new(CONFIG).value_name("CONFIG.json").required(true).value_parser(value_parser!(PathBuf)),
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
    let Style { shows_progress, level, .. } = style(matches);
    Asked { cache_dir: text("cache_dir"), token: text("token"), plain: !shows_progress, level }
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

/// Prints the figures that matter most. The files have them all: a reader that has closed standard output has enough.
fn print_figures(what: &str, metrics: &Value) -> Result<()> {
    let mut out = Output;
    let figure = |place: &Value, key: &str| place[key].as_f64().unwrap_or(0.0);
    let number = |key: &str| metrics[key].as_u64().unwrap_or(0) as usize;
    for (name, place) in
        [("micro", &metrics["micro"]), ("macro", &metrics["macro"]), ("strict", &metrics["strict"]["micro"])]
    {
        let [p, r, f] = ["precision", "recall", "f1"].map(|key| figure(place, key));
        writeln!(out, "{what} {name:<6} precision {p:.4} recall {r:.4} f1 {f:.4}")?;
    }
    if metrics["special_tokens_spelled"] != 0 {
        let spelled = counted(number("special_tokens_spelled"), "special token");
        writeln!(out, "{what} texts spell {spelled} (such as `[SEP]`): read as ordinary letters")?;
    }
    if metrics["texts_cut_off"] != 0 {
        let cut = number("texts_cut_off");
        let said = "{} {is longer than the model reads: its end was|are longer than the model reads: their ends were} \
                    cut off";
        writeln!(out, "{what} {}", Wording::new(said, &[&counted(cut, "text")]).of(cut))?;
    }
    if metrics["gold_without_span"] != 0 {
        let [lost, gold] = ["gold_without_span", "gold"].map(number);
        let said = "{} of {} {is not a span|are not spans} that the model can find: {it counts|they count} as missed";
        writeln!(out, "{what} {}", Wording::new(said, &[&lost, &counted(gold, "gold entity")]).of(lost))?;
    }
    Ok(())
}
