#include "context.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <string>

#include "../error.hpp"
#include "../paging/crc32c.hpp"
#include "../threads/pool.hpp"

namespace nexus::engine {
namespace {

constexpr std::align_val_t disk_sector{4096};
constexpr uint64_t nothing_lost = UINT64_MAX;
constexpr float largest_number = 8.0e6F; // 127 steps of the largest half, roughly

/// What turns keys, as one number: blocks made otherwise must not be mixed in.
uint32_t fingerprint(const std::vector<Rope> &ropes, const std::vector<LayerKind> &kinds) {
    uint32_t crc = 0;
    for (const Rope &rope : ropes) {
        const double numbers[4] = {rope.base, static_cast<double>(rope.dims), rope.neox ? 1.0 : 0.0, rope.scale};
        crc = crc32c(numbers, sizeof numbers, crc);
        crc = crc32c(rope.factors.data(), rope.factors.size() * sizeof(float), crc);
    }
    for (const LayerKind &kind : kinds) {
        const uint32_t numbers[2] = {kind.window, kind.rope};
        crc = crc32c(numbers, sizeof numbers, crc);
    }
    return crc;
}

/// The shape, after it and everything that goes with it has been checked.
const KvShape &checked(const KvShape &shape, const std::vector<Rope> &ropes, const std::vector<LayerKind> &kinds) {
    shape.check();
    if (!kinds.empty() && kinds.size() != shape.layers) {
        throw LimitError(std::to_string(kinds.size()) + " layer kinds for " + std::to_string(shape.layers) +
                         " layers; give one for each, or none");
    }
    for (const LayerKind &kind : kinds) {
        if (kind.rope >= ropes.size()) {
            throw LimitError("a layer wants rope " + std::to_string(kind.rope) + " of " +
                             std::to_string(ropes.size()) + "; give it, or another number");
        }
    }
    if (ropes.empty()) {
        throw LimitError("a context without a rope; give at least one");
    }
    return shape;
}

std::vector<LayerKind> kinds_of(const KvShape &shape, const std::vector<LayerKind> &kinds) {
    return kinds.empty() ? std::vector<LayerKind>(shape.layers) : kinds;
}

void refuse_wild(const float *values, size_t count, uint32_t layer, const char *what) {
    float most = 0;
    bool sound = true;
    for (size_t at = 0; at < count; ++at) {
        const float value = std::fabs(values[at]);
        sound = sound && value <= largest_number; // false for NaN
        most = std::max(most, value);
    }
    if (!sound) {
        throw LimitError("layer " + std::to_string(layer) + " makes a " + what +
                         " that is not finite, or beyond 8,000,000: the weights are damaged, or not of this"
                         " architecture");
    }
}

} // namespace

void Context::HeadFree::operator()(std::byte *bytes) const { ::operator delete[](bytes, disk_sector); }

BlockShape Context::block_shape(const KvShape &shape, const std::vector<Rope> &ropes,
                                const std::vector<LayerKind> &kinds, const std::array<std::byte, 32> &model) {
    checked(shape, ropes, kinds);
    const BlockHeadLayout head(shape, fingerprint(ropes, kinds_of(shape, kinds)));
    return {shape.layers, static_cast<uint32_t>(head.bytes()), static_cast<uint32_t>(PageLayout(shape).bytes()), model};
}

Context::Context(const KvShape &shape, const Rope &rope, const PagingLimits &limits, BlockFile &file, PagePool &pages)
    : Context(shape, std::vector<Rope>{rope}, {}, limits, file, pages) {}

Context::Context(const KvShape &shape, const std::vector<Rope> &ropes, const std::vector<LayerKind> &kinds,
                 const PagingLimits &limits, BlockFile &file, PagePool &pages)
    : shape_(checked(shape, ropes, kinds)), limits_((limits.check(), limits)),
      scale_(limits.scale > 0 ? limits.scale : 1.0F / std::sqrt(static_cast<float>(shape.head_dim))),
      kinds_(kinds_of(shape, kinds)), file_(file), pages_(pages), rope_mark_(fingerprint(ropes, kinds_)),
      head_layout_(shape_, rope_mark_), attention_(shape_, pages), selector_(shape_, limits_),
      index_(shape_, head_layout_), tail_(shape_), lost_(nothing_lost) {
    const BlockShape wanted = block_shape(shape, ropes, kinds, file.shape().model);
    if (!(wanted == file.shape())) {
        throw LimitError("the block file has heads of " + std::to_string(file.shape().head_bytes) + " bytes and " +
                         std::to_string(file.shape().layers) + " pages of " +
                         std::to_string(file.shape().page_bytes) + "; this model needs " +
                         std::to_string(wanted.head_bytes) + ", " + std::to_string(wanted.layers) + " and " +
                         std::to_string(wanted.page_bytes) + ": use a file of its own");
    }
    for (const Rope &rope : ropes) {
        ropes_.emplace_back(rope, shape.head_dim);
    }
}

Context::~Context() {
    try {
        drop_step();
    } catch (const Error &) { // its slots stay taken until the file is opened again
        filling_.clear();
    }
    settle_writes(true);
}

Context::Head Context::make_head() const {
    const size_t bytes = head_layout_.bytes();
    Head head(new (disk_sector) std::byte[bytes]);
    std::memset(head.get(), 0, bytes);
    return head;
}

/// Heads are kept until the disk has them.
void Context::settle_writes(bool wait) {
    for (const Pending &write : pending_) {
        if (wait) {
            file_.wait_written(write.slot);
        }
    }
    std::erase_if(pending_, [&](const Pending &write) { return file_.state(write.slot) != BlockFile::State::writing; });
}

void Context::make_room(size_t blocks) {
    const PagePool::Stats stats = pages_.stats();
    const size_t needed = blocks * shape_.layers;
    constexpr size_t beside = 8; // so that others can be read meanwhile
    if (blocks > 0 && stats.frames < needed + beside) {
        throw LimitError(std::to_string(entering_) + " tokens fill " + std::to_string(blocks) + " blocks of " +
                         std::to_string(shape_.layers) + " pages, and the page pool has " +
                         std::to_string(stats.frames) + " frames; raise its budget, or let fewer tokens in at once");
    }
    if (stats.pinned + stats.dirty + needed + beside > stats.frames) {
        settle_writes(true);
    }
    for (size_t block = 0; block < blocks; ++block) {
        Head head = make_head();
        filling_.reserve(blocks);
        filling_.push_back({file_.allocate(), std::move(head), {}});
    }
}

void Context::begin(size_t n) {
    if (entering_ > 0) {
        throw LimitError("a step of " + std::to_string(entering_) + " tokens is open; end it or truncate the context");
    }
    if (n == 0 || n > most_chunk_tokens) {
        throw LimitError(std::to_string(n) + " tokens cannot enter at once; 1 to 512 can");
    }
    settle_writes(false);
    entering_ = n;
    try {
        make_room((offset() + n) / page_tokens);
    } catch (...) {
        drop_step();
        throw;
    }
}

void Context::append(uint32_t layer, const float *k, const float *v) {
    if (entering_ == 0 || layer != appended_ || layer >= shape_.layers) {
        throw LimitError("keys of layer " + std::to_string(layer) + " came when those of layer " +
                         std::to_string(appended_) + (entering_ == 0 ? " of no open step" : "") +
                         " were due; append layer by layer between begin and end");
    }
    const size_t width = shape_.kv_width();
    refuse_wild(k, entering_ * width, layer, "key");
    refuse_wild(v, entering_ * width, layer, "value");
    const RopeTable &rope = ropes_[kinds_[layer].rope];
    for (size_t token = 0; token < entering_; ++token) {
        const size_t at = offset() + token;
        tail_.put(layer, at % page_tokens, k + token * width, v + token * width, rope);
        if (at % page_tokens == page_tokens - 1) {
            fill_block(layer, at / page_tokens);
        }
    }
    ++appended_;
}

/// The tail of this layer is full: it becomes a page, and its bounds go to the head of its block.
void Context::fill_block(uint32_t layer, size_t which) {
    Filling &block = filling_[which];
    std::byte *page = pages_.new_dirty({block.slot, layer});
    attention_.layout().write(page, tail_.keys(layer), tail_.values(layer));
    pages_.unpin(page); // stays until its block is written
    block.pages.push_back(page);
    keys_.resize(page_tokens * shape_.kv_width());
    tail_.plain_keys(layer, ropes_[kinds_[layer].rope], keys_.data());
    if (slots_.size() + which == 0) {
        index_.scales().learn(layer, keys_.data());
        index_.scales().store(layer, head_layout_.bounds(block.head.get(), layer));
    } else {
        head_layout_.write_bounds(block.head.get(), layer, keys_.data(), index_.scales());
    }
}

std::vector<NewBlock> Context::end() {
    if (entering_ == 0 || appended_ != shape_.layers) {
        throw LimitError("a step ends with " + std::to_string(appended_) + " of " + std::to_string(shape_.layers) +
                         " layers appended; append all, or truncate the context");
    }
    std::vector<NewBlock> blocks;
    for (Filling &block : filling_) {
        const auto ordinal = static_cast<uint32_t>(slots_.size());
        head_layout_.write_info(block.head.get(), ordinal);
        index_.add(block.head.get());
        const uint64_t mark = file_.write(block.slot, block.head.get(), block.pages);
        pending_.push_back({block.slot, std::move(block.head)});
        slots_.push_back(block.slot);
        blocks.push_back({ordinal, block.slot, mark});
    }
    tokens_ += entering_;
    filling_.clear();
    entering_ = appended_ = attended_ = 0;
    attention_.trim();
    return blocks;
}

/// The open step is dropped, its slots go back. Where the tail was overwritten, only whole blocks are left.
void Context::drop_step() {
    if (appended_ > 0 || !filling_.empty()) {
        if (offset() + entering_ > page_tokens && offset() > 0 && (appended_ > 0 || !filling_.front().pages.empty())) {
            tokens_ -= offset();
        }
    }
    entering_ = appended_ = attended_ = 0;
    while (!filling_.empty()) {
        const uint32_t slot = filling_.back().slot;
        filling_.pop_back();
        pages_.drop(slot);
        file_.release(slot);
    }
}

void Context::truncate(uint64_t tokens) {
    drop_step();
    if (tokens > tokens_ || (tokens % page_tokens != 0 && tokens < tokens_ - offset())) {
        throw LimitError("a context of " + std::to_string(tokens_) + " tokens cannot be cut to " +
                         std::to_string(tokens) + "; take a multiple of 128 below it, or one of its last " +
                         std::to_string(offset()) + " tokens");
    }
    const size_t blocks = static_cast<size_t>(tokens / page_tokens);
    if (blocks < slots_.size()) {
        slots_.resize(blocks);
        index_.truncate(blocks);
        selector_.forget();
        if (lost_ >= blocks) {
            lost_ = nothing_lost;
        }
    }
    tokens_ = tokens;
}

uint64_t Context::sound_tokens() const { return std::min(tokens_, lost_ == nothing_lost ? tokens_ : lost_ * page_tokens); }

size_t Context::ram_bytes() const {
    size_t bytes = index_.bytes() + tail_.bytes() + pending_.size() * head_layout_.bytes();
    for (const RopeTable &rope : ropes_) {
        bytes += rope.bytes();
    }
    return bytes;
}

} // namespace nexus::engine
