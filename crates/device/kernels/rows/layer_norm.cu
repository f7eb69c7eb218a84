// Layer norm: y = gain · (x − mean) · scale + bias with scale = 1/√(variance + ε). A block has a row.

// statistics (rows, 2): mean and scale. The bias may be absent (0).
KERNEL NAMED(layer_norm)(const T* x, const float* gain, const float* bias, T* y, float* statistics, int rows, int columns,
                         float epsilon) {
    __shared__ float shared[ROW_THREADS / 32];
    int row = blockIdx.x;
    if (row >= rows) return;
    const T* from = x + (u64)row * columns;
    float sum = 0.0f;
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) sum += read(from + c);
    float mean = block_sum(sum, shared) / columns;
    float squares = 0.0f;
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) {
        float distance = read(from + c) - mean;
        squares += distance * distance;
    }
    float scale = 1.0f / sqrtf(block_sum(squares, shared) / columns + epsilon);
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) {
        float value = (read(from + c) - mean) * scale * gain[c];
        write(y + (u64)row * columns + c, bias ? value + bias[c] : value);
    }
    if (threadIdx.x == 0) {
        statistics[2 * (u64)row] = mean;
        statistics[2 * (u64)row + 1] = scale;
    }
}

// dx (+)= scale · (g − mean(g) − x̂ · mean(g · x̂)) with g = gain · dy. dx may be dy, unless it is added to.
KERNEL NAMED(layer_norm_backward)(const T* x, const float* gain, const float* statistics, const T* dy, T* dx, int rows,
                                  int columns, int onto) {
    __shared__ float shared[ROW_THREADS / 32];
    int row = blockIdx.x;
    if (row >= rows) return;
    u64 at = (u64)row * columns;
    float mean = statistics[2 * (u64)row];
    float scale = statistics[2 * (u64)row + 1];
    float sum = 0.0f;
    float along = 0.0f;
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) {
        float g = gain[c] * read(dy + at + c);
        sum += g;
        along += g * ((read(x + at + c) - mean) * scale);
    }
    sum = block_sum(sum, shared) / columns;
    along = block_sum(along, shared) / columns;
    ROLLED for (int c = threadIdx.x; c < columns; c += ROW_THREADS) {
        float unit = (read(x + at + c) - mean) * scale;
        float d = scale * (gain[c] * read(dy + at + c) - sum - unit * along);
        write(dx + at + c, onto ? read(dx + at + c) + d : d);
    }
}

// dgain (+)= Σ dy · x̂ and dbias (+)= Σ dy over rows; there may be no bias (0). A block has some rows of 32 columns, and 8
// threads for each column. With several blocks of rows, their sums go to partials (2, blocks, columns), and the last block
// to come adds them.
KERNEL NAMED(layer_norm_sums)(const T* x, const float* statistics, const T* dy, float* partials, float* dgain, float* dbias,
                              int rows, int columns, int rows_a_block, int gain_onto, int bias_onto) {
    __shared__ float shared[COLUMN_THREADS][32];
    __shared__ bool last;
    int c = blockIdx.x * 32 + threadIdx.x;
    int first = blockIdx.y * rows_a_block;
    int end = min(rows, first + rows_a_block);
    float gain = 0.0f;
    float bias = 0.0f;
    if (c < columns) {
        ROLLED for (int row = first + threadIdx.y; row < end; row += COLUMN_THREADS) {
            u64 at = (u64)row * columns + c;
            float d = read(dy + at);
            gain += d * ((read(x + at) - statistics[2 * (u64)row]) * statistics[2 * (u64)row + 1]);
            bias += d;
        }
    }
    gain = column_sum(gain, shared);
    if (dbias) bias = column_sum(bias, shared);
    bool writes = threadIdx.y == 0 && c < columns;
    if (gridDim.y > 1) {
        float* biases = partials + (u64)gridDim.y * columns;
        if (writes) partials[(u64)blockIdx.y * columns + c] = gain;
        if (writes && dbias) biases[(u64)blockIdx.y * columns + c] = bias;
        if (!comes_last(&last)) return;
        gain = sum_of_blocks(partials, c, columns, shared);
        if (dbias) bias = sum_of_blocks(biases, c, columns, shared);
    }
    if (writes) dgain[c] = gain_onto ? dgain[c] + gain : gain;
    if (writes && dbias) dbias[c] = bias_onto ? dbias[c] + bias : bias;
}
