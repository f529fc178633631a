// Which blocks a layer reads when it does not read all: the most promising by their bounds.
//
// The bound of a query and a block is the sum over channels of max(q * smallest, q * largest): no key of the block
// can give more. Bounds of each query head become shares by softmax over the blocks; shares are summed over heads
// and over a sample of the chunk's queries; the blocks with the largest sums are read by all heads of the layer.
// Of many groups only the best are looked into. The same input gives the same choice on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bounds.hpp"
#include "kernels.hpp"
#include "shape.hpp"

namespace nexus::engine {

class Pool;

struct Choice {
    std::vector<uint32_t> blocks; ///< to be read, ascending
};

class Selector {
  public:
    Selector(const KvShape &shape, const PagingLimits &limits, const AttendKernels &kernels = attend_kernels());

    /// The choice of this step among the blocks `first` (at least 1) to `end` - 1 (at most index.blocks()). To be
    /// called once a step for each layer. `queries`: tokens x heads x head_dim, not turned. Valid until the next
    /// call for this layer.
    const Choice &choose(uint32_t layer, const BoundIndex &index, const float *queries, size_t tokens, uint32_t first,
                         uint32_t end, Pool &pool);
    /// The last choice of a layer; empty before the first.
    const Choice &last(uint32_t layer) const { return choices_[layer]; }
    /// Forgets earlier choices: the context has been cut.
    void forget();

  private:
    struct Kept {
        uint32_t block;
        uint32_t steps; ///< that it stays without being chosen again
    };
    /// Scratch of one KV head.
    struct Lane {
        std::vector<int8_t> weights;
        std::vector<int32_t> sums;
        std::vector<float> units;
        std::vector<int32_t> scores;
        std::vector<float> mass;
    };

    void fold(Lane &lane, const float *rows, const float *step) const;
    void score_groups(Lane &lane, uint32_t layer, size_t head, const BoundIndex &index, float share) const;
    void score_blocks(Lane &lane, uint32_t layer, size_t head, const BoundIndex &index, float share) const;
    void add_mass(Lane &lane, size_t count, size_t stride, float share) const;
    void mass_of(bool of_groups, uint32_t layer, const BoundIndex &index, const float *queries, size_t tokens,
                 Pool &pool);
    void pick_groups(uint32_t layer, const BoundIndex &index, const float *queries, size_t tokens, Pool &pool);
    void settle(uint32_t layer);

    KvShape shape_;
    PagingLimits limits_;
    const AttendKernels &kernels_;
    float scale_;
    uint32_t first_ = 0;
    uint32_t end_ = 0;
    uint32_t pages_ = 0; ///< of this step
    std::vector<Lane> lanes_;
    std::vector<uint32_t> groups_; ///< looked into, ascending
    std::vector<float> mass_;
    std::vector<uint32_t> ranked_;
    std::vector<Choice> choices_;
    std::vector<std::vector<Kept>> kept_;
};

} // namespace nexus::engine
