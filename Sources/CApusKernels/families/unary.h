/// Elementwise functions of one argument. Every element, the last ones of a row too, goes through
/// the same code.
#pragma once

#include "math.h"
#include "vector.h"

/// `f(x)` lane by lane; `p` are the function's parameters. `f` is a constant where this is inlined.
APUS_INLINE vf vf_unary(apus_unary f, vf x, const float *p) {
    const vf zero = vf_splat(0), one = vf_splat(1);
    switch (f) {
        case APUS_UNARY_ABS: return vf_abs(x);
        case APUS_UNARY_NEG: return -x;
        case APUS_UNARY_RECIPROCAL: return one / x;
        case APUS_UNARY_SQRT: return __builtin_elementwise_sqrt(x);
        case APUS_UNARY_EXP: return vf_exp(x);
        case APUS_UNARY_LOG: return vf_log(x);
        case APUS_UNARY_SIGMOID: return vf_sigmoid(x);
        case APUS_UNARY_TANH: return vf_tanh(x);
        case APUS_UNARY_ERF: return vf_erf(x);
        case APUS_UNARY_RELU: return vf_select(x < zero, zero, x);
        case APUS_UNARY_LEAKY_RELU: return vf_select(x < zero, p[0] * x, x);
        case APUS_UNARY_ELU: return vf_select(x < zero, p[0] * (vf_exp(x) - one), x);
        case APUS_UNARY_SELU:
            return vf_select(x <= zero, p[1] * (p[0] * vf_exp(x) - p[0]), p[1] * x);
        case APUS_UNARY_HARD_SIGMOID: {
            vf y = p[0] * x + p[1];
            return vf_select(y < zero, zero, vf_select(y > one, one, y));
        }
        case APUS_UNARY_HARD_SWISH: {
            vf y = x / 6.0f + 0.5f;
            return x * vf_select(y < zero, zero, vf_select(y > one, one, y));
        }
        case APUS_UNARY_SOFTPLUS: return vf_softplus(x);
        case APUS_UNARY_GELU_ERF: return vf_gelu_erf(x);
        case APUS_UNARY_GELU_TANH: return vf_gelu_tanh(x);
        case APUS_UNARY_SILU: return x * vf_sigmoid(x);
        case APUS_UNARY_CLIP: {
            vf low = vf_splat(p[0]), high = vf_splat(p[1]);
            return vf_select(x < low, low, vf_select(x > high, high, x));
        }
        case APUS_UNARY_FLOOR: return __builtin_elementwise_floor(x);
        case APUS_UNARY_CEIL: return __builtin_elementwise_ceil(x);
        case APUS_UNARY_ROUND: return __builtin_elementwise_rint(x);
        case APUS_UNARY_MISH: return vf_mish(x);
        case APUS_UNARY_COUNT: break;
    }
    return x;
}

APUS_INLINE void unary_row(apus_unary f, const float *x, float *y, size_t n,
                           const float *parameters) {
    // A copy, so that stores to `y` are known to leave the parameters alone.
    float p[2] = {0};
    if (parameters) memcpy(p, parameters, sizeof p);
    size_t i = 0;
    for (; i + APUS_LANES <= n; i += APUS_LANES) {
        vf_store(y + i, vf_unary(f, vf_load(x + i), p));
    }
    if (i < n) vf_store_part(y + i, vf_unary(f, vf_load_part(x + i, n - i, 0), p), n - i);
}

static void unary_f32(apus_unary f, const float *x, float *y, size_t n, const float *parameters) {
#define APUS_CASE(F) \
    case F: unary_row(F, x, y, n, parameters); break;
    switch (f) {
        APUS_CASE(APUS_UNARY_ABS)
        APUS_CASE(APUS_UNARY_NEG)
        APUS_CASE(APUS_UNARY_RECIPROCAL)
        APUS_CASE(APUS_UNARY_SQRT)
        APUS_CASE(APUS_UNARY_EXP)
        APUS_CASE(APUS_UNARY_LOG)
        APUS_CASE(APUS_UNARY_SIGMOID)
        APUS_CASE(APUS_UNARY_TANH)
        APUS_CASE(APUS_UNARY_ERF)
        APUS_CASE(APUS_UNARY_RELU)
        APUS_CASE(APUS_UNARY_LEAKY_RELU)
        APUS_CASE(APUS_UNARY_ELU)
        APUS_CASE(APUS_UNARY_SELU)
        APUS_CASE(APUS_UNARY_HARD_SIGMOID)
        APUS_CASE(APUS_UNARY_HARD_SWISH)
        APUS_CASE(APUS_UNARY_SOFTPLUS)
        APUS_CASE(APUS_UNARY_GELU_ERF)
        APUS_CASE(APUS_UNARY_GELU_TANH)
        APUS_CASE(APUS_UNARY_SILU)
        APUS_CASE(APUS_UNARY_CLIP)
        APUS_CASE(APUS_UNARY_FLOOR)
        APUS_CASE(APUS_UNARY_CEIL)
        APUS_CASE(APUS_UNARY_ROUND)
        APUS_CASE(APUS_UNARY_MISH)
        case APUS_UNARY_COUNT: break;
    }
#undef APUS_CASE
}
