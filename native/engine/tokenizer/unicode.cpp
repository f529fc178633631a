#include "unicode.hpp"

#include <algorithm>
#include <array>

namespace nexus::engine {

namespace {

constexpr uint32_t plane = 0x10000;

/// The class of every character of the first plane, where nearly all text lies.
const std::array<CharacterClass, plane> &first_plane() noexcept {
    static const std::array<CharacterClass, plane> table = [] {
        std::array<CharacterClass, plane> classes{};
        for (const CharacterRange &range : character_ranges())
            for (uint32_t point = range.first; point <= range.last && point < plane; point++)
                classes[point] = range.category;
        return classes;
    }();
    return table;
}

} // namespace

CharacterClass class_of(char32_t code_point) noexcept {
    if (code_point < plane)
        return first_plane()[code_point];
    const std::span<const CharacterRange> ranges = character_ranges();
    const auto after = std::upper_bound(
        ranges.begin(), ranges.end(), code_point,
        [](char32_t point, const CharacterRange &range) { return point < range.first; });
    if (after == ranges.begin() || code_point > std::prev(after)->last)
        return CharacterClass::other;
    return std::prev(after)->category;
}

} // namespace nexus::engine
