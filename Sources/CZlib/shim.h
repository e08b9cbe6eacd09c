#include <zlib.h>

// These are macros in zlib, which Swift does not see.

/// Prepares a zeroed stream for reading; `window_bits` as in zlib.
static inline int apus_zlib_start_inflating(z_stream *stream, int window_bits) {
    return inflateInit2(stream, window_bits);
}

/// Prepares a zeroed stream for writing; `window_bits` and `level` as in zlib.
static inline int apus_zlib_start_deflating(z_stream *stream, int window_bits, int level) {
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}
