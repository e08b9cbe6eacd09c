/// The CPU kernels of Apus, as Swift sees them: plain C types and constant tables of functions.
///
/// Kernels neither allocate, log nor fail; preconditions are asserts. Unless a member says otherwise
/// pointers are aligned to their element type, buffers do not overlap, and lengths count elements.
/// Each output element is computed by the same chain of operations whatever the lengths, the
/// instruction set or the thread that asks: the same input gives the same bits.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apus_plan.h"

/// Elementwise functions of one argument.
typedef enum {
    APUS_UNARY_ABS,
    APUS_UNARY_NEG,
    APUS_UNARY_RECIPROCAL,
    APUS_UNARY_SQRT,
    APUS_UNARY_EXP,
    APUS_UNARY_LOG,
    APUS_UNARY_SIGMOID,
    APUS_UNARY_TANH,
    APUS_UNARY_ERF,
    APUS_UNARY_RELU,
    APUS_UNARY_LEAKY_RELU,    // parameter 0: alpha
    APUS_UNARY_ELU,           // parameter 0: alpha
    APUS_UNARY_SELU,          // parameters 0, 1: alpha, gamma
    APUS_UNARY_HARD_SIGMOID,  // parameters 0, 1: alpha, beta
    APUS_UNARY_HARD_SWISH,
    APUS_UNARY_SOFTPLUS,
    APUS_UNARY_GELU_ERF,
    APUS_UNARY_GELU_TANH,
    APUS_UNARY_SILU,
    APUS_UNARY_CLIP,  // parameters 0, 1: lowest, highest
    APUS_UNARY_FLOOR,
    APUS_UNARY_CEIL,
    APUS_UNARY_ROUND,  // half to even
    APUS_UNARY_MISH,
    APUS_UNARY_COUNT
} apus_unary;

/// Elementwise functions of two arguments.
typedef enum {
    APUS_BINARY_ADD,
    APUS_BINARY_SUB,
    APUS_BINARY_MUL,
    APUS_BINARY_DIV,
    APUS_BINARY_MAX,  // NaN if either is NaN
    APUS_BINARY_MIN,  // NaN if either is NaN
    APUS_BINARY_COUNT
} apus_binary;

/// What is applied to each row element `c` of a product before it is stored, in this order:
/// `c = activation(alpha * c + bias[column] + residual)`.
typedef struct {
    const float *bias;      ///< one per column, or null
    const float *residual;  ///< same layout as the result, or null
    int64_t residual_stride;
    int32_t activation;  ///< an `apus_unary`, or -1 for none
    float parameters[2];
} apus_epilogue;

/// Most spatial dimensions of a window.
#define APUS_WINDOW_RANK_MAX 8
/// An offset of `apus_window` outside of the image.
#define APUS_WINDOW_OUTSIDE (-((int64_t)1 << 56))

/// Where a window's taps lie in an image with channels last, one dimension at a time: tap k of output
/// position o is `offsets[d][o * taps[d] + k]` elements from the image's start (summed over the
/// dimensions), or APUS_WINDOW_OUTSIDE.
typedef struct {
    int32_t rank;                              ///< spatial dimensions, 1 or more
    size_t outputs[APUS_WINDOW_RANK_MAX];      ///< output positions
    size_t taps[APUS_WINDOW_RANK_MAX];
    const int64_t *offsets[APUS_WINDOW_RANK_MAX];
    size_t image_stride;                       ///< elements from one image to the next
    /// Output positions of the last dimension whose taps all lie inside, `regular_step` elements apart,
    /// and `regular_stride` elements behind those of the position before; may be empty.
    size_t regular_begin, regular_end;
    int64_t regular_stride, regular_step;
} apus_window;

/// The same for pooling, which only looks at the taps inside the image: output position o of
/// dimension d has `counts[d][o]` of them, the first `firsts[d][o]` elements from the image's start,
/// each `steps[d]` elements after the one before.
typedef struct {
    int32_t rank;
    size_t outputs[APUS_WINDOW_RANK_MAX];
    const int64_t *firsts[APUS_WINDOW_RANK_MAX];
    const size_t *counts[APUS_WINDOW_RANK_MAX];
    int64_t steps[APUS_WINDOW_RANK_MAX];
    /// What averages divide by, multiplied over the dimensions; all null: the number of taps.
    const size_t *divisors[APUS_WINDOW_RANK_MAX];
    size_t image_stride;
} apus_pool_window;

