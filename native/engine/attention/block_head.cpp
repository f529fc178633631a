#include "block_head.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../paging/seal.hpp"
#include "half.hpp"

namespace nexus::engine {
namespace {

constexpr uint32_t head_magic = 0x424b584e; // "NXKB"
constexpr uint32_t head_version = 1;
constexpr size_t skipped_tokens = 4;
constexpr float least_half = 0x1p-14F;
constexpr float largest_half = 65504.0F;

/// Later keys may go twice as far from the centre as those of the first block before they saturate.
constexpr float margin = 2.0F;

uint8_t code_of(float value) { return static_cast<uint8_t>(static_cast<int>(std::clamp(value, -127.0F, 127.0F)) + 128); }

} // namespace

BoundScales::BoundScales(const KvShape &shape)
    : width_(shape.kv_width()), centre_(shape.layers * width_), step_(shape.layers * width_, least_half) {}

void BoundScales::learn(uint32_t layer, const float *keys) {
    for (size_t channel = 0; channel < width_; ++channel) {
        float least = keys[skipped_tokens * width_ + channel];
        float most = least;
        for (size_t token = skipped_tokens; token < page_tokens; ++token) {
            least = std::min(least, keys[token * width_ + channel]);
            most = std::max(most, keys[token * width_ + channel]);
        }
        const float centre = std::clamp(least / 2 + most / 2, -largest_half, largest_half);
        const float reach = std::max({(most / 2 - least / 2) * margin, std::fabs(centre) * 0x1p-9F, 1e-2F * margin});
        centre_[layer * width_ + channel] = half_to_float(float_to_half(centre));
        step_[layer * width_ + channel] = half_to_float(float_to_half(std::max(reach / 127.0F, least_half)));
    }
}

void BoundScales::store(uint32_t layer, std::byte *bounds) const {
    auto *halves = reinterpret_cast<uint16_t *>(bounds);
    for (size_t channel = 0; channel < width_; ++channel) {
        halves[channel] = float_to_half(centre_[layer * width_ + channel]);
        halves[width_ + channel] = float_to_half(step_[layer * width_ + channel]);
    }
}

void BoundScales::load(uint32_t layer, const std::byte *bounds) {
    const auto *halves = reinterpret_cast<const uint16_t *>(bounds);
    for (size_t channel = 0; channel < width_; ++channel) {
        centre_[layer * width_ + channel] = half_to_float(halves[channel]);
        step_[layer * width_ + channel] = half_to_float(halves[width_ + channel]);
    }
}

size_t BlockHeadLayout::bytes() const {
    const size_t content = seal_bytes + sizeof(BlockInfo) + shape_.layers * shape_.kv_width() * 4;
    return (content + 4095) / 4096 * 4096;
}

const std::byte *BlockHeadLayout::bounds(const std::byte *head, uint32_t layer) const {
    return head + seal_bytes + sizeof(BlockInfo) + layer * shape_.kv_width() * 4;
}

std::byte *BlockHeadLayout::bounds(std::byte *head, uint32_t layer) const {
    return head + seal_bytes + sizeof(BlockInfo) + layer * shape_.kv_width() * 4;
}

void BlockHeadLayout::write_bounds(std::byte *head, uint32_t layer, const float *keys,
                                   const BoundScales &scales) const {
    const size_t width = shape_.kv_width();
    const size_t dim = shape_.head_dim;
    auto *codes = reinterpret_cast<uint8_t *>(bounds(head, layer));
    const float *centre = scales.centre(layer);
    const float *step = scales.step(layer);
    for (size_t half = 0; half < 2; ++half) {
        const float *rows = keys + half * bound_tokens * width;
        for (size_t channel = 0; channel < width; ++channel) {
            float least = rows[channel];
            float most = least;
            for (size_t token = 1; token < bound_tokens; ++token) {
                least = std::min(least, rows[token * width + channel]);
                most = std::max(most, rows[token * width + channel]);
            }
            uint8_t *to = codes + channel / dim * 4 * dim + half * 2 * dim + channel % dim;
            to[0] = code_of(std::ceil((most - centre[channel]) / step[channel]));
            to[dim] = code_of(std::floor((least - centre[channel]) / step[channel]));
        }
    }
}

void BlockHeadLayout::write_info(std::byte *head, uint32_t ordinal) const {
    const BlockInfo info = {head_magic,      head_version,    ordinal, shape_.layers,
                            shape_.kv_heads, shape_.head_dim, rope_,   {}};
    std::memcpy(head + seal_bytes, &info, sizeof info);
}

const char *BlockHeadLayout::flaw(const std::byte *head, uint32_t ordinal) const {
    BlockInfo info;
    std::memcpy(&info, head + seal_bytes, sizeof info);
    if (info.magic != head_magic || info.version != head_version) {
        return "its format";
    }
    if (info.layers != shape_.layers || info.kv_heads != shape_.kv_heads || info.head_dim != shape_.head_dim) {
        return "its shape";
    }
    if (info.rope != rope_) {
        return "its positions: the model turns keys in another way";
    }
    if (info.ordinal != ordinal) {
        return "its place in the context";
    }
    return nullptr;
}

} // namespace nexus::engine
