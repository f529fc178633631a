// The tokens of a context that do not fill a block yet: keys and values of all layers as floats.
//
// Each layer is filled by itself, in step with the layers of the chunk; between chunks all hold the same tokens.
// Keys are in the engine's order of channels, turned by their offset in the block. As bytes a tail can leave the
// process: a checked header, then for each layer its keys and its values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels.hpp"
#include "rope.hpp"
#include "shape.hpp"

namespace nexus::engine {

class Tail {
  public:
    explicit Tail(const KvShape &shape);

    /// Puts a token at `offset` (0 to 127) of a layer: `k` and `v` kv_width each, in the model's order, not turned.
    void put(uint32_t layer, size_t offset, const float *k, const float *v, const RopeTable &rope);
    TailView view(uint32_t layer, size_t head) const;
    const float *keys(uint32_t layer) const { return rows(layer, 0); }   ///< 128 x kv_width
    const float *values(uint32_t layer) const { return rows(layer, 1); } ///< 128 x kv_width
    /// The keys of a full block in the model's order and not turned: 128 x kv_width.
    void plain_keys(uint32_t layer, const RopeTable &rope, float *out) const;

    /// The first `tokens` (0 to 127) as bytes. `rope`: fingerprint of how keys are turned; `position`: of the first.
    std::vector<std::byte> store(size_t tokens, uint64_t position, uint32_t rope) const;
    /// The reverse; returns the number of tokens. FormatError names what does not fit: then nothing has changed.
    size_t load(std::span<const std::byte> bytes, uint64_t position, uint32_t rope);
    size_t bytes() const { return rows_.capacity() * sizeof(float); }

  private:
    const float *rows(uint32_t layer, size_t part) const {
        return rows_.data() + (layer * 2 + part) * page_tokens * shape_.kv_width();
    }

    KvShape shape_;
    std::vector<float> rows_; ///< layers x {keys, values} x 128 x kv_width
};

} // namespace nexus::engine
