//! Taggers.

use crate::callback::Callback;
use crate::error::{Told, raised, told};
use crate::fork;
use crate::options::Asked;
use crate::score::Rules;
use anyhow::Result;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::path::PathBuf;
use tagsmith_app::events::Recording;
use tagsmith_app::machine::threads;
use tagsmith_app::predict::{fingerprint, tagger};
use tagsmith_app::score::evaluate::evaluate_by;
use tagsmith_cli::keywords::Keywords;
use tagsmith_message::Note;
use tagsmith_ranks::World;
use tagsmith_text::parallel;
use tagsmith_text::tagged::{Content, Input, Mention, Tagged, Tally, UNWATCHED};

/// Bytes of text that are tagged between two looks for a signal, such as Ctrl-C. A longer input is tagged alone.
const CHUNK: usize = 32 << 10;

/// A model that tags texts and words.
#[pyclass(frozen)]
pub struct Tagger {
    inner: tagger::Tagger,
    threads: usize,
    notes: Vec<Note>,
}

/// A text, or words.
#[derive(FromPyObject)]
enum Given {
    #[pyo3(transparent, annotation = "str")]
    Text(String),
    #[pyo3(transparent, annotation = "list[str]")]
    Words(Vec<String>),
}

#[pymethods]
impl Tagger {
    /// Loads the model of a folder or of a name on the hub.
    #[new]
    #[pyo3(signature = (model, **options))]
    fn new(py: Python<'_>, model: PathBuf, options: Option<&Bound<'_, PyDict>>) -> PyResult<Tagger> {
        let asked = Asked::by(options)?;
        let load = || -> Result<Tagger> {
            let _inside = fork::enter();
            let mut events = Recording::default();
            let threads = threads::set(asked.threads, &World::alone(), &mut events)?;
            let (inner, notes) = tagger::Tagger::load(&model.display().to_string(), &asked.tagger, &asked.hub())?;
            events.notes.extend(notes);
            Ok(Tagger { inner, threads, notes: events.notes })
        };
        py.detach(load).map_err(|error| raised("predict", &error))
    }

    /// Tags texts and lists of words, in their order. Returns an object a document, and notes.
    fn tag<'py>(&self, py: Python<'py>, given: Vec<Given>) -> PyResult<(Bound<'py, PyList>, Vec<Told>)> {
        let documents = PyList::empty(py);
        let mut tally = Tally::default();
        let inputs: Vec<Input> = (1..).zip(given).map(|(number, given)| input(number, given)).collect();
        let mut rest = inputs.as_slice();
        while !rest.is_empty() {
            let (inputs, after) = rest.split_at(at_once(rest));
            rest = after;
            let tagged = py.detach(|| self.tag_some(inputs, &mut tally));
            for tagged in tagged.map_err(|error| raised("predict", &error))? {
                documents.append(self.document(py, &tagged)?)?;
            }
            py.check_signals()?;
        }
        Ok((documents, told("predict", tally.notes())))
    }

    /// Tags the words of a file and scores their labels. Returns what `tagsmith evaluate --json` prints; `callback` hears
    /// the events.
    #[pyo3(signature = (file, rules, callback))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        file: String,
        rules: Rules,
        callback: Py<PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let request = rules.request(file)?;
        Callback::hears(py, "evaluate", Some(callback), |events| {
            let _inside = fork::enter();
            let scored = evaluate_by(&self.inner, &request, self.threads, events)?;
            Ok(scored.json(&|note| Keywords::of("evaluate").note(note)))
        })
    }

    /// The folder of the model's files.
    #[getter]
    fn folder(&self) -> PathBuf {
        self.inner.folder().to_owned()
    }

    /// The files that decide what the model answers.
    #[getter]
    fn files(&self) -> PyResult<Vec<PathBuf>> {
        let files = fingerprint::files(self.inner.folder()).map_err(|error| raised("predict", &error))?;
        Ok(files.into_iter().map(|(_, path)| path).collect())
    }

    /// The fingerprint of these files, as a server shows it.
    #[getter]
    fn fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| fingerprint::of(self.inner.folder())).map_err(|error| raised("predict", &error))
    }

    /// The names of words' labels, in the order of their ids.
    #[getter]
    fn labels(&self) -> Vec<String> {
        self.inner.labels().to_vec()
    }

    /// The longest window in pieces, special ones included.
    #[getter]
    fn max_length(&self) -> usize {
        self.inner.max_length()
    }

    /// Whether the model is a label-conditioned span tagger.
    #[getter]
    fn scores_spans(&self) -> bool {
        self.inner.scores_spans()
    }

    /// What there was to say of the model's files and the machine.
    #[getter]
    fn notes(&self) -> Vec<Told> {
        told("predict", &self.notes)
    }
}

impl Tagger {
    fn tag_some(&self, inputs: &[Input], tally: &mut Tally) -> Result<Vec<Tagged>> {
        let _inside = fork::enter();
        let encoder = self.inner.encoder();
        let encoded = parallel::map(inputs, self.threads, |input| encoder.encode(input));
        self.inner.tag_encoded(encoded.into_iter().collect::<Result<_>>()?, tally, UNWATCHED)
    }

    /// Returns a document as a Python dictionary.
    fn document<'py>(&self, py: Python<'py>, tagged: &Tagged) -> PyResult<Bound<'py, PyDict>> {
        let names = self.inner.labels();
        let document = PyDict::new(py);
        document.set_item("text", &tagged.text)?;
        document.set_item("words", &tagged.words)?;
        let labels = tagged.label_names(names);
        document.set_item("labels", (labels.len() == tagged.words.len()).then_some(labels))?;
        let scores: Vec<f32> = tagged.labels.iter().map(|word| word.probability).collect();
        document.set_item("scores", scores)?;
        let entities = tagged.entities.iter().map(|mention| entity(py, mention)).collect::<PyResult<Vec<_>>>()?;
        document.set_item("entities", entities)?;
        Ok(document)
    }
}

fn entity<'py>(py: Python<'py>, mention: &Mention) -> PyResult<Bound<'py, PyDict>> {
    let entity = PyDict::new(py);
    entity.set_item("text", &mention.text)?;
    entity.set_item("label", &mention.label)?;
    entity.set_item("score", mention.score)?;
    entity.set_item("start", mention.start)?;
    entity.set_item("end", mention.end)?;
    if let Some(pieces) = &mention.in_pieces {
        entity.set_item("in_pieces", (&pieces.word, pieces.index, pieces.start, pieces.end))?;
    }
    Ok(entity)
}

fn input(number: usize, given: Given) -> Input {
    let content = match given {
        Given::Text(text) => Content::Text(text),
        Given::Words(words) => Content::Words(words),
    };
    Input { place: format!("input {number}"), content }
}

/// Counts the inputs, one at least, that fill a chunk.
fn at_once(inputs: &[Input]) -> usize {
    let mut bytes = 0;
    let fits = |input: &&Input| {
        bytes += match &input.content {
            Content::Text(text) => text.len(),
            Content::Words(words) => words.iter().map(String::len).sum(),
        };
        bytes <= CHUNK
    };
    inputs.iter().take_while(fits).count().max(1)
}
