#include "page.hpp"

#include <algorithm>
#include <cmath>

#include "../paging/seal.hpp"
#include "half.hpp"

namespace nexus::engine {
namespace {

size_t round_up(size_t value, size_t step) { return (value + step - 1) / step * step; }

/// 127 steps to either side; the scale is rounded to a half first, and the codes follow the rounded one.
uint16_t scale_of(float greatest) { return float_to_half(greatest / 127.0F); }

float inverse_of(uint16_t scale) { return scale == 0 ? 0.0F : 1.0F / half_to_float(scale); }

uint8_t code_of(float value, float inverse) {
    const float code = std::clamp(value * inverse, -127.0F, 127.0F);
    // Adding 1.5 * 2^23 rounds to the nearest whole number, ties to even, in the low bits.
    const float rounded = (code + 12582912.0F) - 12582912.0F;
    return static_cast<uint8_t>(static_cast<int>(rounded) + 128);
}

} // namespace

PageLayout::PageLayout(const KvShape &shape) : shape_(shape) {
    k_scale_ = seal_bytes;
    v_scale_ = round_up(k_scale_ + shape.kv_width() * sizeof(uint16_t), 64);
    k_ = round_up(v_scale_ + shape.kv_heads * page_tokens * sizeof(uint16_t), 64);
    v_ = k_ + shape.kv_width() * page_tokens;
    bytes_ = round_up(v_ + shape.kv_width() * page_tokens, 4096);
}

PageView PageLayout::head(const std::byte *page, size_t head) const {
    const auto *bytes = reinterpret_cast<const uint8_t *>(page);
    const size_t tile = page_tokens * shape_.head_dim;
    return {bytes + k_ + head * tile, reinterpret_cast<const uint16_t *>(page + k_scale_) + head * shape_.head_dim,
            bytes + v_ + head * tile, reinterpret_cast<const uint16_t *>(page + v_scale_) + head * page_tokens};
}

void PageLayout::write_keys(std::byte *page, size_t head, const float *k) const {
    const size_t dim = shape_.head_dim;
    const size_t stride = shape_.kv_width();
    float inverse[most_head_dim] = {};
    auto *scales = reinterpret_cast<uint16_t *>(page + k_scale_) + head * dim;
    for (size_t token = 0; token < page_tokens; ++token) {
        for (size_t channel = 0; channel < dim; ++channel) {
            inverse[channel] = std::max(inverse[channel], std::fabs(k[token * stride + channel]));
        }
    }
    for (size_t channel = 0; channel < dim; ++channel) {
        scales[channel] = scale_of(inverse[channel]);
        inverse[channel] = inverse_of(scales[channel]);
    }
    auto *tile = reinterpret_cast<uint8_t *>(page) + k_ + head * page_tokens * dim;
    for (size_t token = 0; token < page_tokens; ++token) {
        uint8_t *row = tile + token / 16 * 16 * dim + token % 16 * 4;
        for (size_t channel = 0; channel < dim; ++channel) {
            row[channel / 4 * 64 + channel % 4] = code_of(k[token * stride + channel], inverse[channel]);
        }
    }
}

void PageLayout::write_values(std::byte *page, size_t head, const float *v) const {
    const size_t dim = shape_.head_dim;
    const size_t stride = shape_.kv_width();
    auto *scales = reinterpret_cast<uint16_t *>(page + v_scale_) + head * page_tokens;
    auto *tile = reinterpret_cast<uint8_t *>(page) + v_ + head * page_tokens * dim;
    for (size_t token = 0; token < page_tokens; ++token) {
        const float *row = v + token * stride;
        float greatest = 0;
        for (size_t channel = 0; channel < dim; ++channel) {
            greatest = std::max(greatest, std::fabs(row[channel]));
        }
        scales[token] = scale_of(greatest);
        const float inverse = inverse_of(scales[token]);
        uint8_t *column = tile + token / 4 * 64 + token % 4;
        for (size_t channel = 0; channel < dim; ++channel) {
            column[channel / 16 * 16 * page_tokens + channel % 16 * 4] = code_of(row[channel], inverse);
        }
    }
}

void PageLayout::write(std::byte *page, const float *k, const float *v) const {
    for (size_t head = 0; head < shape_.kv_heads; ++head) {
        write_keys(page, head, k + head * shape_.head_dim);
        write_values(page, head, v + head * shape_.head_dim);
    }
}

void PageLayout::read(const std::byte *page, float *k, float *v) const {
    const size_t dim = shape_.head_dim;
    for (size_t index = 0; index < shape_.kv_heads; ++index) {
        const PageView view = head(page, index);
        for (size_t token = 0; token < page_tokens; ++token) {
            for (size_t channel = 0; channel < dim; ++channel) {
                const size_t at = (token * shape_.kv_heads + index) * dim + channel;
                const int key = view.k[token / 16 * 16 * dim + channel / 4 * 64 + token % 16 * 4 + channel % 4];
                const int value =
                    view.v[channel / 16 * 16 * page_tokens + token / 4 * 64 + channel % 16 * 4 + token % 4];
                k[at] = static_cast<float>(key - 128) * half_to_float(view.k_scale[channel]);
                v[at] = static_cast<float>(value - 128) * half_to_float(view.v_scale[token]);
            }
        }
    }
}

} // namespace nexus::engine
