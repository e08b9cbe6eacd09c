#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "apus_plan.h"

enum { HELPERS_MAX = 255, SPIN_NANOSECONDS = 20000 };

/// One run in progress, on the stack of its caller until `left` says that every helper is out.
typedef struct {
    const apus_plan_run *plan;
    int32_t threads;
    _Atomic uint32_t arrived;  ///< threads at the current barrier
    _Atomic uint32_t phase;    ///< barriers passed; futex word
    _Atomic uint32_t sleepers; ///< threads asleep on `phase`
    _Atomic uint32_t left;     ///< helpers that no longer touch this job
    _Atomic int32_t result;    ///< first nonzero step result
    _Atomic bool ended;        ///< decided by thread 0 between two barriers
} team_job;

/// A helper thread. `signal` counts jobs given to it; it is the futex word that it sleeps on.
typedef struct {
    _Alignas(128) _Atomic uint32_t signal;
    _Atomic uint32_t is_asleep;
    _Atomic uint32_t is_claimed;
    team_job *job;
    int32_t index;
} team_helper;

static team_helper helpers[HELPERS_MAX];
static _Atomic int32_t helper_count;
static pthread_mutex_t start_mutex = PTHREAD_MUTEX_INITIALIZER;

static uint64_t now_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int32_t count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/// Spins until `*word != old`, then sleeps; `sleepers` tells the waker that it must call the kernel.
static void wait_until_changed(_Atomic uint32_t *word, uint32_t old, _Atomic uint32_t *sleepers) {
    uint64_t limit = 0;
    for (uint32_t spins = 0;; spins++) {
        if (atomic_load_explicit(word, memory_order_acquire) != old) return;
        pause_briefly();
        if (spins % 64 == 63) {
            uint64_t now = now_nanoseconds();
            if (limit == 0) limit = now + SPIN_NANOSECONDS;
            if (now > limit) break;
        }
    }
    atomic_fetch_add(sleepers, 1);
    while (atomic_load(word) == old) futex_wait(word, old);
    atomic_fetch_sub(sleepers, 1);
}

/// A counter that grows with time, and its steps in about half a millisecond.
static uint64_t ticks(void) {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
#else
    return now_nanoseconds();
#endif
}

static uint64_t turn_ticks(void) {
#if defined(__x86_64__)
    return 1u << 20;
#elif defined(__aarch64__)
    uint64_t frequency;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
    return frequency / 2048;
#else
    return 500000;
#endif
}

void apus_give_way(uint64_t *turn) {
    uint64_t now = ticks();
    if (*turn == 0) *turn = now;
    if (now - *turn < turn_ticks()) return;
    sched_yield();
    *turn = ticks();
}

bool apus_is_cancelled(const apus_thread *thread) {
    if (thread->turn) apus_give_way(thread->turn);
    return thread->is_cancelled && thread->is_cancelled(thread->cancellation);
}

static bool is_cancelled(const apus_plan_run *plan) {
    return plan->is_cancelled && plan->is_cancelled(plan->cancellation);
}

/// All threads meet here; thread 0's decision in `ended` is made by the last to arrive.
static void barrier(team_job *job) {
    uint32_t phase = atomic_load_explicit(&job->phase, memory_order_relaxed);
    if (atomic_fetch_add(&job->arrived, 1) + 1 == (uint32_t)job->threads) {
        if (atomic_load(&job->result) != 0) {
            atomic_store(&job->ended, true);
        } else if (is_cancelled(job->plan)) {
            atomic_store(&job->result, -1);
            atomic_store(&job->ended, true);
        }
        atomic_store_explicit(&job->arrived, 0, memory_order_relaxed);
        atomic_store(&job->phase, phase + 1);
        if (atomic_load(&job->sleepers) > 0) futex_wake(&job->phase, HELPERS_MAX);
    } else {
        wait_until_changed(&job->phase, phase, &job->sleepers);
    }
}

