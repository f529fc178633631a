// UTF-8, strictly as in RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
// Knows nothing of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nexus::engine {

/// One step through text: a character, or one byte that begins none.
struct Character {
    char32_t value; ///< the code point; 0xFFFD if not valid
    uint8_t bytes;  ///< how many bytes it takes: 1 to 4, and 1 if not valid
    bool valid;
};

/// The character at `text[position]`. `position` must be inside the text. Reads nothing beyond its end:
/// a character that is cut off there is not valid.
Character character_at(std::string_view text, size_t position) noexcept;

/// The bytes of tokens go in, whole characters come out.
///
/// A character whose bytes are spread over several tokens is held back until its last byte is there.
/// What can no longer become a character is replaced by U+FFFD, once for each longest beginning of a
/// character (the Unicode standard's recommendation, and what decoders of browsers and Python do).
/// Whatever the cuts between the pushes, all that comes out, joined, is the same.
class Utf8Stream {
  public:
    /// All characters that are complete now. The result is always valid UTF-8.
    std::string push(std::string_view bytes);

    /// The end of the text: U+FFFD if a character was left unfinished, else nothing. Ready for a new text.
    std::string flush();

  private:
    std::string held_; // at most three bytes: the beginning of a character
};

} // namespace nexus::engine
