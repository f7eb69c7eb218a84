//! A library that stands in for NVIDIA's driver, cublasLt and NCCL: it shows two GPUs whose kernels do nothing.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use tempfile::TempDir;

/// The library's names for a driver of CUDA 12.
pub const NAMES: &[&str] = &["libcuda.so.1", "libcublasLt.so.12", "libnccl.so.2"];

/// Returns the bytes of the library, which is compiled once.
pub fn library() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = TempDir::new().expect("a folder");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../device/tests/cuda/fake/fake.rs");
        let target = folder.path().join("fake.so");
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
