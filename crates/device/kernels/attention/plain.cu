// Attention with f32 arithmetic, and with terms of distances where their tables are given: see
// `kernel/op/disentangled.rs`. A block has a tile, a head and at most CHUNK of the head's elements; a warp has one row of
// the tile at a time. Where a row is scored, each lane has a column; where rows are added, each lane has every 32nd
// element of the block's. Blocks of a wide head compute the same scores, from all elements of it.

// Elements of a head that a lane adds.
#define LANE_ELEMENTS 4
#define CHUNK (32 * LANE_ELEMENTS)

// Rows of distances: those that queries are compared with begin in column `keys`, those for keys in column `queries`.
// Where a term is not wanted its column is below 0. places[i − j + longest − 1] is the table's row of distance i − j.
struct NAMED(Distances) {
    const T* table;
    const int* places;
    int longest;
    int stride;
    int keys;
    int queries;
};

// Returns the row of a distance from column `first` on, or null where the term is not wanted.
DEVICE const T* NAMED(distance_row)(const NAMED(Distances) & distances, int distance, int first, int head_column) {
    if (first < 0) return 0;
    int place = distances.places[distance + distances.longest - 1];
    return distances.table + (u64)place * distances.stride + first + head_column;
}

// Returns q · k, plus q · distance_key and k · distance_query where they are given.
DEVICE float NAMED(score)(const T* q, const T* k, const T* distance_key, const T* distance_query, int width) {
    float sum = 0.0f;
    ROLLED for (int c = 0; c < width; c++) {
        float left = read(q + c);
        float right = read(k + c);
        sum += left * right;
        if (distance_key) sum += left * read(distance_key + c);
        if (distance_query) sum += right * read(distance_query + c);
    }
    return sum;
}

// Returns the element of a head whose sum this lane has in place j.
DEVICE int NAMED(element)(int j) {
    return blockIdx.z * CHUNK + 32 * j + (threadIdx.x & 31);
}

// sums[j] += weight · row[element j].
DEVICE void NAMED(add_row)(float sums[LANE_ELEMENTS], float weight, const T* row, int width) {
    UNROLLED for (int j = 0; j < LANE_ELEMENTS; j++) {
        int c = NAMED(element)(j);
        if (c < width) sums[j] += weight * read(row + c);
    }
}

DEVICE void NAMED(store_row)(T* row, const float sums[LANE_ELEMENTS], float by, int width) {
    UNROLLED for (int j = 0; j < LANE_ELEMENTS; j++) {
        int c = NAMED(element)(j);
        if (c < width) write(row + c, sums[j] * by);
    }
}

// qkv (R, 3H) → context (R, H) and logs (R, N).
KERNEL NAMED(attention)(const T* qkv, const Tile* tiles, int count, T* context, float* logs, int heads, int width,
                        float scale, int window, u64 key, u64 first_row, unsigned threshold, float factor, const T* table,
                        const int* places, int longest, int stride, int keys, int queries) {
    if (blockIdx.x >= count) return;
    Tile tile = tiles[blockIdx.x];
    NAMED(Distances) distances = {table, places, longest, stride, keys, queries};
    int lane = threadIdx.x & 31;
    int head = blockIdx.y;
    int column = head * width;
    int h = heads * width;
    u64 stream = child(key, head);
    int rows_end = min(tile.end, tile.first + TILE_ROWS);
    ROLLED for (int row = tile.first + (threadIdx.x >> 5); row < rows_end; row += blockDim.x >> 5) {
        const T* q = qkv + (u64)row * 3 * h + column;
        u64 mask_keys = row_keys(stream, first_row + row);
        int stop = min(tile.end, row + min(window, tile.end) + 1);
        float sums[LANE_ELEMENTS] = {};
        float top = NEVER;
        float total = 0.0f;
        ROLLED for (int first = max(tile.start, row - window); first < stop; first += 32) {
            int other = first + lane;
            float s = NEVER;
            if (other < stop) {
                const T* k = qkv + (u64)other * 3 * h + h + column;
                const T* distance_key = NAMED(distance_row)(distances, row - other, keys, column);
                const T* distance_query = NAMED(distance_row)(distances, row - other, queries, column);
                s = scale * NAMED(score)(q, k, distance_key, distance_query, width);
            }
            float highest = fmaxf(top, warp_max(s));
            float keep = expf(top - highest);
            // Of a row that is not seen it is 0.
            float weight = expf(s - highest);
            total = total * keep + warp_sum(weight);
            top = highest;
            if (threshold) weight *= kept(mask_keys, other - tile.start, threshold, factor);
            UNROLLED for (int j = 0; j < LANE_ELEMENTS; j++) sums[j] *= keep;
            ROLLED for (int i = 0; i < min(32, stop - first); i++) {
                const T* v = qkv + (u64)(first + i) * 3 * h + 2 * h + column;
                NAMED(add_row)(sums, __shfl_sync(ALL_LANES, weight, i), v, width);
            }
        }
        NAMED(store_row)(context + (u64)row * h + column, sums, 1.0f / total, width);
        if (lane == 0 && blockIdx.z == 0) logs[(u64)row * heads + head] = top + logf(total);
    }
}

