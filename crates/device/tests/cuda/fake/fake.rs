//! A library with the functions of the driver, of cublasLt and of NCCL that we call, for tests on machines without a GPU.
//!
//! `harness.rs` compiles it and puts it under all names into a folder. Device memory is memory of the host. A stream's work
//! is done as late as the headers allow: when something waits for it. What breaks a function's contract gets the code that
//! the header names. Every call is recorded, and any call can be told to fail.
//!
//! Kernels do nothing, but for the sum of floats. Several threads may be several ranks, each with a device of its own.

// Names are those of the headers.
#![allow(non_snake_case, non_camel_case_types, clippy::missing_safety_doc, clippy::too_many_arguments, unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

mod codes;
mod cublas_lt;
mod driver;
mod graph;
mod nccl;

/// Work of a stream.
#[derive(Clone)]
enum Work {
    /// Kernels do nothing.
    Kernel,
    Copy {
        from: u64,
        to: u64,
        bytes: usize,
    },
    Fill {
        at: u64,
        value: u8,
        bytes: usize,
    },
    Event(u64),
    Product(Product),
    /// The sum of floats: y += x.
    Add {
        x: u64,
        y: u64,
        count: u64,
    },
    Messages(nccl::Group),
}

#[derive(Clone, Copy, Default)]
struct Operation {
    turned: [bool; 2],
    epilogue: u32,
    bias: u64,
}

#[derive(Clone, Copy)]
struct Matrix {
    kind: u32,
    rows: u64,
    columns: u64,
    leading: u64,
}

#[derive(Clone)]
struct Product {
    operation: Operation,
    layouts: [Matrix; 3],
    addresses: [u64; 3],
    beta: f32,
}

#[derive(Default)]
struct State {
    next: u64,
    initialized: bool,
    settings: BTreeMap<String, u64>,
    /// What exists: its kind, and bytes of memory.
    live: BTreeMap<u64, (&'static str, usize)>,
    /// Where the system's allocation of memory begins.
    origins: BTreeMap<u64, u64>,
    operations: BTreeMap<u64, Operation>,
    layouts: BTreeMap<u64, Matrix>,
    /// Workspace, reduction schemes, alignments of A, B, C, D.
    preferences: BTreeMap<u64, [u64; 6]>,
    kernels: BTreeMap<u64, (String, Vec<usize>)>,
    /// The captures that go on, by their contexts, whose streams capture.
    captures: BTreeMap<u64, graph::Capture>,
    /// Nodes of graphs, and of executable graphs, which keep them as they were made or set.
    graphs: BTreeMap<u64, Vec<graph::Node>>,
    /// What was put into streams, in its order, one line each. What was captured is not, until its graph is launched.
    log: Vec<String>,
    /// The device of each context.
    devices: BTreeMap<u64, c_int>,
    /// The context of each stream: each has one.
    streams: BTreeMap<u64, u64>,
    /// The work of each context's stream.
    queues: BTreeMap<u64, VecDeque<Work>>,
    links: nccl::Links,
    calls: Vec<String>,
    notes: Vec<String>,
    failure: Option<(String, u32, u64)>,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);

/// Something happened that another rank may wait for.
static MOVED: Condvar = Condvar::new();

/// How long a rank waits for others before the library says that nobody comes.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// Returns the layout of memory with room to be aligned. The system then gives large ones as zeros without writing them.
fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes + 256, 16).expect("a layout")
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Records a call, and returns the state and the code it was told to fail with.
fn call(name: &str) -> (MutexGuard<'static, State>, u32) {
    let mut state = state();
    state.calls.push(name.to_owned());
    let code = match &mut state.failure {
        Some((failing, _, wait)) if failing == name && *wait > 0 => {
            *wait -= 1;
            0
        }
        Some((failing, code, _)) if failing == name => *code,
        _ => 0,
    };
    (state, code)
}

impl State {
    fn setting(&self, name: &str, otherwise: u64) -> u64 {
        self.settings.get(name).copied().unwrap_or(otherwise)
    }

    fn make(&mut self, kind: &'static str) -> u64 {
        self.next += 1;
        self.live.insert(self.next, (kind, 0));
        self.next
    }

    fn is(&self, handle: u64, kind: &str) -> bool {
        self.live.get(&handle).is_some_and(|(live, _)| *live == kind)
    }

