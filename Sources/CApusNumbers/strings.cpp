// JSON strings and whole values: checked, skipped, unescaped, printed.
#include "numbers.h"

namespace apus {
namespace {

/// Bytes of the well-formed UTF-8 sequence at `next`, which starts with a byte from 0x80 on; 0 if
/// it is malformed, overlong, a surrogate or beyond U+10FFFF.
size_t utf8_sequence_length(const uint8_t *next, const uint8_t *end) {
    const size_t room = end - next;
    const uint8_t first = next[0];
    const auto follows = [&](size_t index, uint8_t low, uint8_t high) {
        return index < room && next[index] >= low && next[index] <= high;
    };
    if (first >= 0xc2 && first <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const uint8_t low = first == 0xe0 ? 0xa0 : 0x80, high = first == 0xed ? 0x9f : 0xbf;
        return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const uint8_t low = first == 0xf0 ? 0x90 : 0x80, high = first == 0xf4 ? 0x8f : 0xbf;
        return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
    }
    return 0;
}

constexpr uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;

/// Whether one of eight bytes is a quote, a backslash, a control character or not ASCII.
bool is_special(uint64_t word) {
    const uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    const uint64_t zero_byte = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
    const uint64_t control = (word - ones * 0x20) & ~word;
    return ((zero_byte | control | word) & highs) != 0;
}

/// The value of four hexadecimal digits, or -1.
int32_t hexadecimal(const uint8_t *next, const uint8_t *end) {
    if (end - next < 4) return -1;
    int32_t value = 0;
    for (int index = 0; index < 4; ++index) {
        const uint8_t byte = next[index];
        const uint8_t letter = byte | 0x20;
        if (is_digit(byte)) value = value * 16 + (byte - '0');
        else if (letter >= 'a' && letter <= 'f') value = value * 16 + (letter - 'a' + 10);
        else return -1;
    }
    return value;
}

/// Moves over the escape whose backslash is at `next`; false if there is none such.
bool skip_escape(const uint8_t *&next, const uint8_t *end) {
    if (end - next < 2) return false;
    switch (next[1]) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        next += 2;
        return true;
    case 'u': {
        const int32_t unit = hexadecimal(next + 2, end);
        if (unit < 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return false;
        if (unit < 0xd800 || unit > 0xdbff) {
            next += 6;
            return true;
        }
        if (end - next < 12 || next[6] != '\\' || next[7] != 'u') return false;
        const int32_t second = hexadecimal(next + 8, end);
        if (second < 0xdc00 || second > 0xdfff) return false;
        next += 12;
        return true;
    }
    default:
        return false;
    }
}

apus_numbers_status scan_string(const uint8_t *&next, const uint8_t *end, bool &has_escapes) {
    has_escapes = false;
    for (;;) {
        while (end - next >= 8) {
            uint64_t word;
            std::memcpy(&word, next, 8);
            if (is_special(word)) break;
            next += 8;
        }
        if (next == end) return APUS_NUMBERS_SYNTAX;
        const uint8_t byte = *next;
        if (byte == '"') {
            ++next;
            return APUS_NUMBERS_OK;
        }
        if (byte == '\\') {
            has_escapes = true;
            if (!skip_escape(next, end)) return APUS_NUMBERS_ESCAPE;
        } else if (byte < 0x20) {
            return APUS_NUMBERS_CONTROL_CHARACTER;
        } else if (byte >= 0x80) {
            const size_t length = utf8_sequence_length(next, end);
            if (length == 0) return APUS_NUMBERS_UTF8;
            next += length;
        } else {
            ++next;
        }
    }
}

uint8_t *write_utf8(uint32_t scalar, uint8_t *target) {
    if (scalar < 0x80) {
        *target++ = uint8_t(scalar);
    } else if (scalar < 0x800) {
        *target++ = uint8_t(0xc0 | scalar >> 6);
        *target++ = uint8_t(0x80 | (scalar & 0x3f));
    } else if (scalar < 0x10000) {
        *target++ = uint8_t(0xe0 | scalar >> 12);
        *target++ = uint8_t(0x80 | (scalar >> 6 & 0x3f));
        *target++ = uint8_t(0x80 | (scalar & 0x3f));
    } else {
        *target++ = uint8_t(0xf0 | scalar >> 18);
        *target++ = uint8_t(0x80 | (scalar >> 12 & 0x3f));
        *target++ = uint8_t(0x80 | (scalar >> 6 & 0x3f));
        *target++ = uint8_t(0x80 | (scalar & 0x3f));
    }
    return target;
}

/// Moves over a value that is no container.
apus_numbers_status skip_scalar(const uint8_t *&next, const uint8_t *end) {
    bool has_escapes;
    switch (*next) {
    case '"': return scan_string(++next, end, has_escapes);
    case 't': return take_word(next, end, "true", 4) ? APUS_NUMBERS_OK : APUS_NUMBERS_SYNTAX;
    case 'f': return take_word(next, end, "false", 5) ? APUS_NUMBERS_OK : APUS_NUMBERS_SYNTAX;
    case 'n': return take_word(next, end, "null", 4) ? APUS_NUMBERS_OK : APUS_NUMBERS_SYNTAX;
    default: break;
    }
    const uint8_t *word = next + (*next == '-' ? 1 : 0);
    if (take_word(word, end, "Infinity", 8) || (word == next && take_word(word, end, "NaN", 3))) {
        next = word;
        return APUS_NUMBERS_OK;
    }
    Decimal parts;
    return scan_decimal(next, end, parts) ? APUS_NUMBERS_OK : APUS_NUMBERS_SYNTAX;
}

/// Moves over a member's name and its colon.
apus_numbers_status skip_name(const uint8_t *&next, const uint8_t *end) {
    bool has_escapes;
    if (next == end || *next != '"') return APUS_NUMBERS_SYNTAX;
    const apus_numbers_status status = scan_string(++next, end, has_escapes);
    if (status != APUS_NUMBERS_OK) return status;
    next = skip_space(next, end);
    if (next == end || *next != ':') return APUS_NUMBERS_SYNTAX;
    ++next;
    return APUS_NUMBERS_OK;
}

/// The kinds of the containers that are open, innermost last.
struct Containers {
    size_t depth_before = 0;
    size_t count = 0;
    bool is_object[APUS_JSON_DEPTH_MAX + 1];

