// From two neighbouring tokens to their merge: open addressing, at most half full.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "merging.hpp"

namespace nexus::engine {

class PairTable {
  public:
    /// Room for `count` pairs.
    explicit PairTable(size_t count = 0) : slots_(std::bit_ceil(count * 2 + 2)) {}

    /// The first merge of a pair stays: it has the lower rank. Tokens are not negative.
    void insert(int32_t left, int32_t right, Merge merge) noexcept {
        Slot &slot = slots_[locate(key(left, right))];
        if (slot.key == empty)
            slot = {key(left, right), merge};
    }

    std::optional<Merge> find(int32_t left, int32_t right) const noexcept {
        const Slot &slot = slots_[locate(key(left, right))];
        return slot.key == empty ? std::nullopt : std::optional(slot.merge);
    }

  private:
    static constexpr uint64_t empty = UINT64_MAX; // two tokens of -1

    struct Slot {
        uint64_t key = empty;
        Merge merge{};
    };

    static uint64_t key(int32_t left, int32_t right) noexcept {
        return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
    }

    size_t locate(uint64_t key) const noexcept {
        const size_t mask = slots_.size() - 1;
        const uint64_t mixed = (key ^ key >> 29) * 0x9E3779B97F4A7C15;
        size_t index = (mixed >> 32 ^ mixed) & mask;
        while (slots_[index].key != empty && slots_[index].key != key)
            index = (index + 1) & mask;
        return index;
    }

    std::vector<Slot> slots_;
};

} // namespace nexus::engine
