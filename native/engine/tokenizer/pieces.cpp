#include "pieces.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "../error.hpp"
#include "utf8.hpp"

namespace nexus::engine {

namespace {

constexpr bool stands_for_itself(int byte) {
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<uint16_t, 256> letters = [] {
    std::array<uint16_t, 256> table{};
    uint16_t moved = 256;
    for (int byte = 0; byte < 256; byte++)
        table[byte] = stands_for_itself(byte) ? static_cast<uint16_t>(byte) : moved++;
    return table;
}();

constexpr std::array<int16_t, 324> bytes_of_letters = [] {
    std::array<int16_t, 324> table{};
    table.fill(-1);
    for (int byte = 0; byte < 256; byte++)
        table[letters[byte]] = static_cast<int16_t>(byte);
    return table;
}();

/// Appends what letters of bytes stand for; text that has another character stays as it is.
void spell(std::string_view text, std::vector<char> &out) {
    const size_t before = out.size();
    for (size_t at = 0; at < text.size();) {
        const Character found = character_at(text, at);
        const bool known = found.valid && found.value < bytes_of_letters.size();
        const int byte = known ? bytes_of_letters[found.value] : -1;
        if (byte < 0) {
            out.resize(before);
            out.insert(out.end(), text.begin(), text.end());
            return;
        }
        out.push_back(static_cast<char>(byte));
        at += found.bytes;
    }
}

constexpr std::string_view mark = "\xE2\x96\x81"; // U+2581

void unescape(std::string_view text, std::vector<char> &out) {
    for (size_t at = 0; at < text.size();) {
        if (text.substr(at, mark.size()) == mark) {
            out.push_back(' ');
            at += mark.size();
        } else {
            out.push_back(text[at++]);
        }
    }
}

char byte_token(std::string_view text, size_t token) {
    const auto digit = [](char letter) {
        if (letter >= '0' && letter <= '9')
            return letter - '0';
        return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
    };
    if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>' || digit(text[3]) < 0 ||
        digit(text[4]) < 0)
        throw FormatError("token " + std::to_string(token) +
                          " is a byte, but is not written like <0x41>; the model file is damaged");
    return static_cast<char>(digit(text[3]) * 16 + digit(text[4]));
}

TokenType checked(int64_t type, size_t token) {
    if (type < 0 || type > static_cast<int64_t>(TokenType::byte))
        throw FormatError("token " + std::to_string(token) + " has type " + std::to_string(type) +
                          ", known are 0 to 6; the model file is damaged or too new");
    return static_cast<TokenType>(type);
}

/// Whether the token is written in the vocabulary's own letters, not as it is.
bool is_text(TokenType type, bool byte_level) {
    return type == TokenType::normal || type == (byte_level ? TokenType::byte : TokenType::user_defined);
}

} // namespace

char32_t letter_of(uint8_t byte) noexcept {
    return letters[byte];
}

Pieces::Pieces(const TokenizerSource &source, bool byte_level) {
    const size_t count = source.tokens.size();
    if (count == 0 || count > INT32_MAX)
        throw FormatError("a vocabulary of " + std::to_string(count) + " tokens; the model file is damaged");
    if (!source.types.empty() && source.types.size() != count)
        throw FormatError(std::to_string(source.types.size()) + " token types for " + std::to_string(count) +
                          " tokens; the model file is damaged");
    size_t total = 0;
    for (size_t token = 0; token < count; token++) {
        const std::string_view text = source.tokens[token];
        types_.push_back(source.types.empty() ? TokenType::normal : checked(source.types[token], token));
        if (text.size() > longest)
            throw FormatError("token " + std::to_string(token) + " has " + std::to_string(text.size()) +
                              " bytes, at most " + std::to_string(longest) + " are allowed");
        total += text.size();
    }
    bytes_.reserve(total); // no piece is longer than its text, so that the views hold
    views_.reserve(count);
    for (size_t token = 0; token < count; token++) {
        const std::string_view text = source.tokens[token];
        const size_t begin = bytes_.size();
        if (types_[token] == TokenType::byte && !byte_level)
            bytes_.push_back(byte_token(text, token));
        else if (is_text(types_[token], byte_level) && byte_level)
            spell(text, bytes_);
        else if (is_text(types_[token], byte_level))
            unescape(text, bytes_);
        else
            bytes_.insert(bytes_.end(), text.begin(), text.end());
        views_.emplace_back(bytes_.data() + begin, bytes_.size() - begin);
    }
}

} // namespace nexus::engine