    bool is_empty() const { return count == 0; }
    bool is_inside_object() const { return is_object[count - 1]; }
    bool open(bool object) {
        if (depth_before + count >= APUS_JSON_DEPTH_MAX) return false;
        is_object[count++] = object;
        return true;
    }
};

apus_numbers_status skip_value(const uint8_t *&next, const uint8_t *end, size_t depth) {
    Containers containers;
    containers.depth_before = depth;
    bool may_close = false;
    for (;;) {
        next = skip_space(next, end);
        if (next == end) return APUS_NUMBERS_SYNTAX;
        const bool closes = may_close && *next == (containers.is_inside_object() ? '}' : ']');
        if (closes) {
            ++next;
            --containers.count;
        } else {
            if (!containers.is_empty() && containers.is_inside_object()) {
                const apus_numbers_status status = skip_name(next, end);
                if (status != APUS_NUMBERS_OK) return status;
                next = skip_space(next, end);
                if (next == end) return APUS_NUMBERS_SYNTAX;
            }
            if (*next == '{' || *next == '[') {
                if (!containers.open(*next == '{')) return APUS_NUMBERS_TOO_DEEP;
                ++next;
                may_close = true;
                continue;
            }
            const apus_numbers_status status = skip_scalar(next, end);
            if (status != APUS_NUMBERS_OK) return status;
        }
        for (;;) {
            if (containers.is_empty()) return APUS_NUMBERS_OK;
            next = skip_space(next, end);
            if (next == end) return APUS_NUMBERS_SYNTAX;
            if (*next == ',') {
                ++next;
                may_close = false;
                break;
            }
            if (*next != (containers.is_inside_object() ? '}' : ']')) return APUS_NUMBERS_SYNTAX;
            ++next;
            --containers.count;
        }
    }
}

}  // namespace
}  // namespace apus

