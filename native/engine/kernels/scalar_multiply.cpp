// The plain definition of every product: what the fast kernels must give. For any CPU, and slow.
#include "../gguf/dequantise.hpp"
#include "place.hpp"
#include "scalar_multiply.hpp"

#include <cstring>

namespace nexus::engine {
namespace {

template <class T> T element(const std::byte *at, size_t index) {
    T value;
    std::memcpy(&value, at + index * sizeof(T), sizeof value);
    return value;
}

float half(const std::byte *at, size_t row) { return f16_to_f32(element<uint16_t>(at, row)); }

// The sums of code * activation of the first and the last 16 columns, with the offset taken out.
struct Sums {
    int32_t first, last;
};

Sums group_sums(Format format, const std::byte *weights, size_t row, const int8_t *x, const ActivationGroup &a) {
    const auto *codes = reinterpret_cast<const uint8_t *>(weights);
    int32_t sums[2] = {0, 0};
    for (size_t column = 0; column < column_group; ++column) {
        sums[column / 16] += static_cast<int32_t>(code_at(format, codes, row, column)) * x[column];
    }
    const int32_t offset = format_traits[static_cast<size_t>(format)].offset;
    return {sums[0] + offset * a.minus_sum[0], sums[1] + offset * a.minus_sum[1]};
}

float group_product(Format format, const std::byte *weights, size_t group, size_t row, const int8_t *x,
                    const ActivationGroup &a) {
    const Place at = place(format, group);
    const Sums sums = group_sums(format, weights + at.codes, row, x, a);
    const float total = static_cast<float>(sums.first + sums.last);
    switch (format_traits[static_cast<size_t>(format)].scales) {
    case Scales::half: return total * half(weights + at.scale, row) * a.scale;
    case Scales::half_min:
        return total * half(weights + at.scale, row) * a.scale + half(weights + at.min, row) * a.scaled_sum;
    case Scales::nested: {
        const float step = half(weights + at.d, row) * static_cast<float>(element<uint8_t>(weights + at.scale, row));
        const float low = half(weights + at.dmin, row) * static_cast<float>(element<uint8_t>(weights + at.min, row));
        return total * step * a.scale - low * a.scaled_sum;
    }
    case Scales::nested16: {
        const float d = half(weights + at.d, row);
        const float first = d * static_cast<float>(element<int8_t>(weights + at.scale, row));
        const float last = d * static_cast<float>(element<int8_t>(weights + at.scale, row + row_group));
        return (static_cast<float>(sums.first) * first + static_cast<float>(sums.last) * last) * a.scale;
    }
    case Scales::block: return total * element<float>(weights + at.scale, row) * a.scale;
    case Scales::row:
    case Scales::plain: break;
    }
    return total * a.scale;
}

float product(Format format, const Tile &tile, size_t token, size_t row) {
    const size_t groups = tile.columns / column_group;
    const bool ternary = format == Format::t2_row;
    int32_t whole = 0;
    float sum = 0;
    for (size_t group = 0; group < groups; ++group) {
        const size_t at = group * tile.tokens + token;
        const int8_t *x = tile.codes + at * column_group;
        if (ternary && tile.per_token) {
            const Sums sums = group_sums(format, tile.weights + place(format, group).codes, row, x, tile.groups[at]);
            whole += sums.first + sums.last;
        } else {
            sum += group_product(format, tile.weights, group, row, x, tile.groups[at]);
        }
    }
    if (!ternary) {
        return sum;
    }
    return tile.per_token ? static_cast<float>(whole) * (tile.row_scales[row] * tile.token_scales[token])
                          : sum * tile.row_scales[row];
}

} // namespace

template <Format format> void scalar_multiply(const Tile &tile) noexcept {
    for (size_t token = 0; token < tile.tokens; ++token) {
        float *out = tile.out + token * tile.out_stride;
        for (size_t row = 0; row < tile.rows; ++row) {
            if constexpr (format == Format::f32_plain) {
                const float *x = tile.source + token * tile.source_stride;
                float sum = 0;
                for (size_t column = 0; column < tile.columns; ++column) {
                    sum += element<float>(tile.weights, column * row_group + row) * x[column];
                }
                out[row] = sum;
            } else {
                out[row] = product(format, tile, token, row);
            }
        }
    }
}

template void scalar_multiply<Format::q4_half>(const Tile &) noexcept;
template void scalar_multiply<Format::q4_half_min>(const Tile &) noexcept;
template void scalar_multiply<Format::q4_nested>(const Tile &) noexcept;
template void scalar_multiply<Format::q5_half>(const Tile &) noexcept;
template void scalar_multiply<Format::q5_half_min>(const Tile &) noexcept;
template void scalar_multiply<Format::q5_nested>(const Tile &) noexcept;
template void scalar_multiply<Format::q6_nested16>(const Tile &) noexcept;
template void scalar_multiply<Format::q8_half>(const Tile &) noexcept;
template void scalar_multiply<Format::t2_row>(const Tile &) noexcept;
template void scalar_multiply<Format::t2_block>(const Tile &) noexcept;
template void scalar_multiply<Format::f32_plain>(const Tile &) noexcept;

} // namespace nexus::engine
