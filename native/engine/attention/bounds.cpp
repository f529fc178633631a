#include "bounds.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace nexus::engine {
namespace {

constexpr std::align_val_t cache_line{64};
constexpr uint8_t lowest = 1;
constexpr uint8_t highest = 255;

/// Where depth `k` of `lane` lies in a tile of width 32.
size_t place(size_t depth, size_t lane, size_t k) {
    return lane / 16 * 16 * depth + k / 4 * 64 + lane % 16 * 4 + k % 4;
}

} // namespace

void BoundIndex::Free::operator()(uint8_t *bytes) const { ::operator delete[](bytes, cache_line); }

BoundIndex::BoundIndex(const KvShape &shape, const BlockHeadLayout &layout)
    : shape_(shape), layout_(layout), scales_(shape) {}

void BoundIndex::clear_lane(uint8_t *tiles, size_t lane) const {
    const size_t dim = shape_.head_dim;
    for (size_t set = 0; set < size_t{shape_.layers} * shape_.kv_heads; ++set) {
        uint8_t *tile = tiles + set * tile_bytes();
        for (size_t k = 0; k < 2 * dim; ++k) {
            tile[place(2 * dim, lane, k)] = k < dim ? lowest : highest;
        }
    }
}

BoundIndex::Tiles BoundIndex::make_tiles() const {
    Tiles tiles(new (cache_line) uint8_t[set_bytes()]);
    const size_t dim = shape_.head_dim;
    for (size_t half = 0; half < size_t{shape_.layers} * shape_.kv_heads * 2; ++half) {
        uint8_t *from = tiles.get() + half * tile_bytes() / 2;
        std::memset(from, lowest, 16 * dim);
        std::memset(from + 16 * dim, highest, 16 * dim);
    }
    return tiles;
}

void BoundIndex::add(const std::byte *head) {
    const size_t group = blocks_ / group_blocks;
    const size_t lane = blocks_ % group_blocks;
    const size_t dim = shape_.head_dim;
    if (blocks_of_.size() == group) {
        blocks_of_.push_back(make_tiles());
    }
    if (groups_of_.size() == group / tile_groups) {
        groups_of_.push_back(make_tiles());
    }
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        if (blocks_ == 0) {
            scales_.load(layer, layout_.bounds(head, layer));
            continue;
        }
        const auto *codes = reinterpret_cast<const uint8_t *>(layout_.bounds(head, layer));
        for (size_t index = 0; index < shape_.kv_heads; ++index) {
            uint8_t *tile = blocks_of_[group].get() + (layer * shape_.kv_heads + index) * tile_bytes();
            for (size_t half = 0; half < 2; ++half) {
                for (size_t k = 0; k < 2 * dim; k += 4) {
                    std::memcpy(tile + place(2 * dim, lane + half * 16, k), codes + (index * 2 + half) * 2 * dim + k, 4);
                }
            }
        }
    }
    if (blocks_ > 0) {
        widen_group(group, lane);
    }
    ++blocks_;
}

void BoundIndex::widen_group(size_t group, size_t lane) {
    const size_t dim = shape_.head_dim;
    for (size_t set = 0; set < size_t{shape_.layers} * shape_.kv_heads; ++set) {
        const uint8_t *from = blocks_of_[group].get() + set * tile_bytes();
        uint8_t *to = groups_of_[group / tile_groups].get() + set * tile_bytes();
        for (size_t k = 0; k < 2 * dim; ++k) {
            const uint8_t first = from[place(2 * dim, lane, k)];
            const uint8_t second = from[place(2 * dim, lane + 16, k)];
            uint8_t &code = to[place(2 * dim, group % tile_groups, k)];
            code = k < dim ? std::max({code, first, second}) : std::min({code, first, second});
        }
    }
}

void BoundIndex::truncate(size_t blocks) {
    if (blocks >= blocks_) {
        return;
    }
    const size_t groups = (blocks + group_blocks - 1) / group_blocks;
    for (size_t group = groups; group < blocks_of_.size() && group < (groups + tile_groups - 1) / tile_groups * tile_groups;
         ++group) {
        clear_lane(groups_of_[group / tile_groups].get(), group % tile_groups);
    }
    blocks_of_.resize(groups);
    groups_of_.resize((groups + tile_groups - 1) / tile_groups);
    blocks_ = blocks;
    if (blocks % group_blocks == 0) {
        return;
    }
    const size_t group = groups - 1;
    for (size_t lane = blocks % group_blocks; lane < group_blocks; ++lane) {
        clear_lane(blocks_of_[group].get(), lane);
        clear_lane(blocks_of_[group].get(), lane + 16);
    }
    clear_lane(groups_of_[group / tile_groups].get(), group % tile_groups);
    for (size_t lane = 0; lane < blocks % group_blocks; ++lane) {
        widen_group(group, lane);
    }
}

size_t BoundIndex::bytes() const { return (blocks_of_.size() + groups_of_.size()) * set_bytes() + scales_.bytes(); }

const uint8_t *BoundIndex::group_tile(uint32_t layer, size_t head, size_t tile) const {
    return groups_of_[tile].get() + (layer * shape_.kv_heads + head) * tile_bytes();
}

const uint8_t *BoundIndex::block_tile(uint32_t layer, size_t head, size_t group) const {
    return blocks_of_[group].get() + (layer * shape_.kv_heads + head) * tile_bytes();
}

} // namespace nexus::engine
