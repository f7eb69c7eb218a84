//! Work split over the thread pool, so that no result depends on how many threads there are.

use rayon::prelude::*;

/// Calls `work(i)` for each i below `count`, in any order, on all threads.
pub(crate) fn for_each(count: usize, work: impl Fn(usize) + Sync + Send) {
    if count <= 1 || rayon::current_num_threads() == 1 {
        (0..count).for_each(work);
    } else {
        (0..count).into_par_iter().with_max_len(1).for_each(work);
    }
}

/// A pointer that threads may share because each writes its own part.
#[derive(Clone, Copy)]
pub(crate) struct Shared<T>(*mut T);

// SAFETY: whoever calls `Shared::slice` promises disjoint parts.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) fn new(slice: &mut [T]) -> Self {
        Shared(slice.as_mut_ptr())
    }

    /// # Safety
    /// `start..start + len` lies in the slice this was made from, and no other thread touches it.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }

    pub(crate) fn pointer(&self) -> *mut T {
        self.0
    }
}

/// Calls `work(first_row, rows)` on consecutive blocks of `block` rows of a row-major matrix with `width` columns.
pub(crate) fn for_each_block(
    data: &mut [f32],
    width: usize,
    block: usize,
    work: impl Fn(usize, &mut [f32]) + Sync + Send,
) {
    let rows = data.len() / width;
    let shared = Shared::new(data);
    for_each(rows.div_ceil(block), |b| {
        let first = b * block;
        let count = block.min(rows - first);
        // SAFETY: blocks of rows are disjoint and inside `data`.
        work(first, unsafe { shared.slice(first * width, count * width) });
    });
}
