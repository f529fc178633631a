#include "attend.hpp"

#include <algorithm>
#include <cstring>

#include "../threads/pool.hpp"
#include "tail.hpp"

namespace nexus::engine {
namespace {

/// Pages of one wave; what is pinned at the end, however it comes, is given back.
class Pins {
  public:
    Pins(PagePool &pages, uint32_t layer, std::span<const PageUse> uses)
        : pool_(pages), layer_(layer), uses_(uses), pages_(uses.size(), nullptr) {
        std::vector<PagePool::Key> missing;
        for (size_t at = 0; at < uses.size(); ++at) {
            pages_[at] = pool_.pin(key(at));
            if (pages_[at] == nullptr) {
                missing.push_back(key(at));
            }
        }
        missed_ = !missing.empty();
        if (missed_) {
            pool_.request(missing, PagePool::Priority::needed);
        }
    }
    ~Pins() {
        for (const std::byte *page : pages_) {
            if (page != nullptr) {
                pool_.unpin(page);
            }
        }
    }
    Pins(const Pins &) = delete;
    Pins &operator=(const Pins &) = delete;

    bool missed() const { return missed_; }
    const std::byte *operator[](size_t at) const { return pages_[at]; }
    bool try_pin(size_t at) {
        if (pages_[at] == nullptr) {
            pages_[at] = pool_.pin(key(at));
        }
        return pages_[at] != nullptr;
    }
    void wait(size_t at, LostPage &lost) {
        if (!try_pin(at)) {
            lost.block = uses_[at].block;
            pages_[at] = pool_.wait(key(at));
        }
    }

  private:
    PagePool::Key key(size_t at) const { return {uses_[at].slot, layer_}; }

