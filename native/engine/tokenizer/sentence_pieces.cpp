#include "sentence_pieces.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "../error.hpp"
#include "utf8.hpp"

namespace nexus::engine {

SentencePieces::SentencePieces(const TokenizerSource &source, const Pieces &pieces)
    : table_(pieces.size()) {
    if (source.scores.size() != pieces.size())
        throw FormatError(std::to_string(source.scores.size()) + " scores for " +
                          std::to_string(pieces.size()) + " tokens; the model file is damaged");
    bytes_.fill(-1);
    std::vector<float> scores;
    for (size_t token = 0; token < pieces.size(); token++) {
        const std::string_view piece = pieces[token];
        if (std::isnan(source.scores[token]))
            throw FormatError("the score of token " + std::to_string(token) +
                              " is not a number; the model file is damaged");
        if (pieces.type(token) == TokenType::byte)
            bytes_[static_cast<uint8_t>(piece[0])] = static_cast<int32_t>(token);
        if (pieces.type(token) != TokenType::normal || piece.empty())
            continue;
        table_.insert(piece, static_cast<int32_t>(token));
        longest_ = std::max(longest_, piece.size());
        scores.push_back(source.scores[token]);
        for (size_t at = 1; at < piece.size(); at++)
            if (piece[at] == ' ' && piece[at - 1] != ' ')
                joins_.set(static_cast<uint8_t>(piece[at - 1]));
    }
    std::sort(scores.begin(), scores.end(), std::greater<>());
    scores.erase(std::unique(scores.begin(), scores.end()), scores.end());
    ranks_.resize(pieces.size());
    for (size_t token = 0; token < pieces.size(); token++) {
        const auto place =
            std::lower_bound(scores.begin(), scores.end(), source.scores[token], std::greater<>());
        ranks_[token] = static_cast<uint32_t>(place - scores.begin());
    }
    if (source.unknown)
        unknown_ = static_cast<int32_t>(*source.unknown);
}

size_t SentencePieces::word_end(std::string_view text, size_t begin) const noexcept {
    for (size_t at = text.find(' ', begin + 1); at != text.npos; at = text.find(' ', at + 1))
        if (text[at - 1] != ' ' && !joins_.test(static_cast<uint8_t>(text[at - 1])))
            return at;
    return text.size();
}

size_t SentencePieces::encode(std::string_view word, Merging &merging, std::vector<int32_t> &tokens) const {
    if (const int32_t token = word.size() == 1 ? table_.find(word) : -1; token >= 0) {
        tokens.push_back(token);
        return 0;
    }
    merging.clear();
    for (size_t at = 0; at < word.size();) {
        const uint8_t bytes = character_at(word, at).bytes;
        merging.add(table_.find(word.substr(at, bytes)), static_cast<uint32_t>(at), bytes);
        at += bytes;
    }
    merging.merge([&](const Symbol &left, const Symbol &right) -> std::optional<Merge> {
        const size_t length = size_t{left.length} + right.length;
        const int32_t token = length <= longest_ ? table_.find(word.substr(left.begin, length)) : -1;
        if (token < 0)
            return std::nullopt;
        return Merge{ranks_[token], token};
    });
    size_t lost = 0;
    merging.each([&](const Symbol &symbol) {
        if (symbol.token >= 0) {
            tokens.push_back(symbol.token);
            return;
        }
        const std::string_view rest = word.substr(symbol.begin, symbol.length);
        const auto has_token = [&](char byte) { return bytes_[static_cast<uint8_t>(byte)] >= 0; };
        if (std::all_of(rest.begin(), rest.end(), has_token))
            for (const char byte : rest)
                tokens.push_back(bytes_[static_cast<uint8_t>(byte)]);
        else if (unknown_ >= 0)
            tokens.push_back(unknown_);
        else
            lost += rest.size();
    });
    return lost;
}

} // namespace nexus::engine
