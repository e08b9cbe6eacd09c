/// Products of 16-bit integers with exact 32-bit sums: what quantised convolutions are made of. Bytes
/// whose zero point is taken off fit into 16 bits whatever their signs, and the processor multiplies
/// and adds them in pairs.
#pragma once

#include "vector.h"
#include "window.h"

#define APUS_INTEGER_VECTORS 2
#define APUS_INTEGER_COLUMNS ((size_t)(APUS_LANES * APUS_INTEGER_VECTORS))
#define APUS_INTEGER_ROWS (APUS_LANES == 16 ? 8 : APUS_LANES == 8 ? 4 : 2)

/// `sum + a.low * b.low + a.high * b.high` for each pair; sums wrap.
APUS_INLINE vi pairs_fma(vi a, vi b, vi sum) {
#if defined(__x86_64__) && APUS_LANES == 16
    return sum + (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__x86_64__) && APUS_LANES == 8
    return sum + (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    vi low = ((a << 16) >> 16) * ((b << 16) >> 16);
    return sum + low + (a >> 16) * (b >> 16);
#endif
}

static size_t gemm_packed_count_s16(size_t k, size_t n) {
    size_t panels = (n + APUS_INTEGER_COLUMNS - 1) / APUS_INTEGER_COLUMNS;
    return panels * APUS_INTEGER_COLUMNS * ((k + 1) / 2);
}

static void gemm_pack_b_s16(const int16_t *b, int64_t row_stride, int64_t column_stride, size_t k,
                            size_t n, int32_t *packed) {
    for (size_t n0 = 0; n0 < n; n0 += APUS_INTEGER_COLUMNS) {
        for (size_t i = 0; i < k; i += 2, packed += APUS_INTEGER_COLUMNS) {
            for (size_t j = 0; j < APUS_INTEGER_COLUMNS; j++) {
                int16_t pair[2] = {0, 0};
                for (size_t h = 0; h < 2 && i + h < k && n0 + j < n; h++) {
                    pair[h] = b[(int64_t)(i + h) * row_stride + (int64_t)(n0 + j) * column_stride];
                }
                memcpy(packed + j, pair, 4);
            }
        }
    }
}

/// `rows` (a constant where this is inlined) rows of A against one panel of B.
APUS_INLINE void integer_tile(int rows, size_t pairs, size_t taps, const int32_t *const *a,
                              size_t a_tap_stride, const int32_t *panel, size_t width, int32_t *c,
                              int64_t c_row_stride) {
    vi sum[8][APUS_INTEGER_VECTORS];
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < APUS_INTEGER_VECTORS; v++) sum[r][v] = (vi){0};
    }
    for (size_t t = 0; t < taps; t++) {
        const int32_t *row[8];
        for (int r = 0; r < rows; r++) row[r] = a[t * a_tap_stride + (size_t)r];
        for (size_t i = 0; i < pairs; i++, panel += APUS_INTEGER_COLUMNS) {
            vi b[APUS_INTEGER_VECTORS];
            memcpy(b, panel, sizeof b);
            for (int r = 0; r < rows; r++) {
                vi x;
                for (int lane = 0; lane < APUS_LANES; lane++) x[lane] = row[r][i];
                for (int v = 0; v < APUS_INTEGER_VECTORS; v++) {
                    sum[r][v] = pairs_fma(x, b[v], sum[r][v]);
                }
            }
        }
    }
    for (int r = 0; r < rows; r++) memcpy(c + r * c_row_stride, sum[r], width * 4);
}

static void gemm_indirect_s16(size_t m, size_t n, size_t pairs, size_t taps,
                              const int32_t *const *a_rows, const int32_t *packed_b, int32_t *c,
                              int64_t c_row_stride) {
    for (size_t column = 0; column < n; column += APUS_INTEGER_COLUMNS) {
        const int32_t *panel = packed_b + column * pairs * taps;
        size_t width = n - column < APUS_INTEGER_COLUMNS ? n - column : APUS_INTEGER_COLUMNS;
        size_t row = 0;
        for (; row + APUS_INTEGER_ROWS <= m; row += APUS_INTEGER_ROWS) {
            integer_tile(APUS_INTEGER_ROWS, pairs, taps, a_rows + row, m, panel, width,
                         c + (int64_t)row * c_row_stride + column, c_row_stride);
        }
        for (; row < m; row++) {
            integer_tile(1, pairs, taps, a_rows + row, m, panel, width,
                         c + (int64_t)row * c_row_stride + column, c_row_stride);
        }
    }
}

/// Depthwise: 32-bit sums of one output pixel after the other.
static void depthwise_s16(const apus_window *window, const int16_t *x, size_t channels,
                          const int16_t *w, size_t begin, size_t end, int32_t *y) {
    size_t last = (size_t)window->rank - 1, inner = window->taps[last];
    for (size_t pixel = begin; pixel < end;) {
        window_run run = window_run_at(window->rank, window->outputs, pixel, end);
        const int16_t *start = x + run.image * window->image_stride;
        const int64_t *offsets = window->offsets[last] + run.position[last] * inner;
        for (size_t i = 0; i < run.count; i++, y += channels, offsets += inner) {
            memset(y, 0, channels * 4);
            size_t tap[APUS_WINDOW_RANK_MAX] = {0};
            const int16_t *weight = w;
            do {
                int64_t outer = window_outer_offset(window, &run, tap);
                for (size_t k = 0; k < inner; k++, weight += channels) {
                    int64_t offset = outer + offsets[k];
                    if (offset < 0) continue;
                    const int16_t *row = start + offset;
                    for (size_t c = 0; c < channels; c++) {
                        // Sums wrap, as those of the products above do.
                        y[c] = (int32_t)((uint32_t)y[c] + (uint32_t)((int32_t)row[c] * weight[c]));
                    }
                }
            } while (window_next_outer_tap(window, tap));
        }
        pixel += run.count;
    }
}

static void requantize_s32(const int32_t *sums, size_t n, const int32_t *bias, const float *scales,
                           float zero, float lowest, float highest, uint8_t *y) {
    for (size_t i = 0; i < n; i++) {
        uint32_t total = (uint32_t)sums[i] + (uint32_t)bias[i];
        float value = rintf((float)(int32_t)total * scales[i]) + zero;
        // In this order NaN becomes the lowest, so that the conversion is defined.
        value = value > lowest ? value : lowest;
        value = value < highest ? value : highest;
        y[i] = (uint8_t)(int32_t)value;
    }
}
