//! The four trainers and two evaluators of label-conditioned span taggers, with the original's names and files.

use crate::machine::memory::allowed;
use crate::machine::{neighbours, precision, threads};
use crate::open_hub::{self, Asked};
use anyhow::{Context, Result, bail, ensure};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tagsmith_ranks::World;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::{Architecture, Threshold};
use tagsmith_spans::decode::Mode;
use tagsmith_spans::encode::{Encoding, Masking};
use tagsmith_spans::evaluate::{Finder, LOWEST, curve, evaluate};
use tagsmith_spans::folder;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_spans::read::{self, EVALUATED, Overlapping};
use tagsmith_spans::run_config::{Program, RunConfig};
use tagsmith_spans::trainer::{Event, Job, assess, train};
use tagsmith_text::example::{AnnotationFormat, Example, labels_of};
use tagsmith_text::tagged::Content;

/// Command, other spelling, what it trains; `train-spans` reads that from its file.
const TRAINERS: [(&str, &str, Option<Program>); 5] = [
    ("train_bi_encoder", "train-bi-encoder", program(Architecture::BiEncoder, false)),
    ("train_bi_encoder_contrastive", "train-bi-encoder-contrastive", program(Architecture::BiEncoder, true)),
    ("train_cross_encoder", "train-cross-encoder", program(Architecture::CrossEncoder, false)),
    ("train_cross_encoder_contrastive", "train-cross-encoder-contrastive", program(Architecture::CrossEncoder, true)),
    ("train-spans", "train_spans", None),
];

const EVALUATORS: [(&str, &str, Architecture); 2] = [
    ("evaluate_bi_encoder", "evaluate-bi-encoder", Architecture::BiEncoder),
    ("evaluate_cross_encoder", "evaluate-cross-encoder", Architecture::CrossEncoder),
];

const fn program(architecture: Architecture, contrastive: bool) -> Option<Program> {
    Some(Program { architecture, contrastive })
}

/// Pieces of a text where the model does not say how many it was trained on.
const MAX_LENGTH: usize = 512;

/// The commands.
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

/// Whether a command is one of these.
pub fn has(name: &str) -> bool {
    TRAINERS.iter().any(|it| it.0 == name) || EVALUATORS.iter().any(|it| it.0 == name)
}

/// Runs it; the exit status.
pub fn run(name: &str, matches: &ArgMatches, world: &World) -> Result<u8> {
    let threads = matches.get_one::<usize>("threads").copied();
    ensure!(threads != Some(0), "`--threads 0` is none at all: give 1 or more");
    let (_, line) = threads::set(threads, world);
    line.iter().for_each(|line| eprintln!("note: {line}"));
    if let Some(&(_, _, program)) = TRAINERS.iter().find(|it| it.0 == name) {
        return train_run(matches, program, world);
    }
    let (_, _, architecture) = EVALUATORS.iter().find(|it| it.0 == name).expect("`has` said so");
    evaluate_run(matches, *architecture, world)
}

/// `--some_name`, also understood as `--some-name`.
fn option(name: &'static str) -> Arg {
    let option = Arg::new(name).long(name);
    if name.contains('_') { option.alias(name.replace('_', "-")) } else { option }
}

