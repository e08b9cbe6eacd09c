/// Depthwise convolution, channels last. A few neighbouring pixels x one vector of channels stay in
/// registers for all taps; in a row of taps each input element is loaded once for all pixels that
/// need it. Every element is one chain of fused multiply-adds over its taps inside the image, in
/// order, in full tiles and in their remainders alike.
#pragma once

#include "epilogue.h"
#include "window.h"

/// The outer taps of a run that lie inside the image: where their rows begin, and their weights.
typedef struct {
    const float **rows;
    const float **weights;
    size_t count;
} depthwise_outer;

/// What one call works on.
typedef struct {
    const apus_window *window;
    size_t channels;
    const apus_epilogue *epilogue;
    int32_t activation;  ///< of the epilogue, if it is applied in registers
} depthwise_work;

static void depthwise_collect(const apus_window *window, const window_run *run, const float *x,
                              const float *w, size_t channels, depthwise_outer *outer) {
    const float *start = x + run->image * window->image_stride;
    size_t inner = window->taps[window->rank - 1];
    size_t tap[APUS_WINDOW_RANK_MAX] = {0};
    outer->count = 0;
    do {
        int64_t offset = window_outer_offset(window, run, tap);
        if (offset >= 0) {
            outer->rows[outer->count] = start + offset;
            outer->weights[outer->count++] = w;
        }
        w += inner * channels;
    } while (window_next_outer_tap(window, tap));
}

/// Stores one vector; `pixel` counts from the start of `y`, `c` is its first channel.
APUS_INLINE void depthwise_store(const depthwise_work *work, vf sum, size_t pixel, size_t c,
                                 float *y) {
    const apus_epilogue *epilogue = work->epilogue;
    if (epilogue) {
        if (epilogue->bias) sum += vf_load(epilogue->bias + c);
        if (epilogue->residual) {
            sum += vf_load(epilogue->residual + (int64_t)pixel * epilogue->residual_stride + c);
        }
        sum = epilogue_activated(work->activation, epilogue->parameters, sum);
    }
    vf_store(y + pixel * work->channels + c, sum);
}

/// All whole vectors of `pixels` pixels, whose taps lie `step` elements apart, and `stride` taps from
/// one pixel to the next. These sizes are constants where this is inlined. `first` is the offset of
/// the first pixel's first tap in the rows.
APUS_INLINE void depthwise_tile(int pixels, int taps, int stride, const depthwise_work *work,
                                const depthwise_outer *outer, int64_t first, int64_t step,
                                size_t pixel, float *y) {
    size_t channels = work->channels;
    int columns = (pixels - 1) * stride + taps;
    for (size_t c = 0; c + APUS_LANES <= channels; c += APUS_LANES) {
        vf sum[8];
        for (int p = 0; p < pixels; p++) sum[p] = (vf){0};
        for (size_t t = 0; t < outer->count; t++) {
            const float *row = outer->rows[t] + first + (int64_t)c;
            if (pixels == 8 && t + (size_t)stride >= outer->count) {
                // The rows that no pixel before has read: the next tile's part of them, bit by bit.
                const float *next = outer->rows[t] + first + columns * step
                                    + (int64_t)(c * 8 * (size_t)stride);
                for (int i = 0; i < 8 * stride * APUS_LANES; i += 16) {
                    __builtin_prefetch(next + i);
                }
            }
            const float *w = outer->weights[t] + c;
            vf weight[7];
            for (int k = 0; k < taps; k++) weight[k] = vf_load(w + (size_t)k * channels);
            for (int i = 0; i < columns; i++) {
                vf x = vf_load(row + i * step);
                for (int p = 0; p < pixels; p++) {
                    int k = i - p * stride;
                    if (k >= 0 && k < taps) sum[p] = vf_fma(x, weight[k], sum[p]);
                }
            }
        }
        for (int p = 0; p < pixels; p++) depthwise_store(work, sum[p], pixel + (size_t)p, c, y);
    }
}

/// `count` pixels, in tiles of 8, 4, 2 and 1.
APUS_INLINE void depthwise_tiles(int taps, int stride, size_t count, const depthwise_work *work,
                                 const depthwise_outer *outer, int64_t first, size_t pixel,
                                 float *y) {
    int64_t step = work->window->regular_step;
    while (count > 0) {
        size_t done = count >= 8 ? 8 : count >= 4 ? 4 : count >= 2 ? 2 : 1;
        if (done == 8) depthwise_tile(8, taps, stride, work, outer, first, step, pixel, y);
        if (done == 4) depthwise_tile(4, taps, stride, work, outer, first, step, pixel, y);
        if (done == 2) depthwise_tile(2, taps, stride, work, outer, first, step, pixel, y);
        if (done == 1) depthwise_tile(1, taps, stride, work, outer, first, step, pixel, y);
        first += (int64_t)done * stride * step;
        pixel += done;
        count -= done;
    }
}

