// Linux calls that Swift cannot import (they need _GNU_SOURCE, macros or variable arguments).
// Plain types only. No function allocates, logs or ends the process.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- Cores and threads ------------------------------------------------------------------------

/// Number of cores in the affinity mask of the calling thread, at any machine size; -1 if the
/// kernel does not tell.
int apus_affinity_core_count(void);

/// The kernel's id of the calling thread.
int64_t apus_thread_id(void);

/// Names the calling thread for ps and debuggers; longer names are cut to 15 bytes.
void apus_set_thread_name(const char *name);

/// For work that nobody waits for, between its pieces: lets other threads run that want this core, if
/// the calling thread has not done so for 0.1 ms. The kernel alone may leave it on the core for
/// several milliseconds, with a request behind it.
void apus_give_way_in_background(void);

/// CPU time in nanoseconds that the calling thread has used in a turn of its loop that took
/// `wall_nanoseconds` and has just ended; 0, at next to no cost, for one that was not longer than
/// `limit_nanoseconds`. To be called behind each turn. Time for which the thread was kept from running
/// does not count.
uint64_t apus_turn_cpu_nanoseconds(uint64_t wall_nanoseconds, uint64_t limit_nanoseconds);

// ---- Memory -----------------------------------------------------------------------------------

/// Tells malloc to keep freed blocks of up to 256 MB mapped for reuse (or up to the largest size it
/// accepts), instead of giving them back and faulting them in again for each request, and limits its
/// arenas to one per core (at least four), so that memory does not spread. Call once,
/// first thing in the process. Returns 0, or -1 if malloc took none of it.
int apus_tune_malloc(void);

/// Gives all memory that malloc keeps free back to the system. Takes milliseconds: after a model
/// was unloaded or a burst, never per request. Returns whether something was given back.
int apus_trim_malloc(void);

/// Bytes that malloc keeps free for reuse, given back or not. Locks each arena in turn.
uint64_t apus_malloc_free_bytes(void);

/// Bytes that malloc has handed out and not got back, memory it mapped directly included.
uint64_t apus_malloc_used_bytes(void);

// ---- Files ------------------------------------------------------------------------------------

/// Reads at most `capacity` bytes of a small file (of /proc, /sys) into `buffer`. Returns the
/// number of bytes read, or -1 if it cannot be opened or read.
int64_t apus_read_small_file(const char *path, char *buffer, size_t capacity);

/// Number of open file descriptors of this process, or -1 without /proc.
int64_t apus_open_descriptor_count(void);

/// Removes a directory and all below it, links themselves instead of what they lead to. Returns 0, or
/// -1 if something could not be removed.
int apus_remove_tree(const char *path);

/// SHA-256 of a file (FIPS 180-4), read in pieces. Returns 0, or -1 if it cannot be read.
int apus_sha256_file(const char *path, uint8_t digest[32]);

/// SHA-256 of `count` bytes.
void apus_sha256(const void *bytes, size_t count, uint8_t digest[32]);

/// A digest of bytes that come in parts, at the speed of memory (XXH3, 128 bits, of xxHash): it tells
/// contents apart that nobody made to be confused.
typedef struct apus_digest apus_digest;

/// Null if there is no memory.
apus_digest *apus_digest_new(void);
void apus_digest_add(apus_digest *digest, const void *bytes, size_t count);
/// The digest of what was added so far.
void apus_digest_value(const apus_digest *digest, uint64_t value[2]);
void apus_digest_free(apus_digest *digest);

#ifdef __cplusplus
}
#endif
