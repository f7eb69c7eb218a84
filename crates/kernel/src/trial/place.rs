//! Where a trial computes, and its inputs there.

use crate::Precision;
use crate::check::random;
use crate::cpu::simd::bf16_bits;
use crate::device::Device;
use crate::error::Error;
use crate::memory::tensor::Tensor;
use crate::memory::values::View;
use crate::params::{Params, Slot, SlotId};
use tagsmith_device::multiply::Element;

/// A device, and the precision of activations there. The processor's activations are f32 always.
#[derive(Clone, Copy)]
pub(super) struct Place<'d> {
    pub device: &'d Device,
    pub precision: Precision,
}

/// Parameters, one after the other.
pub(super) struct Parameters(Params);

impl Parameters {
    /// Returns a parameter.
    pub fn get(&self, number: usize) -> View<'_> {
        self.0.get(SlotId(number))
    }
}

impl Place<'_> {
    /// Returns random activations in ±`scale`, a function of the seed. In bf16 they are rounded on the processor too.
    pub fn tensor(self, seed: u64, rows: usize, columns: usize, scale: f32) -> Tensor {
        let values = self.values(seed, rows * columns, scale);
        match (self.device, self.precision) {
            (Device::Gpu(gpu), Precision::Bf16) => {
                let mut tensor = Tensor::unfilled_on(gpu, Element::Bf16, rows, columns);
                tensor.view_mut().copy_from(View::Host(&values));
                tensor
            }
            _ => Tensor::on(self.device, rows, columns, &values),
        }
    }

    /// Returns random parameters of these lengths, with bf16 beside them on a GPU that computes in bf16.
    ///
    /// # Errors
    /// A device without enough memory.
    pub fn parameters(self, seed: u64, lengths: &[usize], scale: f32) -> Result<Parameters, Error> {
        let mut offset = 0;
        let slot = |&len: &usize| {
            let slot = Slot::dense("a parameter", &[len], offset);
            offset += len;
            slot
        };
        let mut params = Params::zeros(lengths.iter().map(slot).collect());
        for (number, &len) in lengths.iter().enumerate() {
            params.get_mut(SlotId(number)).copy_from_slice(&self.values(seed + number as u64, len, scale));
        }
        Ok(Parameters(params.to(self.device, self.precision)?))
    }

    /// Returns room for the gradient of a parameter, with numbers in it.
    pub fn gradient(self, seed: u64, len: usize) -> Tensor {
        Tensor::on(self.device, 1, len, &self.values(seed, len, 1.0))
    }

    /// Returns room for second moments, with numbers from 0 to 1 in it.
    pub fn squares(self, seed: u64, len: usize) -> Tensor {
        let squares: Vec<f32> = self.values(seed, len, 1.0).iter().map(|value| value * value).collect();
        Tensor::on(self.device, 1, len, &squares)
    }

    /// Returns random numbers; in bf16, such as bf16 has.
    fn values(self, seed: u64, len: usize, scale: f32) -> Vec<f32> {
        let mut values = random(seed, len, scale);
        if self.precision == Precision::Bf16 {
            values.iter_mut().for_each(|value| *value = f32::from_bits(bf16_bits(*value) << 16));
        }
        values
    }
}
