/// Elementwise functions of one argument. Every element, the last ones of a row too, goes through
/// the same code.
#pragma once

#include "vector.h"

APUS_INLINE float unary_one(apus_unary f, float x, const float *p) {
    switch (f) {
        case APUS_UNARY_ABS: return fabsf(x);
        case APUS_UNARY_NEG: return -x;
        case APUS_UNARY_RECIPROCAL: return 1 / x;
        case APUS_UNARY_SQRT: return sqrtf(x);
        case APUS_UNARY_EXP: return expf(x);
        case APUS_UNARY_LOG: return logf(x);
        case APUS_UNARY_SIGMOID: return 1 / (1 + expf(-x));
        case APUS_UNARY_TANH: return tanhf(x);
        case APUS_UNARY_ERF: return erff(x);
        case APUS_UNARY_RELU: return x < 0 ? 0 : x;
        case APUS_UNARY_LEAKY_RELU: return x < 0 ? p[0] * x : x;
        case APUS_UNARY_ELU: return x < 0 ? p[0] * (expf(x) - 1) : x;
        case APUS_UNARY_SELU: return x <= 0 ? p[1] * (p[0] * expf(x) - p[0]) : p[1] * x;
        case APUS_UNARY_HARD_SIGMOID: {
            float y = p[0] * x + p[1];
            return y < 0 ? 0 : y > 1 ? 1 : y;
        }
        case APUS_UNARY_HARD_SWISH: {
            float y = x / 6 + 0.5f;
            return x * (y < 0 ? 0 : y > 1 ? 1 : y);
        }
        case APUS_UNARY_SOFTPLUS: return log1pf(expf(-fabsf(x))) + (x > 0 ? x : 0);
        case APUS_UNARY_GELU_ERF: return 0.5f * x * (1 + erff(x * 0.70710678f));
        case APUS_UNARY_GELU_TANH:
            return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
        case APUS_UNARY_SILU: return x / (1 + expf(-x));
        case APUS_UNARY_CLIP: return x < p[0] ? p[0] : x > p[1] ? p[1] : x;
        case APUS_UNARY_FLOOR: return floorf(x);
        case APUS_UNARY_CEIL: return ceilf(x);
        case APUS_UNARY_ROUND: return rintf(x);
        case APUS_UNARY_MISH: return x * tanhf(log1pf(expf(-fabsf(x))) + (x > 0 ? x : 0));
        case APUS_UNARY_COUNT: break;
    }
    return x;
}

static void unary_f32(apus_unary f, const float *x, float *y, size_t n, const float *parameters) {
#define APUS_CASE(F)                                                              \
    case F:                                                                       \
        for (size_t i = 0; i < n; i++) y[i] = unary_one(F, x[i], parameters);      \
        break;
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
