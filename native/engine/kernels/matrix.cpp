#include "matrix.hpp"

#include <cstring>
#include <string>

#include "../error.hpp"
#include "../gguf/dequantise.hpp"
#include "place.hpp"

namespace nexus::engine {
namespace {

template <class T> T element(const std::byte *at, size_t index) {
    T value;
    std::memcpy(&value, at + index * sizeof(T), sizeof value);
    return value;
}

} // namespace

const char *packing_name(Packing packing) {
    switch (packing) {
    case Packing::f32: return "f32";
    case Packing::q8: return "q8";
    case Packing::q6: return "q6";
    case Packing::q5: return "q5";
    case Packing::q4: return "q4";
    case Packing::t2: return "t2";
    }
    return "unknown";
}

Packing Matrix::packing() const noexcept {
    switch (format_traits[static_cast<size_t>(format_)].bits) {
    case 2: return Packing::t2;
    case 4: return Packing::q4;
    case 5: return Packing::q5;
    case 6: return Packing::q6;
    case 8: return Packing::q8;
    default: return Packing::f32;
    }
}

const float *Matrix::row_scales(size_t index) const noexcept {
    return row_scales_ == nullptr ? nullptr : row_scales_.get() + index * row_group;
}

// Rounds each product and sum by itself, as dequantising the file does: the results are the same bits.
void Matrix::row(size_t r, float *out) const {
    if (r >= rows_) {
        throw LimitError("row " + std::to_string(r) + " of a matrix of " + std::to_string(rows_) + " rows");
    }
    const std::byte *group = row_group_data(r / row_group);
    const size_t lane = r % row_group;
    if (format_ == Format::f32_plain) {
        for (size_t column = 0; column < columns_; ++column) {
            out[column] = element<float>(group, column * row_group + lane);
        }
        return;
    }
    const FormatTraits &traits = format_traits[static_cast<size_t>(format_)];
    for (size_t part = 0; part < columns_ / column_group; ++part, out += column_group) {
        const Place at = place(format_, part);
        const auto *codes = reinterpret_cast<const uint8_t *>(group + at.codes);
        float steps[2] = {0, 0}, low = 0;
        switch (traits.scales) {
        case Scales::half_min:
            low = f16_to_f32(element<uint16_t>(group + at.min, lane));
            [[fallthrough]];
        case Scales::half: steps[0] = steps[1] = f16_to_f32(element<uint16_t>(group + at.scale, lane)); break;
        case Scales::nested:
            steps[0] = steps[1] = f16_to_f32(element<uint16_t>(group + at.d, lane)) *
                                  static_cast<float>(element<uint8_t>(group + at.scale, lane));
            low = -(f16_to_f32(element<uint16_t>(group + at.dmin, lane)) *
                    static_cast<float>(element<uint8_t>(group + at.min, lane)));
            break;
        case Scales::nested16:
            for (size_t half = 0; half < 2; ++half) {
                steps[half] = f16_to_f32(element<uint16_t>(group + at.d, lane)) *
                              static_cast<float>(element<int8_t>(group + at.scale + half * row_group, lane));
            }
            break;
        case Scales::row: steps[0] = steps[1] = row_scales_[r]; break;
        case Scales::block: steps[0] = steps[1] = element<float>(group + at.scale, lane); break;
        case Scales::plain: return;
        }
        for (size_t column = 0; column < column_group; ++column) {
            const int code = static_cast<int>(code_at(format_, codes, lane, column)) - traits.offset;
            out[column] = steps[column / 16] * static_cast<float>(code) + low;
        }
    }
}

} // namespace nexus::engine
