// Activations, element by element, in the memory of their input if that is wanted.

// u = x + bias[column]; y = f(u). x may be u. Without a bias (0), u = x and is not written.
KERNEL NAMED(activation)(const T* x, const float* bias, T* u, T* y, int columns, u64 n, int which) {
    FLAT(i, n, PART_OF(T)) {
        Part<PART_OF(T)> part = load<PART_OF(T)>(x, i, n);
        if (bias) {
            int c = i % columns;
            UNROLLED for (int e = 0; e < PART_OF(T); e++) {
                part.at[e] = rounded<T>(part.at[e] + bias[c]);
                c = c + 1 < columns ? c + 1 : 0;
            }
            store(u, i, n, part);
        }
        UNROLLED for (int e = 0; e < PART_OF(T); e++) part.at[e] = activated(which, part.at[e]).value;
        store(y, i, n, part);
    }
}

// dx = f′(u) · dy, and y = f(u) once more where y is given. dx may be dy.
KERNEL NAMED(activation_backward)(const T* u, const T* dy, T* dx, T* y, u64 n, int which) {
    FLAT(i, n, PART_OF(T)) {
        Part<PART_OF(T)> value = load<PART_OF(T)>(u, i, n);
        Part<PART_OF(T)> d = load<PART_OF(T)>(dy, i, n);
        UNROLLED for (int e = 0; e < PART_OF(T); e++) {
            Activated f = activated(which, value.at[e]);
            d.at[e] *= f.slope;
            value.at[e] = f.value;
        }
        store(dx, i, n, d);
        if (y) store(y, i, n, value);
    }
}

// z = f(u) · g, where u and g are the halves of a row of x. A block has a row.
KERNEL NAMED(gated)(const T* x, T* z, int rows, int half, int which) {
    int row = blockIdx.x;
    if (row >= rows) return;
    const T* from = x + (u64)row * 2 * half;
    ROLLED for (int c = threadIdx.x; c < half; c += blockDim.x) {
        write(z + (u64)row * half + c, activated(which, read(from + c)).value * read(from + half + c));
    }
}

// du = f′(u) · g · dz and dg = f(u) · dz. dx may be x.
KERNEL NAMED(gated_backward)(const T* x, const T* dz, T* dx, int rows, int half, int which) {
    int row = blockIdx.x;
    if (row >= rows) return;
    u64 at = (u64)row * 2 * half;
    ROLLED for (int c = threadIdx.x; c < half; c += blockDim.x) {
        Activated f = activated(which, read(x + at + c));
        float gate = read(x + at + half + c);
        float d = read(dz + (u64)row * half + c);
        write(dx + at + c, f.slope * gate * d);
        write(dx + at + half + c, f.value * d);
    }
}
