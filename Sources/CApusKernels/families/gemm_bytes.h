/// Packed matrix products of 16-bit integers with 32-bit sums: the exact product of 8-bit matrices
/// less their zero points.
///
/// B lies in panels of `PANEL` columns; inside a panel two k of a column lie beside each other, so
/// that one instruction multiplies and adds both. An odd K is padded with a zero.
#pragma once

#include "gemm.h"

typedef uint32_t vu __attribute__((vector_size(APUS_LANES * 4)));

/// `sum + low(a) * low(b) + high(a) * high(b)` for the two 16-bit halves of each lane.
APUS_INLINE vu vu_add_pairs(vu sum, vu a, vu b) {
#if APUS_LANES == 16
    return sum + (vu)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif APUS_LANES == 8
    return sum + (vu)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#else
    vi low = ((vi)(a << 16) >> 16) * ((vi)(b << 16) >> 16);
    vi high = ((vi)a >> 16) * ((vi)b >> 16);
    return sum + (vu)low + (vu)high;
#endif
}

static size_t gemm_packed_count_bytes(size_t k, size_t n) {
    return (n + PANEL - 1) / PANEL * PANEL * ((k + 1) / 2 * 2);
}

static void widen_bytes(const void *x, bool is_signed, int32_t zero, int16_t *y, size_t n) {
    if (is_signed) {
        const int8_t *bytes = x;
        for (size_t i = 0; i < n; i++) y[i] = (int16_t)(bytes[i] - zero);
    } else {
        const uint8_t *bytes = x;
        for (size_t i = 0; i < n; i++) y[i] = (int16_t)(bytes[i] - zero);
    }
}

static void gemm_pack_b_bytes(const void *b, bool is_signed, int64_t row_stride,
                            int64_t column_stride, size_t k, size_t n, const int32_t *zeros,
                            int zero_step, int16_t *packed) {
    const uint8_t *bytes = b;
    for (size_t n0 = 0; n0 < n; n0 += PANEL) {
        size_t width = n - n0 < PANEL ? n - n0 : PANEL;
        for (size_t i = 0; i < k; i += 2, packed += 2 * PANEL) {
            memset(packed, 0, 2 * PANEL * sizeof *packed);
            for (size_t half = 0; half < 2 && i + half < k; half++) {
                const uint8_t *row = bytes + (int64_t)(i + half) * row_stride
                                     + (int64_t)n0 * column_stride;
                const int32_t *zero = zeros ? zeros + n0 * (size_t)zero_step : NULL;
                for (size_t j = 0; j < width; j++) {
                    uint8_t byte = row[(int64_t)j * column_stride];
                    int32_t value = is_signed ? (int8_t)byte : byte;
                    if (zero) value -= zero[j * (size_t)zero_step];
                    packed[2 * j + half] = (int16_t)value;
                }
            }
        }
    }
}

APUS_INLINE void gemm_integer_tile(int rows, size_t pairs, const int16_t *a, int64_t a_row_stride,
                                   const int16_t *panel, vu (*acc)[APUS_PANEL_VECTORS]) {
    vu sum[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) sum[r][v] = (vu){0};
    }
    for (size_t i = 0; i < pairs; i++, panel += 2 * PANEL) {
        vu line[APUS_PANEL_VECTORS];
        memcpy(line, panel, sizeof line);
        for (int r = 0; r < rows; r++) {
            uint32_t pair;
            memcpy(&pair, a + r * a_row_stride + (int64_t)(2 * i), 4);
            vu x = (vu){0} + pair;
            for (int v = 0; v < APUS_PANEL_VECTORS; v++) {
                sum[r][v] = vu_add_pairs(sum[r][v], x, line[v]);
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) acc[r][v] = sum[r][v];
    }
}

static void gemm_integer_tile_any(int rows, size_t pairs, const int16_t *a, int64_t a_row_stride,
                                  const int16_t *panel, vu (*acc)[APUS_PANEL_VECTORS]) {
#define APUS_CASE(R)                                                                           \
    case R:                                                                                    \
        gemm_integer_tile(R <= APUS_TILE_ROWS ? R : 1, pairs, a, a_row_stride, panel, acc);    \
        break;
    switch (rows) {
        APUS_CASE(1)
        APUS_CASE(2)
        APUS_CASE(3)
        APUS_CASE(4)
        APUS_CASE(5)
        APUS_CASE(6)
        APUS_CASE(7)
        APUS_CASE(8)
        APUS_CASE(9)
        APUS_CASE(10)
        APUS_CASE(11)
        APUS_CASE(12)
        default: assert(false);
    }
#undef APUS_CASE
}

static void gemm_bytes(size_t m, size_t n, size_t k, const int16_t *a, int64_t a_row_stride,
                     const int16_t *packed_b, int32_t *c, int64_t c_row_stride, size_t n0,
                     size_t n1) {
    assert(n0 % PANEL == 0 && n1 <= n);
    (void)n;
    size_t pairs = (k + 1) / 2;
    size_t blocks = (m + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
    for (size_t column = n0; column < n1; column += PANEL) {
        const int16_t *panel = packed_b + column * 2 * pairs;
        size_t width = n1 - column < PANEL ? n1 - column : PANEL;
        for (size_t block = 0; block < blocks; block++) {
            size_t first = m * block / blocks, last = m * (block + 1) / blocks;
            vu acc[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
            gemm_integer_tile_any((int)(last - first), pairs, a + (int64_t)first * a_row_stride,
                                  a_row_stride, panel, acc);
            for (size_t r = first; r < last; r++) {
                memcpy(c + (int64_t)r * c_row_stride + column, acc[r - first], width * 4);
            }
        }
    }
}
