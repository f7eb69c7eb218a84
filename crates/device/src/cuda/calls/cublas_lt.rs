//! cublasLt: descriptors, the search for algorithms, products.

use super::driver::Stream;
use super::{Code, functions};
use crate::cuda::library::{Found, LT_12, LT_13, Library, Places, lacking};
use crate::error::Error;
use crate::multiply::Element;
use cudarc::cublaslt::sys;
use cudarc::cublaslt::sys::{
    cublasComputeType_t, cublasLtEpilogue_t, cublasLtHandle_t, cublasLtMatmulAlgo_t,
    cublasLtMatmulAlgoConfigAttributes_t, cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t,
    cublasLtMatmulHeuristicResult_t, cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t,
    cublasLtMatrixLayout_t, cublasLtMatrixLayoutAttribute_t, cublasLtReductionScheme_t, cudaDataType_t, cudaStream_t,
};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::Arc;

/// `cublasOperation_t` of the header `cublas_api.h`, which cudarc's bindings of cublasLt leave out.
const CUBLAS_OP_N: i32 = 0;
/// The transposition, see [`CUBLAS_OP_N`].
const CUBLAS_OP_T: i32 = 1;

/// The function by whose address the library's file is found.
const FIRST: &str = "cublasLtCreate";

/// What a user does about a library that is missing or too old.
const REMEDY: &str = "`pip install nvidia-cublas-cu12` brings libcublasLt.so.12, below site-packages in \
                      nvidia/cublas/lib; name one of these folders as that of CUDA's libraries";

functions! {
    /// The functions of cublasLt that we call.
    Functions, remedy REMEDY, headers sys as cublasStatus_t;
    // The codes come from the library, so they may be of none of the enum's values; and what does not return a code.
    ours {
        cublasLtGetVersion() -> usize;
        cublasLtGetStatusName(Code) -> *const c_char;
        cublasLtGetStatusString(Code) -> *const c_char;
    }
    cublasLtCreate(*mut cublasLtHandle_t);
    cublasLtDestroy(cublasLtHandle_t);
    cublasLtMatmulDescCreate(*mut cublasLtMatmulDesc_t, cublasComputeType_t, cudaDataType_t);
    cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t);
    cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t, *const c_void, usize);
    cublasLtMatrixLayoutCreate(*mut cublasLtMatrixLayout_t, cudaDataType_t, u64, u64, i64);
    cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t);
    cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t, cublasLtMatrixLayoutAttribute_t, *const c_void, usize);
    cublasLtMatmulPreferenceCreate(*mut cublasLtMatmulPreference_t);
    cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t);
    cublasLtMatmulPreferenceSetAttribute(
        cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, *const c_void, usize
    );
    cublasLtMatmulAlgoGetHeuristic(
        cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
        cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatmulPreference_t, c_int,
        *mut cublasLtMatmulHeuristicResult_t, *mut c_int
    );
    cublasLtMatmulAlgoCheck(
        cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
        cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, *const cublasLtMatmulAlgo_t,
        *mut cublasLtMatmulHeuristicResult_t
    );
    cublasLtMatmulAlgoConfigGetAttribute(
        *const cublasLtMatmulAlgo_t, cublasLtMatmulAlgoConfigAttributes_t, *mut c_void, usize, *mut usize
    );
    cublasLtMatmul(
        cublasLtHandle_t, cublasLtMatmulDesc_t, *const c_void, *const c_void, cublasLtMatrixLayout_t, *const c_void,
        cublasLtMatrixLayout_t, *const c_void, *const c_void, cublasLtMatrixLayout_t, *mut c_void,
        cublasLtMatrixLayout_t, *const cublasLtMatmulAlgo_t, *mut c_void, usize, cudaStream_t
    );
}

/// What the search for algorithms and the check of one write: `cublasLtMatmulHeuristicResult_t`. The state is a number
/// here, since a newer library may write one that cudarc's enum lacks.
#[repr(C)]
#[derive(Clone, Copy)]
struct Heuristic {
    algorithm: cublasLtMatmulAlgo_t,
    workspace: usize,
    state: Code,
    waves: f32,
    reserved: [c_int; 4],
}

const _: () = assert!(size_of::<Heuristic>() == size_of::<cublasLtMatmulHeuristicResult_t>());

/// A handle of cublasLt.
#[derive(Debug)]
pub(crate) struct CublasLt {
    functions: Functions,
    found: Found,
    stream: Arc<Stream>,
    handle: cublasLtHandle_t,
}

