// splitter.hpp, unicode.hpp and utf8.hpp keep their word. Runs under the sanitizers.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "engine/tokenizer/splitter.hpp"
#include "engine/tokenizer/unicode.hpp"
#include "engine/tokenizer/utf8.hpp"

using namespace nexus::engine;
using namespace std::string_literals;
using namespace std::string_view_literals;

static constexpr Splitting all[] = {Splitting::gpt2, Splitting::digits, Splitting::qwen2, Splitting::llama3};

/// The words with bars between them; fails if a word is empty or reaches beyond the text.
static std::string words(Splitting splitting, std::string_view text) {
    std::string joined;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = word_end(splitting, text, begin);
        CHECK(end > begin && end <= text.size());
        if (end <= begin || end > text.size())
            break;
        joined += (begin == 0 ? "" : "|") + std::string(text.substr(begin, end - begin));
        begin = end;
    }
    return joined;
}

struct Example {
    std::string_view text, gpt2, digits, qwen2, llama3;
};

// What the regular expressions of splitter.hpp find, by an engine for regular expressions.
static constexpr Example examples[] = {
    {"Hello world", "Hello| world", "Hello| world", "Hello| world", "Hello| world"},
    {"I'll don't WE'RE", "I|'ll| don|'t| WE|'|RE", "I|'ll| don|'t| WE|'|RE", "I|'ll| don|'t| WE|'RE",
     "I|'ll| don|'t| WE|'RE"},
    {"'\u017Fx", "'|\u017Fx", "'|\u017Fx", "'\u017F|x", "'\u017F|x"},
    {"' x 'l '", "'| x| '|l| '", "'| x| '|l| '", "'| x| '|l| '", "'| x| '|l| '"},
    {"12345 678", "12345| 678", "1|2|3|4|5| |6|7|8", "1|2|3|4|5| |6|7|8", "123|45| |678"},
    {"a  1", "a| | 1", "a|  |1", "a| | |1", "a| | |1"},
    {"  a\t\tb", " | a|\t|\t|b", " | a|\t|\t|b", " | a|\t|\tb", " | a|\t|\tb"},
    {"x \n\n  y", "x| \n\n | y", "x| \n\n | y", "x| \n\n| | y", "x| \n\n| | y"},
    {"a.b(c) d!\r\nz", "a|.|b|(|c|)| d|!|\r|\n|z", "a|.|b|(|c|)| d|!|\r|\n|z", "a|.b|(c|)| d|!\r\n|z",
     "a|.b|(c|)| d|!\r\n|z"},
    {"end   ", "end|   ", "end|   ", "end|   ", "end|   "},
    {"e\u0301a \u0663\u2167", "e|\u0301|a| \u0663\u2167", "e|\u0301|a| |\u0663|\u2167", "e|\u0301a| |\u0663|\u2167",
     "e|\u0301a| |\u0663\u2167"},
    {"a\u00A0b\u3000c", "a|\u00A0|b|\u3000|c", "a|\u00A0|b|\u3000|c", "a|\u00A0b|\u3000c", "a|\u00A0b|\u3000c"},
    {"\n", "\n", "\n", "\n", "\n"},
    {"\xFFz\xE4\xB8", "\xFF|z|\xE4\xB8", "\xFF|z|\xE4\xB8", "\xFFz|\xE4\xB8", "\xFFz|\xE4\xB8"},
};

static void words_are_those_of_the_regular_expressions() {
    for (const Example &example : examples) {
        const std::string_view expected[] = {example.gpt2, example.digits, example.qwen2, example.llama3};
        for (size_t index = 0; index < 4; index++) {
            const std::string found = words(all[index], example.text);
            if (found != expected[index]) {
                fprintf(stderr, "splitting %zu: \"%s\", not \"%s\"\n", index, found.c_str(),
                        std::string(expected[index]).c_str());
                failures++;
            }
        }
    }
}

static void words_of_any_bytes_are_the_text() {
    std::mt19937 random(3);
    for (int round = 0; round < 20000; round++) {
        std::string text;
        for (size_t length = random() % 24; length > 0; length--)
            text += random() % 3 == 0 ? static_cast<char>(random()) : " \n'sL1.\xC2\xA0\r"[random() % 11];
        for (const Splitting splitting : all) {
            size_t begin = 0;
            while (begin < text.size()) {
                const size_t end = word_end(splitting, text, begin);
                CHECK(end > begin && end <= text.size());
                if (end <= begin)
                    return;
                begin = end;
            }
            CHECK(begin == text.size());
        }
    }
}

