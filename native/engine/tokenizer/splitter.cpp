#include "splitter.hpp"

#include <array>

#include "unicode.hpp"
#include "utf8.hpp"

namespace nexus::engine {

namespace {

constexpr char32_t long_s = 0x17F; // the one other character that is an "s" when case is ignored

constexpr std::array<CharacterClass, 128> ascii = [] {
    std::array<CharacterClass, 128> classes{};
    for (int byte = 0; byte < 128; byte++) {
        if ((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z'))
            classes[byte] = CharacterClass::letter;
        else if (byte >= '0' && byte <= '9')
            classes[byte] = CharacterClass::number;
        else if (byte == ' ' || (byte >= 9 && byte <= 13))
            classes[byte] = CharacterClass::space;
    }
    return classes;
}();

struct Seen {
    CharacterClass category;
    uint8_t bytes;
};

class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    bool ended(size_t at) const { return at >= text_.size(); }
    char byte(size_t at) const { return text_[at]; }

    Seen look(size_t at) const {
        const auto first = static_cast<uint8_t>(text_[at]);
        if (first < 128)
            return {ascii[first], 1};
        const Character found = character_at(text_, at);
        return {found.valid ? class_of(found.value) : CharacterClass::other, found.bytes};
    }

    bool is(CharacterClass wanted, size_t at) const { return !ended(at) && look(at).category == wanted; }

    /// The end of the run of one class, of at most `most` characters.
    size_t run(CharacterClass wanted, size_t at, size_t most = SIZE_MAX) const {
        for (; most != 0 && !ended(at); most--) {
            const Seen seen = look(at);
            if (seen.category != wanted)
                break;
            at += seen.bytes;
        }
        return at;
    }

    size_t newlines(size_t at) const {
        while (!ended(at) && (byte(at) == '\r' || byte(at) == '\n'))
            at++;
        return at;
    }

    /// The end of a contraction such as 's or 'll; `at` itself if there is none.
    size_t contraction(size_t at, bool any_case) const {
        if (byte(at) != '\'' || ended(at + 1))
            return at;
        const auto letter = [&](size_t index) {
            const char found = index < text_.size() ? text_[index] : '\0';
            return any_case && found >= 'A' && found <= 'Z' ? static_cast<char>(found + 32) : found;
        };
        const char first = letter(at + 1), second = letter(at + 2);
        if (first == 's' || first == 't' || first == 'm' || first == 'd')
            return at + 2;
        if (((first == 'r' || first == 'v') && second == 'e') || (first == 'l' && second == 'l'))
            return at + 3;
        if (any_case && static_cast<uint8_t>(first) >= 128) {
            const Character found = character_at(text_, at + 1);
            if (found.valid && found.value == long_s)
                return at + 1 + found.bytes;
        }
        return at;
    }

    /// `\s+(?!\S)|\s+`: a run of white space leaves its last character to the word behind it, if one
    /// follows. With `digits_end`, a number behind the run is the end of a text and not a word.
    size_t space(size_t at, bool digits_end) const {
        size_t end = at, last = at;
        Seen seen{};
        while (!ended(end) && (seen = look(end)).category == CharacterClass::space) {
            last = end;
            end += seen.bytes;
        }
        const bool followed = !ended(end) && !(digits_end && seen.category == CharacterClass::number);
        return followed && last != at ? last : end;
    }

    /// `\s*[\r\n]+`: up to the last line end of a run of white space; `at` if there is none in it.
    size_t lines(size_t at) const {
        size_t end = at, found = at;
        while (!ended(end)) {
            const Seen seen = look(end);
            if (seen.category != CharacterClass::space)
                break;
            end += seen.bytes;
            if (byte(end - 1) == '\r' || byte(end - 1) == '\n')
                found = end;
        }
        return found;
    }

  private:
    std::string_view text_;
};

size_t gpt2_end(const Scanner &scan, size_t at, bool digits_alone) {
    if (digits_alone && scan.is(CharacterClass::number, at))
        return scan.run(CharacterClass::number, at, 1);
    if (const size_t end = scan.contraction(at, false); end != at)
        return end;
    const size_t start = at + (scan.byte(at) == ' ' ? 1 : 0);
    if (scan.ended(start))
        return start;
    const CharacterClass category = scan.look(start).category;
    if (category == CharacterClass::space || (digits_alone && category == CharacterClass::number))
        return scan.space(at, digits_alone);
    return scan.run(category, start);
}

size_t qwen2_end(const Scanner &scan, size_t at, size_t digits) {
    if (const size_t end = scan.contraction(at, true); end != at)
        return end;
    const Seen first = scan.look(at);
    if (first.category == CharacterClass::letter)
        return scan.run(CharacterClass::letter, at);
    if (first.category == CharacterClass::number)
        return scan.run(CharacterClass::number, at, digits);
    const char byte = scan.byte(at);
    if (byte != '\r' && byte != '\n' && scan.is(CharacterClass::letter, at + first.bytes))
        return scan.run(CharacterClass::letter, at + first.bytes);
    const size_t start = at + (byte == ' ' ? 1 : 0);
    if (scan.is(CharacterClass::other, start))
        return scan.newlines(scan.run(CharacterClass::other, start));
    if (const size_t end = scan.lines(at); end != at)
        return end;
    return scan.space(at, false);
}

} // namespace

size_t word_end(Splitting splitting, std::string_view text, size_t begin) noexcept {
    const Scanner scan(text);
    switch (splitting) {
    case Splitting::gpt2:
        return gpt2_end(scan, begin, false);
    case Splitting::digits:
        return gpt2_end(scan, begin, true);
    case Splitting::qwen2:
        return qwen2_end(scan, begin, 1);
    case Splitting::llama3:
        return qwen2_end(scan, begin, 3);
    }
    return text.size();
}

} // namespace nexus::engine
