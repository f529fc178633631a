// tokenizer.hpp keeps its word, on vocabularies that are learnt here. Runs under the sanitizers.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include "check.hpp"
#include "engine/error.hpp"
#include "vocabulary.hpp"

using namespace nexus::engine;
using namespace vocabulary;

struct Named {
    const char *pre;
    Splitting splitting;
};

static constexpr Named named[] = {{"gpt-2", Splitting::gpt2}, {"smollm", Splitting::digits},
                                  {"qwen2", Splitting::qwen2}, {"llama-bpe", Splitting::llama3}};

static std::vector<std::string> texts(const Vocabulary &made, const std::vector<int32_t> &tokens) {
    std::vector<std::string> out;
    for (const int32_t token : tokens)
        out.emplace_back(made.source.tokens[static_cast<size_t>(token)]);
    return out;
}

static std::string decoded(const Tokenizer &tokenizer, const std::vector<int32_t> &tokens,
                           bool special = false) {
    std::string out;
    for (const int32_t token : tokens)
        out += tokenizer.piece(token, special);
    return out;
}

static void byte_pairs_merge_in_the_order_of_learning() {
    std::mt19937 random(1);
    for (const Named &each : named) {
        const Vocabulary made = byte_level(each.pre, each.splitting);
        const Tokenizer tokenizer(made.source);
        for (int round = 0; round < 300; round++) {
            const std::string text = any_text(random);
            std::vector<std::string> expected;
            for (const std::string &word : cut(each.splitting, text))
                for (std::string &part : merged(made, word))
                    expected.push_back(std::move(part));
            const std::vector<int32_t> tokens = tokenizer.encode(text, false, false);
            CHECK(texts(made, tokens) == expected);
            CHECK(decoded(tokenizer, tokens) == text);
        }
    }
}

static void long_text_is_encoded_like_its_words() {
    std::mt19937 random(2);
    for (const Named &each : named) {
        const Tokenizer tokenizer(byte_level(each.pre, each.splitting).source);
        std::string text;
        while (text.size() < 40000)
            text += any_text(random);
        std::vector<int32_t> expected;
        for (const std::string &word : cut(each.splitting, text))
            for (const int32_t token : tokenizer.encode(word, false, false))
                expected.push_back(token);
        CHECK(tokenizer.encode(text, false, false) == expected);
    }
}

static void one_endless_word_is_no_trouble() {
    Vocabulary made = byte_level("qwen2", Splitting::qwen2);
    std::string run = "z";
    for (int doubling = 0; doubling < 5; doubling++, run += run) {
        made.merge(run, run);
        made.add(run + run, normal);
    }
    const Tokenizer tokenizer(made.source);
    const std::vector<int32_t> tokens = tokenizer.encode(std::string(1'000'000, 'z'), false, false);
    CHECK(tokens.size() == 31250);
    CHECK(tokenizer.piece(tokens.front()) == run && tokenizer.piece(tokens.back()) == run);
    const std::string spaces(1'000'000, ' ');
    CHECK(decoded(tokenizer, tokenizer.encode(spaces, true, false)) == spaces);
}

static void tokens_are_found_where_they_are_written_out() {
    const Vocabulary made = byte_level("qwen2", Splitting::qwen2);
    const Tokenizer tokenizer(made.source);
    const std::string text = "a<|im_end|>|Z<tool><Q";
    const std::vector<std::string> parsed = {"a", "<|im_end|>|", "Z", "<tool>", "<", "Q"};
    const std::vector<int32_t> tokens = tokenizer.encode(text, true, true);
    CHECK(tokens[0] == tokenizer.bos() && texts(made, {tokens.begin() + 1, tokens.end()}) == parsed);
    CHECK(decoded(tokenizer, tokens) == "aZ<tool><Q" && decoded(tokenizer, tokens, true) == "<s>" + text);
    const std::vector<int32_t> plain = tokenizer.encode(text, false, false);
    CHECK(decoded(tokenizer, plain) == text);
    for (const int32_t token : plain)
        CHECK(!tokenizer.is_control(token));
    CHECK(std::count(plain.begin(), plain.end(), tokens[4]) == 1); // <tool>
    CHECK(tokenizer.encode("", true, false).empty() && tokenizer.encode("", true, true).size() == 1);
    const std::vector<int32_t> padding = tokenizer.encode("[PAD]", true, false);
    CHECK(padding.size() > 1 && decoded(tokenizer, padding) == "[PAD]");
}

