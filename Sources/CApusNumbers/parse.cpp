// JSON numbers and arrays of them, text to memory.
#include "numbers.h"

namespace apus {
namespace {

/// One byte, 0 or 1, in memory; `true` or `false` in text.
struct Boolean {
    uint8_t byte;
};

template <typename Element>
apus_numbers_status parse_element(const uint8_t *&next, const uint8_t *end, Element &value) {
    if constexpr (std::is_same_v<Element, Boolean>) {
        if (take_word(next, end, "true", 4)) {
            value.byte = 1;
            return APUS_NUMBERS_OK;
        }
        if (take_word(next, end, "false", 5)) {
            value.byte = 0;
            return APUS_NUMBERS_OK;
        }
        return unexpected(next, end);
    } else if constexpr (std::is_floating_point_v<Element>) {
        return parse_float(next, end, value);
    } else {
        return parse_integer(next, end, value);
    }
}

template <typename Element>
apus_numbers_result parse_array(
    const uint8_t *text, size_t length, size_t offset, void *target, size_t count_expected) {
    const uint8_t *next = text + offset;
    const uint8_t *const end = text + length;
    auto *const elements = static_cast<unsigned char *>(target);
    size_t count = 0, depth = 0;
    bool may_close = false;
    const auto stop = [&](apus_numbers_status status, const uint8_t *at, const uint8_t *behind) {
        return apus_numbers_result{status, size_t(at - text), size_t(behind - text), count};
    };
    if (next >= end || *next != '[') return stop(unexpected(next, end), next, token_end(next, end));
    for (;;) {
        next = skip_space(next, end);
        if (next == end) return stop(APUS_NUMBERS_SYNTAX, next, next);
        if (*next == '[') {
            if (++depth > APUS_JSON_DEPTH_MAX) return stop(APUS_NUMBERS_TOO_DEEP, next, next);
            ++next;
            may_close = true;
            continue;
        }
        if (*next == ']' && may_close) {
            ++next;
            --depth;
        } else {
            const uint8_t *start = next;
            Element value;
            const apus_numbers_status status = parse_element(next, end, value);
            if (status == APUS_NUMBERS_SYNTAX) return stop(status, next, next);
            if (status != APUS_NUMBERS_OK) return stop(status, start, token_end(start, end));
            if (count < count_expected) {
                std::memcpy(elements + count * sizeof(Element), &value, sizeof(Element));
            }
            ++count;
        }
        // Behind a value: close arrays until a comma asks for the next one.
        for (;;) {
            if (depth == 0) {
                const bool fits = count == count_expected;
                return stop(fits ? APUS_NUMBERS_OK : APUS_NUMBERS_COUNT, next, next);
            }
            next = skip_space(next, end);
            if (next == end) return stop(APUS_NUMBERS_SYNTAX, next, next);
            if (*next == ',') {
                ++next;
                may_close = false;
                break;
            }
            if (*next != ']') return stop(APUS_NUMBERS_SYNTAX, next, next);
            ++next;
            --depth;
        }
    }
}

template <typename Element>
apus_numbers_result parse_one(
    const uint8_t *text, size_t length, size_t offset, Element *target) {
    const uint8_t *start = text + offset, *next = start, *end = text + length;
    const apus_numbers_status status = parse_element(next, end, *target);
    if (status == APUS_NUMBERS_OK || status == APUS_NUMBERS_SYNTAX) {
        const size_t at = next - text;
        return {status, at, at, status == APUS_NUMBERS_OK ? size_t(1) : 0};
    }
    return {status, offset, size_t(token_end(start, end) - text), 0};
}

}  // namespace
}  // namespace apus

extern "C" apus_numbers_result apus_parse_array(
    const uint8_t *text, size_t length, size_t offset, apus_element element, void *target,
    size_t count) {
    using namespace apus;
    switch (element) {
    case APUS_ELEMENT_BOOL: return parse_array<Boolean>(text, length, offset, target, count);
    case APUS_ELEMENT_INT8: return parse_array<int8_t>(text, length, offset, target, count);
    case APUS_ELEMENT_INT16: return parse_array<int16_t>(text, length, offset, target, count);
    case APUS_ELEMENT_INT32: return parse_array<int32_t>(text, length, offset, target, count);
    case APUS_ELEMENT_INT64: return parse_array<int64_t>(text, length, offset, target, count);
    case APUS_ELEMENT_UINT8: return parse_array<uint8_t>(text, length, offset, target, count);
    case APUS_ELEMENT_UINT16: return parse_array<uint16_t>(text, length, offset, target, count);
    case APUS_ELEMENT_UINT32: return parse_array<uint32_t>(text, length, offset, target, count);
    case APUS_ELEMENT_UINT64: return parse_array<uint64_t>(text, length, offset, target, count);
    case APUS_ELEMENT_FLOAT: return parse_array<float>(text, length, offset, target, count);
    case APUS_ELEMENT_DOUBLE: return parse_array<double>(text, length, offset, target, count);
    }
    return {APUS_NUMBERS_SYNTAX, offset, offset, 0};
}

extern "C" apus_numbers_result apus_parse_element(
    const uint8_t *text, size_t length, size_t offset, apus_element element, void *target) {
    using namespace apus;
    const auto parse = [&]<typename Element>(Element value) {
        const apus_numbers_result result = parse_one(text, length, offset, &value);
        if (result.status == APUS_NUMBERS_OK) std::memcpy(target, &value, sizeof value);
        return result;
    };
    switch (element) {
    case APUS_ELEMENT_BOOL: return parse(Boolean{});
    case APUS_ELEMENT_INT8: return parse(int8_t{});
    case APUS_ELEMENT_INT16: return parse(int16_t{});
    case APUS_ELEMENT_INT32: return parse(int32_t{});
    case APUS_ELEMENT_INT64: return parse(int64_t{});
    case APUS_ELEMENT_UINT8: return parse(uint8_t{});
    case APUS_ELEMENT_UINT16: return parse(uint16_t{});
    case APUS_ELEMENT_UINT32: return parse(uint32_t{});
    case APUS_ELEMENT_UINT64: return parse(uint64_t{});
    case APUS_ELEMENT_FLOAT: return parse(float{});
    case APUS_ELEMENT_DOUBLE: return parse(double{});
    }
    return {APUS_NUMBERS_SYNTAX, offset, offset, 0};
}

extern "C" apus_numbers_result apus_parse_double(
    const uint8_t *text, size_t length, size_t offset, double *target) {
    return apus::parse_one(text, length, offset, target);
}

extern "C" apus_numbers_result apus_parse_int64(
    const uint8_t *text, size_t length, size_t offset, int64_t *target) {
    return apus::parse_one(text, length, offset, target);
}

extern "C" apus_numbers_result apus_parse_uint64(
    const uint8_t *text, size_t length, size_t offset, uint64_t *target) {
    return apus::parse_one(text, length, offset, target);
}
