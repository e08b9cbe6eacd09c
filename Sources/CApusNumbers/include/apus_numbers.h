/// JSON numbers and strings, text to memory and back, at the speed of the memory.
///
/// Every function takes pointer and length and reads nothing behind them: a text need not end with
/// NUL. None allocates. Offsets count bytes from `text`.
///
/// Numbers in: Clinger's exact fast path, `std::from_chars` where it does not apply; the result is
/// the correctly rounded value in every case. Numbers out: `std::to_chars`, the shortest text that
/// reads back to the same bits.
///
/// - Source: RFC 8259; W. D. Clinger, "How to Read Floating Point Numbers Accurately", PLDI 1990.
#ifndef APUS_NUMBERS_H
#define APUS_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// How a parse ended.
typedef enum {
    APUS_NUMBERS_OK = 0,
    /// Not JSON: wrong byte, or the text ends too early.
    APUS_NUMBERS_SYNTAX,
    /// A value of another kind stands where an element is expected.
    APUS_NUMBERS_NOT_OF_TYPE,
    /// A number that the element type cannot hold.
    APUS_NUMBERS_OUT_OF_RANGE,
    /// The array is fine, but has another number of elements.
    APUS_NUMBERS_COUNT,
    /// Arrays or objects lie deeper than `APUS_JSON_DEPTH_MAX`.
    APUS_NUMBERS_TOO_DEEP,
    /// A control character in a string.
    APUS_NUMBERS_CONTROL_CHARACTER,
    /// An unknown escape, or half of a surrogate pair.
    APUS_NUMBERS_ESCAPE,
    /// A string's bytes are no UTF-8.
    APUS_NUMBERS_UTF8
} apus_numbers_status;

/// Element types of tensors that JSON can carry as numbers or booleans.
typedef enum {
    APUS_ELEMENT_BOOL = 0,
    APUS_ELEMENT_INT8,
    APUS_ELEMENT_INT16,
    APUS_ELEMENT_INT32,
    APUS_ELEMENT_INT64,
    APUS_ELEMENT_UINT8,
    APUS_ELEMENT_UINT16,
    APUS_ELEMENT_UINT32,
    APUS_ELEMENT_UINT64,
    APUS_ELEMENT_FLOAT,
    APUS_ELEMENT_DOUBLE
} apus_element;

/// How deep arrays and objects may be nested.
#define APUS_JSON_DEPTH_MAX 100

typedef struct {
    apus_numbers_status status;
    /// After success: the first byte behind what was read. After an error: the offending byte.
    size_t offset;
    /// After NOT_OF_TYPE and OUT_OF_RANGE: the first byte behind the offending token.
    size_t token_end;
    /// Elements read; after an error the index of the offending one.
    size_t count;
} apus_numbers_result;

/// Reads the JSON array at `offset`, nested or flat, into `target` in row-major order.
///
/// Booleans are one byte, 0 or 1. The bare tokens NaN, Infinity and -Infinity are numbers of the
/// floating-point types. Decimal text too small for the type becomes zero, too large is out of
/// range. `target` has room for `count_expected` elements and need not be aligned; no more than
/// that are written, but all are read and counted.
apus_numbers_result apus_parse_array(
    const uint8_t *text, size_t length, size_t offset, apus_element element, void *target,
    size_t count_expected);

/// Reads the one element at `offset`, which is no array, into `target`, which need not be aligned.
apus_numbers_result apus_parse_element(
    const uint8_t *text, size_t length, size_t offset, apus_element element, void *target);

/// Reads one JSON number or bare token at `offset` as a double.
apus_numbers_result apus_parse_double(
    const uint8_t *text, size_t length, size_t offset, double *target);
/// Reads one JSON integer at `offset`; a fraction or an exponent is NOT_OF_TYPE.
apus_numbers_result apus_parse_int64(
    const uint8_t *text, size_t length, size_t offset, int64_t *target);
apus_numbers_result apus_parse_uint64(
    const uint8_t *text, size_t length, size_t offset, uint64_t *target);

/// Checks the JSON value at `offset`, of any kind, and finds its end. `depth` containers are open
/// around it.
apus_numbers_result apus_skip_value(
    const uint8_t *text, size_t length, size_t offset, size_t depth);

/// Checks the string whose first byte behind the opening quote is at `offset`, and finds the byte
/// behind its closing quote. `has_escapes` says whether `apus_unescape` is needed.
apus_numbers_result apus_scan_string(
    const uint8_t *text, size_t length, size_t offset, bool *has_escapes);

/// Writes the meaning of a string's inner bytes, which `apus_scan_string` has accepted. `target`
/// has room for `length` bytes.
///
/// - Returns: how many bytes were written.
size_t apus_unescape(const uint8_t *text, size_t length, uint8_t *target);

/// Whether the bytes are well-formed UTF-8.
bool apus_is_utf8(const uint8_t *text, size_t length);

/// The most bytes that one element takes in `apus_print_array`, its comma included.
size_t apus_element_text_max(apus_element element);

/// Writes `count` elements separated by commas, without brackets. `source` need not be aligned;
/// `target` has room for `count * apus_element_text_max(element)` bytes. Whole floating-point
/// numbers end with ".0", so that readers see their kind; NaN and infinities are bare tokens.
///
/// - Returns: how many bytes were written.
size_t apus_print_array(apus_element element, const void *source, size_t count, uint8_t *target);

/// Writes a number; `target` has room for 32 bytes.
size_t apus_print_double(double value, uint8_t *target);
size_t apus_print_int64(int64_t value, uint8_t *target);
size_t apus_print_uint64(uint64_t value, uint8_t *target);

/// Writes a number with six decimals and no exponent; `target` has room for 352 bytes.
size_t apus_print_fixed(double value, uint8_t *target);

/// How many bytes `apus_print_string` writes.
size_t apus_printed_string_length(const uint8_t *text, size_t length);

/// Writes a JSON string with its quotes. Bytes from 0x80 on are written as they are, whether they
/// are UTF-8 or not.
size_t apus_print_string(const uint8_t *text, size_t length, uint8_t *target);

#ifdef __cplusplus
}
#endif
#endif
