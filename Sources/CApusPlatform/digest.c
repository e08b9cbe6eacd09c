#define XXH_INLINE_ALL
#include "apus_platform.h"

#include <xxhash.h>

// The state is aligned for vector instructions, so it comes from the library's own allocator.

apus_digest *apus_digest_new(void) {
    XXH3_state_t *state = XXH3_createState();
    if (!state) return NULL;
    XXH3_128bits_reset(state);
    return (apus_digest *)state;
}

void apus_digest_add(apus_digest *digest, const void *bytes, size_t count) {
    XXH3_128bits_update((XXH3_state_t *)digest, bytes, count);
}

void apus_digest_value(const apus_digest *digest, uint64_t value[2]) {
    const XXH128_hash_t hash = XXH3_128bits_digest((const XXH3_state_t *)digest);
    value[0] = hash.high64;
    value[1] = hash.low64;
}

void apus_digest_free(apus_digest *digest) { XXH3_freeState((XXH3_state_t *)digest); }
