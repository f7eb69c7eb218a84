//! `tagsmith serve`: a tagger over HTTP.

use super::anonymize;
use super::predict::{at_least_one, entity_args, tagger_args, tagger_options};
use super::{quiet, style};
use crate::environment::variable;
use crate::open_hub::{self, Asked};
use crate::spelling::Dialect;
use crate::terminal::streams::{aside, print};
use crate::terminal::{Style, Terminal, interrupt};
use anyhow::{Context, Result, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::Value;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tagsmith_app::machine::threads;
use tagsmith_app::predict::anonymize::label_map::LabelMap;
use tagsmith_app::predict::fingerprint;
use tagsmith_app::predict::tagger::{Tagger, TaggerOptions, located};
use tagsmith_kernel::Level;
use tagsmith_message::counted;
use tagsmith_ranks::World;
use tagsmith_serve::http::{Log, Model};
use tagsmith_serve::server::{self, Served, Stop};
use tagsmith_serve::settings::{Limits, Settings, TaskScore};
use tagsmith_text::align::aggregate::Strategy;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// Variables that stand for options that are not given, as images of text-embeddings-inference, Hugging Face and Vertex have them.
/// `HOSTNAME` is none of them: shells and containers set it to the machine's name, and a server would be open to all.
const VARIABLES: &[(&str, &[&str])] = &[
    ("model", &["MODEL_ID", "HF_MODEL_DIR", "HF_MODEL_ID"]),
    ("model-revision", &["REVISION", "HF_REVISION"]),
    ("served-model-name", &["SERVED_MODEL_NAME"]),
    ("host", &["TAGSMITH_HOST"]),
    ("port", &["PORT", "AIP_HTTP_PORT"]),
    ("tokenization-workers", &["TOKENIZATION_WORKERS"]),
    ("batch-tokens", &["MAX_BATCH_TOKENS"]),
    ("max-connections", &["MAX_CONCURRENT_REQUESTS"]),
    ("max-inputs", &["MAX_CLIENT_BATCH_SIZE"]),
    ("max-body-bytes", &["PAYLOAD_LIMIT"]),
    ("cors-allow-origin", &["CORS_ALLOW_ORIGIN"]),
    ("api-key", &["TAGSMITH_API_KEY", "API_KEY"]),
    ("token", &["HF_HUB_TOKEN"]),
];

/// Returns the command.
pub fn command() -> Command {
    let number = |name, default: &'static str| {
        option(name).value_name("N").value_parser(value_parser!(usize)).default_value(default)
    };
    let seconds = |name, default: &'static str| {
        option(name).value_name("SECONDS").value_parser(value_parser!(f64)).default_value(default)
    };
    Command::new("serve")
        .about("Serve a trained model over HTTP")
        .long_about(
            "Serve a trained model over HTTP.\n\nOne port speaks Hugging Face's dialect (`POST /`) and its own (`POST \
             /v1/tag`); `/openapi.json` lists all routes, and `/` is a page to try the model on. Nothing of a text is cut \
             off. SIGTERM lets requests in progress end; a second one ends the process at once.",
        )
        .args([
            option("model")
                .alias("model_name_or_path")
                .value_name("MODEL")
                .help("Folder with config.json, model.safetensors and tokenizer.json, or a name on the hub"),
            option("check").value_name("URL").conflicts_with("model").help(
                "Ask a running server, such as http://127.0.0.1:8080/health: exit status 0 if it is well, else 1",
            ),
            option("host").value_name("ADDRESS").default_value("127.0.0.1").help("Where to listen; 0.0.0.0 is everywhere"),
            option("port").value_name("PORT").value_parser(value_parser!(u16)).default_value("8080").help("The port; 0 is any"),
            option("served-model-name").value_name("NAME").help("The model's name for clients [default: MODEL]"),
            option("api-key")
                .value_name("KEY")
                .action(ArgAction::Append)
                .help("A key that requests need; repeat it for several [default: TAGSMITH_API_KEY]"),
            option("api-key-file")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("A file with a key a line"),
            option("metrics-auth").action(ArgAction::SetTrue).help("Let `/metrics` need a key too"),
            option("cors-allow-origin").value_name("ORIGIN").help("Pages of this origin may ask: a URL, or `*`"),
            option("hf-default")
                .value_parser(["simple", "none"])
                .default_value("simple")
                .help("The aggregation strategy of requests in Hugging Face's dialect that name none"),
            option("label-map").value_name("NAMES").help(
                "The types that Presidio's clients see: PER=PERSON,LOC=PLACE, or a JSON file [default: presidio, its own names]",
            ),
            option("ls-score")
                .value_parser(TaskScore::NAMES)
                .default_value("min")
                .help("How a task's score for Label Studio comes from those of its entities"),
            option("on-train").value_name("COMMAND").help(
                "What Label Studio's \"Start training\" begins, one at a time; it reads the event as JSON",
            ),
            option("tokenization-workers")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .help("Threads that cut texts into pieces, two at least [default: the processors, 8 at most]"),
            number("cache-mb", "64").help("Megabytes of answers that are kept for the same text; 0 keeps none"),
            number("max-body-bytes", "8388608").help("Bytes of a request's body"),
            number("max-inputs", "256").help("Inputs of a request; a stream may have any number"),
            number("max-characters", "1048576").help("Characters of an input"),
            number("max-windows", "4096").help("Windows of a request"),
            number("max-labels", "1000").help("Labels that a request looks for"),
            number("max-queued-bytes", "16777216").help("Bytes of texts that are worked on or wait"),
            number("max-connections", "1024").help("Connections at a time; beyond, the idlest goes"),
            seconds("header-timeout", "10").help("Time for a request's header, and for an idle connection"),
            seconds("body-timeout", "30").help("Time for a request's body, and for taking an answer"),
            seconds("request-timeout", "60").help("Time for a request; a request may ask for less"),
            seconds("shutdown-grace", "25").help("Time for requests in progress when the server ends"),
            option("log")
                .value_parser(["none", "text", "json"])
                .default_value("none")
                .help("A line a request on standard output, without any text of it"),
            quiet(),
        ])
        .args(entity_args())
        .args(tagger_args())
}

