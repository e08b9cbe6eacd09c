// Numbers and arrays of them, memory to JSON text.
#include <cmath>

#include "numbers.h"

namespace apus {
namespace {

/// The longest texts: "-1.17549435e-38" and "-2.2250738585072014e-308" are the longest with an
/// exponent; whole numbers are never longer than those, and get ".0".
constexpr size_t float_text_max = 20, double_text_max = 30;

uint8_t *copy(uint8_t *target, const char *text, size_t length) {
    std::memcpy(target, text, length);
    return target + length;
}

template <typename Float>
uint8_t *print_float(Float value, uint8_t *target) {
    if (std::isnan(value)) return copy(target, "NaN", 3);
    if (std::isinf(value)) {
        return value < 0 ? copy(target, "-Infinity", 9) : copy(target, "Infinity", 8);
    }
    char *const start = reinterpret_cast<char *>(target);
    char *end = std::to_chars(start, start + double_text_max, value).ptr;
    if (value == std::trunc(value) && std::memchr(start, 'e', end - start) == nullptr) {
        *end++ = '.';
        *end++ = '0';
    }
    return reinterpret_cast<uint8_t *>(end);
}

template <typename Integer>
uint8_t *print_integer(Integer value, uint8_t *target) {
    char *const start = reinterpret_cast<char *>(target);
    return reinterpret_cast<uint8_t *>(std::to_chars(start, start + 20, value).ptr);
}

struct Boolean {
    uint8_t byte;
};

template <typename Element>
uint8_t *print_element(Element value, uint8_t *target) {
    if constexpr (std::is_same_v<Element, Boolean>) {
        return value.byte ? copy(target, "true", 4) : copy(target, "false", 5);
    } else if constexpr (std::is_floating_point_v<Element>) {
        return print_float(value, target);
    } else {
        return print_integer(value, target);
    }
}

template <typename Element>
size_t print_array(const void *source, size_t count, uint8_t *target) {
    const auto *elements = static_cast<const unsigned char *>(source);
    uint8_t *const start = target;
    for (size_t index = 0; index < count; ++index) {
        Element value;
        std::memcpy(&value, elements + index * sizeof(Element), sizeof(Element));
        if (index > 0) *target++ = ',';
        target = print_element(value, target);
    }
    return target - start;
}

}  // namespace
}  // namespace apus

extern "C" size_t apus_element_text_max(apus_element element) {
    switch (element) {
    case APUS_ELEMENT_BOOL: return 6;
    case APUS_ELEMENT_INT8: return 5;
    case APUS_ELEMENT_INT16: return 7;
    case APUS_ELEMENT_INT32: return 12;
    case APUS_ELEMENT_INT64: return 21;
    case APUS_ELEMENT_UINT8: return 4;
    case APUS_ELEMENT_UINT16: return 6;
    case APUS_ELEMENT_UINT32: return 11;
    case APUS_ELEMENT_UINT64: return 21;
    case APUS_ELEMENT_FLOAT: return apus::float_text_max;
    case APUS_ELEMENT_DOUBLE: return apus::double_text_max;
    }
    return apus::double_text_max;
}

extern "C" size_t apus_print_array(
    apus_element element, const void *source, size_t count, uint8_t *target) {
    using namespace apus;
    switch (element) {
    case APUS_ELEMENT_BOOL: return print_array<Boolean>(source, count, target);
    case APUS_ELEMENT_INT8: return print_array<int8_t>(source, count, target);
    case APUS_ELEMENT_INT16: return print_array<int16_t>(source, count, target);
    case APUS_ELEMENT_INT32: return print_array<int32_t>(source, count, target);
    case APUS_ELEMENT_INT64: return print_array<int64_t>(source, count, target);
    case APUS_ELEMENT_UINT8: return print_array<uint8_t>(source, count, target);
    case APUS_ELEMENT_UINT16: return print_array<uint16_t>(source, count, target);
    case APUS_ELEMENT_UINT32: return print_array<uint32_t>(source, count, target);
    case APUS_ELEMENT_UINT64: return print_array<uint64_t>(source, count, target);
    case APUS_ELEMENT_FLOAT: return print_array<float>(source, count, target);
    case APUS_ELEMENT_DOUBLE: return print_array<double>(source, count, target);
    }
    return 0;
}

extern "C" size_t apus_print_double(double value, uint8_t *target) {
    return apus::print_float(value, target) - target;
}

extern "C" size_t apus_print_int64(int64_t value, uint8_t *target) {
    return apus::print_integer(value, target) - target;
}

extern "C" size_t apus_print_uint64(uint64_t value, uint8_t *target) {
    return apus::print_integer(value, target) - target;
}

extern "C" size_t apus_print_fixed(double value, uint8_t *target) {
    if (!std::isfinite(value)) return apus_print_double(value, target);
    char *const start = reinterpret_cast<char *>(target);
    return std::to_chars(start, start + 352, value, std::chars_format::fixed, 6).ptr - start;
}