/// All whole vectors of one pixel with any taps.
static void depthwise_pixel(const depthwise_work *work, const depthwise_outer *outer,
                            const int64_t *offsets, size_t taps, size_t pixel, float *y) {
    size_t channels = work->channels;
    for (size_t c = 0; c + APUS_LANES <= channels; c += APUS_LANES) {
        vf sum = (vf){0};
        for (size_t t = 0; t < outer->count; t++) {
            const float *w = outer->weights[t] + c;
            for (size_t k = 0; k < taps; k++) {
                if (offsets[k] < 0) continue;
                vf x = vf_load(outer->rows[t] + offsets[k] + c);
                sum = vf_fma(x, vf_load(w + k * channels), sum);
            }
        }
        depthwise_store(work, sum, pixel, c, y);
    }
}

/// The channels of one pixel that fill no vector.
static void depthwise_rest(const depthwise_work *work, const depthwise_outer *outer,
                           const int64_t *offsets, size_t taps, size_t pixel, float *y) {
    size_t channels = work->channels, c = channels / APUS_LANES * APUS_LANES;
    size_t count = channels - c;
    const apus_epilogue *epilogue = work->epilogue;
    vf sum = (vf){0};
    for (size_t t = 0; t < outer->count; t++) {
        for (size_t k = 0; k < taps; k++) {
            if (offsets[k] < 0) continue;
            vf x = vf_load_part(outer->rows[t] + offsets[k] + c, count, 0);
            sum = vf_fma(x, vf_load_part(outer->weights[t] + k * channels + c, count, 0), sum);
        }
    }
    if (epilogue) {
        if (epilogue->bias) sum += vf_load_part(epilogue->bias + c, count, 0);
        if (epilogue->residual) {
            const float *residual =
                epilogue->residual + (int64_t)pixel * epilogue->residual_stride;
            sum += vf_load_part(residual + c, count, 0);
        }
        sum = epilogue_activated(work->activation, epilogue->parameters, sum);
    }
    vf_store_part(y + pixel * channels + c, sum, count);
}

/// Pixels of one run whose taps all lie inside and evenly spaced.
static void depthwise_regular(const depthwise_work *work, const depthwise_outer *outer,
                              const int64_t *offsets, size_t taps, size_t count, size_t pixel,
                              float *y) {
    int64_t step = work->window->regular_step, stride = work->window->regular_stride;
    int64_t first = offsets[0];
#define APUS_CASE(TAPS, STRIDE)                                                      \
    if (taps == TAPS && stride == STRIDE * step) {                                   \
        depthwise_tiles(TAPS, STRIDE, count, work, outer, first, pixel, y);          \
        return;                                                                      \
    }
    APUS_CASE(3, 1)
    APUS_CASE(3, 2)
    APUS_CASE(5, 1)
    APUS_CASE(5, 2)
    APUS_CASE(7, 1)
#undef APUS_CASE
    for (size_t i = 0; i < count; i++) {
        depthwise_pixel(work, outer, offsets + i * taps, taps, pixel + i, y);
    }
}

static void depthwise_f32(const apus_window *window, const float *x, size_t channels,
                          const float *w, size_t begin, size_t end, float *y,
                          const apus_epilogue *epilogue, const float **scratch) {
    int last = window->rank - 1;
    size_t taps = window->taps[last], outer_taps = 1;
    for (int d = 0; d < last; d++) outer_taps *= window->taps[d];
    int32_t activation = epilogue ? epilogue->activation : -1;
    bool is_cheap = epilogue_is_cheap(activation);
    depthwise_work work = {window, channels, epilogue, is_cheap ? activation : -1};
    depthwise_outer outer = {scratch, scratch + outer_taps, 0};
    for (size_t pixel = begin; pixel < end;) {
        window_run run = window_run_at(window->rank, window->outputs, pixel, end);
        depthwise_collect(window, &run, x, w, channels, &outer);
        size_t first = run.position[last], behind = first + run.count;
        const int64_t *offsets = window->offsets[last];
        for (size_t position = first; position < behind;) {
            size_t count = 1;
            const int64_t *own = offsets + position * taps;
            size_t index = pixel - begin + (position - first);
            if (position >= window->regular_begin && position < window->regular_end) {
                count = (behind < window->regular_end ? behind : window->regular_end) - position;
                depthwise_regular(&work, &outer, own, taps, count, index, y);
            } else {
                depthwise_pixel(&work, &outer, own, taps, index, y);
            }
            position += count;
        }
        if (channels % APUS_LANES != 0) {
            for (size_t i = 0; i < run.count; i++) {
                depthwise_rest(&work, &outer, offsets + (first + i) * taps, taps,
                               pixel - begin + i, y);
            }
        }
        if (!is_cheap) {
            float *target = y + (pixel - begin) * channels;
            unary_f32((apus_unary)activation, target, target, run.count * channels,
                      epilogue->parameters);
        }
        pixel += run.count;
    }
}
