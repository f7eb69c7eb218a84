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
#define SEGMENT_THREADS 16

// Elements that a block sums in f64.
#define SQUARES_BLOCK 32768
