/// Kernels for CPUs with AVX-512 F, BW, DQ and VL.
#include "tables.h"
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c"), min_vector_width(512))), apply_to = function)
#define APUS_LANES 16
#define APUS_PANEL_VECTORS 2
#define APUS_TILE_ROWS 12
#include "families/table.h"
#pragma clang attribute pop

const apus_kernel_table apus_table_avx512 = APUS_KERNEL_TABLE("avx512");
#endif