    /// Allocates memory of zeros, aligned to 256 bytes as the driver's.
    fn allocate(&mut self, kind: &'static str, bytes: usize) -> u64 {
        // SAFETY: the size is not 0.
        let origin = unsafe { alloc_zeroed(layout(bytes)) } as u64;
        let address = origin.next_multiple_of(256);
        self.live.insert(address, (kind, bytes));
        self.origins.insert(address, origin);
        address
    }

    /// Whether a range lies within one allocation of a kind.
    fn holds(&self, kind: &str, address: u64, bytes: usize) -> bool {
        let before = self.live.range(..=address).next_back();
        before.is_some_and(|(start, (live, size))| *live == kind && address + bytes as u64 <= start + *size as u64)
    }

    fn release(&mut self, handle: u64, kind: &str) -> bool {
        if !self.is(handle, kind) {
            return false;
        }
        let (_, bytes) = self.live.remove(&handle).expect("it is there");
        if kind == "device memory" {
            self.queue().clear();
        }
        if let Some(origin) = self.origins.remove(&handle) {
            // SAFETY: the memory came from `allocate` with this layout.
            unsafe { dealloc(origin as *mut u8, layout(bytes)) };
        }
        true
    }

    /// Puts work into the stream of the calling thread's context, or into the graph that it captures.
    fn put(&mut self, line: String, work: Work) {
        match self.captures.get_mut(&CURRENT.get()) {
            Some(capture) => {
                self.next += 1;
                capture.add(self.next, line, work);
            }
            None => {
                self.log.push(line);
                self.queue().push_back(work);
            }
        }
    }

    /// Whether a capture forbids this thread to wait, allocate or free. That ends the capture.
    fn spoils(&mut self) -> bool {
        self.captures.values_mut().fold(false, |spoils, capture| capture.spoil() | spoils)
    }

    /// Returns the work of the calling thread's context.
    fn queue(&mut self) -> &mut VecDeque<Work> {
        self.queues.entry(CURRENT.get()).or_default()
    }

    /// Does work of a context up to an event, or all. Returns whether that is done: messages may have to wait.
    fn progress(&mut self, context: u64, until: Option<u64>) -> bool {
        let mut queue = std::mem::take(self.queues.entry(context).or_default());
        let end = match until {
            Some(event) => queue.iter().rposition(|work| matches!(work, Work::Event(e) if *e == event)),
            None => queue.len().checked_sub(1),
        };
        let mut left = end.map_or(0, |end| end + 1);
        while left > 0 {
            let work = queue.pop_front().expect("it was counted");
            if let Some(waits) = self.work(work) {
                queue.push_front(waits);
                break;
            }
            left -= 1;
        }
        self.queues.insert(context, queue);
        left == 0
    }

    /// Does a piece of work, and returns it if it has to wait.
    fn work(&mut self, work: Work) -> Option<Work> {
        match work {
            // SAFETY: ranges were found within allocations when the work was asked for.
            Work::Copy { from, to, bytes } => unsafe { std::ptr::copy(from as *const u8, to as *mut u8, bytes) },
            // SAFETY: as above.
            Work::Fill { at, value, bytes } => unsafe { std::ptr::write_bytes(at as *mut u8, value, bytes) },
            Work::Event(_) | Work::Kernel => {}
            Work::Product(product) => product.compute(),
            Work::Add { x, y, count } => {
                for i in 0..count {
                    // SAFETY: as above.
                    unsafe { *((y + 4 * i) as *mut f32) += *((x + 4 * i) as *const f32) };
                }
            }
            Work::Messages(group) => return self.pass(group).map(Work::Messages),
        }
        None
    }
}

