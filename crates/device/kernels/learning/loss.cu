// Cross-entropy with label smoothing. Everything inside a row is f64; a thread has a row.

// Returns the natural logarithm of x, which is at least 1: that in f32, and its error by e^−y · x − 1 = r, of which
// log (1 + r) is taken to the third power. r is below 1e-6.
DEVICE double NAMED(logarithm)(double x) {
    double near = (double)logf((float)x);
    double r = x * exp(-near) - 1.0;
    return near + r * (1.0 + r * (-0.5 + r * (1.0 / 3.0)));
}

// losses[row] = −(1 − ε) log p[label] − ε · mean of log p; dscores = factor · (p − target), rounded to f32 before and
// after the factor. Rows with a negative label have loss 0 and gradient 0.
KERNEL NAMED(cross_entropy)(const T* scores, const int* labels, T* dscores, double* losses, int rows, int classes,
                            u64 smoothing_bits, u64 factor_bits) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows) return;
    double smoothing = __longlong_as_double((long long)smoothing_bits);
    double factor = __longlong_as_double((long long)factor_bits);
    const T* from = scores + (u64)row * classes;
    T* to = dscores + (u64)row * classes;
    int label = labels[row];
    if (label < 0) {
        ROLLED for (int c = 0; c < classes; c++) write(to + c, 0.0f);
        losses[row] = 0.0;
        return;
    }
    float highest = read(from);
    ROLLED for (int c = 1; c < classes; c++) highest = fmaxf(highest, read(from + c));
    double total = 0.0;
    ROLLED for (int c = 0; c < classes; c++) total += exp((double)read(from + c) - highest);
    double log_total = NAMED(logarithm)(total);
    double loss = 0.0;
    ROLLED for (int c = 0; c < classes; c++) {
        double log_p = (double)read(from + c) - highest - log_total;
        double target = (c == label ? 1.0 - smoothing : 0.0) + smoothing / classes;
        loss -= target * log_p;
        write(to + c, (float)((double)(float)(exp(log_p) - target) * factor));
    }
    losses[row] = loss;
}
