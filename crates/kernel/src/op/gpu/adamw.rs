//! AdamW on a GPU: one launch for all parts of one rate.

use crate::memory::values::{View, ViewMut};
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::learning::{self, AdamW, Rates};
use tagsmith_device::multiply::Element;

/// A parameter and everything that updates it.
pub struct Part<'a> {
    pub rates: Rates,
    pub decay: f64,
    pub parameters: &'a ViewMut<'a>,
    pub gradients: View<'a>,
    pub first_moments: &'a ViewMut<'a>,
    pub second_moments: &'a ViewMut<'a>,
}

/// Updates all parts in place. None is empty.
pub fn update(gpu: &Gpu, parts: &[Part], factor: View) {
    let (Some(first), mut rest) = (parts.first(), parts) else { return };
    // The kernel numbers parameters, gradients and moments from the first part's on.
    let [p, g, m, v] = first.addresses();
    while let Some(next) = rest.first() {
        let same_rate = |part: &&Part| part.rates.rate.to_bits() == next.rates.rate.to_bits();
        let (now, later) = rest.split_at(rest.iter().take_while(same_rate).count());
        let chunks: Vec<learning::Part> = now
            .iter()
            .map(|part| {
                let [parameter, gradient, moment, second] = part.addresses();
                let number = |address: u64, base: u64| ((address - base) / Element::F32.bytes()) as usize;
                assert_eq!(number(gradient, g), number(parameter, p), "adamw: gradients lie as parameters do");
                assert_eq!(number(second, v), number(moment, m), "adamw: second moments lie as first ones do");
                learning::Part {
                    parameter: number(parameter, p),
                    moment: number(moment, m),
                    count: part.gradients.len(),
                    decay: part.decay,
                }
            })
            .collect();
        let bytes = AdamW::chunks(&chunks, next.rates.rate);
        let table = gpu.room(bytes.len() as u64);
        table.upload(0, &bytes);
        let adamw = AdamW {
            parameters: p,
            gradients: g,
            first_moments: m,
            second_moments: v,
            twins: first.parameters.rounded_address(),
            chunks: table.address(),
            count: bytes.len() / AdamW::CHUNK,
            scale: factor.address(),
            rates: next.rates,
        };
        gpu.launch(&adamw.launch());
        rest = later;
    }
}

impl Part<'_> {
    /// Returns where parameters, gradients, first and second moments begin.
    fn addresses(&self) -> [u64; 4] {
        let [p, m, v] = [self.parameters, self.first_moments, self.second_moments].map(ViewMut::address);
        [p, self.gradients.address(), m, v]
    }
}
