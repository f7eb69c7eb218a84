//! The program `tagsmith`.

use std::process::ExitCode;
use tagsmith_kernel::memory::heap::Heap;

/// The memory of the process, which ends with a line where the system gives none.
#[global_allocator]
static HEAP: Heap = Heap::new(|bytes| tagsmith_cli::end_without_memory(bytes));

fn main() -> ExitCode {
    ExitCode::from(tagsmith_cli::run(std::env::args_os().collect()))
}
