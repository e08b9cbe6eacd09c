/// Exponential, logarithm and the functions made of them, in single precision, without branches.
///
/// Each comment states the largest error over all arguments. One ulp is the distance of neighbouring
/// floats at the true result. Coefficients are ours: `Tests/Tools/vector_math_coefficients.py` finds
/// them. Infinities, NaN and denormals give what the function gives.
#pragma once

#include "vector.h"

#define MATH_LOG2_E 0x1.715476p+0f
#define MATH_LN2_HIGH 0x1.62e430p-1f
#define MATH_LN2_LOW -0x1.05c610p-29f

/// e^x; 1 ulp. Reduces by multiples of ln 2 in two steps (Cody & Waite 1980); 2^n is applied in
/// two halves so that denormal results are rounded once and large ones become infinite.
APUS_INLINE vf vf_exp(vf x) {
    x = vf_select(x > 89.0f, vf_splat(89.0f), x);
    x = vf_select(x < -104.0f, vf_splat(-104.0f), x);
    // Adding 1.5 * 2^23 leaves the nearest integer in the low bits.
    const vf magic = vf_splat(0x1.8p23f);
    vf shifted = vf_fma(x, vf_splat(MATH_LOG2_E), magic);
    vf n = shifted - magic;
    vi exponent = (vi)shifted - (vi)magic;
    vf r = vf_fma(n, vf_splat(-MATH_LN2_HIGH), x);
    r = vf_fma(n, vf_splat(-MATH_LN2_LOW), r);
    vf p = vf_splat(0x1.6a2350p-10f);
    p = vf_fma(p, r, vf_splat(0x1.123a6cp-7f));
    p = vf_fma(p, r, vf_splat(0x1.5558f4p-5f));
    p = vf_fma(p, r, vf_splat(0x1.555490p-3f));
    p = vf_fma(p, r, vf_splat(0x1.fffffcp-2f));
    p = vf_fma(p, r * r, r) + 1.0f;
    vi half = exponent >> 1;
    vf first = (vf)((vu)(half + 127) << 23);
    vf second = (vf)((vu)(exponent - half + 127) << 23);
    return p * first * second;
}

/// ln x for positive finite x; see `vf_log`.
APUS_INLINE vf vf_log_positive(vf x) {
    // Denormals are made normal first.
    vi is_tiny = x < 0x1p-126f;
    x = vf_select(is_tiny, x * 0x1p23f, x);
    // x = 2^k * m with m in sqrt(1/2) ..< sqrt(2).
    vu bits = (vu)x - 0x3f3504f3u;
    vi exponent = ((vi)bits >> 23) - (is_tiny & 23);
    vf m = (vf)((bits & 0x007fffffu) + 0x3f3504f3u);
    vf k = __builtin_convertvector(exponent, vf);
    vf f = m - 1.0f;
    vf square = f * f;
    vf p = vf_splat(0x1.1457a8p-4f);
    p = vf_fma(p, f, vf_splat(-0x1.de3c16p-4f));
    p = vf_fma(p, f, vf_splat(0x1.e6f06ap-4f));
    p = vf_fma(p, f, vf_splat(-0x1.fc2208p-4f));
    p = vf_fma(p, f, vf_splat(0x1.233768p-3f));
    p = vf_fma(p, f, vf_splat(-0x1.555c4ep-3f));
    p = vf_fma(p, f, vf_splat(0x1.99a4b6p-3f));
    p = vf_fma(p, f, vf_splat(-0x1.000006p-2f));
    p = vf_fma(p, f, vf_splat(0x1.555548p-2f));
    vf y = vf_fma(k, vf_splat(MATH_LN2_LOW), p * (f * square));
    y = vf_fma(square, vf_splat(-0.5f), y);
    return vf_fma(k, vf_splat(MATH_LN2_HIGH), f + y);
}

/// ln x; 1 ulp.
APUS_INLINE vf vf_log(vf x) {
    vf y = vf_log_positive(x);
    // Infinity and NaN stay themselves.
    y = vf_select((x > 0.0f) & (x < INFINITY), y, x);
    y = vf_select(x < 0.0f, vf_splat(NAN), y);
    return vf_select(x == 0.0f, vf_splat(-INFINITY), y);
}

/// ln(1 + x) for x in 0 ... 1; 2 ulp. What is lost in 1 + x is put back.
APUS_INLINE vf vf_log1p_unit(vf x) {
    vf u = 1.0f + x;
    return vf_log_positive(u) + (x - (u - 1.0f)) / u;
}

/// 1 / (1 + e^-x); 2 ulp, also where it is small.
APUS_INLINE vf vf_sigmoid(vf x) {
    vf e = vf_exp(-vf_abs(x));
    return vf_select(x < 0.0f, e, vf_splat(1.0f)) / (1.0f + e);
}

