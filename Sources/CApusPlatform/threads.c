#define _GNU_SOURCE
#include "apus_platform.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int apus_affinity_core_count(void) {
    // The kernel refuses a mask smaller than its own; 64 Ki cores are more than it can be built for.
    static const size_t core_counts[] = {1024, 8192, 65536};
    for (size_t i = 0; i < sizeof core_counts / sizeof *core_counts; ++i) {
        unsigned long mask[65536 / (8 * sizeof(unsigned long))];
        size_t size = core_counts[i] / 8;
        memset(mask, 0, size);
        if (sched_getaffinity(0, size, (cpu_set_t *)mask) == 0)
            return CPU_COUNT_S(size, (cpu_set_t *)mask);
        if (errno != EINVAL) return -1;
    }
    return -1;
}

int64_t apus_thread_id(void) { return (int64_t)syscall(SYS_gettid); }

void apus_set_thread_name(const char *name) {
    char cut[16];
    strncpy(cut, name, sizeof cut - 1);
    cut[sizeof cut - 1] = 0;
    (void)pthread_setname_np(pthread_self(), cut);
}

int apus_set_thread_niceness(int niceness) {
    return setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), niceness) == 0 ? 0 : -1;
}
