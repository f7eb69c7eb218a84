//! Sums that agree with numpy's to the last bit.

/// A sum in numpy's order, so that averages agree with seqeval's to the last bit: eight running sums within a block of
/// 128, halves above it.
pub(crate) fn sum(values: &[f64]) -> f64 {
    match values.len() {
        0..8 => values.iter().sum(),
        8..=128 => {
            let (eights, rest) = values.as_chunks::<8>();
            let mut sums = [0.0; 8];
            for eight in eights {
                for (sum, value) in sums.iter_mut().zip(eight) {
                    *sum += value;
                }
            }
            let [a, b, c, d, e, f, g, h] = sums;
            rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, value| sum + value)
        }
        length => {
            let half = length / 2;
            let (left, right) = values.split_at(half - half % 8);
            sum(left) + sum(right)
        }
    }
}
