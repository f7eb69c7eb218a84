//! Instruction sets that kernels are compiled for, and the one in use.

#[cfg(target_arch = "x86_64")]
use crate::cpu::features;
use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for, from the plainest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust on eight floats at a time.
    Portable,
    /// Arm's 128-bit vectors.
    Neon,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// 512-bit vectors.
    Avx512,
    /// 512-bit vectors with products of bf16 pairs.
    Avx512Bf16,
    /// 512-bit vectors with a matrix unit for bf16.
    Amx,
}

/// The level in use plus one, or 0 before anybody asked.
static IN_USE: AtomicU8 = AtomicU8::new(0);

impl Level {
    const ALL: [Level; 6] = [Level::Portable, Level::Neon, Level::Avx2, Level::Avx512, Level::Avx512Bf16, Level::Amx];

    /// Returns the best level that this processor has.
    pub fn detected() -> Level {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
            {
                return match is_x86_feature_detected!("avx512bf16") {
                    true if features::amx() => Level::Amx,
                    true => Level::Avx512Bf16,
                    false => Level::Avx512,
                };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Level::Avx2;
            }
        }
        #[cfg(target_arch = "aarch64")]
        return Level::Neon;
        #[allow(unreachable_code)]
        Level::Portable
    }

    /// Returns the levels that this processor can run, the portable one first.
    pub fn available() -> Vec<Level> {
        let best = Level::detected();
        let neon = cfg!(target_arch = "aarch64");
        Level::ALL.into_iter().filter(|&level| level <= best && (level == Level::Neon) <= neon).collect()
    }

    /// Returns the level that kernels run at.
    pub fn in_use() -> Level {
        match IN_USE.load(Ordering::Relaxed) {
            0 => {
                let level = Level::detected();
                IN_USE.store(level as u8 + 1, Ordering::Relaxed);
                level
            }
            stored => Level::ALL[stored as usize - 1],
        }
    }

    /// Describes how products of bf16 are computed at this level.
    pub fn bf16_path(self) -> &'static str {
        match self {
            Level::Amx => "by AMX",
            Level::Avx512Bf16 => "by AVX512-BF16",
            _ => {
                "by f32 arithmetic on rounded factors: this processor has no bf16 instruction known here, so no faster"
            }
        }
    }

    /// Makes every kernel of the process run at `level`.
    ///
    /// # Panics
    /// If the processor does not have it.
    pub fn select(level: Level) {
        assert!(Level::available().contains(&level), "this processor has no {level:?}");
        IN_USE.store(level as u8 + 1, Ordering::Relaxed);
    }
}
