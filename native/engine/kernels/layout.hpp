// Where every byte of a packed matrix lies. The same for all instruction sets.
//
// Rows come in row groups of 16, columns in groups of 32. The unit is 16 rows x 4 columns: for each row
// in turn the codes of its 4 columns, so that one 64-byte register of 8-bit codes times one broadcast of
// 4 activation bytes gives 16 rows' sums in 16 lanes. Codes are unsigned.
//
// 32 columns of 16 rows ("codes"), byte b = 4 * row + column in the unit:
//   t2  2 x 64 bytes; bits 2i, 2i + 1 of byte b of half h: unit 4h + i
//   q4  4 x 64 bytes; low, high four bits of byte b of quarter i: units 2i, 2i + 1
//   q5  as q4, then 64 bytes; bit i of byte b: the fifth bit of unit i
//   q6  as q4, then 2 x 64 bytes; bits 2i, 2i + 1 of byte b of half h: the high bits of unit 4h + i
//   q8  8 x 64 bytes
//
// A row group is one stream of bytes: blocks of columns one after the other, each with its scales (16 of
// a kind side by side, one for each row) before its codes:
//   half      64 columns: 2 x (f16 scale), 2 x codes. The last block may hold 32 columns: then the second
//             scales are padding.                              weight = scale * (code - offset)
//   half_min  32 columns: f16 scale, f16 min, codes            weight = scale * code + min
//   nested    256 columns: f16 d, f16 dmin, 8 x (u8 scale, u8 min), 8 x codes
//                                                     weight = d * scale * code - dmin * min
//   nested16  512 columns: 2 x (f16 d), 2 x (16 x i8 scale, 8 x codes). The last block may hold 256 columns:
//             then the second d is padding.                    weight = d * scale * (code - offset)
//   row       codes only; one f32 scale a row lies elsewhere   weight = scale * (code - offset)
//   block     256 columns: f32 scale, 8 x codes                weight = scale * (code - offset)
//   plain     for each column 16 f32 weights
#pragma once

#include <cstddef>
#include <cstdint>

namespace nexus::engine {

inline constexpr size_t row_group = 16;
inline constexpr size_t column_group = 32;
inline constexpr size_t tile_tokens = 16; ///< tokens that a kernel takes at once, at most

enum class Scales : uint8_t { half, half_min, nested, nested16, row, block, plain };

/// One way to pack: the bits of a code, its scales, and the code that stands for zero.
enum class Format : uint8_t {
    q4_half,      // Q4_0
    q4_half_min,  // Q4_1
    q4_nested,    // Q4_K
    q5_half,      // Q5_0
    q5_half_min,  // Q5_1
    q5_nested,    // Q5_K
    q6_nested16,  // Q6_K
    q8_half,      // Q8_0
    t2_row,       // ternary with one scale in a row
    t2_block,     // ternary with one scale in 256 columns
    f32_plain,    // F32, F16, BF16
};
inline constexpr size_t formats = 11;

struct FormatTraits {
    uint8_t bits;
    Scales scales;
    uint8_t offset;
};

inline constexpr FormatTraits format_traits[formats] = {
    {4, Scales::half, 8},       {4, Scales::half_min, 0}, {4, Scales::nested, 0}, {5, Scales::half, 16},
    {5, Scales::half_min, 0},   {5, Scales::nested, 0},   {6, Scales::nested16, 32}, {8, Scales::half, 128},
    {2, Scales::row, 1},        {2, Scales::block, 1},    {32, Scales::plain, 0},
};

/// What a kernel needs to know of 32 columns of one token.
struct ActivationGroup {
    float scale;          ///< activation = scale * code
    float scaled_sum;     ///< scale * (sum of the 32 codes)
    int32_t minus_sum[2]; ///< - (sum of the first 16 codes), - (sum of the last 16)
};

/// One row group times the tokens of one tile. Pointers are 64-byte aligned but for `source` and `out`.
struct Tile {
    const std::byte *weights;
    const float *row_scales;  ///< 16, where the format keeps them apart
    size_t columns;           ///< a multiple of 32 but for `plain`
    const int8_t *codes;      ///< [columns / 32][tokens][32], -127 to 127
    const ActivationGroup *groups; ///< [columns / 32][tokens]
    const float *token_scales;     ///< [tokens] where `per_token`
    const int32_t *token_sums;     ///< [tokens] sums of all codes
    const float *source;      ///< for `plain`: the activations themselves, [tokens][source_stride]
    size_t source_stride;
    size_t tokens; ///< 1 to tile_tokens
    bool per_token;
    float *out; ///< [tokens][out_stride], the first `rows` of each are written
    size_t out_stride;
    size_t rows; ///< 1 to 16
};

} // namespace nexus::engine
