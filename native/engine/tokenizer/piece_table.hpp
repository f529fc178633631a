// From the bytes of a token to its number: open addressing, at most half full.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace nexus::engine {

/// A hash of bytes with all 64 bits mixed. Not for anything that has to withstand an attacker.
inline uint64_t hash_of(std::string_view bytes) noexcept {
    constexpr uint64_t factor = 0x9E3779B97F4A7C15;
    uint64_t hash = bytes.size() * factor;
    const auto mix = [&](uint64_t word) {
        hash = (hash ^ word) * factor;
        hash ^= hash >> 32;
    };
    const char *data = bytes.data();
    size_t left = bytes.size();
    for (; left >= 8; data += 8, left -= 8) {
        uint64_t word;
        std::memcpy(&word, data, 8);
        mix(word);
    }
    uint64_t word = 0;
    if (left != 0)
        std::memcpy(&word, data, left);
    mix(word);
    return hash;
}

class PieceTable {
  public:
    /// Room for `count` pieces.
    explicit PieceTable(size_t count = 0) : slots_(std::bit_ceil(count * 2 + 2)) {}

    /// The bytes stay where they are as long as the table is asked. A piece that is there already gets
    /// the new number. More pieces than there is room for make it slow, then endless.
    void insert(std::string_view piece, int32_t token) noexcept {
        const uint64_t hash = hash_of(piece);
        Slot &slot = slots_[locate(piece, hash)];
        slot = {piece.data(), static_cast<uint32_t>(piece.size()), token};
    }

    /// -1 if there is none.
    int32_t find(std::string_view piece) const noexcept {
        return slots_[locate(piece, hash_of(piece))].token;
    }

  private:
    struct Slot {
        const char *data = nullptr;
        uint32_t length = 0;
        int32_t token = -1; // -1: free
    };

    size_t locate(std::string_view piece, uint64_t hash) const noexcept {
        const size_t mask = slots_.size() - 1;
        size_t index = hash & mask;
        while (slots_[index].token >= 0 &&
               std::string_view(slots_[index].data, slots_[index].length) != piece)
            index = (index + 1) & mask;
        return index;
    }

    std::vector<Slot> slots_;
};

} // namespace nexus::engine
