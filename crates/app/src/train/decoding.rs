//! How a run's scores become labels.

use super::options;
use super::parts::Parts;
use crate::error::refusal;
use crate::events::Events;
use crate::options::TrainArgs;
use tagsmith_text::align::LabelAll;
use tagsmith_text::decode::Decoding;
use tagsmith_text::labels::LabelSet;
use tagsmith_text::labels::label_scheme::LabelScheme;
use tagsmith_tokens::error::Error;
use tagsmith_tokens::evaluate::Reading;
use tagsmith_tokens::model::Model;
use tagsmith_tokens::tag::decoders::{self, Asked, Chosen, Decoders};

/// The way from scores to labels, for examples and for sentences that go through windows.
#[derive(Clone)]
pub struct Way {
    /// How tags are read.
    pub scheme: LabelScheme,
    /// What is asked for.
    pub asked: Asked,
    /// What could decode, but for what a model has learned of neighbors.
    pub decoders: Decoders,
    /// For each label, that of its word's further pieces.
    continuations: Vec<u32>,
}

impl Way {
    /// Returns the way that a run asks for, and says what it is where that is not the plain one.
    ///
    /// # Errors
    /// Labels without legal paths; an operating point that is not there.
    pub fn new(args: &TrainArgs, parts: &Parts<'_>, labels: &LabelSet, events: &mut dyn Events) -> anyhow::Result<Way> {
        let asked = options::decoding(&args.decoding);
        // Biases belong to the weights that they were searched for, and training changes these.
        let is_finished = !args.tasks.do_train && asked.decoding == Some(Decoding::Viterbi);
        let calibration = if is_finished { decoders::read(parts.weights())? } else { None };
        let scheme = options::label_scheme(&args.data);
        let decoders = Decoders::new(labels.names(), scheme, calibration);
        let chosen = decoders.choose(&asked).map_err(|error| match error.remedy() {
            Some(remedy) => refusal(error.to_string(), remedy),
            None => error.into(),
        })?;
        if let Some(note) = chosen.note {
            events.say(note);
        }
        let continuations = match options::label_all(&args.data) {
            LabelAll::Repeat | LabelAll::FirstOnly => (0..labels.len() as u32).collect(),
            LabelAll::MapToInside => labels.continuations(),
        };
        Ok(Way { scheme, asked, decoders, continuations })
    }

    /// Returns the way from a model's scores to labels.
    ///
    /// # Errors
    /// A device that has failed.
    pub fn reading(&self, model: &Model) -> Result<Reading, Error> {
        let chain = model.chain()?;
        let chosen = self.decoders.with_chain(chain.clone()).choose(&self.asked);
        let Chosen { decoder, temperature, .. } = chosen.expect("a run begins with a choice that its labels allow");
        Ok(Reading { decoder, temperature, continuations: self.continuations.clone(), chain })
    }
}
