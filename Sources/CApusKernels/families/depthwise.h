/// Depthwise convolution, channels last. A tile of pixels x channels stays in registers for all taps;
/// every element is one chain of fused multiply-adds over the taps in order, in full tiles and in
/// their remainders alike.
#pragma once

#include "unary.h"
#include "vector.h"

#define APUS_DEPTHWISE_PIXELS 6

/// `pixels` x (`vectors` * APUS_LANES) elements; both are constants where this is inlined. Row of
/// pixel p at tap t: `rows[t * row_stride + p]`.
APUS_INLINE void depthwise_tile(int pixels, int vectors, size_t taps, const float *const *rows,
                                size_t row_stride, size_t channel, size_t channels, const float *w,
                                float *y, const apus_epilogue *epilogue) {
    vf sum[APUS_DEPTHWISE_PIXELS][2];
    for (int p = 0; p < pixels; p++) {
        for (int v = 0; v < vectors; v++) sum[p][v] = (vf){0};
    }
    for (size_t t = 0; t < taps; t++) {
        vf weight[2];
        for (int v = 0; v < vectors; v++) {
            weight[v] = vf_load(w + t * channels + channel + (size_t)(v * APUS_LANES));
        }
        for (int p = 0; p < pixels; p++) {
            const float *row = rows[t * row_stride + (size_t)p] + channel;
            for (int v = 0; v < vectors; v++) {
                sum[p][v] = vf_fma(vf_load(row + v * APUS_LANES), weight[v], sum[p][v]);
            }
        }
    }
    for (int p = 0; p < pixels; p++) {
        for (int v = 0; v < vectors; v++) {
            size_t c = channel + (size_t)(v * APUS_LANES);
            vf value = sum[p][v];
            if (epilogue && epilogue->bias) value += vf_load(epilogue->bias + c);
            if (epilogue && epilogue->residual) {
                value += vf_load(epilogue->residual + p * epilogue->residual_stride + c);
            }
            vf_store(y + (size_t)p * channels + c, value);
        }
    }
}

/// The channels that fill no vector.
static void depthwise_rest(size_t pixels, size_t taps, const float *const *rows, size_t row_stride,
                           size_t channel, size_t channels, const float *w, float *y,
                           const apus_epilogue *epilogue) {
    for (size_t p = 0; p < pixels; p++) {
        for (size_t c = channel; c < channels; c++) {
            float sum = 0;
            for (size_t t = 0; t < taps; t++) {
                sum = __builtin_fmaf(rows[t * row_stride + p][c], w[t * channels + c], sum);
            }
            if (epilogue && epilogue->bias) sum += epilogue->bias[c];
            if (epilogue && epilogue->residual) {
                sum += epilogue->residual[(int64_t)p * epilogue->residual_stride + (int64_t)c];
            }
            y[p * channels + c] = sum;
        }
    }
}

/// A row of tiles: `pixels` (a constant) pixels, all channels.
APUS_INLINE void depthwise_pixels(int pixels, size_t taps, const float *const *rows,
                                  size_t row_stride, size_t channels, const float *w, float *y,
                                  const apus_epilogue *epilogue) {
    size_t c = 0;
    for (; c + 2 * APUS_LANES <= channels; c += 2 * APUS_LANES) {
        depthwise_tile(pixels, 2, taps, rows, row_stride, c, channels, w, y, epilogue);
    }
    if (c + APUS_LANES <= channels) {
        depthwise_tile(pixels, 1, taps, rows, row_stride, c, channels, w, y, epilogue);
        c += APUS_LANES;
    }
    depthwise_rest((size_t)pixels, taps, rows, row_stride, c, channels, w, y, epilogue);
}

static void depthwise_f32(size_t pixels, size_t channels, size_t taps, const float *const *rows,
                          const float *w, float *y, const apus_epilogue *epilogue) {
    for (size_t first = 0; first < pixels; first += APUS_DEPTHWISE_PIXELS) {
        size_t count = pixels - first;
        if (count > APUS_DEPTHWISE_PIXELS) count = APUS_DEPTHWISE_PIXELS;
        const float *const *tile = rows + first;
        float *target = y + first * channels;
        apus_epilogue own;
        if (epilogue) {
            own = *epilogue;
            if (own.residual) own.residual += (int64_t)first * own.residual_stride;
        }
        const apus_epilogue *tile_epilogue = epilogue ? &own : NULL;
#define APUS_CASE(P)                                                                        \
    case P: depthwise_pixels(P, taps, tile, pixels, channels, w, target, tile_epilogue); break;
        switch (count) {
            APUS_CASE(1)
            APUS_CASE(2)
            APUS_CASE(3)
            APUS_CASE(4)
            APUS_CASE(5)
            APUS_CASE(6)
            default: assert(false);
        }
#undef APUS_CASE
        if (epilogue && epilogue->activation >= 0) {
            unary_f32((apus_unary)epilogue->activation, target, target, count * channels,
                      epilogue->parameters);
        }
    }
}
