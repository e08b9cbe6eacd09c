#define _GNU_SOURCE
#include "apus_platform.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
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

void apus_give_way_in_background(void) {
    static const uint64_t turn_nanoseconds = 100000;
    static _Thread_local uint64_t since;
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return;
    const uint64_t nanoseconds = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (nanoseconds - since < turn_nanoseconds) return;
    since = nanoseconds;
    sched_yield();
}

static uint64_t thread_cpu_nanoseconds(void) {
    struct timespec now;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t apus_turn_cpu_nanoseconds(uint64_t wall_nanoseconds, uint64_t limit_nanoseconds) {
    // The thread's clock is a system call: it is asked after long turns, and now and then, so that the
    // short ones between two answers, which are taken to have used all of their time, add up to little.
    static const uint64_t asked_every = 50000000;
    static _Thread_local uint64_t asked, between;
    if (wall_nanoseconds <= limit_nanoseconds) {
        between += wall_nanoseconds;
        if (between < asked_every && asked != 0) return 0;
        asked = thread_cpu_nanoseconds();
        between = 0;
        return 0;
    }
    const uint64_t now = thread_cpu_nanoseconds();
    const uint64_t since = now - asked;
    const uint64_t used = asked == 0 || since < between ? 0 : since - between;
    asked = now;
    between = 0;
    return used < wall_nanoseconds ? used : wall_nanoseconds;
}
