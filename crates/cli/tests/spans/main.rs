//! Label-conditioned span taggers from the command line: training, evaluation, prediction, refusals.

mod harness;
mod refusals;
mod tagging;
mod training;
