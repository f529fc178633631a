#include "header_reader.hpp"

#include <cerrno>
#include <unistd.h>

#include <algorithm>

#include "../error.hpp"

namespace nexus::engine {

namespace {

constexpr uint64_t read_ahead = 256 << 10;

} // namespace

std::string in_quotes(std::string_view text) {
    constexpr size_t longest = 80;
    constexpr char digits[] = "0123456789abcdef";
    std::string out = "'";
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            out += c;
        } else {
            out += "\\x";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    out += '\'';
    if (text.size() > longest)
        out += " (cut: " + std::to_string(text.size()) + " bytes)";
    return out;
}

bool is_utf8(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const size_t more = lead < 0x80   ? 0
                            : lead < 0xc2 ? 4
                            : lead < 0xe0 ? 1
                            : lead < 0xf0 ? 2
                            : lead < 0xf5 ? 3
                                          : 4;
        if (lead == 0 || more == 4 || more >= text.size() - i)
            return false;
        for (size_t k = 1; k <= more; ++k) {
            const auto next = static_cast<unsigned char>(text[i + k]);
            // The second byte also keeps out overlong forms, surrogates and what is past U+10FFFF.
            const unsigned low = k == 1 && lead == 0xe0 ? 0xa0 : k == 1 && lead == 0xf0 ? 0x90 : 0x80;
            const unsigned high = k == 1 && lead == 0xed ? 0x9f : k == 1 && lead == 0xf4 ? 0x8f : 0xbf;
            if (next < low || next > high)
                return false;
        }
        i += more + 1;
    }
    return true;
}

HeaderReader::HeaderReader(int descriptor, uint64_t size, std::string path)
    : descriptor_(descriptor), size_(size), path_(std::move(path)) {}

void HeaderReader::damaged(const std::string &what) const {
    throw FormatError("the model file " + path_ + " is damaged: " + what +
                      "; fetch or convert it again");
}

void HeaderReader::need(uint64_t count, std::string_view what) {
    if (count > left())
        damaged(std::string(what) + " needs " + std::to_string(count) + " bytes at byte " +
                std::to_string(at_) + ", the file has " + std::to_string(size_));
    if (count > max_header_bytes - at_)
        throw LimitError("the model file " + path_ + " has a header of more than " +
                         std::to_string(max_header_bytes) + " bytes (at " + std::string(what) +
                         "); a model's header is smaller, use another file");
    const uint64_t end = at_ + count;
    if (end <= bytes_.size())
        return;
    size_t filled = bytes_.size();
    bytes_.resize(std::min(size_, std::max(end, filled + read_ahead)));
    while (filled < bytes_.size()) {
        const ssize_t got = pread(descriptor_, bytes_.data() + filled, bytes_.size() - filled,
                                  static_cast<off_t>(filled));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            throw IoError("cannot read the model file " + path_ + ": " + std::strerror(errno));
        if (got == 0)
            throw IoError("the model file " + path_ +
                          " became shorter while it was read: " + std::to_string(filled) + " of " +
                          std::to_string(size_) + " bytes; wait until it is complete and load it again");
        filled += static_cast<size_t>(got);
    }
}

std::string HeaderReader::name(std::string_view what, uint64_t most) {
    const auto length = number<uint64_t>(what);
    if (length > most)
        damaged(std::string(what) + " is " + std::to_string(length) + " bytes long, at most " +
                std::to_string(most) + " are allowed");
    need(length, what);
    std::string text(reinterpret_cast<const char *>(bytes_.data() + at_), length);
    at_ += length;
    if (text.empty())
        damaged(std::string(what) + " is empty");
    if (!is_utf8(text))
        damaged(std::string(what) + " " + in_quotes(text) + " is not UTF-8");
    return text;
}

void HeaderReader::skip(uint64_t count, std::string_view what) {
    need(count, what);
    at_ += count;
}

std::vector<std::byte> HeaderReader::so_far() const {
    return {bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(at_)};
}

} // namespace nexus::engine
