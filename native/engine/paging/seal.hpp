// The first 64 bytes of every page and every block head: they say which piece of which block this is, and carry the
// CRC-32C of the whole piece. Knows nothing of files.
//
// A piece that passes flaw() was written whole, for this place, by that one write of that block: not torn, not a
// neighbour's, not what lay in a reused slot before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace nexus::engine {

/// Bytes at the start of a page or head that are the seal's; content begins behind them.
inline constexpr size_t seal_bytes = 64;

enum class Piece : uint16_t { head = 1, page = 2 };

/// The place a piece belongs to. A head's layer is 0. `mark` is drawn anew for each write of a block and is the same in
/// its head and all its pages; it is never 0.
struct Place {
    Piece piece;
    uint32_t slot;
    uint32_t layer;
    uint64_t mark;
};

/// Writes the seal into the first 64 bytes of `piece` (at least 64 bytes), over whatever they held.
void seal(std::span<std::byte> piece, const Place &place) noexcept;

/// nullptr if `piece` is whole and belongs to `place`; else what is wrong, as a phrase for an error message. With
/// `place.mark` 0 any mark will do.
const char *flaw(std::span<const std::byte> piece, const Place &place) noexcept;

/// The mark in a piece without flaw.
uint64_t mark_of(std::span<const std::byte> piece) noexcept;

} // namespace nexus::engine
