// Fragments of mma.sync.aligned.m16n8k16 with bf16 factors, as the PTX ISA lays them out.

// A lane's place in a fragment: its row and its first column.
struct Lane {
    int group;
    int pair;
};

DEVICE Lane this_lane() {
    Lane lane = {(int)(threadIdx.x & 31) >> 2, (int)(threadIdx.x & 3) * 2};
    return lane;
}

// sums (16 × 8) += left (16 × 16) · right (16 × 8).
DEVICE void mma(float sums[4], const unsigned left[4], const unsigned right[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right[0]), "r"(right[1]));
}

// Turns the sums of two products side by side (16 × 16) into a left factor.
DEVICE void weights_as_left(unsigned left[4], const float weights[2][4]) {
    UNROLLED for (int i = 0; i < 4; i++) left[i] = pack(weights[i >> 1][2 * (i & 1)], weights[i >> 1][2 * (i & 1) + 1]);
}

// Element e of a lane's 16 × 16 sums is in row group + 8 · (e >> 1 & 1) and column 8 · (e >> 2) + pair + (e & 1).
// Bit e of the result says whether the rows `row` and `column` of a sequence see each other.
DEVICE unsigned seen_pairs(int first_row, int first_column, int end, int window) {
    int furthest = max(abs(first_row + 15 - first_column), abs(first_row - first_column - 15));
    if (max(first_column + 16 - end, furthest - window) <= 0) return 0xffu;
    Lane lane = this_lane();
    unsigned bits = 0;
    ROLLED for (int e = 0; e < 8; e++) {
        int row = first_row + lane.group + 8 * (e >> 1 & 1);
        int column = first_column + 8 * (e >> 2) + lane.pair + (e & 1);
        bits |= (unsigned)(column < end && sees(row, column, window)) << e;
    }
    return bits;
}

// Bit e says whether dropout keeps element e. Rows are queries, numbered in the whole step, and columns are keys,
// numbered in their sequence; with `turned` it is the other way round.
DEVICE unsigned kept_pairs(Mask mask, u64 first_query, unsigned first_key, bool turned) {
    Lane lane = this_lane();
    unsigned bits = 0;
    ROLLED for (int e = 0; e < 8; e++) {
        unsigned row = lane.group + 8 * (e >> 1 & 1);
        unsigned column = 8 * (e >> 2) + lane.pair + (e & 1);
        u64 keys = row_keys(mask.key, first_query + (turned ? column : row));
        bits |= (unsigned)(random_bits(keys, first_key + (turned ? row : column)) >= mask.threshold) << e;
    }
    return bits;
}

// Returns 2 to the power x, to 2 units in the last place; 0 where x is below −126: ex2.approx.ftz.f32.
DEVICE float power_of_2(float x) {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
}
