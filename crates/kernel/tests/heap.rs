//! A process that gets no memory ends as its own function says.
//!
//! A binary of its own: the allocator belongs to the process.

use std::process::Command;
use tagsmith_kernel::memory::floats::Floats;
use tagsmith_kernel::memory::heap::Heap;

/// Asks a process for memory in this way.
const WAY: &str = "TAGSMITH_TEST_ASK";

/// More than any system has addresses for: the largest request that Rust makes is half of all addresses.
const TOO_MANY: usize = 1 << 60;

#[global_allocator]
static HEAP: Heap = Heap::new(|bytes| std::process::exit(if bytes >= TOO_MANY { 7 } else { 8 }));

#[test]
fn a_process_without_memory_ends_with_its_own_status() {
    match std::env::var(WAY).as_deref() {
        Ok("vector") => drop(Vec::<u8>::with_capacity(TOO_MANY)),
        Ok("zeros") => drop(vec![0u8; TOO_MANY]),
        Ok("growth") => vec![1u8; 9].reserve_exact(TOO_MANY),
        Ok("floats") => drop(Floats::zeros(TOO_MANY / 4)),
        _ => {
            for way in ["vector", "zeros", "growth", "floats"] {
                let mut child = Command::new(std::env::current_exe().unwrap());
                let ran = child.args(["--test-threads", "1"]).env(WAY, way).output().unwrap();
                assert_eq!(ran.status.code(), Some(7), "{way}: {}", String::from_utf8_lossy(&ran.stderr));
            }
            return;
        }
    }
    unreachable!("there is so much memory");
}
