//! Work split over a pool of threads. No result depends on how many there are.
//!
//! A training step is some two hundred parallel regions of a few microseconds to a millisecond. The pool's threads
//! therefore spin for a moment before they sleep. The caller waits only for threads that took part, so that a thread
//! which the system does not run delays nobody.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, TryLockError};

/// Number of times that a waiting thread looks before it sleeps: some 50 µs.
const LOOKS: u32 = 4_000;

/// The closure of a region, with its type taken away, and how far it is.
#[derive(Clone, Copy)]
struct Region {
    call: unsafe fn(*const (), usize),
    work: *const (),
    next: *const AtomicUsize,
    count: usize,
}

impl Region {
    /// Runs what is left of the region.
    ///
    /// # Safety
    /// The closure and the counter are alive.
    unsafe fn run(self) {
        // SAFETY: the caller's promise.
        unsafe {
            let next = &*self.next;
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= self.count {
                    return;
                }
                (self.call)(self.work, i);
            }
        }
    }
}

/// Bit of the state that says that more workers may come in. The lower 16 bits count the workers inside the region, and
/// this bit and those above it number the regions.
const OPEN: u64 = 1 << 16;

struct Pool {
    /// Held by the thread that runs a region: one at a time.
    turn: Mutex<()>,
    /// Number of threads that may work, the caller among them; 0 before anybody asked.
    threads: AtomicUsize,
    spawned: AtomicUsize,
    state: AtomicU64,
    region: UnsafeCell<Option<Region>>,
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    wake: Condvar,
    /// Number of threads to begin with; 0 for as many as the system lets this process use.
    wanted: usize,
}

// SAFETY: `region` is written by the holder of `turn` while no worker is inside, and read by workers inside.
unsafe impl Sync for Pool {}

impl Pool {
    const fn new(wanted: usize) -> Pool {
        Pool {
            turn: Mutex::new(()),
            threads: AtomicUsize::new(0),
            spawned: AtomicUsize::new(0),
            state: AtomicU64::new(0),
            region: UnsafeCell::new(None),
            panicked: Mutex::new(None),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            wake: Condvar::new(),
            wanted,
        }
    }
}

static FIRST: Pool = Pool::new(0);

/// The pool in use. The workers of a pool that was in use before a fork are not in the child.
static POOL: AtomicPtr<Pool> = AtomicPtr::new((&raw const FIRST).cast_mut());

fn pool() -> &'static Pool {
    // SAFETY: it points to a pool that lives as long as the process, and pools are only shared.
    unsafe { &*POOL.load(Ordering::Acquire) }
}

/// Returns how many threads compute: what [`set_threads`] said, or as many as the system lets this process use.
pub fn threads() -> usize {
    let pool = pool();
    match (pool.threads.load(Ordering::Relaxed), pool.wanted) {
        (0, wanted) => {
            let all = || std::thread::available_parallelism().map_or(1, usize::from);
            let threads = if wanted == 0 { all() } else { wanted };
            set_threads(threads).map_or_else(|refused| refused.given, |()| threads)
        }
        (threads, _) => threads,
    }
}

/// Forgets the pool's threads. The child of a fork calls this, for it has no thread but the one that forked. As many as there
/// were begin again when they are needed. Nothing may be computing.
pub fn forget_threads() {
    let wanted = pool().threads.load(Ordering::Relaxed);
    POOL.store(Box::leak(Box::new(Pool::new(wanted))), Ordering::Release);
}

/// The system's refusal of a thread. Those that it has given compute.
#[derive(Debug)]
pub struct ThreadRefused {
    /// Threads that compute, the calling one among them.
    pub given: usize,
    /// The system's reason.
    pub reason: std::io::Error,
}

impl std::fmt::Display for ThreadRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the system refuses thread {}", self.given + 1)
    }
}

impl std::error::Error for ThreadRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

/// Makes `threads` threads compute, the calling one among them. No result depends on their number.
///
/// # Errors
/// The system refuses a thread. As many as it has given compute then.
///
/// # Panics
/// If `threads` is 0.
pub fn set_threads(threads: usize) -> Result<(), ThreadRefused> {
    assert!(threads > 0, "threads: at least the calling one computes");
    let pool = pool();
    let _turn = pool.turn.lock().unwrap_or_else(PoisonError::into_inner);
    for number in pool.spawned.load(Ordering::Relaxed)..threads - 1 {
        let name = format!("kernel {}", number + 1);
        if let Err(reason) = std::thread::Builder::new().name(name).spawn(move || worker(pool, number)) {
            pool.threads.store(number + 1, Ordering::Relaxed);
            return Err(ThreadRefused { given: number + 1, reason });
        }
        pool.spawned.store(number + 1, Ordering::Relaxed);
    }
    pool.threads.store(threads, Ordering::Relaxed);
    Ok(())
}

fn worker(pool: &Pool, number: usize) -> ! {
    let mut seen = 0;
    loop {
        let state = await_region(pool, number, seen);
        if pool.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            continue;
        }
        seen = state / OPEN;
        // SAFETY: while this thread counts as inside, the caller keeps the region as it is.
        let region = unsafe { *pool.region.get() }.expect("an open region is there");
        // SAFETY: the caller returns only when nobody is inside.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| unsafe { region.run() })) {
            *pool.panicked.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
        }
        pool.state.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Waits for an open region that is not the one already worked on.
