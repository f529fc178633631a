#include "byte_pairs.hpp"

#include <string>

#include "../error.hpp"

namespace nexus::engine {

namespace {

std::string written(uint8_t byte) {
    const char32_t letter = letter_of(byte);
    if (letter < 0x80)
        return {static_cast<char>(letter)};
    return {static_cast<char>(0xC0 | letter >> 6), static_cast<char>(0x80 | (letter & 0x3F))};
}

} // namespace

BytePairs::BytePairs(const TokenizerSource &source, const Pieces &pieces, Splitting splitting,
                     bool whole_words)
    : splitting_(splitting), merges_(source.merges.size()), words_(whole_words ? pieces.size() : 0),
      whole_words_(whole_words) {
    PieceTable texts(source.tokens.size());
    for (size_t token = 0; token < source.tokens.size(); token++) {
        texts.insert(source.tokens[token], static_cast<int32_t>(token));
        if (whole_words && pieces.type(token) == TokenType::normal)
            words_.insert(pieces[token], static_cast<int32_t>(token));
    }
    for (int byte = 0; byte < 256; byte++)
        bytes_[byte] = texts.find(written(static_cast<uint8_t>(byte)));
    std::string joined;
    for (size_t rank = 0; rank < source.merges.size(); rank++) {
        const std::string_view merge = source.merges[rank];
        const size_t space = merge.find(' ', 1);
        if (space == merge.npos || space + 1 == merge.size())
            throw FormatError("merge " + std::to_string(rank) + " is \"" + std::string(merge) +
                              "\", not two tokens with a space between; the model file is damaged");
        joined.assign(merge.substr(0, space)).append(merge.substr(space + 1));
        const int32_t left = texts.find(merge.substr(0, space));
        const int32_t right = texts.find(merge.substr(space + 1));
        const int32_t result = texts.find(joined);
        if (left < 0 || right < 0 || result < 0)
            throw FormatError("merge " + std::to_string(rank) + " is \"" + std::string(merge) +
                              "\", but a side or the result is no token; the model file is damaged");
        merges_.insert(left, right, {static_cast<uint32_t>(rank), result});
    }
}

size_t BytePairs::word_end(std::string_view text, size_t begin) const noexcept {
    return nexus::engine::word_end(splitting_, text, begin);
}

size_t BytePairs::encode(std::string_view word, Merging &merging, std::vector<int32_t> &tokens) const {
    if (whole_words_) {
        if (const int32_t token = words_.find(word); token >= 0) {
            tokens.push_back(token);
            return 0;
        }
    }
    merging.clear();
    size_t lost = 0;
    for (size_t at = 0; at < word.size(); at++) {
        const int32_t token = bytes_[static_cast<uint8_t>(word[at])];
        if (token < 0)
            lost++;
        else
            merging.add(token, static_cast<uint32_t>(at), 1);
    }
    merging.merge(
        [&](const Symbol &left, const Symbol &right) { return merges_.find(left.token, right.token); });
    merging.each([&](const Symbol &symbol) { tokens.push_back(symbol.token); });
    return lost;
}

} // namespace nexus::engine