fn common_args() -> [Arg; 5] {
    [
        option("threads")
            .value_name("N")
            .value_parser(value_parser!(usize))
            .help("Threads that compute [default: all]"),
        option("decoding")
            .value_parser(Mode::NAMES)
            .default_value("flat")
            .help("Which entities may share pieces: none; one inside another; those of different labels"),
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
        option("evaluation_format").value_parser(["text", "tokens"]).default_value("text").help("What entities count"),
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

fn overlapping(matches: &ArgMatches) -> Overlapping {
    if parity(matches).overlapping { Overlapping::Taken } else { Overlapping::Refused(mode(matches)) }
}

fn mode(matches: &ArgMatches) -> Mode {
    matches.get_one::<String>("decoding").and_then(|name| Mode::named(name)).unwrap_or_default()
}

/// What is said on stderr, and in a file with the time before it.
struct Log {
    file: Option<File>,
}

impl Log {
    fn say(&mut self, line: &str) -> Result<()> {
        eprintln!("{line}");
        if let Some(file) = &mut self.file {
            let [year, month, day, hour, minute, second] = now();
            writeln!(file, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} - INFO - {line}")?;
        }
        Ok(())
    }
}

/// Year, month, day, hour, minute and second of now, UTC.
fn now() -> [u64; 6] {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, by eras of 400 years (Hinnant, 2013).
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    [year, month, day, rest / 3_600, rest / 60 % 60, rest % 60]
}

fn train_run(matches: &ArgMatches, program: Option<Program>, world: &World) -> Result<u8> {
    let path = matches.get_one::<PathBuf>("config").context("clap asks for it")?;
    let mut config = RunConfig::read(path, program)?;
    config.model.reproduce(parity(matches));
    let finished = config.output.join("best_checkpoint");
    if finished.exists() {
        eprintln!("note: `{}` exists: this run is done; remove it to train again", finished.display());
        return Ok(0);
    }
    let newest = tagsmith_train::checkpoint::newest(&config.output);
    let resume = matches.get_flag("resume");
    if let (Some(newest), false) = (&newest, resume) {
        bail!("`{}` is left from a run that did not end: pass `--resume`, or remove it", newest.display());
    }
    // Nobody looks for checkpoints any more when the first one begins to write.
    world.barrier();
    let mut log = Log { file: None };
    if world.is_first() {
        fs::create_dir_all(&config.output).with_context(|| config.output.display().to_string())?;
        let file = config.output.join("run.log");
        let file = File::options().create(true).append(true).open(&file).with_context(|| file.display().to_string())?;
        log.file = Some(file);
    }
    for note in std::mem::take(&mut config.notes) {
        log.say(&format!("note: {note}"))?;
    }
    let mut load = |files: &[String], does: bool, what: &str| -> Result<Vec<Example>> {
        if !does {
            return Ok(Vec::new());
        }
        let data = read::load(files, config.format, &[what, "train"], overlapping(matches))?;
        for note in data.notes {
            log.say(&format!("note: {note}"))?;
        }
        let entities: usize = data.examples.iter().map(|example| example.entities.len()).sum();
        log.say(&format!(
            "{what}: {} texts, {entities} entities, {} labels",
            data.examples.len(),
            labels_of(&data.examples).len()
        ))?;
        ensure!(
            entities > 0,
            "{}: no entity of format {:?} is there: is it the right file?",
            files.join(", "),
            config.format
        );
        Ok(data.examples)
    };
    let train_examples = load(&config.files[0], config.does[0], "train")?;
    let validation = load(&config.files[1], config.does[1], "validation")?;
    let test = load(&config.files[2], config.does[2], "test")?;

    let from = newest.filter(|_| resume);
    let hub = open_hub::open(asked(matches));
    let (mut model, tokenizers, notes) = match from.as_ref().or(config.model_checkpoint.as_ref()) {
        Some(folder) => {
            if from.is_some() {
                tagsmith_train::checkpoint::verify(folder)?;
            }
            let (model, notes) = folder::load_as(folder, config.model.clone())?;
            let tokenizers = folder::tokenizers(folder, &config.model, &hub)?;
            (model, tokenizers, notes)
        }
        None => folder::assemble(config.model.clone(), config.seed, &hub)?,
    };
    for note in notes {
        log.say(&format!("note: {note}"))?;
    }
    ensure!(
        config.encoding.max_length <= model.positions_max(),
        "{}: `max_seq_length` is {}, and the text encoder has positions for {}",
        path.display(),
        config.encoding.max_length,
        model.positions_max()
    );
    if config.bf16 {
        model.precision = precision::bf16();
    }

    let mut outcome = None;
    if config.does[0] {
        let mut failed = Ok(());
        let mut notify = |event: Event| {
            let line = match event {
                Event::Trained(step, record) => format!("step {step}: {}", Value::Object(record)),
                Event::Evaluated(step, record) => format!("step {step}, validation: {}", Value::Object(record)),
                Event::Saved(folder) => format!("saved {}", folder.display()),
                Event::Note(note) => format!("note: {note}"),
            };
            if failed.is_ok() {
                failed = log.say(&line);
            }
        };
        // Ranks on one machine have equal shares of its memory.
        let here = neighbours::count(world) as u64;
        let job = Job {
            config: &config,
            world,
            train: &train_examples,
            validation: &validation,
            tokenizers: &tokenizers,
            normalization: match matches.get_one::<String>("loss_normalization").map(String::as_str) {
                Some("valid") => Normalization::Valid,
                _ => Normalization::Padded,
            },
            mode: mode(matches),
            allowed: allowed().map(|bytes| bytes / here),
            notify: &mut notify,
        };
        let (done, trained) = train(model, job, from.as_deref())?;
        failed?;
        model = trained;
        if let Some(best) = done.best.as_ref().filter(|_| world.is_first()) {
            link(best, &finished)?;
        }
        outcome = Some(done);
    }
    if config.does[2] {
        let best = outcome.as_ref().and_then(|outcome| outcome.best.clone()).filter(|_| config.does[1]);
        if let Some(best) = &best {
            let precision = model.precision;
            model = folder::load_as(best, config.model.clone())?.0;
            model.precision = precision;
        }
        let evaluation = assess(&model, &tokenizers, &config, &test, mode(matches), world)?;
        let results = json!({
            "test_metrics": evaluation.to_json(),
            "config": config.json,
            "final_step": outcome.as_ref().map(|outcome| outcome.steps),
            "best_checkpoint_path": best.map(|best| best.display().to_string()),
            "best_validation_f1": outcome.as_ref().map(|outcome| outcome.best_f1),
        });
        if world.is_first() {
            write_json(&config.output.join("test_results.json"), &results)?;
        }
        print_figures("test", &results["test_metrics"])?;
    }
    Ok(0)
}

/// A relative link to the best checkpoint, where the system has links, or else a file with its name.
fn link(best: &Path, at: &Path) -> Result<()> {
    let name = best.file_name().context("a checkpoint has a name")?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(name, at).with_context(|| at.display().to_string())?;
    #[cfg(not(unix))]
    fs::write(at, name.to_string_lossy().as_bytes()).with_context(|| at.display().to_string())?;
    Ok(())
}

fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context("a JSON value always prints")? + "\n";
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// The figures that most look for, on stdout.
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

fn evaluate_run(matches: &ArgMatches, architecture: Architecture, world: &World) -> Result<u8> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let folder = matches.get_one::<PathBuf>("pretrained_model_name_or_path").context("clap asks for it")?;
    let (mut model, notes) = folder::load(folder)?;
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    model.config.reproduce(parity(matches));
    ensure!(
        model.config.architecture == architecture,
        "{}: this is a {}: use the other evaluator",
        folder.display(),
        model.config.architecture_name().replace('_', "-")
    );
    if matches.get_flag("bf16") {
        model.precision = precision::bf16();
    }
    let format = text("evaluation_format").and_then(AnnotationFormat::named).context("clap lets only names through")?;
    let auto = text("threshold") == Some("auto");
    let threshold = match text("threshold") {
        None | Some("auto") => model.config.threshold,
        Some(word) => {
            Threshold::parse(word, model.config.contrastive()).map_err(|why| anyhow::anyhow!("--threshold {why}"))?
        }
    };
    if model.config.threshold_in_prompt() {
        model.config.threshold_token = if threshold == Threshold::Cls { Threshold::Cls } else { Threshold::LabelToken };
    }
    let tokenizers = folder::tokenizers(folder, &model.config, &open_hub::open(asked(matches)))?;
    let masking = if format == AnnotationFormat::Text { Masking::None } else { Masking::Subwords };
    let max_length = model.config.max_seq_length.unwrap_or(MAX_LENGTH).min(model.positions_max());
    let encoding = Encoding { max_length, masking };
    let load = |file: &str| -> Result<Vec<Example>> {
        let mut data = read::load(&[file.to_owned()], format, EVALUATED, overlapping(matches))?;
        data.notes.iter().for_each(|note| eprintln!("note: {note}"));
        if let Some(map) = matches.get_one::<PathBuf>("label_map") {
            read::rename_labels(&mut data.examples, map)?;
        }
        ensure!(!labels_of(&data.examples).is_empty(), "{file}: no entity is there: is it the right file and format?");
        Ok(data.examples)
    };
    let file = text("evaluation_file").context("clap asks for it")?;
    let examples = load(file)?;
    let mode = mode(matches);
    let find = |examples: &[Example], bar| -> Result<_> {
        let finder = Finder::new(&model, &tokenizers, encoding, labels_of(examples))?;
        finder.notes.iter().for_each(|note| eprintln!("note: {note}"));
        let inputs: Vec<&Content> = examples.iter().map(|example| &example.content).collect();
        Ok((finder.find_among(world, &inputs, bar)?, finder.labels))
    };
    let mut json = Map::new();
    let (bar, above) = match auto {
        false => (threshold, 0.0),
        true => {
            let file = text("validation_file").context("--threshold auto needs --validation_file to choose on")?;
            let validation = load(file)?;
            let (found, labels) = find(&validation, LOWEST)?;
            let (points, best) = curve(&validation, &found, &labels, &model.config, mode);
            let point = |point: &tagsmith_spans::evaluate::Point| {
                let [precision, recall, f1] = point.figures;
                json!({"threshold": point.threshold, "precision": precision, "recall": recall, "f1": f1})
            };
            json.insert("threshold_curve".into(), points.iter().map(point).collect());
            eprintln!("note: --threshold auto: {best} is best on {file}");
            (Threshold::Number(best as f32), best)
        }
    };
    let (found, labels) = find(&examples, bar)?;
    let evaluation = evaluate(&examples, &found, &labels, &model.config, above, mode);
    let threshold = match bar {
        Threshold::Number(number) => json!(f64::from(number)),
        Threshold::Cls => json!("cls"),
        Threshold::LabelToken => json!("label_token"),
    };
    json.insert("test_metrics".into(), Value::Object(evaluation.to_json()));
    json.insert("labels".into(), json!(labels));
    json.insert("threshold".into(), threshold);
    json.insert("eval_from".into(), json!(file));
    let output = matches.get_one::<PathBuf>("output_dir").context("clap has a default")?;
    if !world.is_first() {
        return Ok(0);
    }
    fs::create_dir_all(output).with_context(|| output.display().to_string())?;
    let [year, month, day, hour, minute, second] = now();
    let name = format!("eval_{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}.json");
    let json = Value::Object(json);
    write_json(&output.join(&name), &json)?;
    print_figures("test", &json["test_metrics"])?;
    eprintln!("written: {}", output.join(name).display());
    Ok(0)
}
