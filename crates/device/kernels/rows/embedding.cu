// Rows of tables, added and copied. A block has a row.

// y = words[word] + positions[position] + types[type]; a table may be absent (0).
KERNEL NAMED(embedding)(const float* words, const int* word, const float* positions, const int* position,
                        const float* types, const int* type, T* y, int rows, int columns) {
    int row = blockIdx.x;
    if (row >= rows) return;
    const float* first = words + (u64)word[row] * columns;
    const float* second = positions ? positions + (u64)position[row] * columns : 0;
    const float* third = types ? types + (u64)type[row] * columns : 0;
    ROLLED for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        float value = first[c];
        if (second) value += second[c];
        if (third) value += third[c];
        write(y + (u64)row * columns + c, value);
    }
}

// y[n] = x[index[n]].
KERNEL NAMED(take_rows)(const T* x, const int* index, T* y, int rows, int columns) {
    int row = blockIdx.x;
    if (row >= rows) return;
    const T* from = x + (u64)index[row] * columns;
    ROLLED for (int c = threadIdx.x; c < columns; c += blockDim.x) y[(u64)row * columns + c] = from[c];
}

// y[n] = starts[span.start] + ends[span.end] + widths[span.width] + bias, for spans of three integers.
KERNEL NAMED(span_sum)(const T* starts, const T* ends, const T* widths, const float* bias, const int* spans, T* y,
                       int rows, int columns) {
    int row = blockIdx.x;
    if (row >= rows) return;
    const T* start = starts + (u64)spans[3 * (u64)row] * columns;
    const T* end = ends + (u64)spans[3 * (u64)row + 1] * columns;
    const T* width = widths + (u64)spans[3 * (u64)row + 2] * columns;
    ROLLED for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        write(y + (u64)row * columns + c, ((read(start + c) + read(end + c)) + read(width + c)) + bias[c]);
    }
}

// y[t][i · k + j] = x[t + j − k/2][i], and 0 beyond the sequence's ends. A block has a sequence and 128 columns of x.
KERNEL NAMED(unfold)(const T* x, const int* starts, T* y, int sequences, int columns, int k) {
    int sequence = blockIdx.x;
    int i = blockIdx.y * blockDim.x + threadIdx.x;
    if (sequence >= sequences || i >= columns) return;
    int first = starts[sequence];
    int end = starts[sequence + 1];
    ROLLED for (int t = first; t < end; t++) {
        ROLLED for (int j = 0; j < k; j++) {
            int from = t + j - k / 2;
            float value = from >= first && from < end ? read(x + (u64)from * columns + i) : 0.0f;
            write(y + ((u64)t * columns + i) * k + j, value);
        }
    }
}

// dx += the transposed map of `unfold` applied to dy; the neighbors of a row are added in their order.
KERNEL NAMED(fold_onto)(const T* dy, const int* starts, T* dx, int sequences, int columns, int k) {
    int sequence = blockIdx.x;
    int i = blockIdx.y * blockDim.x + threadIdx.x;
    if (sequence >= sequences || i >= columns) return;
    int first = starts[sequence];
    int end = starts[sequence + 1];
    ROLLED for (int from = first; from < end; from++) {
        float sum = read(dx + (u64)from * columns + i);
        ROLLED for (int j = k - 1; j >= 0; j--) {
            int t = from + k / 2 - j;
            if (t >= first && t < end) sum += read(dy + ((u64)t * columns + i) * k + j);
        }
        write(dx + (u64)from * columns + i, sum);
    }
}
