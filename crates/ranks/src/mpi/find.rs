//! Which MPI library is loaded: the launcher's own, as far as that can be told.

use super::library::Library;
use crate::launcher::{Launcher, Maker};
use std::path::{Path, PathBuf};

/// Names of libraries. Which interface a library has, it shows itself: `libmpi.so.12` is MPICH's, Intel's, or that of an Open
/// MPI of ten years ago.
struct Names {
    open_mpi: &'static [&'static str],
    mpich: &'static [&'static str],
    either: &'static [&'static str],
}

const NAMES: Names = if cfg!(target_os = "macos") {
    Names {
        open_mpi: &["libmpi.40.dylib"],
        mpich: &["libmpi.12.dylib", "libmpich.12.dylib"],
        either: &["libmpi.dylib", "libmpi_abi.1.dylib"],
    }
} else if cfg!(unix) {
    Names {
        open_mpi: &["libmpi.so.40"],
        mpich: &["libmpi.so.12", "libmpich.so.12"],
        either: &["libmpi.so", "libmpi_abi.so.1"],
    }
} else {
    Names { open_mpi: &[], mpich: &[], either: &[] }
};

/// Returns the names that are tried, the likeliest first.
fn names(maker: Maker) -> Vec<&'static str> {
    let Names { open_mpi, mpich, either } = NAMES;
    match maker {
        Maker::Mpich => [mpich, either, open_mpi].concat(),
        Maker::OpenMpi | Maker::Unknown => [open_mpi, either, mpich].concat(),
    }
}

/// A library that was found.
pub struct Found {
    pub library: Library,
    /// The name that the loader knows it by, or its file beside a launcher.
    pub path: PathBuf,
}

impl Found {
    /// Returns what a person calls the library: name and version.
    pub fn name(&self) -> String {
        title(&self.library.description())
    }
}

/// Returns the files and names to try, best first. They lie beside the program that started this one, where the loader looks, and
/// beside the launcher that a shell would start.
fn places(maker: Maker) -> Vec<PathBuf> {
    let names = names(maker);
    let beside = |program: PathBuf| {
        let root = program.parent().and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
        let folders = ["lib", "lib64"].map(|folder| root.join(folder));
        let files: Vec<PathBuf> =
            folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).collect();
        files.into_iter().filter(|file| file.exists())
    };
    let loader = names.iter().map(PathBuf::from);
    let parent = Launcher::parent().into_iter().flat_map(beside);
    parent.chain(loader).chain(Launcher::on_path().into_iter().flat_map(beside)).collect()
}

/// Returns the library for a job that a launcher of this maker started.
///
/// # Errors
/// None can be loaded. The error says which were tried, and what helps.
pub fn of(maker: Maker) -> Result<Found, String> {
    can_load()?;
    let mut reasons = Vec::new();
    for path in places(maker) {
        match Library::load(path.as_os_str(), false) {
            Ok(library) => return Ok(Found { library, path }),
            Err(reason) if is_absence(&path, &reason) => {}
            Err(reason) => reasons.push(format!("{}: {reason}", path.display())),
        }
    }
    let package = match maker {
        Maker::Mpich => "`apt install mpich`",
        Maker::OpenMpi => "`apt install openmpi-bin`",
        Maker::Unknown => "`apt install openmpi-bin`, or mpich",
    };
    let none = none(maker, &reasons);
    Err(format!("{none}: install the launcher's ({package}), or name its folder in `LD_LIBRARY_PATH`"))
}

/// Returns that there is no library: the names that were looked for, or why those that are there cannot be loaded.
fn none(maker: Maker, reasons: &[String]) -> String {
    match reasons {
        [] => format!("no MPI library is found ({})", names(maker).join(", ")),
        reasons => format!("no MPI library can be loaded ({})", reasons.join("; ")),
    }
}

