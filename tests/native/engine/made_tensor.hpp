// Tensors of every type for the tests of the kernels, and the check that counts what fails.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "engine/gguf/file.hpp"

namespace {

using namespace nexus::engine;

inline uint64_t state = 0x9e3779b97f4a7c15U; // the same numbers in every run

inline uint32_t random_below(uint32_t bound) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>((state >> 33U) % bound);
}

inline float random_float() { return static_cast<float>(random_below(2000001)) / 1000000.0F - 1.0F; }

enum class Data { random, extreme, exact }; // exact: scales of one, so that all float sums are integers

constexpr TensorType all_types[] = {TensorType::f32,  TensorType::f16,  TensorType::bf16,  TensorType::q4_0,
                                    TensorType::q4_1, TensorType::q5_0, TensorType::q5_1,  TensorType::q8_0,
                                    TensorType::q4_k, TensorType::q5_k, TensorType::q6_k,  TensorType::tq1_0,
                                    TensorType::tq2_0, TensorType::i2_s};

inline bool is_ternary(TensorType type) {
    return type == TensorType::tq1_0 || type == TensorType::tq2_0 || type == TensorType::i2_s;
}

// Offsets of the f16 scales in a block.
inline std::vector<size_t> half_offsets(TensorType type) {
    switch (type) {
    case TensorType::q4_0:
    case TensorType::q5_0:
    case TensorType::q8_0: return {0};
    case TensorType::q4_1:
    case TensorType::q5_1:
    case TensorType::q4_k:
    case TensorType::q5_k: return {0, 2};
    case TensorType::q6_k: return {208};
    case TensorType::tq1_0: return {52};
    case TensorType::tq2_0: return {64};
    default: return {};
    }
}

// A 16-bit number of either sign whose fraction is below `bound`.
inline uint16_t one_or_so(uint32_t one, uint32_t bound) {
    return static_cast<uint16_t>(random_below(2) << 15U | (one + random_below(bound)));
}

// A tensor that owns its bytes, allocated to the byte.
struct Made {
    std::vector<std::byte> bytes;
    Tensor tensor;

    Made(TensorType type, size_t rows, size_t columns, Data data) {
        const size_t size = block_bytes(type), blocks = rows * columns / block_elements(type);
        bytes.resize(blocks * size + (type == TensorType::i2_s ? i2_s_trailer : 0));
        const auto half = [&](size_t at, uint16_t value) { std::memcpy(&bytes[at], &value, 2); };
        for (std::byte &byte : bytes) {
            byte = static_cast<std::byte>(data == Data::extreme ? 255 * random_below(2) : random_below(256));
        }
        const uint16_t scales[] = {0x3c00, 0xb800, 0x2e66, 0x1400, 0x0101, 0x0000}; // 1, -0.5, 0.1, ..., 0
        const uint16_t row_scale = scales[random_below(4)];
        for (size_t block = 0; block < blocks; ++block) {
            for (const size_t offset : half_offsets(type)) {
                const bool same = is_ternary(type) && data == Data::extreme;
                half(block * size + offset, data == Data::exact ? 0x3c00 : same ? row_scale : scales[random_below(6)]);
            }
            if (type == TensorType::q6_k && data == Data::exact) {
                std::memset(&bytes[block * size + 192], 1, 16);
            } else if ((type == TensorType::q4_k || type == TensorType::q5_k) && data == Data::exact) {
                std::memset(&bytes[block * size + 4], 0x41, 8); // scales and mins of 1 and 17
                std::memset(&bytes[block * size + 12], 0x11, 4);
            } else if (type == TensorType::f32) {
                const float value = data == Data::exact ? static_cast<float>(random_below(9)) - 4 : random_float();
                std::memcpy(&bytes[block * size], &value, 4);
            } else if (type == TensorType::f16) {
                half(block * 2, one_or_so(0x3c00, data == Data::exact ? 1 : 1024));
            } else if (type == TensorType::bf16) {
                half(block * 2, one_or_so(0x3f80, data == Data::exact ? 1 : 128));
            }
        }
        if (type == TensorType::i2_s) {
            const float scale = data == Data::exact ? 1.0F : 0.37F;
            std::memcpy(&bytes[blocks * size], &scale, 4);
        }
        tensor = {"made", type, {columns, rows}, bytes.data(), bytes.size()};
    }
};

inline std::vector<float> made_tokens(size_t tokens, size_t columns, Data data) {
    std::vector<float> x(tokens * columns);
    for (size_t i = 0; i < x.size(); ++i) {
        if (data == Data::exact) { // every group of 32 holds 127, so that codes are the values
            x[i] = i % columns % 32 == 5 ? 127.0F : static_cast<float>(random_below(255)) - 127.0F;
        } else {
            x[i] = data == Data::extreme ? 3.0F : random_float();
        }
    }
    return x;
}

} // namespace
