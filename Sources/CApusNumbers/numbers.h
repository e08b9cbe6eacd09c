// Reading single JSON numbers; shared by the functions of this target.
#ifndef APUS_NUMBERS_INTERNAL_H
#define APUS_NUMBERS_INTERNAL_H

#include <charconv>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "apus_numbers.h"

namespace apus {

inline bool is_digit(uint8_t byte) { return static_cast<uint8_t>(byte - '0') < 10; }

inline bool is_space(uint8_t byte) {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

inline const uint8_t *skip_space(const uint8_t *next, const uint8_t *end) {
    while (next < end && is_space(*next)) ++next;
    return next;
}

/// Moves over `word` if it stands at `next`.
inline bool take_word(const uint8_t *&next, const uint8_t *end, const char *word, size_t length) {
    if (static_cast<size_t>(end - next) < length || std::memcmp(next, word, length) != 0) {
        return false;
    }
    next += length;
    return true;
}

/// The end of something that should have been an element, for messages.
inline const uint8_t *token_end(const uint8_t *next, const uint8_t *end) {
    if (next < end && *next == '"') {
        for (++next; next < end && *next != '"'; ++next) {
            if (*next == '\\' && end - next > 1) ++next;
        }
        return next < end ? next + 1 : end;
    }
    const uint8_t *start = next;
    while (next < end && !is_space(*next) && *next != ',' && *next != ']' && *next != '}') ++next;
    return next == start && next < end ? next + 1 : next;
}

/// What an unexpected first byte of an element means: another JSON kind, or no JSON at all.
inline apus_numbers_status unexpected(const uint8_t *next, const uint8_t *end) {
    if (next == end) return APUS_NUMBERS_SYNTAX;
    switch (*next) {
    case '"': case '{': case '[': case 't': case 'f': case 'n': case 'N': case 'I': case '-':
        return APUS_NUMBERS_NOT_OF_TYPE;
    default:
        return is_digit(*next) ? APUS_NUMBERS_NOT_OF_TYPE : APUS_NUMBERS_SYNTAX;
    }
}

/// The parts of a JSON number, as far as the fast path needs them.
struct Decimal {
    bool is_negative = false;
    /// Whether a fraction or an exponent was there.
    bool is_fractional = false;
    /// Digits of both sides of the point; `mantissa` is exact if there are at most 19.
    size_t digit_count = 0;
    uint64_t mantissa = 0;
    /// Of the last digit, in powers of ten.
    int64_t exponent = 0;
};

/// Reads a number by the grammar of RFC 8259 and leaves `next` behind it. A Decimal in `parts` if
/// the result is true; else `next` is at the offending byte.
inline bool scan_decimal(const uint8_t *&next, const uint8_t *end, Decimal &parts) {
    if (next < end && *next == '-') {
        parts.is_negative = true;
        ++next;
    }
    if (next == end || !is_digit(*next)) return false;
    uint64_t mantissa = 0;
    const uint8_t *first = next;
    do {
        mantissa = mantissa * 10 + (*next - '0');
        ++next;
    } while (next < end && is_digit(*next));
    if (*first == '0' && next - first > 1) {
        next = first + 1;
        return false;
    }
    size_t digits = next - first;
    int64_t exponent = 0;
    if (next < end && *next == '.') {
        parts.is_fractional = true;
        const uint8_t *fraction = ++next;
        while (next < end && is_digit(*next)) {
            mantissa = mantissa * 10 + (*next - '0');
            ++next;
        }
        if (next == fraction) return false;
        exponent = fraction - next;
        digits += next - fraction;
    }
    if (next < end && (*next == 'e' || *next == 'E')) {
        parts.is_fractional = true;
        ++next;
        bool is_negative = false;
        if (next < end && (*next == '+' || *next == '-')) {
            is_negative = *next == '-';
            ++next;
        }
        if (next == end || !is_digit(*next)) return false;
        int64_t written = 0;
        do {
            if (written < 1'000'000) written = written * 10 + (*next - '0');
            ++next;
        } while (next < end && is_digit(*next));
        exponent += is_negative ? -written : written;
    }
    parts.digit_count = digits;
    parts.mantissa = mantissa;
    parts.exponent = exponent;
    return true;
}

inline constexpr double powers_of_ten[] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/// The value of a number that `std::from_chars` found too small or too large: zero, or false.
template <typename Float>
bool underflows_to_zero(const uint8_t *start, const uint8_t *end, bool is_negative, Float &value) {
    // The power of ten of the first digit that is not zero decides; no text of 2^63 digits fits
    // into memory, so the sums cannot overflow.
    const uint8_t *next = start + (is_negative ? 1 : 0);
    int64_t magnitude = 0, position = 0;
    bool has_point = false, is_found = false;
    for (; next < end && (is_digit(*next) || *next == '.'); ++next) {
        if (*next == '.') { has_point = true; continue; }
        if (has_point) --position;
        else if (is_found) ++magnitude;
        if (!is_found && *next != '0') {
            is_found = true;
            magnitude = has_point ? position : 0;
        }
    }
    if (next < end) {
        int64_t written = 0;
        ++next;
        const bool exponent_is_negative = next < end && *next == '-';
        for (; next < end; ++next) {
            if (!is_digit(*next)) continue;
            if (written < 1'000'000'000'000) written = written * 10 + (*next - '0');
        }
        magnitude += exponent_is_negative ? -written : written;
    }
    if (is_found && magnitude > 0) return false;
    value = is_negative ? -Float(0) : Float(0);
    return true;
}

/// Reads a number or one of the bare tokens as a floating-point value.
template <typename Float>
apus_numbers_status parse_float(const uint8_t *&next, const uint8_t *end, Float &value) {
    const uint8_t *start = next;
    Decimal parts;
    if (!scan_decimal(next, end, parts)) {
        const uint8_t *word = start + (parts.is_negative ? 1 : 0);
        if (word < end && *word == 'I' && take_word(word, end, "Infinity", 8)) {
            const Float infinity = std::numeric_limits<Float>::infinity();
            value = parts.is_negative ? -infinity : infinity;
            next = word;
            return APUS_NUMBERS_OK;
        }
        if (!parts.is_negative && take_word(word, end, "NaN", 3)) {
            value = std::numeric_limits<Float>::quiet_NaN();
            next = word;
            return APUS_NUMBERS_OK;
        }
        if (next != start) return APUS_NUMBERS_SYNTAX;
        return unexpected(next, end);
    }
    if (parts.digit_count <= 19) {
        if (parts.mantissa == 0) {
            value = parts.is_negative ? -Float(0) : Float(0);
            return APUS_NUMBERS_OK;
        }
        // Both operands are exact doubles, so one operation rounds once.
        if (parts.mantissa < (uint64_t(1) << 53) && parts.exponent >= -22 && parts.exponent <= 22) {
            double exact = static_cast<double>(parts.mantissa);
            exact = parts.exponent < 0 ? exact / powers_of_ten[-parts.exponent]
                                       : exact * powers_of_ten[parts.exponent];
            if constexpr (std::is_same_v<Float, double>) {
                value = parts.is_negative ? -exact : exact;
                return APUS_NUMBERS_OK;
            } else {
                // Rounding twice is right unless the double lies next to a tie of two floats.
                uint64_t bits;
                std::memcpy(&bits, &exact, 8);
                const uint64_t dropped = bits & 0x1fffffff;
                if (dropped - 0x0fffffff > 2 && exact > 1.2e-38 && exact < 3.4e38) {
                    const float rounded = static_cast<float>(exact);
                    value = parts.is_negative ? -rounded : rounded;
                    return APUS_NUMBERS_OK;
                }
            }
        }
    }
    const auto result = std::from_chars(
        reinterpret_cast<const char *>(start), reinterpret_cast<const char *>(next), value);
    if (result.ec == std::errc()) return APUS_NUMBERS_OK;
    return underflows_to_zero(start, next, parts.is_negative, value) ? APUS_NUMBERS_OK
                                                                      : APUS_NUMBERS_OUT_OF_RANGE;
}

/// Reads an integer; a fraction or an exponent makes it another kind.
template <typename Integer>
apus_numbers_status parse_integer(const uint8_t *&next, const uint8_t *end, Integer &value) {
    const uint8_t *start = next;
    bool is_negative = next < end && *next == '-';
    if (is_negative) ++next;
    if (next == end || !is_digit(*next)) {
        if (is_negative && (next == end || *next != 'I')) return APUS_NUMBERS_SYNTAX;
        next = start;
        return unexpected(next, end);
    }
    const uint8_t *first = next;
    uint64_t magnitude = 0;
    bool overflows = false;
    do {
        const uint64_t digit = *next - '0';
        if (next - first >= 19) {
            overflows |= magnitude > (std::numeric_limits<uint64_t>::max() - digit) / 10;
        }
        magnitude = magnitude * 10 + digit;
        ++next;
    } while (next < end && is_digit(*next));
    if (*first == '0' && next - first > 1) {
        next = first + 1;
        return APUS_NUMBERS_SYNTAX;
    }
    if (next < end && (*next == '.' || *next == 'e' || *next == 'E')) {
        next = start;
        Decimal parts;
        if (!scan_decimal(next, end, parts)) return APUS_NUMBERS_SYNTAX;
        next = start;
        return APUS_NUMBERS_NOT_OF_TYPE;
    }
    using Limits = std::numeric_limits<Integer>;
    uint64_t largest = static_cast<uint64_t>(Limits::max());
    if (is_negative) largest = std::is_signed_v<Integer> ? largest + 1 : 0;
    if (overflows || magnitude > largest) {
        next = start;
        return APUS_NUMBERS_OUT_OF_RANGE;
    }
    value = static_cast<Integer>(is_negative ? uint64_t(0) - magnitude : magnitude);
    return APUS_NUMBERS_OK;
}

}  // namespace apus
#endif
