// GGUF files for tests, written byte by byte so that each of them can be wrong on purpose.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace nexus::test {

/// Value types of the format.
enum : uint32_t { U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64 };

class Bytes {
  public:
    template <class Number> Bytes &add(Number value) {
        bytes_.append(reinterpret_cast<const char *>(&value), sizeof value);
        return *this;
    }
    Bytes &text(const std::string &value) {
        add<uint64_t>(value.size());
        bytes_ += value;
        return *this;
    }
    Bytes &raw(const std::string &value) {
        bytes_ += value;
        return *this;
    }
    Bytes &header(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
        return raw("GGUF").add(version).add(tensors).add(keys);
    }
    template <class Number> Bytes &key(const std::string &name, uint32_t type, Number value) {
        return text(name).add(type).add(value);
    }
    Bytes &key(const std::string &name, const std::string &value) {
        return text(name).add<uint32_t>(TEXT).text(value);
    }
    Bytes &array(const std::string &name, uint32_t type, uint64_t count) {
        return text(name).add<uint32_t>(ARRAY).add(type).add(count);
    }
    Bytes &tensor(const std::string &name, const std::vector<uint64_t> &shape, uint32_t type,
                  uint64_t offset) {
        text(name).add(static_cast<uint32_t>(shape.size()));
        for (const uint64_t size : shape)
            add(size);
        return add(type).add(offset);
    }
    /// Zeros up to a multiple of `alignment`.
    Bytes &pad(size_t alignment = 32) {
        bytes_.resize((bytes_.size() + alignment - 1) / alignment * alignment);
        return *this;
    }
    Bytes &zeros(size_t count) {
        bytes_.append(count, '\0');
        return *this;
    }
    const std::string &str() const { return bytes_; }

  private:
    std::string bytes_;
};

/// A folder that is gone at the end.
class Folder {
  public:
    Folder() {
        char name[] = "/tmp/nexus-gguf-XXXXXX";
        if (mkdtemp(name) == nullptr)
            std::abort();
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder &) = delete;
    Folder &operator=(const Folder &) = delete;

    std::filesystem::path write(const Bytes &bytes, const char *name = "model.gguf") const {
        std::ofstream(path_ / name, std::ios::binary) << bytes.str();
        return path_ / name;
    }
    const std::filesystem::path &path() const { return path_; }

  private:
    std::filesystem::path path_;
};

} // namespace nexus::test
