//! Commands whose events a Python function hears.

use crate::error::{raised, told};
use crate::json::to_python;
use pyo3::prelude::*;
use serde_json::{Value, json};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use tagsmith_app::events::{Event, Events};
use tagsmith_message::Note;
use tagsmith_train::trainer;

/// The events of a command for a Python function, and the exception that ends the command.
pub struct Callback {
    command: &'static str,
    function: Option<Py<PyAny>>,
    raised: Option<PyErr>,
}

/// What unwinds a run that a Python exception ends.
struct Stopped;

impl Callback {
    /// Runs a command without Python's lock; `function` hears the events. Returns the command's result.
    ///
    /// # Errors
    /// An error of the command, with remedies in its keywords; an exception of the function.
    pub fn hears<'py>(
        py: Python<'py>,
        command: &'static str,
        function: Option<Py<PyAny>>,
        work: impl FnOnce(&mut dyn Events) -> anyhow::Result<Value> + Send,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut events = Callback { command, function, raised: None };
        let ran = py.detach(|| catch_unwind(AssertUnwindSafe(|| work(&mut events))));
        match (ran, events.raised) {
            (_, Some(raised)) => Err(raised),
            (Ok(result), None) => to_python(py, &result.map_err(|error| raised(command, &error))?),
            (Err(panic), None) => resume_unwind(panic),
        }
    }

    /// Calls the function, and looks for signals. An exception unwinds the run, which leaves what a killed run leaves.
    fn call(&mut self, event: &Value) {
        let called = Python::attach(|py| {
            py.check_signals()?;
            if let Some(function) = &self.function {
                function.call1(py, (to_python(py, event)?,))?;
            }
            Ok::<(), PyErr>(())
        });
        if let Err(error) = called {
            self.raised = Some(error);
            resume_unwind(Box::new(Stopped));
        }
    }

    fn note(&mut self, note: &Note) {
        for (important, text) in told(self.command, std::slice::from_ref(note)) {
            self.call(&json!({ "event": "note", "important": important, "text": text }));
        }
    }
}

impl Events for Callback {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Note(note) | Event::Training(trainer::Event::Note(note)) => self.note(note),
            Event::Progress(progress) => self.call(&json!({
                "event": "progress", "work": progress.work, "done": progress.done, "of": progress.of,
                "unit": progress.unit,
            })),
            Event::Measured { split, record } => {
                self.call(&json!({ "event": "measured", "split": split, "figures": record }));
            }
            Event::Training(trainer::Event::Began { plan, step }) => {
                self.call(&json!({ "event": "began", "step": step, "of": plan.total_steps }));
            }
            Event::Training(trainer::Event::Stepped { step, report }) => {
                self.call(
                    &json!({ "event": "step", "step": step, "loss": report.loss, "grad_norm": report.grad_norm }),
                );
            }
            Event::Training(trainer::Event::Logged(record)) => {
                self.call(&json!({ "event": "log", "figures": record }));
            }
            Event::Training(trainer::Event::Saved(folder)) => {
                self.call(&json!({ "event": "saved", "folder": folder.display().to_string() }));
            }
            Event::Line(line) => self.call(&json!({ "event": "line", "text": line })),
            _ => {}
        }
    }
}
