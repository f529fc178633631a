// The bounds of all blocks of a chain in RAM, in two levels, laid out for scanning.
//
// Level one: groups of 16 blocks, with the largest and smallest codes of their blocks. Level two: the blocks, by
// sub-blocks of 64 tokens. A score of either level is at least that of any key below it (as far as the codes
// did not saturate). The first block has no bounds: it is always attended.
// Memory: 4 x kv_width bytes for each layer and block, and a sixteenth of half of that for the groups.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "block_head.hpp"
#include "shape.hpp"

namespace nexus::engine {

class BoundIndex {
  public:
    static constexpr size_t group_blocks = 16;
    static constexpr size_t tile_groups = 32;

    BoundIndex(const KvShape &shape, const BlockHeadLayout &layout);

    size_t blocks() const { return blocks_; }
    /// Takes the next block; its head is read, not kept. The first one brings the scales.
    void add(const std::byte *head);
    /// Forgets the blocks from this one on.
    void truncate(size_t blocks);
    const BoundScales &scales() const { return scales_; }
    BoundScales &scales() { return scales_; }
    /// Bytes that this object takes.
    size_t bytes() const;

    /// Groups tile * 32 to tile * 32 + 31 as a tile of width 32 and depth 2 x head_dim: largest, then smallest.
    const uint8_t *group_tile(uint32_t layer, size_t head, size_t tile) const;
    /// The blocks of a group as a tile of width 32 and the same depth: lane i is the first half of block i,
    /// lane 16 + i its second half.
    const uint8_t *block_tile(uint32_t layer, size_t head, size_t group) const;

  private:
    struct Free {
        void operator()(uint8_t *bytes) const;
    };
    using Tiles = std::unique_ptr<uint8_t[], Free>;

    Tiles make_tiles() const;
    size_t tile_bytes() const { return 32 * 2 * size_t{shape_.head_dim}; }
    size_t set_bytes() const { return tile_bytes() * shape_.layers * shape_.kv_heads; }
    void widen_group(size_t group, size_t lane);
    void clear_lane(uint8_t *tiles, size_t lane) const;

    KvShape shape_;
    BlockHeadLayout layout_;
    BoundScales scales_;
    size_t blocks_ = 0;
    std::vector<Tiles> blocks_of_; ///< one for each group
    std::vector<Tiles> groups_of_; ///< one for each 32 groups
};

} // namespace nexus::engine
