//! Numbers: operations with their backward passes, parameters, optimizer.
//!
//! # The op contract
//! Every operation is a pair. `forward` returns its result, and a `Saved` if backward needs anything from it.
//! `Saved::backward` consumes that, takes the gradient of the result and returns the gradients of the inputs. Gradients
//! of parameters go to the slots that the caller passes. There is no tape: a caller writes the chain rule down, in
//! reverse order.
//!
//! Shapes are asserted, never returned as errors: a wrong shape is our mistake. Every sum has an order that the
//! shapes fix, so a result never depends on how many threads computed it.
//!
//! An operation runs where its first tensor lies: on the processor, or on a GPU (`op/gpu.rs`). Its caller knows no devices.
//!
//! # What this crate does not do
//! It does not know files, words, configurations or what a parameter means. It has no strides, no broadcasting and no
//! padding: a batch is R rows and the boundaries between sequences. Other crates have no `unsafe`.

#![allow(unsafe_code)]

pub mod check;
pub mod cpu;
pub mod device;
mod error;
pub mod memory;
pub mod op;
pub mod params;
pub mod random;
mod threads;
pub mod trial;

pub use crate::cpu::level::Level;
pub use crate::cpu::product::operand::{Operand, Precision, Start};
pub use crate::cpu::product::product;
pub use crate::device::Device;
pub use crate::error::Error;
pub use threads::{ThreadRefused, forget_threads, set_between_regions_hook, set_threads, threads};
