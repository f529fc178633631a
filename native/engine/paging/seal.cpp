#include "seal.hpp"

#include "crc32c.hpp"

#include <bit>
#include <cstring>

namespace nexus::engine {

namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian and written as it lies");

/// As it lies on the disk; see docs/formats/blocks.md.
struct Layout {
    char magic[4];
    uint16_t piece;
    uint16_t version;
    uint32_t size;
    uint32_t slot;
    uint32_t layer;
    uint32_t zero;
    uint64_t mark;
    uint8_t zeros[28];
    uint32_t crc;
};
static_assert(sizeof(Layout) == seal_bytes && offsetof(Layout, crc) == 60);

constexpr char magic[4] = {'N', 'X', 'K', 'V'};
constexpr uint16_t version = 1;

Layout layout(const std::byte *piece) noexcept {
    Layout read;
    std::memcpy(&read, piece, sizeof read);
    return read;
}

/// Of all bytes but the four that hold it.
uint32_t checksum(std::span<const std::byte> piece) noexcept {
    const uint32_t ahead = crc32c(piece.data(), offsetof(Layout, crc));
    return crc32c(piece.data() + seal_bytes, piece.size() - seal_bytes, ahead);
}

} // namespace

void seal(std::span<std::byte> piece, const Place &place) noexcept {
    Layout written{};
    std::memcpy(written.magic, magic, sizeof magic);
    written.piece = static_cast<uint16_t>(place.piece);
    written.version = version;
    written.size = static_cast<uint32_t>(piece.size());
    written.slot = place.slot;
    written.layer = place.layer;
    written.mark = place.mark;
    std::memcpy(piece.data(), &written, sizeof written);
    written.crc = checksum(piece);
    std::memcpy(piece.data(), &written, sizeof written);
}

const char *flaw(std::span<const std::byte> piece, const Place &place) noexcept {
    const Layout read = layout(piece.data());
    if (std::memcmp(read.magic, magic, sizeof magic) != 0)
        return "nothing was written there, or its first bytes are changed";
    if (read.crc != checksum(piece))
        return "its bytes are not those that were written (CRC-32C)";
    if (read.version != version || read.size != piece.size())
        return "it is of another version or size";
    if (read.piece != static_cast<uint16_t>(place.piece) || read.slot != place.slot || read.layer != place.layer)
        return "it belongs to another place";
    if (read.mark == 0 || (place.mark != 0 && read.mark != place.mark))
        return "it belongs to another block that had the slot";
    return nullptr;
}

uint64_t mark_of(std::span<const std::byte> piece) noexcept {
    return layout(piece.data()).mark;
}

} // namespace nexus::engine