// deltas (R, N) = Σ over a head's columns of context · dcontext. A warp has a row and a head.
KERNEL NAMED(attention_deltas)(const T* context, const T* dcontext, float* deltas, int rows, int heads, int width) {
    int number = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
    if (number >= rows * heads) return;
    float sum = 0.0f;
    ROLLED for (int c = threadIdx.x & 31; c < width; c += 32) {
        sum += read(context + (u64)number * width + c) * read(dcontext + (u64)number * width + c);
    }
    sum = warp_sum(sum);
    if ((threadIdx.x & 31) == 0) deltas[number] = sum;
}

// A weight and the gradient of its score, for a query and a key.
struct NAMED(Pair) {
    float weight;    // after dropout
    float gradient;  // of the score before scaling, without the factor `scale`
};

// What a query and a key have to do with each other in backward.
DEVICE NAMED(Pair) NAMED(pair)(const T* qkv, const T* dcontext, const float* logs, const float* deltas,
                               const NAMED(Distances) & distances, int query, int key_row, int start, int head, int heads,
                               int width, float scale, u64 stream, u64 first_row, unsigned threshold, float factor) {
    int h = heads * width;
    int column = head * width;
    const T* q = qkv + (u64)query * 3 * h + column;
    const T* k = qkv + (u64)key_row * 3 * h + h + column;
    const T* up = dcontext + (u64)query * h + column;
    const T* distance_key = NAMED(distance_row)(distances, query - key_row, distances.keys, column);
    const T* distance_query = NAMED(distance_row)(distances, query - key_row, distances.queries, column);
    float s = scale * NAMED(score)(q, k, distance_key, distance_query, width);
    float p = expf(s - logs[(u64)query * heads + head]);
    float d = NAMED(score)(up, k + h, 0, 0, width);
    float by = threshold ? kept(row_keys(stream, first_row + query), key_row - start, threshold, factor) : 1.0f;
    NAMED(Pair) pair = {p * by, p * (d * by - deltas[(u64)query * heads + head])};
    return pair;
}

// The gradient of the queries: a warp has one and goes over the keys.
KERNEL NAMED(attention_backward_queries)(const T* qkv, const T* dcontext, const float* logs, const float* deltas,
                                         const Tile* tiles, int count, T* dqkv, int heads, int width, float scale,
                                         int window, u64 key, u64 first_row, unsigned threshold, float factor,
                                         const T* table, const int* places, int longest, int stride, int keys,
                                         int queries) {
    if (blockIdx.x >= count) return;
    Tile tile = tiles[blockIdx.x];
    NAMED(Distances) distances = {table, places, longest, stride, keys, queries};
    int head = blockIdx.y;
    int column = head * width;
    int h = heads * width;
    u64 stream = child(key, head);
    int rows_end = min(tile.end, tile.first + TILE_ROWS);
    ROLLED for (int row = tile.first + (threadIdx.x >> 5); row < rows_end; row += blockDim.x >> 5) {
        int stop = min(tile.end, row + min(window, tile.end) + 1);
        float sums[LANE_ELEMENTS] = {};
        ROLLED for (int first = max(tile.start, row - window); first < stop; first += 32) {
            int other = first + (threadIdx.x & 31);
            float gradient = 0.0f;
            if (other < stop) {
                gradient = NAMED(pair)(qkv, dcontext, logs, deltas, distances, row, other, tile.start, head, heads, width,
                                       scale, stream, first_row, threshold, factor)
                               .gradient;
            }
            ROLLED for (int i = 0; i < min(32, stop - first); i++) {
                float weight = __shfl_sync(ALL_LANES, gradient, i);
                NAMED(add_row)(sums, weight, qkv + (u64)(first + i) * 3 * h + h + column, width);
                if (keys >= 0) {
                    NAMED(add_row)(sums, weight, NAMED(distance_row)(distances, row - first - i, keys, column), width);
                }
            }
        }
        NAMED(store_row)(dqkv + (u64)row * 3 * h + column, sums, scale, width);
    }
}

