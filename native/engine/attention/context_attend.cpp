// Which pages a layer of the open step attends, and where they are placed.
#include <algorithm>
#include <string>

#include "../error.hpp"
#include "context.hpp"

namespace nexus::engine {

uint32_t Context::slot_of(uint32_t block) const {
    return block < slots_.size() ? slots_[block] : filling_[block - slots_.size()].slot;
}

/// Marks which tokens each query sees, where not all queries see all.
const PageUse &Context::sight(PageUse &use, uint64_t first_token, uint32_t window) {
    const auto base = static_cast<int64_t>(first_token);
    const auto oldest = static_cast<int64_t>(tokens_);
    const int64_t newest = oldest + static_cast<int64_t>(entering_) - 1;
    const auto seen_back = static_cast<int64_t>(window) - 1; // tokens before the query's own
    const bool all_seen = oldest >= base + static_cast<int64_t>(page_tokens) - 1;
    if (all_seen && (window == 0 || newest - seen_back <= base)) {
        use.first = use.last = nullptr;
        return use;
    }
    if (sights_.size() == sights_used_) {
        sights_.emplace_back();
    }
    std::vector<int16_t> &sight = sights_[sights_used_++];
    sight.resize(2 * entering_);
    constexpr auto full = static_cast<int64_t>(page_tokens);
    for (size_t token = 0; token < entering_; ++token) {
        const int64_t position = oldest + static_cast<int64_t>(token);
        const int64_t from = window == 0 ? 0 : position - seen_back - base;
        sight[token] = static_cast<int16_t>(std::clamp<int64_t>(from, 0, full));
        sight[entering_ + token] = static_cast<int16_t>(std::clamp<int64_t>(position + 1 - base, 0, full));
    }
    use.first = sight.data();
    use.last = sight.data() + entering_;
    return use;
}

void Context::add_page(uint32_t block, int64_t back, uint32_t window) {
    PageUse use = {block, slot_of(block), back, nullptr, nullptr};
    uses_.push_back(sight(use, uint64_t{block} * page_tokens, window));
}

void Context::plan(uint32_t layer, const float *q, Pool &pool) {
    uses_.clear();
    sights_used_ = 0;
    const auto here = static_cast<uint32_t>(slots_.size()); // the block that the step begins in
    const auto full = static_cast<uint32_t>((tokens_ + entering_) / page_tokens);
    const uint32_t window = kinds_[layer].window;
    const auto back = [&](uint32_t block) { return static_cast<int64_t>(here) - static_cast<int64_t>(block); };

    tail_use_ = {full, 0, back(full), nullptr, nullptr};
    sight(tail_use_, uint64_t{full} * page_tokens, window);
    if (window > 0) {
        const uint64_t oldest = tokens_ + 1 > window ? tokens_ + 1 - window : 0;
        for (auto block = static_cast<uint32_t>(oldest / page_tokens); block < full; ++block) {
            add_page(block, back(block), window);
        }
        return;
    }
    const uint32_t sinks = limits_.sinks / page_tokens;
    const uint64_t recent = tokens_ > limits_.window ? (tokens_ - limits_.window) / page_tokens : 0;
    const uint32_t first_recent = std::max(sinks, static_cast<uint32_t>(recent));
    if (exact(entering_) || first_recent == sinks) {
        for (uint32_t block = 0; block < full; ++block) {
            add_page(block, back(block), 0);
        }
        return;
    }
    // Sinks, choice and window lie side by side: no distance is longer than the model was trained on.
    const Choice &choice = selector_.choose(layer, index_, q, entering_, sinks, first_recent, pool);
    int64_t place = back(first_recent) + static_cast<int64_t>(choice.blocks.size()) + static_cast<int64_t>(sinks);
    for (uint32_t block = 0; block < sinks; ++block) {
        add_page(block, place--, 0);
    }
    for (const uint32_t block : choice.blocks) {
        add_page(block, place--, 0);
    }
    for (uint32_t block = first_recent; block < full; ++block) {
        add_page(block, back(block), 0);
    }
}

/// What the next layer will most likely want is read while nothing else is. The runners-up of this layer are not: five
/// of six were read in vain, and the pages in use gave way to them.
void Context::read_ahead(uint32_t layer) {
    std::vector<PagePool::Key> keys;
    const uint32_t next = (layer + 1) % shape_.layers;
    if (attention_.missed() && next != 0) { // the next layer will not find its pages either
        const bool alike = kinds_[layer].window == kinds_[next].window;
        const bool chosen = !exact(entering_) && !selector_.last(next).blocks.empty();
        for (const PageUse &use : uses_) {
            const bool old = use.block < slots_.size();
            if (alike && old && (!chosen || use.block + limits_.window / page_tokens >= slots_.size())) {
                keys.push_back({use.slot, next});
            }
        }
    }
    if (!exact(entering_)) {
        for (const uint32_t block : selector_.last(next).blocks) {
            keys.push_back({slots_[block], next});
        }
    }
    if (!keys.empty()) {
        pages_.request(keys, PagePool::Priority::likely);
    }
}

void Context::attend(uint32_t layer, const float *q, float *out, Pool &pool) {
    if (layer >= appended_ || layer < attended_) {
        throw LimitError("layer " + std::to_string(layer) + " cannot be attended with " + std::to_string(appended_) +
                         " layers appended and " + std::to_string(attended_) +
                         " attended; append it, then attend it once");
    }
    plan(layer, q, pool);
    RopeTable &rope = ropes_[kinds_[layer].rope];
    if (!uses_.empty()) {
        rope.reserve_blocks(uses_.front().back); // the farthest
    }
    const bool tail = (tokens_ + entering_) % page_tokens != 0;
    const AttendRequest request = {layer, entering_, offset(), q, scale_, &rope, uses_, tail ? &tail_ : nullptr,
                                   tail_use_, out};
    LostPage lost{UINT32_MAX};
    try {
        attention_.run(request, pool, lost);
    } catch (const Error &) {
        lost_ = std::min<uint64_t>(lost_, lost.block);
        throw;
    }
    attended_ = layer + 1;
    read_ahead(layer);
}

} // namespace nexus::engine
