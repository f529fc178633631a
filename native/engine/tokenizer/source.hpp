// What a model file says about its tokenizer, in plain types: the tokenizer does not know the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nexus::engine {

/// The values of tokenizer.ggml.token_type.
enum class TokenType : uint8_t { undefined, normal, unknown, control, user_defined, unused, byte };

/// The keys below `tokenizer.ggml.`. The views must live as long as the constructor that is given them.
struct TokenizerSource {
    std::string model;                          ///< "gpt2" or "llama"
    std::string pre;                            ///< the pre-tokenizer; counts for "gpt2" only
    std::vector<std::string_view> tokens;       ///< token number -> its text as the file writes it
    std::vector<std::string_view> merges;       ///< "left right", in the order of learning; "gpt2" only
    std::vector<float> scores;                  ///< one per token; "llama" only
    std::vector<int64_t> types;                 ///< one per token, or none: then all are normal
    std::optional<int64_t> bos, eos, eot, eom;  ///< token numbers; *_token_id; 2^32-1: none
    std::optional<int64_t> unknown, padding;    ///< unknown_token_id, padding_token_id
    std::optional<bool> add_bos, add_eos;       ///< add_bos_token, add_eos_token
    std::optional<bool> add_space_prefix;       ///< "llama" only
    std::string normalizer;                     ///< what the file wants done to text first; none is known
};

} // namespace nexus::engine
