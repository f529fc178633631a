#include "utf8.hpp"

namespace nexus::engine {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

struct Lead {
    uint8_t bytes;  // 0: no character begins with this byte
    uint8_t lowest; // the range of the second byte, which rules out overlong forms and surrogates
    uint8_t highest;
};

constexpr Lead lead(uint8_t byte) noexcept {
    if (byte < 0x80)
        return {1, 0, 0};
    if (byte < 0xC2 || byte > 0xF4)
        return {0, 0, 0};
    if (byte < 0xE0)
        return {2, 0x80, 0xBF};
    if (byte < 0xF0)
        return {3, static_cast<uint8_t>(byte == 0xE0 ? 0xA0 : 0x80),
                static_cast<uint8_t>(byte == 0xED ? 0x9F : 0xBF)};
    return {4, static_cast<uint8_t>(byte == 0xF0 ? 0x90 : 0x80),
            static_cast<uint8_t>(byte == 0xF4 ? 0x8F : 0xBF)};
}

struct Beginning {
    uint8_t bytes;  // how many of the bytes belong together, at least 1
    uint8_t wanted; // how many a whole character would take; 0: none begins so
};

/// The longest beginning of a character at `position`.
Beginning beginning_at(std::string_view text, size_t position) noexcept {
    const auto byte = [&](size_t index) { return static_cast<uint8_t>(text[index]); };
    const Lead first = lead(byte(position));
    if (first.bytes < 2)
        return {1, first.bytes};
    uint8_t length = 1;
    while (length < first.bytes && position + length < text.size()) {
        const uint8_t next = byte(position + length);
        const bool belongs =
            length == 1 ? next >= first.lowest && next <= first.highest : (next & 0xC0) == 0x80;
        if (!belongs)
            return {length, 0};
        length++;
    }
    return {length, first.bytes};
}

} // namespace

Character character_at(std::string_view text, size_t position) noexcept {
    const auto byte = [&](size_t offset) { return static_cast<uint8_t>(text[position + offset]); };
    const Beginning found = beginning_at(text, position);
    if (found.bytes != found.wanted)
        return {0xFFFD, 1, false};
    if (found.bytes == 1)
        return {byte(0), 1, true};
    char32_t value = byte(0) & (0xFFu >> (found.bytes + 1));
    for (size_t offset = 1; offset < found.bytes; offset++)
        value = value << 6 | (byte(offset) & 0x3Fu);
    return {value, found.bytes, true};
}

std::string Utf8Stream::push(std::string_view bytes) {
    std::string text = std::move(held_);
    held_.clear();
    text += bytes;
    std::string out;
    out.reserve(text.size());
    size_t position = 0;
    while (position < text.size()) {
        const Beginning found = beginning_at(text, position);
        if (found.bytes == found.wanted) {
            out.append(text, position, found.bytes);
        } else if (found.wanted != 0) { // only the end of the text cut it short
            held_.assign(text, position);
            break;
        } else {
            out += replacement;
        }
        position += found.bytes;
    }
    return out;
}

std::string Utf8Stream::flush() {
    const bool unfinished = !held_.empty();
    held_.clear();
    return unfinished ? std::string(replacement) : std::string();
}

} // namespace nexus::engine
