//! Where a rank's ordinary output goes.

use std::io::{self, Write};

/// Discards what this process prints from now on. Returns stderr as it was.
///
/// # Errors
/// The system does not allow it.
#[cfg(unix)]
pub fn discard() -> io::Result<Box<dyn Write + Send>> {
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsFd;
    let stderr = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    Ok(Box::new(stderr))
}

/// Refuses: where MPI is not loaded, every process is the first rank.
#[cfg(not(unix))]
pub fn discard() -> io::Result<Box<dyn Write + Send>> {
    Err(io::ErrorKind::Unsupported.into())
}
