// Products C = A′ · B′ + bias + beta · C without cublasLt, with the meaning of `Multiply`.
// Element (i, l) of A′ is a[i · a_row + l · a_column], element (l, j) of B′ is b[l · b_row + j · b_column], and element
// (i, j) of C is c[i + j · c_column]. Sums go over k in order. A block has 64 × 64 elements of C.

#define PRODUCT_TILE 64
#define PRODUCT_DEPTH 16

// Copies a tile of A′ or B′ to shared memory: PRODUCT_DEPTH of k for 64 rows (of A′) or columns (of B′); 0 outside.
// Neighboring threads read neighboring elements, whichever stride is 1.
DEVICE void load_tile(float tile[PRODUCT_DEPTH][PRODUCT_TILE + 1], const float* from, u64 along, u64 across, int first,
                      int count, int depth, int k) {
    ROLLED for (int i = threadIdx.x; i < PRODUCT_DEPTH * PRODUCT_TILE; i += 256) {
        int l = along == 1 ? i % PRODUCT_DEPTH : i / PRODUCT_TILE;
        int r = along == 1 ? i / PRODUCT_DEPTH : i % PRODUCT_TILE;
        bool inside = first + r < count && depth + l < k;
        tile[l][r] = inside ? from[(u64)(depth + l) * along + (u64)(first + r) * across] : 0.0f;
    }
}

// Writes element i of a block's sums, which lie column by column.
template <typename E>
DEVICE void store_element(const float sums[PRODUCT_TILE][PRODUCT_TILE + 1], int i, E* c, u64 c_column, const E* bias,
                          float beta, int m, int n) {
    int row = blockIdx.x * PRODUCT_TILE + i % PRODUCT_TILE;
    int column = blockIdx.y * PRODUCT_TILE + i / PRODUCT_TILE;
    if (row >= m || column >= n) return;
    float value = sums[i / PRODUCT_TILE][i % PRODUCT_TILE];
    if (bias) value += read(bias + row);
    E* to = c + row + (u64)column * c_column;
    write(to, beta != 0.0f ? value + beta * read(to) : value);
}

// A block has 256 threads, each with 4 × 4 elements.
KERNEL product_f32(const float* a, u64 a_row, u64 a_column, const float* b, u64 b_row, u64 b_column, float* c, u64 c_column,
                   const float* bias, float beta, int m, int n, int k) {
    __shared__ float left[PRODUCT_DEPTH][PRODUCT_TILE + 1];
    __shared__ float right[PRODUCT_DEPTH][PRODUCT_TILE + 1];
    int first_row = blockIdx.x * PRODUCT_TILE;
    int first_column = blockIdx.y * PRODUCT_TILE;
    int row = threadIdx.x % 16;
    int column = threadIdx.x / 16;
    float sums[4][4] = {};
    __shared__ float result[PRODUCT_TILE][PRODUCT_TILE + 1];
    ROLLED for (int depth = 0; depth < k; depth += PRODUCT_DEPTH) {
        load_tile(left, a, a_column, a_row, first_row, m, depth, k);
        load_tile(right, b, b_row, b_column, first_column, n, depth, k);
        __syncthreads();
        ROLLED for (int l = 0; l < PRODUCT_DEPTH; l++) {
            UNROLLED for (int i = 0; i < 4; i++) {
                UNROLLED for (int j = 0; j < 4; j++) sums[i][j] += left[l][row + 16 * i] * right[l][column + 16 * j];
            }
        }
        __syncthreads();
    }
    UNROLLED for (int i = 0; i < 4; i++) {
        UNROLLED for (int j = 0; j < 4; j++) result[column + 16 * j][row + 16 * i] = sums[i][j];
    }
    __syncthreads();
    ROLLED for (int i = threadIdx.x; i < PRODUCT_TILE * PRODUCT_TILE; i += 256) {
        store_element(result, i, c, c_column, bias, beta, m, n);
    }
}

#define PRODUCT_PITCH (PRODUCT_DEPTH / 2 + 4)

// Copies a tile to shared memory with pairs of k in a word: PRODUCT_DEPTH of k for 64 rows or columns; 0 outside.
DEVICE void load_pairs(unsigned tile[PRODUCT_TILE][PRODUCT_PITCH], const bf16* from, u64 along, u64 across, int first,
                       int count, int depth, int k) {
    ROLLED for (int i = threadIdx.x; i < PRODUCT_TILE * PRODUCT_DEPTH / 2; i += 128) {
        int word = along == 1 ? i % (PRODUCT_DEPTH / 2) : i / PRODUCT_TILE;
        int r = along == 1 ? i / (PRODUCT_DEPTH / 2) : i % PRODUCT_TILE;
        unsigned pair = 0;
        UNROLLED for (int half = 0; half < 2; half++) {
            int l = depth + 2 * word + half;
            bool inside = first + r < count && l < k;
            unsigned bits = inside ? from[(u64)l * along + (u64)(first + r) * across].bits : 0u;
            pair |= bits << (16 * half);
        }
        tile[r][word] = pair;
    }
}

// Factors of bf16, sums of f32, C and the bias of bf16 or f32. A block has four warps, each with 32 × 32 elements.
KERNEL product_bf16(const bf16* a, u64 a_row, u64 a_column, const bf16* b, u64 b_row, u64 b_column, void* c, u64 c_column,
                    const void* bias, float beta, int m, int n, int k, int c_is_f32) {
    __shared__ unsigned left[PRODUCT_TILE][PRODUCT_PITCH];
    __shared__ unsigned right[PRODUCT_TILE][PRODUCT_PITCH];
    int first_row = blockIdx.x * PRODUCT_TILE;
    int first_column = blockIdx.y * PRODUCT_TILE;
    int warp = threadIdx.x >> 5;
    int row = 32 * (warp & 1);
    int column = 32 * (warp >> 1);
    Lane lane = this_lane();
    float sums[2][4][4] = {};
    __shared__ float result[PRODUCT_TILE][PRODUCT_TILE + 1];
    ROLLED for (int depth = 0; depth < k; depth += PRODUCT_DEPTH) {
        load_pairs(left, a, a_column, a_row, first_row, m, depth, k);
        load_pairs(right, b, b_row, b_column, first_column, n, depth, k);
        __syncthreads();
        UNROLLED for (int i = 0; i < 2; i++) {
            unsigned factors[4];
            UNROLLED for (int e = 0; e < 4; e++) {
                factors[e] = left[row + 16 * i + lane.group + 8 * (e & 1)][lane.pair / 2 + 4 * (e >> 1)];
            }
            UNROLLED for (int j = 0; j < 4; j++) {
                unsigned others[2];
                UNROLLED for (int e = 0; e < 2; e++) others[e] = right[column + 8 * j + lane.group][lane.pair / 2 + 4 * e];
                mma(sums[i][j], factors, others);
            }
        }
        __syncthreads();
    }
    UNROLLED for (int i = 0; i < 2; i++) {
        UNROLLED for (int j = 0; j < 4; j++) {
            UNROLLED for (int e = 0; e < 4; e++) {
                int r = row + 16 * i + lane.group + 8 * (e >> 1);
                result[column + 8 * j + lane.pair + (e & 1)][r] = sums[i][j][e];
            }
        }
    }
    __syncthreads();
    ROLLED for (int i = threadIdx.x; i < PRODUCT_TILE * PRODUCT_TILE; i += 128) {
        if (c_is_f32) {
            store_element(result, i, (float*)c, c_column, (const float*)bias, beta, m, n);
        } else {
            store_element(result, i, (bf16*)c, c_column, (const bf16*)bias, beta, m, n);
        }
    }
}