// SAFETY: the library is thread-safe, and its handle may be used by any thread (cuBLAS, "Thread Safety"); every function here
// enters the context first.
unsafe impl Send for CublasLt {}
// SAFETY: as above.
unsafe impl Sync for CublasLt {}

/// Loads the library that fits a driver.
fn load(places: &Places, driver: &Found) -> Result<(Functions, Found), Error> {
    let newest = driver.version >= (13, 0);
    let library = if newest { Library::load(&[LT_13, LT_12].concat(), places) } else { Library::load(LT_12, places) };
    let library = library.map_err(|reasons| {
        let reasons: String = reasons.iter().map(|reason| format!(" ({reason})")).collect();
        let (major, minor) = driver.version;
        // A library of CUDA 13 asks a driver of CUDA 13.
        let newer = match Library::load(LT_13, places) {
            Ok(newer) if !newest => {
                format!(
                    " ({} needs a driver of CUDA 13, and this one is of {major}.{minor})",
                    newer.file(FIRST).display()
                )
            }
            _ => String::new(),
        };
        Error::Missing(format!("there is no {}, which computes products{reasons}{newer}: {REMEDY}", LT_12[0]))
    })?;
    let path = library.file(FIRST);
    let functions = Functions::of(library)?;
    // SAFETY: cublasLtGetVersion takes nothing and may be called at any time.
    let version = unsafe { (functions.cublasLtGetVersion)() };
    // 12.1.3 is 120103.
    let version = u32::try_from(version).unwrap_or(0);
    Ok((functions, Found { version: (version / 10_000, version % 10_000 / 100), path }))
}

/// Returns which cublasLt fits a driver, and where it is.
///
/// # Errors
/// There is none.
pub(crate) fn find(places: &Places, driver: &Found) -> Result<Found, Error> {
    load(places, driver).map(|(_, found)| found)
}

impl CublasLt {
    /// Loads the library and makes a handle.
    ///
    /// # Errors
    /// There is none, it is too old, or it refuses.
    pub(crate) fn load(places: &Places, driver: &Found, stream: &Arc<Stream>) -> Result<Arc<CublasLt>, Error> {
        let (functions, found) = load(places, driver)?;
        stream.context().enter()?;
        let mut handle = null_mut();
        // SAFETY: cublasLtCreate writes one handle to the pointer, of the context that was entered. Drop destroys it.
        let code = unsafe { (functions.cublasLtCreate)(&raw mut handle) };
        check(&functions, "cublasLtCreate", code)?;
        Ok(Arc::new(CublasLt { functions, found, stream: stream.clone(), handle }))
    }

    /// Returns the library's version and file.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    fn check(&self, call: &'static str, code: Code) -> Result<(), Error> {
        check(&self.functions, call, code)
    }
}

impl Drop for CublasLt {
    fn drop(&mut self) {
        let _ = self.stream.wait();
        // SAFETY: the handle was made by `load` and is destroyed once. Nobody can be told of an error here.
        let _ = unsafe { (self.functions.cublasLtDestroy)(self.handle) };
    }
}

