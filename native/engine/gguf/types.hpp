// The encodings of weights that the engine loads, by the ids that GGUF files carry.
//
// A tensor is stored in blocks: `block_elements` neighbouring weights of one row in `block_bytes`
// bytes, little endian. dequantise.cpp says what the bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace nexus::engine {

enum class TensorType : uint32_t {
    f32 = 0,
    f16 = 1,
    q4_0 = 2,
    q4_1 = 3,
    q5_0 = 6,
    q5_1 = 7,
    q8_0 = 8,
    q4_k = 12,
    q5_k = 13,
    q6_k = 14,
    bf16 = 30,
    tq1_0 = 34,
    tq2_0 = 35,
    i2_s = 36, // ternary; one scale for the whole tensor lies in a trailer behind its blocks
};

/// Bytes behind the blocks of an `i2_s` tensor: the f32 scale and padding.
inline constexpr size_t i2_s_trailer = 32;

/// Weights in one block: 1 for the plain types, else 32, 128 or 256.
size_t block_elements(TensorType type);

/// Bytes of one block, without `i2_s_trailer`.
size_t block_bytes(TensorType type);

/// "Q4_K" and so on.
const char *type_name(TensorType type);

/// The type with this id, or nothing where the engine does not load it.
std::optional<TensorType> known_type(uint32_t id);

/// The name that an id has in the format, whether or not the engine loads it; "unknown" otherwise.
const char *type_name(uint32_t id);

} // namespace nexus::engine
