// Text to tokens and back, as the model was trained with. Knows nothing of model files, chat templates
// or how many tokens fit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pieces.hpp"
#include "source.hpp"
#include "special_tokens.hpp"
#include "word_encoder.hpp"

namespace nexus::engine {

/// Never changes after construction: any number of threads may use one at the same time.
///
/// Byte-level vocabularies ("gpt2") write every byte, valid UTF-8 or not, as long as they have a token
/// for it: the pieces of the result, joined, are the text. No Unicode normalization is done. With
/// SentencePiece ("llama") the same holds but for a space before the first word, where the model wants
/// one, and for U+2581 in the text, which becomes a space.
class Tokenizer {
  public:
    using Source = TokenizerSource;

    /// Copies what it needs. Throws UnsupportedError for a model, a pre-tokenizer or a normalizer that
    /// is not known, FormatError for arrays that do not fit together and for token numbers out of range.
    explicit Tokenizer(const Source &source);
    Tokenizer(const Tokenizer &) = delete;
    Tokenizer &operator=(const Tokenizer &) = delete;

    /// The text's tokens. `parse_special`: the texts of control tokens, such as <|im_end|>, become these
    /// tokens; leave it off for text from strangers. Those of user-defined tokens always do. `add_bos`
    /// puts the begin-of-sequence token first. Time O(n log n); memory up to 100 bytes per byte
    /// of the longest word, and the result.
    /// `lost`, if given, is set to the number of bytes that no token can write and that are therefore
    /// not in the result: not every vocabulary has all 256 bytes.
    /// Throws LimitError for 4 GiB of text or more, and if `add_bos` is asked of a model that has none.
    std::vector<int32_t> encode(std::string_view text, bool parse_special, bool add_bos,
                                size_t *lost = nullptr) const;

    /// The token's exact bytes, which need not be whole characters (see Utf8Stream). Empty for control,
    /// unknown and unused tokens unless `special`. Lives as long as the tokenizer.
    /// Throws LimitError for a number that is no token.
    std::string_view piece(int32_t token, bool special = false) const;

    size_t size() const noexcept { return pieces_.size(); }

    /// A token that carries no text of its own. Throws LimitError for a number that is no token.
    bool is_control(int32_t token) const;

    /// A token at which an answer ends: end of sequence, of turn, of message, of a file.
    bool is_end(int32_t token) const noexcept;

    /// The model wants `add_bos` for a prompt, or an end-of-sequence token behind it, or sees a space
    /// before the first word of a text.
    bool adds_bos() const noexcept { return adds_bos_; }
    bool adds_eos() const noexcept { return adds_eos_; }
    bool adds_space() const noexcept { return adds_space_; }

    /// -1: the model has none.
    int32_t bos() const noexcept { return bos_; }
    int32_t eos() const noexcept { return eos_; }

  private:
    struct Fragment {
        std::string_view text;
        int32_t token; // -1: the text is to be encoded
    };

    std::vector<Fragment> fragments(std::string_view text, bool parse_special) const;
    void check(int32_t token) const;
    void find_ends(const Source &source);

    bool byte_level_;
    Pieces pieces_;
    std::unique_ptr<const WordEncoder> words_;
    SpecialTokens special_, user_defined_;
    std::vector<int32_t> ends_; // ascending
    int32_t bos_ = -1, eos_ = -1;
    bool adds_bos_ = false, adds_eos_ = false, adds_space_ = false;
};

} // namespace nexus::engine
