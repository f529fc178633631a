// A page: the keys and values of 128 tokens of one layer, all KV heads, as 8-bit codes.
//
// Layout, little endian, each part 64-byte aligned, `bytes()` a multiple of 4096:
//   seal      64 bytes, of paging/seal.hpp
//   K scales  kv_heads x head_dim halves   one for each channel
//   V scales  kv_heads x 128 halves        one for each token
//   K codes   for each head a tile [8][head_dim / 4][16 tokens][4 channels]
//   V codes   for each head a tile [head_dim / 16][32][16 channels][4 tokens]
// A code is the value divided by its scale, rounded, plus 128: 1 to 255. The tiles are what one vector
// instruction of sixteen 4-byte products reads in a row. Keys are turned by their offset in the page and
// stored in the channel order of `RopeTable`.
// A page does not know its tokens or its neighbours; its seal says which page of which block it is.
#pragma once

#include <cstddef>
#include <cstdint>

#include "shape.hpp"

namespace nexus::engine {

/// One KV head of a page, as the kernels read it.
struct PageView {
    const uint8_t *k;
    const uint16_t *k_scale;
    const uint8_t *v;
    const uint16_t *v_scale;
};

/// Where the parts of a page lie for one shape.
class PageLayout {
  public:
    explicit PageLayout(const KvShape &shape);

    size_t bytes() const { return bytes_; }
    PageView head(const std::byte *page, size_t head) const;
    /// Writes the whole page but its seal. `k` and `v`: 128 x kv_heads x head_dim, row-major, finite;
    /// keys as `RopeTable` turned and ordered them.
    void write(std::byte *page, const float *k, const float *v) const;
    /// The values back: `k` and `v` as for `write`.
    void read(const std::byte *page, float *k, float *v) const;

  private:
    void write_keys(std::byte *page, size_t head, const float *k) const;
    void write_values(std::byte *page, size_t head, const float *v) const;

    KvShape shape_;
    size_t k_scale_;
    size_t v_scale_;
    size_t k_;
    size_t v_;
    size_t bytes_;
};

} // namespace nexus::engine
