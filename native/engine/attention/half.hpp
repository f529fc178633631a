// Half-precision numbers as 16 bits: the scales of pages and bounds.
//
// Plain C++ on bits, so that every machine gives the same numbers.
#pragma once

#include <bit>
#include <cstdint>

namespace nexus::engine {

/// The value of a half. Infinities and NaN never occur in what we write; they come out as large numbers.
inline float half_to_float(uint16_t half) {
    const float magnitude = std::bit_cast<float>(static_cast<uint32_t>(half & 0x7fffU) << 13) * 0x1p112F;
    return (half & 0x8000U) != 0 ? -magnitude : magnitude;
}

/// The nearest half, ties to even; beyond the range the largest half of that sign, NaN as 0.
inline uint16_t float_to_half(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000U);
    const float magnitude = std::bit_cast<float>(bits & 0x7fffffffU);
    if (!(magnitude == magnitude)) {
        return sign;
    }
    if (magnitude >= 65504.0F) {
        return static_cast<uint16_t>(sign | 0x7bffU);
    }
    if (magnitude < 0x1p-14F) { // subnormal: a fixed step of 2^-24, rounded by the addition
        const uint32_t steps = std::bit_cast<uint32_t>(magnitude + 0.5F) - std::bit_cast<uint32_t>(0.5F);
        return static_cast<uint16_t>(sign | steps);
    }
    const uint32_t raw = std::bit_cast<uint32_t>(magnitude) - (112U << 23);
    const uint32_t rounded = (raw + 0xfffU + (raw >> 13 & 1U)) >> 13;
    return static_cast<uint16_t>(sign | (rounded > 0x7bffU ? 0x7bffU : rounded));
}

} // namespace nexus::engine
