//! Names of the hub, and finished models that go there, against a hub on this machine.

mod models;
mod upload;