extern "C" apus_numbers_result apus_skip_value(
    const uint8_t *text, size_t length, size_t offset, size_t depth) {
    const uint8_t *next = text + offset;
    const apus_numbers_status status = apus::skip_value(next, text + length, depth);
    const size_t at = next - text;
    return {status, at, at, 0};
}

extern "C" apus_numbers_result apus_scan_string(
    const uint8_t *text, size_t length, size_t offset, bool *has_escapes) {
    const uint8_t *next = text + offset;
    const apus_numbers_status status = apus::scan_string(next, text + length, *has_escapes);
    const size_t at = next - text;
    return {status, at, at, 0};
}

extern "C" size_t apus_unescape(const uint8_t *text, size_t length, uint8_t *target) {
    using namespace apus;
    uint8_t *const start = target;
    const uint8_t *next = text, *const end = text + length;
    while (next < end) {
        if (*next != '\\' || end - next < 2) {
            *target++ = *next++;
            continue;
        }
        const uint8_t kind = next[1];
        next += 2;
        switch (kind) {
        case 'b': *target++ = '\b'; break;
        case 'f': *target++ = '\f'; break;
        case 'n': *target++ = '\n'; break;
        case 'r': *target++ = '\r'; break;
        case 't': *target++ = '\t'; break;
        case 'u': {
            const int32_t unit = hexadecimal(next, end);
            if (unit < 0) break;
            next += 4;
            uint32_t scalar = uint32_t(unit);
            if (unit >= 0xd800 && unit <= 0xdbff && end - next >= 6) {
                const int32_t second = hexadecimal(next + 2, end);
                next += 6;
                scalar = 0x10000 + ((scalar - 0xd800) << 10) + (uint32_t(second) - 0xdc00);
            }
            target = write_utf8(scalar, target);
            break;
        }
        default: *target++ = kind; break;
        }
    }
    return target - start;
}

extern "C" bool apus_is_utf8(const uint8_t *text, size_t length) {
    const uint8_t *next = text, *const end = text + length;
    while (next < end) {
        if (end - next >= 8) {
            uint64_t word;
            std::memcpy(&word, next, 8);
            if ((word & apus::highs) == 0) {
                next += 8;
                continue;
            }
        }
        if (*next < 0x80) {
            ++next;
            continue;
        }
        const size_t sequence = apus::utf8_sequence_length(next, end);
        if (sequence == 0) return false;
        next += sequence;
    }
    return true;
}

namespace {

/// The letter behind the backslash of a short escape; 0 if the byte has none.
uint8_t short_escape(uint8_t byte) {
    switch (byte) {
    case '"': case '\\': return byte;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return 0;
    }
}

}  // namespace

extern "C" size_t apus_printed_string_length(const uint8_t *text, size_t length) {
    size_t printed = length + 2;
    for (size_t index = 0; index < length; ++index) {
        const uint8_t byte = text[index];
        if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
        printed += short_escape(byte) ? 1 : 5;
    }
    return printed;
}

extern "C" size_t apus_print_string(const uint8_t *text, size_t length, uint8_t *target) {
    uint8_t *const start = target;
    *target++ = '"';
    for (size_t index = 0; index < length; ++index) {
        const uint8_t byte = text[index];
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            *target++ = byte;
            continue;
        }
        *target++ = '\\';
        if (const uint8_t letter = short_escape(byte)) {
            *target++ = letter;
        } else {
            const char digits[] = "0123456789abcdef";
            *target++ = 'u';
            *target++ = '0';
            *target++ = '0';
            *target++ = digits[byte >> 4];
            *target++ = digits[byte & 15];
        }
    }
    *target++ = '"';
    return target - start;
}
