//! Names of the hub, and finished models that go there, against a hub on this machine.

mod datasets;
mod models;
mod server;
mod upload;
