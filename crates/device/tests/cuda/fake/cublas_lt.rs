//! The library cublasLt. What each function refuses is what cublasLt.h says.

use crate::{CURRENT, Matrix, Operation, Product, State, Work, call, codes, destroy, state, strings};
use std::ffi::{c_char, c_int, c_void};

const LT_NOT_INITIALIZED: u32 = 1;
const LT_INVALID_VALUE: u32 = 7;
const LT_NOT_SUPPORTED: u32 = 15;

#[repr(C)]
pub struct Algorithm([u64; 8]);

#[repr(C)]
pub struct Heuristic {
    algorithm: Algorithm,
    workspace: usize,
    state: u32,
    waves: f32,
    reserved: [c_int; 4],
}

/// Returns with a status where the call was told to fail.
macro_rules! cublas {
    ($state:ident, $name:literal) => {
        let (mut $state, code) = call($name);
        if code != 0 {
            return code;
        }
        let _ = &mut $state;
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtGetVersion() -> usize {
    state().setting("cublas", 120_205) as usize
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtGetStatusName(code: u32) -> *const c_char {
    strings(code, false, codes::CUBLAS).unwrap_or(std::ptr::null())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtGetStatusString(code: u32) -> *const c_char {
    strings(code, true, codes::CUBLAS).unwrap_or(std::ptr::null())
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtCreate(out: *mut u64) -> u32 {
    cublas!(state, "cublasLtCreate");
    if !state.is(CURRENT.get(), "context") {
        return LT_NOT_INITIALIZED;
    }
    unsafe { *out = state.make("cublasLt") };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtDestroy(handle: u64) -> u32 {
    destroy("cublasLtDestroy", "cublasLt", handle, true)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulDescCreate(out: *mut u64, compute: c_int, scale: c_int) -> u32 {
    cublas!(state, "cublasLtMatmulDescCreate");
    // CUBLAS_COMPUTE_32F and CUDA_R_32F.
    if (compute, scale) != (68, 0) {
        return LT_NOT_SUPPORTED;
    }
    let handle = state.make("operation");
    state.operations.insert(handle, Operation::default());
    unsafe { *out = handle };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulDescDestroy(handle: u64) -> u32 {
    destroy("cublasLtMatmulDescDestroy", "operation", handle, false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulDescSetAttribute(
    handle: u64,
    attribute: c_int,
    value: *const c_void,
    size: usize,
) -> u32 {
    cublas!(state, "cublasLtMatmulDescSetAttribute");
    let Some(operation) = state.operations.get_mut(&handle) else { return LT_INVALID_VALUE };
    match (attribute, size) {
        (3 | 4, 4) => operation.turned[attribute as usize - 3] = unsafe { *value.cast::<c_int>() } == 1,
        (7, 4) => operation.epilogue = unsafe { *value.cast() },
        (8, 8) => operation.bias = unsafe { *value.cast() },
        _ => return LT_INVALID_VALUE,
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatrixLayoutCreate(
    out: *mut u64,
    kind: u32,
    rows: u64,
    columns: u64,
    leading: i64,
) -> u32 {
    cublas!(state, "cublasLtMatrixLayoutCreate");
    let handle = state.make("layout");
    state.layouts.insert(handle, Matrix { kind, rows, columns, leading: leading as u64 });
    unsafe { *out = handle };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatrixLayoutDestroy(handle: u64) -> u32 {
    destroy("cublasLtMatrixLayoutDestroy", "layout", handle, false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatrixLayoutSetAttribute(
    handle: u64,
    attribute: c_int,
    value: *const u64,
    size: usize,
) -> u32 {
    cublas!(state, "cublasLtMatrixLayoutSetAttribute");
    let Some(layout) = state.layouts.get_mut(&handle) else { return LT_INVALID_VALUE };
    match (attribute, size) {
        (2, 8) => layout.rows = unsafe { *value },
        (3, 8) => layout.columns = unsafe { *value },
        _ => return LT_INVALID_VALUE,
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulPreferenceCreate(out: *mut u64) -> u32 {
    cublas!(state, "cublasLtMatmulPreferenceCreate");
    let handle = state.make("preference");
    state.preferences.insert(handle, [0, 7, 256, 256, 256, 256]);
    unsafe { *out = handle };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulPreferenceDestroy(handle: u64) -> u32 {
    destroy("cublasLtMatmulPreferenceDestroy", "preference", handle, false)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulPreferenceSetAttribute(
    handle: u64,
    attribute: c_int,
    value: *const c_void,
    size: usize,
) -> u32 {
    cublas!(state, "cublasLtMatmulPreferenceSetAttribute");
    let Some(preference) = state.preferences.get_mut(&handle) else { return LT_INVALID_VALUE };
    match (attribute, size) {
        (1, 8) => preference[0] = unsafe { *value.cast() },
        (3, 4) => preference[1] = unsafe { *value.cast::<u32>() }.into(),
        (5..=8, 4) => preference[attribute as usize - 3] = unsafe { *value.cast::<u32>() }.into(),
        _ => return LT_INVALID_VALUE,
    }
    0
}

impl State {
    /// Whether descriptors and layouts are those of a product.
    fn fits(&self, operation: u64, layouts: [u64; 4]) -> bool {
        let Some(operation) = self.operations.get(&operation) else { return false };
        let [Some(a), Some(b), Some(c), Some(d)] = layouts.map(|layout| self.layouts.get(&layout)) else {
            return false;
        };
        let turned = |m: &Matrix, turned| if turned { (m.columns, m.rows) } else { (m.rows, m.columns) };
        let ((m, k), (other, n)) = (turned(a, operation.turned[0]), turned(b, operation.turned[1]));
        let sound = [a, b, c, d].iter().all(|m| {
            let counted = [m.rows, m.columns].iter().all(|&count| count > 0 && count < 1 << 31);
            counted && m.leading >= m.rows && [0, 14].contains(&m.kind)
        });
        let typed = a.kind == b.kind && c.kind == d.kind && (a.kind == 14 || c.kind == 0);
        sound && typed && k == other && [c, d].iter().all(|c| (m, n) == (c.rows, c.columns))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulAlgoGetHeuristic(
    handle: u64,
    operation: u64,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    preference: u64,
    asked: c_int,
    results: *mut Heuristic,
    count: *mut c_int,
) -> u32 {
    cublas!(state, "cublasLtMatmulAlgoGetHeuristic");
    if !state.is(handle, "cublasLt") || !state.fits(operation, [a, b, c, d]) || asked <= 0 {
        return LT_INVALID_VALUE;
    }
    let Some(preference) = state.preferences.get(&preference).copied() else { return LT_INVALID_VALUE };
    let [workspace, schemes, alignments @ ..] = preference;
    state.notes.push(format!("search, workspace {workspace}, schemes {schemes}, alignments {alignments:?}"));
    // The first ones split sums, though that was not asked for, if a test says so; the next needs too much workspace; a
    // later one is what the library could not estimate.
    let splitting = state.setting("splitting", 0);
    let found = state.setting("algorithms", 5).min(asked as u64);
    for i in 0..found {
        let (parts, scheme) = if i < splitting { (2 - i % 2, 2) } else { (1, 0) };
        let algorithm = Algorithm([0xA160, i, parts, scheme, 0, 0, 0, 0]);
        let too_much = i == splitting;
        let result = Heuristic {
            algorithm,
            workspace: if too_much { workspace as usize + 1 } else { 1024 },
            state: if i == splitting + 1 { LT_NOT_SUPPORTED } else { 0 },
            waves: 0.0,
            reserved: [0; 4],
        };
        unsafe { results.add(i as usize).write(result) };
    }
    unsafe { *count = found as c_int };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulAlgoConfigGetAttribute(
    algorithm: *const Algorithm,
    attribute: c_int,
    out: *mut u32,
    size: usize,
    written: *mut usize,
) -> u32 {
    cublas!(state, "cublasLtMatmulAlgoConfigGetAttribute");
    let [magic, _, parts, scheme, ..] = unsafe { &*algorithm }.0;
    let value = match attribute {
        2 => parts,
        3 => scheme,
        _ => return LT_INVALID_VALUE,
    };
    if magic != 0xA160 || size != 4 {
        return LT_INVALID_VALUE;
    }
    unsafe { (*out, *written) = (value as u32, 4) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmulAlgoCheck(
    handle: u64,
    operation: u64,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    algorithm: *const Algorithm,
    result: *mut Heuristic,
) -> u32 {
    cublas!(state, "cublasLtMatmulAlgoCheck");
    let [magic, index, ..] = unsafe { &*algorithm }.0;
    if !state.is(handle, "cublasLt") || !state.fits(operation, [a, b, c, d]) || magic != 0xA160 {
        return LT_INVALID_VALUE;
    }
    // An algorithm that a test says cannot compute so many columns.
    let columns = state.layouts[&c].columns;
    if index == state.setting("picky", u64::MAX) && columns == state.setting("refused", 0) {
        return LT_NOT_SUPPORTED;
    }
    unsafe { ((*result).workspace, (*result).state) = (1024, 0) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cublasLtMatmul(
    handle: u64,
    operation: u64,
    alpha: *const f32,
    a: u64,
    a_layout: u64,
    b: u64,
    b_layout: u64,
    beta: *const f32,
    c: u64,
    c_layout: u64,
    d: u64,
    d_layout: u64,
    algorithm: *const Algorithm,
    workspace: u64,
    bytes: usize,
    stream: u64,
) -> u32 {
    cublas!(state, "cublasLtMatmul");
    let layouts = [a_layout, b_layout, c_layout, d_layout];
    let sound = state.is(handle, "cublasLt") && state.is(stream, "stream") && state.is(CURRENT.get(), "context");
    if !sound || !state.fits(operation, layouts) || unsafe { *alpha } != 1.0 || c != d {
        return LT_INVALID_VALUE;
    }
    let operation = state.operations[&operation];
    let layouts = [a_layout, b_layout, c_layout].map(|layout| state.layouts[&layout]);
    let addresses = [a, b, c];
    let within = addresses.iter().zip(&layouts).all(|(at, layout)| state.holds("device memory", *at, layout.extent()));
    let bias = layouts[2].rows as usize * layouts[2].size();
    let biased = operation.epilogue != 4 || state.holds("device memory", operation.bias, bias);
    let index = unsafe { &*algorithm }.0[1];
    let space = workspace.is_multiple_of(256) && state.holds("device memory", workspace, bytes) && bytes >= 1024;
    if !within || !biased || !space {
        return LT_INVALID_VALUE;
    }
    let shape: Vec<[u64; 2]> = layouts.iter().map(|layout| [layout.rows, layout.columns]).collect();
    state.notes.push(format!("product {shape:?}, algorithm {index}"));
    let beta = unsafe { *beta };
    state.queue().push_back(Work::Product(Product { operation, layouts, addresses, beta }));
    0
}
