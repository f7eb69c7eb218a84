// Random numbers as a function of the place: the same bits as `kernel/random/stream.rs`.

// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
DEVICE u64 mix(u64 x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

// Returns the key of the stream numbered `number` under the one of `key`.
DEVICE u64 child(u64 key, u64 number) {
    return mix(key ^ mix(number + 0x9E3779B97F4A7C15ull));
}

// Returns the two keys of a row: the lower and the upper half.
DEVICE u64 row_keys(u64 key, u64 row) {
    return mix(key + row * 0xD1B54A32D192ED03ull);
}

// Maps 32 bits to 32 bits, one to one (multipliers found by Wellons, 2018).
DEVICE unsigned scramble(unsigned x) {
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return x ^ (x >> 16);
}

// Returns the 32 random bits of a column in a row with these keys.
DEVICE unsigned random_bits(u64 keys, unsigned column) {
    return scramble(scramble(column * 0x9E3779B9u + (unsigned)keys) ^ (unsigned)(keys >> 32));
}

// Returns what an element is multiplied by: `factor` if dropout keeps it, else 0.
DEVICE float kept(u64 keys, unsigned column, unsigned threshold, float factor) {
    return random_bits(keys, column) >= threshold ? factor : 0.0f;
}
