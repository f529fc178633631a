// Finds the tokens that are written out in a text, such as <|im_start|>: at each place the longest.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace nexus::engine {

/// A trie. Searching takes time in proportion to the text times the longest token's length, and for
/// ordinary text to the text alone: most bytes begin no token.
class SpecialTokens {
  public:
    SpecialTokens() { first_.fill(none); }

    /// Of two tokens with the same text the later one counts. An empty text is never found.
    void insert(std::string_view text, int32_t token);

    struct Match {
        size_t begin, end; ///< begin == text.size(): nothing was found
        int32_t token;
    };

    /// The first match at or after `begin`; of several at that place the longest.
    Match find(std::string_view text, size_t begin) const noexcept;

  private:
    static constexpr int32_t none = -1;

    struct Node {
        int32_t token = none, child = none, sibling = none;
        char byte = 0;
    };

    int32_t among(int32_t node, char byte) const noexcept {
        while (node != none && nodes_[node].byte != byte)
            node = nodes_[node].sibling;
        return node;
    }

    std::array<int32_t, 256> first_; // nodes of the first byte
    std::vector<Node> nodes_;
};

} // namespace nexus::engine
