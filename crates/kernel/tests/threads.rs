//! The pool of threads after a fork, as a program of its own: the pool is the process's.

use tagsmith_kernel::{forget_threads, set_threads, threads};

#[cfg(target_os = "linux")]
/// Workers of the pool before wait for ever, as they are missing after a fork.
#[test]
fn threads_begin_again_after_they_are_forgotten() {
    let count = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    set_threads(3).unwrap();
    let before = count();
    forget_threads();
    assert_eq!((count(), threads()), (before, 3));
    assert_eq!(count(), before + 2, "two workers are new");
}