/// Returns an error for a status that is not success, with the name and meaning that the library gives.
fn check(functions: &Functions, call: &'static str, code: Code) -> Result<(), Error> {
    if code == 0 {
        return Ok(());
    }
    let text = |function: unsafe extern "C" fn(Code) -> *const c_char| {
        // SAFETY: cublasLtGetStatusName and cublasLtGetStatusString take any number and return null or a string that ends with a
        // zero and lasts as long as the library.
        let text = unsafe { function(code) };
        // SAFETY: as above.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    };
    Err(Error::Call {
        call,
        code: text(functions.cublasLtGetStatusName).unwrap_or_else(|| format!("status {code}")),
        meaning: text(functions.cublasLtGetStatusString)
            .unwrap_or_else(|| "the library does not say what that means".to_owned()),
    })
}

fn data_type(element: Element) -> cudaDataType_t {
    match element {
        Element::F32 => cudaDataType_t::CUDA_R_32F,
        Element::Bf16 => cudaDataType_t::CUDA_R_16BF,
    }
}

/// What a product is: transpositions and bias. Sums are f32, never TF32, and so are alpha and beta.
#[derive(Debug)]
pub(crate) struct Operation {
    library: Arc<CublasLt>,
    descriptor: cublasLtMatmulDesc_t,
}

// SAFETY: a descriptor is memory of the library without ties to a thread.
unsafe impl Send for Operation {}

impl Operation {
    /// Makes the descriptor of a product.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn of(library: &Arc<CublasLt>, transposes: [bool; 2], bias: bool) -> Result<Operation, Error> {
        let mut descriptor = null_mut();
        let (compute, scale) = (cublasComputeType_t::CUBLAS_COMPUTE_32F, cudaDataType_t::CUDA_R_32F);
        // SAFETY: cublasLtMatmulDescCreate writes one handle to the pointer. Drop destroys it.
        let code = unsafe { (library.functions.cublasLtMatmulDescCreate)(&raw mut descriptor, compute, scale) };
        library.check("cublasLtMatmulDescCreate", code)?;
        let operation = Operation { library: library.clone(), descriptor };
        let [a, b] = transposes.map(|transposes| match transposes {
            true => CUBLAS_OP_T,
            false => CUBLAS_OP_N,
        });
        operation.set(cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSA, &a)?;
        operation.set(cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_TRANSB, &b)?;
        if bias {
            let epilogue = cublasLtEpilogue_t::CUBLASLT_EPILOGUE_BIAS as u32;
            operation.set(cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue)?;
        }
        Ok(operation)
    }

    /// Sets where the bias lies. It is not read before the product is computed.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn set_bias(&mut self, address: u64) -> Result<(), Error> {
        self.set(cublasLtMatmulDescAttributes_t::CUBLASLT_MATMUL_DESC_BIAS_POINTER, &address)
    }

    /// Sets an attribute, whose type the header names beside it: i32, u32 or a pointer of 64 bits.
    fn set<T: Copy>(&self, attribute: cublasLtMatmulDescAttributes_t, value: &T) -> Result<(), Error> {
        // SAFETY: cublasLtMatmulDescSetAttribute copies `size_of::<T>()` bytes from the pointer, and returns an error where the
        // attribute has another size. The descriptor is there as long as `self`.
        let code = unsafe {
            (self.library.functions.cublasLtMatmulDescSetAttribute)(
                self.descriptor,
                attribute,
                (&raw const *value).cast(),
                size_of::<T>(),
            )
        };
        self.library.check("cublasLtMatmulDescSetAttribute", code)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: the descriptor was made by `of` and is destroyed once.
        let _ = unsafe { (self.library.functions.cublasLtMatmulDescDestroy)(self.descriptor) };
    }
}

/// How a matrix lies in memory, column-major.
#[derive(Debug)]
pub(crate) struct Layout {
    library: Arc<CublasLt>,
    layout: cublasLtMatrixLayout_t,
    shape: [u64; 2],
}

// SAFETY: a layout is memory of the library without ties to a thread.
unsafe impl Send for Layout {}

impl Layout {
    /// Makes the layout of a matrix of rows and columns, with the distance of two columns.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn of(
        library: &Arc<CublasLt>,
        element: Element,
        shape: [u64; 2],
        leading: u64,
    ) -> Result<Layout, Error> {
        let (mut layout, [rows, columns]) = (null_mut(), shape);
        let leading = i64::try_from(leading).unwrap_or(i64::MAX);
        // SAFETY: cublasLtMatrixLayoutCreate writes one handle to the pointer. Drop destroys it.
        let code = unsafe {
            (library.functions.cublasLtMatrixLayoutCreate)(&raw mut layout, data_type(element), rows, columns, leading)
        };
        library.check("cublasLtMatrixLayoutCreate", code)?;
        Ok(Layout { library: library.clone(), layout, shape })
    }

    /// Changes the numbers of rows and columns; the distance of columns stays.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn resize(&mut self, shape: [u64; 2]) -> Result<(), Error> {
        let attributes = [
            cublasLtMatrixLayoutAttribute_t::CUBLASLT_MATRIX_LAYOUT_ROWS,
            cublasLtMatrixLayoutAttribute_t::CUBLASLT_MATRIX_LAYOUT_COLS,
        ];
        for (i, attribute) in attributes.into_iter().enumerate() {
            if self.shape[i] == shape[i] {
                continue;
            }
            // SAFETY: cublasLtMatrixLayoutSetAttribute copies the 8 bytes that both attributes have. The layout is there as
            // long as `self`.
            let code = unsafe {
                (self.library.functions.cublasLtMatrixLayoutSetAttribute)(
                    self.layout,
                    attribute,
                    (&raw const shape[i]).cast(),
                    size_of::<u64>(),
                )
            };
            self.library.check("cublasLtMatrixLayoutSetAttribute", code)?;
            self.shape[i] = shape[i];
        }
        Ok(())
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: the layout was made by `of` and is destroyed once.
        let _ = unsafe { (self.library.functions.cublasLtMatrixLayoutDestroy)(self.layout) };
    }
}

