// Attention over ragged rows in bf16 on tensor cores: mma.sync.aligned.m16n8k16 with f32 sums.
//
// A warp has one tile of rows and one head, and goes over 16 rows of the sequence at a time. Nothing of size T × T is
// kept: backward computes the weights again from the logs of sums. Queries' gradients and those of keys and values come
// from two kernels, so no sum needs atomics. WIDTH is the head's width D, rounded up to a size that is compiled; the
// columns beyond D are 0.

// Words of a row of a tile in shared memory. Eight rows times four words then lie in 32 different banks.
#define PITCH (WIDTH / 2 + 4)
#define WARPS (WIDTH > 64 ? 2 : 4)

// Copies 16 rows of each of two matrices to shared memory; rows from `end` on and columns from `width` on are 0.
DEVICE void NAMED(stage)(unsigned tiles[2][TILE_ROWS * PITCH], const bf16* one, u64 one_stride, const bf16* two,
                         u64 two_stride, int first, int end, int width) {
    __syncwarp();  // All lanes are done with what was there.
    ROLLED for (int i = threadIdx.x & 31; i < TILE_ROWS * WIDTH / 2; i += 32) {
        int row = i / (WIDTH / 2);
        int word = i % (WIDTH / 2);
        int at = row * PITCH + word;
        bool inside = first + row < end && 2 * word < width;
        tiles[0][at] = inside ? *(const unsigned*)(one + (first + row) * one_stride + 2 * word) : 0u;
        tiles[1][at] = inside ? *(const unsigned*)(two + (first + row) * two_stride + 2 * word) : 0u;
    }
    __syncwarp();
}

// s (16 × 16) = the rows of `left` times the rows of a tile.
DEVICE void NAMED(scores)(float s[2][4], const unsigned left[WIDTH / 16][4], const unsigned* tile) {
    Lane lane = this_lane();
    UNROLLED for (int t = 0; t < 2; t++) {
        UNROLLED for (int i = 0; i < 4; i++) s[t][i] = 0.0f;
        UNROLLED for (int k = 0; k < WIDTH / 16; k++) {
            unsigned right[2];
            UNROLLED for (int i = 0; i < 2; i++) {
                right[i] = tile[(8 * t + lane.group) * PITCH + 8 * k + lane.pair / 2 + 4 * i];
            }
            mma(s[t], left[k], right);
        }
    }
}

// sums (16 × WIDTH) += weights (16 × 16) times the rows of a tile.
DEVICE void NAMED(gather)(float sums[WIDTH / 8][4], const float weights[2][4], const unsigned* tile) {
    Lane lane = this_lane();
    unsigned left[4];
    weights_as_left(left, weights);
    const unsigned short* halves = (const unsigned short*)tile;
    UNROLLED for (int n = 0; n < WIDTH / 8; n++) {
        unsigned right[2];
        UNROLLED for (int i = 0; i < 2; i++) {
            int at = (lane.pair + 8 * i) * 2 * PITCH + 8 * n + lane.group;
            right[i] = halves[at] | (unsigned)halves[at + 2 * PITCH] << 16;
        }
        mma(sums[n], left, right);
    }
}

// Loads the rows of a tile as left factors.
DEVICE void NAMED(load_left)(unsigned left[WIDTH / 16][4], const unsigned* tile) {
    Lane lane = this_lane();
    UNROLLED for (int k = 0; k < WIDTH / 16; k++) {
        UNROLLED for (int i = 0; i < 4; i++) {
            left[k][i] = tile[(lane.group + 8 * (i & 1)) * PITCH + 8 * k + lane.pair / 2 + 4 * (i >> 1)];
        }
    }
}

// Writes 16 rows, the upper ones times `upper` and the lower ones times `lower`, by way of shared memory.
DEVICE void NAMED(store)(unsigned* tile, bf16* rows, u64 stride, int first, int end, int width,
                         const float sums[WIDTH / 8][4], float upper, float lower) {
    Lane lane = this_lane();
    __syncwarp();
    UNROLLED for (int n = 0; n < WIDTH / 8; n++) {
        int at = lane.group * PITCH + 4 * n + lane.pair / 2;
        tile[at] = pack(sums[n][0] * upper, sums[n][1] * upper);
        tile[at + 8 * PITCH] = pack(sums[n][2] * lower, sums[n][3] * lower);
    }
    __syncwarp();
    ROLLED for (int i = threadIdx.x & 31; i < TILE_ROWS * WIDTH / 2; i += 32) {
        int row = i / (WIDTH / 2);
        int word = i % (WIDTH / 2);
        if (first + row < end && 2 * word < width) {
            *(unsigned*)(rows + (first + row) * stride + 2 * word) = tile[row * PITCH + word];
        }
    }
}

// Numbers of a row of each half of the tile: 0 beyond the sequence's end.
DEVICE void NAMED(load_halves)(float out[2], const float* values, Tile tile, int heads, int head) {
    UNROLLED for (int r = 0; r < 2; r++) {
        int row = tile.first + this_lane().group + 8 * r;
        out[r] = row < tile.end ? values[(u64)row * heads + head] : 0.0f;
    }
}

