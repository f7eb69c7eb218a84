//! AdamW on a GPU: one launch for all parts of one rate.

use crate::memory::values::{View, ViewMut};
use tagsmith_device::gpu::{Gpu, Room};
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

/// Where parts lie, cut into chunks on a GPU. No number of an update is among them.
#[derive(Debug)]
pub struct Chunks {
    parts: Vec<learning::Part>,
    room: Room,
}

impl Chunks {
    fn new(gpu: &Gpu, parts: Vec<learning::Part>) -> Chunks {
        let bytes = AdamW::chunks(&parts);
        let room = gpu.room(bytes.len() as u64);
        room.upload(0, &bytes);
        Chunks { parts, room }
    }
}

/// Updates all parts in place. None is empty. `kept` are the chunks of the last update; those of other parts are replaced.
pub fn update(gpu: &Gpu, parts: &[Part], factor: View, kept: &mut Option<Chunks>) {
    let Some(first) = parts.first() else { return };
    // The kernel numbers parameters, gradients and moments from the first part's on.
    let [p, g, m, v] = first.addresses();
    let numbered: Vec<learning::Part> = parts
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
    let kept = match kept {
        Some(kept) if kept.parts == numbered && kept.room.gpu().is(gpu) => kept,
        _ => kept.insert(Chunks::new(gpu, numbered)),
    };
    let mut chunks = kept.room.address();
    let mut rest = &kept.parts[..];
    for of_one_rate in parts.chunk_by(|a, b| a.rates.rate.to_bits() == b.rates.rate.to_bits()) {
        let (now, later) = rest.split_at(of_one_rate.len());
        let adamw = AdamW {
            parameters: p,
            gradients: g,
            first_moments: m,
            second_moments: v,
            twins: first.parameters.rounded_address(),
            chunks,
            count: now.iter().map(learning::Part::chunks).sum(),
            elements: now.iter().map(|part| part.count).sum(),
            scale: factor.address(),
            rates: of_one_rate[0].rates,
        };
        gpu.launch(&adamw.launch());
        chunks += adamw.count as u64 * AdamW::CHUNK;
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
