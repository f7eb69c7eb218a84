// Elements: f32, and bf16 that are widened when they are read and rounded to nearest even when they are written.
// NVRTC has no headers of CUDA at hand, so everything that is used stands here.

#define KERNEL extern "C" __global__ void
#define DEVICE static __device__ __forceinline__
// Keeps a loop as it is written: the text stays short.
#define ROLLED _Pragma("unroll 1")
#define UNROLLED _Pragma("unroll")

#define ALL_LANES 0xffffffffu

// An index of a large array, or a key of random numbers.
typedef unsigned long long u64;

struct bf16 {
    unsigned short bits;
};

DEVICE float read(const float* from) {
    return *from;
}

DEVICE float read(const bf16* from) {
    return __uint_as_float((unsigned)from->bits << 16);
}

// Two bf16 in one word, the first in its lower half: cvt.rn.bf16x2.f32 of the PTX ISA.
DEVICE unsigned pack(float low, float high) {
    unsigned word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
    return word;
}

DEVICE void write(float* to, float value) {
    *to = value;
}

DEVICE void write(bf16* to, float value) {
    to->bits = (unsigned short)pack(value, 0.0f);
}

// Elements that a block of an element-wise kernel works on, with 256 threads.
#define FLAT_BLOCK 1024
#define FLAT_THREADS 256

// Walks over this block's part of n elements.
#define FLAT(i, n)                                                                                       \
    ROLLED for (u64 i = (u64)blockIdx.x * FLAT_BLOCK + threadIdx.x, end = (u64)(blockIdx.x + 1) * FLAT_BLOCK; \
                i < end && i < (n); i += FLAT_THREADS)
