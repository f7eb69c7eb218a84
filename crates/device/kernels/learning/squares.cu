// Sums in f64, in an order that the length fixes.

// partial[block] = Σ x · y over a block's SQUARES_BLOCK elements; y may be x.
KERNEL NAMED(dots)(const T* x, const T* y, double* partial, u64 n) {
    __shared__ double shared[SUM_THREADS];
    u64 first = (u64)blockIdx.x * SQUARES_BLOCK;
    u64 end = min(n, first + SQUARES_BLOCK);
    double sum = 0.0;
    ROLLED for (u64 i = first + threadIdx.x * PART_OF(T); i < end; i += SUM_THREADS * PART_OF(T)) {
        Part<PART_OF(T)> left = load<PART_OF(T)>(x, i, end);
        Part<PART_OF(T)> right = load<PART_OF(T)>(y, i, end);
        UNROLLED for (int e = 0; e < PART_OF(T); e++) sum += (double)left.at[e] * (double)right.at[e];
    }
    sum = block_sum_f64(sum, shared);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}
