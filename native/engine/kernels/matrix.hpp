// One weight matrix, repacked for the kernels. Read-only once packed; shared by copies.
//
// Every type of weights keeps its own numbers: the packed weights are bit for bit those that dequantising
// the file gives, only in another order. layout.hpp says in which.
#pragma once

#include <cstddef>
#include <memory>

#include "../gguf/file.hpp"
#include "../threads/pool.hpp"
#include "layout.hpp"

namespace nexus::engine {

/// The bits of a code. q4: Q4_0, Q4_1, Q4_K; q5: Q5_0, Q5_1, Q5_K; q6: Q6_K; q8: Q8_0; t2: TQ1_0, TQ2_0, I2_S;
/// f32: F32, F16, BF16, which are multiplied with activations that are not quantised.
enum class Packing { f32, q8, q6, q5, q4, t2 };

const char *packing_name(Packing packing);

class Matrix {
  public:
    Matrix() = default; ///< no rows, no columns

    /// Repacks `tensor`, in parallel; it is not needed afterwards. UnsupportedError: a number of columns
    /// that is not a multiple of 32 (of 256 for K and TQ types, of 128 for I2_S) where the type has blocks;
    /// FormatError: `bytes` does not fit the shape, or a scale is not a finite number; IoError: no memory.
    static Matrix pack(const Tensor &tensor, Pool &pool);

    size_t rows() const noexcept { return rows_; }
    size_t columns() const noexcept { return columns_; }
    /// Memory of the weights: what one matrix-vector product reads.
    size_t bytes() const noexcept { return bytes_; }
    Packing packing() const noexcept;
    Format format() const noexcept { return format_; }

    /// Row `r`, dequantised, `columns()` floats. LimitError past the last row.
    void row(size_t r, float *out) const;

    size_t row_groups() const noexcept { return (rows_ + row_group - 1) / row_group; }
    size_t row_group_bytes() const noexcept { return stride_; }
    const std::byte *row_group_data(size_t index) const noexcept { return data_.get() + index * stride_; }
    /// The 16 scales of a row group of `Scales::row`, else nullptr.
    const float *row_scales(size_t index) const noexcept;

  private:
    size_t rows_ = 0, columns_ = 0, bytes_ = 0, stride_ = 0;
    Format format_ = Format::f32_plain;
    std::shared_ptr<const std::byte> data_;    // row groups one after the other
    std::shared_ptr<const float[]> row_scales_; // 16 for each row group
};

} // namespace nexus::engine