static void ends_and_control_tokens_are_known() {
    Vocabulary made = byte_level("qwen2", Splitting::qwen2);
    const int32_t turn = made.add("<turn over>", control), file = made.add("<|endoftext|>", control);
    const int32_t lookalike = made.add("</s>", normal);
    made.source.eot = turn;
    const Tokenizer tokenizer(made.source);
    CHECK(tokenizer.is_end(tokenizer.eos()) && tokenizer.is_end(turn) && tokenizer.is_end(file));
    CHECK(!tokenizer.is_end(tokenizer.bos()) && !tokenizer.is_end(lookalike) && !tokenizer.is_end(-1));
    CHECK(tokenizer.is_control(turn) && !tokenizer.is_control(lookalike) && !tokenizer.is_control(0));
    CHECK(tokenizer.size() == made.source.tokens.size());
    CHECK(!tokenizer.adds_bos() && !tokenizer.adds_eos() && !tokenizer.adds_space());
    made.source.pre = "llama-bpe";
    CHECK(Tokenizer(made.source).adds_bos());
    made.source.add_bos = false;
    made.source.add_eos = true;
    CHECK(!Tokenizer(made.source).adds_bos() && Tokenizer(made.source).adds_eos());
}

static void bytes_without_a_token_are_counted() {
    const Vocabulary made = byte_level("smollm", Splitting::digits, "\x04\xFF");
    const Tokenizer tokenizer(made.source);
    size_t lost = 99;
    const std::vector<int32_t> tokens = tokenizer.encode("x \x04y\xFF\xFF z", false, false, &lost);
    CHECK(lost == 3 && decoded(tokenizer, tokens) == "x y z");
    tokenizer.encode("x y", false, false, &lost);
    CHECK(lost == 0);
}

static void whole_words_come_before_merges() {
    Vocabulary made = byte_level("llama-bpe", Splitting::llama3);
    const int32_t word = made.add("xyzzy", normal);
    CHECK(Tokenizer(made.source).encode("xyzzy", false, false) == std::vector<int32_t>{word});
    made.source.pre = "qwen2";
    CHECK(Tokenizer(made.source).encode("xyzzy", false, false).size() == 5);
    // A merge that is there twice keeps its first place.
    made.add("xy", normal);
    made.add("yz", normal);
    made.merge("x", "y");
    made.merge("y", "z");
    made.merge("x", "y");
    const std::vector<int32_t> tokens = Tokenizer(made.source).encode("xyz", false, false);
    CHECK(texts(made, tokens) == (std::vector<std::string>{"xy", "z"}));
}

static void sentence_pieces_merge_towards_the_best_score() {
    std::mt19937 random(4);
    for (const bool prefix : {false, true}) {
        Vocabulary made = sentence_pieces(true);
        made.source.add_space_prefix = prefix;
        const Tokenizer tokenizer(made.source);
        CHECK(tokenizer.adds_bos() && tokenizer.adds_space() == prefix);
        for (int round = 0; round < 300; round++) {
            std::string text = any_text(random);
            for (size_t at = text.find("\n\n"); at != text.npos; at = text.find("\n\n"))
                text.erase(at, 1);
            std::vector<std::string> expected, found;
            for (const std::string &part : best_scored(made, text.empty() || !prefix ? text : " " + text))
                if (std::find(made.source.tokens.begin(), made.source.tokens.end(), part) != made.source.tokens.end())
                    expected.push_back(part);
                else
                    for (const char each : part) {
                        char written[8];
                        snprintf(written, sizeof written, "<0x%02X>", static_cast<uint8_t>(each));
                        expected.emplace_back(written);
                    }
            const std::vector<int32_t> tokens = tokenizer.encode(text, false, false);
            CHECK(texts(made, tokens) == expected);
            CHECK(decoded(tokenizer, tokens) == (text.empty() || !prefix ? text : " " + text));
        }
    }
}

static void sentence_pieces_keep_their_rules() {
    Vocabulary made = sentence_pieces(false);
    const Tokenizer without_bytes(made.source);
    const std::vector<int32_t> unknown_character = without_bytes.encode("the\u2603", false, false);
    CHECK(unknown_character.back() == 0 && unknown_character.size() >= 2); // <unk> once, not per byte
    made.source.unknown.reset();
    size_t lost = 0;
    Tokenizer(made.source).encode("the\u2603", false, false, &lost);
    CHECK(lost == 3);

    made = sentence_pieces(true);
    made.add("<t", normal, 20);
    made.add("<th", control, 30); // cannot be made by merging
    CHECK(texts(made, Tokenizer(made.source).encode("<th", false, false)).back() == "h");
    made.add("e\u2581", normal, 9); // pieces that reach across a space, the best of all
    made.add("e\u2581t", normal, 8);
    const Tokenizer tokenizer(made.source);
    CHECK(decoded(tokenizer, tokenizer.encode("the the\u2581the", false, false)) == " the the the");
    const std::vector<int32_t> across = tokenizer.encode("the the", false, false);
    CHECK(std::count(across.begin(), across.end(), static_cast<int32_t>(made.source.tokens.size() - 1)) == 1);
    // The space before the first word is there again behind a token that is written out.
    const std::vector<int32_t> parsed = tokenizer.encode("the</s>the\n\nthe", true, false);
    CHECK(decoded(tokenizer, parsed, true) == " the</s> the\n\n the");
    CHECK(decoded(tokenizer, tokenizer.encode("</s>", false, false)) == " </s>");
    std::string text;
    for (int copy = 0; copy < 100; copy++)
        text += sample;
    CHECK(decoded(tokenizer, tokenizer.encode(text.substr(0, text.size() - 1), false, false)).size() >= text.size());
}