/// An algorithm and its configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Algorithm(cublasLtMatmulAlgo_t);

/// What the search for algorithms must respect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    /// The most bytes of workspace.
    pub(crate) workspace: usize,
    /// Alignments of A, B and C in bytes.
    pub(crate) alignments: [u32; 3],
}

/// The preference of a search; it is destroyed with it.
struct Preference<'a>(&'a CublasLt, cublasLtMatmulPreference_t);

impl<'a> Preference<'a> {
    fn of(library: &'a CublasLt, wishes: Wishes) -> Result<Preference<'a>, Error> {
        use cublasLtMatmulPreferenceAttributes_t as Attribute;
        let mut preference = null_mut();
        // SAFETY: cublasLtMatmulPreferenceCreate writes one handle to the pointer. Drop destroys it.
        let code = unsafe { (library.functions.cublasLtMatmulPreferenceCreate)(&raw mut preference) };
        library.check("cublasLtMatmulPreferenceCreate", code)?;
        let preference = Preference(library, preference);
        let [a, b, c] = wishes.alignments;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &(wishes.workspace as u64))?;
        // No split of K: a sum is computed in one sequence.
        let scheme = cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_NONE as u32;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &scheme)?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &a)?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &b)?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &c)?;
        preference.set(Attribute::CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &c)?;
        Ok(preference)
    }

    /// Sets an attribute, whose type the header names beside it: u32 or u64.
    fn set<T: Copy>(&self, attribute: cublasLtMatmulPreferenceAttributes_t, value: &T) -> Result<(), Error> {
        // SAFETY: cublasLtMatmulPreferenceSetAttribute copies `size_of::<T>()` bytes from the pointer, and returns an error where
        // the attribute has another size. The preference is there as long as `self`.
        let code = unsafe {
            (self.0.functions.cublasLtMatmulPreferenceSetAttribute)(
                self.1,
                attribute,
                (&raw const *value).cast(),
                size_of::<T>(),
            )
        };
        self.0.check("cublasLtMatmulPreferenceSetAttribute", code)
    }
}

impl Drop for Preference<'_> {
    fn drop(&mut self) {
        // SAFETY: the preference was made by `of` and is destroyed once.
        let _ = unsafe { (self.0.functions.cublasLtMatmulPreferenceDestroy)(self.1) };
    }
}

/// A product's descriptor and the layouts of A, B and C.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) operation: Operation,
    pub(crate) a: Layout,
    pub(crate) b: Layout,
    pub(crate) c: Layout,
}

/// Algorithms that one search returns at most.
const ALGORITHMS: usize = 32;

impl Product {
    fn library(&self) -> &CublasLt {
        &self.operation.library
    }

