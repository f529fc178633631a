// The tokens' bytes and types.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "source.hpp"

namespace nexus::engine {

/// The character that a byte-level vocabulary writes for a byte: printable ones stand for themselves,
/// the others are moved to U+0100 and above.
char32_t letter_of(uint8_t byte) noexcept;

/// Owns the bytes; views of them stay good as long as it lives, also when it is moved.
class Pieces {
  public:
    /// `byte_level`: normal tokens are written in the letters of bytes, all others as they are.
    /// Otherwise U+2581 stands for a space in normal and user-defined tokens, <0x41> is a byte, and
    /// control, unknown and unused tokens are as they are.
    /// Throws FormatError if there are no tokens, if the number of types is another, for a type that is
    /// not known, for a byte token that is not written so and for a token longer than `longest` bytes.
    Pieces(const TokenizerSource &source, bool byte_level);
    Pieces(Pieces &&) = default;

    static constexpr size_t longest = 4096;

    size_t size() const noexcept { return views_.size(); }
    std::string_view operator[](size_t token) const noexcept { return views_[token]; }
    TokenType type(size_t token) const noexcept { return types_[token]; }

  private:
    std::vector<char> bytes_;
    std::vector<std::string_view> views_;
    std::vector<TokenType> types_;
};

} // namespace nexus::engine
