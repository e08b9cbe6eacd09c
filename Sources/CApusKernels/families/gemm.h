/// Packed matrix products in single precision.
///
/// B lies in panels of `PANEL` columns, k-major, the last one padded with zeros: panel p starts at
/// `packed + p * PANEL * K`. A tile of C, `ROWS` x `PANEL`, stays in registers for the whole of K,
/// so that each element is one sequential chain of fused multiply-adds. Which rows share a tile
/// never changes that chain: results do not depend on M, on the split, or on the instruction set.
#pragma once

#include "unary.h"
#include "vector.h"

#define PANEL ((size_t)(APUS_LANES * APUS_PANEL_VECTORS))

static size_t gemm_packed_count_f32(size_t k, size_t n) { return (n + PANEL - 1) / PANEL * PANEL * k; }

static void gemm_pack_b_f32(const void *b, int64_t row_stride, int64_t column_stride, size_t k,
                            size_t n, float *packed) {
    const uint8_t *bytes = b;
    for (size_t n0 = 0; n0 < n; n0 += PANEL) {
        size_t width = n - n0 < PANEL ? n - n0 : PANEL;
        for (size_t i = 0; i < k; i++, packed += PANEL) {
            const uint8_t *row =
                bytes + ((int64_t)i * row_stride + (int64_t)n0 * column_stride) * 4;
            if (column_stride == 1) {
                memcpy(packed, row, width * 4);
            } else {
                for (size_t j = 0; j < width; j++) {
                    memcpy(&packed[j], row + (int64_t)j * column_stride * 4, 4);
                }
            }
            for (size_t j = width; j < PANEL; j++) packed[j] = 0;
        }
    }
}

/// Stores one row of a tile, `width` columns of it, after the epilogue. `column` is the tile's first
/// column in C, `row` the row of C.
APUS_INLINE void gemm_store_row(const vf *accumulators, size_t row, size_t column, size_t width,
                                float *c, float alpha, const apus_epilogue *epilogue) {
    float tile[APUS_LANES * APUS_PANEL_VECTORS];
    vf value[APUS_PANEL_VECTORS];
    for (int v = 0; v < APUS_PANEL_VECTORS; v++) value[v] = accumulators[v] * alpha;
    bool is_whole = width == PANEL;
    float *target = is_whole ? c : tile;
    if (epilogue && epilogue->bias) {
        float padded[APUS_LANES * APUS_PANEL_VECTORS] = {0};
        const float *bias = epilogue->bias + column;
        if (!is_whole) {
            memcpy(padded, bias, width * 4);
            bias = padded;
        }
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) value[v] += vf_load(bias + v * APUS_LANES);
    }
    if (epilogue && epilogue->residual) {
        float padded[APUS_LANES * APUS_PANEL_VECTORS] = {0};
        const float *residual =
            epilogue->residual + (int64_t)row * epilogue->residual_stride + column;
        if (!is_whole) {
            memcpy(padded, residual, width * 4);
            residual = padded;
        }
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) value[v] += vf_load(residual + v * APUS_LANES);
    }
    for (int v = 0; v < APUS_PANEL_VECTORS; v++) vf_store(target + v * APUS_LANES, value[v]);
    if (epilogue && epilogue->activation >= 0) {
        unary_f32((apus_unary)epilogue->activation, target, target, width, epilogue->parameters);
    }
    if (!is_whole) memcpy(c, tile, width * 4);
}

/// One tile: `rows` (a constant where this is inlined) rows of A against one panel of B, over
/// `taps` runs of K columns. Row r of tap t starts at `a[t * a_tap_stride + r]`.
APUS_INLINE void gemm_tile(int rows, size_t k, size_t taps, const float *const *a,
                           size_t a_tap_stride, const float *panel, vf (*acc)[APUS_PANEL_VECTORS]) {
    vf sum[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) sum[r][v] = (vf){0};
    }
    for (size_t t = 0; t < taps; t++) {
        const float *row[APUS_TILE_ROWS];
        for (int r = 0; r < rows; r++) row[r] = a[t * a_tap_stride + (size_t)r];
        for (size_t i = 0; i < k; i++, panel += PANEL) {
            vf b[APUS_PANEL_VECTORS];
            for (int v = 0; v < APUS_PANEL_VECTORS; v++) b[v] = vf_load(panel + v * APUS_LANES);
            for (int r = 0; r < rows; r++) {
                vf x = vf_splat(row[r][i]);
                for (int v = 0; v < APUS_PANEL_VECTORS; v++) {
                    sum[r][v] = vf_fma(x, b[v], sum[r][v]);
                }
            }
        }
    }
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) acc[r][v] = sum[r][v];
    }
}

/// `gemm_tile` with the row count as a constant, so that the sums stay in registers.
static void gemm_tile_any(int rows, size_t k, size_t taps, const float *const *a,
                          size_t a_tap_stride, const float *panel,
                          vf (*acc)[APUS_PANEL_VECTORS]) {
#define APUS_CASE(R)                                                 \
    case R:                                                          \
        if (R <= APUS_TILE_ROWS) {                                   \
            gemm_tile(R <= APUS_TILE_ROWS ? R : 1, k, taps, a, a_tap_stride, panel, acc); \
        }                                                            \
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

static void gemm_f32(size_t m, size_t n, size_t k, const float *a, int64_t a_row_stride,
                     const float *packed_b, float *c, int64_t c_row_stride, size_t n0, size_t n1,
                     float alpha, const apus_epilogue *epilogue) {
    assert(n0 % PANEL == 0 && n1 <= n);
    (void)n;
    size_t blocks = (m + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
    for (size_t column = n0; column < n1; column += PANEL) {
        const float *panel = packed_b + column * k;
        size_t width = n1 - column < PANEL ? n1 - column : PANEL;
        for (size_t block = 0; block < blocks; block++) {
            size_t first = m * block / blocks, last = m * (block + 1) / blocks;
            const float *rows[APUS_TILE_ROWS];
            vf acc[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
            for (size_t r = first; r < last; r++) rows[r - first] = a + (int64_t)r * a_row_stride;
            gemm_tile_any((int)(last - first), k, 1, rows, 0, panel, acc);
            for (size_t r = first; r < last; r++) {
                gemm_store_row(acc[r - first], r, column, width,
                               c + (int64_t)r * c_row_stride + column, alpha, epilogue);
            }
        }
    }
}

static void gemm_indirect_f32(size_t m, size_t n, size_t k, size_t taps,
                              const float *const *a_rows, const float *packed_b, float *c,
                              int64_t c_row_stride, size_t n0, size_t n1,
                              const apus_epilogue *epilogue) {
    assert(n0 % PANEL == 0 && n1 <= n);
    (void)n;
    size_t blocks = (m + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
    for (size_t column = n0; column < n1; column += PANEL) {
        const float *panel = packed_b + column * k * taps;
        size_t width = n1 - column < PANEL ? n1 - column : PANEL;
        for (size_t block = 0; block < blocks; block++) {
            size_t first = m * block / blocks, last = m * (block + 1) / blocks;
            vf acc[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
            gemm_tile_any((int)(last - first), k, taps, a_rows + first, m, panel, acc);
            for (size_t r = first; r < last; r++) {
                gemm_store_row(acc[r - first], r, column, width,
                               c + (int64_t)r * c_row_stride + column, 1, epilogue);
            }
        }
    }
}
