//! Makes folders with the library that stands in for the driver, cublasLt and NCCL, and asks it what happened.

use std::ffi::{CString, c_char, c_int};
use std::path::{Path, PathBuf};
use tagsmith_device::cuda::Places;
use tagsmith_testkit::fake_gpu::{NAMES, library, put};
use tempfile::TempDir;

/// A folder with a copy of the library under the driver's, cublasLt's and NCCL's names, which nobody else uses.
pub struct Fake {
    folder: TempDir,
    library: libloading::Library,
}

/// PTX with two kernels.
pub const PTX: &str = "
.version 8.1
.target sm_80
.address_size 64
.visible .entry scale(
\t.param .u64 scale_param_0,
\t.param .u32 scale_param_1,
\t.param .f32 scale_param_2,
\t.param .u64 scale_param_3
)
{
\tret;
}
.visible .entry nothing()
{
\tret;
}
";

/// Returns the places of one folder alone.
pub fn only(folder: &Path) -> Places {
    Places { folders: vec![folder.to_owned()], system: false }
}

impl Fake {
    pub fn new() -> Fake {
        Fake::of(library(), NAMES)
    }

    pub fn of(bytes: &[u8], names: &[&str]) -> Fake {
        let folder = TempDir::new().expect("a folder");
        put(folder.path(), bytes, names);
        // SAFETY: the library is ours and does nothing when it is loaded.
        let library = unsafe { libloading::Library::new(folder.path().join(names[0])) }.expect("it is loaded");
        Fake { folder, library }
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn places(&self) -> Places {
        only(self.folder.path())
    }

    /// Makes a function fail with a code after it succeeded `wait` times; code 0 ends that.
    pub fn fail(&self, name: &str, code: u32, wait: u64) {
        let name = CString::new(name).expect("no zero");
        // SAFETY: the function has this type (fake.rs).
        unsafe {
            self.library.get::<unsafe extern "C" fn(*const c_char, u32, u64)>(b"fake_fail").expect("a function")(
                name.as_ptr(),
                code,
                wait,
            );
        }
    }

    /// Changes what the library shows.
    pub fn set(&self, name: &str, value: u64) {
        let name = CString::new(name).expect("no zero");
        // SAFETY: the function has this type (fake.rs).
        unsafe {
            self.library.get::<unsafe extern "C" fn(*const c_char, u64)>(b"fake_set").expect("a function")(
                name.as_ptr(),
                value,
            );
        }
    }

    fn tell(&self, what: c_int) -> Vec<String> {
        let mut text = vec![0u8; 1 << 20];
        // SAFETY: the function has this type (fake.rs), and the buffer the size that it is told.
        let bytes =
            unsafe {
                self.library
                    .get::<unsafe extern "C" fn(c_int, *mut u8, usize) -> usize>(b"fake_tell")
                    .expect("a function")(what, text.as_mut_ptr(), text.len())
            };
        assert!(bytes <= text.len(), "{bytes} bytes of notes");
        text.truncate(bytes);
        let text = String::from_utf8(text).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    /// Returns the calls since the last time.
    pub fn calls(&self) -> Vec<String> {
        self.tell(0)
    }

    /// Returns what exists and was not given back.
    pub fn live(&self) -> Vec<String> {
        self.tell(1)
    }

    /// Returns the library's notes since the last time: searches, products and what was wrong.
    pub fn notes(&self) -> Vec<String> {
        self.tell(2)
    }

    /// Returns what was put into the stream since the last time, one line each.
    pub fn log(&self) -> Vec<String> {
        self.tell(3)
    }
}
