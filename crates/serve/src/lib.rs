//! Taggers over HTTP: one port, one engine, several dialects.
//!
//! | module | what it holds |
//! |---|---|
//! | [`settings`] | what a caller of [`server::open`] chooses, and every limit |
//! | [`server`] | a server from its start to its end; asking whether one is alive |
//! | [`engine`] | inputs in, documents out; it knows no HTTP |
//! | [`route`] | a file a dialect: its paths, what it reads and what it answers |
//! | [`http`] | what all routes share: bodies, keys, deadlines, one error body, connections |
//! | [`refusal`] | everything that is not an answer |
//!
//! # What this crate does not do
//! It prints nothing, reads no environment variable and hears no signal. A rim hands in settings and a receiver of lines, and
//! calls [`server::Stop::begin`]. No text of a request reaches a message, an error or a log.

pub mod engine;
pub mod http;
pub mod json;
pub mod metrics;
pub mod refusal;
pub mod route;
pub mod server;
pub mod settings;
