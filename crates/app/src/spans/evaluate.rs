//! The two evaluators of span taggers.

use super::{tag_rules, write_json};
use crate::error::refusal;
use crate::events::{Events, Progress};
use crate::machine::device::DeviceArgs;
use crate::machine::{folder_lock, precision, threads};
use crate::predict::tagger::model_folder;
use crate::report::clock::now;
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tagsmith_hub::Hub;
use tagsmith_message::{Note, Remedy, Setting};
use tagsmith_ranks::World;
use tagsmith_spans::batch::encode::{Encoding, Masking};
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::{Architecture, Threshold};
use tagsmith_spans::evaluate::{Found, LOWEST, Point, curve, evaluate, find};
use tagsmith_spans::feed::read::{self, EVALUATED, Overlapping};
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::folder;
use tagsmith_text::example::{AnnotationFormat, Example, labels_of};
use tagsmith_text::labels::label_scheme::LabelScheme;

/// Pieces of a text where the model does not say how many it was trained on.
const MAX_LENGTH: usize = 512;

/// The threshold that is chosen as the best one on the validation file.
const AUTO: &str = "auto";

/// A request to evaluate a span tagger.
#[derive(Clone, Debug)]
pub struct SpanEvaluateRequest {
    /// A checkpoint's folder.
    pub model: PathBuf,
    /// What the model must be.
    pub architecture: Architecture,
    /// JSON lines, a folder saved by `save_to_disk`, or words with tags.
    pub file: String,
    /// The file that an automatic threshold is chosen on.
    pub validation_file: Option<String>,
    /// What entities count; without it, what the model was trained on.
    pub format: Option<AnnotationFormat>,
    /// A number, `cls`, `label_token` or `auto`; without it, the model's.
    pub threshold: Option<String>,
    /// A file with the labels of the file and their names for the model.
    pub label_map: Option<PathBuf>,
    /// The folder of the results.
    pub output_dir: PathBuf,
    /// Which entities may share pieces.
    pub decoding: Mode,
    /// How tags become gold entities.
    pub label_scheme: LabelScheme,
    /// Defects of the original to have.
    pub parity: Parity,
    /// Whether the factors of products are rounded to bf16.
    pub bf16: bool,
    /// Where to compute.
    pub device: DeviceArgs,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
}

/// Figures of a span tagger.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvaluated {
    /// The figures.
    pub metrics: Value,
    /// The file that holds them; none on ranks that write nothing.
    pub written: Option<PathBuf>,
}

/// Evaluates a span tagger as `request` asks. All ranks of `world` call this with the same request.
///
/// # Errors
/// A request that cannot be done, with a remedy; files that cannot be read or written.
pub fn evaluate_spans(
    request: &SpanEvaluateRequest,
    hub: &Hub,
    world: &World,
    events: &mut dyn Events,
) -> Result<SpanEvaluated> {
    threads::set(request.threads, world, events)?;
    if world.is_first() {
        folder_lock::try_writing(&request.output_dir)?;
    }
    let (folder, notes) = model_folder(&request.model)?;
    events.notes(&notes);
    let folder = folder.as_path();
    let (mut model, notes) = folder::load(folder)?;
    notes.iter().for_each(|note| events.say(note));
    model.config.reproduce(request.parity);
    ensure!(
        model.config.architecture == request.architecture,
        "{}: this is a {}: use the other evaluator",
        folder.display(),
        model.config.architecture_name().replace('_', "-")
    );
    let (device, said) = request.device.open_on_ranks(world)?;
    events.notes(&said);
    if request.bf16 {
        model.precision = precision::bf16(&device, events);
    }
    let threshold = match request.threshold.as_deref() {
        None | Some(AUTO) => model.config.threshold,
        Some(word) => Threshold::parse(word, model.config.contrastive()).map_err(|why| {
            refusal(format!("the threshold {why}"), Remedy::set(Setting::Threshold).so_as("with a number from 0 to 1"))
        })?,
    };
    if model.config.threshold_in_prompt() {
        model.config.threshold_token = if threshold == Threshold::Cls { Threshold::Cls } else { Threshold::LabelToken };
    }
    let model = model.moved(&device)?;
    let tokenizers = folder::tokenizers(folder, &model.config, hub)?;
    events.notes(&tokenizers.notes(&model));
    let format = annotation_format(request.format, model.config.annotation_format, events);
    let masking = if format == AnnotationFormat::Text { Masking::None } else { Masking::Subwords };
    let max_length = model.config.max_seq_length.unwrap_or(MAX_LENGTH).min(model.positions_max());
    let encoding = Encoding { max_length, masking };
    let examples = load(request, (&request.file, format), events)?;
    let find = |examples: &[Example], bar, events: &mut dyn Events| -> Result<Found> {
        let shared = RefCell::new(&mut *events);
        let watch = |done, all| shared.borrow_mut().progress(Progress::in_pieces("evaluation", done, all));
        let found = find((&model, &tokenizers), encoding, labels_of(examples), examples, bar, world, &watch)?;
        events.notes(&found.notes);
        Ok(found)
    };
    let mut json = Map::new();
    let (bar, above) = match request.threshold.as_deref() == Some(AUTO) {
        false => (threshold, 0.0),
        true => {
            let file = request.validation_file.as_deref().ok_or_else(|| {
                let remedy = Remedy::set(Setting::ValidationFile).so_as("to choose it on");
                refusal("nothing is named that an automatic threshold is chosen on", remedy)
            })?;
            let validation = load(request, (file, format), events)?;
            let found = find(&validation, LOWEST, events)?;
            let (points, best) = curve(&validation, &found, &model.config, request.decoding);
            let point = |point: &Point| {
                let [precision, recall, f1] = point.figures;
                json!({"threshold": point.threshold, "precision": precision, "recall": recall, "f1": f1})
            };
            json.insert("threshold_curve".into(), points.iter().map(point).collect());
            events.say(format!("the threshold {best} is best on {file}"));
            (Threshold::Number(best as f32), best)
        }
    };
    let found = find(&examples, bar, events)?;
    let evaluation = evaluate(&examples, &found, &model.config, above, request.decoding);
    let threshold = match bar {
        // The number as it was typed: 0.1, and not the nearest f32 with its digits.
        Threshold::Number(number) => json!(number.to_string().parse::<f64>().unwrap_or(f64::from(number))),
        Threshold::Cls => json!("cls"),
        Threshold::LabelToken => json!("label_token"),
    };
    json.insert("test_metrics".into(), Value::Object(evaluation.to_json()));
    json.insert("labels".into(), json!(found.labels));
    json.insert("threshold".into(), threshold);
    json.insert("eval_from".into(), json!(request.file));
    json.insert("model".into(), json!(folder.display().to_string()));
    json.insert("annotation_format".into(), json!(format.name()));
    json.insert("decoding".into(), json!(request.decoding.name()));
    let mut json = Value::Object(json);
    if !world.is_first() {
        return Ok(SpanEvaluated { metrics: json["test_metrics"].take(), written: None });
    }
    let path = write_new(&request.output_dir, &json)?;
    Ok(SpanEvaluated { metrics: json["test_metrics"].take(), written: Some(path) })
}

