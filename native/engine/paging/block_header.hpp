// What a block file says of itself in its first page, and who has it open. Format: docs/formats/blocks.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace nexus::engine {

/// Heads, pages and slots start at multiples of this in the file, and their buffers do in memory.
inline constexpr size_t block_alignment = 4096;

/// Where slot 0 starts: behind the header and the page that names the process.
inline constexpr uint64_t block_data_offset = 8192;

/// What all blocks of a file have in common. Sizes in bytes, multiples of 4096 and not 0.
struct BlockShape {
    uint32_t layers;     // 1 to 65536
    uint32_t head_bytes; // with the bounds of all layers; its first seal_bytes are the seal
    uint32_t page_bytes; // one layer; its first seal_bytes are the seal
    std::array<std::byte, 32> model;

    /// Bytes of a slot: the head, then the pages by layer.
    size_t bytes() const noexcept { return size_t{head_bytes} + size_t{layers} * page_bytes; }
    bool operator==(const BlockShape &) const = default;
};

/// Throws LimitError, naming the value, if a field is out of range.
void check_block_shape(const BlockShape &shape);

struct OpenBlockFile {
    int file; // the caller's, with an exclusive lock that ends with it
    bool direct;
    uint64_t bytes;
};

/// Opens and locks the file, or makes one. `direct`: with O_DIRECT, if the file system has it. Errors: as the
/// constructor of BlockFile says.
OpenBlockFile open_block_file(const std::filesystem::path &path, const BlockShape &shape, bool direct);

} // namespace nexus::engine
