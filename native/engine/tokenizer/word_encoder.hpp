// One kind of vocabulary: how it cuts text into words, and words into tokens.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "merging.hpp"

namespace nexus::engine {

/// Never changes after construction: any number of threads may ask, each with a Merging of its own.
class WordEncoder {
  public:
    virtual ~WordEncoder() = default;

    /// Where the word that begins at `begin` ends: after `begin`, and at most at the end of the text.
    /// The tokens of a word depend on its bytes alone.
    virtual size_t word_end(std::string_view text, size_t begin) const noexcept = 0;

    /// Appends the word's tokens. Returns how many bytes were lost: those that no token can write.
    virtual size_t encode(std::string_view word, Merging &merging, std::vector<int32_t> &tokens) const = 0;
};

} // namespace nexus::engine
