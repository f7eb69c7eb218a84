// What kernels of attention share.

// A score below all others.
#define NEVER -1e30f

#define LOG2_E 1.44269504f

// At most 16 rows of a sequence: those from `first` on. The sequence has the rows from `start` to `end`.
struct Tile {
    int start;
    int end;
    int first;
};

#define TILE_ROWS 16

// Dropout of weights: a head has its own stream.
struct Mask {
    u64 key;
    unsigned threshold;  // 0 keeps all
};

// Whether a row sees a key, both rows of the same sequence.
DEVICE bool sees(int row, int key, int window) {
    return abs(row - key) <= window;
}
