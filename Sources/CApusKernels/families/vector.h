/// The vector type of one instruction set. `isa_*.c` defines APUS_LANES before including families.
///
/// Everything here is lane by lane: IEEE additions, multiplications, divisions and square roots, fused
/// multiply-adds (rounded once everywhere: by `fmaf` of the C library where there is no instruction)
/// and operations on bits. Contraction is off, so a function made of these gives the same bits on
/// every instruction set, and at every place in a row, as the last elements of a row fill up a
/// vector and go through the same code.
#pragma once

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../include/apus_kernels.h"

typedef float vf __attribute__((vector_size(APUS_LANES * 4)));
typedef int32_t vi __attribute__((vector_size(APUS_LANES * 4)));
typedef uint32_t vu __attribute__((vector_size(APUS_LANES * 4)));

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

/// The first `count` < APUS_LANES lanes from memory, `fill` in the others.
APUS_INLINE vf vf_load_part(const float *p, size_t count, float fill) {
    vf v = vf_splat(fill);
    memcpy(&v, p, count * 4);
    return v;
}

/// Stores the first `count` lanes.
APUS_INLINE void vf_store_part(float *p, vf v, size_t count) { memcpy(p, &v, count * 4); }

/// `a * b + c`, rounded once on every instruction set.
APUS_INLINE vf vf_fma(vf a, vf b, vf c) { return __builtin_elementwise_fma(a, b, c); }

/// `yes` where the mask's lane is all ones, `no` where it is 0.
APUS_INLINE vf vf_select(vi mask, vf yes, vf no) {
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

APUS_INLINE vf vf_abs(vf x) { return (vf)((vi)x & 0x7fffffff); }

/// The magnitude of `x` with the sign of `sign`.
APUS_INLINE vf vf_with_sign(vf x, vf sign) {
    return (vf)(((vu)x & 0x7fffffffu) | ((vu)sign & 0x80000000u));
}
