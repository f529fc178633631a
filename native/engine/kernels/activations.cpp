#include "activations.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "../error.hpp"
#include "dispatch.hpp"

namespace nexus::engine {
namespace {

// Fewer numbers than this are quantised by the caller: waking another thread would take longer.
constexpr size_t least_shared = size_t{1} << 15U;

template <class T> T *aligned(size_t count) {
    void *memory = std::aligned_alloc(64, (count * sizeof(T) + 63) / 64 * 64);
    if (memory == nullptr) {
        throw IoError("no memory for " + std::to_string(count) + " activations; use shorter chunks");
    }
    return static_cast<T *>(memory);
}

} // namespace

void Activations::Free::operator()(void *memory) const noexcept { std::free(memory); }

void Activations::describe(size_t first, Tile &tile) const noexcept {
    tile.codes = codes_.get() + first * groups_ * column_group;
    tile.groups = details_.get() + first * groups_;
    tile.token_scales = token_scales_.data() + first;
    tile.token_sums = token_sums_.data() + first;
    tile.source = source_ + first * source_stride_;
    tile.source_stride = source_stride_;
    tile.tokens = std::min(tile_tokens, tokens_ - first);
    tile.per_token = scaling_ == Scaling::per_token;
}

void Activations::dequantise(size_t token, float *out) const {
    if (token >= tokens_) {
        throw LimitError("token " + std::to_string(token) + " of " + std::to_string(tokens_));
    }
    const size_t first = token / tile_tokens * tile_tokens, width = std::min(tile_tokens, tokens_ - first);
    for (size_t column = 0; column < columns_; ++column) {
        const size_t at = first * groups_ + column / column_group * width + token - first;
        out[column] = details_[at].scale * static_cast<float>(codes_[at * column_group + column % column_group]);
    }
}

void quantise(const float *x, size_t tokens, size_t columns, size_t stride, Scaling scaling,
              Activations &activations, Pool &pool) {
    if (tokens == 0 || columns == 0 || stride < columns) {
        throw LimitError(std::to_string(tokens) + " tokens of " + std::to_string(columns) + " columns, " +
                         std::to_string(stride) + " apart: nothing to quantise");
    }
    Activations &a = activations;
    const size_t groups = (columns + column_group - 1) / column_group;
    if (tokens * groups > a.capacity_) {
        a.tokens_ = a.capacity_ = 0;
        a.codes_.reset(aligned<int8_t>(tokens * groups * column_group));
        a.details_.reset(aligned<ActivationGroup>(tokens * groups));
        a.capacity_ = tokens * groups;
    }
    a.token_scales_.resize(tokens);
    a.token_sums_.resize(tokens);
    a.tokens_ = tokens;
    a.columns_ = columns;
    a.groups_ = groups;
    a.scaling_ = scaling;
    a.source_ = x;
    a.source_stride_ = stride;
    const KernelSet &set = kernels();
    const auto one = [&](size_t token, unsigned) noexcept {
        const size_t first = token / tile_tokens * tile_tokens, width = std::min(tile_tokens, tokens - first);
        const size_t at = first * groups + token - first;
        a.token_sums_[token] =
            set.quantise(x + token * stride, columns, scaling == Scaling::per_token, &a.codes_[at * column_group],
                         width * column_group, &a.details_[at], width, &a.token_scales_[token]);
    };
    if (tokens * columns < least_shared) {
        for (size_t token = 0; token < tokens; ++token) {
            one(token, 0);
        }
    } else {
        pool.run(tokens, one);
    }
}

} // namespace nexus::engine
