/// Packed matrix products in single precision.
///
/// B lies in panels of `PANEL` columns, k-major, the last one padded with zeros: panel p starts at
/// `packed + p * PANEL * K`. A tile of C, `ROWS` x `PANEL`, stays in registers for the whole of K,
/// so that each element is one sequential chain of fused multiply-adds. Which rows share a tile
/// never changes that chain: results do not depend on M, on the split, or on the instruction set.
#pragma once

#include "epilogue.h"

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

/// `width` floats at `p`, filled up with zeros if they are no whole panel.
APUS_INLINE void gemm_load_part(vf *value, const float *p, size_t width) {
    float padded[APUS_LANES * APUS_PANEL_VECTORS];
    if (width != PANEL) {
        memset(padded, 0, sizeof padded);
        memcpy(padded, p, width * 4);
        p = padded;
    }
    for (int v = 0; v < APUS_PANEL_VECTORS; v++) value[v] = vf_load(p + v * APUS_LANES);
}

/// Stores rows of a tile, `width` columns of them. `row` and `column` are where the tile begins in the
/// result (`c` points there); `activation` is a constant where this is inlined.
APUS_INLINE void gemm_store_rows(vf (*acc)[APUS_PANEL_VECTORS], size_t rows, size_t row,
                                 size_t column, size_t width, float *c, int64_t c_row_stride,
                                 float alpha, const apus_epilogue *epilogue, int32_t activation) {
    float tile[APUS_LANES * APUS_PANEL_VECTORS];
    vf bias[APUS_PANEL_VECTORS];
    bool has_bias = epilogue && epilogue->bias;
    if (has_bias) gemm_load_part(bias, epilogue->bias + column, width);
    const float *residual = epilogue ? epilogue->residual : NULL;
    if (residual) residual += (int64_t)row * epilogue->residual_stride + (int64_t)column;
    bool is_cheap = epilogue_is_cheap(activation);
    for (size_t r = 0; r < rows; r++, c += c_row_stride) {
        vf value[APUS_PANEL_VECTORS];
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) value[v] = acc[r][v] * alpha;
        if (has_bias) {
            for (int v = 0; v < APUS_PANEL_VECTORS; v++) value[v] += bias[v];
        }
        if (residual) {
            vf more[APUS_PANEL_VECTORS];
            gemm_load_part(more, residual, width);
            residual += epilogue->residual_stride;
            for (int v = 0; v < APUS_PANEL_VECTORS; v++) value[v] += more[v];
        }
        float *target = width == PANEL ? c : tile;
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) {
            vf y = value[v];
            if (is_cheap && activation >= 0) {
                y = epilogue_activated(activation, epilogue->parameters, y);
            }
            vf_store(target + v * APUS_LANES, y);
        }
        if (!is_cheap) {
            unary_f32((apus_unary)epilogue->activation, target, target, width,
                      epilogue->parameters);
        }
        if (width != PANEL) memcpy(c, tile, width * 4);
    }
}

static void gemm_store_tile(vf (*acc)[APUS_PANEL_VECTORS], size_t rows, size_t row, size_t column,
                            size_t width, float *c, int64_t c_row_stride, float alpha,
                            const apus_epilogue *epilogue) {
    int32_t activation = epilogue ? epilogue->activation : -1;
#define APUS_CASE(F)                                                                          \
    case F:                                                                                   \
        if (width == PANEL) {                                                                 \
            gemm_store_rows(acc, rows, row, column, PANEL, c, c_row_stride, alpha, epilogue, F); \
        } else {                                                                              \
            gemm_store_rows(acc, rows, row, column, width, c, c_row_stride, alpha, epilogue, F); \
        }                                                                                     \
        break;
    switch (activation) {
        APUS_CASE(-1)
        APUS_CASE(APUS_UNARY_RELU)
        APUS_CASE(APUS_UNARY_CLIP)
        APUS_CASE(APUS_UNARY_HARD_SWISH)
        default:
            gemm_store_rows(acc, rows, row, column, width, c, c_row_stride, alpha, epilogue,
                            activation);
    }
#undef APUS_CASE
}

/// One tile: `rows` rows of A against `panels` panels of B (constants where this is inlined), over
/// `taps` runs of K columns. Row r of tap t starts at `a[t * a_tap_stride + r]`; `panel_stride` is from
/// one panel to the next.
APUS_INLINE void gemm_tile(int rows, int panels, size_t k, size_t taps, const float *const *a,
                           size_t a_tap_stride, const float *b, size_t panel_stride,
                           vf (*acc)[APUS_PANEL_VECTORS]) {
    vf sum[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
    const float *panel[APUS_TILE_ROWS];
    for (int p = 0; p < panels; p++) panel[p] = b + (size_t)p * panel_stride;
    for (int i = 0; i < rows * panels; i++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) sum[i][v] = (vf){0};
    }
    size_t j = 0;
    for (size_t t = 0; t < taps; t++) {
        const float *row[APUS_TILE_ROWS];
        for (int r = 0; r < rows; r++) row[r] = a[t * a_tap_stride + (size_t)r];
        for (size_t i = 0; i < k; i++, j += PANEL) {
            for (int p = 0; p < panels; p++) {
                vf line[APUS_PANEL_VECTORS];
                for (int v = 0; v < APUS_PANEL_VECTORS; v++) {
                    line[v] = vf_load(panel[p] + j + v * APUS_LANES);
                }
                for (int r = 0; r < rows; r++) {
                    vf x = vf_splat(row[r][i]);
                    for (int v = 0; v < APUS_PANEL_VECTORS; v++) {
                        sum[p * rows + r][v] = vf_fma(x, line[v], sum[p * rows + r][v]);
                    }
                }
            }
        }
    }
    for (int i = 0; i < rows * panels; i++) {
        for (int v = 0; v < APUS_PANEL_VECTORS; v++) acc[i][v] = sum[i][v];
    }
}

