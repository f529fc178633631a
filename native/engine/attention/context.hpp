// One stream of tokens: its keys and values, and attention over them.
//
// Blocks of 128 tokens lie as pages in a PagePool and a BlockFile, shared with other contexts; the tokens
// behind the last full block are the tail, in RAM. Up to `exact_tokens` everything is attended at its true
// position, as without pages. Beyond, each layer and step reads the first tokens, a recent window and the pages that
// promise most (Selector), placed one behind the other so that no distance is longer than
// PagingLimits::span(). Prefill selects too. Layers that see only a window by the model's own design always read it
// at its true position.
// It knows no tokens and no names: what a block's slot is called, and when it is free again, is its owner's business.
//
// A step: begin(n); for each layer in order append() and attend(); end(). An error in between leaves the step
// open: truncate() closes it. Not thread-safe, and one thread at a time for all contexts of one pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../paging/block_file.hpp"
#include "../paging/page_pool.hpp"
#include "attend.hpp"
#include "block_head.hpp"
#include "bounds.hpp"
#include "select.hpp"
#include "shape.hpp"
#include "tail.hpp"

namespace nexus::engine {

class Pool;

/// A block that became full: queued for writing, on the disk after BlockFile::sync().
struct NewBlock {
    uint32_t ordinal; ///< holds the tokens ordinal * 128 to ordinal * 128 + 127
    uint32_t slot;
    uint64_t mark;    ///< of BlockFile::write; to be kept with the name
};

class Context {
  public:
    /// The shape that a block file for contexts like this must have; `model` names the weights.
    static BlockShape block_shape(const KvShape &shape, const std::vector<Rope> &ropes,
                                  const std::vector<LayerKind> &kinds, const std::array<std::byte, 32> &model);

    /// All layers see everything. The file must have block_shape(); LimitError otherwise.
    Context(const KvShape &shape, const Rope &rope, const PagingLimits &limits, BlockFile &file, PagePool &pages);
    /// `kinds`: one for each layer, or none: all see everything with the first rope.
    Context(const KvShape &shape, const std::vector<Rope> &ropes, const std::vector<LayerKind> &kinds,
            const PagingLimits &limits, BlockFile &file, PagePool &pages);
    /// Waits for its own writes. Slots are not released.
    ~Context();
    Context(const Context &) = delete;
    Context &operator=(const Context &) = delete;

    /// Tokens of all ended steps.
    uint64_t tokens() const { return tokens_; }
    /// Whether a step of `more` tokens from here attends everything.
    bool exact(size_t more = 1) const { return tokens_ + more <= limits_.exact_tokens; }
    /// Slots of the full blocks, in order.
    std::span<const uint32_t> slots() const { return slots_; }

    /// `n` new tokens enter, 1 to 512. LimitError: a step is open, or the pool or file has no room for the blocks
    /// that they fill; IoError: the disk is full. Then nothing has changed.
    void begin(size_t n);
    /// Keys and values of a layer: n x kv_heads x head_dim, keys not turned. LimitError when called out of order, or
    /// for a number that is not finite or beyond 8,000,000 (the weights are damaged).
    void append(uint32_t layer, const float *k, const float *v);
    /// n x heads x head_dim in and out, queries not turned; each query sees the tokens up to its own. DamagedPage,
    /// IoError: a page of this context cannot be had; sound_tokens() says what is good, truncate() there.
    void attend(uint32_t layer, const float *q, float *out, Pool &pool);
    /// The step is done in all layers. The blocks that became full are queued for writing.
    std::vector<NewBlock> end();

    /// Starts an empty context from stored blocks, reading only their heads. `marks`: those of NewBlock, or none.
    /// DamagedPage, IoError, LimitError, FormatError for a block that does not belong there: the context then holds
    /// the blocks before it, and can be used.
    void adopt(std::span<const uint32_t> slots, std::span<const uint64_t> marks = {});
    /// The tokens behind the last full block as bytes; LimitError while a step is open.
    std::vector<std::byte> store_tail() const;
    /// Takes them back, at a block border. FormatError: they do not belong there; nothing has changed.
    void load_tail(std::span<const std::byte> bytes);

    /// Cuts the context to `tokens`: a multiple of 128, or within the tail; LimitError otherwise. Slots of blocks
    /// that end() has returned stay the caller's. An open step is dropped first, with the slots that it took; if it
    /// filled a block and went on, the tail it began with is lost and only whole blocks are left.
    void truncate(uint64_t tokens);
    /// The tokens that truncate() can go to after an error: all, or those before the block that was lost.
    uint64_t sound_tokens() const;

    /// Bytes of the bounds of all blocks, which grow with the context: the pool's budget should shrink by them.
    size_t index_bytes() const { return index_.bytes(); }
    /// Bytes of everything this context holds in RAM outside the pool, but scratch memory of a step.
    size_t ram_bytes() const;
    /// What a layer read last, for tests and displays: blocks outside sinks and window.
    const Choice &choice(uint32_t layer) const { return selector_.last(layer); }

  private:
    struct HeadFree {
        void operator()(std::byte *bytes) const;
    };
    using Head = std::unique_ptr<std::byte[], HeadFree>;
    struct Pending {
        uint32_t slot;
        Head head;
    };
    /// A block that fills in the open step.
    struct Filling {
        uint32_t slot;
        Head head;
        std::vector<std::byte *> pages;
    };

    Head make_head() const;
    void make_room(size_t blocks);
    void fill_block(uint32_t layer, size_t which);
    void drop_step();
    void settle_writes(bool wait);
    uint32_t slot_of(uint32_t block) const;
    size_t offset() const { return static_cast<size_t>(tokens_ % page_tokens); }
    void plan(uint32_t layer, const float *q, Pool &pool);
    void add_page(uint32_t block, int64_t back, uint32_t window);
    const PageUse &sight(PageUse &use, uint64_t first_token, uint32_t window);
    void read_ahead(uint32_t layer);
    void read_heads(std::span<const uint32_t> slots, std::span<const uint64_t> marks, std::vector<Head> &heads);

    const KvShape shape_;
    const PagingLimits limits_;
    const float scale_;
    const std::vector<LayerKind> kinds_;
    BlockFile &file_;
    PagePool &pages_;
    const uint32_t rope_mark_;
    const BlockHeadLayout head_layout_;
    std::vector<RopeTable> ropes_;
    Attention attention_;
    Selector selector_;
    BoundIndex index_;
    Tail tail_;
    uint64_t tokens_ = 0;
    uint64_t lost_; ///< the first block known to be lost
    std::vector<uint32_t> slots_;
    std::vector<Pending> pending_;
    // The open step.
    size_t entering_ = 0;  ///< tokens; 0: no step is open
    uint32_t appended_ = 0; ///< layers
    uint32_t attended_ = 0;
    std::vector<Filling> filling_;
    std::vector<PageUse> uses_;
    PageUse tail_use_{};
    std::vector<std::vector<int16_t>> sights_; ///< first and last of pages that not all queries see whole
    size_t sights_used_ = 0;
    std::vector<float> keys_; ///< scratch: a block's keys of one layer
};

} // namespace nexus::engine
