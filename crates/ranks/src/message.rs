//! Floats that travel between ranks.

/// Floats that travel while something else is computed. Two ranks name the messages between them in the same order, with
/// the same numbers of floats.
#[derive(Debug)]
pub enum Message<'a> {
    /// Floats that go to each of these ranks.
    To(Vec<usize>, &'a [f32]),
    /// Floats that come from this rank.
    From(usize, &'a mut [f32]),
}