fn option(name: &'static str) -> Arg {
    Arg::new(name).long(name)
}

/// Runs the command. Returns the exit status.
pub fn run(matches: &ArgMatches) -> Result<u8> {
    if let Some(url) = matches.get_one::<String>("check") {
        return Ok(check(url));
    }
    let began = Instant::now();
    let style = style(matches);
    let Style { shows_progress, level, .. } = style;
    let mut terminal = Terminal::new(Dialect::Serve, style);
    refuse_other_tasks()?;
    let source = text(matches, "model").context("a model is needed: pass `--model`")?;
    let settings = settings(matches)?;
    let listener = server::bind(settings.address)?;
    let address = listener.local_addr()?;
    let stop = Stop::new();
    let stopped = stop.clone();
    interrupt::ends_by(move || {
        aside("ending: requests in progress get their answers; a second signal ends at once");
        stopped.begin();
    });
    let token = text(matches, "token");
    let cache_dir = matches.get_one::<String>("cache-dir").map(String::as_str);
    let hub = open_hub::open(Asked { cache_dir, token: token.as_deref(), plain: !shows_progress, level });
    let threads = threads::set(at_least_one(matches, "threads")?, &World::alone(), &mut terminal)?;
    let options = options(matches, settings.limits.batch_tokens)?;
    let (folder, notes) = located(&source, options.revision.as_deref(), &hub)?;
    notes.iter().for_each(|note| terminal.note(note));
    let hashed = folder.clone();
    let hashing = thread::Builder::new().spawn(move || fingerprint::of(&hashed)).context("no thread")?;
    let precision = if options.bf16 { "bf16" } else { "f32" };
    let (tagger, notes) = Tagger::load(&folder.display().to_string(), &options, &hub)?;
    notes.iter().for_each(|note| terminal.note(note));
    let fingerprint = hashing.join().unwrap_or_else(|_| bail!("the model's files cannot be hashed"))?;
    let id = settings.served_model_name.clone().unwrap_or_else(|| name_of(&source));
    let model = Model { id, revision: server::revision(&folder), fingerprint, precision };
    let build = vec![
        ("commit", option_env!("TAGSMITH_COMMIT").unwrap_or_default().to_owned()),
        ("isa", format!("{:?}", Level::in_use())),
        ("threads", threads.to_string()),
    ];
    if !address.ip().is_loopback() && settings.api_keys.is_empty() {
        terminal.note(
            &tagsmith_message::Note::once(format!("whoever reaches {address} may ask: `--api-key` asks for a key"))
                .important(),
        );
    }
    let limits = settings.limits.clone();
    let (app, warm_up) = server::open(Served { tagger, model, build }, settings, log(matches))?;
    if let Some(warm_up) = warm_up {
        let pace = counted(warm_up.pieces_per_second as usize, "piece");
        let memory = warm_up.resident.map_or_else(String::new, |bytes| {
            // Beside the program, texts in progress and answers that are kept take memory.
            let more = (limits.queued_bytes + limits.cache_bytes) >> 20;
            format!("; {} MB in memory, and up to {more} MB of texts and answers", bytes >> 20)
        });
        terminal.say(&format!("warm: {} at once, {pace} a second{memory}", counted(warm_up.pieces, "piece")));
    }
    // Scripts read the port here.
    aside(&format!("serving at http://{address} after {:.2} s", began.elapsed().as_secs_f64()));
    server::run(app, listener, &stop)?;
    terminal.finish()?;
    Ok(0)
}