/// Returns every library that is found, each once.
///
/// # Errors
/// There is none.
pub fn all() -> Result<Vec<Found>, String> {
    can_load()?;
    let (mut all, mut reasons): (Vec<Found>, Vec<String>) = Default::default();
    for path in places(Maker::Unknown) {
        match Library::load(path.as_os_str(), false) {
            Ok(library) if all.iter().all(|other| other.library.description() != library.description()) => {
                all.push(Found { library, path });
            }
            Ok(_) => {}
            Err(reason) if is_absence(&path, &reason) => {}
            Err(reason) => reasons.push(format!("{}: {reason}", path.display())),
        }
    }
    if all.is_empty() { Err(none(Maker::Unknown, &reasons)) } else { Ok(all) }
}

/// Whether this program can load libraries.
///
/// # Errors
/// It cannot; the error says which one can.
pub fn can_load() -> Result<(), String> {
    if cfg!(all(target_env = "musl", target_feature = "crt-static")) {
        return Err("this tagsmith is a static program, which cannot load MPI's library: use the one for glibc, as \
                    `pip install tagsmith` has it"
            .into());
    }
    if NAMES.either.is_empty() {
        return Err(format!("tagsmith does not load MPI on {}", std::env::consts::OS));
    }
    Ok(())
}

/// Whether the loader says only that its own places hold nothing of this name. A library that is there but needs another one is
/// worth telling.
fn is_absence(path: &Path, reason: &str) -> bool {
    let own = path.components().count() == 1;
    own && reason.contains(&*path.to_string_lossy())
        && (reason.contains("No such file") || reason.contains("no such file"))
}

/// Returns name and version of a library's description of itself: what comes first, in one line.
fn title(description: &str) -> String {
    let line = description.lines().next().unwrap_or_default();
    let title: Vec<&str> = line.split(',').next().unwrap_or_default().split_whitespace().collect();
    let title = title.join(" ").replace(" Version:", "").replace(" Version :", "");
    if title.is_empty() { "an MPI".to_owned() } else { title }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_s_title_is_its_name_and_version() {
        // What `MPI_Get_library_version` of these libraries says.
        let open = "Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4, repo rev: v4.1.4, May 26, 2022";
        assert_eq!(title(open), "Open MPI v4.1.4");
        let mpich = "MPICH Version:\t4.0.2\nMPICH Release date:\tThu Apr  7 12:34:45 CDT 2022\n";
        assert_eq!(title(mpich), "MPICH 4.0.2");
        assert_eq!(title("MPICH Version:      5.0.2\nMPICH ABI:  18:2:"), "MPICH 5.0.2");
        assert_eq!(title("Intel(R) MPI Library 2021.9 for Linux* OS\n"), "Intel(R) MPI Library 2021.9 for Linux* OS");
        assert_eq!(title(""), "an MPI");
    }

    #[test]
    fn a_launcher_s_own_library_is_tried_first() {
        if NAMES.either.is_empty() {
            return;
        }
        assert!(NAMES.open_mpi.contains(&names(Maker::OpenMpi)[0]));
        assert!(NAMES.mpich.contains(&names(Maker::Mpich)[0]));
        let sorted = |maker| {
            let mut names = names(maker);
            names.sort_unstable();
            names
        };
        assert_eq!(sorted(Maker::OpenMpi), sorted(Maker::Mpich));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_no_library_has_is_absent() {
        let name = Path::new("libmpi-that-nobody-has.so.12");
        let reason = Library::load(name.as_os_str(), false).err().unwrap();
        assert!(is_absence(name, &reason), "{reason}");
    }

    #[test]
    fn only_a_missing_name_is_passed_over_silently() {
        let name = Path::new("libmpi.so.12");
        let missing = "libmpi.so.12: cannot open shared object file: No such file or directory";
        assert!(is_absence(name, missing));
        assert!(!is_absence(name, "libfabric.so.1: cannot open shared object file: No such file or directory"));
        assert!(!is_absence(name, "libmpi.so.12: wrong ELF class: ELFCLASS32"));
        assert!(!is_absence(Path::new("/opt/lib/libmpi.so.12"), "/opt/lib/libmpi.so.12: invalid ELF header"));
    }
}
