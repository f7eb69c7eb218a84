// Sums of f64, the clip, and AdamW.

// *out = Σ x, by one block.
KERNEL sum_f64(const double* x, double* out, u64 n) {
    __shared__ double shared[SUM_THREADS];
    double sum = 0.0;
    ROLLED for (u64 i = threadIdx.x; i < n; i += SUM_THREADS) sum += x[i];
    sum = block_sum_f64(sum, shared);
    if (threadIdx.x == 0) *out = sum;
}

// *norm = √*squares, and *scale = min(1, most / (norm + 1e-6)), or 1 if `most` is not above 0. One thread.
KERNEL clip(const double* squares, double* norm, float* scale, u64 most_bits) {
    double most = __longlong_as_double((long long)most_bits);
    double length = sqrt(*squares);
    double by = most / (length + 1e-6);
    *norm = length;
    // A norm that is NaN must not be hidden: then `by` is NaN, and fails the comparison.
    *scale = most > 0.0 ? (float)(by > 1.0 ? 1.0 : by) : 1.0f;
}

// A part of the parameters that a block updates.
struct Chunk {
    u64 parameter;  // the number of the first parameter and of its gradient
    u64 moment;     // the number of its moments
    u64 count;      // at most 4096
    double decay;   // λ
};

// p ← p · keep, with keep = 1 − ηλ; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − step · m / (√v · root_correction + ε).
// g is multiplied by *scale first. The operations are those of `kernel/op/adamw.rs`, one by one, so the bits are too.
// If `twins` is given, it takes the new p as bf16. Gradients and twins are numbered as parameters.
KERNEL adamw(float* parameters, const float* gradients, float* first_moments, float* second_moments, bf16* twins,
             const Chunk* chunks, int count, const float* scale, u64 rate_bits, float beta1, float beta2, float rest1,
             float rest2, float step, float root_correction, float epsilon) {
    if (blockIdx.x >= count) return;
    Chunk chunk = chunks[blockIdx.x];
    float by = *scale;
    double rate = __longlong_as_double((long long)rate_bits);
    float keep = (float)__dsub_rn(1.0, __dmul_rn(rate, chunk.decay));
    ROLLED for (u64 i = 4 * threadIdx.x; i < chunk.count; i += 4 * blockDim.x) {
        Part<4> p = load<4>(parameters + chunk.parameter, i, chunk.count);
        Part<4> gradient = load<4>(gradients + chunk.parameter, i, chunk.count);
        Part<4> m = load<4>(first_moments + chunk.moment, i, chunk.count);
        Part<4> v = load<4>(second_moments + chunk.moment, i, chunk.count);
        UNROLLED for (int e = 0; e < 4; e++) {
            float g = __fmul_rn(gradient.at[e], by);
            m.at[e] = __fmaf_rn(rest1, g, __fmul_rn(beta1, m.at[e]));
            v.at[e] = __fmaf_rn(__fmul_rn(rest2, g), g, __fmul_rn(beta2, v.at[e]));
            float root = __fmaf_rn(__fsqrt_rn(v.at[e]), root_correction, epsilon);
            p.at[e] = __fsub_rn(__fmul_rn(p.at[e], keep), __fdiv_rn(__fmul_rn(step, m.at[e]), root));
        }
        store(parameters + chunk.parameter, i, chunk.count, p);
        store(first_moments + chunk.moment, i, chunk.count, m);
        store(second_moments + chunk.moment, i, chunk.count, v);
        if (twins) store(twins + chunk.parameter, i, chunk.count, p);
    }
}
