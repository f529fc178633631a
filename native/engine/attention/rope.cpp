#include "rope.hpp"

#include <cmath>
#include <string>

#include "../error.hpp"

namespace nexus::engine {
namespace {

/// A chunk of 512 tokens that begins in the middle of a block reaches into the fifth.
constexpr int64_t blocks_ahead = 5;
constexpr size_t token_turns = page_tokens + most_chunk_tokens;

} // namespace

RopeTable::RopeTable(const Rope &rope, size_t head_dim) : head_dim_(head_dim) {
    const size_t dims = rope.dims == 0 ? head_dim : rope.dims;
    if (dims % 32 != 0 || dims > head_dim || head_dim > most_head_dim) {
        throw UnsupportedError(std::to_string(dims) + " of " + std::to_string(head_dim) +
                               " channels are turned by position; the engine needs a multiple of 32 in a head of at"
                               " most 256");
    }
    const size_t pairs = dims / 2;
    if (!(rope.base > 0) || !std::isfinite(rope.base) || !(rope.scale > 0) || !std::isfinite(rope.scale)) {
        throw FormatError("rope base " + std::to_string(rope.base) + " with scale " + std::to_string(rope.scale) +
                          "; both must be positive: the model file is damaged");
    }
    if (!rope.factors.empty() && rope.factors.size() != pairs) {
        throw FormatError(std::to_string(rope.factors.size()) + " rope factors for " + std::to_string(pairs) +
                          " pairs of channels: the model file is damaged");
    }
    for (size_t pair = 0; pair < pairs; ++pair) {
        const double factor = rope.factors.empty() ? 1.0 : static_cast<double>(rope.factors[pair]);
        if (!(factor > 0) || !std::isfinite(factor)) {
            throw FormatError("rope factor " + std::to_string(factor) + " is not positive: the model file is damaged");
        }
        const double exponent = -2.0 * static_cast<double>(pair) / static_cast<double>(dims);
        frequency_.push_back(rope.scale * std::pow(rope.base, exponent) / factor);
    }
    for (size_t channel = 0; channel < head_dim; ++channel) {
        size_t from = channel;
        if (!rope.neox && channel < dims) {
            from = channel < pairs ? 2 * channel : 2 * (channel - pairs) + 1;
        }
        order_.push_back(static_cast<uint16_t>(from));
    }
    for (size_t offset = 0; offset < token_turns; ++offset) {
        add_turn(static_cast<double>(offset), tokens_);
    }
    reserve_blocks(0);
}

void RopeTable::add_turn(double position, std::vector<float> &turns) const {
    for (const double frequency : frequency_) {
        turns.push_back(static_cast<float>(std::cos(position * frequency)));
    }
    for (const double frequency : frequency_) {
        turns.push_back(static_cast<float>(std::sin(position * frequency)));
    }
}

Turn RopeTable::by_tokens(size_t offset) const {
    const float *turn = tokens_.data() + offset * 2 * pairs();
    return {turn, turn + pairs()};
}

Turn RopeTable::by_blocks(int64_t back) const {
    const float *turn = blocks_.data() + static_cast<size_t>(back + blocks_ahead) * 2 * pairs();
    return {turn, turn + pairs()};
}

void RopeTable::reserve_blocks(int64_t most) {
    const auto made = static_cast<int64_t>(blocks_.size() / (2 * pairs()));
    for (int64_t back = made - blocks_ahead; back <= most; ++back) {
        add_turn(static_cast<double>(back) * static_cast<double>(page_tokens), blocks_);
    }
}

void RopeTable::enter(const float *row, size_t offset, float scale, float *out) const {
    const size_t half = pairs();
    const Turn turn = by_tokens(offset);
    for (size_t pair = 0; pair < half; ++pair) {
        const float first = row[order_[pair]] * scale;
        const float second = row[order_[half + pair]] * scale;
        out[pair] = first * turn.cosine[pair] - second * turn.sine[pair];
        out[half + pair] = second * turn.cosine[pair] + first * turn.sine[pair];
    }
    for (size_t channel = 2 * half; channel < head_dim_; ++channel) {
        out[channel] = row[channel] * scale;
    }
}

void RopeTable::leave(const float *row, size_t offset, float *out) const {
    const size_t half = pairs();
    const Turn turn = by_tokens(offset);
    for (size_t pair = 0; pair < half; ++pair) {
        const float first = row[pair];
        const float second = row[half + pair];
        out[order_[pair]] = first * turn.cosine[pair] + second * turn.sine[pair];
        out[order_[half + pair]] = second * turn.cosine[pair] - first * turn.sine[pair];
    }
    for (size_t channel = 2 * half; channel < head_dim_; ++channel) {
        out[channel] = row[channel];
    }
}

size_t RopeTable::bytes() const {
    return (tokens_.capacity() + blocks_.capacity()) * sizeof(float) + frequency_.capacity() * sizeof(double) +
           order_.capacity() * sizeof(uint16_t);
}

} // namespace nexus::engine
