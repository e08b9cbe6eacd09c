/// The vector type of one instruction set. `isa_*.c` defines APUS_LANES before including families.
#pragma once

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../include/apus_kernels.h"

typedef float vf __attribute__((vector_size(APUS_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(APUS_LANES * 4)));

#define APUS_INLINE static inline __attribute__((always_inline))

APUS_INLINE vf vf_load(const float *p) {
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

APUS_INLINE void vf_store(float *p, vf v) { memcpy(p, &v, sizeof v); }

/// Lane by lane, which becomes one broadcast; `(vf){0} + x` would add as well, as -0 + 0 is 0.
APUS_INLINE vf vf_splat(float x) {
    vf v;
    for (int lane = 0; lane < APUS_LANES; lane++) v[lane] = x;
    return v;
}

/// `a * b + c`, rounded once on every instruction set.
APUS_INLINE vf vf_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }
