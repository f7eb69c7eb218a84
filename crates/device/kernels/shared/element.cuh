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

// Returns a number as an element of this type has it.
template <typename E>
DEVICE float rounded(float value) {
    E element;
    write(&element, value);
    return read(&element);
}

// Elements side by side, which a thread reads and writes at once where it can.
template <int N>
struct Part {
    float at[N];
};

// How many elements of this type 16 bytes hold.
#define PART_OF(E) (16 / (int)sizeof(E))

// Returns whether n bytes that begin here are one access.
DEVICE bool is_aligned(const void* at, int n) {
    return (u64)at % n == 0;
}

DEVICE void read_words(const void* from, unsigned (&words)[2]) {
    uint2 both = *(const uint2*)from;
    words[0] = both.x, words[1] = both.y;
}

DEVICE void read_words(const void* from, unsigned (&words)[4]) {
    uint4 all = *(const uint4*)from;
    words[0] = all.x, words[1] = all.y, words[2] = all.z, words[3] = all.w;
}

DEVICE void write_words(void* to, const unsigned (&words)[2]) {
    *(uint2*)to = make_uint2(words[0], words[1]);
}

DEVICE void write_words(void* to, const unsigned (&words)[4]) {
    *(uint4*)to = make_uint4(words[0], words[1], words[2], words[3]);
}

// Element e among words with elements of a type, and the words of these elements.
DEVICE float element(const unsigned* words, int e, float) {
    return __uint_as_float(words[e]);
}

DEVICE float element(const unsigned* words, int e, bf16) {
    return __uint_as_float(e % 2 ? words[e / 2] & 0xffff0000u : words[e / 2] << 16);
}

DEVICE unsigned word(const float* elements, int i, float) {
    return __float_as_uint(elements[i]);
}

DEVICE unsigned word(const float* elements, int i, bf16) {
    return pack(elements[2 * i], elements[2 * i + 1]);
}

// Reads elements i to i + N of n; 0 stands for those behind the end.
template <int N, typename E>
DEVICE Part<N> load(const E* from, u64 i, u64 n) {
    Part<N> part;
    if (i + N <= n && is_aligned(from + i, N * sizeof(E))) {
        unsigned words[N * sizeof(E) / 4];
        read_words(from + i, words);
        UNROLLED for (int e = 0; e < N; e++) part.at[e] = element(words, e, E());
    } else {
        UNROLLED for (int e = 0; e < N; e++) part.at[e] = i + e < n ? read(from + i + e) : 0.0f;
    }
    return part;
}

// Writes elements i to i + N of n, but for those behind the end.
template <int N, typename E>
DEVICE void store(E* to, u64 i, u64 n, const Part<N>& part) {
    if (i + N <= n && is_aligned(to + i, N * sizeof(E))) {
        unsigned words[N * sizeof(E) / 4];
        UNROLLED for (int w = 0; w < N * sizeof(E) / 4; w++) words[w] = word(part.at, w, E());
        write_words(to + i, words);
    } else {
        UNROLLED for (int e = 0; e < N; e++) {
            if (i + e < n) write(to + i + e, part.at[e]);
        }
    }
}

// Elements that a block of an element-wise kernel works on, with 256 threads.
#define FLAT_BLOCK 2048
#define FLAT_THREADS 256

// Walks over this block's part of n elements: i is the first of each N.
#define FLAT(i, n, N)                                                                                                \
    ROLLED for (u64 i = (u64)blockIdx.x * FLAT_BLOCK + threadIdx.x * N, end = (u64)(blockIdx.x + 1) * FLAT_BLOCK; \
                i < end && i < (n); i += FLAT_THREADS * N)
