/// Chooses the kernels once, from what CPUID and the operating system offer.
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tables.h"

static const apus_kernel_table *available[3];
static size_t available_count;
static _Atomic(const apus_kernel_table *) forced;
static pthread_once_t detected = PTHREAD_ONCE_INIT;

static void detect(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        available[available_count++] = &apus_table_avx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        available[available_count++] = &apus_table_avx2;
    }
#endif
    available[available_count++] = &apus_table_scalar;
}

const apus_kernel_table *const *apus_kernel_tables(size_t *count) {
    pthread_once(&detected, detect);
    *count = available_count;
    return available;
}

const apus_kernel_table *apus_kernels(void) {
    pthread_once(&detected, detect);
    const apus_kernel_table *choice = atomic_load(&forced);
    return choice ? choice : available[0];
}

bool apus_kernels_force(const char *name) {
    pthread_once(&detected, detect);
    for (size_t i = 0; i < available_count; i++) {
        if (strcmp(available[i]->name, name) == 0) {
            atomic_store(&forced, available[i]);
            return true;
        }
    }
    return false;
}
