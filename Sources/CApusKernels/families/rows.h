/// Elementwise functions of two arguments, and reductions along a contiguous row. Sums are in a fixed
/// order, the same on every instruction set: element i is added to lane i % 64, then the lanes are
/// added in pairs.
#pragma once

#include "unary.h"
#include "vector.h"

APUS_INLINE vf vf_binary(apus_binary f, vf a, vf b) {
    switch (f) {
        case APUS_BINARY_ADD: return a + b;
        case APUS_BINARY_SUB: return a - b;
        case APUS_BINARY_MUL: return a * b;
        case APUS_BINARY_DIV: return a / b;
        case APUS_BINARY_MAX:
            return vf_select(a != a, a, vf_select(b != b, b, vf_select(a > b, a, b)));
        case APUS_BINARY_MIN:
            return vf_select(a != a, a, vf_select(b != b, b, vf_select(a < b, a, b)));
        case APUS_BINARY_COUNT: break;
    }
    return a;
}

APUS_INLINE void binary_row(apus_binary f, const float *a, int a_step, const float *b, int b_step,
                            float *y, size_t n) {
    vf a0 = vf_splat(n > 0 ? a[0] : 0), b0 = vf_splat(n > 0 ? b[0] : 0);
    size_t i = 0;
    for (; i + APUS_LANES <= n; i += APUS_LANES) {
        vf x = a_step ? vf_load(a + i) : a0;
        vf_store(y + i, vf_binary(f, x, b_step ? vf_load(b + i) : b0));
    }
    if (i < n) {
        vf x = a_step ? vf_load_part(a + i, n - i, 1) : a0;
        vf_store_part(y + i, vf_binary(f, x, b_step ? vf_load_part(b + i, n - i, 1) : b0), n - i);
    }
}

static void binary_f32(apus_binary f, const float *a, int a_step, const float *b, int b_step,
                       float *y, size_t n) {
#define APUS_CASE(F)                                       \
    case F:                                                \
        if (a_step && b_step) {                            \
            binary_row(F, a, 1, b, 1, y, n);               \
        } else if (a_step) {                               \
            binary_row(F, a, 1, b, 0, y, n);               \
        } else {                                           \
            binary_row(F, a, 0, b, b_step, y, n);          \
        }                                                  \
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

/// Lanes of a sum, and the vectors that hold them.
#define ROW_LANES 64
#define ROW_VECTORS (ROW_LANES / APUS_LANES)

/// The sum of all lanes: halves are added until one lane is left.
APUS_INLINE float row_total(const vf *lanes) {
    float sums[ROW_LANES];
    for (int v = 0; v < ROW_VECTORS; v++) vf_store(sums + v * APUS_LANES, lanes[v]);
    for (int half = ROW_LANES / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) sums[i] += sums[i + half];
    }
    return sums[0];
}

/// What an element adds to its lane. Elements that fill up the last vector are `mean`, and add 0.
APUS_INLINE vf row_term(bool is_squared, vf x, vf mean) {
    if (!is_squared) return x;
    vf difference = x - mean;
    return difference * difference;
}

APUS_INLINE float row_sum(bool is_squared, const float *x, float mean, size_t n) {
    vf lanes[ROW_VECTORS];
    vf centre = vf_splat(mean);
    for (int v = 0; v < ROW_VECTORS; v++) lanes[v] = vf_splat(0);
    size_t i = 0;
    for (; i + ROW_LANES <= n; i += ROW_LANES) {
        for (int v = 0; v < ROW_VECTORS; v++) {
            lanes[v] += row_term(is_squared, vf_load(x + i + v * APUS_LANES), centre);
        }
    }
    for (int v = 0; i < n; v++, i += APUS_LANES) {
        size_t count = n - i;
        vf value = count >= APUS_LANES ? vf_load(x + i) : vf_load_part(x + i, count, mean);
        lanes[v] += row_term(is_squared, value, centre);
    }
    return row_total(lanes);
}

static float sum_f32(const float *x, size_t n) { return row_sum(false, x, 0, n); }

static float sum_squares_f32(const float *x, float mean, size_t n) {
    return row_sum(true, x, mean, n);
}

