//! Libraries that are loaded while the program runs, and the places where they are looked for.

use crate::error::Error;
use std::path::{Path, PathBuf};

/// Where libraries are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Folders that are looked into first, and Python's `site-packages` with NVIDIA's wheels in them.
    pub folders: Vec<PathBuf>,
    /// Whether the system's own places follow: those of its loader, and where CUDA is usually installed.
    pub system: bool,
}

impl Default for Places {
    /// Returns the system's own places.
    fn default() -> Places {
        Places { folders: Vec::new(), system: true }
    }
}

/// A library that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The version as NVIDIA counts: (12, 4) is 12.4.
    pub version: (u32, u32),
    /// The file it was loaded from.
    pub path: PathBuf,
}

/// NCCL, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundNccl {
    /// The version: (2, 27, 3) is 2.27.3. Members of a link have the same.
    pub version: (u32, u32, u32),
    /// The file it was loaded from.
    pub path: PathBuf,
}

/// Folders below a named one where NVIDIA's wheels put libraries: cublasLt for CUDA 12, all for CUDA 13 but NCCL, and NCCL.
const WHEELS: &[&str] = &["nvidia/cublas/lib", "nvidia/cu13/lib", "nvidia/nccl/lib"];

/// Folders that the loader often does not know.
const USUAL: &[&str] = &["/usr/local/cuda/lib64", "/opt/cuda/lib64", "/usr/lib/wsl/lib"];

/// The driver's names.
pub(super) const DRIVER: &[&str] = if cfg!(windows) { &["nvcuda.dll"] } else { &["libcuda.so.1", "libcuda.so"] };

/// The names of cublasLt for CUDA 13.
pub(super) const LT_13: &[&str] = if cfg!(windows) { &["cublasLt64_13.dll"] } else { &["libcublasLt.so.13"] };

/// The names of cublasLt for CUDA 12.
pub(super) const LT_12: &[&str] = if cfg!(windows) { &["cublasLt64_12.dll"] } else { &["libcublasLt.so.12"] };

/// The names of NCCL, whose versions for CUDA 12 and CUDA 13 have the same.
pub(super) const NCCL: &[&str] = &["libnccl.so.2"];

/// A loaded library. It stays loaded until the process ends, since the driver leaves threads and exit handlers behind.
#[derive(Debug)]
pub(super) struct Library {
    handle: libloading::Library,
    path: PathBuf,
}

impl Library {
    /// Loads the first library of these names, or returns why none could be loaded: nothing where there is none.
    pub(super) fn load(names: &[&str], places: &Places) -> Result<Library, Vec<String>> {
        let mut reasons = Vec::new();
        let folders = places.folders.iter().flat_map(|folder| {
            std::iter::once(folder.clone()).chain(WHEELS.iter().map(move |below| folder.join(below)))
        });
        let usual = USUAL.iter().map(PathBuf::from).filter(|_| places.system);
        let files = |folder: PathBuf| names.iter().map(move |name| folder.join(name)).filter(|file| file.exists());
        let named: Vec<PathBuf> = folders.flat_map(files).collect();
        let loader: Vec<PathBuf> = names.iter().map(PathBuf::from).filter(|_| places.system).collect();
        let usual: Vec<PathBuf> = usual.flat_map(files).collect();
        for path in named.into_iter().chain(loader).chain(usual) {
            // SAFETY: NVIDIA's libraries may be loaded at any time and from any thread: their initializers ask nothing of
            // the program. A file of such a name that is another library is the user's own affair.
            match unsafe { libloading::Library::new(&path) } {
                Ok(handle) => return Ok(Library { handle, path }),
                Err(error) => {
                    let reason = told(&error);
                    if !is_absence(&path, &reason) {
                        reasons.push(format!("{}: {reason}", path.display()));
                    }
                }
            }
        }
        Err(reasons)
    }

    /// Returns the address of a function, which stays valid until the process ends.
    pub(super) fn symbol(&self, name: &'static str) -> Option<*const ()> {
        // SAFETY: the symbol is read as an address only; who calls it states its type.
        let symbol = unsafe { self.handle.get::<*const ()>(name.as_bytes()) };
        symbol.ok().map(|symbol| *symbol).filter(|address| !address.is_null())
    }

    /// Returns the file it was loaded from; `symbol` is one of its functions. Where the system does not tell, the name.
    pub(super) fn file(&self, symbol: &'static str) -> PathBuf {
        if self.path.components().count() > 1 {
            return self.path.clone();
        }
        let address = self.symbol(symbol).map(|address| address as usize);
        address.and_then(mapped).unwrap_or_else(|| self.path.clone())
    }

    /// Keeps the library loaded until the process ends.
    pub(super) fn keep(self) {
        std::mem::forget(self.handle);
    }
}

/// Returns the error of a library that lacks a function.
pub(super) fn lacking(file: &Path, name: &str, remedy: &str) -> Error {
    Error::Missing(format!("{} has no function `{name}`, so it is too old: {remedy}", file.display()))
}

/// Returns the file that is mapped at an address, as Linux tells.
fn mapped(address: usize) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let holds = |line: &&str| {
        let bounds = line.split(' ').next().and_then(|range| range.split_once('-'));
        let [low, high] = bounds.map(|(low, high)| [low, high].map(|hex| usize::from_str_radix(hex, 16)))?;
        Some((low.ok()?..high.ok()?).contains(&address))
    };
    let line = maps.lines().find(|line| holds(line).unwrap_or(false))?;
    line.find('/').map(|at| PathBuf::from(&line[at..]))
}

/// Returns an error's text with those of its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whether the loader says only that its own places hold nothing of this name. A library that is there but needs another
/// one, or is of another processor, is worth telling.
fn is_absence(path: &Path, reason: &str) -> bool {
    let own = path.components().count() == 1;
    own && (cfg!(windows) || (reason.contains(&*path.to_string_lossy()) && reason.contains("No such file")))
}
