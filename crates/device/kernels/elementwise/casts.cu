// Changes of the type of elements.

// y = x, rounded to nearest even.
KERNEL to_bf16(const float* x, bf16* y, u64 n) {
    FLAT(i, n) write(y + i, x[i]);
}

// y = x, which is exact.
KERNEL to_f32(const bf16* x, float* y, u64 n) {
    FLAT(i, n) y[i] = read(x + i);
}

// y = x, or y += x: one number, rounded. A block has one thread.
KERNEL narrow(const double* x, float* y, int onto) {
    *y = onto ? *y + (float)*x : (float)*x;
}
