//! New weights, drawn from a seed.

use tagsmith_kernel::params::{Params, SlotId};
use tagsmith_kernel::random::stream::Stream;
use tagsmith_weights::origin::drawn_table;

/// The most draws of one number. With a cutoff of one deviation, 64 draws all miss once in 10³¹ numbers.
const MAX_DRAWS: usize = 64;

/// Draws one parameter as a function of `seed` and of the parameter's number: weights normal, biases 0, gains 1. No
/// weight is larger than `cutoff` times `deviation`.
pub fn draw(params: &mut Params, id: SlotId, seed: u64, deviation: f32, cutoff: f32) {
    let slot = params.slots[id.0].clone();
    let stream = Stream::new(seed).child(id.0 as u64);
    let columns = slot.shape[slot.shape.len() - 1];
    if slot.sparse {
        *params.table_mut(id) = drawn_table(stream, deviation, slot.shape[0], columns);
        return;
    }
    let values = params.get_mut(id);
    match (slot.shape.len(), slot.name.ends_with("bias")) {
        (_, true) => values.fill(0.0),
        (1, false) => values.fill(1.0),
        _ => {
            for (i, value) in values.iter_mut().enumerate() {
                // A number beyond the cutoff is drawn again.
                let mut draws = (0..MAX_DRAWS as u64).map(|draw| match draw {
                    0 => stream.normal(i / columns, i % columns),
                    _ => stream.child(draw).normal(i / columns, i % columns),
                });
                let normal = draws.find(|normal| normal.abs() <= cutoff);
                *value = deviation * normal.unwrap_or(0.0);
            }
        }
    }
}
