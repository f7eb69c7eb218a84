// Sums of rows, each in an order that the shapes fix.

// out[column] (+)= the sum over rows. A block has some rows of 32 columns, and 8 threads for each column. With several
// blocks of rows, their sums go to partials (blocks, columns), and the last block to come adds them.
KERNEL NAMED(column_sums)(const T* x, float* partials, float* out, int rows, int columns, int rows_a_block, int onto) {
    __shared__ float shared[COLUMN_THREADS][32];
    __shared__ bool last;
    int c = blockIdx.x * 32 + threadIdx.x;
    int first = blockIdx.y * rows_a_block;
    int end = min(rows, first + rows_a_block);
    float sum = 0.0f;
    if (c < columns) {
        ROLLED for (int row = first + threadIdx.y; row < end; row += COLUMN_THREADS) {
            sum += read(x + (u64)row * columns + c);
        }
    }
    sum = column_sum(sum, shared);
    bool writes = threadIdx.y == 0 && c < columns;
    if (gridDim.y > 1) {
        if (writes) partials[(u64)blockIdx.y * columns + c] = sum;
        if (!comes_last(&last)) return;
        sum = sum_of_blocks(partials, c, columns, shared);
    }
    if (writes) out[c] = onto ? out[c] + sum : sum;
}

// table[rows[s]] (+)= the sum of x[order[i]] for i from starts[s] to starts[s + 1]. A block has a segment and 32 columns,
// with SEGMENT_THREADS threads for each column. The segments' rows differ.
KERNEL NAMED(segment_sums)(const T* x, const int* order, const int* starts, const int* rows, float* table, int segments,
                           int columns, int onto) {
    __shared__ float shared[SEGMENT_THREADS][32];
    int segment = blockIdx.x;
    if (segment >= segments) return;
    int c = blockIdx.y * 32 + threadIdx.x;
    int end = starts[segment + 1];
    float sum = 0.0f;
    if (c < columns) {
        ROLLED for (int i = starts[segment] + threadIdx.y; i < end; i += SEGMENT_THREADS) {
            sum += read(x + (u64)order[i] * columns + c);
        }
    }
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && c < columns) {
        ROLLED for (int i = 1; i < SEGMENT_THREADS; i++) sum += shared[i][threadIdx.x];
        float* to = table + (u64)rows[segment] * columns + c;
        *to = onto ? *to + sum : sum;
    }
}

// One row a sequence: the first, or with `mean` the mean, summed row after row. A block has a sequence and 128 columns.
KERNEL NAMED(pool)(const T* x, const int* starts, T* y, int sequences, int columns, int mean) {
    int sequence = blockIdx.x;
    int c = blockIdx.y * blockDim.x + threadIdx.x;
    if (sequence >= sequences || c >= columns) return;
    int first = starts[sequence];
    int end = starts[sequence + 1];
    float value = 0.0f;
    if (mean) {
        float share = 1.0f / (end - first);
        ROLLED for (int row = first; row < end; row++) value += share * read(x + (u64)row * columns + c);
    } else {
        value = read(x + (u64)first * columns + c);
    }
    write(y + (u64)sequence * columns + c, value);
}

// The gradient of `pool`: dy of the first row and 0 of the others, or the share of each row.
KERNEL NAMED(pool_backward)(const T* dy, const int* starts, T* dx, int sequences, int columns, int mean) {
    int sequence = blockIdx.x;
    int c = blockIdx.y * blockDim.x + threadIdx.x;
    if (sequence >= sequences || c >= columns) return;
    int first = starts[sequence];
    int end = starts[sequence + 1];
    float value = read(dy + (u64)sequence * columns + c);
    if (mean) value *= 1.0f / (end - first);
    ROLLED for (int row = first; row < end; row++) {
        write(dx + (u64)row * columns + c, mean || row == first ? value : 0.0f);
    }
}