/// tanh x; 2 ulp.
APUS_INLINE vf vf_tanh(vf x) {
    vf a = vf_abs(x);
    vf square = a * a;
    vf p = vf_splat(-0x1.75624ap-8f);
    p = vf_fma(p, square, vf_splat(0x1.520b30p-6f));
    p = vf_fma(p, square, vf_splat(-0x1.b83856p-5f));
    p = vf_fma(p, square, vf_splat(0x1.11070ap-3f));
    p = vf_fma(p, square, vf_splat(-0x1.555532p-2f));
    vf small = vf_fma(p * square, a, a);
    // From 10 on it is 1.
    vf e = vf_exp(2.0f * vf_select(a > 10.0f, vf_splat(10.0f), a));
    vf large = 1.0f - 2.0f / (e + 1.0f);
    return vf_with_sign(vf_select(a < 0.625f, small, large), x);
}

/// The two forms of the error function for |x|: `erf` below MATH_ERF_SPLIT, `1 - erf` above it.
#define MATH_ERF_SPLIT 0.925f
#define MATH_ERF_ONE 4.05f

APUS_INLINE vf vf_erf_small(vf a) {
    vf square = a * a;
    vf p = vf_splat(0x1.5cd500p-14f);
    p = vf_fma(p, square, vf_splat(-0x1.aa3f4ap-11f));
    p = vf_fma(p, square, vf_splat(0x1.54c7f8p-8f));
    p = vf_fma(p, square, vf_splat(-0x1.b80e92p-6f));
    p = vf_fma(p, square, vf_splat(0x1.ce2e0ap-4f));
    p = vf_fma(p, square, vf_splat(-0x1.812742p-2f));
    p = vf_fma(p, square, vf_splat(0x1.06eba8p-3f));
    return vf_fma(p, a, a);
}

/// Zero from MATH_ERF_ONE on, where 1 - erf is below 1.1e-8.
APUS_INLINE vf vf_erfc_large(vf a) {
    vf p = vf_splat(-0x1.33c8dep-21f);
    p = vf_fma(p, a, vf_splat(0x1.595e4ap-17f));
    p = vf_fma(p, a, vf_splat(-0x1.fea1c2p-15f));
    p = vf_fma(p, a, vf_splat(-0x1.d5975ap-15f));
    p = vf_fma(p, a, vf_splat(0x1.913920p-9f));
    p = vf_fma(p, a, vf_splat(-0x1.78a7e8p-6f));
    p = vf_fma(p, a, vf_splat(0x1.b09e40p-4f));
    p = vf_fma(p, a, vf_splat(0x1.455646p-1f));
    p = vf_fma(p, a, vf_splat(0x1.20ebc0p+0f));
    vf e = vf_exp(-a * p);
    return vf_select(a >= MATH_ERF_ONE, vf_splat(0.0f), e);
}

/// erf x; 2 ulp.
APUS_INLINE vf vf_erf(vf x) {
    vf a = vf_abs(x);
    vf y = vf_select(a < MATH_ERF_SPLIT, vf_erf_small(a), 1.0f - vf_erfc_large(a));
    return vf_with_sign(y, x);
}

/// x * (1 + erf(x / sqrt 2)) / 2; 1.2e-7 times max(1, |x|), and 4e-8 below -5.7, where it is 0.
APUS_INLINE vf vf_gelu_erf(vf x) {
    vf scaled = x * 0x1.6a09e6p-1f;
    vf a = vf_abs(scaled);
    vf tail = vf_erfc_large(a);
    // 1 + erf, where x is far below zero without the cancellation.
    vf far = vf_select(x < 0.0f, tail, 2.0f - tail);
    vf near = 1.0f + vf_with_sign(vf_erf_small(a), x);
    return 0.5f * x * vf_select(a < MATH_ERF_SPLIT, near, far);
}

/// x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2, as x * sigmoid(2 ...);
/// 1.5e-7 times max(1, |x|).
APUS_INLINE vf vf_gelu_tanh(vf x) {
    vf inner = vf_fma(x * x, vf_splat(0x1.2444f2p-4f), vf_splat(0x1.988454p+0f));
    return x * vf_sigmoid(x * inner);
}

/// ln(1 + e^x); 2 ulp.
APUS_INLINE vf vf_softplus(vf x) {
    return vf_log1p_unit(vf_exp(-vf_abs(x))) + vf_select(x > 0.0f, x, vf_splat(0.0f));
}

/// x * tanh(softplus(x)) = x * n / (n + 2) with n = e^x (e^x + 2); 4 ulp.
APUS_INLINE vf vf_mish(vf x) {
    vf e = vf_exp(vf_select(x > 20.0f, vf_splat(20.0f), x));
    vf n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
}
