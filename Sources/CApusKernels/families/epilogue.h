/// What happens to a tile of sums before it is stored: `activation(alpha * sum + bias + residual)`.
///
/// The cheap activations are applied to vectors in registers, the others to the stored row; either
/// way each element takes the steps of `vf_unary`.
#pragma once

#include "unary.h"
#include "vector.h"

/// Whether `epilogue_activated` knows the function; -1 is none.
APUS_INLINE bool epilogue_is_cheap(int32_t f) {
    switch (f) {
        case -1:
        case APUS_UNARY_RELU:
        case APUS_UNARY_CLIP:
        case APUS_UNARY_LEAKY_RELU:
        case APUS_UNARY_HARD_SIGMOID:
        case APUS_UNARY_HARD_SWISH: return true;
        default: return false;
    }
}

APUS_INLINE vf epilogue_activated(int32_t f, const float *p, vf x) {
    switch (f) {
        case APUS_UNARY_RELU: return vf_unary(APUS_UNARY_RELU, x, p);
        case APUS_UNARY_CLIP: return vf_unary(APUS_UNARY_CLIP, x, p);
        case APUS_UNARY_LEAKY_RELU: return vf_unary(APUS_UNARY_LEAKY_RELU, x, p);
        case APUS_UNARY_HARD_SIGMOID: return vf_unary(APUS_UNARY_HARD_SIGMOID, x, p);
        case APUS_UNARY_HARD_SWISH: return vf_unary(APUS_UNARY_HARD_SWISH, x, p);
        default: return x;
    }
}
