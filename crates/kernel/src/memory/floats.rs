//! Memory for numbers, laid out so that the processor reads it at full speed.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Floats in a cache line.
pub(crate) const LINE: usize = 16;

/// Bytes from which on memory begins at a large page's boundary, and the system is asked for large pages. Walking through
/// a model in pages of 4 KB spends its time in looking up addresses.
const LARGE: usize = 2 << 20;

/// Number of times that the system was asked for memory.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Returns how many buffers this process has asked the system for.
pub fn taken() -> usize {
    TAKEN.load(Ordering::Relaxed)
}

/// A fixed number of floats that begin at a cache line.
pub struct Floats {
    at: NonNull<f32>,
    len: usize,
    /// The memory that the allocator gave; `at` is the first boundary in it.
    block: NonNull<u8>,
}

// SAFETY: it owns its memory, as a `Box<[f32]>` does.
unsafe impl Send for Floats {}
// SAFETY: as above.
unsafe impl Sync for Floats {}

impl Floats {
    /// Makes `len` zeros. The pages of a large buffer come from the system, zeroed, when a thread first touches them.
    pub fn zeros(len: usize) -> Floats {
        if len == 0 {
            return Floats { at: NonNull::dangling(), len, block: NonNull::dangling() };
        }
        TAKEN.fetch_add(1, Ordering::Relaxed);
        let (layout, boundary) = Floats::layout(len);
        // SAFETY: the layout is not empty, and has room for `len` floats from the first boundary on.
        unsafe {
            let Some(block) = NonNull::new(alloc_zeroed(layout)) else { handle_alloc_error(layout) };
            let at = block.add(block.align_offset(boundary));
            if boundary == LARGE {
                ask_for_large_pages(at.as_ptr(), len * size_of::<f32>());
            }
            Floats { at: at.cast(), len, block }
        }
    }

    /// Returns where the floats begin, for parts that are borrowed one by one.
    pub(crate) fn pointer(&mut self) -> *mut f32 {
        self.at.as_ptr()
    }

    /// Returns the memory to ask for, and the boundary at which the floats begin in it. The alignment is not part of the
    /// request, because the allocator zeroes memory of unusual alignment by writing to it.
    fn layout(len: usize) -> (Layout, usize) {
        let bytes = len * size_of::<f32>();
        let boundary = if bytes >= LARGE { LARGE } else { LINE * size_of::<f32>() };
        (Layout::from_size_align(bytes + boundary, align_of::<f32>()).expect("no buffer is that large"), boundary)
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: allocated in `zeros` with this layout.
            unsafe { dealloc(self.block.as_ptr(), Floats::layout(self.len).0) }
        }
    }
}

impl Deref for Floats {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` floats were written there; a dangling pointer is aligned and `len` is 0.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl DerefMut for Floats {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.at.as_ptr(), self.len) }
    }
}

impl Clone for Floats {
    fn clone(&self) -> Floats {
        let mut copy = Floats::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl std::fmt::Debug for Floats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} floats", self.len)
    }
}

/// Asks the system for large pages. Results do not depend on whether it grants them.
#[cfg(target_os = "linux")]
fn ask_for_large_pages(at: *mut u8, bytes: usize) {
    unsafe extern "C" {
        fn madvise(at: *mut u8, bytes: usize, advice: i32) -> i32;
    }
    const MADV_HUGEPAGE: i32 = 14;
    // SAFETY: the memory is ours, and the advice changes none of its contents. A refusal does no harm.
    unsafe { madvise(at, bytes, MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_large_pages(_: *mut u8, _: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_zero_aligned_and_their_own() {
        for len in [0, 1, 17, LARGE / 4 - 1, LARGE / 4, LARGE / 4 + 5] {
            let mut one = Floats::zeros(len);
            assert!(one.len() == len && one.iter().all(|&x| x == 0.0), "{len}");
            assert!(len == 0 || one.as_ptr().addr().is_multiple_of(64), "{len}");
            one.fill(2.0);
            let two = one.clone();
            one.fill(1.0);
            assert!(two.iter().all(|&x| x == 2.0), "{len}");
        }
    }
}