// qkv (R, 3H) → context (R, H) and logs (R, N): of each row and head, the logarithm to base 2 of the
// sum of e^score. Scores are multiplied by log₂ e, so that powers of 2 are taken.
KERNEL NAMED(attention)(const bf16* qkv, const Tile* tiles, int count, bf16* context, float* logs, int heads, int width,
                        float scale, int window, u64 key, u64 first_row, unsigned threshold, float factor) {
    __shared__ unsigned shared[WARPS][2][TILE_ROWS * PITCH];
    int warp = threadIdx.x >> 5;
    int number = blockIdx.x * WARPS + warp;
    if (number >= count) return;
    int head = blockIdx.y;
    int h = heads * width;
    u64 stride = 3 * h;
    Tile tile = tiles[number];
    Lane lane = this_lane();
    const bf16* queries = qkv + head * width;
    unsigned left[WIDTH / 16][4];
    NAMED(stage)(shared[warp], queries, stride, queries, stride, tile.first, tile.end, width);
    NAMED(load_left)(left, shared[warp][0]);
    float sums[WIDTH / 8][4] = {};
    float top[2] = {NEVER, NEVER};
    float total[2] = {};
    Mask mask = {child(key, head), threshold};
    scale *= LOG2_E;
    int stop = min(tile.end, tile.first + TILE_ROWS + min(window, tile.end));
    ROLLED for (int other = max(tile.start, tile.first - window); other < stop; other += TILE_ROWS) {
        NAMED(stage)(shared[warp], queries + h, stride, queries + 2 * h, stride, other, stop, width);
        float s[2][4];
        NAMED(scores)(s, left, shared[warp][0]);
        unsigned seen = seen_pairs(tile.first, other, stop, window);
        UNROLLED for (int r = 0; r < 2; r++) {
            float highest = top[r];
            UNROLLED for (int t = 0; t < 2; t++) {
                UNROLLED for (int i = 2 * r; i < 2 * r + 2; i++) {
                    s[t][i] *= scale;
                    if (seen >> (4 * t + i) & 1) highest = fmaxf(highest, s[t][i]);
                }
            }
            highest = fmaxf(highest, __shfl_xor_sync(ALL_LANES, highest, 1));
            highest = fmaxf(highest, __shfl_xor_sync(ALL_LANES, highest, 2));
            float keep = power_of_2(top[r] - highest);
            float sum = 0.0f;
            UNROLLED for (int t = 0; t < 2; t++) {
                UNROLLED for (int i = 2 * r; i < 2 * r + 2; i++) {
                    s[t][i] = seen >> (4 * t + i) & 1 ? power_of_2(s[t][i] - highest) : 0.0f;
                    sum += s[t][i];
                }
            }
            sum += __shfl_xor_sync(ALL_LANES, sum, 1);
            sum += __shfl_xor_sync(ALL_LANES, sum, 2);
            total[r] = total[r] * keep + sum;
            top[r] = highest;
            UNROLLED for (int n = 0; n < WIDTH / 8; n++) {
                sums[n][2 * r] *= keep;
                sums[n][2 * r + 1] *= keep;
            }
        }
        if (threshold) {
            unsigned bits = kept_pairs(mask, first_row + tile.first, other - tile.start, false);
            UNROLLED for (int e = 0; e < 8; e++) s[e >> 2][e & 3] *= bits >> e & 1 ? factor : 0.0f;
        }
        NAMED(gather)(sums, s, shared[warp][1]);
    }
    NAMED(store)(shared[warp][0], context + head * width, h, tile.first, tile.end, width, sums, 1.0f / total[0],
                 1.0f / total[1]);
    UNROLLED for (int r = 0; r < 2; r++) {
        int row = tile.first + lane.group + 8 * r;
        if (lane.pair == 0 && row < tile.end) logs[(u64)row * heads + head] = top[r] + log2f(total[r]);
    }
}

