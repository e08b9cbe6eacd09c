/// The tables that `dispatch.c` chooses from.
#pragma once

#include "include/apus_kernels.h"

extern const apus_kernel_table apus_table_scalar;
#if defined(__x86_64__)
extern const apus_kernel_table apus_table_avx2;
extern const apus_kernel_table apus_table_avx512;
#endif
