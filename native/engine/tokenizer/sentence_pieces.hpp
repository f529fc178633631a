// SentencePiece's merging ("llama"): a text is its characters, merged towards the pieces of best score.
#pragma once

#include <array>
#include <bitset>

#include "piece_table.hpp"
#include "pieces.hpp"
#include "word_encoder.hpp"

namespace nexus::engine {

/// Works on text in which a space is a space and not U+2581. Only normal tokens are merged; the words are
/// no part of the method but cut where no piece reaches across, so that each can be done, and kept, alone.
class SentencePieces final : public WordEncoder {
  public:
    /// `pieces` must outlive this. Throws FormatError if there is not one score per token or if one is
    /// not a number.
    SentencePieces(const TokenizerSource &source, const Pieces &pieces);

    size_t word_end(std::string_view text, size_t begin) const noexcept override;

    /// A character that is in no piece is written as its byte tokens, else as the unknown token, else it
    /// is lost. A byte that begins no character is treated as such a character.
    size_t encode(std::string_view word, Merging &merging, std::vector<int32_t> &tokens) const override;

  private:
    PieceTable table_;
    std::vector<uint32_t> ranks_;    // token -> place of its score among all scores, best first
    std::array<int32_t, 256> bytes_; // byte -> token, -1: none
    std::bitset<256> joins_;         // last bytes of the characters that some piece has before a space
    size_t longest_ = 0;
    int32_t unknown_ = -1;
};

} // namespace nexus::engine
