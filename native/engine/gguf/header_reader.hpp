// Reads the header of a GGUF file front to back, into memory of our own.
//
// Invariant: no byte past the file's end is asked for and no memory is taken that the file does
// not fill: a length is compared with what is left of the file before anything is reserved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace nexus::engine {

/// The most bytes that metadata and tensor names of a model may have in all.
inline constexpr uint64_t max_header_bytes = 256ull << 20;

/// `text` between quotes for a message: cut after 80 bytes, what is not printable as \xNN.
std::string in_quotes(std::string_view text);

/// Whether `text` is well-formed UTF-8 without a zero byte.
bool is_utf8(std::string_view text);

class HeaderReader {
  public:
    /// Reads from `descriptor` (not owned), a file of `size` bytes called `path` in messages.
    HeaderReader(int descriptor, uint64_t size, std::string path);

    uint64_t at() const { return at_; }
    uint64_t left() const { return size_ - at_; }
    const std::string &path() const { return path_; }

    /// The next little-endian number. `what` names it where the file ends too early (FormatError).
    template <class Number> Number number(std::string_view what) {
        need(sizeof(Number), what);
        Number value;
        std::memcpy(&value, bytes_.data() + at_, sizeof(Number));
        at_ += sizeof(Number);
        return value;
    }

    /// A length and that many bytes, copied. FormatError where there are more than `most`.
    std::string name(std::string_view what, uint64_t most);

    /// Steps over `count` bytes that are there. FormatError where the file ends before.
    void skip(uint64_t count, std::string_view what);

    /// Throws FormatError "the model file PATH is damaged: WHAT".
    [[noreturn]] void damaged(const std::string &what) const;

    /// A copy of everything from the file's first byte to `at()`.
    std::vector<std::byte> so_far() const;

  private:
    void need(uint64_t count, std::string_view what);

    int descriptor_;
    uint64_t size_;
    uint64_t at_ = 0;
    std::string path_;
    std::vector<std::byte> bytes_; // the file's first bytes, always at least up to at_
};

} // namespace nexus::engine
