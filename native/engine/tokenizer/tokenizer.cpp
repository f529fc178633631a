#include "tokenizer.hpp"

#include <algorithm>
#include <array>

#include "../error.hpp"
#include "byte_pairs.hpp"
#include "sentence_pieces.hpp"
#include "word_cache.hpp"

namespace nexus::engine {

namespace {

constexpr std::string_view mark = "\xE2\x96\x81"; // U+2581, SentencePiece's space

struct PreTokenizer {
    std::string_view name;
    Splitting splitting;
    bool llama3; // whole words count, and a prompt begins with the begin-of-sequence token
};

constexpr std::array pre_tokenizers = {
    PreTokenizer{"gpt-2", Splitting::gpt2, false},
    PreTokenizer{"smollm", Splitting::digits, false},
    PreTokenizer{"starcoder", Splitting::digits, false},
    PreTokenizer{"refact", Splitting::digits, false},
    PreTokenizer{"qwen2", Splitting::qwen2, false},
    PreTokenizer{"deepseek-r1-qwen", Splitting::qwen2, false},
    PreTokenizer{"llama-bpe", Splitting::llama3, true},
    PreTokenizer{"llama3", Splitting::llama3, true},
    PreTokenizer{"llama-v3", Splitting::llama3, true},
};

/// Texts of tokens that end an answer, for files that name not all of theirs. No <eos> and no </s>: where
/// they end something they are named, and elsewhere </s> is a tag of HTML.
constexpr std::array<std::string_view, 16> end_texts = {
    "<|endoftext|>", "<|end_of_text|>",   "<|im_end|>", "<|eot_id|>",   "<|eom_id|>",    "<|end|>",
    "<|return|>",    "<|call|>",          "<turn|>",    "<end_of_turn>", "<|end_of_turn|>", "<EOT>",
    "[EOT]",         "<end_of_utterance>", "<|fim_pad|>", "<|file_sep|>"};

bool is_byte_level(const TokenizerSource &source) {
    if (source.model != "gpt2" && source.model != "llama")
        throw UnsupportedError("the tokenizer model \"" + source.model +
                               "\" is not supported; supported are gpt2 and llama");
    if (!source.normalizer.empty())
        throw UnsupportedError("the tokenizer asks for the normalizer \"" + source.normalizer +
                               "\"; supported are tokenizers without one");
    return source.model == "gpt2";
}

const PreTokenizer &pre_tokenizer(const std::string &name) {
    std::string known;
    for (const PreTokenizer &each : pre_tokenizers) {
        if (each.name == name)
            return each;
        known += (known.empty() ? "" : ", ") + std::string(each.name);
    }
    throw UnsupportedError("the pre-tokenizer \"" + name + "\" is not supported; supported are " + known);
}

int32_t in_range(std::optional<int64_t> token, size_t size, const char *name) {
    if (!token || *token == UINT32_MAX) // the latter is how some files write that there is none
        return -1;
    if (*token < 0 || static_cast<uint64_t>(*token) >= size)
        throw FormatError("the " + std::string(name) + " token is " + std::to_string(*token) +
                          ", but there are " + std::to_string(size) + " tokens; the model file is damaged");
    return static_cast<int32_t>(*token);
}

/// The text with spaces for U+2581.
std::string spaced(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (size_t at = 0;;) {
        const size_t found = text.find(mark, at);
        out.append(text.substr(at, found - at));
        if (found == text.npos)
            return out;
        out += ' ';
        at = found + mark.size();
    }
}

} // namespace

Tokenizer::Tokenizer(const Source &source)
    : byte_level_(is_byte_level(source)), pieces_(source, byte_level_) {
    bos_ = in_range(source.bos, size(), "begin-of-sequence");
    eos_ = in_range(source.eos, size(), "end-of-sequence");
    in_range(source.unknown, size(), "unknown");
    in_range(source.padding, size(), "padding");
    if (byte_level_) {
        const PreTokenizer &pre = pre_tokenizer(source.pre);
        words_ = std::make_unique<BytePairs>(source, pieces_, pre.splitting, pre.llama3);
        adds_bos_ = source.add_bos.value_or(pre.llama3) && bos_ >= 0;
    } else {
        words_ = std::make_unique<SentencePieces>(source, pieces_);
        adds_bos_ = source.add_bos.value_or(true) && bos_ >= 0;
        adds_space_ = source.add_space_prefix.value_or(true);
    }
    adds_eos_ = source.add_eos.value_or(false) && eos_ >= 0;
    for (size_t token = 0; token < size(); token++) {
        const TokenType type = pieces_.type(token);
        const bool user_defined = type == TokenType::user_defined;
        if (!user_defined && type != TokenType::control && type != TokenType::unknown)
            continue;
        const std::string text = byte_level_ ? std::string(pieces_[token]) : spaced(pieces_[token]);
        special_.insert(text, static_cast<int32_t>(token));
        if (user_defined)
            user_defined_.insert(text, static_cast<int32_t>(token));
    }
    find_ends(source);
}

void Tokenizer::find_ends(const Source &source) {
    for (const int32_t token : {eos_, in_range(source.eot, size(), "end-of-turn"),
                                in_range(source.eom, size(), "end-of-message")})
        if (token >= 0)
            ends_.push_back(token);
    for (size_t token = 0; token < size(); token++) {
        const TokenType type = pieces_.type(token);
        const bool written_out = type == TokenType::control || type == TokenType::user_defined;
        if (written_out && std::find(end_texts.begin(), end_texts.end(), pieces_[token]) != end_texts.end())
            ends_.push_back(static_cast<int32_t>(token));
    }
    std::sort(ends_.begin(), ends_.end());
    ends_.erase(std::unique(ends_.begin(), ends_.end()), ends_.end());
}

std::vector<Tokenizer::Fragment> Tokenizer::fragments(std::string_view text, bool parse_special) const {
    const SpecialTokens &known = parse_special ? special_ : user_defined_;
    std::vector<Fragment> result;
    for (size_t at = 0; at < text.size();) {
        const SpecialTokens::Match match = known.find(text, at);
        if (match.begin != at)
            result.push_back({text.substr(at, match.begin - at), -1});
        if (match.token >= 0)
            result.push_back({text.substr(match.begin, match.end - match.begin), match.token});
        at = match.end;
    }
    return result;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool parse_special, bool add_bos,
                                       size_t *lost) const {
    if (text.size() >= UINT32_MAX)
        throw LimitError("a text of " + std::to_string(text.size()) +
                         " bytes; encode less than 4 GiB at a time");
    if (add_bos && bos_ < 0)
        throw LimitError("the model has no begin-of-sequence token; encode with add_bos=false");
    std::vector<int32_t> tokens;
    tokens.reserve(text.size() / 3 + 8);
    if (add_bos)
        tokens.push_back(bos_);
    std::string flat;
    if (!byte_level_ && text.find(mark) != text.npos) {
        flat = spaced(text);
        text = flat;
    }
    const std::vector<Fragment> parts = fragments(text, parse_special);
    std::string prefixed; // must not move: the cache looks at words in it
    if (adds_space_)
        prefixed.reserve(text.size() + parts.size());
    WordCache cache(text.size());
    Merging merging;
    size_t gone = 0;
    bool first = true; // of the text, or after a token that was written out
    for (const Fragment &part : parts) {
        if (part.token >= 0) {
            tokens.push_back(part.token);
            first = true;
            continue;
        }
        std::string_view rest = part.text;
        if (first && adds_space_) {
            const size_t begin = prefixed.size();
            prefixed.append(1, ' ').append(part.text);
            rest = std::string_view(prefixed).substr(begin);
        }
        first = false;
        for (size_t begin = 0; begin < rest.size();) {
            const size_t end = words_->word_end(rest, begin);
            const std::string_view word = rest.substr(begin, end - begin);
            begin = end;
            if (cache.append(word, tokens))
                continue;
            const size_t count = tokens.size();
            const size_t missing = words_->encode(word, merging, tokens);
            gone += missing;
            if (missing == 0)
                cache.keep(word, count, tokens);
        }
    }
    if (lost != nullptr)
        *lost = gone;
    return tokens;
}

void Tokenizer::check(int32_t token) const {
    if (token < 0 || static_cast<size_t>(token) >= size())
        throw LimitError("token " + std::to_string(token) + " does not exist; the vocabulary has " +
                         std::to_string(size()));
}

std::string_view Tokenizer::piece(int32_t token, bool special) const {
    check(token);
    return special || !is_control(token) ? pieces_[token] : std::string_view();
}

bool Tokenizer::is_control(int32_t token) const {
    check(token);
    const TokenType type = pieces_.type(token);
    return type != TokenType::normal && type != TokenType::user_defined && type != TokenType::byte;
}

bool Tokenizer::is_end(int32_t token) const noexcept {
    return std::binary_search(ends_.begin(), ends_.end(), token);
}

} // namespace nexus::engine
