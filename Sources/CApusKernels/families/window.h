/// Sliding windows over images with channels last: where the taps of each output pixel lie, and
/// pooling.
#pragma once

#include "vector.h"

/// A run of output pixels in one row (along the last dimension) of one image.
typedef struct {
    size_t position[APUS_WINDOW_RANK_MAX];  ///< of the first pixel
    size_t image;
    size_t count;
} window_run;

/// The run that begins at `pixel`, counted through all images, and ends before `end`.
APUS_INLINE window_run window_run_at(int rank, const size_t *outputs, size_t pixel, size_t end) {
    window_run run;
    run.image = pixel;
    for (int d = rank - 1; d >= 0; d--) {
        run.position[d] = run.image % outputs[d];
        run.image /= outputs[d];
    }
    run.count = outputs[rank - 1] - run.position[rank - 1];
    if (run.count > end - pixel) run.count = end - pixel;
    return run;
}

/// Steps `tap` on through all dimensions but the last; false behind the last one.
APUS_INLINE bool window_next_outer_tap(const apus_window *window, size_t *tap) {
    for (int d = window->rank - 2; d >= 0; d--) {
        if (++tap[d] < window->taps[d]) return true;
        tap[d] = 0;
    }
    return false;
}

/// The offset of an outer tap; negative if it lies outside.
APUS_INLINE int64_t window_outer_offset(const apus_window *window, const window_run *run,
                                        const size_t *tap) {
    int64_t offset = 0;
    for (int d = 0; d < window->rank - 1; d++) {
        offset += window->offsets[d][run->position[d] * window->taps[d] + tap[d]];
    }
    return offset;
}

/// Row pointers for output pixels begin ..< end (pixels of all images, one after another).
static void window_rows_f32(const apus_window *window, const float *x, const float *outside,
                            size_t begin, size_t end, const float **rows) {
    size_t count = end - begin;
    int last = window->rank - 1;
    size_t inner = window->taps[last];
    for (size_t pixel = begin; pixel < end;) {
        window_run run = window_run_at(window->rank, window->outputs, pixel, end);
        const float *start = x + run.image * window->image_stride;
        const int64_t *offsets = window->offsets[last] + run.position[last] * inner;
        const float **target = rows + (pixel - begin);
        size_t tap[APUS_WINDOW_RANK_MAX] = {0};
        do {
            int64_t outer = window_outer_offset(window, &run, tap);
            for (size_t k = 0; k < inner; k++, target += count) {
                if (outer < 0) {
                    for (size_t i = 0; i < run.count; i++) target[i] = outside;
                    continue;
                }
                for (size_t i = 0; i < run.count; i++) {
                    int64_t offset = outer + offsets[i * inner + k];
                    target[i] = offset < 0 ? outside : start + offset;
                }
            }
        } while (window_next_outer_tap(window, tap));
        pixel += run.count;
    }
}

/// Channels that are pooled together, in registers.
#define APUS_POOL_CHANNELS 64

APUS_INLINE float pool_one(apus_pool f, float total, float x) {
    switch (f) {
        case APUS_POOL_MAX: return x > total || x != x ? x : total;
        case APUS_POOL_AVERAGE: return total + x;
        case APUS_POOL_L1: return total + fabsf(x);
        case APUS_POOL_L2: return __builtin_fmaf(x, x, total);
        case APUS_POOL_COUNT: break;
    }
    return total;
}

/// One output pixel, `width` channels of it (a constant where this is inlined and the block is full).
APUS_INLINE void pool_block(apus_pool f, const apus_pool_window *window, const float *start,
                            const size_t *position, size_t width, float *y) {
    float total[APUS_POOL_CHANNELS];
    for (size_t c = 0; c < width; c++) total[c] = f == APUS_POOL_MAX ? -INFINITY : 0;
    int last = window->rank - 1;
    size_t tap[APUS_WINDOW_RANK_MAX] = {0};
    size_t taps = 1;
    const float *row = start;
    for (int d = 0; d <= last; d++) {
        taps *= window->counts[d][position[d]];
        row += window->firsts[d][position[d]];
    }
    for (size_t t = 0; t < taps; t++) {
        for (size_t c = 0; c < width; c++) total[c] = pool_one(f, total[c], row[c]);
        int d = last;
        row += window->steps[d];
        while (d >= 0 && ++tap[d] == window->counts[d][position[d]]) {
            row -= (int64_t)tap[d] * window->steps[d];
            tap[d--] = 0;
            if (d >= 0) row += window->steps[d];
        }
    }
    if (f == APUS_POOL_AVERAGE) {
        float divisor = (float)taps;
        if (window->divisors[0]) {
            divisor = 1;
            for (int d = 0; d <= last; d++) divisor *= (float)window->divisors[d][position[d]];
        }
        if (divisor == 0) divisor = 1;
        for (size_t c = 0; c < width; c++) total[c] /= divisor;
    } else if (f == APUS_POOL_L2) {
        for (size_t c = 0; c < width; c++) total[c] = sqrtf(total[c]);
    }
    memcpy(y, total, width * sizeof(float));
}

static void pool_f32(apus_pool f, const apus_pool_window *window, const float *x, size_t channels,
                     size_t c0, size_t c1, size_t begin, size_t end, float *y) {
    int last = window->rank - 1;
    size_t position[APUS_WINDOW_RANK_MAX];
    size_t image = begin;
    for (int d = last; d >= 0; d--) {
        position[d] = image % window->outputs[d];
        image /= window->outputs[d];
    }
    for (size_t pixel = begin; pixel < end; pixel++) {
        const float *start = x + image * window->image_stride;
        float *target = y + pixel * channels;
        for (size_t c = c0; c < c1; c += APUS_POOL_CHANNELS) {
            size_t width = c1 - c < APUS_POOL_CHANNELS ? c1 - c : APUS_POOL_CHANNELS;
#define APUS_CASE(F)                                                                      \
    case F:                                                                               \
        if (width == APUS_POOL_CHANNELS) {                                                \
            pool_block(F, window, start + c, position, APUS_POOL_CHANNELS, target + c);   \
        } else {                                                                          \
            pool_block(F, window, start + c, position, width, target + c);                \
        }                                                                                 \
        break;
            switch (f) {
                APUS_CASE(APUS_POOL_MAX)
                APUS_CASE(APUS_POOL_AVERAGE)
                APUS_CASE(APUS_POOL_L1)
                APUS_CASE(APUS_POOL_L2)
                case APUS_POOL_COUNT: break;
            }
#undef APUS_CASE
        }
        int d = last;
        while (d >= 0 && ++position[d] == window->outputs[d]) position[d--] = 0;
        if (d < 0) image++;
    }
}
