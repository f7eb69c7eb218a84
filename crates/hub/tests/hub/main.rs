//! Names of the hub, and finished models that go there, against a hub on this machine.

mod cache;
mod connections;
mod downloads;
mod harness;
mod models;
mod upload;
