// What the tests of paging share: a folder of their own, blocks whose content follows from a seed, and CHECK.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <unistd.h>
#include <vector>

#include "check.hpp"
#include "engine/error.hpp"
#include "engine/paging/block_file.hpp"

namespace nexus::test {

/// The message of the error of this kind that `action` throws; "" if it throws none.
template <class Refusal, class Action> std::string refused(Action &&action) {
    try {
        action();
    } catch (const Refusal &error) {
        return error.what();
    }
    return "";
}

inline bool has(const std::string &text, const std::string &part) {
    return text.find(part) != std::string::npos;
}

/// A folder that is gone at the end.
class Scratch {
  public:
    explicit Scratch(const char *where = "/tmp") {
        std::string name = std::string(where) + "/nexus-paging-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr)
            std::abort();
        path_ = name;
    }
    ~Scratch() { std::filesystem::remove_all(path_); }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    std::filesystem::path operator/(const char *name) const { return path_ / name; }
    const std::filesystem::path &path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// Bytes at a multiple of 4096.
class Aligned {
  public:
    explicit Aligned(size_t bytes)
        : bytes_(static_cast<std::byte *>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)), &std::free) {
        std::memset(bytes_.get(), 0, bytes);
    }
    std::byte *get() const { return bytes_.get(); }

  private:
    std::unique_ptr<std::byte, decltype(&std::free)> bytes_;
};

/// A cheap sequence of its own for each seed.
struct Sequence {
    uint64_t state;
    uint64_t next() {
        state += 0x9E3779B97F4A7C15;
        uint64_t mixed = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
    uint64_t below(uint64_t bound) { return next() % bound; }
};

/// Fills a head (layer -1) or page behind its seal; the first eight bytes there are the seed.
inline void fill(std::byte *piece, size_t bytes, uint64_t seed, int layer) {
    Sequence sequence{seed * 1000003 + static_cast<uint64_t>(layer + 1)};
    std::memcpy(piece + engine::seal_bytes, &seed, 8);
    for (size_t at = engine::seal_bytes + 8; at < bytes; at += 8) {
        const uint64_t word = sequence.next();
        std::memcpy(piece + at, &word, 8);
    }
}

inline bool is_filled(const std::byte *piece, size_t bytes, uint64_t seed, int layer) {
    Sequence sequence{seed * 1000003 + static_cast<uint64_t>(layer + 1)};
    uint64_t word;
    std::memcpy(&word, piece + engine::seal_bytes, 8);
    bool equal = word == seed;
    for (size_t at = engine::seal_bytes + 8; at < bytes; at += 8) {
        std::memcpy(&word, piece + at, 8);
        equal &= word == sequence.next();
    }
    return equal;
}

/// Buffers of one block.
class Block {
  public:
    Block(const engine::BlockShape &shape, uint64_t seed) : shape_(shape), bytes_(shape.bytes()) {
        for (uint32_t layer = 0; layer < shape.layers; layer++)
            pages_.push_back(bytes_.get() + shape.head_bytes + size_t{layer} * shape.page_bytes);
        refill(seed);
    }
    void refill(uint64_t seed) {
        fill(head(), shape_.head_bytes, seed, -1);
        for (uint32_t layer = 0; layer < shape_.layers; layer++)
            fill(pages_[layer], shape_.page_bytes, seed, static_cast<int>(layer));
    }
    std::byte *head() const { return bytes_.get(); }
    std::span<std::byte *const> pages() const { return pages_; }

  private:
    const engine::BlockShape shape_;
    Aligned bytes_;
    std::vector<std::byte *> pages_;
};

/// Whether the file returns the whole block of this seed. Errors pass through.
inline bool reads_back(engine::BlockFile &file, uint32_t slot, uint64_t seed) {
    const engine::BlockShape &shape = file.shape();
    Aligned buffer(std::max(shape.head_bytes, shape.page_bytes));
    file.read_head(slot, buffer.get());
    bool whole = is_filled(buffer.get(), shape.head_bytes, seed, -1);
    for (uint32_t layer = 0; layer < shape.layers; layer++) {
        file.read_page(slot, layer, buffer.get());
        whole &= is_filled(buffer.get(), shape.page_bytes, seed, static_cast<int>(layer));
    }
    return whole;
}

/// All bytes of a file.
inline std::vector<char> content(const std::filesystem::path &path) {
    std::vector<char> bytes(std::filesystem::file_size(path));
    std::FILE *file = std::fopen(path.c_str(), "rb");
    if (!file || std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size())
        std::abort();
    std::fclose(file);
    return bytes;
}

/// Changes bytes of a file behind the back of who has it open.
inline void overwrite(const std::filesystem::path &path, uint64_t at, std::span<const char> bytes) {
    std::FILE *file = std::fopen(path.c_str(), "r+b");
    if (!file || std::fseek(file, static_cast<long>(at), SEEK_SET) != 0 ||
        std::fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size())
        std::abort();
    std::fclose(file);
}

/// The ways of reading that work here; says so when one does not.
inline std::vector<engine::Ring::Backend> backends() {
    using Backend = engine::Ring::Backend;
    const std::string why = refused<engine::IoError>([] { engine::Ring ring(Backend::io_uring); });
    if (why.empty())
        return {Backend::io_uring, Backend::threads};
    std::fprintf(stderr, "only threads are tested: %s\n", why.c_str());
    return {Backend::threads};
}

} // namespace nexus::test