/// Asks a server whether it is well. Returns the exit status.
fn check(url: &str) -> u8 {
    match server::check::ask(url) {
        Ok(_) => 0,
        Err(why) => {
            aside(&format!("{url}: {why}"));
            1
        }
    }
}

/// Refuses a task that images of Hugging Face are told of, and that is not a tagger's.
fn refuse_other_tasks() -> Result<()> {
    match variable("HF_TASK") {
        Some(task) if !["token-classification", "ner"].contains(&task.as_str()) => {
            bail!("`HF_TASK={task}`: this serves token-classification")
        }
        _ => Ok(()),
    }
}

/// Returns an option's text, or what a variable says in its place.
fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    let given = matches.get_one::<String>(name).cloned();
    let is_default = matches.value_source(name) == Some(clap::parser::ValueSource::DefaultValue);
    match given {
        Some(given) if !is_default => Some(given),
        default => of_environment(name).or(default),
    }
}

fn of_environment(name: &str) -> Option<String> {
    let (_, names) = VARIABLES.iter().find(|(option, _)| *option == name)?;
    names.iter().find_map(|name| variable(name))
}

/// Returns an option's number, or what a variable says in its place.
fn number(matches: &ArgMatches, name: &str) -> Result<usize> {
    let is_given = matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine);
    match of_environment(name).filter(|_| !is_given) {
        Some(word) => {
            word.parse().with_context(|| format!("`--{name}` from the environment: `{word}` is not a number"))
        }
        None => Ok(matches.get_one::<usize>(name).copied().unwrap_or_default()),
    }
}

fn seconds(matches: &ArgMatches, name: &str) -> Result<Duration> {
    let seconds = matches.get_one::<f64>(name).copied().unwrap_or_default();
    Duration::try_from_secs_f64(seconds).ok().with_context(|| format!("`--{name} {seconds}`: this is not a time"))
}

