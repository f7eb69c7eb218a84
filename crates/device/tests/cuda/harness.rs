//! Makes folders with the library that stands in for the driver and cublasLt, and asks it what happened.

use std::ffi::{CString, c_char, c_int};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use tagsmith_device::cuda::Places;
use tempfile::TempDir;

/// A folder with a copy of the library under the driver's and cublasLt's names, which nobody else uses.
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

/// Returns the bytes of the library, which is compiled once.
pub fn library() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let (source, target) =
            (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda/fake/fake.rs"), folder.path().join("fake.so"));
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let flags =
            "--edition 2024 --crate-name fake --crate-type cdylib -C opt-level=1 -C strip=symbols -C panic=abort";
        let mut command = Command::new(rustc);
        command.args(flags.split(' ')).arg(source).arg("-o").arg(&target);
        let output = command.output().expect("rustc starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(target).expect("a library")
    })
}

/// Writes a library under names into a folder. They are one file, so that the loader loads it once.
pub fn put(folder: &Path, bytes: &[u8], names: &[&str]) {
    std::fs::create_dir_all(folder).expect("a folder");
    let first = folder.join(names[0]);
    std::fs::write(&first, bytes).expect("written");
    names[1..].iter().for_each(|name| std::fs::hard_link(&first, folder.join(name)).expect("a link"));
}

/// The library's names for a driver of CUDA 12.
pub const NAMES: &[&str] = &["libcuda.so.1", "libcublasLt.so.12"];

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

    /// Returns the library's notes since the last time: searches, products, launches and what was wrong.
    pub fn notes(&self) -> Vec<String> {
        self.tell(2)
    }
}
