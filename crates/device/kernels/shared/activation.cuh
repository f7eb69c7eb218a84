// Activation functions and their slopes, numbered as `kernels::activation::Activation` numbers them.

#define GELU 0
#define GELU_TANH 1
#define RELU 2
#define SILU 3
#define TANH 4

#define ROOT_2_OVER_PI 0.797884561f

// f(x) and f′(x).
struct Activated {
    float value;
    float slope;
};

// GELU's Φ is formula 7.1.26 of Abramowitz and Stegun, with an absolute error below 1.5e-7, as on the processor. The
// others, but for ReLU, are made of one logistic function σ: tanh u = 2σ(2u) − 1.
DEVICE Activated activated(int which, float x) {
    if (which == RELU) {
        // Comparisons that NaN fails keep NaN.
        Activated result = {x <= 0.0f ? 0.0f : x, x <= 0.0f ? 0.0f : 1.0f};
        return result;
    }
    if (which == GELU) {
        float bell = expf(-0.5f * x * x);
        float t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * fabsf(x));
        float p = 1.06140543f;
        p = p * t - 1.45315203f;
        p = p * t + 1.42141374f;
        p = p * t - 0.284496736f;
        p = p * t + 0.254829592f;
        float tail = 0.5f * p * t * bell;
        float below = x < 0.0f ? tail : 1.0f - tail;
        Activated result = {x * below, below + x * (0.398942280f * bell)};
        return result;
    }
    float z = x;
    float dz = 1.0f;
    if (which == GELU_TANH) {
        z = 2.0f * ROOT_2_OVER_PI * (x + 0.044715f * x * x * x);
        dz = 2.0f * ROOT_2_OVER_PI * (1.0f + 3.0f * 0.044715f * x * x);
    }
    if (which == TANH) z = 2.0f * x;
    float e = expf(-fabsf(z));
    float larger = 1.0f / (1.0f + e);
    float smaller = e * larger;
    float sigma = z < 0.0f ? smaller : larger;
    float slope = smaller * larger;
    if (which == TANH) {
        Activated result = {z < 0.0f ? 2.0f * smaller - 1.0f : 1.0f - 2.0f * smaller, 4.0f * slope};
        return result;
    }
    // The slope vanishes before x · dz overflows: 0 · ∞ must not become NaN.
    float rise = slope == 0.0f ? 0.0f : x * slope * dz;
    Activated result = {x * sigma, sigma + rise};
    return result;
}
