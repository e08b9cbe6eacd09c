/// Packed matrix products in double precision, laid out as those in `gemm.h`, with half the columns
/// in a panel. Each element is one chain of fused multiply-adds over k in index order.
#pragma once

#include "gemm.h"

#define DOUBLE_PANEL ((size_t)(APUS_LANES / 2 * APUS_PANEL_VECTORS))

typedef double vd __attribute__((vector_size(APUS_LANES * 4)));

static size_t gemm_packed_count_f64(size_t k, size_t n) {
    return (n + DOUBLE_PANEL - 1) / DOUBLE_PANEL * DOUBLE_PANEL * k;
}

static void gemm_pack_b_f64(const void *b, int64_t row_stride, int64_t column_stride, size_t k,
                            size_t n, double *packed) {
    const uint8_t *bytes = b;
    for (size_t n0 = 0; n0 < n; n0 += DOUBLE_PANEL) {
        size_t width = n - n0 < DOUBLE_PANEL ? n - n0 : DOUBLE_PANEL;
        for (size_t i = 0; i < k; i++, packed += DOUBLE_PANEL) {
            const uint8_t *row =
                bytes + ((int64_t)i * row_stride + (int64_t)n0 * column_stride) * 8;
            for (size_t j = 0; j < width; j++) {
                memcpy(&packed[j], row + (int64_t)j * column_stride * 8, 8);
            }
            for (size_t j = width; j < DOUBLE_PANEL; j++) packed[j] = 0;
        }
    }
}

APUS_INLINE void gemm_double_tile(int rows, size_t k, const double *a, int64_t a_row_stride,
                                  const double *panel, vd (*acc)[APUS_PANEL_VECTORS]) {
    vd sum[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) sum[r][v] = (vd){0};
    }
    for (size_t i = 0; i < k; i++, panel += DOUBLE_PANEL) {
        vd line[APUS_PANEL_VECTORS];
        memcpy(line, panel, sizeof line);
        for (int r = 0; r < rows; r++) {
            vd x;
            for (int lane = 0; lane < APUS_LANES / 2; lane++) {
                x[lane] = a[r * a_row_stride + (int64_t)i];
            }
            for (int v = 0; v < APUS_PANEL_VECTORS; v++) {
                sum[r][v] = __builtin_elementwise_fma(x, line[v], sum[r][v]);
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) acc[r][v] = sum[r][v];
    }
}

static void gemm_double_tile_any(int rows, size_t k, const double *a, int64_t a_row_stride,
                                 const double *panel, vd (*acc)[APUS_PANEL_VECTORS]) {
#define APUS_CASE(R)                                                                      \
    case R:                                                                               \
        gemm_double_tile(R <= APUS_TILE_ROWS ? R : 1, k, a, a_row_stride, panel, acc);    \
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

static void gemm_f64(size_t m, size_t n, size_t k, const double *a, int64_t a_row_stride,
                     const double *packed_b, double *c, int64_t c_row_stride, size_t n0,
                     size_t n1) {
    assert(n0 % DOUBLE_PANEL == 0 && n1 <= n);
    (void)n;
    size_t blocks = (m + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
    for (size_t column = n0; column < n1; column += DOUBLE_PANEL) {
        const double *panel = packed_b + column * k;
        size_t width = n1 - column < DOUBLE_PANEL ? n1 - column : DOUBLE_PANEL;
        for (size_t block = 0; block < blocks; block++) {
            size_t first = m * block / blocks, last = m * (block + 1) / blocks;
            vd acc[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
            gemm_double_tile_any((int)(last - first), k, a + (int64_t)first * a_row_stride,
                                 a_row_stride, panel, acc);
            for (size_t r = first; r < last; r++) {
                memcpy(c + (int64_t)r * c_row_stride + column, acc[r - first], width * 8);
            }
        }
    }
}