/// How many panels a tile of `rows` rows takes at once: few rows leave registers free, and need more
/// sums at a time to hide the latency of an addition.
APUS_INLINE int gemm_tile_panels(size_t rows) {
    return rows * 4 <= APUS_TILE_ROWS || (rows == 1 && APUS_TILE_ROWS >= 4) ? 4
           : rows * 2 <= APUS_TILE_ROWS                                       ? 2
                                                                              : 1;
}

/// `gemm_tile` with the counts as constants, so that the sums stay in registers. Sum (r, p) lands in
/// `acc[p * rows + r]`.
static void gemm_tile_any(int rows, int panels, size_t k, size_t taps, const float *const *a,
                          size_t a_tap_stride, const float *b, size_t panel_stride,
                          vf (*acc)[APUS_PANEL_VECTORS]) {
#define APUS_TILE(R, P)                                                                         \
    if (R * P <= APUS_TILE_ROWS && panels == P) {                                               \
        gemm_tile(R * P <= APUS_TILE_ROWS ? R : 1, R * P <= APUS_TILE_ROWS ? P : 1, k, taps, a, \
                  a_tap_stride, b, panel_stride, acc);                                          \
        break;                                                                                  \
    }
#define APUS_CASE(R)    \
    case R:             \
        APUS_TILE(R, 1) \
        APUS_TILE(R, 2) \
        APUS_TILE(R, 4) \
        assert(false);  \
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
#undef APUS_TILE
}

/// At most one tile of rows, against panels from `column` on that end before `n1`; `b` is the first
/// one. Returns the column after them.
static size_t gemm_few_rows_f32(size_t m, size_t k, size_t taps, const float *const *a_rows,
                                size_t a_tap_stride, const float *b, float *c,
                                int64_t c_row_stride, size_t column, size_t n1, float alpha,
                                const apus_epilogue *epilogue) {
    int panels = gemm_tile_panels(m);
    while (panels > 1 && n1 - column <= PANEL * (size_t)(panels - 1)) panels /= 2;
    vf acc[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
    gemm_tile_any((int)m, panels, k, taps, a_rows, a_tap_stride, b, PANEL * k * taps, acc);
    for (int p = 0; p < panels; p++, column += PANEL) {
        size_t width = n1 - column < PANEL ? n1 - column : PANEL;
        gemm_store_tile(acc + (size_t)p * m, m, 0, column, width, c + column, c_row_stride, alpha,
                        epilogue);
    }
    return column < n1 ? column : n1;
}

/// Blocks of rows that all panels pass by before the next ones: 256 KiB of A, which stay in L2, but not
/// so few rows that reading B again and again takes longer than the sums.
APUS_INLINE size_t gemm_chunk_blocks(size_t k) {
    size_t rows = 65536 / (k + 1);
    if (rows < 96) rows = 96;
    return (rows + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
}

static void gemm_f32(size_t m, size_t n, size_t k, const float *a, int64_t a_row_stride,
                     const float *packed_b, float *c, int64_t c_row_stride, size_t n0, size_t n1,
                     float alpha, const apus_epilogue *epilogue) {
    assert(n0 % PANEL == 0 && n1 <= n);
    (void)n;
    size_t blocks = (m + APUS_TILE_ROWS - 1) / APUS_TILE_ROWS;
    if (blocks == 1) {
        const float *rows[APUS_TILE_ROWS];
        for (size_t r = 0; r < m; r++) rows[r] = a + (int64_t)r * a_row_stride;
        for (size_t column = n0; column < n1;) {
            column = gemm_few_rows_f32(m, k, 1, rows, 0, packed_b + column * k, c, c_row_stride,
                                       column, n1, alpha, epilogue);
        }
        return;
    }
    size_t chunk = gemm_chunk_blocks(k);
    for (size_t begin = 0; begin < blocks; begin += chunk) {
        size_t end = blocks - begin < chunk ? blocks : begin + chunk;
        for (size_t column = n0; column < n1; column += PANEL) {
            const float *panel = packed_b + column * k;
            size_t width = n1 - column < PANEL ? n1 - column : PANEL;
            for (size_t block = begin; block < end; block++) {
                size_t first = m * block / blocks, last = m * (block + 1) / blocks;
                const float *rows[APUS_TILE_ROWS];
                vf acc[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
                for (size_t r = first; r < last; r++) {
                    rows[r - first] = a + (int64_t)r * a_row_stride;
                }
                gemm_tile_any((int)(last - first), 1, k, 1, rows, 0, panel, 0, acc);
                gemm_store_tile(acc, last - first, first, column, width,
                                c + (int64_t)first * c_row_stride + column, c_row_stride, alpha,
                                epilogue);
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
    if (blocks == 1) {
        for (size_t column = n0; column < n1;) {
            column = gemm_few_rows_f32(m, k, taps, a_rows, m, packed_b + column * k * taps, c,
                                       c_row_stride, column, n1, 1, epilogue);
        }
        return;
    }
    for (size_t column = n0; column < n1; column += PANEL) {
        const float *panel = packed_b + column * k * taps;
        size_t width = n1 - column < PANEL ? n1 - column : PANEL;
        for (size_t block = 0; block < blocks; block++) {
            size_t first = m * block / blocks, last = m * (block + 1) / blocks;
            vf acc[APUS_TILE_ROWS][APUS_PANEL_VECTORS];
            gemm_tile_any((int)(last - first), 1, k, taps, a_rows + first, m, panel, 0, acc);
            gemm_store_tile(acc, last - first, first, column, width,
                            c + (int64_t)first * c_row_stride + column, c_row_stride, 1, epilogue);
        }
    }
}
