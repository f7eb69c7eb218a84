//! What an encoder reads: rows of integers and sentence boundaries, never padding.

/// R rows (one a piece) of one or more sequences.
///
/// ```
/// use tagsmith_encoder::batch::Batch;
///
/// let mut batch = Batch::default();
/// batch.push(&[2, 7, 3], &[0, 0, 0], &[-100, 1, -100]);
/// batch.push(&[2, 8, 9, 3], &[0, 0, 0, 0], &[-100, 0, 0, -100]);
/// assert_eq!((batch.rows(), batch.counted()), (7, 3));
/// assert_eq!(batch.starts, [0, 3, 7]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Token ids (R).
    pub ids: Vec<u32>,
    /// Token type ids (R).
    pub types: Vec<u32>,
    /// Where each sequence begins, and R at the end: sequences + 1 numbers.
    pub starts: Vec<u32>,
    /// One label a row; empty where there are none. A negative label is not counted, as in the loss
    /// (`kernel/op/label_loss.rs`).
    pub labels: Vec<i32>,
    /// A teacher's scores of the rows with a counted label, K a row; empty without a teacher.
    pub teacher: Vec<f32>,
}

impl Batch {
    /// Adds one sequence; `labels` is empty or as long as `ids`.
    pub fn push(&mut self, ids: &[u32], types: &[u32], labels: &[i32]) {
        assert_eq!(ids.len(), types.len(), "batch: {} ids, {} types", ids.len(), types.len());
        assert!(labels.is_empty() || labels.len() == ids.len(), "batch: {} ids, {} labels", ids.len(), labels.len());
        if self.starts.is_empty() {
            self.starts.push(0);
        }
        self.ids.extend_from_slice(ids);
        self.types.extend_from_slice(types);
        self.labels.extend_from_slice(labels);
        self.starts.push(self.ids.len() as u32);
    }

    /// R, the number of rows.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// How many labels are counted.
    pub fn counted(&self) -> usize {
        self.labels.iter().filter(|&&label| label >= 0).count()
    }
}

/// Groups sequences of these lengths, the longest first, so that no group has more than `tokens_max` rows unless it
/// is a single sequence. Returns their indices.
pub fn by_tokens(lengths: &[usize], tokens_max: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(lengths[at]));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut rows = 0;
    for at in order {
        match groups.last_mut() {
            Some(group) if rows + lengths[at] <= tokens_max => {
                rows += lengths[at];
                group.push(at);
            }
            _ => {
                rows = lengths[at];
                groups.push(vec![at]);
            }
        }
    }
    groups
}

/// Computes something of every sequence, group by group as [`by_tokens`] makes them. Returns it in the sequences' order.
///
/// # Errors
/// What `compute` cannot compute. It is given the indices of a group.
///
/// # Panics
/// If it returns another number of results.
pub fn each_by_tokens<T, E>(
    lengths: &[usize],
    tokens_max: usize,
    mut compute: impl FnMut(&[usize]) -> Result<Vec<T>, E>,
) -> Result<Vec<T>, E> {
    let mut all: Vec<Option<T>> = lengths.iter().map(|_| None).collect();
    for group in by_tokens(lengths, tokens_max) {
        let computed = compute(&group)?;
        assert_eq!(computed.len(), group.len(), "batch: a result a sequence");
        group.iter().zip(computed).for_each(|(&at, result)| all[at] = Some(result));
    }
    Ok(all.into_iter().map(|result| result.expect("a sequence is in a group")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_sequences() {
        let lengths = [3, 9, 1, 3, 20];
        let same = each_by_tokens(&lengths, 9, |group| Ok::<_, ()>(group.iter().map(|&at| lengths[at]).collect()));
        assert_eq!(same, Ok(lengths.to_vec()));
        assert_eq!(each_by_tokens(&lengths, 9, |_| Err::<Vec<()>, _>("no")), Err("no"));
    }

    #[test]
    fn groups_are_sorted_and_bounded() {
        assert_eq!(by_tokens(&[3, 9, 1, 3, 20], 9), [vec![4], vec![1], vec![0, 3, 2]]);
        assert_eq!(by_tokens(&[], 9), Vec::<Vec<usize>>::new());
        // Equal lengths keep their order.
        assert_eq!(by_tokens(&[2, 2, 2], 4), [vec![0, 1], vec![2]]);
    }
}
