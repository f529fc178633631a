// Any bytes as a text for tokenizers, and as a tokenizer. Whatever comes: nothing is read that is not
// there, only the engine's own errors come out, and where every byte has a token the pieces are the text.
//
// With clang: -fsanitize=fuzzer,address,undefined -DNEXUS_LIBFUZZER makes it a libFuzzer target.
// Without, the program replays the files that it is given; with none it makes inputs of its own.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "engine/error.hpp"
#include "vocabulary.hpp"

namespace {

using namespace nexus::engine;

void demand(bool holds, const char *what) {
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

std::string joined(const Tokenizer &tokenizer, const std::vector<int32_t> &tokens) {
    std::string out;
    for (const int32_t token : tokens)
        out += tokenizer.piece(token, true);
    return out;
}

void encode_by_known_tokenizers(std::string_view text) {
    static const vocabulary::Vocabulary made[] = {
        vocabulary::byte_level("gpt-2", Splitting::gpt2),      vocabulary::byte_level("smollm", Splitting::digits),
        vocabulary::byte_level("qwen2", Splitting::qwen2),     vocabulary::byte_level("llama3", Splitting::llama3),
        vocabulary::sentence_pieces(true),                     vocabulary::sentence_pieces(false),
    };
    static const Tokenizer tokenizers[] = {Tokenizer(made[0].source), Tokenizer(made[1].source),
                                           Tokenizer(made[2].source), Tokenizer(made[3].source),
                                           Tokenizer(made[4].source), Tokenizer(made[5].source)};
    for (size_t index = 0; index < 6; index++)
        for (const bool special : {false, true}) {
            size_t lost = 0;
            const std::vector<int32_t> tokens = tokenizers[index].encode(text, special, false, &lost);
            const std::string out = joined(tokenizers[index], tokens);
            if (index < 4)
                demand(lost == 0 && out == text, "the pieces are the text");
            demand(special || tokens.size() <= text.size() + 1, "no more tokens than bytes");
        }
}

/// A vocabulary spelt by the input: a length and a type before each token, then merges.
void be_a_tokenizer(std::string_view data) {
    const auto next = [&] {
        const uint8_t value = data.empty() ? 0 : static_cast<uint8_t>(data[0]);
        data.remove_prefix(data.empty() ? 0 : 1);
        return value;
    };
    const auto text = [&](size_t longest) {
        const size_t wanted = next() % longest;
        const size_t length = std::min(wanted, data.size());
        const std::string_view found = data.substr(0, length);
        data.remove_prefix(length);
        return found;
    };
    TokenizerSource source;
    const uint8_t kind = next();
    source.model = kind & 1 ? "gpt2" : "llama";
    source.pre = kind & 2 ? "smollm" : "llama-bpe";
    if (kind & 4)
        source.bos = next() - 1;
    if (kind & 8)
        source.unknown = next() - 1;
    for (size_t count = next(); count > 0; count--) {
        source.types.push_back(next() % 8);
        source.scores.push_back(kind & 16 && next() == 0 ? NAN : static_cast<float>(static_cast<int8_t>(next())));
        source.tokens.push_back(text(9));
    }
    for (size_t count = kind & 32 ? next() : 0; count > 0; count--)
        source.merges.push_back(text(9));
    try {
        const Tokenizer tokenizer(source);
        size_t lost = 0;
        const std::vector<int32_t> tokens = tokenizer.encode(data, kind & 64, tokenizer.bos() >= 0, &lost);
        joined(tokenizer, tokens);
        demand(lost <= data.size() + tokens.size() + 1, "no more is lost than was there");
    } catch (const Error &error) {
        demand(error.what()[0] != '\0', "an error says something");
    }
}

void stream(std::string_view bytes) {
    Utf8Stream whole, pieces;
    std::string expected = whole.push(bytes);
    expected += whole.flush();
    std::string out;
    for (size_t at = 0; at < bytes.size(); at++)
        out += pieces.push(bytes.substr(at, 1));
    demand(out + pieces.flush() == expected, "the cuts do not matter");
    for (size_t at = 0; at < expected.size(); at += character_at(expected, at).bytes)
        demand(character_at(expected, at).valid, "what comes out is UTF-8");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    // A copy of exactly that size, so that the sanitizer sees a byte read behind it.
    const std::vector<char> bytes(data, data + size);
    const std::string_view text(bytes.data(), bytes.size());
    encode_by_known_tokenizers(text);
    be_a_tokenizer(text);
    stream(text);
    return 0;
}

#ifndef NEXUS_LIBFUZZER
int main(int count, char **arguments) {
    for (int index = 1; index < count; index++) {
        std::ifstream file(arguments[index], std::ios::binary);
        if (!file) {
            std::fprintf(stderr, "cannot read %s\n", arguments[index]);
            return 1;
        }
        const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
    }
    constexpr int rounds = 3000;
    std::mt19937 random(11);
    for (int round = 0; count == 1 && round < rounds; round++) {
        std::string bytes = vocabulary::any_text(random);
        for (size_t changes = random() % 60; changes > 0; changes--)
            bytes.insert(random() % (bytes.size() + 1), 1, static_cast<char>(random() % (random() % 2 ? 256 : 8)));
        LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size());
    }
    std::printf("tokenizer: %d inputs\n", count == 1 ? rounds : count - 1);
    return 0;
}
#endif