// The gradients of keys and values: a warp has one and goes over the queries.
KERNEL NAMED(attention_backward_keys)(const T* qkv, const T* dcontext, const float* logs, const float* deltas,
                                      const Tile* tiles, int count, T* dqkv, int heads, int width, float scale, int window,
                                      u64 key, u64 first_row, unsigned threshold, float factor, const T* table,
                                      const int* places, int longest, int stride, int keys, int queries) {
    if (blockIdx.x >= count) return;
    Tile tile = tiles[blockIdx.x];
    NAMED(Distances) distances = {table, places, longest, stride, keys, queries};
    int head = blockIdx.y;
    int column = head * width;
    int h = heads * width;
    u64 stream = child(key, head);
    int rows_end = min(tile.end, tile.first + TILE_ROWS);
    ROLLED for (int row = tile.first + (threadIdx.x >> 5); row < rows_end; row += blockDim.x >> 5) {
        int stop = min(tile.end, row + min(window, tile.end) + 1);
        float dk[LANE_ELEMENTS] = {};
        float dv[LANE_ELEMENTS] = {};
        ROLLED for (int first = max(tile.start, row - window); first < stop; first += 32) {
            int other = first + (threadIdx.x & 31);
            NAMED(Pair) pair = {};
            if (other < stop) {
                pair = NAMED(pair)(qkv, dcontext, logs, deltas, distances, other, row, tile.start, head, heads, width,
                                   scale, stream, first_row, threshold, factor);
            }
            ROLLED for (int i = 0; i < min(32, stop - first); i++) {
                float gradient = __shfl_sync(ALL_LANES, pair.gradient, i);
                NAMED(add_row)(dk, gradient, qkv + (u64)(first + i) * 3 * h + column, width);
                if (queries >= 0) {
                    NAMED(add_row)(dk, gradient, NAMED(distance_row)(distances, first + i - row, queries, column), width);
                }
                NAMED(add_row)(dv, __shfl_sync(ALL_LANES, pair.weight, i), dcontext + (u64)(first + i) * h + column, width);
            }
        }
        NAMED(store_row)(dqkv + (u64)row * 3 * h + h + column, dk, scale, width);
        NAMED(store_row)(dqkv + (u64)row * 3 * h + 2 * h + column, dv, 1.0f, width);
    }
}

// The gradient of the table of distances. A warp has a row of it and a head, and goes over the sequences, the distances
// of that row, and the pairs at each distance. ranges (P + 1): the places of row p are those from ranges[p] on.
KERNEL NAMED(attention_backward_distances)(const T* qkv, const T* dcontext, const float* logs, const float* deltas,
                                           const int* starts, int sequences, const int* ranges, int table_rows, T* dtable,
                                           int heads, int width, float scale, u64 key, u64 first_row, unsigned threshold,
                                           float factor, const T* table, const int* places, int longest, int stride,
                                           int keys, int queries) {
    int place_row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
    if (place_row >= table_rows) return;
    NAMED(Distances) distances = {table, places, longest, stride, keys, queries};
    int head = blockIdx.y;
    int column = head * width;
    int h = heads * width;
    u64 stream = child(key, head);
    float of_keys[LANE_ELEMENTS] = {};
    float of_queries[LANE_ELEMENTS] = {};
    ROLLED for (int sequence = 0; sequence < sequences; sequence++) {
        int start = starts[sequence];
        int end = starts[sequence + 1];
        ROLLED for (int place = ranges[place_row]; place < ranges[place_row + 1]; place++) {
            int distance = place - longest + 1;
            int stop = min(end, end + distance);
            ROLLED for (int first = max(start, start + distance); first < stop; first += 32) {
                int query = first + (threadIdx.x & 31);
                float gradient = 0.0f;
                if (query < stop) {
                    gradient = NAMED(pair)(qkv, dcontext, logs, deltas, distances, query, query - distance, start, head,
                                           heads, width, scale, stream, first_row, threshold, factor)
                                   .gradient;
                }
                ROLLED for (int i = 0; i < min(32, stop - first); i++) {
                    float weight = __shfl_sync(ALL_LANES, gradient, i);
                    const T* q = qkv + (u64)(first + i) * 3 * h + column;
                    const T* k = qkv + (u64)(first + i - distance) * 3 * h + h + column;
                    NAMED(add_row)(of_keys, weight, q, width);
                    NAMED(add_row)(of_queries, weight, k, width);
                }
            }
        }
    }
    T* to = dtable + (u64)place_row * stride + column;
    if (keys >= 0) NAMED(store_row)(to + keys, of_keys, scale, width);
    if (queries >= 0) NAMED(store_row)(to + queries, of_queries, scale, width);
}

#undef LANE_ELEMENTS
#undef CHUNK