fn await_region(pool: &Pool, number: usize, seen: u64) -> u64 {
    let ready = || {
        let state = pool.state.load(Ordering::SeqCst);
        (state & OPEN != 0 && state / OPEN != seen && number + 1 < pool.threads.load(Ordering::Relaxed))
            .then_some(state)
    };
    for _ in 0..LOOKS {
        if let Some(state) = ready() {
            return state;
        }
        std::hint::spin_loop();
    }
    let mut bed = pool.bed.lock().unwrap_or_else(PoisonError::into_inner);
    pool.sleepers.fetch_add(1, Ordering::SeqCst);
    loop {
        if let Some(state) = ready() {
            pool.sleepers.fetch_sub(1, Ordering::SeqCst);
            return state;
        }
        bed = pool.wake.wait(bed).unwrap_or_else(PoisonError::into_inner);
    }
}

thread_local! {
    static BETWEEN_REGIONS: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Makes the calling thread call `hook` after each of its parallel regions; `None` ends that. A step has some hundred
/// regions, so that a caller can look after something else meanwhile without taking the computation apart.
pub fn set_between_regions_hook(hook: Option<fn()>) {
    BETWEEN_REGIONS.set(hook);
}

/// Calls `work(i)` for each i below `count`, in any order, on all threads. The calling thread works alone inside another
/// region, or while another thread runs one.
pub(crate) fn for_each<F: Fn(usize) + Sync>(count: usize, work: F) {
    region(count, work);
    if let Some(hook) = BETWEEN_REGIONS.get() {
        hook();
    }
}

fn region<F: Fn(usize) + Sync>(count: usize, work: F) {
    if count <= 1 || threads() == 1 {
        return (0..count).for_each(work);
    }
    let pool = pool();
    let turn = match pool.turn.try_lock() {
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
        Ok(turn) => Some(turn),
    };
    let Some(_turn) = turn else {
        return (0..count).for_each(work);
    };
    unsafe fn call<F: Fn(usize)>(work: *const (), i: usize) {
        // SAFETY: `work` is the `F` that `for_each` holds until the region is closed and empty.
        unsafe { (*work.cast::<F>())(i) }
    }
    let next = AtomicUsize::new(0);
    let region = Region { call: call::<F>, work: (&raw const work).cast(), next: &raw const next, count };
    // SAFETY: the turn is ours and the last region was left closed and empty.
    unsafe { *pool.region.get() = Some(region) };
    let number = pool.state.load(Ordering::Relaxed) / OPEN + 1;
    // A region with an odd number is open.
    debug_assert!(number % 2 == 1);
    pool.state.store(number * OPEN, Ordering::SeqCst);
    let close = Close(pool);
    if pool.sleepers.load(Ordering::SeqCst) > 0 {
        drop(pool.bed.lock().unwrap_or_else(PoisonError::into_inner));
        pool.wake.notify_all();
    }
    // SAFETY: both live in this frame, which `close` leaves only when nobody is inside.
    unsafe { region.run() };
    drop(close);
    if let Some(panic) = pool.panicked.lock().unwrap_or_else(PoisonError::into_inner).take() {
        resume_unwind(panic);
    }
}

/// Closes the region and waits until it is empty, also when the caller's own part panicked.
struct Close(&'static Pool);

impl Drop for Close {
    fn drop(&mut self) {
        self.0.state.fetch_add(OPEN, Ordering::AcqRel);
        let mut looks = 0u32;
        while self.0.state.load(Ordering::Acquire) & (OPEN - 1) != 0 {
            looks += 1;
            // A worker inside may be waiting for our processor.
            if looks.is_multiple_of(LOOKS) {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
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

    /// Returns a part of the slice.
    ///
    /// # Safety
    /// `start..start + len` lies in the slice this was made from, and no other thread touches it.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}

/// Calls `work(first_row, rows)` on consecutive blocks of `block` rows of a row-major matrix with `width` columns.
pub(crate) fn for_each_block(data: &mut [f32], width: usize, block: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = data.len() / width;
    let shared = Shared::new(data);
    for_each(rows.div_ceil(block), |b| {
        let first = b * block;
        let count = block.min(rows - first);
        // SAFETY: blocks of rows are disjoint and inside `data`.
        work(first, unsafe { shared.slice(first * width, count * width) });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_is_worked_on_once_whatever_the_threads() {
        for threads in [1, 2, 5] {
            set_threads(threads).unwrap();
            for round in 0..200 {
                let count = round % 37;
                let mut hits = vec![0u32; count];
                let shared = Shared::new(&mut hits);
                // SAFETY: each index is its own element.
                for_each(count, |i| unsafe { shared.slice(i, 1)[0] += 1 });
                assert!(hits.iter().all(|&hit| hit == 1), "{threads} threads, {count} indices: {hits:?}");
            }
            // Sleeping threads wake up.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    #[test]
    fn a_region_inside_a_region_runs_where_it_is() {
        let total = AtomicUsize::new(0);
        for_each(8, |_| {
            for_each(5, |_| {
                total.fetch_add(1, Ordering::Relaxed);
            })
        });
        assert_eq!(total.load(Ordering::Relaxed), 40);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        for _ in 0..20 {
            let panicked = catch_unwind(|| for_each(64, |i| assert_ne!(i, 40, "forty")));
            assert!(panicked.is_err());
            let total = AtomicUsize::new(0);
            for_each(64, |_| {
                total.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(total.load(Ordering::Relaxed), 64);
        }
    }

    #[test]
    fn the_hook_runs_after_each_region_of_its_own_thread() {
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        set_between_regions_hook(Some(|| _ = CALLS.fetch_add(1, Ordering::Relaxed)));
        for _ in 0..3 {
            for_each(8, |_| ());
        }
        std::thread::spawn(|| for_each(8, |_| ())).join().unwrap();
        set_between_regions_hook(None);
        for_each(8, |_| ());
        assert_eq!(CALLS.load(Ordering::Relaxed), 3);
    }
}