/// How the elements of a window become one.
typedef enum {
    APUS_POOL_MAX,  // NaN if any is NaN; minus infinity of none
    APUS_POOL_AVERAGE,
    APUS_POOL_L1,  // sum of magnitudes
    APUS_POOL_L2,  // root of the sum of squares
    APUS_POOL_COUNT
} apus_pool;

/// How a tree's node compares a feature `x` with its threshold `t`.
typedef enum {
    APUS_TREE_LEQ,
    APUS_TREE_LT,
    APUS_TREE_GTE,
    APUS_TREE_GT,
    APUS_TREE_EQ,
    APUS_TREE_NEQ,
    APUS_TREE_MEMBER  // x is in a set
} apus_tree_mode;

/// The bits of a tree's node, from the lowest: whether it has children (a leaf has none), whether NaN
/// counts as true, the mode in three bits, the feature.
#define APUS_TREE_INNER 1u
#define APUS_TREE_MISSING_SHIFT 1
#define APUS_TREE_MODE_SHIFT 2
#define APUS_TREE_FEATURE_SHIFT 5
#define APUS_TREE_FEATURE_MAX 0x7ffffffu  // 27 bits

/// A node of a tree. The child for true is at index `child`, the one for false right after it; a
/// leaf's child is the leaf itself. The bytes of a leaf's threshold are the leaf's index, those of a
/// member node's its set's index.
typedef struct {
    float threshold;
    uint32_t bits;
    uint32_t child;
} apus_tree_node_f32;

/// The same in double precision.
typedef struct {
    double threshold;
    uint32_t bits;
    uint32_t child;
} apus_tree_node_f64;

/// Trees, ready to walk.
typedef struct {
    const void *nodes;      ///< of all trees
    const uint32_t *roots;  ///< one index of a node per tree
    /// Values of all sets, each set sorted; set `i` lies at `member_starts[i] ..< member_starts[i + 1]`.
    const void *members;
    const uint32_t *member_starts;
    int32_t mode;      ///< the mode of all inner nodes, or -1 if they differ
    bool has_missing;  ///< whether NaN counts as true in any node
} apus_trees;

