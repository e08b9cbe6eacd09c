/// Running a flat plan: an array of steps that all threads walk together, with a barrier between
/// steps (the scheme of ggml; fork and join per operator costs several times more).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What a step learns about the thread that runs it.
typedef struct {
    int32_t index;      ///< 0 ..< count; 0 is the caller
    int32_t count;      ///< threads that walk this plan
    uint8_t *scratch;   ///< this thread's scratch memory, aligned to 64 bytes
    void *run;          ///< the caller's context of this run
    /// Whether the run is to be given up: long steps ask now and then, and return early. May be null.
    bool (*is_cancelled)(void *cancellation);
    void *cancellation;
    uint64_t *turn;     ///< for `apus_give_way`; may be null
} apus_thread;

/// One step: reads and writes `buffers` (indices are in its argument). Each thread calls it once and
/// does its share. Returns 0, or anything else to end the run after this step.
typedef int32_t (*apus_step_function)(const void *argument, void *const *buffers,
                                      const apus_thread *thread);

typedef struct {
    apus_step_function function;
    const void *argument;
    /// Only thread 0 runs it.
    bool is_serial;
} apus_step;

typedef struct {
    const apus_step *steps;
    size_t step_count;
    void *const *buffers;
    /// `thread_count_max` areas of `scratch_stride` bytes.
    uint8_t *scratch;
    size_t scratch_stride;
    int32_t thread_count_max;
    void *run;
    /// Asked between steps, and within long ones by each thread; true ends the run, and stays so. May
    /// be null.
    bool (*is_cancelled)(void *cancellation);
    void *cancellation;
    /// It ends before anybody could mind: no thread gives way between steps.
    bool is_short;
    /// If not null: receives each step's nanoseconds, seen by thread 0.
    uint64_t *step_nanoseconds;
    /// Denormal inputs and results of the steps count as zero, on every thread of this run.
    bool flushes_denormals;
} apus_plan_run;

/// Starts helper threads until there are `count`. They spin shortly for work, then sleep. Safe to
/// call again with a larger count; never more than 255.
void apus_team_start(int32_t count);

/// Runs the plan on the calling thread and as many free helpers as `thread_count_max` allows.
/// Returns 0, the first nonzero step result, or -1 if it was cancelled.
int32_t apus_plan_execute(const apus_plan_run *run);

/// Lets threads that wait for this processor run, if the caller has had it for about half a
/// millisecond: a long execution must not hold up the short ones of other models, nor the event loops.
/// `turn` is the caller's own, 0 at first. Costs a few nanoseconds.
void apus_give_way(uint64_t *turn);

/// For long steps between pieces of their work: gives way, and says whether the run is to be given up.
bool apus_is_cancelled(const apus_thread *thread);

/// The share `[begin, end)` of `count` items for one thread, in multiples of `grain` (>= 1).
static inline void apus_share(size_t count, size_t grain, const apus_thread *thread, size_t *begin,
                              size_t *end) {
    size_t blocks = (count + grain - 1) / grain;
    size_t first = blocks * (size_t)thread->index / (size_t)thread->count * grain;
    size_t last = blocks * ((size_t)thread->index + 1) / (size_t)thread->count * grain;
    *begin = first < count ? first : count;
    *end = last < count ? last : count;
}