    PagePool &pool_;
    const uint32_t layer_;
    const std::span<const PageUse> uses_;
    std::vector<const std::byte *> pages_;
    bool missed_ = false;
};

constexpr size_t most_wave = 256;
constexpr size_t rows_of_task = 192;
constexpr size_t most_rows = 1024;

} // namespace

Attention::Attention(const KvShape &shape, PagePool &pages, const AttendKernels &kernels)
    : shape_(shape), layout_(shape), pages_(pages), kernels_(kernels) {}

void Attention::trim() {
    constexpr size_t kept = size_t{1} << 16;
    for (std::vector<float> *scratch : {&queries_, &out_, &sums_, &page_out_, &page_sums_}) {
        if (scratch->size() > kept) {
            *scratch = {};
        }
    }
}

/// Frames that this attention can have at once.
size_t Attention::wave() const {
    const PagePool::Stats stats = pages_.stats();
    const size_t taken = stats.pinned + stats.dirty;
    return std::clamp<size_t>(stats.frames > taken ? stats.frames - taken : 1, 1, most_wave);
}

Partial Attention::sums(size_t head, size_t row) const {
    auto *most = const_cast<float *>(sums_.data()) + head * 2 * rows() + row;
    return {most, most + rows(), const_cast<float *>(out_.data()) + (head * rows() + row) * shape_.head_dim};
}

Partial Attention::page_sums(size_t page, size_t head) const {
    const size_t set = page * shape_.kv_heads + head;
    auto *most = const_cast<float *>(page_sums_.data()) + set * 2 * rows();
    return {most, most + rows(), const_cast<float *>(page_out_.data()) + set * rows() * shape_.head_dim};
}

void Attention::enter_queries(const AttendRequest &request, Pool &pool) {
    const size_t group = shape_.group();
    const size_t dim = shape_.head_dim;
    queries_.resize(tokens_ * shape_.query_width());
    const auto one = [&](size_t token, unsigned) noexcept {
        for (size_t head = 0; head < shape_.heads; ++head) {
            const size_t row = head / group * rows() + token * group + head % group;
            request.rope->enter(request.queries + (token * shape_.heads + head) * dim, request.offset + token,
                                request.scale, queries_.data() + row * dim);
        }
    };
    if (tokens_ < 16) {
        for (size_t token = 0; token < tokens_; ++token) {
            one(token, 0);
        }
    } else {
        pool.run(tokens_, one);
    }
}

void Attention::attend_rows(const AttendRequest &request, size_t head, size_t first_token, size_t tokens,
                            const PageUse &use, const std::byte *page, const std::byte *next,
                            const Partial &partial) const {
    const size_t group = shape_.group();
    int16_t first[most_rows];
    int16_t last[most_rows];
    bool seen = false;
    for (size_t token = 0; token < tokens; ++token) {
        const int16_t from = use.first == nullptr ? int16_t{0} : use.first[first_token + token];
        const int16_t to = use.last == nullptr ? int16_t{page_tokens} : use.last[first_token + token];
        seen = seen || from < to;
        std::fill_n(first + token * group, group, from);
        std::fill_n(last + token * group, group, to);
    }
    if (!seen) {
        return;
    }
    const AttendTask task = {tokens * group,
                             shape_.head_dim,
                             request.rope->pairs(),
                             queries_.data() + (head * rows() + first_token * group) * shape_.head_dim,
                             request.rope->by_blocks(use.back),
                             first,
                             last,
                             partial};
    if (page != nullptr) {
        kernels_.page(task, layout_.head(page, head), layout_.head(next, head));
    } else {
        kernels_.tail(task, request.tail->view(request.layer, head));
    }
}

void Attention::by_page(const AttendRequest &request, Pool &pool, LostPage &lost) {
    const size_t dim = shape_.head_dim;
    const size_t most = wave();
    std::vector<size_t> ready;
    for (size_t begin = 0; begin < request.pages.size(); begin += most) {
        const auto uses = request.pages.subspan(begin, std::min(most, request.pages.size() - begin));
        page_out_.resize(uses.size() * shape_.kv_heads * rows() * dim);
        page_sums_.resize(uses.size() * shape_.kv_heads * 2 * rows());
        Pins pins(pages_, request.layer, uses);
        missed_ = missed_ || pins.missed();
        std::vector<size_t> waiting;
        ready.clear();
        for (size_t at = 0; at < uses.size(); ++at) {
            (pins[at] != nullptr ? ready : waiting).push_back(at);
        }
        while (!ready.empty() || !waiting.empty()) {
            const size_t parts = (ready.size() + pages_of_task - 1) / pages_of_task;
            pool.run(parts * shape_.kv_heads, [&](size_t task, unsigned) noexcept {
                const size_t head = task / parts;
                const size_t from = task % parts * pages_of_task;
                for (size_t at = from; at < std::min(from + pages_of_task, ready.size()); ++at) {
                    const Partial partial = page_sums(ready[at], head);
                    std::fill_n(partial.most, rows(), nothing_seen);
                    std::fill_n(partial.sum, rows(), 0.0F);
                    std::fill_n(partial.out, rows() * dim, 0.0F);
                    attend_rows(request, head, 0, tokens_, uses[ready[at]], pins[ready[at]],
                                pins[ready[std::min(at + 1, ready.size() - 1)]], partial);
                }
            });
            ready.clear();
            if (!waiting.empty()) {
                pins.wait(waiting.front(), lost);
                const auto here = [&](size_t at) { return pins.try_pin(at); };
                std::copy_if(waiting.begin(), waiting.end(), std::back_inserter(ready), here);
                std::erase_if(waiting, [&](size_t at) { return pins[at] != nullptr; });
            }
        }
        for (size_t head = 0; head < shape_.kv_heads; ++head) {
            for (size_t at = 0; at < uses.size(); ++at) {
                kernels_.merge(rows(), dim, sums(head, 0), page_sums(at, head));
            }
        }
    }
}

void Attention::in_order(const AttendRequest &request, Pool &pool, LostPage &lost) {
    const size_t group = shape_.group();
    const size_t of_task = std::max<size_t>(1, rows_of_task / group);
    const size_t parts = (tokens_ + of_task - 1) / of_task;
    const size_t most = wave();
    for (size_t begin = 0; begin < request.pages.size(); begin += most) {
        const auto uses = request.pages.subspan(begin, std::min(most, request.pages.size() - begin));
        Pins pins(pages_, request.layer, uses);
        missed_ = missed_ || pins.missed();
        size_t end = 0;
        for (size_t from = 0; from < uses.size(); from = end) {
            pins.wait(from, lost);
            for (end = from + 1; end < uses.size() && pins.try_pin(end);) {
                ++end;
            }
            pool.run(parts * shape_.kv_heads, [&](size_t task, unsigned) noexcept {
                const size_t head = task / parts;
                const size_t token = task % parts * of_task;
                for (size_t at = from; at < end; ++at) {
                    attend_rows(request, head, token, std::min(of_task, tokens_ - token), uses[at], pins[at],
                                pins[std::min(at + 1, end - 1)], sums(head, token * group));
                }
            });
        }
    }
}

/// The tail comes last; then the sums of values become means.
void Attention::finish(const AttendRequest &request, Pool &pool) {
    const size_t group = shape_.group();
    const size_t dim = shape_.head_dim;
    const size_t of_task = std::max<size_t>(1, rows_of_task / group);
    const size_t parts = (tokens_ + of_task - 1) / of_task;
    const auto one = [&](size_t task, unsigned) noexcept {
        const size_t head = task / parts;
        const size_t from = task % parts * of_task;
        const size_t count = std::min(of_task, tokens_ - from);
        if (request.tail != nullptr) {
            attend_rows(request, head, from, count, request.tail_use, nullptr, nullptr, sums(head, from * group));
        }
        const Partial partial = sums(head, from * group);
        for (size_t row = 0; row < count * group; ++row) {
            const size_t token = from + row / group;
            float *out = request.out + (token * shape_.heads + head * group + row % group) * dim;
            const float share = partial.sum[row] > 0 ? 1.0F / partial.sum[row] : 0.0F;
            for (size_t channel = 0; channel < dim; ++channel) {
                out[channel] = partial.out[row * dim + channel] * share;
            }
        }
    };
    pool.run(parts * shape_.kv_heads, one);
}

void Attention::run(const AttendRequest &request, Pool &pool, LostPage &lost) {
    tokens_ = request.tokens;
    missed_ = false;
    enter_queries(request, pool);
    out_.assign(tokens_ * shape_.query_width(), 0.0F);
    sums_.assign(2 * rows() * shape_.kv_heads, 0.0F);
    for (size_t head = 0; head < shape_.kv_heads; ++head) {
        std::fill_n(sums(head, 0).most, rows(), nothing_seen);
    }
    if (tokens_ <= few_tokens) {
        by_page(request, pool, lost);
    } else {
        in_order(request, pool, lost);
    }
    finish(request, pool);
}

} // namespace nexus::engine
