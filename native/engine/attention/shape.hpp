// What a context must know of its model, and how it reads what does not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nexus::engine {

/// Tokens of a page and of a block; a page is one layer of a block.
inline constexpr size_t page_tokens = 128;
/// Tokens of a sub-block, the grain of the bounds.
inline constexpr size_t bound_tokens = 64;
/// The most tokens that may enter at once.
inline constexpr size_t most_chunk_tokens = 512;
/// The widest head.
inline constexpr size_t most_head_dim = 256;

struct KvShape {
    uint32_t layers;
    uint32_t kv_heads;
    uint32_t heads;    ///< a multiple of kv_heads; query head h reads KV head h / (heads / kv_heads)
    uint32_t head_dim; ///< a multiple of 32, at most 256

    size_t group() const { return heads / kv_heads; }
    size_t kv_width() const { return size_t{kv_heads} * head_dim; }
    size_t query_width() const { return size_t{heads} * head_dim; }
    /// UnsupportedError when an attention of this shape cannot be computed here.
    void check() const;
};

/// How positions turn channels. Angle of pair i at position p: p * scale * base^(-2i / dims) / factors[i].
struct Rope {
    double base = 10000;
    uint32_t dims = 0; ///< the first so many channels are turned, a multiple of 32; 0: all of them
    bool neox = true;  ///< pairs (i, i + dims/2) instead of (2i, 2i + 1)
    double scale = 1;  ///< positions are multiplied with it (linear scaling)
    std::vector<float> factors; ///< divisors of the frequencies, one for each pair, or empty
};

/// What a layer sees: everything, or only the last `window` tokens (including the query's own).
struct LayerKind {
    uint32_t window = 0; ///< 0: everything
    uint32_t rope = 0;   ///< which of the context's ropes
};

/// When a context stops reading everything, and what it reads then.
/// Tokens of a step from which on it counts as reading.
inline constexpr uint32_t bulk_tokens = 256;

struct PagingLimits {
    uint32_t exact_tokens = 32768; ///< up to so many tokens every page is attended at its true position
    uint32_t sinks = 128;          ///< the first tokens, always read; a positive multiple of 128
    uint32_t window = 1024;        ///< at least so many tokens before the newest are always read
    uint32_t pages = 64;           ///< the most promising pages of the rest, one choice for each layer
    uint32_t bulk_pages = 32;      ///< and in steps of `bulk_tokens` or more: a text is read, no question answered
    uint32_t groups = 32;          ///< groups of 16 blocks whose blocks are looked at; 0: all
    uint32_t steps_kept = 2;       ///< steps that a page stays after it dropped out of the choice
    uint32_t sample = 8;           ///< one query of so many decides the choice of a chunk
    float scale = 0;               ///< of the logits; 0: 1 / sqrt(head_dim)
    /// LimitError names the value that does not work.
    void check() const;
    /// The most pages outside sinks and window that one step attends: the choice and those kept.
    size_t most_chosen() const { return pages + most_kept(pages); }
    /// Of these those that were chosen earlier and dropped out.
    size_t most_kept(uint32_t chosen) const { return steps_kept > 0 ? chosen / 4 : 0; }
    /// The greatest distance that a chosen token can have from the newest: it must be within what the
    /// model was trained on.
    size_t span() const { return sinks + most_chosen() * page_tokens + window + page_tokens + most_chunk_tokens; }
    /// The same with fewer pages where span() would be more than `trained`; at least one.
    PagingLimits within(size_t trained) const;
};

} // namespace nexus::engine
