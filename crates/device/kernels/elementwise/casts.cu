// Changes of the type of elements.

// y = x, rounded to nearest even.
KERNEL to_bf16(const float* x, bf16* y, u64 n) {
    FLAT(i, n, 4) store(y, i, n, load<4>(x, i, n));
}

// y = x, which is exact.
KERNEL to_f32(const bf16* x, float* y, u64 n) {
    FLAT(i, n, 4) store(y, i, n, load<4>(x, i, n));
}

// y = x, or y += x: one number, rounded. A block has one thread.
KERNEL narrow(const double* x, float* y, int onto) {
    *y = onto ? *y + (float)*x : (float)*x;
}
