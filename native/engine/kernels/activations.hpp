// What goes into a product: tokens quantised to 8 bits, in the order in which the kernels read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../threads/pool.hpp"
#include "layout.hpp"

namespace nexus::engine {

/// How a token's numbers become codes of -127 to 127, rounded half to even.
enum class Scaling {
    per_group, ///< one scale for 32 columns: greatest magnitude / 127
    per_token, ///< one scale for the token, greatest magnitude (at least 1e-5) / 127: BitNet b1.58
};

/// Buffers that are used again by the next `quantise`. One thread fills them, any number may read.
class Activations {
  public:
    size_t tokens() const noexcept { return tokens_; }
    size_t columns() const noexcept { return columns_; }
    Scaling scaling() const noexcept { return scaling_; }

    /// The values of one token as the kernels see them: scale * code, `columns()` floats.
    void dequantise(size_t token, float *out) const;

    /// Fills in what a kernel reads for the tokens from `first`, a multiple of `tile_tokens`.
    void describe(size_t first, Tile &tile) const noexcept;

  private:
    friend void quantise(const float *, size_t, size_t, size_t, Scaling, Activations &, Pool &);
    struct Free {
        void operator()(void *memory) const noexcept;
    };

    size_t tokens_ = 0, columns_ = 0, groups_ = 0, capacity_ = 0, source_stride_ = 0;
    Scaling scaling_ = Scaling::per_group;
    const float *source_ = nullptr;
    // Tiles of `tile_tokens` tokens (the last of what is left), each [group][token].
    std::unique_ptr<int8_t[], Free> codes_;
    std::unique_ptr<ActivationGroup[], Free> details_;
    std::vector<float> token_scales_;
    std::vector<int32_t> token_sums_;
};

/// Quantises `tokens` rows of `columns` floats that lie `stride` floats apart. Columns that do not fill
/// the last group count as zeros. Numbers that are not finite give products that are not.
/// A matrix of packing f32 reads `x` itself: it has to stay as it is until the last product with it.
/// LimitError: no tokens or columns, or `stride` below `columns`. IoError: no memory.
void quantise(const float *x, size_t tokens, size_t columns, size_t stride, Scaling scaling,
              Activations &activations, Pool &pool);

} // namespace nexus::engine
