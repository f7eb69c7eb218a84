//! The server: every route against its router, and whole servers on the loopback.

mod browser;
mod client;
mod clients;
mod contract;
mod dialects;
mod harness;
mod live;
mod openapi;
mod page;