/// Does work of the calling thread's context up to an event, or all. Where it waits for messages, others' work is done.
fn run(mut state: MutexGuard<'static, State>, until: Option<u64>) -> MutexGuard<'static, State> {
    let context = CURRENT.get();
    while !state.progress(context, until) {
        let others: Vec<u64> = state.queues.keys().copied().filter(|other| *other != context).collect();
        others.into_iter().for_each(|other| _ = state.progress(other, None));
        if state.progress(context, until) {
            break;
        }
        let (again, waited) = MOVED.wait_timeout(state, PATIENCE).unwrap_or_else(std::sync::PoisonError::into_inner);
        state = again;
        if waited.timed_out() {
            state.notes.push("nobody sends what is waited for".to_owned());
            state.queue().clear();
        }
    }
    state
}

impl Matrix {
    fn size(&self) -> usize {
        if self.kind == 0 { 4 } else { 2 }
    }

    fn extent(&self) -> usize {
        ((self.columns - 1) * self.leading + self.rows) as usize * self.size()
    }

    fn read(&self, address: u64, i: u64, j: u64) -> f64 {
        let at = address + (i + j * self.leading) * self.size() as u64;
        // SAFETY: the matrix was found within an allocation.
        match self.kind {
            0 => f64::from(unsafe { *(at as *const f32) }),
            _ => f64::from(f32::from_bits(u32::from(unsafe { *(at as *const u16) }) << 16)),
        }
    }

    fn write(&self, address: u64, i: u64, j: u64, value: f32) {
        let at = address + (i + j * self.leading) * self.size() as u64;
        let bits = value.to_bits();
        // SAFETY: the matrix was found within an allocation.
        match self.kind {
            0 => unsafe { *(at as *mut f32) = value },
            // Rounded to nearest, ties to even.
            _ => unsafe { *(at as *mut u16) = ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 },
        }
    }
}

impl Product {
    fn compute(self) {
        let ([a, b, c], [at_a, at_b, at_c]) = (self.layouts, self.addresses);
        let [turned_a, turned_b] = self.operation.turned;
        let terms = if turned_a { a.rows } else { a.columns };
        for j in 0..c.columns {
            for i in 0..c.rows {
                let term = |k| {
                    let left = if turned_a { a.read(at_a, k, i) } else { a.read(at_a, i, k) };
                    left * if turned_b { b.read(at_b, j, k) } else { b.read(at_b, k, j) }
                };
                let mut sum: f64 = (0..terms).map(term).sum();
                if self.operation.epilogue == 4 {
                    sum += Matrix { rows: c.rows, columns: 1, leading: c.rows, ..c }.read(self.operation.bias, i, 0);
                }
                if self.beta != 0.0 {
                    sum += f64::from(self.beta) * c.read(at_c, i, j);
                }
                c.write(at_c, i, j, sum as f32);
            }
        }
    }
}

/// Returns the name of a code, or words for its meaning. They last as long as the library.
fn strings(code: u32, meaning: bool, table: &[(u32, &str)]) -> Option<*const c_char> {
    let name = table.iter().find(|(known, _)| *known == code)?.1;
    let words = name.split_once('_').map(|(_, words)| words.to_lowercase().replace('_', " "));
    let text = if meaning { words.unwrap_or_default() } else { name.to_owned() };
    Some(CString::new(text).expect("no zero").into_raw())
}

/// Destroys a handle, also where the call was told to fail: nobody destroys it again.
fn destroy(name: &str, kind: &str, handle: u64, settled: bool) -> u32 {
    let (mut state, code) = call(name);
    if settled && state.spoils() {
        state.notes.push(format!("{name} in a capture"));
    }
    if settled && !state.queue().is_empty() {
        state.notes.push(format!("{name} with work to do"));
    }
    let released = state.release(handle, kind);
    if !released {
        state.notes.push(format!("{name} of what is not there"));
    }
    if code != 0 || released { code } else { 1 }
}

// What tests ask for.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_fail(name: *const c_char, code: u32, wait: u64) {
    // SAFETY: tests pass a string with a zero at its end.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
    let mut state = state();
    state.queues.clear();
    state.captures.clear();
    state.failure = (code != 0).then_some((name, code, wait));
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_set(name: *const c_char, value: u64) {
    // SAFETY: tests pass a string with a zero at its end.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
    state().settings.insert(name, value);
}

/// Writes what is asked for (0: calls, 1: what is live, 2: notes, 3: the log) as lines, and returns the bytes. All but what is
/// live is emptied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fake_tell(what: c_int, out: *mut u8, size: usize) -> usize {
    let mut state = state();
    let lines = match what {
        0 => std::mem::take(&mut state.calls),
        1 => state.live.values().map(|(kind, _)| (*kind).to_owned()).collect(),
        2 => std::mem::take(&mut state.notes),
        _ => std::mem::take(&mut state.log),
    };
    let text = lines.join("\n");
    // SAFETY: tests pass `size` bytes.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), out, text.len().min(size)) };
    text.len()
}