// The gradient of the queries: a warp has 16 of them and goes over the keys.
KERNEL NAMED(attention_backward_queries)(const bf16* qkv, const bf16* dcontext, const float* logs, const float* deltas,
                                         const Tile* tiles, int count, bf16* dqkv, int heads, int width, float scale,
                                         int window, u64 key, u64 first_row, unsigned threshold, float factor) {
    __shared__ unsigned shared[WARPS][2][TILE_ROWS * PITCH];
    int warp = threadIdx.x >> 5;
    int number = blockIdx.x * WARPS + warp;
    if (number >= count) return;
    int head = blockIdx.y;
    int h = heads * width;
    u64 stride = 3 * h;
    Tile tile = tiles[number];
    const bf16* queries = qkv + head * width;
    unsigned left[WIDTH / 16][4];
    unsigned up[WIDTH / 16][4];
    NAMED(stage)(shared[warp], queries, stride, dcontext + head * width, h, tile.first, tile.end, width);
    NAMED(load_left)(left, shared[warp][0]);
    NAMED(load_left)(up, shared[warp][1]);
    float log[2];
    float delta[2];
    NAMED(load_halves)(log, logs, tile, heads, head);
    NAMED(load_halves)(delta, deltas, tile, heads, head);
    float sums[WIDTH / 8][4] = {};
    Mask mask = {child(key, head), threshold};
    int stop = min(tile.end, tile.first + TILE_ROWS + min(window, tile.end));
    ROLLED for (int other = max(tile.start, tile.first - window); other < stop; other += TILE_ROWS) {
        NAMED(stage)(shared[warp], queries + h, stride, queries + 2 * h, stride, other, stop, width);
        float s[2][4];
        float d[2][4];
        NAMED(scores)(s, left, shared[warp][0]);
        NAMED(scores)(d, up, shared[warp][1]);
        unsigned seen = seen_pairs(tile.first, other, stop, window);
        if (threshold) {
            unsigned bits = kept_pairs(mask, first_row + tile.first, other - tile.start, false);
            UNROLLED for (int e = 0; e < 8; e++) d[e >> 2][e & 3] *= bits >> e & 1 ? factor : 0.0f;
        }
        UNROLLED for (int t = 0; t < 2; t++) {
            UNROLLED for (int i = 0; i < 4; i++) {
                float p = seen >> (4 * t + i) & 1 ? power_of_2(s[t][i] * (scale * LOG2_E) - log[i >> 1]) : 0.0f;
                s[t][i] = p * (d[t][i] - delta[i >> 1]);
            }
        }
        NAMED(gather)(sums, s, shared[warp][0]);
    }
    NAMED(store)(shared[warp][0], dqkv + head * width, stride, tile.first, tile.end, width, sums, scale, scale);
}

// The gradients of keys and values: a warp has 16 of them and goes over the queries.
KERNEL NAMED(attention_backward_keys)(const bf16* qkv, const bf16* dcontext, const float* logs, const float* deltas,
                                      const Tile* tiles, int count, bf16* dqkv, int heads, int width, float scale,
                                      int window, u64 key, u64 first_row, unsigned threshold, float factor) {
    __shared__ unsigned shared[WARPS][2][TILE_ROWS * PITCH];
    int warp = threadIdx.x >> 5;
    int number = blockIdx.x * WARPS + warp;
    if (number >= count) return;
    int head = blockIdx.y;
    int h = heads * width;
    u64 stride = 3 * h;
    Tile tile = tiles[number];
    Lane lane = this_lane();
    const bf16* queries = qkv + head * width;
    unsigned keys[WIDTH / 16][4];
    unsigned values[WIDTH / 16][4];
    NAMED(stage)(shared[warp], queries + h, stride, queries + 2 * h, stride, tile.first, tile.end, width);
    NAMED(load_left)(keys, shared[warp][0]);
    NAMED(load_left)(values, shared[warp][1]);
    float dkeys[WIDTH / 8][4] = {};
    float dvalues[WIDTH / 8][4] = {};
    Mask mask = {child(key, head), threshold};
    int stop = min(tile.end, tile.first + TILE_ROWS + min(window, tile.end));
    ROLLED for (int other = max(tile.start, tile.first - window); other < stop; other += TILE_ROWS) {
        NAMED(stage)(shared[warp], queries, stride, dcontext + head * width, h, other, stop, width);
        float s[2][4];
        float d[2][4];
        NAMED(scores)(s, keys, shared[warp][0]);
        NAMED(scores)(d, values, shared[warp][1]);
        unsigned seen = seen_pairs(tile.first, other, stop, window);
        unsigned bits = threshold ? kept_pairs(mask, first_row + other, tile.first - tile.start, true) : 0xffu;
        float kept = threshold ? factor : 1.0f;
        UNROLLED for (int column = 0; column < 4; column++) {
            int query = other + 8 * (column >> 1) + lane.pair + (column & 1);
            u64 at = (u64)query * heads + head;
            float log = query < stop ? logs[at] : 0.0f;
            float delta = query < stop ? deltas[at] : 0.0f;
            UNROLLED for (int half = 0; half < 2; half++) {
                int t = column >> 1;
                int i = (column & 1) + 2 * half;
                float by = bits >> (4 * t + i) & 1 ? kept : 0.0f;
                float p = seen >> (4 * t + i) & 1 ? power_of_2(s[t][i] * (scale * LOG2_E) - log) : 0.0f;
                s[t][i] = p * by;
                d[t][i] = p * (d[t][i] * by - delta);
            }
        }
        NAMED(gather)(dvalues, s, shared[warp][1]);
        NAMED(gather)(dkeys, d, shared[warp][0]);
    }
    bf16* to = dqkv + h + head * width;
    NAMED(store)(shared[warp][0], to, stride, tile.first, tile.end, width, dkeys, scale, scale);
    NAMED(store)(shared[warp][1], to + h, stride, tile.first, tile.end, width, dvalues, 1.0f, 1.0f);
}

#undef PITCH
#undef WARPS
