/// Kernels for CPUs with AVX2 and FMA.
#include "tables.h"
#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define APUS_LANES 8
#define APUS_PANEL_VECTORS 2
#define APUS_TILE_ROWS 6
#include "families/table.h"
#pragma clang attribute pop

const apus_kernel_table apus_table_avx2 = APUS_KERNEL_TABLE("avx2");
#endif
