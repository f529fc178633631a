#include "select.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "../threads/pool.hpp"

namespace nexus::engine {
namespace {

constexpr size_t width = 32;

/// The `count` largest by mass to the front, best first; equal ones in their order.
void best_first(std::vector<uint32_t> &items, size_t count, const std::vector<float> &mass) {
    const auto better = [&](uint32_t a, uint32_t b) { return mass[a] != mass[b] ? mass[a] > mass[b] : a < b; };
    count = std::min(count, items.size());
    const auto middle = items.begin() + static_cast<std::ptrdiff_t>(count);
    if (middle != items.end()) {
        std::nth_element(items.begin(), middle, items.end(), better);
    }
    std::sort(items.begin(), middle, better);
    items.resize(count);
}

} // namespace

Selector::Selector(const KvShape &shape, const PagingLimits &limits, const AttendKernels &kernels)
    : shape_(shape), limits_(limits), kernels_(kernels),
      scale_(limits.scale > 0 ? limits.scale : 1.0F / std::sqrt(static_cast<float>(shape.head_dim))),
      lanes_(shape.kv_heads), choices_(shape.layers), kept_(shape.layers) {}

void Selector::forget() {
    choices_.assign(shape_.layers, {});
    kept_.assign(shape_.layers, {});
}

/// Positive weights meet the largest values, negative ones the smallest.
void Selector::fold(Lane &lane, const float *rows, const float *step) const {
    const size_t dim = shape_.head_dim;
    const size_t group = shape_.group();
    lane.weights.resize(group * 2 * dim);
    lane.sums.resize(group);
    lane.units.resize(group);
    for (size_t row = 0; row < group; ++row) {
        const float *query = rows + row * dim;
        float most = 0;
        for (size_t channel = 0; channel < dim; ++channel) {
            most = std::max(most, std::fabs(query[channel] * step[channel]));
        }
        const float factor = most > 1e-30F ? 127.0F / most : 0.0F;
        int8_t *weights = lane.weights.data() + row * 2 * dim;
        int32_t sum = 0;
        for (size_t channel = 0; channel < dim; ++channel) {
            const float rounded = (query[channel] * step[channel] * factor + 12582912.0F) - 12582912.0F;
            const int weight = static_cast<int>(std::clamp(rounded, -127.0F, 127.0F));
            weights[channel] = static_cast<int8_t>(std::max(weight, 0));
            weights[dim + channel] = static_cast<int8_t>(std::min(weight, 0));
            sum += weight;
        }
        lane.sums[row] = sum;
        lane.units[row] = most / 127.0F * scale_;
    }
}

void Selector::add_mass(Lane &lane, size_t count, size_t stride, float share) const {
    for (size_t row = 0; row < shape_.group(); ++row) {
        kernels_.add_softmax(lane.scores.data() + row * stride, count, lane.units[row], share, lane.mass.data());
    }
}

void Selector::score_groups(Lane &lane, uint32_t layer, size_t head, const BoundIndex &index, float share) const {
    const size_t dim = shape_.head_dim;
    const size_t begin = first_ / BoundIndex::group_blocks;
    const size_t end = (end_ - 1) / BoundIndex::group_blocks + 1;
    const size_t tiles = (end + width - 1) / width;
    const size_t stride = tiles * width;
    for (size_t tile = 0; tile < tiles; ++tile) {
        const size_t next = std::min(tile + 1, tiles - 1);
        kernels_.multiply({shape_.group(), 1, lane.weights.data(), lane.sums.data(), index.group_tile(layer, head, tile),
                           index.group_tile(layer, head, next), 2 * dim, width, lane.scores.data() + tile * width, stride});
    }
    for (size_t row = 0; row < shape_.group(); ++row) {
        int32_t *scores = lane.scores.data() + row * stride;
        std::fill(scores, scores + begin, INT32_MIN);
        std::fill(scores + end, scores + stride, INT32_MIN);
    }
    add_mass(lane, stride, stride, share);
}

void Selector::score_blocks(Lane &lane, uint32_t layer, size_t head, const BoundIndex &index, float share) const {
    const size_t dim = shape_.head_dim;
    const size_t stride = groups_.size() * width;
    for (size_t at = 0; at < groups_.size(); ++at) {
        const uint32_t next = groups_[std::min(at + 1, groups_.size() - 1)]; // groups lie far apart
        kernels_.multiply({shape_.group(), 1, lane.weights.data(), lane.sums.data(),
                           index.block_tile(layer, head, groups_[at]), index.block_tile(layer, head, next), 2 * dim,
                           width, lane.scores.data() + at * width, stride});
    }
    constexpr size_t each = BoundIndex::group_blocks;
    for (size_t row = 0; row < shape_.group(); ++row) {
        int32_t *scores = lane.scores.data() + row * stride;
        for (size_t at = 0; at < groups_.size(); ++at) { // a block is as good as its better half
            const int32_t *halves = scores + at * width;
            int32_t *whole = scores + at * each;
            for (size_t block = 0; block < each; ++block) {
                whole[block] = std::max(halves[block], halves[each + block]);
            }
        }
        for (const size_t at : {size_t{0}, groups_.size() - 1}) { // only these reach beyond the candidates
            for (size_t block = 0; block < each; ++block) {
                const size_t number = groups_[at] * each + block;
                if (number < first_ || number >= end_) {
                    scores[at * each + block] = INT32_MIN;
                }
            }
        }
    }
    add_mass(lane, groups_.size() * each, stride, share);
}

void Selector::mass_of(bool of_groups, uint32_t layer, const BoundIndex &index, const float *queries, size_t tokens,
                       Pool &pool) {
    const size_t groups = (end_ - 1) / BoundIndex::group_blocks + 1;
    const size_t count = of_groups ? (groups + width - 1) / width * width : groups_.size() * BoundIndex::group_blocks;
    const size_t scores = of_groups ? count : groups_.size() * width;
    for (Lane &lane : lanes_) {
        lane.scores.resize(scores * shape_.group());
        lane.mass.assign(count, 0.0F);
    }
    const size_t samples = (tokens + limits_.sample - 1) / limits_.sample;
    const auto one = [&](size_t head, unsigned) noexcept {
        Lane &lane = lanes_[head];
        const float *step = index.scales().step(layer) + head * shape_.head_dim;
        for (size_t sample = 0; sample < samples; ++sample) { // backwards from the newest
            const size_t token = tokens - 1 - sample * limits_.sample;
            fold(lane, queries + token * shape_.query_width() + head * shape_.group() * shape_.head_dim, step);
            const float share = 1.0F / static_cast<float>(samples);
            of_groups ? score_groups(lane, layer, head, index, share) : score_blocks(lane, layer, head, index, share);
        }
    };
    for (Lane &lane : lanes_) { // so that nothing is allocated inside
        lane.weights.resize(shape_.group() * 2 * shape_.head_dim);
        lane.sums.resize(shape_.group());
        lane.units.resize(shape_.group());
    }
    if (scores * samples < 512) { // waking the pool would cost more
        for (size_t head = 0; head < shape_.kv_heads; ++head) {
            one(head, 0);
        }
    } else {
        pool.run(shape_.kv_heads, one);
    }
    mass_.assign(count, 0.0F);
    for (const Lane &lane : lanes_) {
        for (size_t at = 0; at < count; ++at) {
            mass_[at] += lane.mass[at];
        }
    }
}

void Selector::pick_groups(uint32_t layer, const BoundIndex &index, const float *queries, size_t tokens, Pool &pool) {
    const auto begin = static_cast<uint32_t>(first_ / BoundIndex::group_blocks);
    const auto end = static_cast<uint32_t>((end_ - 1) / BoundIndex::group_blocks + 1);
    groups_.resize(end - begin);
    std::iota(groups_.begin(), groups_.end(), begin);
    if (limits_.groups != 0 && groups_.size() > limits_.groups) {
        mass_of(true, layer, index, queries, tokens, pool);
        best_first(groups_, limits_.groups, mass_);
        std::sort(groups_.begin(), groups_.end());
    }
}

const Choice &Selector::choose(uint32_t layer, const BoundIndex &index, const float *queries, size_t tokens,
                               uint32_t first, uint32_t end, Pool &pool) {
    first_ = first;
    end_ = end;
    pages_ = tokens < bulk_tokens ? limits_.pages : std::min(limits_.bulk_pages, limits_.pages);
    Choice &choice = choices_[layer];
    if (end <= first || end - first <= pages_) {
        choice.blocks.resize(end > first ? end - first : 0);
        std::iota(choice.blocks.begin(), choice.blocks.end(), first);
        settle(layer);
        return choice;
    }
    pick_groups(layer, index, queries, tokens, pool);
    mass_of(false, layer, index, queries, tokens, pool);
    constexpr size_t each = BoundIndex::group_blocks;
    ranked_.clear();
    for (size_t at = 0; at < groups_.size() * each; ++at) {
        const size_t block = groups_[at / each] * each + at % each;
        if (block >= first && block < end) {
            ranked_.push_back(static_cast<uint32_t>(at));
        }
    }
    best_first(ranked_, pages_, mass_);
    choice.blocks.clear();
    for (const uint32_t at : ranked_) {
        choice.blocks.push_back(static_cast<uint32_t>(groups_[at / each] * each + at % each));
    }
    std::sort(choice.blocks.begin(), choice.blocks.end());
    settle(layer);
    return choice;
}

/// Pages that dropped out stay for a while, so that a choice that wavers does not read the disk at each step.
void Selector::settle(uint32_t layer) {
    Choice &choice = choices_[layer];
    const std::vector<uint32_t> chosen = choice.blocks;
    std::vector<Kept> stay;
    for (const Kept &kept : kept_[layer]) {
        if (kept.steps > 0 && !std::binary_search(chosen.begin(), chosen.end(), kept.block)) {
            stay.push_back({kept.block, kept.steps - 1});
        }
    }
    std::sort(stay.begin(), stay.end(), [](const Kept &a, const Kept &b) {
        return a.steps != b.steps ? a.steps > b.steps : a.block < b.block;
    });
    stay.resize(std::min(stay.size(), limits_.most_kept(pages_)));
    for (const Kept &kept : stay) {
        choice.blocks.push_back(kept.block);
    }
    std::sort(choice.blocks.begin(), choice.blocks.end());
    for (const uint32_t block : chosen) {
        stay.push_back({block, limits_.steps_kept});
    }
    kept_[layer] = std::move(stay);
}

} // namespace nexus::engine
