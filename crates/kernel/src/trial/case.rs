//! One trial: an operation, its inputs, and its results on two devices.
//!
//! # What is allowed
//! The kernel's tests hold each result to numbers from outside within c · ε · √n of the largest, on the processor and on a
//! device ([`crate::check`]). So the two differ by twice that at most. In bf16 both begin with the same rounded numbers,
//! and each rounding of a result on the way adds 2⁻⁸ of the largest.

use super::place::Place;
use crate::Precision;
use crate::check::{distance, tolerance, wide};
use crate::device::Device;
use crate::error::Error;
use crate::memory::scalar::Scalar;
use crate::memory::tensor::Tensor;
use crate::op::sequences::Sequences;

/// The sizes of a trial: those of a batch and of a model.
#[derive(Clone, Debug)]
pub struct Size {
    /// Lengths of the sequences.
    pub lengths: Vec<usize>,
    /// Heads of attention.
    pub heads: usize,
    /// Columns of a head.
    pub width: usize,
    /// Columns between the two layers of a feed-forward network.
    pub inner: usize,
    /// Labels.
    pub labels: usize,
}

impl Size {
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Returns the number of hidden columns.
    pub fn hidden(&self) -> usize {
        self.heads * self.width
    }

    pub(super) fn sequences(&self) -> Sequences {
        let mut starts = vec![0];
        starts.extend(self.lengths.iter().scan(0, |end, &length| {
            *end += length as u32;
            Some(*end)
        }));
        Sequences::new(&starts)
    }
}

/// A result of an operation, and how far it may be off.
#[derive(Debug)]
pub struct Outcome {
    /// The result's name.
    what: &'static str,
    values: Found,
    /// The factor c of the tests' bound.
    c: f64,
    /// The terms of the longest sum.
    terms: usize,
    /// Results that are rounded to bf16 on the way, where activations are bf16.
    roundings: u32,
}

/// What an operation returned.
#[derive(Debug)]
pub(super) enum Found {
    Tensor(Tensor),
    Scalar(Scalar),
}

impl From<Tensor> for Found {
    fn from(tensor: Tensor) -> Found {
        Found::Tensor(tensor)
    }
}

impl Outcome {
    /// Returns a result, within c · ε · √terms of its largest number, and the results that are rounded to bf16 on the way.
    pub(super) fn new(
        what: &'static str,
        values: impl Into<Found>,
        (c, terms): (f64, usize),
        roundings: u32,
    ) -> Outcome {
        Outcome { what, values: values.into(), c, terms: terms.max(1), roundings }
    }
}

/// An operation with its inputs on a device. Each call computes it once more.
pub type Run = Box<dyn Fn() -> Vec<Outcome>>;

/// An operation that is tried.
#[derive(Clone, Copy)]
pub struct Trial {
    /// The operation's name.
    pub name: &'static str,
    pub(super) prepare: fn(Place<'_>, &Size) -> Result<Run, Error>,
}

/// Why a device is not used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A result differs from the processor's.
    #[error("{trial} in {precision:?}: {what} is off by {apart:.1e}, and rounding explains {allowed:.1e}")]
    Differs {
        /// The operation.
        trial: &'static str,
        /// The precision.
        precision: Precision,
        /// The result.
        what: &'static str,
        /// The largest difference.
        apart: f64,
        /// The difference that is allowed.
        allowed: f64,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] Error),
}

/// Half the distance of 1 from the next larger bf16.
const BF16_ROUNDING: f64 = 1.0 / 256.0;

impl Trial {
    /// Puts the inputs of the operation on a device.
    ///
    /// # Errors
    /// A device without enough memory.
    pub fn prepare(&self, device: &Device, size: &Size, precision: Precision) -> Result<Run, Error> {
        (self.prepare)(Place { device, precision }, size)
    }

    /// Holds the results of a device against the processor's.
    ///
    /// # Errors
    /// A result that differs by more than rounding explains; an error of the device.
    pub fn check(&self, device: &Device, size: &Size, precision: Precision) -> Result<(), Failure> {
        let read = |outcome: &Outcome| match &outcome.values {
            Found::Tensor(tensor) => tensor.to_vec(),
            Found::Scalar(scalar) => scalar.read().map(|number| vec![number as f32]),
        };
        let theirs = self.prepare(device, size, precision)?();
        let ours = self.prepare(&Device::Processor, size, precision)?();
        assert_eq!(theirs.len(), ours.len(), "{}: a device has other results", self.name);
        for (theirs, ours) in theirs.iter().zip(&ours) {
            let (got, want) = (read(theirs).map_err(Error::from)?, wide(&read(ours).map_err(Error::from)?));
            let rounded = if precision == Precision::Bf16 { f64::from(ours.roundings) * BF16_ROUNDING } else { 0.0 };
            let largest = want.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            let allowed = tolerance(2.0 * ours.c, ours.terms, &want) + rounded * largest;
            let apart = distance(&got, &want);
            // A distance that is not a number is infinite.
            if apart > allowed {
                return Err(Failure::Differs { trial: self.name, precision, what: ours.what, apart, allowed });
            }
        }
        Ok(())
    }
}