/// One instruction set's kernels.
typedef struct {
    /// Name for logs and `--isa`: "scalar", "avx2", "avx512".
    const char *name;

    /// `y[i] = f(x[i])`, i in 0..<n. `x` and `y` may be the same.
    void (*unary_f32)(apus_unary f, const float *x, float *y, size_t n, const float *parameters);

    /// `y[i] = f(a[i * a_step], b[i * b_step])`, i in 0..<n; steps are 0 (broadcast) or 1.
    void (*binary_f32)(apus_binary f, const float *a, int a_step, const float *b, int b_step,
                       float *y, size_t n);

    /// Floats that `gemm_pack_b_f32` writes for a K x N matrix.
    size_t (*gemm_packed_count_f32)(size_t k, size_t n);

    /// Packs B, element (k, n) at `b[k * row_stride + n * column_stride]`, into panels. `b` may be
    /// unaligned. `packed` is aligned to 64 bytes.
    void (*gemm_pack_b_f32)(const void *b, int64_t row_stride, int64_t column_stride, size_t k,
                            size_t n, float *packed);

    /// `C[M x N] = epilogue(A[M x K] * B)`, B packed, for rows 0..<m and columns n0..<n1 of C (n0 a
    /// multiple of the panel width `gemm_panel_columns`). Element (i, k) of A at
    /// `a[i * a_row_stride + k]`; element (i, j) of C at `c[i * c_row_stride + j]`.
    /// Every element is one chain of fused multiply-adds over k in index order.
    void (*gemm_f32)(size_t m, size_t n, size_t k, const float *a, int64_t a_row_stride,
                     const float *packed_b, float *c, int64_t c_row_stride, size_t n0, size_t n1,
                     float alpha, const apus_epilogue *epilogue);

    /// The same where row i of A starts at `a_rows[i]`, for each of `taps` blocks of K columns:
    /// `A(i, t * k + j) = a_rows[t * m + i][j]`. `packed_b` is packed with `taps * k` rows. This is
    /// convolution without im2col: one pointer per output pixel and kernel tap.
    void (*gemm_indirect_f32)(size_t m, size_t n, size_t k, size_t taps,
                              const float *const *a_rows, const float *packed_b, float *c,
                              int64_t c_row_stride, size_t n0, size_t n1,
                              const apus_epilogue *epilogue);

    /// Columns of one packed panel.
    size_t gemm_panel_columns;

    /// The same three in double precision, without an epilogue. A panel has
    /// `gemm_double_panel_columns` columns.
    size_t (*gemm_packed_count_f64)(size_t k, size_t n);
    void (*gemm_pack_b_f64)(const void *b, int64_t row_stride, int64_t column_stride, size_t k,
                            size_t n, double *packed);
    void (*gemm_f64)(size_t m, size_t n, size_t k, const double *a, int64_t a_row_stride,
                     const double *packed_b, double *c, int64_t c_row_stride, size_t n0,
                     size_t n1);
    size_t gemm_double_panel_columns;

    /// 16-bit numbers that `gemm_pack_b_bytes` writes for a K x N matrix.
    size_t (*gemm_packed_count_bytes)(size_t k, size_t n);
    /// Packs a matrix of bytes, less the zero point of each column, `zeros[column * zero_step]`
    /// (none if null), into panels of `gemm_panel_columns` columns.
    void (*gemm_pack_b_bytes)(const void *b, bool is_signed, int64_t row_stride,
                            int64_t column_stride, size_t k, size_t n, const int32_t *zeros,
                            int zero_step, int16_t *packed);
    /// `y[i] = x[i] - zero`, x bytes.
    void (*widen_bytes)(const void *x, bool is_signed, int32_t zero, int16_t *y, size_t n);
    /// `C[M x N] = A[M x K] * B`, as `gemm_f32` but exact, modulo 2^32. Elements of A and B are in
    /// -255...255. Rows of A have a zero behind them if K is odd.
    void (*gemm_bytes)(size_t m, size_t n, size_t k, const int16_t *a, int64_t a_row_stride,
                     const int16_t *packed_b, int32_t *c, int64_t c_row_stride, size_t n0,
                     size_t n1);

    /// Largest element (NaN if any is NaN), n >= 1.
    float (*max_f32)(const float *x, size_t n);
    /// `y[i] = exp(x[i] - shift)`; returns the sum of the results. `x` and `y` may be the same.
    float (*exp_sum_f32)(const float *x, float shift, float *y, size_t n);
    /// `y[i] = x[i] * scale`. `x` and `y` may be the same.
    void (*scale_f32)(const float *x, float scale, float *y, size_t n);
    /// Sum, in a fixed order of 64 lanes.
    float (*sum_f32)(const float *x, size_t n);
    /// Sum of `(x[i] - mean)^2`, in a fixed order of 64 lanes.
    float (*sum_squares_f32)(const float *x, float mean, size_t n);
    /// `y[i] = (x[i] - mean) * inverse * (scale ? scale[i] : 1) + (bias ? bias[i] : 0)`. `x` and `y`
    /// may be the same.
    void (*normalize_f32)(const float *x, float mean, float inverse, const float *scale,
                          const float *bias, float *y, size_t n);
    /// `y[i] = x[i] * scale[i * step] + shift[i * step]`, rounded once; `step` is 0 or 1. `x` and `y`
    /// may be the same.
    void (*affine_f32)(const float *x, const float *scale, const float *shift, int step, float *y,
                       size_t n);
    /// Depthwise convolution, channels last, of output pixels begin ..< end (counted through all images,
    /// row-major): `y[(pixel - begin) * channels + c] = epilogue(sum over the taps t inside the image,
    /// in row-major order, of x[tap t of pixel][c] * w[t * channels + c])`. The residual, too, begins
    /// at pixel `begin`. `scratch` has room for two pointers per tap of all dimensions but the last.
    void (*depthwise_f32)(const apus_window *window, const float *x, size_t channels,
                          const float *w, size_t begin, size_t end, float *y,
                          const apus_epilogue *epilogue, const float **scratch);

    /// Row pointers of output pixels begin ..< end (counted through all images, row-major), as
    /// `gemm_indirect_f32` takes them: `rows[t * (end - begin) + i]` is the
    /// address of tap t (row-major over the dimensions) of pixel `begin + i`, or `outside`.
    void (*window_rows_f32)(const apus_window *window, const float *x, const float *outside,
                            size_t begin, size_t end, const float **rows);

    /// Pairs of 16-bit integers that `gemm_pack_b_s16` writes for a K x N matrix.
    size_t (*gemm_packed_count_s16)(size_t k, size_t n);
    /// Packs B, element (k, n) at `b[k * row_stride + n * column_stride]`, in pairs along K, an odd K
    /// filled up with zeros.
    void (*gemm_pack_b_s16)(const int16_t *b, int64_t row_stride, int64_t column_stride, size_t k,
                            size_t n, int32_t *packed);
    /// `C[M x N] = A * B` with 32-bit sums, which wrap. Rows of A as in `gemm_indirect_f32`, in pairs of
    /// 16-bit integers: `pairs` of them for each of `taps` blocks. B is packed with
    /// `taps * pairs * 2` rows.
    void (*gemm_indirect_s16)(size_t m, size_t n, size_t pairs, size_t taps,
                              const int32_t *const *a_rows, const int32_t *packed_b, int32_t *c,
                              int64_t c_row_stride);
    /// `depthwise_f32` of 16-bit integers without an epilogue; sums are 32-bit and wrap.
    void (*depthwise_s16)(const apus_window *window, const int16_t *x, size_t channels,
                          const int16_t *w, size_t begin, size_t end, int32_t *y);
    /// `y[i] = clamp(round((sums[i] + bias[i]) * scales[i]) + zero, lowest, highest)` as the low byte of
    /// an integer, rounded half to even; NaN becomes the lowest.
    void (*requantize_s32)(const int32_t *sums, size_t n, const int32_t *bias, const float *scales,
                           float zero, float lowest, float highest, uint8_t *y);

    /// Pools channels c0 ..< c1 of output pixels begin ..< end (counted through all images), channels
    /// last: `y[pixel * channels + c]`, the taps of each element in row-major order.
    void (*pool_f32)(apus_pool f, const apus_pool_window *window, const float *x, size_t channels,
                     size_t c0, size_t c1, size_t begin, size_t end, float *y);

    /// The leaves that rows of features reach in trees `first ..< last` (at least one): for row r,
    /// features at `x + r * row_stride`, and tree t: `leaves[r * (last - first) + t - first]` is the
    /// leaf's index. Every row has at least one feature, and every feature that a node names.
    void (*tree_leaves_f32)(const apus_trees *trees, size_t first, size_t last, const float *x,
                            int64_t row_stride, size_t rows, uint32_t *leaves);
    /// The same in double precision.
    void (*tree_leaves_f64)(const apus_trees *trees, size_t first, size_t last, const double *x,
                            int64_t row_stride, size_t rows, uint32_t *leaves);
} apus_kernel_table;

/// Which instruction sets this process can use, best first; `count` receives how many.
const apus_kernel_table *const *apus_kernel_tables(size_t *count);

/// The best available table, or the one forced by `apus_kernels_force`.
const apus_kernel_table *apus_kernels(void);

/// Forces a table by name for what is planned from now on; false if it is not available here.
bool apus_kernels_force(const char *name);

/// The OpenBLAS core the linked library chose, e.g. "Haswell".
const char *apus_blas_core_name(void);

/// Makes OpenBLAS single-threaded; call once at start: our own split is on top.
void apus_blas_use_one_thread(void);

/// `C[M x N] = alpha * op(A) * op(B) + beta * C` through OpenBLAS, row-major.
void apus_blas_sgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, float alpha,
                     const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
                     size_t ldc);

/// The same in double precision.
void apus_blas_dgemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                     double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                     double beta, double *c, size_t ldc);
