//! What each command does, as a function of a request that returns a result and reports events.
//!
//! | function | request | result |
//! |---|---|---|
//! | [`train::train`] | [`options::TrainArgs`] | [`report::Finished`] |
//! | [`compare::compare`] | [`compare::CompareRequest`] | a table |
//! | [`predict::predict`] | [`predict::PredictRequest`] | [`predict::Predicted`] |
//! | [`predict::anonymize::anonymize`] | [`predict::anonymize::AnonymizeRequest`] | [`predict::anonymize::Anonymized`] |
//! | [`train::check::check`] | [`train::check::CheckRequest`] | [`train::check::Checked`] |
//! | [`score::evaluate::evaluate`] | [`score::evaluate::EvaluateRequest`] | [`score::Scored`] |
//! | [`score::score`] | [`score::ScoreRequest`] | [`score::Scored`] |
//! | [`spans::train::train_spans`] | [`spans::train::SpanTrainRequest`] | [`spans::train::SpanTrained`] |
//! | [`spans::evaluate::evaluate_spans`] | [`spans::evaluate::SpanEvaluateRequest`] | [`spans::evaluate::SpanEvaluated`] |
//! | [`demo::demo`] | [`demo::DemoRequest`] | [`demo::Demo`] |
//! | [`machine::rehearsal::rehearse`] | – | [`machine::rehearsal::Rehearsal`] |
//! | [`machine::facts`] | – | a JSON object |
//!
//! # What this crate does not do
//! It prints nothing, ends no process, reads no environment variable and does not know whether it has a terminal. It
//! does not know how an option is spelled: what a caller can do about an error is a [`tagsmith_message::Remedy`]. A rim
//! (command line, server, Python) opens the hub, hands in streams and receives [`events`].

pub mod compare;
pub mod demo;
pub mod error;
pub mod events;
pub mod machine;
pub mod options;
pub mod predict;
pub mod report;
pub mod score;
pub mod spans;
pub mod train;
