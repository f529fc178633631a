// The greedy merging of neighbours that byte-pair encoding and SentencePiece share. Knows neither
// vocabulary: whoever calls says which pairs join, into what and how early.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace nexus::engine {

/// A stretch of the word: first a byte or a character, later what was merged.
struct Symbol {
    int32_t token; ///< -1: no token of the vocabulary
    uint32_t begin, length; ///< bytes of the word; length 0: swallowed by a symbol to its left
    uint32_t previous, next; ///< neighbours that are left
};

/// What two neighbours would become.
struct Merge {
    uint32_t rank; ///< lower goes first
    int32_t token;
};

/// Merges until no neighbours join, always the pair of lowest rank, the leftmost of equals.
/// O(n log n) in the number of symbols. Holds its memory between calls, so keep one per call of encode;
/// it is not for two threads at once.
class Merging {
  public:
    static constexpr uint32_t none = UINT32_MAX;

    void clear() { symbols_.clear(); }

    /// Appends a symbol to the word.
    void add(int32_t token, uint32_t begin, uint32_t length) {
        const auto index = static_cast<uint32_t>(symbols_.size());
        symbols_.push_back({token, begin, length, index - 1, index + 1}); // index 0: previous is none
    }

    /// `find(const Symbol &left, const Symbol &right) -> std::optional<Merge>` must depend on nothing but
    /// the bytes of the two symbols.
    template <typename Find> void merge(Find &&find) {
        if (symbols_.size() < 2)
            return;
        symbols_.back().next = none;
        queue_.clear();
        for (uint32_t left = 0; left + 1 < symbols_.size(); left++)
            propose(left, find);
        std::make_heap(queue_.begin(), queue_.end(), std::greater<>());
        heaped_ = true;
        while (!queue_.empty()) {
            std::pop_heap(queue_.begin(), queue_.end(), std::greater<>());
            const Proposal best = queue_.back();
            queue_.pop_back();
            const auto at = static_cast<uint32_t>(best.order);
            Symbol &left = symbols_[at];
            if (left.length == 0 || left.next == none)
                continue;
            Symbol &right = symbols_[left.next];
            // A symbol only ever grows, so the same length means that neither has changed.
            if (left.length + right.length != best.length)
                continue;
            left = {best.token, left.begin, best.length, left.previous, right.next};
            right.length = 0;
            if (left.next != none)
                symbols_[left.next].previous = at;
            if (left.previous != none)
                propose(left.previous, find);
            propose(at, find);
        }
        heaped_ = false;
    }

    /// `use(const Symbol &)` for what is left, in order.
    template <typename Use> void each(Use &&use) const {
        for (const Symbol &symbol : symbols_)
            if (symbol.length != 0)
                use(symbol);
    }

  private:
    struct Proposal {
        uint64_t order; // rank, then position of the left symbol
        uint32_t length;
        int32_t token;
        bool operator>(const Proposal &other) const { return order > other.order; }
    };

    template <typename Find> void propose(uint32_t at, Find &&find) {
        const Symbol &left = symbols_[at];
        if (left.next == none)
            return;
        const Symbol &right = symbols_[left.next];
        const std::optional<Merge> found = find(left, right);
        if (!found)
            return;
        queue_.push_back({uint64_t{found->rank} << 32 | at, left.length + right.length, found->token});
        if (heaped_)
            std::push_heap(queue_.begin(), queue_.end(), std::greater<>());
    }

    std::vector<Symbol> symbols_;
    std::vector<Proposal> queue_; // a heap, its least order first, while `heaped_`
    bool heaped_ = false;
};

} // namespace nexus::engine
