// Rows of length 1: y = x / max(‖x‖, 1e-12). A block has a row.

// lengths (rows): what each row was divided by.
KERNEL NAMED(normalize)(const T* x, T* y, float* lengths, int rows, int columns) {
    __shared__ float shared[ROW_THREADS / 32];
    int row = blockIdx.x;
    if (row >= rows) return;
    u64 at = (u64)row * columns;
    float sum = 0.0f;
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) {
        float value = read(x + at + c);
        sum += value * value;
    }
    float length = sqrtf(block_sum(sum, shared));
    // A comparison that NaN fails keeps NaN.
    length = length < 1e-12f ? 1e-12f : length;
    float inverse = 1.0f / length;
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) write(y + at + c, inverse * read(x + at + c));
    if (threadIdx.x == 0) lengths[row] = length;
}

// dx = (dy − y · ⟨y, dy⟩) / length. dx may be dy.
KERNEL NAMED(normalize_backward)(const T* y, const float* lengths, const T* dy, T* dx, int rows, int columns) {
    __shared__ float shared[ROW_THREADS / 32];
    int row = blockIdx.x;
    if (row >= rows) return;
    u64 at = (u64)row * columns;
    float along = 0.0f;
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) along += read(y + at + c) * read(dy + at + c);
    along = block_sum(along, shared);
    float inverse = 1.0f / lengths[row];
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) {
        write(dx + at + c, (read(dy + at + c) - along * read(y + at + c)) * inverse);
    }
}
