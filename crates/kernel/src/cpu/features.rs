//! Features of the processor that the standard library does not detect.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;

/// Whether the processor has a matrix unit for bf16 (AMX), and the system lets this process use it. Linux is asked for
/// that once, for all threads.
pub(crate) fn amx() -> bool {
    const BF16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    let flags = __cpuid_count(7, 0).edx;
    flags & BF16 != 0 && flags & TILES != 0 && permitted()
}

#[cfg(target_os = "linux")]
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let mut answer = ARCH_PRCTL;
    // SAFETY: the call takes two numbers, touches no memory of ours, and clobbers what is named.
    unsafe {
        asm!("syscall", inout("rax") answer, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") TILE_DATA,
             lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    answer == 0
}

/// Returns `false`: no other system is known to give the unit to a process.
#[cfg(not(target_os = "linux"))]
fn permitted() -> bool {
    false
}
