//! What a span tagger is to be trained with.

use crate::machine::device::DeviceArgs;
use tagsmith_spans::config::parity::Parity;
use tagsmith_spans::config::run::RunConfig;
use tagsmith_spans::find::decode::Mode;
use tagsmith_spans::model::loss::Normalization;
use tagsmith_text::labels::label_scheme::LabelScheme;

/// A request to train a span tagger.
#[derive(Clone, Debug)]
pub struct SpanTrainRequest {
    /// The run's name in a plan; without it, the run is called as its folder.
    pub name: Option<String>,
    /// The run, as the original's JSON file describes it.
    pub config: RunConfig,
    /// Whether to go on from the newest checkpoint in the output folder.
    pub resume: bool,
    /// What classification losses are divided by.
    pub normalization: Normalization,
    /// Which entities may share pieces.
    pub decoding: Mode,
    /// Defects of the original to have.
    pub parity: Parity,
    /// How tags become gold entities.
    pub label_scheme: LabelScheme,
    /// Where to compute.
    pub device: DeviceArgs,
    /// Threads; without them, as many as this process has physical cores.
    pub threads: Option<usize>,
}
