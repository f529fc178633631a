// Weights as they lie in a file to f32, one block after the other: the definition that every packed
// format and every fast kernel of the engine is compared with. Scalar, no state, needs no alignment.
#pragma once

#include <cstddef>
#include <cstdint>

#include "file.hpp"
#include "types.hpp"

namespace nexus::engine {

/// IEEE 754 half to float, exact; infinities and NaN stay what they are.
float f16_to_f32(uint16_t half);

/// The upper half of a float to that float.
float bf16_to_f32(uint16_t half);

/// Writes `elements` floats to `out`; `elements` is a whole number of blocks (LimitError otherwise)
/// and `blocks` holds that many. Products and sums are rounded to f32 one by one.
/// Of `i2_s` it gives the codes -1, 0, +1: their scale lies behind the tensor, see `tensor_scale`.
/// The unused fourth code of `i2_s` and `tq2_0` gives +2, as the arithmetic of the formats has it.
void dequantise(TensorType type, const std::byte *blocks, size_t elements, float *out);

/// What the values of `dequantise` must still be multiplied by: the trailer's scale for `i2_s`
/// (FormatError where it is not a finite number), 1 for all others.
float tensor_scale(const Tensor &tensor);

/// Rows `first` to `first + count` of a tensor, ready to use (with its scale): count x columns
/// floats. LimitError past the last row.
void dequantise_rows(const Tensor &tensor, uint64_t first, uint64_t count, float *out);

} // namespace nexus::engine
