// Attention of a chunk's queries over a list of pages and the tail, for one layer.
//
// Pages that are in RAM are attended while the others are read. What comes out does not depend on which those were,
// on the pool's budget or on the number of threads: every page is weighed by itself, or in the order of the list.
// Pages are pinned only while they are attended, and never more at once than the pool can give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../paging/page_pool.hpp"
#include "kernels.hpp"
#include "page.hpp"
#include "rope.hpp"
#include "shape.hpp"

namespace nexus::engine {

class Pool;
class Tail;

/// A page to be attended.
struct PageUse {
    uint32_t block;      ///< its place in the context
    uint32_t slot;
    int64_t back;        ///< blocks from the chunk's first block back to where the page is placed
    const int16_t *first; ///< query t sees the tokens first[t] to last[t] - 1; null: all see all
    const int16_t *last;
};

struct AttendRequest {
    uint32_t layer;
    size_t tokens;         ///< queries
    size_t offset;         ///< of the first query in the chunk's first block
    const float *queries;  ///< tokens x heads x head_dim, the model's order, not turned
    float scale;           ///< of the logits
    const RopeTable *rope; ///< good for every `back`
    std::span<const PageUse> pages;
    const Tail *tail;      ///< null: nothing of it is seen
    PageUse tail_use;      ///< block and slot have no meaning; first and last are set
    float *out;            ///< tokens x heads x head_dim
};

/// A page could not be had; the context is good up to its block.
struct LostPage {
    uint32_t block;
};

class Attention {
  public:
    Attention(const KvShape &shape, PagePool &pages, const AttendKernels &kernels = attend_kernels());

    /// Throws what PagePool::wait throws, after `lost` was set to the block; nothing stays pinned.
    void run(const AttendRequest &request, Pool &pool, LostPage &lost);
    /// Whether the last run had to read from the disk.
    bool missed() const { return missed_; }
    /// Gives large scratch memory back.
    void trim();
    const PageLayout &layout() const { return layout_; }

  private:
    /// Up to so many queries, each page gets partial sums of its own, so that pages may come in any order.
    static constexpr size_t few_tokens = 4;
    static constexpr size_t pages_of_task = 4;

    void enter_queries(const AttendRequest &request, Pool &pool);
    void by_page(const AttendRequest &request, Pool &pool, LostPage &lost);
    void in_order(const AttendRequest &request, Pool &pool, LostPage &lost);
    void attend_rows(const AttendRequest &request, size_t head, size_t first_token, size_t tokens, const PageUse &use,
                     const std::byte *page, const std::byte *next, const Partial &partial) const;
    void finish(const AttendRequest &request, Pool &pool);
    Partial sums(size_t head, size_t row) const;
    Partial page_sums(size_t page, size_t head) const;
    size_t wave() const;
    size_t rows() const { return tokens_ * shape_.group(); }

    KvShape shape_;
    PageLayout layout_;
    PagePool &pages_;
    const AttendKernels &kernels_;
    size_t tokens_ = 0;
    bool missed_ = false;
    std::vector<float> queries_; ///< kv_heads x tokens x group x head_dim
    std::vector<float> out_;     ///< the same
    std::vector<float> sums_;    ///< kv_heads x {most, sum} x rows
    std::vector<float> page_out_;
    std::vector<float> page_sums_;
};

} // namespace nexus::engine
