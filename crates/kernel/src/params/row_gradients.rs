//! Gradients of a table of which a batch reads few rows.

use crate::cpu::add::add;
use crate::memory::tensor::Tensor;

/// Gradient of a table of which few rows were read; only those rows have one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowGradients {
    /// Table rows that have a gradient, in ascending order.
    pub rows: Vec<u32>,
    /// Gradients of `rows`, one after the other.
    pub values: Vec<f32>,
}

impl RowGradients {
    /// Adds `dy[r]` to row `index[r]`, in order of r. Row `fixed` gets no gradient.
    pub fn accumulate(&mut self, index: &[u32], dy: &Tensor, fixed: Option<u32>) {
        let width = dy.columns();
        let learns = |entry: &&u32| Some(**entry) != fixed;
        let mut rows: Vec<u32> = self.rows.iter().chain(index.iter().filter(learns)).copied().collect();
        rows.sort_unstable();
        rows.dedup();
        if self.rows.is_empty() {
            // The memory of the step before is used again.
            self.values.clear();
            self.values.resize(rows.len() * width, 0.0);
            self.rows = rows;
        } else if rows.len() > self.rows.len() {
            let mut values = vec![0f32; rows.len() * width];
            for (row, old) in self.rows.iter().zip(self.values.chunks_exact(width)) {
                let at = rows.binary_search(row).expect("the union holds every old row");
                values[at * width..][..width].copy_from_slice(old);
            }
            (self.rows, self.values) = (rows, values);
        }
        for (r, entry) in index.iter().enumerate().filter(|(_, entry)| learns(entry)) {
            let at = self.rows.binary_search(entry).expect("the union holds every new row");
            add(dy.row(r), &mut self.values[at * width..][..width]);
        }
    }

    /// Replaces the gradient by a sum of several, in their order; each is given as rows and their values.
    pub fn set_sum(&mut self, width: usize, parts: &[(Vec<u32>, Vec<f32>)]) {
        self.rows = parts.iter().flat_map(|(rows, _)| rows).copied().collect();
        self.rows.sort_unstable();
        self.rows.dedup();
        self.values.clear();
        self.values.resize(self.rows.len() * width, 0.0);
        for (rows, values) in parts {
            assert_eq!(values.len(), rows.len() * width, "embedding: rows of another width");
            for (row, values) in rows.iter().zip(values.chunks_exact(width)) {
                let at = self.rows.binary_search(row).expect("the union holds every row");
                add(values, &mut self.values[at * width..][..width]);
            }
        }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.values.clear();
    }
}
