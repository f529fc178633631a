// The words that one call of encode has seen, with their tokens: texts repeat themselves.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <vector>

#include "piece_table.hpp"

namespace nexus::engine {

/// Owns neither words nor tokens: a word is a view of the text being encoded, its tokens are a stretch of
/// the result so far. Of two words that want the same slot the later one stays. At most 384 KiB.
class WordCache {
  public:
    /// `text_bytes`: how much is to come; little text gets no cache at all.
    explicit WordCache(size_t text_bytes) {
        if (text_bytes >= 1024)
            slots_.resize(std::clamp<size_t>(std::bit_ceil(text_bytes / 16), 64, 16384));
    }

    /// Appends the word's tokens and says true if the word is known.
    bool append(std::string_view word, std::vector<int32_t> &tokens) {
        if (slots_.empty() || word.size() > longest)
            return false;
        current_ = &slots_[hash_of(word) >> 20 & (slots_.size() - 1)];
        if (std::string_view(current_->data, current_->length) != word)
            return false;
        for (uint32_t index = 0; index < current_->count; index++)
            tokens.push_back(tokens[current_->begin + index]);
        return true;
    }

    /// Keeps the word that was last asked for in vain; its tokens are those from `begin` on.
    void keep(std::string_view word, size_t begin, const std::vector<int32_t> &tokens) {
        if (slots_.empty() || word.size() > longest || tokens.size() > UINT32_MAX)
            return;
        *current_ = {word.data(), static_cast<uint32_t>(word.size()), static_cast<uint32_t>(begin),
                     static_cast<uint32_t>(tokens.size() - begin)};
    }

  private:
    static constexpr size_t longest = 64;

    struct Slot {
        const char *data = nullptr;
        uint32_t length = 0, begin = 0, count = 0;
    };

    std::vector<Slot> slots_;
    Slot *current_ = nullptr;
};

} // namespace nexus::engine
