//! The server: every route against its router, and whole servers on the loopback.

mod contract;
mod dialects;
mod harness;
mod openapi;
