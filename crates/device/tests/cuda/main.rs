//! The driver for real GPUs, on a library that stands in for NVIDIA's (fake/fake.rs): what is called, in which order, what
//! comes of each error, and that nothing is left behind.

// Libraries have one name a system; the tests know Linux's.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod errors;
mod graphs;
mod harness;
mod libraries;
mod links;
mod products;
mod work;

#[path = "fake/codes.rs"]
mod codes;
