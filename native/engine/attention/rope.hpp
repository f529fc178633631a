// Positions as rotations, so that a page may lie anywhere.
//
// A key is turned once, by its offset in its page. A query is turned by its offset from the first block
// of its chunk, and for each page by the distance of that block to the page, in blocks: the sum is the
// true distance. Angles are computed in double and are right at positions of millions.
// Channel order inside the engine: the first elements of all pairs, then the second elements, then what
// is not turned. Queries and keys are brought into it, which does not change their product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shape.hpp"

namespace nexus::engine {

/// A rotation of all pairs: `pairs` cosines and as many sines.
struct Turn {
    const float *cosine;
    const float *sine;
};

class RopeTable {
  public:
    /// UnsupportedError for a rope that does not fit the head.
    RopeTable(const Rope &rope, size_t head_dim);

    size_t pairs() const { return frequency_.size(); }
    /// The rotation by `offset` tokens, 0 to 127 + 512.
    Turn by_tokens(size_t offset) const;
    /// The rotation by `back` blocks of 128 tokens; negative is forward, not below -5. `reserve_blocks`
    /// must have been called with at least `back`.
    Turn by_blocks(int64_t back) const;
    /// Makes `by_blocks` good up to `most`; earlier rotations move in memory, and only for this call.
    void reserve_blocks(int64_t most);
    /// `row` (head_dim, the model's order) into the engine's order, times `scale`, turned by `offset`.
    void enter(const float *row, size_t offset, float scale, float *out) const;
    /// The model's row back from what `enter` made with scale 1.
    void leave(const float *row, size_t offset, float *out) const;
    /// Bytes that this object takes.
    size_t bytes() const;

  private:
    void add_turn(double position, std::vector<float> &turns) const;

    size_t head_dim_;
    std::vector<double> frequency_;
    std::vector<uint16_t> order_; ///< engine channel -> model channel
    std::vector<float> tokens_;
    std::vector<float> blocks_;
};

} // namespace nexus::engine
