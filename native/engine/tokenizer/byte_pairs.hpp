// Byte-level byte-pair encoding ("gpt2"): a word is its bytes, merged in the order of learning.
#pragma once

#include <array>

#include "pair_table.hpp"
#include "piece_table.hpp"
#include "pieces.hpp"
#include "splitter.hpp"
#include "word_encoder.hpp"

namespace nexus::engine {

class BytePairs final : public WordEncoder {
  public:
    /// `whole_words`: a word that is a token is that token, also where the merges would not get there.
    /// `pieces` must outlive this. Throws FormatError for a merge that is not "left right" or that has a
    /// side or a result that is no token.
    BytePairs(const TokenizerSource &source, const Pieces &pieces, Splitting splitting, bool whole_words);

    size_t word_end(std::string_view text, size_t begin) const noexcept override;

    /// A byte without a token is left out before anything is merged, as the models' own tokenizers do.
    size_t encode(std::string_view word, Merging &merging, std::vector<int32_t> &tokens) const override;

  private:
    Splitting splitting_;
    std::array<int32_t, 256> bytes_; // byte -> token, -1: none
    PairTable merges_;
    PieceTable words_; // empty unless whole words count
    bool whole_words_;
};

} // namespace nexus::engine
