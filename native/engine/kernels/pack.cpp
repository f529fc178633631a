// Matrix::pack: blocks of a file to row groups. Codes and scales are moved, never recomputed.
#include <array>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "../error.hpp"
#include "../gguf/dequantise.hpp"
#include "matrix.hpp"
#include "memory.hpp"
#include "place.hpp"

namespace nexus::engine {
namespace {

static_assert(std::endian::native == std::endian::little, "packed codes are written as little-endian words");

// The weights of one block of a file: unsigned codes in the order of the columns, and the scales.
struct Block {
    std::array<uint8_t, 256> codes;
    uint16_t d = 0, min = 0; // f16
    std::array<uint8_t, 16> scales{};
    std::array<uint8_t, 8> mins{};
};

uint16_t half_bits(const uint8_t *at) { return static_cast<uint16_t>(at[0] | at[1] << 8); }

void nibbles(const uint8_t *packed, uint8_t *codes, size_t count) {
    for (size_t i = 0; i < count; ++i) {
        codes[i] = packed[i] & 15U;
        codes[i + count] = packed[i] >> 4U;
    }
}

void fifth_bits(const uint8_t *packed, uint8_t *codes) {
    for (size_t i = 0; i < 32; ++i) {
        codes[i] = static_cast<uint8_t>(codes[i] | (packed[i / 8] >> (i % 8) & 1U) << 4U);
    }
}

void six_bit_scales(const uint8_t *packed, Block &block) {
    for (size_t i = 0; i < 4; ++i) {
        block.scales[i] = packed[i] & 63U;
        block.mins[i] = packed[i + 4] & 63U;
        block.scales[i + 4] = static_cast<uint8_t>((packed[i + 8] & 15U) | packed[i] >> 6U << 4U);
        block.mins[i + 4] = static_cast<uint8_t>(packed[i + 8] >> 4U | packed[i + 4] >> 6U << 4U);
    }
}

void unpack_q45_k(const uint8_t *at, bool five, Block &block) {
    block.d = half_bits(at);
    block.min = half_bits(at + 2);
    six_bit_scales(at + 4, block);
    const uint8_t *packed = at + (five ? 48 : 16);
    for (size_t i = 0; i < 4; ++i) {
        nibbles(packed + i * 32, &block.codes[i * 64], 32);
    }
    for (size_t i = 0; five && i < 256; ++i) {
        block.codes[i] = static_cast<uint8_t>(block.codes[i] | (at[16 + i % 32] >> (i / 32) & 1U) << 4U);
    }
}

void unpack_q6_k(const uint8_t *at, Block &block) {
    block.d = half_bits(at + 208);
    std::memcpy(block.scales.data(), at + 192, 16);
    for (size_t half = 0; half < 2; ++half) {
        uint8_t *codes = &block.codes[half * 128];
        const uint8_t *high = at + 128 + half * 32;
        nibbles(at + half * 64, codes, 64);
        for (size_t quarter = 0; quarter < 4; ++quarter) {
            for (size_t i = 0; i < 32; ++i) {
                const unsigned pair = high[i] >> (2 * quarter) & 3U;
                codes[quarter * 32 + i] = static_cast<uint8_t>(codes[quarter * 32 + i] | pair << 4U);
            }
        }
    }
}

void trits(const uint8_t *packed, size_t count, size_t digits, uint8_t *codes) {
    unsigned power = 1;
    for (size_t digit = 0; digit < digits; ++digit, power *= 3) {
        for (size_t i = 0; i < count; ++i) {
            const auto shifted = static_cast<uint8_t>(packed[i] * power);
            codes[digit * count + i] = static_cast<uint8_t>(shifted * 3U >> 8U);
        }
    }
}

void two_bits(const uint8_t *packed, bool highest_first, uint8_t *codes) {
    for (size_t quarter = 0; quarter < 4; ++quarter) {
        const size_t shift = 2 * (highest_first ? 3 - quarter : quarter);
        for (size_t i = 0; i < 32; ++i) {
            codes[quarter * 32 + i] = packed[i] >> shift & 3U;
        }
    }
}

void unpack(TensorType type, const uint8_t *at, Block &block) {
    switch (type) {
    case TensorType::q4_0:
        block.d = half_bits(at);
        return nibbles(at + 2, block.codes.data(), 16);
    case TensorType::q4_1:
        block.d = half_bits(at);
        block.min = half_bits(at + 2);
        return nibbles(at + 4, block.codes.data(), 16);
    case TensorType::q5_0:
        block.d = half_bits(at);
        nibbles(at + 6, block.codes.data(), 16);
        return fifth_bits(at + 2, block.codes.data());
    case TensorType::q5_1:
        block.d = half_bits(at);
        block.min = half_bits(at + 2);
        nibbles(at + 8, block.codes.data(), 16);
        return fifth_bits(at + 4, block.codes.data());
    case TensorType::q8_0:
        block.d = half_bits(at);
        for (size_t i = 0; i < 32; ++i) {
            block.codes[i] = static_cast<uint8_t>(at[2 + i] ^ 0x80U); // int8 + 128
        }
        return;
    case TensorType::q4_k: return unpack_q45_k(at, false, block);
    case TensorType::q5_k: return unpack_q45_k(at, true, block);
    case TensorType::q6_k: return unpack_q6_k(at, block);
    case TensorType::tq1_0:
        block.d = half_bits(at + 52);
        trits(at, 32, 5, block.codes.data());
        trits(at + 32, 16, 5, &block.codes[160]);
        return trits(at + 48, 4, 4, &block.codes[240]);
    case TensorType::tq2_0:
        block.d = half_bits(at + 64);
        two_bits(at, false, block.codes.data());
        return two_bits(at + 32, false, &block.codes[128]);
    case TensorType::i2_s: return two_bits(at, true, block.codes.data());
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16: return;
    }
}

uint32_t word(const uint8_t *codes) {
    uint32_t out;
    std::memcpy(&out, codes, sizeof out);
    return out;
}

// The codes of 32 columns of one row into their places among those of the row group.
void put_codes(uint8_t bits, const uint8_t *codes, size_t row, std::byte *out) {
    std::byte *at = out + row * 4;
    const auto put = [at](size_t offset, uint32_t value) { std::memcpy(at + offset, &value, sizeof value); };
    if (bits == 8) {
        for (size_t unit = 0; unit < 8; ++unit) {
            put(unit * 64, word(codes + unit * 4));
        }
        return;
    }
    if (bits == 2) {
        for (size_t half = 0; half < 2; ++half, codes += 16) {
            put(half * 64, word(codes) | word(codes + 4) << 2U | word(codes + 8) << 4U | word(codes + 12) << 6U);
        }
        return;
    }
    constexpr uint32_t low = 0x0f0f0f0fU, one = 0x01010101U, two = 0x03030303U;
    for (size_t quarter = 0; quarter < 4; ++quarter) {
        put(quarter * 64, (word(codes + quarter * 8) & low) | (word(codes + quarter * 8 + 4) & low) << 4U);
    }
    if (bits == 5) {
        uint32_t plane = 0;
        for (unsigned unit = 0; unit < 8; ++unit) {
            plane |= (word(codes + unit * 4) >> 4U & one) << unit;
        }
        put(256, plane);
    } else if (bits == 6) {
        for (size_t half = 0; half < 2; ++half) {
            uint32_t plane = 0;
            for (unsigned unit = 0; unit < 4; ++unit) {
                plane |= (word(codes + half * 16 + unit * 4) >> 4U & two) << 2 * unit;
            }
            put(256 + half * 64, plane);
        }
    }
}

template <class T> void put_scale(std::byte *group, size_t offset, size_t row, T value) {
    std::memcpy(group + offset + row * sizeof(T), &value, sizeof value);
}

bool finite_half(uint16_t half) { return (half >> 10U & 31U) != 31U; }

// One block of a file into one row of a row group, from column group `first`. False: a scale is not finite.
bool put_block(Format format, const Block &block, size_t width, size_t first, size_t row, std::byte *group) {
    const FormatTraits &traits = format_traits[static_cast<size_t>(format)];
    for (size_t part = 0; part < width / column_group; ++part) {
        const Place at = place(format, first + part);
        put_codes(traits.bits, &block.codes[part * column_group], row, group + at.codes);
        switch (traits.scales) {
        case Scales::half: put_scale(group, at.scale, row, block.d); break;
        case Scales::half_min:
            put_scale(group, at.scale, row, block.d);
            put_scale(group, at.min, row, block.min);
            break;
        case Scales::nested:
            put_scale(group, at.d, row, block.d);
            put_scale(group, at.dmin, row, block.min);
            put_scale(group, at.scale, row, block.scales[part]);
            put_scale(group, at.min, row, block.mins[part]);
            break;
        case Scales::nested16:
            put_scale(group, at.d, row, block.d);
            put_scale(group, at.scale, row, block.scales[2 * part]);
            put_scale(group, at.scale + row_group, row, block.scales[2 * part + 1]);
            break;
        case Scales::block: put_scale(group, at.scale, row, f16_to_f32(block.d)); break;
        case Scales::row:
        case Scales::plain: break;
        }
    }
    return finite_half(block.d) && finite_half(block.min);
}

// The one scale of a row of a TQ type; nothing where blocks have different ones. A block of zeros only may
// have any scale.
bool one_scale(TensorType type, const std::byte *row, size_t columns, float &scale) {
    const size_t bytes = block_bytes(type);
    const auto *at = reinterpret_cast<const uint8_t *>(row);
    bool found = false;
    uint16_t half = 0;
    for (size_t block = 0; block < columns / 256; ++block, at += bytes) {
        Block unpacked;
        unpack(type, at, unpacked);
        bool zeros = true;
        for (const uint8_t code : unpacked.codes) {
            zeros = zeros && code == 1;
        }
        if (zeros && finite_half(unpacked.d)) {
            continue;
        }
        if (found && unpacked.d != half) {
            return false;
        }
        found = true;
        half = unpacked.d;
    }
    scale = f16_to_f32(half);
    return true;
}

Format format_of(TensorType type) {
    switch (type) {
    case TensorType::q4_0: return Format::q4_half;
    case TensorType::q4_1: return Format::q4_half_min;
    case TensorType::q4_k: return Format::q4_nested;
    case TensorType::q5_0: return Format::q5_half;
    case TensorType::q5_1: return Format::q5_half_min;
    case TensorType::q5_k: return Format::q5_nested;
    case TensorType::q6_k: return Format::q6_nested16;
    case TensorType::q8_0: return Format::q8_half;
    case TensorType::tq1_0:
    case TensorType::tq2_0:
    case TensorType::i2_s: return Format::t2_row;
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16: return Format::f32_plain;
    }
    return Format::f32_plain;
}

void check(const Tensor &tensor) {
    const std::string shape = std::to_string(tensor.rows()) + " x " + std::to_string(tensor.columns());
    const size_t block = block_elements(tensor.type);
    if (tensor.columns() % block != 0) {
        throw UnsupportedError(tensor.name + " is " + shape + ": rows of " + type_name(tensor.type) +
                               " are a multiple of " + std::to_string(block) + " long; convert the model again");
    }
    const size_t wanted = tensor.rows() * (tensor.columns() / block) * block_bytes(tensor.type) +
                          (tensor.type == TensorType::i2_s ? i2_s_trailer : 0);
    if (tensor.bytes < wanted) {
        throw FormatError(tensor.name + " is " + shape + " in " + std::to_string(tensor.bytes) +
                          " bytes, but needs " + std::to_string(wanted) + "; download the model again");
    }
}

} // namespace

Matrix Matrix::pack(const Tensor &tensor, Pool &pool) {
    check(tensor);
    const TensorType type = tensor.type;
    Matrix out;
    out.rows_ = tensor.rows();
    out.columns_ = tensor.columns();
    out.format_ = format_of(type);
    const size_t width = block_elements(type), block_size = block_bytes(type), groups = out.row_groups();
    const size_t row_bytes = out.columns_ / width * block_size;

    if (out.format_ == Format::t2_row) {
        const std::shared_ptr<float[]> scales(new float[groups * row_group]());
        std::atomic<bool> uniform{true};
        const float whole = tensor_scale(tensor);
        pool.run(out.rows_, [&](size_t row, unsigned) noexcept {
            float scale = whole;
            if (type != TensorType::i2_s && !one_scale(type, tensor.data + row * row_bytes, out.columns_, scale)) {
                uniform.store(false, std::memory_order_relaxed);
            }
            scales[row] = scale;
        });
        if (uniform.load()) {
            out.row_scales_ = scales;
        } else {
            out.format_ = Format::t2_block;
        }
    }
    out.stride_ = row_group_size(out.format_, out.columns_);
    out.bytes_ = out.stride_ * groups;
    const std::shared_ptr<std::byte> data = huge_memory(out.bytes_);
    std::atomic<bool> finite{true};
    pool.run(groups, [&](size_t group, unsigned) noexcept {
        std::byte *at = data.get() + group * out.stride_;
        for (size_t row = 0; row < row_group && group * row_group + row < out.rows_; ++row) {
            const std::byte *source = tensor.data + (group * row_group + row) * row_bytes;
            for (size_t block = 0; block < out.columns_ / width; ++block, source += block_size) {
                if (out.format_ == Format::f32_plain) {
                    float weight;
                    dequantise(type, source, 1, &weight);
                    put_scale(at, block * 64, row, weight);
                    continue;
                }
                Block unpacked;
                unpack(type, reinterpret_cast<const uint8_t *>(source), unpacked);
                if (!put_block(out.format_, unpacked, width, block * width / column_group, row, at)) {
                    finite.store(false, std::memory_order_relaxed);
                }
            }
        }
    });
    if (!finite.load()) {
        throw FormatError(tensor.name + " has a scale that is not a finite number; download the model again");
    }
    out.data_ = data;
    return out;
}

} // namespace nexus::engine