static void classes_are_those_of_the_database() {
    CHECK(unicode_version() == "16.0.0"sv);
    CHECK(class_of('a') == CharacterClass::letter && class_of(U'é') == CharacterClass::letter);
    CHECK(class_of(U'中') == CharacterClass::letter && class_of(U'\U00020000') == CharacterClass::letter);
    CHECK(class_of(U'\U0002A6DF') == CharacterClass::letter && class_of(U'\U0002A6E0') == CharacterClass::other);
    CHECK(class_of('7') == CharacterClass::number && class_of(U'Ⅷ') == CharacterClass::number);
    CHECK(class_of(U'½') == CharacterClass::number && class_of(U'\U0001D7CE') == CharacterClass::number);
    CHECK(class_of(0x85) == CharacterClass::space && class_of(0x3000) == CharacterClass::space);
    CHECK(class_of(0x200B) == CharacterClass::other && class_of(0x1C) == CharacterClass::other);
    CHECK(class_of(0x301) == CharacterClass::other && class_of(U'😀') == CharacterClass::other);
    CHECK(class_of(0x110000) == CharacterClass::other && class_of(0xFFFFFFFF) == CharacterClass::other);
    uint32_t end = 0;
    for (const CharacterRange &range : character_ranges()) {
        CHECK(range.first >= end && range.first <= range.last && range.category != CharacterClass::other);
        CHECK(class_of(range.first) == range.category && class_of(range.last) == range.category);
        end = range.last + 1;
    }
    CHECK(end <= 0x110000);
}

static void characters_are_read_strictly() {
    const auto valid = [](std::string_view text) {
        const Character found = character_at(text, 0);
        return found.valid && found.bytes == text.size();
    };
    CHECK(valid("a") && valid("é") && valid("\uFFFF") && valid("\U0010FFFF") && valid("\0"sv));
    CHECK(valid("\xED\x9F\xBF") && valid("\xEE\x80\x80") && valid("\xF0\x90\x80\x80"));
    CHECK(character_at("\U0010FFFF", 0).value == 0x10FFFF && character_at("x中", 1).value == U'中');
    for (const std::string_view broken : {"\x80"sv, "\xC0\x80"sv, "\xC1\xBF"sv, "\xE0\x9F\xBF"sv, "\xED\xA0\x80"sv,
                                          "\xF0\x8F\xBF\xBF"sv, "\xF4\x90\x80\x80"sv, "\xF5\x80\x80\x80"sv,
                                          "\xE4\xB8"sv, "\xE4"sv, "\xFF"sv, "\xC3("sv}) {
        const Character found = character_at(broken, 0);
        CHECK(!found.valid && found.bytes == 1 && found.value == 0xFFFD);
    }
}

static std::string streamed(std::string_view text, std::mt19937 &random) {
    Utf8Stream stream;
    std::string out;
    while (!text.empty()) {
        const size_t cut = 1 + random() % text.size();
        out += stream.push(text.substr(0, cut));
        text.remove_prefix(cut);
    }
    return out + stream.flush();
}

static void stream_gives_whole_characters() {
    std::mt19937 random(5);
    Utf8Stream stream;
    CHECK(stream.push("a\xE4\xB8") == "a");
    CHECK(stream.push("\xADz\xF0") == "中z");
    CHECK(stream.push("\x9F\x98") == "" && stream.push("\x80") == "😀");
    CHECK(stream.flush() == "");
    CHECK(stream.push("\xE4") == "" && stream.flush() == "\uFFFD" && stream.flush() == "");
    CHECK(stream.push("\xE4(") == "\uFFFD(" && stream.push("\xED\xA0") == "\uFFFD\uFFFD");
    // The standard's own example of the recommended practice.
    const std::string example = "a\xF1\x80\x80\xE1\x80\xC2"s + "b\x80" + "c\x80\xBF" + "d";
    for (int round = 0; round < 200; round++)
        CHECK(streamed(example, random) == "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
    for (int round = 0; round < 5000; round++) {
        std::string text;
        for (int part = 0; part < 8; part++)
            text += random() % 2 ? std::string(1, static_cast<char>(random())) : "é中😀"s.substr(random() % 9);
        CHECK(streamed(text, random) == streamed(text, random));
    }
}

int main() {
    words_are_those_of_the_regular_expressions();
    words_of_any_bytes_are_the_text();
    classes_are_those_of_the_database();
    characters_are_read_strictly();
    stream_gives_whole_characters();
    if (failures == 0)
        puts("splitter: all held");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
