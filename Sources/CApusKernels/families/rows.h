/// Elementwise functions of two arguments, and reductions along a contiguous row in a fixed order of
/// 16 lanes, the same on every instruction set.
#pragma once

#include "unary.h"
#include "vector.h"

APUS_INLINE float binary_one(apus_binary f, float a, float b) {
    switch (f) {
        case APUS_BINARY_ADD: return a + b;
        case APUS_BINARY_SUB: return a - b;
        case APUS_BINARY_MUL: return a * b;
        case APUS_BINARY_DIV: return a / b;
        case APUS_BINARY_MAX: return a != a ? a : b != b ? b : a > b ? a : b;
        case APUS_BINARY_MIN: return a != a ? a : b != b ? b : a < b ? a : b;
        case APUS_BINARY_COUNT: break;
    }
    return a;
}

static void binary_f32(apus_binary f, const float *a, int a_step, const float *b, int b_step,
                       float *y, size_t n) {
#define APUS_CASE(F)                                                                  \
    case F:                                                                           \
        if (a_step == 1 && b_step == 1) {                                             \
            for (size_t i = 0; i < n; i++) y[i] = binary_one(F, a[i], b[i]);          \
        } else if (b_step == 0 && a_step == 1) {                                      \
            for (size_t i = 0; i < n; i++) y[i] = binary_one(F, a[i], b[0]);          \
        } else {                                                                      \
            for (size_t i = 0; i < n; i++) y[i] = binary_one(F, a[0], b[i * (size_t)b_step]); \
        }                                                                             \
        break;
    switch (f) {
        APUS_CASE(APUS_BINARY_ADD)
        APUS_CASE(APUS_BINARY_SUB)
        APUS_CASE(APUS_BINARY_MUL)
        APUS_CASE(APUS_BINARY_DIV)
        APUS_CASE(APUS_BINARY_MAX)
        APUS_CASE(APUS_BINARY_MIN)
        case APUS_BINARY_COUNT: break;
    }
#undef APUS_CASE
}

/// Adds 16 lanes in pairs.
APUS_INLINE float lanes_sum(const float *lanes) {
    float eight[8];
    for (int i = 0; i < 8; i++) eight[i] = lanes[i] + lanes[i + 8];
    float four[4];
    for (int i = 0; i < 4; i++) four[i] = eight[i] + eight[i + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

static float max_f32(const float *x, size_t n) {
    float best = x[0];
    bool has_nan = false;
    for (size_t i = 0; i < n; i++) {
        best = x[i] > best ? x[i] : best;
        has_nan |= x[i] != x[i];
    }
    return has_nan ? NAN : best;
}

static float exp_sum_f32(const float *x, float shift, float *y, size_t n) {
    float lanes[16] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (int l = 0; l < 16; l++) y[i + (size_t)l] = x[i + (size_t)l] - shift;
        unary_f32(APUS_UNARY_EXP, y + i, y + i, 16, NULL);
        for (int l = 0; l < 16; l++) lanes[l] += y[i + (size_t)l];
    }
    size_t rest = n - i;
    for (size_t l = 0; l < rest; l++) y[i + l] = x[i + l] - shift;
    unary_f32(APUS_UNARY_EXP, y + i, y + i, rest, NULL);
    for (size_t l = 0; l < rest; l++) lanes[l] += y[i + l];
    return lanes_sum(lanes);
}

static void scale_f32(const float *x, float scale, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = x[i] * scale;
}

static float sum_f32(const float *x, size_t n) {
    float lanes[16] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t l = 0; l < 16; l++) lanes[l] += x[i + l];
    }
    for (size_t l = 0; l < n - i; l++) lanes[l] += x[i + l];
    return lanes_sum(lanes);
}

static float sum_squares_f32(const float *x, float mean, size_t n) {
    float lanes[16] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        for (size_t l = 0; l < 16; l++) {
            float d = x[i + l] - mean;
            lanes[l] += d * d;
        }
    }
    for (size_t l = 0; l < n - i; l++) {
        float d = x[i + l] - mean;
        lanes[l] += d * d;
    }
    return lanes_sum(lanes);
}

static void normalize_f32(const float *x, float mean, float inverse, const float *scale,
                          const float *bias, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float v = (x[i] - mean) * inverse;
        if (scale) v *= scale[i];
        if (bias) v += bias[i];
        y[i] = v;
    }
}

static void affine_f32(const float *x, const float *scale, const float *shift, int step, float *y,
                       size_t n) {
    if (step == 0) {
        float a = scale[0], b = shift[0];
        for (size_t i = 0; i < n; i++) y[i] = __builtin_fmaf(x[i], a, b);
    } else {
        for (size_t i = 0; i < n; i++) y[i] = __builtin_fmaf(x[i], scale[i], shift[i]);
    }
}
