// The four classes of characters that pre-tokenizers tell apart. The ranges are generated from the
// Unicode database by scripts/unicode_tables.py into unicode_ranges.cpp.
#pragma once

#include <cstdint>
#include <span>

namespace nexus::engine {

enum class CharacterClass : uint8_t {
    other,  ///< punctuation, symbols, marks, controls, and all that is not assigned
    letter, ///< general category L*
    number, ///< general category N*
    space,  ///< property White_Space, which is wider than category Z: it has tab, line feed, U+0085
};

/// The class of a code point; `other` for any value that is none.
CharacterClass class_of(char32_t code_point) noexcept;

/// One run of code points of the same class.
struct CharacterRange {
    uint32_t first, last; // inclusive
    CharacterClass category;
};

/// All characters that are not `other`: ascending, disjoint, no two neighbours that could be one.
std::span<const CharacterRange> character_ranges() noexcept;

/// The version of the Unicode database behind the ranges, for example "16.0.0".
const char *unicode_version() noexcept;

} // namespace nexus::engine
