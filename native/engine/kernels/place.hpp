// Offsets in a row group, as layout.hpp lays it out, for code that is not in a hurry: packing, reading
// back, the plain kernels. The fast kernels walk the same layout with steps of their own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "layout.hpp"

namespace nexus::engine {

/// Bytes of the codes of 32 columns.
constexpr size_t code_bytes(Format format) { return size_t{64} * format_traits[static_cast<size_t>(format)].bits; }

/// Where the parts of 32 columns of a row group begin. What a format does not have is 0.
struct Place {
    size_t scale = 0; ///< half, half_min: f16; nested: u8; nested16: 2 x i8; block: f32
    size_t min = 0;   ///< half_min: f16; nested: u8
    size_t d = 0;     ///< nested, nested16: f16
    size_t dmin = 0;  ///< nested: f16
    size_t codes = 0;
};

constexpr Place place(Format format, size_t group) {
    const size_t codes = code_bytes(format), eighth = group % 8, block = group / 8;
    switch (format_traits[static_cast<size_t>(format)].scales) {
    case Scales::half: {
        const size_t pair = group / 2 * (64 + 2 * codes), second = group % 2;
        return {.scale = pair + second * 32, .codes = pair + 64 + second * codes};
    }
    case Scales::half_min: {
        const size_t base = group * (64 + codes);
        return {.scale = base, .min = base + 32, .codes = base + 64};
    }
    case Scales::nested: {
        const size_t base = block * (320 + 8 * codes);
        return {.scale = base + 64 + eighth * 32,
                .min = base + 80 + eighth * 32,
                .d = base,
                .dmin = base + 32,
                .codes = base + 320 + eighth * codes};
    }
    case Scales::nested16: {
        const size_t pair = block / 2 * (64 + 2 * (256 + 8 * codes)), second = block % 2;
        const size_t body = pair + 64 + second * (256 + 8 * codes);
        return {.scale = body + eighth * 32, .d = pair + second * 32, .codes = body + 256 + eighth * codes};
    }
    case Scales::block: {
        const size_t base = block * (64 + 8 * codes);
        return {.scale = base, .codes = base + 64 + eighth * codes};
    }
    case Scales::row: return {.codes = group * codes};
    case Scales::plain: return {.codes = group * column_group * row_group * sizeof(float)};
    }
    return {};
}

/// Bytes of a whole row group, a multiple of 64.
constexpr size_t row_group_size(Format format, size_t columns) {
    if (format == Format::f32_plain) {
        return columns * row_group * sizeof(float);
    }
    return place(format, columns / column_group - 1).codes + code_bytes(format);
}

/// The code of one weight. `codes`: those of its 32 columns.
constexpr unsigned code_at(Format format, const uint8_t *codes, size_t row, size_t column) {
    const size_t unit = column / 4, byte = row * 4 + column % 4;
    const uint8_t bits = format_traits[static_cast<size_t>(format)].bits;
    if (bits == 8) {
        return codes[unit * 64 + byte];
    }
    if (bits == 2) {
        return codes[unit / 4 * 64 + byte] >> (unit % 4 * 2) & 3U;
    }
    const unsigned low = codes[unit / 2 * 64 + byte] >> (unit % 2 * 4) & 15U;
    if (bits == 5) {
        return low | (codes[256 + byte] >> unit & 1U) << 4U;
    }
    if (bits == 6) {
        return low | (codes[256 + unit / 4 * 64 + byte] >> (unit % 4 * 2) & 3U) << 4U;
    }
    return low;
}

} // namespace nexus::engine