static void many_threads_get_the_same() {
    const Tokenizer tokenizer(byte_level("qwen2", Splitting::qwen2).source);
    const std::string text = std::string(sample) + std::string(sample);
    const std::vector<int32_t> expected = tokenizer.encode(text, true, false);
    std::vector<std::vector<int32_t>> found(4);
    std::vector<std::thread> threads;
    for (auto &result : found)
        threads.emplace_back([&] { result = tokenizer.encode(text, true, false); });
    for (std::thread &thread : threads)
        thread.join();
    for (const auto &result : found)
        CHECK(result == expected);
}

/// What the error says; "" if there was none or one of another kind.
template <typename Kind> static std::string said(const std::function<void()> &call) {
    try {
        call();
    } catch (const Kind &error) {
        return error.what();
    } catch (const std::exception &error) {
        fprintf(stderr, "another error: %s\n", error.what());
    }
    return "";
}

static void refusals_name_what_was_refused() {
    const auto refused = [](auto kind, bool bytes, auto &&change, const std::string &name) {
        Vocabulary made = bytes ? byte_level("qwen2", Splitting::qwen2) : sentence_pieces(true);
        change(made);
        const std::string text = said<decltype(kind)>([&] { const Tokenizer tokenizer(made.source); });
        CHECK(text.find(name) != text.npos);
    };
    const UnsupportedError unsupported("");
    const FormatError format("");
    refused(unsupported, true, [](Vocabulary &made) { made.source.model = "bert"; }, "\"bert\"");
    refused(unsupported, true, [](Vocabulary &made) { made.source.pre = "tekken"; }, "\"tekken\"");
    refused(unsupported, true, [](Vocabulary &made) { made.source.pre = ""; }, "qwen2, ");
    refused(unsupported, true, [](Vocabulary &made) { made.source.normalizer = "NFC"; }, "\"NFC\"");
    refused(format, true, [](Vocabulary &made) { made.source.types.pop_back(); }, "types");
    refused(format, true, [](Vocabulary &made) { made.source.types[3] = 77; }, "type 77");
    refused(format, true, [](Vocabulary &made) { made.source.eos = 1 << 30; }, "1073741824");
    refused(format, true, [](Vocabulary &made) { made.source.eot = -1; }, "end-of-turn");
    refused(format, true, [](Vocabulary &made) { made.merge("a", "zzz"); }, "\"a zzz\"");
    refused(format, true, [](Vocabulary &made) { made.source.merges.push_back("nospace"); }, "\"nospace\"");
    refused(format, true, [](Vocabulary &made) { made.source.merges.push_back(""); }, "not two tokens");
    refused(format, true, [](Vocabulary &made) { made.add(std::string(5000, 'x'), normal); }, "5000");
    refused(format, true, [](Vocabulary &made) { made.source.tokens.clear(); }, "0 tokens");
    refused(format, false, [](Vocabulary &made) { made.source.scores.pop_back(); }, "scores");
    refused(format, false, [](Vocabulary &made) { made.source.scores[9] = NAN; }, "token 9");
    refused(format, false, [](Vocabulary &made) { made.source.types[0] = byte; }, "token 0");

    Vocabulary made = byte_level("qwen2", Splitting::qwen2);
    made.source.bos.reset();
    const Tokenizer tokenizer(made.source);
    CHECK(said<LimitError>([&] { tokenizer.encode("a", false, true); }).find("add_bos") != std::string::npos);
    CHECK(said<LimitError>([&] { tokenizer.piece(-1); }).find("-1") != std::string::npos);
    CHECK(said<LimitError>([&] { tokenizer.is_control(1 << 20); }).find("1048576") != std::string::npos);
}

int main() {
    byte_pairs_merge_in_the_order_of_learning();
    long_text_is_encoded_like_its_words();
    one_endless_word_is_no_trouble();
    tokens_are_found_where_they_are_written_out();
    ends_and_control_tokens_are_known();
    bytes_without_a_token_are_counted();
    whole_words_come_before_merges();
    sentence_pieces_merge_towards_the_best_score();
    sentence_pieces_keep_their_rules();
    many_threads_get_the_same();
    refusals_name_what_was_refused();
    if (failures == 0)
        puts("tokenizer: all held");
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
