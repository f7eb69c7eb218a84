//! The driver. What each function does to `State`, and what it refuses, is what cuda.h says.

use crate::{CURRENT, State, Work, call, codes, destroy, run, state, strings};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

pub const INVALID_VALUE: u32 = 1;
const OUT_OF_MEMORY: u32 = 2;
pub const NOT_INITIALIZED: u32 = 3;
const INVALID_DEVICE: u32 = 101;
pub const INVALID_CONTEXT: u32 = 201;
const INVALID_PTX: u32 = 218;
const NOT_FOUND: u32 = 500;
pub const CAPTURE_UNSUPPORTED: u32 = 900;

/// Returns with a code where the call was told to fail or breaks its contract.
#[macro_export]
macro_rules! driver {
    ($state:ident, $name:literal $(, context $context:literal)?) => {
        let (mut $state, code) = $crate::call($name);
        if code != 0 {
            return code;
        }
        if $name != "cuInit" && !$state.initialized {
            return $crate::driver::NOT_INITIALIZED;
        }
        $(if $context && !$state.is($crate::CURRENT.get(), "context") {
            return $crate::driver::INVALID_CONTEXT;
        })?
        let _ = &mut $state;
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(code: u32, out: *mut *const c_char) -> u32 {
    let text = strings(code, false, codes::DRIVER);
    // SAFETY: the header asks for a valid pointer.
    unsafe { *out = text.unwrap_or(std::ptr::null()) };
    if text.is_some() { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(code: u32, out: *mut *const c_char) -> u32 {
    let text = strings(code, true, codes::DRIVER);
    // SAFETY: the header asks for a valid pointer.
    unsafe { *out = text.unwrap_or(std::ptr::null()) };
    if text.is_some() { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuInit(flags: c_uint) -> u32 {
    driver!(state, "cuInit");
    state.initialized = true;
    if flags == 0 { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(out: *mut c_int) -> u32 {
    driver!(state, "cuDriverGetVersion");
    unsafe { *out = state.setting("driver", 12040) as c_int };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(out: *mut c_int) -> u32 {
    driver!(state, "cuDeviceGetCount");
    unsafe { *out = state.setting("devices", 2) as c_int };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(out: *mut c_int, ordinal: c_int) -> u32 {
    driver!(state, "cuDeviceGet");
    if ordinal < 0 || ordinal as u64 >= state.setting("devices", 2) {
        return INVALID_DEVICE;
    }
    unsafe { *out = ordinal + 70 };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(out: *mut u8, size: c_int, device: c_int) -> u32 {
    driver!(state, "cuDeviceGetName");
    let name = format!("Fake {device}\0");
    if name.len() > size as usize {
        return INVALID_VALUE;
    }
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), out, name.len()) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetPCIBusId(out: *mut u8, size: c_int, device: c_int) -> u32 {
    driver!(state, "cuDeviceGetPCIBusId");
    let name = format!("0000:{:02x}:00.0\0", state.setting("bus", device as u64));
    if name.len() > size as usize {
        return INVALID_VALUE;
    }
    unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), out, name.len()) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(out: *mut usize, _device: c_int) -> u32 {
    driver!(state, "cuDeviceTotalMem_v2");
    unsafe { *out = state.setting("memory", 1 << 30) as usize };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(out: *mut c_int, attribute: c_int, _device: c_int) -> u32 {
    driver!(state, "cuDeviceGetAttribute");
    let value = match attribute {
        75 => state.setting("major", 9),
        76 => state.setting("minor", 0),
        _ => return INVALID_VALUE,
    };
    unsafe { *out = value as c_int };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(out: *mut u64, device: c_int) -> u32 {
    driver!(state, "cuDevicePrimaryCtxRetain");
    let context = state.make("context");
    state.devices.insert(context, device);
    unsafe { *out = context };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(device: c_int) -> u32 {
    let context = state().devices.iter().find(|(_, of)| **of == device).map(|(handle, _)| *handle);
    context.map(|context| state().devices.remove(&context));
    destroy("cuDevicePrimaryCtxRelease_v2", "context", context.unwrap_or(0), false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCurrent(context: u64) -> u32 {
    driver!(state, "cuCtxSetCurrent");
    if !state.is(context, "context") {
        return INVALID_CONTEXT;
    }
    CURRENT.set(context);
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(out: *mut u64, flags: c_uint) -> u32 {
    driver!(state, "cuStreamCreate", context true);
    let stream = state.make("stream");
    state.streams.insert(stream, CURRENT.get());
    unsafe { *out = stream };
    if flags == 1 { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(stream: u64) -> u32 {
    driver!(state, "cuStreamSynchronize", context true);
    if state.spoils() {
        return CAPTURE_UNSUPPORTED;
    }
    let state = run(state, None);
    if state.is(stream, "stream") { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamDestroy_v2(stream: u64) -> u32 {
    destroy("cuStreamDestroy_v2", "stream", stream, false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(out: *mut u64, _flags: c_uint) -> u32 {
    driver!(state, "cuEventCreate", context true);
    unsafe { *out = state.make("event") };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(event: u64, stream: u64) -> u32 {
    driver!(state, "cuEventRecord", context true);
    if state.spoils() {
        return CAPTURE_UNSUPPORTED;
    }
    if !state.is(event, "event") || !state.is(stream, "stream") {
        return INVALID_VALUE;
    }
    state.queue().push_back(Work::Event(event));
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(event: u64) -> u32 {
    driver!(state, "cuEventSynchronize", context true);
    if state.spoils() {
        return CAPTURE_UNSUPPORTED;
    }
    let state = run(state, Some(event));
    if state.is(event, "event") { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(event: u64) -> u32 {
    destroy("cuEventDestroy_v2", "event", event, false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, all: *mut usize) -> u32 {
    driver!(state, "cuMemGetInfo_v2", context true);
    let total = state.setting("memory", 1 << 30) as usize;
    let used = state.used();
    unsafe { (*free, *all) = (total.saturating_sub(used), total) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(out: *mut u64, bytes: usize) -> u32 {
    driver!(state, "cuMemAlloc_v2", context true);
    if state.spoils() {
        return CAPTURE_UNSUPPORTED;
    }
    let used = state.used();
    match bytes {
        0 => return INVALID_VALUE,
        _ if bytes > (state.setting("memory", 1 << 30) as usize).saturating_sub(used) => return OUT_OF_MEMORY,
        _ => unsafe { *out = state.allocate("device memory", bytes) },
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(address: u64) -> u32 {
    destroy("cuMemFree_v2", "device memory", address, true)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(out: *mut u64, bytes: usize, _flags: c_uint) -> u32 {
    driver!(state, "cuMemHostAlloc", context true);
    if state.spoils() {
        return CAPTURE_UNSUPPORTED;
    }
    unsafe { *out = state.allocate("pinned memory", bytes) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(address: u64) -> u32 {
    let used = |work: &Work| matches!(work, Work::Copy { from, to, .. } if *from == address || *to == address);
    let busy = state().queue().iter().any(used);
    destroy("cuMemFreeHost", "pinned memory", address, busy)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: u64) -> u32 {
    driver!(state, "cuMemcpyHtoDAsync_v2", context true);
    let right = state.holds("device memory", to, bytes) && state.holds("pinned memory", from, bytes);
    state.put(format!("upload {to:#x} {bytes}"), Work::Copy { from, to, bytes: if right { bytes } else { 0 } });
    if right && state.is(stream, "stream") { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(to: u64, from: u64, bytes: usize, stream: u64) -> u32 {
    driver!(state, "cuMemcpyDtoHAsync_v2", context true);
    let right = state.holds("device memory", from, bytes) && state.holds("pinned memory", to, bytes);
    state.put(format!("download {from:#x} {bytes}"), Work::Copy { from, to, bytes: if right { bytes } else { 0 } });
    if right && state.is(stream, "stream") { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: u64) -> u32 {
    driver!(state, "cuMemcpyDtoDAsync_v2", context true);
    let right = state.holds("device memory", from, bytes) && state.holds("device memory", to, bytes);
    let line = format!("copy {from:#x} {to:#x} {bytes}");
    state.put(line, Work::Copy { from, to, bytes: if right { bytes } else { 0 } });
    if right && state.is(stream, "stream") { 0 } else { INVALID_VALUE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async(at: u64, value: u8, bytes: usize, stream: u64) -> u32 {
    driver!(state, "cuMemsetD8Async", context true);
    if !state.holds("device memory", at, bytes) || !state.is(stream, "stream") {
        return INVALID_VALUE;
    }
    state.put(format!("fill {at:#x} {value} {bytes}"), Work::Fill { at, value, bytes });
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    out: *mut u64,
    image: *const c_char,
    count: c_uint,
    options: *const c_int,
    values: *mut *mut c_void,
) -> u32 {
    driver!(state, "cuModuleLoadDataEx", context true);
    if state.spoils() {
        return CAPTURE_UNSUPPORTED;
    }
    let text = unsafe { CStr::from_ptr(image) }.to_string_lossy().into_owned();
    let options = unsafe { std::slice::from_raw_parts(options, count as usize) };
    let values = unsafe { std::slice::from_raw_parts_mut(values, count as usize) };
    // CU_JIT_ERROR_LOG_BUFFER and CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES.
    if options != [5, 6] {
        return INVALID_VALUE;
    }
    if let Some(line) = text.lines().position(|line| line.contains("nonsense")) {
        let log = format!("ptxas fatal: line {}; Parsing error near 'nonsense'\0", line + 1);
        if log.len() <= values[1] as usize {
            unsafe { std::ptr::copy_nonoverlapping(log.as_ptr(), values[0].cast(), log.len()) };
        }
        return INVALID_PTX;
    }
    for entry in text.split(".entry ").skip(1) {
        let (name, rest) = entry.split_once('(').expect("parameters");
        let list = rest.split_once(')').expect("an end").0;
        let sizes = list.split(".param .").skip(1).map(|kind| if kind[1..].starts_with("64") { 8 } else { 4 });
        let (name, sizes) = (name.trim().to_owned(), sizes.collect());
        let handle = 1_000_000 + state.kernels.len() as u64;
        state.kernels.insert(handle, (name, sizes));
    }
    unsafe { *out = state.make("module") };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(out: *mut u64, module: u64, name: *const c_char) -> u32 {
    driver!(state, "cuModuleGetFunction", context true);
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    let found = state.kernels.iter().find(|(_, (known, _))| *known == name).map(|(handle, _)| *handle);
    match found {
        Some(handle) if state.is(module, "module") => unsafe { *out = handle },
        _ => return NOT_FOUND,
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(module: u64) -> u32 {
    destroy("cuModuleUnload", "module", module, true)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernel(
    function: u64,
    x: c_uint,
    y: c_uint,
    z: c_uint,
    i: c_uint,
    j: c_uint,
    k: c_uint,
    shared: c_uint,
    stream: u64,
    parameters: *const *const u8,
    extra: *mut *mut c_void,
) -> u32 {
    driver!(state, "cuLaunchKernel", context true);
    let counts = [x, y, z, i, j, k];
    // SAFETY: the header asks for a pointer to a value of each parameter.
    let Some((line, work)) = (unsafe { state.launch(function, counts, parameters) }) else { return INVALID_VALUE };
    if shared != 0 || !extra.is_null() || !state.is(stream, "stream") {
        return INVALID_VALUE;
    }
    state.put(line, work);
    0
}

impl State {
    /// Returns the bytes of the device that are taken. A test says how many a graph takes.
    fn used(&self) -> usize {
        let graph = self.setting("graph", 0) as usize;
        let bytes = |(kind, size): &(&str, usize)| match *kind {
            "device memory" => *size,
            "executable graph" => graph,
            _ => 0,
        };
        self.live.values().map(bytes).sum()
    }

    /// Returns a launch as a line of the log and as work, or nothing where it is not right.
    pub unsafe fn launch(
        &self,
        function: u64,
        counts: [c_uint; 6],
        parameters: *const *const u8,
    ) -> Option<(String, Work)> {
        let (name, sizes) = self.kernels.get(&function)?;
        let value = |(at, size): (usize, &usize)| unsafe {
            let from = *parameters.add(at);
            if *size == 8 { from.cast::<u64>().read() } else { u64::from(from.cast::<u32>().read()) }
        };
        let values: Vec<u64> = sizes.iter().enumerate().map(value).collect();
        let work = match values[..] {
            [x, y, count] if name == "add_f32" => {
                let held = [x, y].iter().all(|at| self.holds("device memory", *at, 4 * count as usize));
                held.then_some(Work::Add { x, y, count })?
            }
            _ => Work::Kernel,
        };
        let right = counts.iter().all(|count| *count > 0) && counts[3..].iter().product::<c_uint>() <= 1024;
        let values: Vec<String> = values.iter().map(|value| format!("{value:#x}")).collect();
        right.then(|| (format!("launch {name} {counts:?} {}", values.join(" ")), work))
    }
}