fn settings(matches: &ArgMatches) -> Result<Settings> {
    let least_one = |name: &str| match number(matches, name)? {
        0 => bail!("`--{name} 0`: at least one is needed"),
        number => Ok(number),
    };
    let limits = Limits {
        body_bytes: least_one("max-body-bytes")?,
        inputs: least_one("max-inputs")?,
        characters: least_one("max-characters")?,
        windows: least_one("max-windows")?,
        labels: least_one("max-labels")?,
        queued_bytes: least_one("max-queued-bytes")?,
        batch_tokens: least_one("batch-tokens")?,
        connections: least_one("max-connections")?,
        header_timeout: seconds(matches, "header-timeout")?,
        body_timeout: seconds(matches, "body-timeout")?,
        request_timeout: seconds(matches, "request-timeout")?,
        shutdown_grace: seconds(matches, "shutdown-grace")?,
        cache_bytes: number(matches, "cache-mb")?.saturating_mul(1 << 20),
    };
    let workers = match number(matches, "tokenization-workers")? {
        0 => thread::available_parallelism().map_or(2, usize::from).clamp(2, 8),
        number => number.max(2),
    };
    Ok(Settings {
        address: address(matches)?,
        served_model_name: text(matches, "served-model-name"),
        api_keys: keys(matches)?,
        metrics_auth: matches.get_flag("metrics-auth"),
        cors_allow_origin: text(matches, "cors-allow-origin"),
        hf_default_none: text(matches, "hf-default").as_deref() == Some("none"),
        label_map: anonymize::label_map(matches)?.unwrap_or_else(LabelMap::presidio),
        task_score: text(matches, "ls-score").as_deref().and_then(TaskScore::named).unwrap_or_default(),
        on_train: text(matches, "on-train"),
        tokenization_workers: workers,
        limits,
    })
}

fn address(matches: &ArgMatches) -> Result<SocketAddr> {
    let host = text(matches, "host").unwrap_or_default();
    let is_given = matches.value_source("port") == Some(clap::parser::ValueSource::CommandLine);
    let port = match of_environment("port").filter(|_| !is_given) {
        Some(word) => word.parse().with_context(|| format!("PORT: `{word}` is not a port"))?,
        None => matches.get_one::<u16>("port").copied().unwrap_or_default(),
    };
    let found = (host.as_str(), port).to_socket_addrs().with_context(|| format!("`--host {host}`"))?.next();
    found.with_context(|| format!("`--host {host}`: there is no such address"))
}

/// Returns the keys of the command line, of a file and of the environment.
fn keys(matches: &ArgMatches) -> Result<Vec<String>> {
    let mut keys: Vec<String> = matches.get_many::<String>("api-key").into_iter().flatten().cloned().collect();
    if let Some(file) = matches.get_one::<PathBuf>("api-key-file") {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let before = keys.len();
        keys.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        ensure!(keys.len() > before, "{}: there is no key in it", file.display());
    }
    if keys.is_empty() {
        keys.extend(of_environment("api-key"));
    }
    ensure!(keys.iter().all(|key| !key.trim().is_empty()), "`--api-key`: an empty key would let everybody in");
    Ok(keys)
}

fn options(matches: &ArgMatches, batch_tokens: usize) -> Result<TaggerOptions> {
    Ok(TaggerOptions {
        revision: text(matches, "model-revision"),
        strategy: text(matches, "aggregation-strategy").and_then(|name| Strategy::named(&name)),
        label_scheme: text(matches, "label-scheme").and_then(|name| LabelScheme::named(&name)),
        may_lack_labels: true,
        batch_tokens: Some(batch_tokens),
        ..tagger_options(matches)?
    })
}

/// Returns the name of a model for clients: a name on the hub as it is, and of a folder its last part.
fn name_of(source: &str) -> String {
    let path = Path::new(source);
    let last = path.canonicalize().ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    last.filter(|_| path.is_dir()).unwrap_or_else(|| source.to_owned())
}

/// Returns what writes a line a request.
fn log(matches: &ArgMatches) -> Option<Log> {
    // A reader that has closed standard output has enough.
    let write = |line: &str| _ = print(line);
    match text(matches, "log")?.as_str() {
        "json" => Some(Box::new(move |said: &Value| write(&format!("{said}\n")))),
        "text" => Some(Box::new(move |said: &Value| {
            let part = |key: &str| match &said[key] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let [method, route, status] = ["method", "route", "status"].map(part);
            let [time, characters, id] = ["milliseconds", "characters", "request_id"].map(part);
            write(&format!("{method} {route} {status} {time} ms, {characters} characters, {id}\n"));
        })),
        _ => None,
    }
}
