//! What all ranks have in common, or the run ends; and how long they wait for each other.

use crate::checkpoint::state::Record;
use crate::error::Error;
use serde_json::json;
use tagsmith_kernel::params::{Grads, Params, SlotId};
use tagsmith_ranks::World;

/// All ranks have the same weights after update `step`, and the same inputs: numbers of them, asked for where there is
/// somebody to compare with.
///
/// # Errors
/// The first rank that differs from rank 0, which every rank finds; weights that cannot be read.
pub fn compare(
    world: &World,
    step: u64,
    weights: impl FnOnce() -> Result<u64, Error>,
    inputs: impl FnOnce() -> u64,
) -> Result<(), Error> {
    if world.size() == 1 {
        return Ok(());
    }
    let mine = [weights()?, inputs()].map(u64::to_le_bytes).concat();
    let all = world.gather(&mine);
    match all.iter().position(|other| *other != all[0]) {
        Some(rank) => Err(Error::Apart { step, rank, inputs: all[rank][8..] != all[0][8..] }),
        None => Ok(()),
    }
}

/// Seconds that a rank waits for others in a step, of all of them: the mean, and that of the rank that waits most. One
/// rank waits for nobody, and its record says nothing.
pub fn waits(world: &World, mine: f64) -> Record {
    let mut record = Record::new();
    if world.size() > 1 {
        let waits = world.gather_numbers(&[mine]).concat();
        record.insert("wait_per_step".to_owned(), json!(waits.iter().sum::<f64>() / waits.len() as f64));
        record.insert("wait_per_step_max".to_owned(), json!(waits.iter().copied().fold(0.0, f64::max)));
    }
    record
}

/// The first rank's numbers, on every rank.
pub fn told(world: &World, numbers: &[u64]) -> Vec<u64> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    world.gather(&bytes)[0].chunks_exact(8).map(number).collect()
}

/// A number of the weights' bits, but for those rows of tables that the last step's gradients did not change. Ranks that
/// have the same weights have the same number.
///
/// # Errors
/// The first error of the device that the weights lie on.
pub fn checksum(params: &Params, grads: &Grads) -> Result<u64, tagsmith_kernel::Error> {
    let mut sum = 0u64;
    let mut add = |values: &[f32]| {
        // Odd factors that differ from place to place: neither a changed nor a misplaced number goes unseen.
        for (at, value) in values.iter().enumerate() {
            sum = sum.wrapping_add(u64::from(value.to_bits()).wrapping_mul(2 * at as u64 + 1));
        }
        sum = sum.rotate_left(7);
    };
    for id in (0..params.slots.len()).map(SlotId) {
        match grads.sparse(id) {
            Some(rows) => rows.rows.iter().for_each(|&row| add(params.table(id).row(row as usize))),
            None if params.is_table(id) => {}
            None => add(&params.get(id).read()?),
        }
    }
    Ok(sum)
}

/// A number of what all ranks must have in common: these parts, in this order.
pub fn fingerprint(parts: impl Iterator<Item = Vec<u8>>) -> u64 {
    let (mut checksum, mut count) = (flate2::Crc::new(), 0);
    for part in parts {
        checksum.update(&part);
        count += 1;
    }
    u64::from(checksum.sum()) << 32 | count
}

#[cfg(test)]
mod tests {
    use super::*;
    use tagsmith_kernel::params::Slot;

    #[test]
    fn a_checksum_sees_each_number_and_its_place() {
        let mut params = Params::zeros(vec![Slot::dense("a", &[3], 0), Slot::dense("b", &[2], 3)]);
        let grads = Grads::new(&params);
        let mut seen = vec![checksum(&params, &grads).expect("they are here")];
        let changes: [(usize, &[f32]); 6] = [
            (0, &[1.0, 2.0, 3.0]),
            (0, &[2.0, 1.0, 3.0]),
            (0, &[1.0, 2.0, f32::from_bits(3f32.to_bits() + 1)]),
            (0, &[0.0, 0.0, -0.0]),
            (1, &[1.0, 2.0]),
            (1, &[2.0, 1.0]),
        ];
        for (slot, values) in changes {
            params.get_mut(SlotId(slot)).copy_from_slice(values);
            seen.push(checksum(&params, &grads).expect("they are here"));
        }
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn a_fingerprint_sees_parts_and_their_order() {
        let of = |parts: &[&str]| fingerprint(parts.iter().map(|part| part.as_bytes().to_vec()));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        for other in [&["b", "a"][..], &["a"], &["ab"], &["a", "b", ""]] {
            assert_ne!(of(&["a", "b"]), of(other), "{other:?}");
        }
    }

    #[test]
    fn one_rank_agrees_with_itself() {
        let world = World::alone();
        assert!(compare(&world, 3, || unreachable!("nobody to compare with"), || 0).is_ok());
        assert!(waits(&world, 1.0).is_empty());
        assert_eq!(told(&world, &[7, 1 << 60]), [7, 1 << 60]);
    }
}
