// A regular file, open and mapped read-only, of the size it had when it was opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>

namespace nexus::engine {

class Mapping {
  public:
    /// Opens `path`. IoError where that fails or it is no regular file (a pipe, a folder, a device).
    /// Nothing is mapped yet.
    explicit Mapping(const std::filesystem::path &path);
    ~Mapping();
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;

    /// Maps the whole file; it is not empty. IoError.
    void map();

    int descriptor() const { return descriptor_; }
    uint64_t size() const { return size_; }
    const std::byte *data() const { return data_; }

    /// IoError where size or time of change differ from those at the opening.
    void check_unchanged() const;

  private:
    std::filesystem::path path_;
    int descriptor_ = -1;
    uint64_t size_ = 0;
    timespec changed_{};
    const std::byte *data_ = nullptr;
};

} // namespace nexus::engine
