#include "special_tokens.hpp"

namespace nexus::engine {

void SpecialTokens::insert(std::string_view text, int32_t token) {
    if (text.empty())
        return;
    const auto create = [&](char byte, int32_t sibling) {
        nodes_.push_back({none, none, sibling, byte});
        return static_cast<int32_t>(nodes_.size() - 1);
    };
    int32_t &root = first_[static_cast<uint8_t>(text[0])];
    if (root == none)
        root = create(text[0], none);
    int32_t node = root;
    for (const char byte : text.substr(1)) {
        int32_t next = among(nodes_[node].child, byte);
        if (next == none) {
            next = create(byte, nodes_[node].child);
            nodes_[node].child = next;
        }
        node = next;
    }
    nodes_[node].token = token;
}

SpecialTokens::Match SpecialTokens::find(std::string_view text, size_t begin) const noexcept {
    for (; begin < text.size(); begin++) {
        int32_t node = first_[static_cast<uint8_t>(text[begin])];
        Match longest{begin, begin, none};
        for (size_t end = begin + 1; node != none; end++) {
            if (nodes_[node].token != none)
                longest = {begin, end, nodes_[node].token};
            if (end == text.size())
                break;
            node = among(nodes_[node].child, text[end]);
        }
        if (longest.token != none)
            return longest;
    }
    return {text.size(), text.size(), none};
}

} // namespace nexus::engine
