// Small vocabularies for the tests of the tokenizer, learnt here, and slow definitions of what it does.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/tokenizer/pieces.hpp"
#include "engine/tokenizer/splitter.hpp"
#include "engine/tokenizer/tokenizer.hpp"
#include "engine/tokenizer/utf8.hpp"

namespace vocabulary {

using nexus::engine::Splitting;
using nexus::engine::TokenizerSource;

inline constexpr int64_t normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6;

inline std::string letters(std::string_view bytes) {
    std::string out;
    for (const char each : bytes) {
        const char32_t letter = nexus::engine::letter_of(static_cast<uint8_t>(each));
        if (letter >= 0x80)
            out += {static_cast<char>(0xC0 | letter >> 6), static_cast<char>(0x80 | (letter & 0x3F))};
        else
            out += static_cast<char>(letter);
    }
    return out;
}

/// A source that owns its texts.
struct Vocabulary {
    TokenizerSource source;
    std::deque<std::string> texts;

    int32_t add(std::string text, int64_t type, float score = 0) {
        texts.push_back(std::move(text));
        source.tokens.push_back(texts.back());
        source.types.push_back(type);
        source.scores.push_back(score);
        return static_cast<int32_t>(source.tokens.size() - 1);
    }
    void merge(const std::string &left, const std::string &right) {
        texts.push_back(left + " " + right);
        source.merges.push_back(texts.back());
    }
};

inline constexpr std::string_view sample =
    "the weather in the north is colder than the weather in the south, and there they'd rather be in the house; "
    "12 ducks, 345 geese and 6789 hens were counted there in 1999.  They're the others' birds.\n\n    return there, "
    "then\n\tif (here == there) { the_other = other[here]; }  // über Köln weht ein Wind, in Köln weht er\n"
    "北京的北边是北方，东京的东边是东方。 привет, как дела, как погода, привет\n";

using Words = std::vector<std::vector<std::string>>;

inline std::vector<std::string> cut(Splitting splitting, std::string_view text) {
    std::vector<std::string> out;
    for (size_t begin = 0; begin < text.size();) {
        const size_t end = nexus::engine::word_end(splitting, text, begin);
        out.emplace_back(text.substr(begin, end - begin));
        begin = end;
    }
    return out;
}

inline void join(std::vector<std::string> &word, size_t at) {
    word[at] += word[at + 1];
    word.erase(word.begin() + static_cast<std::ptrdiff_t>(at) + 1);
}

/// The `count` most frequent pairs of `sample`, learnt one after the other.
inline std::vector<std::pair<std::string, std::string>> learn(Splitting splitting, size_t count) {
    Words words;
    for (const std::string &word : cut(splitting, sample)) {
        words.emplace_back();
        for (const char each : word)
            words.back().emplace_back(1, each);
    }
    std::vector<std::pair<std::string, std::string>> merges;
    while (merges.size() < count) {
        std::map<std::pair<std::string, std::string>, int> pairs;
        for (const auto &word : words)
            for (size_t at = 0; at + 1 < word.size(); at++)
                pairs[{word[at], word[at + 1]}]++;
        if (pairs.empty())
            break;
        const auto best = std::max_element(pairs.begin(), pairs.end(),
                                           [](const auto &a, const auto &b) { return a.second < b.second; });
        merges.push_back(best->first);
        for (auto &word : words)
            for (size_t at = 0; at + 1 < word.size(); at++)
                if (word[at] == merges.back().first && word[at + 1] == merges.back().second)
                    join(word, at);
    }
    return merges;
}

/// All bytes but those of `missing`, the learnt merges, and five tokens that are written out.
inline Vocabulary byte_level(const std::string &pre, Splitting splitting, std::string_view missing = "") {
    Vocabulary made;
    made.source.model = "gpt2";
    made.source.pre = pre;
    for (int value = 0; value < 256; value++)
        if (const char each = static_cast<char>(value); missing.find(each) == missing.npos)
            made.add(letters({&each, 1}), normal);
    std::vector<std::string> seen;
    for (const auto &[left, right] : learn(splitting, 400)) {
        made.merge(letters(left), letters(right));
        if (std::find(seen.begin(), seen.end(), left + right) == seen.end())
            made.add(letters(left + right), normal);
        seen.push_back(left + right);
    }
    made.source.bos = made.add("<s>", control);
    made.source.eos = made.add("<|im_end|>", control);
    made.add("<|im_end|>|", control);
    made.add("<tool>", user_defined);
    made.add("[PAD]", unused);
    return made;
}

/// Lowest rank first, then leftmost, one pair at a time.
inline std::vector<std::string> merged(const Vocabulary &made, std::string_view word) {
    std::vector<std::string> parts;
    for (const char each : word)
        parts.push_back(letters({&each, 1}));
    for (const std::string_view merge : made.source.merges) {
        const size_t space = merge.find(' ');
        for (size_t at = 0; at + 1 < parts.size(); at++)
            if (parts[at] == merge.substr(0, space) && parts[at + 1] == merge.substr(space + 1))
                join(parts, at);
    }
    return parts;
}

/// Pieces with scores: words of `sample` and their beginnings, bytes, and one user-defined token.
inline Vocabulary sentence_pieces(bool bytes) {
    Vocabulary made;
    made.source.model = "llama";
    made.source.unknown = made.add("<unk>", unknown);
    made.source.bos = made.add("<s>", control);
    made.source.eos = made.add("</s>", control);
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (size_t value = 0; bytes && value < 256; value++)
        made.add(std::string("<0x") + digits[value / 16] + digits[value % 16] + ">", byte);
    made.add("\n\n", user_defined);
    std::vector<std::string> seen;
    float score = 0;
    for (const auto &[left, right] : learn(Splitting::gpt2, 500))
        for (std::string text : {left + right, left, right}) {
            size_t at = 0;
            while (at < text.size() && nexus::engine::character_at(text, at).valid)
                at += nexus::engine::character_at(text, at).bytes;
            for (size_t space = text.find(' '); space != text.npos; space = text.find(' '))
                text.replace(space, 1, "\u2581");
            if (at != 0 && text.find('\n') == text.npos && std::find(seen.begin(), seen.end(), text) == seen.end()) {
                made.add(text, normal, -(score += 0.5f));
                seen.push_back(text);
            }
        }
    return made;
}

/// Best score first, then leftmost, one pair at a time. `text` is without user-defined tokens.
inline std::vector<std::string> best_scored(const Vocabulary &made, std::string_view text) {
    std::vector<std::string> parts;
    for (size_t at = 0; at < text.size();) {
        const uint8_t length = nexus::engine::character_at(text, at).bytes;
        parts.push_back(text[at] == ' ' ? "\u2581" : std::string(text.substr(at, length)));
        at += length;
    }
    std::map<std::string_view, float> scores;
    for (size_t token = 0; token < made.source.tokens.size(); token++)
        if (made.source.types[token] == normal)
            scores[made.source.tokens[token]] = made.source.scores[token];
    for (;;) {
        size_t best = parts.size();
        float score = 0;
        for (size_t at = 0; at + 1 < parts.size(); at++)
            if (const auto found = scores.find(parts[at] + parts[at + 1]);
                found != scores.end() && (best == parts.size() || found->second > score)) {
                best = at;
                score = found->second;
            }
        if (best == parts.size())
            return parts;
        join(parts, best);
    }
}

/// Text like `sample`, and unlike it.
inline std::string any_text(std::mt19937 &random) {
    std::string out;
    for (size_t parts = random() % 6; parts > 0; parts--) {
        const size_t begin = random() % sample.size();
        switch (random() % 4) {
        case 0: out += std::string(random() % 9, " \nt."[random() % 4]); break;
        case 1: out += static_cast<char>(random()); break;
        default: out += sample.substr(begin, random() % 30);
        }
    }
    return out;
}

} // namespace vocabulary
