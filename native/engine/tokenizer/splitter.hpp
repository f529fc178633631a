// Cuts text into the words that byte-pair merging may not cross: the pre-tokenizers, written by hand as
// scanners that find what these regular expressions find (leftmost, alternatives in order):
//
// gpt2    's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// digits  every \p{N} alone; what lies between two of them is cut as gpt2 cuts a whole text
// qwen2   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*
//         |\s*[\r\n]+|\s+(?!\S)|\s+
// llama3  as qwen2, with \p{N}{1,3}
//
// Invariant: the words follow one another without a gap, so joined they are the text, whatever its bytes.
// A byte that begins no UTF-8 character counts as a character that is no letter, number or space.
#pragma once

#include <cstddef>
#include <string_view>

namespace nexus::engine {

enum class Splitting { gpt2, digits, qwen2, llama3 };

/// Where the word that begins at `begin` ends; `begin` must be inside the text and must itself be 0 or
/// the end of a word. Time is linear in the length of that word and of the white space behind it.
size_t word_end(Splitting splitting, std::string_view text, size_t begin) noexcept;

} // namespace nexus::engine
