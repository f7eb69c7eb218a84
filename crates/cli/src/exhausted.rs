//! The end of a process that gets no memory from the system: a line and a status, as for any other error.

use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;
use tagsmith_files::fleeting;

/// Whether a thread is ending the process.
static ENDING: AtomicBool = AtomicBool::new(false);

/// How long other threads that get no memory wait for the end.
const WAIT: Duration = Duration::from_secs(5);

/// Says how much memory was asked for in vain, and ends the process with a status. Of what was being written some files may
/// stay, as those of a killed process do. The next run removes them.
pub fn end(bytes: usize, status: i32) -> ! {
    if ENDING.swap(true, Ordering::Relaxed) {
        // One line is enough, and the thread that writes it ends the process; unless it waits for this thread.
        sleep(WAIT);
        process::exit(status);
    }
    let mut text = [0; 320];
    let mut rest = &mut text[..];
    // There is room for the longest number.
    _ = writeln!(
        rest,
        "error: the system gives this process no more memory ({bytes} bytes were asked for): raise its limit (`ulimit \
         -v` and `ulimit -d`, or the memory of its job), give it less to hold at once, or take a machine with more"
    );
    let left = rest.len();
    _ = io::stderr().write_all(&text[..text.len() - left]);
    fleeting::discard_all();
    process::exit(status)
}
