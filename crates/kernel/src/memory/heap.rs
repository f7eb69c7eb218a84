//! The system's memory for a whole program, and what happens when the system gives none.
//!
//! Rust ends a process that gets no memory with an abort, which looks like a mistake of the program. A program that makes
//! [`Heap`] its global allocator ends by a function of its own instead.

#[cfg(target_env = "musl")]
use mimalloc::MiMalloc as System;
#[cfg(not(target_env = "musl"))]
use std::alloc::System;
use std::alloc::{GlobalAlloc, Layout};

/// The system's allocator. Where the system gives no memory, a function ends the process.
///
/// The allocator of musl has one lock for all threads, so that a static program has mimalloc instead.
///
/// Requests that could be answered with an error (`try_reserve`) end the process too: an allocator cannot tell them from
/// others.
///
/// ```
/// use tagsmith_kernel::memory::heap::Heap;
///
/// #[global_allocator]
/// static HEAP: Heap = Heap::new(|bytes| {
///     eprintln!("{bytes} bytes are not to be had");
///     std::process::exit(2)
/// });
///
/// fn main() {
///     assert_eq!(vec![1u8; 10].len(), 10);
/// }
/// ```
pub struct Heap {
    refused: fn(usize) -> !,
}

impl Heap {
    /// Returns the allocator. `refused` is given the number of bytes that were asked for. It should take no memory. If it
    /// panics, the process ends with an abort.
    pub const fn new(refused: fn(usize) -> !) -> Heap {
        Heap { refused }
    }

    /// Returns the block, or ends the process where there is none.
    fn given(&self, block: *mut u8, bytes: usize) -> *mut u8 {
        if block.is_null() {
            end(self, bytes);
        }
        block
    }
}

/// Ends the process. An allocator must not unwind, and no panic leaves a function of C.
#[cold]
extern "C" fn end(heap: &Heap, bytes: usize) -> ! {
    (heap.refused)(bytes)
}

// SAFETY: every call is the system's allocator's, with the caller's layout; nothing unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        self.given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; every block is the system's.
        self.given(unsafe { System.realloc(block, layout, size) }, size)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}