static float max_f32(const float *x, size_t n) {
    vf best[4];
    vi has_nan = (vi)vf_splat(0);
    for (int v = 0; v < 4; v++) best[v] = vf_splat(-INFINITY);
    size_t i = 0;
    for (; i + 4 * APUS_LANES <= n; i += 4 * APUS_LANES) {
        for (int v = 0; v < 4; v++) {
            vf value = vf_load(x + i + v * APUS_LANES);
            best[v] = vf_select(value > best[v], value, best[v]);
            has_nan |= value != value;
        }
    }
    for (; i < n; i += APUS_LANES) {
        size_t count = n - i;
        vf value = count >= APUS_LANES ? vf_load(x + i) : vf_load_part(x + i, count, -INFINITY);
        best[0] = vf_select(value > best[0], value, best[0]);
        has_nan |= value != value;
    }
    float result = -INFINITY;
    int32_t is_nan = 0;
    for (int l = 0; l < APUS_LANES; l++) {
        for (int v = 0; v < 4; v++) result = best[v][l] > result ? best[v][l] : result;
        is_nan |= has_nan[l];
    }
    // Which of two zeros is found first depends on the lanes: the result is the positive one.
    return is_nan ? NAN : result + 0.0f;
}

static float exp_sum_f32(const float *x, float shift, float *y, size_t n) {
    vf lanes[ROW_VECTORS];
    for (int v = 0; v < ROW_VECTORS; v++) lanes[v] = vf_splat(0);
    size_t i = 0;
    for (; i + ROW_LANES <= n; i += ROW_LANES) {
        for (int v = 0; v < ROW_VECTORS; v++) {
            vf e = vf_exp(vf_load(x + i + v * APUS_LANES) - shift);
            vf_store(y + i + v * APUS_LANES, e);
            lanes[v] += e;
        }
    }
    for (int v = 0; i < n; v++, i += APUS_LANES) {
        size_t count = n - i < APUS_LANES ? n - i : APUS_LANES;
        // Elements that fill up the vector are e^-inf = 0.
        vf value = count == APUS_LANES ? vf_load(x + i) : vf_load_part(x + i, count, -INFINITY);
        vf e = vf_exp(value - shift);
        vf_store_part(y + i, e, count);
        lanes[v] += e;
    }
    return row_total(lanes);
}

static void scale_f32(const float *x, float scale, float *y, size_t n) {
    binary_row(APUS_BINARY_MUL, x, 1, &scale, 0, y, n);
}

/// One vector of `normalize_f32`; `count` lanes of the parameters are there.
APUS_INLINE vf normalize_vector(vf x, vf mean, vf inverse, const float *scale, const float *bias,
                                size_t count) {
    vf v = (x - mean) * inverse;
    vf a = scale ? count == APUS_LANES ? vf_load(scale) : vf_load_part(scale, count, 0) : v;
    vf b = bias ? count == APUS_LANES ? vf_load(bias) : vf_load_part(bias, count, 0) : v;
    if (scale && bias) return vf_fma(v, a, b);
    return scale ? v * a : bias ? v + b : v;
}

APUS_INLINE void normalize_row(const float *x, float mean, float inverse, const float *scale,
                               const float *bias, float *y, size_t n) {
    vf m = vf_splat(mean), r = vf_splat(inverse);
    size_t i = 0;
    for (; i + APUS_LANES <= n; i += APUS_LANES) {
        vf v = normalize_vector(vf_load(x + i), m, r, scale ? scale + i : NULL,
                                bias ? bias + i : NULL, APUS_LANES);
        vf_store(y + i, v);
    }
    if (i < n) {
        vf v = normalize_vector(vf_load_part(x + i, n - i, 0), m, r, scale ? scale + i : NULL,
                                bias ? bias + i : NULL, n - i);
        vf_store_part(y + i, v, n - i);
    }
}

static void normalize_f32(const float *x, float mean, float inverse, const float *scale,
                          const float *bias, float *y, size_t n) {
    if (scale && bias) {
        normalize_row(x, mean, inverse, scale, bias, y, n);
    } else if (scale) {
        normalize_row(x, mean, inverse, scale, NULL, y, n);
    } else {
        normalize_row(x, mean, inverse, NULL, bias, y, n);
    }
}

static void affine_f32(const float *x, const float *scale, const float *shift, int step, float *y,
                       size_t n) {
    vf a = vf_splat(n > 0 ? scale[0] : 0), b = vf_splat(n > 0 ? shift[0] : 0);
    size_t i = 0;
    for (; i + APUS_LANES <= n; i += APUS_LANES) {
        if (step) a = vf_load(scale + i), b = vf_load(shift + i);
        vf_store(y + i, vf_fma(vf_load(x + i), a, b));
    }
    if (i < n) {
        if (step) a = vf_load_part(scale + i, n - i, 0), b = vf_load_part(shift + i, n - i, 0);
        vf_store_part(y + i, vf_fma(vf_load_part(x + i, n - i, 0), a, b), n - i);
    }
}