/// Writes the results into a file of their own, named by the time. What other evaluations wrote in the same second stays.
fn write_new(folder: &Path, json: &Value) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let [year, month, day, hour, minute, second] = now();
    let name = format!("eval_{year:04}{month:02}{day:02}_{hour:02}{minute:02}{second:02}");
    for number in 1.. {
        let again = if number == 1 { String::new() } else { format!("_{number}") };
        let path = folder.join(format!("{name}{again}.json"));
        // An empty file takes the name, for no other evaluation can then take it too.
        match File::create_new(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
            Ok(_) => {
                write_json(&path, json).inspect_err(|_| _ = fs::remove_file(&path))?;
                return Ok(path);
            }
        }
    }
    unreachable!("numbers do not end")
}

/// Returns what entities count: what is asked for, or else what the model was trained on. Says it where nobody asked,
/// and where the model was trained on something else.
fn annotation_format(
    asked: Option<AnnotationFormat>,
    trained: Option<AnnotationFormat>,
    events: &mut dyn Events,
) -> AnnotationFormat {
    let words = |format: AnnotationFormat| match format {
        AnnotationFormat::Text => "running text",
        AnnotationFormat::Tokens => "words",
    };
    match (asked, trained) {
        (Some(asked), Some(trained)) if asked != trained => {
            let what = format!("entities count {}, but the model was trained on {}", words(asked), words(trained));
            events.note(&Note::once(what).with_remedy(Remedy::Unset(Setting::EvaluationFormat)));
            asked
        }
        (Some(asked), _) => asked,
        (None, Some(trained)) => {
            events.say(format!(
                "entities count {}, which the model was trained on (`annotation_format: {}`)",
                words(trained),
                trained.name()
            ));
            trained
        }
        (None, None) => {
            let what =
                "the model does not say what it was trained on (`annotation_format`): entities count running text";
            events.note(&Note::once(what).with_remedy(Remedy::set(Setting::EvaluationFormat)));
            AnnotationFormat::Text
        }
    }
}

/// Reads a file of examples under the model's names of labels.
fn load(
    request: &SpanEvaluateRequest,
    (file, format): (&str, AnnotationFormat),
    events: &mut dyn Events,
) -> Result<Vec<Example>> {
    let tags = tag_rules(request.parity, request.label_scheme)?;
    let overlapping = match request.parity.overlapping {
        true => Overlapping::Taken,
        false => Overlapping::Refused(request.decoding),
    };
    let mut data = read::load(&[file.to_owned()], format, EVALUATED, overlapping, tags)?;
    events.notes(&data.notes);
    if let Some(map) = &request.label_map {
        read::rename_labels(&mut data.examples, map)?;
    }
    ensure!(!labels_of(&data.examples).is_empty(), "{file}: no entity is there: is it the right file and format?");
    Ok(data.examples)
}
