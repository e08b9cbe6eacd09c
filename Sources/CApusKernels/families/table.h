/// The table of one instruction set: included last by each `isa_*.c`.
#pragma once

#include "depthwise.h"
#include "gemm.h"
#include "gemm_bytes.h"
#include "gemm_double.h"
#include "integer.h"
#include "rows.h"
#include "trees.h"
#include "unary.h"
#include "window.h"

#define APUS_KERNEL_TABLE(NAME)                                  \
    {                                                            \
        .name = NAME,                                            \
        .unary_f32 = unary_f32,                                  \
        .binary_f32 = binary_f32,                                \
        .gemm_packed_count_f32 = gemm_packed_count_f32,          \
        .gemm_pack_b_f32 = gemm_pack_b_f32,                      \
        .gemm_f32 = gemm_f32,                                    \
        .gemm_indirect_f32 = gemm_indirect_f32,                  \
        .gemm_panel_columns = APUS_LANES * APUS_PANEL_VECTORS,   \
        .gemm_packed_count_f64 = gemm_packed_count_f64,          \
        .gemm_pack_b_f64 = gemm_pack_b_f64,                      \
        .gemm_f64 = gemm_f64,                                    \
        .gemm_double_panel_columns = APUS_LANES / 2 * APUS_PANEL_VECTORS,\
        .gemm_packed_count_bytes = gemm_packed_count_bytes,      \
        .gemm_pack_b_bytes = gemm_pack_b_bytes,                  \
        .widen_bytes = widen_bytes,                              \
        .gemm_bytes = gemm_bytes,                                \
        .max_f32 = max_f32,                                      \
        .exp_sum_f32 = exp_sum_f32,                              \
        .scale_f32 = scale_f32,                                  \
        .sum_f32 = sum_f32,                                      \
        .sum_squares_f32 = sum_squares_f32,                      \
        .normalize_f32 = normalize_f32,                          \
        .affine_f32 = affine_f32,                                \
        .depthwise_f32 = depthwise_f32,                          \
        .window_rows_f32 = window_rows_f32,                      \
        .gemm_packed_count_s16 = gemm_packed_count_s16,          \
        .gemm_pack_b_s16 = gemm_pack_b_s16,                      \
        .gemm_indirect_s16 = gemm_indirect_s16,                  \
        .depthwise_s16 = depthwise_s16,                          \
        .requantize_s32 = requantize_s32,                        \
        .pool_f32 = pool_f32,                                    \
        .tree_leaves_f32 = tree_leaves_f32,                      \
        .tree_leaves_f64 = tree_leaves_f64,                      \
    }
