#include "apus_platform.h"

#include <malloc.h>
#include <unistd.h>

int apus_tune_malloc(void) {
    const int wanted = 256 << 20;
    // glibc refuses mmap thresholds above half of a secondary arena (32 MB on 64-bit machines)
    // in some versions.
    const int smaller = 32 << 20;
    int mapping = mallopt(M_MMAP_THRESHOLD, wanted) || mallopt(M_MMAP_THRESHOLD, smaller);
    int trimming = mallopt(M_TRIM_THRESHOLD, wanted);
    // Dispatch makes and ends threads all the time; with glibc's eight arenas per core each of them
    // spreads what it allocates over more pages.
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int arenas = mallopt(M_ARENA_MAX, cores > 4 ? (int)cores : 4);
    return (mapping || trimming) && arenas ? 0 : -1;
}

int apus_trim_malloc(void) { return malloc_trim(0); }

uint64_t apus_malloc_free_bytes(void) { return (uint64_t)mallinfo2().fordblks; }

uint64_t apus_malloc_used_bytes(void) {
    struct mallinfo2 info = mallinfo2();
    return (uint64_t)info.uordblks + (uint64_t)info.hblkhd;
}