/// Sets the calling thread's treatment of denormals for one run; `restore_floating_point` undoes it.
static uint64_t begin_floating_point(bool flushes_denormals) {
#if defined(__x86_64__)
    uint32_t before = __builtin_ia32_stmxcsr();
    // FTZ is bit 15, DAZ bit 6.
    if (flushes_denormals) __builtin_ia32_ldmxcsr(before | 0x8040);
    return before;
#elif defined(__aarch64__)
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    // FZ is bit 24.
    if (flushes_denormals) __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
    return before;
#else
    (void)flushes_denormals;
    return 0;
#endif
}

static void restore_floating_point(uint64_t before) {
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr((uint32_t)before);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
    (void)before;
#endif
}

static void walk_steps(team_job *job, int32_t index) {
    const apus_plan_run *plan = job->plan;
    uint64_t turn = 0;
    apus_thread thread = {
        .index = index,
        .count = job->threads,
        .scratch = plan->scratch + plan->scratch_stride * (size_t)index,
        .run = plan->run,
        .is_cancelled = plan->is_cancelled,
        .cancellation = plan->cancellation,
        .turn = &turn,
    };
    bool is_timed = index == 0 && plan->step_nanoseconds;
    uint64_t before = is_timed ? now_nanoseconds() : 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        const apus_step *step = &plan->steps[i];
        if (index == 0 || !step->is_serial) {
            int32_t result = step->function(step->argument, plan->buffers, &thread);
            if (result != 0) {
                int32_t none = 0;
                atomic_compare_exchange_strong(&job->result, &none, result);
            }
        }
        if (!plan->is_short) apus_give_way(&turn);
        if (job->threads > 1) {
            barrier(job);
            if (atomic_load_explicit(&job->ended, memory_order_relaxed)) return;
        } else {
            if (atomic_load_explicit(&job->result, memory_order_relaxed) != 0) return;
            if (is_cancelled(plan)) {
                atomic_store(&job->result, -1);
                return;
            }
        }
        if (is_timed) {
            uint64_t after = now_nanoseconds();
            plan->step_nanoseconds[i] += after - before;
            before = after;
        }
    }
}

static void walk(team_job *job, int32_t index) {
    uint64_t before = begin_floating_point(job->plan->flushes_denormals);
    walk_steps(job, index);
    restore_floating_point(before);
}

static void *help(void *argument) {
    team_helper *helper = argument;
    uint32_t seen = 0;
    for (;;) {
        wait_until_changed(&helper->signal, seen, &helper->is_asleep);
        seen++;
        team_job *job = helper->job;
        walk(job, helper->index);
        // The job dies when its caller sees the last helper leave: no access to it after this add.
        atomic_store(&helper->is_claimed, 0);
        atomic_fetch_add(&job->left, 1);
    }
    return NULL;
}

void apus_team_start(int32_t count) {
    if (count > HELPERS_MAX) count = HELPERS_MAX;
    pthread_mutex_lock(&start_mutex);
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int32_t i = atomic_load(&helper_count); i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, help, &helpers[i]) != 0) break;
        pthread_detach(thread);
        atomic_store(&helper_count, i + 1);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_mutex_unlock(&start_mutex);
}

int32_t apus_plan_execute(const apus_plan_run *run) {
    team_job job = {.plan = run, .threads = 1};
    team_helper *claimed[HELPERS_MAX];
    int32_t available = atomic_load(&helper_count);
    for (int32_t i = 0; i < available && job.threads < run->thread_count_max; i++) {
        uint32_t is_free = 0;
        if (atomic_load(&helpers[i].is_claimed) == 0
            && atomic_compare_exchange_strong(&helpers[i].is_claimed, &is_free, 1)) {
            claimed[job.threads - 1] = &helpers[i];
            job.threads++;
        }
    }
    for (int32_t i = 0; i < job.threads - 1; i++) {
        team_helper *helper = claimed[i];
        helper->job = &job;
        helper->index = i + 1;
        atomic_fetch_add(&helper->signal, 1);
        if (atomic_load(&helper->is_asleep) > 0) futex_wake(&helper->signal, 1);
    }
    walk(&job, 0);
    while (atomic_load_explicit(&job.left, memory_order_acquire) + 1 < (uint32_t)job.threads) {
        pause_briefly();
    }
    return atomic_load(&job.result);
}