    /// Searches algorithms, the fastest as the library thinks first.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn search(&self, wishes: Wishes) -> Result<Vec<Algorithm>, Error> {
        let library = self.library();
        library.stream.context().enter()?;
        let preference = Preference::of(library, wishes)?;
        let mut results = [const { MaybeUninit::<Heuristic>::uninit() }; ALGORITHMS];
        let mut count = 0;
        // SAFETY: cublasLtMatmulAlgoGetHeuristic writes at most ALGORITHMS results to the array and their number to the pointer.
        // `Heuristic` has the layout of its type. All handles are there as long as `self` and `preference`.
        let code = unsafe {
            (library.functions.cublasLtMatmulAlgoGetHeuristic)(
                library.handle,
                self.operation.descriptor,
                self.a.layout,
                self.b.layout,
                self.c.layout,
                self.c.layout,
                preference.1,
                ALGORITHMS as c_int,
                results.as_mut_ptr().cast(),
                &raw mut count,
            )
        };
        library.check("cublasLtMatmulAlgoGetHeuristic", code)?;
        let count = usize::try_from(count).unwrap_or(0).min(ALGORITHMS);
        // SAFETY: the library wrote the first `count` results; any bits are a `Heuristic`.
        let results = results[..count].iter().map(|result| unsafe { result.assume_init() });
        let usable = results.filter(|result| result.state == 0 && result.workspace <= wishes.workspace);
        Ok(usable.map(|result| Algorithm(result.algorithm)).collect())
    }

    /// Whether an algorithm can compute the product with `workspace` bytes, as far as the library tells.
    ///
    /// # Errors
    /// What the library says, but for a refusal of the algorithm.
    pub(crate) fn admits(&self, algorithm: &Algorithm, workspace: usize) -> Result<bool, Error> {
        let library = self.library();
        library.stream.context().enter()?;
        let mut result = MaybeUninit::<Heuristic>::zeroed();
        // SAFETY: cublasLtMatmulAlgoCheck reads the algorithm and writes at most one result, without its algorithm. `Heuristic`
        // has the layout of its type. All handles are there as long as `self`.
        let code = unsafe {
            (library.functions.cublasLtMatmulAlgoCheck)(
                library.handle,
                self.operation.descriptor,
                self.a.layout,
                self.b.layout,
                self.c.layout,
                self.c.layout,
                &raw const algorithm.0,
                result.as_mut_ptr().cast(),
            )
        };
        use sys::cublasStatus_t::{
            CUBLAS_STATUS_ARCH_MISMATCH, CUBLAS_STATUS_INVALID_VALUE, CUBLAS_STATUS_NOT_SUPPORTED,
        };
        let refusals = [CUBLAS_STATUS_NOT_SUPPORTED, CUBLAS_STATUS_INVALID_VALUE, CUBLAS_STATUS_ARCH_MISMATCH];
        if refusals.iter().any(|refusal| *refusal as Code == code) {
            return Ok(false);
        }
        library.check("cublasLtMatmulAlgoCheck", code)?;
        // SAFETY: all bytes were zero or written; any bits are a `Heuristic`.
        let result = unsafe { result.assume_init() };
        Ok(result.state == 0 && result.workspace <= workspace)
    }

    /// Whether an algorithm computes each sum in one sequence.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn is_in_sequence(&self, algorithm: &Algorithm) -> Result<bool, Error> {
        use cublasLtMatmulAlgoConfigAttributes_t as Attribute;
        let parts = self.configuration(algorithm, Attribute::CUBLASLT_ALGO_CONFIG_SPLITK_NUM)?;
        let scheme = self.configuration(algorithm, Attribute::CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME)?;
        Ok(parts <= 1 && scheme == cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_NONE as u32)
    }

    /// Returns an attribute of 32 bits of an algorithm.
    fn configuration(
        &self,
        algorithm: &Algorithm,
        attribute: cublasLtMatmulAlgoConfigAttributes_t,
    ) -> Result<u32, Error> {
        let (mut value, mut written) = (0u32, 0);
        // SAFETY: cublasLtMatmulAlgoConfigGetAttribute reads the algorithm and writes at most `size_of::<u32>()` bytes to the
        // first pointer and their number to the second.
        let code = unsafe {
            (self.library().functions.cublasLtMatmulAlgoConfigGetAttribute)(
                &raw const algorithm.0,
                attribute,
                (&raw mut value).cast(),
                size_of::<u32>(),
                &raw mut written,
            )
        };
        self.library().check("cublasLtMatmulAlgoConfigGetAttribute", code)?;
        Ok(value)
    }

    /// Computes C = op(A) · op(B) + bias + beta · C. `addresses` are those of A, B, C and the workspace.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn compute(
        &self,
        algorithm: &Algorithm,
        addresses: [u64; 4],
        workspace: usize,
        beta: f32,
    ) -> Result<(), Error> {
        let library = self.library();
        library.stream.context().enter()?;
        let (alpha, [a, b, c, space]) = (1f32, addresses.map(|address| address as usize));
        let pointer = |address| std::ptr::without_provenance_mut::<c_void>(address);
        // SAFETY: alpha and beta point to f32 of the host, as the scale type and the default pointer mode say; they are read
        // before the function returns. The caller found A, B, C, bias and workspace within allocations that outlive the
        // stream's work, and holds the workspace for this stream alone. C and D are the same matrix with the same layout, as
        // is allowed. The algorithm was checked for these layouts. Device addresses are passed as pointers and never read
        // here.
        let code = unsafe {
            (library.functions.cublasLtMatmul)(
                library.handle,
                self.operation.descriptor,
                (&raw const alpha).cast(),
                pointer(a),
                self.a.layout,
                pointer(b),
                self.b.layout,
                (&raw const beta).cast(),
                pointer(c),
                self.c.layout,
                pointer(c),
                self.c.layout,
                &raw const algorithm.0,
                pointer(space),
                workspace,
                library.stream.handle().cast(),
            )
        };
        library.check("cublasLtMatmul", code)
    }
}
