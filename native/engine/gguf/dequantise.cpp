#include "dequantise.hpp"

#include <cmath>
#include <cstring>
#include <string>

#include "../error.hpp"
#include "header_reader.hpp"

namespace nexus::engine {

namespace {

using Byte = unsigned char;

float half_at(const Byte *p) { return f16_to_f32(static_cast<uint16_t>(p[0] | p[1] << 8)); }

float float_at(const Byte *p) {
    float value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

// --- blocks of 32 -----------------------------------------------------------------------------
// Nibble j of a 4-bit block is weight j (low) and weight j + 16 (high). A fifth bit is bit j of a
// little-endian word of 32.

void q4_0(const Byte *b, float *out) { // scale, 16 bytes
    const float d = half_at(b);
    for (int j = 0; j < 16; ++j) {
        out[j] = d * static_cast<float>((b[2 + j] & 15) - 8);
        out[j + 16] = d * static_cast<float>((b[2 + j] >> 4) - 8);
    }
}

void q4_1(const Byte *b, float *out) { // scale, minimum, 16 bytes
    const float d = half_at(b), m = half_at(b + 2);
    for (int j = 0; j < 16; ++j) {
        out[j] = d * static_cast<float>(b[4 + j] & 15) + m;
        out[j + 16] = d * static_cast<float>(b[4 + j] >> 4) + m;
    }
}

int fifth_bit(const Byte *word, int j) { return (word[j / 8] >> (j % 8) & 1) << 4; }

void q5_0(const Byte *b, float *out) { // scale, 4 bytes of fifth bits, 16 bytes
    const float d = half_at(b);
    for (int j = 0; j < 16; ++j) {
        out[j] = d * static_cast<float>(((b[6 + j] & 15) | fifth_bit(b + 2, j)) - 16);
        out[j + 16] = d * static_cast<float>(((b[6 + j] >> 4) | fifth_bit(b + 2, j + 16)) - 16);
    }
}

void q5_1(const Byte *b, float *out) { // scale, minimum, 4 bytes of fifth bits, 16 bytes
    const float d = half_at(b), m = half_at(b + 2);
    for (int j = 0; j < 16; ++j) {
        out[j] = d * static_cast<float>((b[8 + j] & 15) | fifth_bit(b + 4, j)) + m;
        out[j + 16] = d * static_cast<float>((b[8 + j] >> 4) | fifth_bit(b + 4, j + 16)) + m;
    }
}

void q8_0(const Byte *b, float *out) { // scale, 32 signed bytes
    const float d = half_at(b);
    for (int j = 0; j < 32; ++j)
        out[j] = static_cast<float>(static_cast<int8_t>(b[2 + j])) * d;
}

// --- blocks of 256 ----------------------------------------------------------------------------

/// Scale and minimum (6 bits each) of group `g` of 8, from the 12 bytes that hold all of them: the
/// first four groups in the low six bits of bytes 0-3 and 4-7; of the others four bits each in
/// bytes 8-11 and two in the top of bytes 0-7.
void group_scale(const Byte *packed, int g, int &scale, int &minimum) {
    if (g < 4) {
        scale = packed[g] & 63;
        minimum = packed[g + 4] & 63;
    } else {
        scale = (packed[g + 4] & 15) | (packed[g - 4] >> 6 << 4);
        minimum = (packed[g + 4] >> 4) | (packed[g] >> 6 << 4);
    }
}

/// Q4_K: scale, minimum, 12 bytes of group scales, 128 bytes; Q5_K: 32 bytes of fifth bits before
/// those. A group is 32 weights; byte j of a run of 32 holds weight j of two neighbouring groups.
void q45_k(const Byte *b, bool five, float *out) {
    const float d = half_at(b), m = half_at(b + 2);
    const Byte *fifth = b + 16;
    const Byte *nibbles = five ? b + 48 : b + 16;
    for (int g = 0; g < 8; ++g) {
        int scale, minimum;
        group_scale(b + 4, g, scale, minimum);
        const float step = d * static_cast<float>(scale);
        const float low = m * static_cast<float>(minimum);
        for (int j = 0; j < 32; ++j) {
            int code = nibbles[g / 2 * 32 + j] >> (g % 2 * 4) & 15;
            if (five)
                code |= (fifth[j] >> g & 1) << 4;
            out[g * 32 + j] = step * static_cast<float>(code) - low;
        }
    }
}

/// Q6_K: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales, scale. Each half
/// of 128 weights: nibbles in 64 bytes (low nibbles first), pairs in 32 bytes, 16 weights a scale.
void q6_k(const Byte *b, float *out) {
    const float d = half_at(b + 208);
    for (int i = 0; i < 256; ++i) {
        const int half = i / 128, in_half = i % 128, quarter = in_half / 32;
        const int low = b[half * 64 + in_half % 64] >> (in_half / 64 * 4) & 15;
        const int high = b[128 + half * 32 + in_half % 32] >> (quarter * 2) & 3;
        const float step = d * static_cast<float>(static_cast<int8_t>(b[192 + i / 16]));
        out[i] = step * static_cast<float>((low | high << 4) - 32);
    }
}

/// Digit `power` (1, 3, 9, 27 or 81 for the first to the fifth) of a byte that holds five base-3
/// digits as a fraction of 256: multiplied by 3 after the digits before were shifted out.
float trit(Byte packed, unsigned power) {
    const auto shifted = static_cast<Byte>(packed * power);
    return static_cast<float>(static_cast<int>(shifted * 3u >> 8) - 1);
}

/// TQ1_0: 48 bytes of five weights, 4 bytes of four, scale. The first 32 bytes hold weights j,
/// j + 32 ... j + 128, the next 16 hold 160 + j, 176 + j ..., the last four 240 + j, 244 + j ...
void tq1_0(const Byte *b, float *out) {
    constexpr unsigned powers[] = {1, 3, 9, 27, 81};
    const float d = half_at(b + 52);
    for (int digit = 0; digit < 5; ++digit) {
        for (int j = 0; j < 32; ++j)
            out[digit * 32 + j] = d * trit(b[j], powers[digit]);
        for (int j = 0; j < 16; ++j)
            out[160 + digit * 16 + j] = d * trit(b[32 + j], powers[digit]);
    }
    for (int digit = 0; digit < 4; ++digit)
        for (int j = 0; j < 4; ++j)
            out[240 + digit * 4 + j] = d * trit(b[48 + j], powers[digit]);
}

/// TQ2_0: 64 bytes, scale. Byte j of a run of 32 holds weights j, j + 32, j + 64, j + 96 from its
/// lowest bits up.
void tq2_0(const Byte *b, float *out) {
    const float d = half_at(b + 64);
    for (int i = 0; i < 256; ++i) {
        const int code = b[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
        out[i] = d * static_cast<float>(code - 1);
    }
}

/// I2_S: 32 bytes for 128 weights; byte j holds weights j, j + 32, j + 64, j + 96 from its highest
/// bits down.
void i2_s(const Byte *b, float *out) {
    for (int i = 0; i < 128; ++i)
        out[i] = static_cast<float>((b[i % 32] >> (6 - i / 32 * 2) & 3) - 1);
}

void block(TensorType type, const Byte *b, float *out) {
    switch (type) {
    case TensorType::f32:
        *out = float_at(b);
        return;
    case TensorType::f16:
        *out = half_at(b);
        return;
    case TensorType::bf16:
        *out = bf16_to_f32(static_cast<uint16_t>(b[0] | b[1] << 8));
        return;
    case TensorType::q4_0:
        return q4_0(b, out);
    case TensorType::q4_1:
        return q4_1(b, out);
    case TensorType::q5_0:
        return q5_0(b, out);
    case TensorType::q5_1:
        return q5_1(b, out);
    case TensorType::q8_0:
        return q8_0(b, out);
    case TensorType::q4_k:
        return q45_k(b, false, out);
    case TensorType::q5_k:
        return q45_k(b, true, out);
    case TensorType::q6_k:
        return q6_k(b, out);
    case TensorType::tq1_0:
        return tq1_0(b, out);
    case TensorType::tq2_0:
        return tq2_0(b, out);
    case TensorType::i2_s:
        return i2_s(b, out);
    }
}

} // namespace

float f16_to_f32(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half >> 15) << 31;
    const uint32_t exponent = half >> 10 & 31;
    const uint32_t fraction = half & 1023;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | fraction << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else { // subnormal: fraction * 2^-24, exact in a float
        const float value = static_cast<float>(fraction) * 0x1p-24f;
        std::memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

float bf16_to_f32(uint16_t half) {
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

void dequantise(TensorType type, const std::byte *blocks, size_t elements, float *out) {
    const size_t width = block_elements(type), bytes = block_bytes(type);
    if (elements % width != 0)
        throw LimitError(std::to_string(elements) + " weights are not a whole number of blocks of " +
                         std::to_string(width) + " of type " + type_name(type));
    const auto *at = reinterpret_cast<const Byte *>(blocks);
    for (size_t i = 0; i < elements; i += width, at += bytes)
        block(type, at, out + i);
}

float tensor_scale(const Tensor &tensor) {
    if (tensor.type != TensorType::i2_s)
        return 1.0f;
    const std::byte *trailer = tensor.data + tensor.bytes - i2_s_trailer;
    const float scale = float_at(reinterpret_cast<const Byte *>(trailer));
    if (!std::isfinite(scale))
        throw FormatError("the scale of the tensor " + in_quotes(tensor.name) + " is " +
                          std::to_string(scale) +
                          ", not a finite number; fetch or convert the model again");
    return scale;
}

void dequantise_rows(const Tensor &tensor, uint64_t first, uint64_t count, float *out) {
    if (count > tensor.rows() || first > tensor.rows() - count)
        throw LimitError("rows " + std::to_string(first) + " to " + std::to_string(first + count) +
                         " of " + in_quotes(tensor.name) + " are asked for, it has " +
                         std::to_string(tensor.rows()));
    const float scale = tensor_scale(tensor);
    const size_t elements = count * tensor.columns();
    dequantise(tensor.type, tensor.data + first * tensor.row_bytes(), elements, out);
    if (tensor.type == TensorType::i2_s)
        for (size_t i = 0; i < elements; ++i)
            out[i] *= scale;
}

} // namespace nexus::engine
