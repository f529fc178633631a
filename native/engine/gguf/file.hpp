// A GGUF model file, opened read-only and checked as a whole before anyone sees a byte of it.
//
// Versions 2 and 3, little endian, in one file. The header (metadata, names, shapes) is read into
// memory of our own; the weights stay in the file and are mapped. So a change of the file after
// opening cannot make a checked length wrong. It can still change weights, and a file that is cut
// short while it is mapped makes the kernel send SIGBUS to whoever reads the missing part: no
// check made beforehand prevents that. A model file must not be written in place; replace it by
// rename. `check_unchanged` after the weights were copied tells whether someone did.
//
// What is refused, always with the key's or tensor's name and the value: what is not a regular
// file; other versions, big-endian and split files; any count, length, shape, offset or alignment
// that the file cannot hold; names that are empty, too long, double or not UTF-8; tensors that
// overlap or leave the file; types and more dimensions than the engine knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metadata.hpp"
#include "types.hpp"

namespace nexus::engine {

class Mapping;

/// One matrix or vector of the file. `data` is valid as long as the GgufFile lives, aligned to
/// its `alignment()`, and `bytes` long (with the trailer of `i2_s`).
struct Tensor {
    std::string name;
    TensorType type;
    std::vector<uint64_t> shape; // 1 to 4 sizes, none 0; shape[0] = columns, the contiguous one
    const std::byte *data;
    size_t bytes;

    uint64_t elements() const;
    uint64_t columns() const { return shape[0]; }
    uint64_t rows() const { return elements() / shape[0]; } // all other dimensions multiplied
    size_t row_bytes() const { return shape[0] / block_elements(type) * block_bytes(type); }
    /// The start of row `row`; the columns are whole blocks. LimitError past the last row.
    const std::byte *row(uint64_t row) const;
};

class GgufFile {
  public:
    /// Opens and checks `path`. IoError: cannot be opened or read, or is not a regular file;
    /// FormatError: damaged; UnsupportedError: sound, but not for this engine; LimitError: larger
    /// than a model's header may be.
    explicit GgufFile(const std::filesystem::path &path);
    ~GgufFile();
    GgufFile(GgufFile &&) noexcept;
    GgufFile &operator=(GgufFile &&) noexcept;

    /// The tensor of this name, or nullptr. In the order of the file: `tensors()`.
    const Tensor *find(std::string_view name) const;
    /// The tensor of this name; FormatError names the one that is missing.
    const Tensor &tensor(std::string_view name) const;
    const std::vector<Tensor> &tensors() const { return tensors_; }

    // Metadata. Nothing where the key is not there; FormatError where its value has another type.
    // Views are valid as long as the GgufFile lives. Text is as in the file: not checked to be
    // UTF-8 and may hold zero bytes (a vocabulary has both).
    const Metadata &metadata() const { return metadata_; }
    std::optional<uint64_t> integer(std::string_view key) const { return metadata_.integer(key); }
    std::optional<double> real(std::string_view key) const { return metadata_.real(key); }
    std::optional<bool> boolean(std::string_view key) const { return metadata_.boolean(key); }
    std::optional<std::string_view> text(std::string_view key) const { return metadata_.text(key); }
    std::optional<std::vector<std::string_view>> texts(std::string_view key) const {
        return metadata_.texts(key);
    }
    std::optional<std::vector<int64_t>> integers(std::string_view key) const {
        return metadata_.integers(key);
    }
    std::optional<std::vector<float>> reals(std::string_view key) const { return metadata_.reals(key); }

    const std::filesystem::path &path() const { return path_; }
    uint32_t version() const { return version_; }     // 2 or 3
    uint64_t alignment() const { return alignment_; } // of every tensor's data, in bytes
    uint64_t file_bytes() const;

    /// IoError where the file's size or time of change is not that of the opening any more.
    void check_unchanged() const;

  private:
    std::filesystem::path path_;
    uint32_t version_ = 0;
    uint64_t alignment_ = 0;
    Metadata metadata_;
    std::unique_ptr<Mapping> mapping_;
    std::vector<Tensor> tensors_;
    std::vector<uint32_t> by_name_; // indices into tensors_, sorted by name
};

} // namespace nexus::engine
