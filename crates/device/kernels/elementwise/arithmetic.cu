// Sums, multiples and copies, element by element.

// y += x.
KERNEL NAMED(add)(const T* x, T* y, u64 n) {
    FLAT(i, n, PART_OF(T)) {
        Part<PART_OF(T)> sum = load<PART_OF(T)>(y, i, n);
        Part<PART_OF(T)> more = load<PART_OF(T)>(x, i, n);
        UNROLLED for (int e = 0; e < PART_OF(T); e++) sum.at[e] += more.at[e];
        store(y, i, n, sum);
    }
}

// y = e^log · x, where the log lies on the device. y may be x, if it has its type.
KERNEL NAMED(scale)(const float* x, T* y, u64 n, const float* log) {
    float by = expf(*log);
    FLAT(i, n, 4) {
        Part<4> part = load<4>(x, i, n);
        UNROLLED for (int e = 0; e < 4; e++) part.at[e] *= by;
        store(y, i, n, part);
    }
}

// y = mask · (x + bias) / (1 − rate) + residual. A block has a row; y may be x or the residual.
// Products and sums are rounded one by one, as on the processor.
KERNEL NAMED(join)(const T* x, const float* bias, const T* residual, T* y, int rows, int columns, u64 key, u64 first_row,
                   unsigned threshold, float factor) {
    int row = blockIdx.x;
    if (row >= rows) return;
    u64 keys = row_keys(key, first_row + row);
    u64 at = (u64)row * columns;
    ROLLED for (int c = threadIdx.x * PART_OF(T); c < columns; c += blockDim.x * PART_OF(T)) {
        Part<PART_OF(T)> part = load<PART_OF(T)>(x + at, c, columns);
        Part<PART_OF(T)> more = {};
        if (residual) more = load<PART_OF(T)>(residual + at, c, columns);
        UNROLLED for (int e = 0; e < PART_OF(T); e++) {
            if (bias && c + e < columns) part.at[e] = __fadd_rn(part.at[e], bias[c + e]);
            if (threshold) part.at[e] = __fmul_rn(part.at[e], kept(keys, c + e, threshold, factor));
            if (residual) part.at[e] = __fadd_rn(part.at[e], more.at[e]);
        }
        store(y + at, c, columns, part);
    }
}

// Turns each head's pairs (x, y) of queries and keys: (x cos α ∓ y sin α, y cos α ± x sin α). A block has a row.
// angles (positions, width): the cosines of a position, then its sines. `sign` is −1 for backward.
KERNEL NAMED(rotary)(T* qkv, const int* positions, const float* angles, int rows, int heads, int width, float sign) {
    int row = blockIdx.x;
    if (row >= rows) return;
    int half = width / 2;
    const float* cosines = angles + (u64)positions[row] * width;
    T* from = qkv + (u64)row * 3 * heads * width;
    ROLLED for (int i = threadIdx.x; i < 2 * heads * half; i += blockDim.x) {
        int head = i / half;
        int c = i % half;
        float cosine = cosines[c];
        float sine = sign * cosines[half + c];
        T* first = from + head * width + c;
        T* second = first + half;
        float a = read(first);
        float b = read(second);
        write(first, a * cosine - b * sine);
        write(second, b * cosine + a * sine);
    }
}
