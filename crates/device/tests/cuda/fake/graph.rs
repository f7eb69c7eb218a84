//! Captures and graphs. What each function does to `State`, and what it refuses, is what cuda.h says.

use crate::driver::{CAPTURE_UNSUPPORTED, INVALID_VALUE};
use crate::{CURRENT, Work, destroy, driver};
use std::ffi::{c_int, c_uint, c_ulonglong, c_void};
use std::thread::ThreadId;

const ILLEGAL_STATE: u32 = 401;
const CAPTURE_INVALIDATED: u32 = 901;
const CAPTURE_WRONG_THREAD: u32 = 908;

/// Work in a graph, and its line in the log.
#[derive(Clone)]
pub struct Node {
    handle: u64,
    line: String,
    work: Work,
}

/// A capture that goes on.
pub struct Capture {
    thread: ThreadId,
    mode: c_int,
    valid: bool,
    nodes: Vec<Node>,
    /// The nodes that the next one depends on.
    last: Vec<u64>,
}

impl Capture {
    pub fn add(&mut self, handle: u64, line: String, work: Work) {
        self.nodes.push(Node { handle, line, work });
        self.last = vec![handle];
    }

    /// Makes the capture invalid by a call that it forbids, and returns whether it forbids it.
    pub fn spoil(&mut self) -> bool {
        let forbidden = match self.mode {
            0 => true,
            1 => self.thread == std::thread::current().id(),
            _ => false,
        };
        self.valid &= !forbidden;
        forbidden
    }
}

#[repr(C)]
pub struct KernelNode {
    function: u64,
    counts: [c_uint; 6],
    shared: c_uint,
    parameters: *const *const u8,
    extra: *mut *mut c_void,
    kernel: u64,
    context: u64,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBeginCapture_v2(stream: u64, mode: c_int) -> u32 {
    driver!(state, "cuStreamBeginCapture_v2", context true);
    if !state.is(stream, "stream") || !(0..=2).contains(&mode) {
        return INVALID_VALUE;
    }
    let context = CURRENT.get();
    if state.captures.contains_key(&context) {
        return ILLEGAL_STATE;
    }
    let thread = std::thread::current().id();
    let capture = Capture { thread, mode, valid: true, nodes: Vec::new(), last: Vec::new() };
    state.captures.insert(context, capture);
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamGetCaptureInfo_v2(
    stream: u64,
    status: *mut u32,
    _id: *mut u64,
    _graph: *mut u64,
    nodes: *mut *const u64,
    count: *mut usize,
) -> u32 {
    driver!(state, "cuStreamGetCaptureInfo_v2", context true);
    if !state.is(stream, "stream") {
        return INVALID_VALUE;
    }
    let Some(capture) = state.captures.get(&CURRENT.get()) else {
        unsafe { (*status, *count) = (0, 0) };
        return 0;
    };
    unsafe { (*status, *nodes, *count) = (if capture.valid { 1 } else { 2 }, capture.last.as_ptr(), capture.last.len()) };
    0
}

/// Ends the capture, also where the call was told to fail, unless a test says that it stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture(stream: u64, out: *mut u64) -> u32 {
    let (mut state, code) = crate::call("cuStreamEndCapture");
    unsafe { *out = 0 };
    if code != 0 && state.setting("stuck", 0) == 1 {
        return code;
    }
    let Some(capture) = state.captures.remove(&CURRENT.get()) else { return ILLEGAL_STATE };
    let own = capture.mode == 2 || capture.thread == std::thread::current().id();
    match (code, state.is(stream, "stream"), own, capture.valid) {
        (0, true, true, true) => {}
        (0, true, true, false) => return CAPTURE_INVALIDATED,
        (0, true, false, _) => return CAPTURE_WRONG_THREAD,
        (0, false, ..) => return INVALID_VALUE,
        (code, ..) => return code,
    }
    let handle = state.make("graph");
    state.graphs.insert(handle, capture.nodes);
    unsafe { *out = handle };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithFlags(out: *mut u64, graph: u64, flags: c_ulonglong) -> u32 {
    driver!(state, "cuGraphInstantiateWithFlags");
    if !state.is(graph, "graph") || flags != 0 {
        return INVALID_VALUE;
    }
    let nodes = state.graphs[&graph].clone();
    let handle = state.make("executable graph");
    state.graphs.insert(handle, nodes);
    unsafe { *out = handle };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecKernelNodeSetParams_v2(
    executable: u64,
    node: u64,
    parameters: *const KernelNode,
) -> u32 {
    driver!(state, "cuGraphExecKernelNodeSetParams_v2", context true);
    let new = unsafe { &*parameters };
    // The node must still be one of a graph.
    let is_kernel = |work: &Work| matches!(work, Work::Kernel | Work::Add { .. });
    let there = state.graphs.iter().any(|(graph, nodes)| {
        state.is(*graph, "graph") && nodes.iter().any(|own| own.handle == node && is_kernel(&own.work))
    });
    let forgets = state.setting("forgetful", 0) == 1;
    let right = state.is(executable, "executable graph") && new.shared == 0 && new.extra.is_null();
    // SAFETY: the header asks for a pointer to a value of each parameter.
    let launch = unsafe { state.launch(new.function, new.counts, new.parameters) };
    let (Some((line, work)), true, true) = (launch, there, right) else { return INVALID_VALUE };
    let nodes = state.graphs.get_mut(&executable).expect("it is there");
    let Some(node) = nodes.iter_mut().find(|own| own.handle == node) else { return INVALID_VALUE };
    // A test may ask for a driver that forgets.
    if forgets {
        return 0;
    }
    (node.line, node.work) = (line, work);
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphLaunch(executable: u64, stream: u64) -> u32 {
    driver!(state, "cuGraphLaunch", context true);
    if !state.is(executable, "executable graph") || !state.is(stream, "stream") {
        return INVALID_VALUE;
    }
    if state.spoils() {
        return CAPTURE_UNSUPPORTED;
    }
    for node in state.graphs[&executable].clone() {
        state.put(node.line, node.work);
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecDestroy(executable: u64) -> u32 {
    destroy("cuGraphExecDestroy", "executable graph", executable, false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphDestroy(graph: u64) -> u32 {
    destroy("cuGraphDestroy", "graph", graph, false)
}
