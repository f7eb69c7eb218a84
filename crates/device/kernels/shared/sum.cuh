// Sums and maxima over warps and blocks, in one order.

DEVICE float warp_sum(float value) {
    ROLLED for (int i = 16; i > 0; i >>= 1) value += __shfl_xor_sync(ALL_LANES, value, i);
    return value;
}

DEVICE float warp_max(float value) {
    ROLLED for (int i = 16; i > 0; i >>= 1) value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, i));
    return value;
}

// Threads of a block that works on a row.
#define ROW_THREADS 128

// Returns the sum over a block of ROW_THREADS threads; every thread gets it. `shared` has a place for each warp.
DEVICE float block_sum(float value, float* shared) {
    value = warp_sum(value);
    __syncthreads();  // Whoever read the last sum is done.
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = value;
    __syncthreads();
    return (shared[0] + shared[1]) + (shared[2] + shared[3]);
}

// Threads of a block that sums f64.
#define SUM_THREADS 256

// Returns the sum over a block of SUM_THREADS threads to its first thread. `shared` has a place for each thread.
DEVICE double block_sum_f64(double value, double* shared) {
    shared[threadIdx.x] = value;
    ROLLED for (int half = SUM_THREADS / 2; half > 0; half >>= 1) {
        __syncthreads();
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    }
    return shared[0];
}

// Threads that share a column of a sum over rows.
#define COLUMN_THREADS 8

// Returns the sum over the threads of a column to the first of them, in a block of 32 columns.
DEVICE float column_sum(float value, float shared[COLUMN_THREADS][32]) {
    __syncthreads();  // Whoever read the last sums is done.
    shared[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    if (threadIdx.y == 0) {
        ROLLED for (int i = 1; i < COLUMN_THREADS; i++) value += shared[i][threadIdx.x];
    }
    return value;
}

// Blocks along y that arrived, for each block along x. Whoever comes last leaves 0 behind, for the next launch.
#define ARRIVALS 4096
extern "C" {
__device__ unsigned arrivals[ARRIVALS];
}

// Returns whether this is the last of the blocks along y to come here. It then sees what all of them wrote. `last` is shared.
DEVICE bool comes_last(bool* last) {
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        // What the block wrote comes before, and what it reads behind: `atom` of the PTX ISA.
        unsigned before;
        asm volatile("atom.acq_rel.gpu.inc.u32 %0, [%1], %2;"
                     : "=r"(before) : "l"(arrivals + blockIdx.x), "r"(gridDim.y - 1) : "memory");
        *last = before == gridDim.y - 1;
    }
    __syncthreads();
    return *last;
}

// Returns the sum of a column over the sums of all blocks along y, in their order, to the column's first thread.
DEVICE float sum_of_blocks(const float* partials, int c, int columns, float shared[COLUMN_THREADS][32]) {
    float sum = 0.0f;
    if (c < columns) {
        ROLLED for (int i = threadIdx.y; i < gridDim.y; i += COLUMN_THREADS) sum += partials[(u64)i * columns + c];
    }
    return column_sum(sum, shared);
}

// Threads that share a column of a segment.
#define SEGMENT_THREADS 16

// Elements that a block sums in f64.
#define SQUARES_BLOCK 32768
