#include "apus_platform.h"

#include <malloc.h>

int apus_tune_malloc(void) {
    const int wanted = 256 << 20;
    // glibc refuses mmap thresholds above half of a secondary arena (32 MB on 64-bit machines)
    // in some versions.
    const int smaller = 32 << 20;
    int mapping = mallopt(M_MMAP_THRESHOLD, wanted) || mallopt(M_MMAP_THRESHOLD, smaller);
    int trimming = mallopt(M_TRIM_THRESHOLD, wanted);
    return mapping || trimming ? 0 : -1;
}

int apus_trim_malloc(void) { return malloc_trim(0); }

uint64_t apus_malloc_used_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return (uint64_t)info.uordblks + (uint64_t)info.hblkhd;
}
