// The head of a block: what is known of its keys without reading its pages.
//
// Layout, little endian, `bytes()` a multiple of 4096:
//   seal     64 bytes, of paging/seal.hpp
//   info     64 bytes: BlockInfo
//   bounds   for each layer and KV head 4 x head_dim codes: largest and smallest key value by channel in the
//            first 64 tokens, then in the second 64
// Bounds are of keys that are not turned, in the model's order of channels. A code is
// (value - centre) / step + 128, rounded away from the middle, 1 to 255: beyond that it saturates.
// Centre and step belong to the layer, head and channel and are learned from the first block of a chain, which
// is always attended and needs no bounds: its head holds them instead (as halves, centres then steps).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shape.hpp"

namespace nexus::engine {

struct BlockInfo {
    uint32_t magic;
    uint32_t version;
    uint32_t ordinal; ///< place in the chain: tokens ordinal * 128 onwards
    uint32_t layers;
    uint32_t kv_heads;
    uint32_t head_dim;
    uint32_t rope;    ///< fingerprint of ropes and layer kinds
    uint32_t unused[9];
};
static_assert(sizeof(BlockInfo) == 64);

/// Centre and step of every channel of every layer.
class BoundScales {
  public:
    explicit BoundScales(const KvShape &shape);

    /// From the keys of the first block: 128 x kv_width, the model's order, not turned. The first four tokens
    /// are left out: models park outliers there.
    void learn(uint32_t layer, const float *keys);
    void store(uint32_t layer, std::byte *bounds) const;
    void load(uint32_t layer, const std::byte *bounds);
    const float *centre(uint32_t layer) const { return centre_.data() + layer * width_; } ///< kv_width
    const float *step(uint32_t layer) const { return step_.data() + layer * width_; }
    size_t bytes() const { return (centre_.capacity() + step_.capacity()) * sizeof(float); }

  private:
    size_t width_;
    std::vector<float> centre_;
    std::vector<float> step_;
};

/// Where the parts of a head lie for one shape.
class BlockHeadLayout {
  public:
    explicit BlockHeadLayout(const KvShape &shape, uint32_t rope) : shape_(shape), rope_(rope) {}

    size_t bytes() const;
    const std::byte *bounds(const std::byte *head, uint32_t layer) const;
    std::byte *bounds(std::byte *head, uint32_t layer) const;
    /// Bounds of one layer of any block but the first; `keys` as for BoundScales::learn.
    void write_bounds(std::byte *head, uint32_t layer, const float *keys, const BoundScales &scales) const;
    void write_info(std::byte *head, uint32_t ordinal) const;
    /// nullptr, or what in the info does not fit: "its place in the context", ...
    const char *flaw(const std::byte *head, uint32_t ordinal) const;

  private:
    KvShape shape_;
    uint32_t rope_;
};

} // namespace nexus::engine
