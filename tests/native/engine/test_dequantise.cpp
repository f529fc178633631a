// engine/gguf/dequantise.hpp keeps its word: blocks written here by hand give the weights that went
// in, and blocks of random bytes give, bit for bit, what an independent decoder gave for them.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "engine/error.hpp"
#include "engine/gguf/dequantise.hpp"
#include "gguf_bytes.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

constexpr uint16_t half = 0x3800;  // 0.5
constexpr uint16_t minus = 0xc100; // -2.5

/// Decodes one block from a copy of exactly its size, so that one byte too far is an error.
std::vector<float> decoded(TensorType type, const Bytes &bytes) {
    CHECK(bytes.str().size() == block_bytes(type));
    const std::vector<char> copy(bytes.str().begin(), bytes.str().end());
    std::vector<float> out(block_elements(type));
    dequantise(type, reinterpret_cast<const std::byte *>(copy.data()), out.size(), out.data());
    return out;
}

void every_half_is_its_number() {
    for (uint32_t bits = 0; bits < 65536; ++bits) {
        const float got = f16_to_f32(static_cast<uint16_t>(bits));
        const int exponent = static_cast<int>(bits >> 10 & 31);
        const int fraction = static_cast<int>(bits & 1023);
        CHECK(std::signbit(got) == (bits >> 15 != 0));
        if (exponent == 31)
            CHECK(fraction == 0 ? std::isinf(got) : std::isnan(got));
        else if (exponent == 0)
            CHECK(std::fabs(got) == std::ldexp(static_cast<float>(fraction), -24));
        else
            CHECK(std::fabs(got) == std::ldexp(static_cast<float>(1024 + fraction), exponent - 25));
    }
    CHECK(bf16_to_f32(0x3fc0) == 1.5f && bf16_to_f32(0xc000) == -2.f && std::isnan(bf16_to_f32(0x7fc0)));
}

void blocks_of_32() {
    Bytes q4_0, q4_1, q5_0, q5_1, q8_0;
    q4_0.add(half), q4_1.add(half).add(minus), q8_0.add(half);
    // Weight i has code i % 16, and in five bits i.
    q5_0.add(half).add(uint32_t(0xffff0000)), q5_1.add(half).add(minus).add(uint32_t(0xffff0000));
    for (int i = 0; i < 16; ++i) {
        const auto both = static_cast<uint8_t>(i | i << 4);
        q4_0.add(both), q4_1.add(both), q5_0.add(both), q5_1.add(both);
    }
    for (int i = 0; i < 32; ++i)
        q8_0.add(static_cast<int8_t>(i * 8 - 128));
    const auto a = decoded(TensorType::q4_0, q4_0), b = decoded(TensorType::q4_1, q4_1);
    const auto c = decoded(TensorType::q5_0, q5_0), d = decoded(TensorType::q5_1, q5_1);
    const auto e = decoded(TensorType::q8_0, q8_0);
    for (int i = 0; i < 32; ++i) {
        CHECK(a[i] == 0.5f * static_cast<float>(i % 16 - 8));
        CHECK(b[i] == 0.5f * static_cast<float>(i % 16) - 2.5f);
        CHECK(c[i] == 0.5f * static_cast<float>(i - 16));
        CHECK(d[i] == 0.5f * static_cast<float>(i) - 2.5f);
        CHECK(e[i] == 0.5f * static_cast<float>(i * 8 - 128));
    }
}

/// Scale of group g is 7 g + 1, its minimum 63 - 5 g, in 6 bits each.
Bytes group_scales() {
    uint8_t packed[12] = {};
    for (int g = 0; g < 8; ++g) {
        const int scale = 7 * g + 1, minimum = 63 - 5 * g;
        if (g < 4) {
            packed[g] |= static_cast<uint8_t>(scale);
            packed[g + 4] |= static_cast<uint8_t>(minimum);
        } else {
            packed[g + 4] = static_cast<uint8_t>((scale & 15) | (minimum & 15) << 4);
            packed[g - 4] |= static_cast<uint8_t>(scale >> 4 << 6);
            packed[g] |= static_cast<uint8_t>(minimum >> 4 << 6);
        }
    }
    return Bytes().raw(std::string(reinterpret_cast<char *>(packed), 12));
}

void blocks_of_256() {
    for (const bool five : {false, true}) {
        const int codes = five ? 32 : 16;
        auto code = [codes](int i) { return (i * 11 + i / 32) % codes; };
        Bytes bytes;
        bytes.add(half).add(minus).raw(group_scales().str());
        for (int j = 0; five && j < 32; ++j) {
            int fifth = 0;
            for (int g = 0; g < 8; ++g)
                fifth |= (code(g * 32 + j) >> 4) << g;
            bytes.add(static_cast<uint8_t>(fifth));
        }
        for (int pair = 0; pair < 4; ++pair)
            for (int j = 0; j < 32; ++j)
                bytes.add(static_cast<uint8_t>((code(pair * 64 + j) & 15) |
                                               (code(pair * 64 + 32 + j) & 15) << 4));
        const auto out = decoded(five ? TensorType::q5_k : TensorType::q4_k, bytes);
        for (int i = 0; i < 256; ++i)
            CHECK(out[i] == 0.5f * static_cast<float>((7 * (i / 32) + 1) * code(i)) +
                                2.5f * static_cast<float>(63 - 5 * (i / 32)));
    }

    auto code = [](int i) { return (i * 37 + i / 7) % 64; };
    Bytes q6;
    for (int j = 0; j < 128; ++j) {
        const int first = j / 64 * 128 + j % 64;
        q6.add(static_cast<uint8_t>((code(first) & 15) | (code(first + 64) & 15) << 4));
    }
    for (int j = 0; j < 64; ++j) {
        int pairs = 0;
        for (int k = 0; k < 4; ++k)
            pairs |= (code(j / 32 * 128 + k * 32 + j % 32) >> 4) << (2 * k);
        q6.add(static_cast<uint8_t>(pairs));
    }
    for (int g = 0; g < 16; ++g)
        q6.add(static_cast<int8_t>(g * 17 - 128));
    const auto out = decoded(TensorType::q6_k, q6.add(half));
    for (int i = 0; i < 256; ++i)
        CHECK(out[i] == 0.5f * static_cast<float>((i / 16 * 17 - 128) * (code(i) - 32)));
}

int trit(int i) { return (i * 5 + i / 3) % 3; } // 0, 1, 2 for -1, 0, +1

void ternary_blocks() {
    Bytes tq2, tq1, i2s;
    for (int j = 0; j < 64; ++j) {
        int byte = 0;
        for (int k = 0; k < 4; ++k)
            byte |= trit(j / 32 * 128 + k * 32 + j % 32) << (2 * k);
        tq2.add(static_cast<uint8_t>(byte));
    }
    auto five = [&tq1](int first, int step, int count) {
        int value = 0;
        for (int k = 0; k < 5; ++k)
            value = value * 3 + (k < count ? trit(first + k * step) : 0);
        tq1.add(static_cast<uint8_t>((value * 256 + 242) / 243));
    };
    for (int j = 0; j < 32; ++j)
        five(j, 32, 5);
    for (int j = 0; j < 16; ++j)
        five(160 + j, 16, 5);
    for (int j = 0; j < 4; ++j)
        five(240 + j, 4, 4);
    for (int j = 0; j < 32; ++j)
        i2s.add(
            static_cast<uint8_t>(trit(j) << 6 | trit(j + 32) << 4 | trit(j + 64) << 2 | trit(j + 96)));
    const auto a = decoded(TensorType::tq2_0, tq2.add(minus)),
               b = decoded(TensorType::tq1_0, tq1.add(minus));
    const auto c = decoded(TensorType::i2_s, i2s);
    for (int i = 0; i < 256; ++i) {
        CHECK(a[i] == -2.5f * static_cast<float>(trit(i) - 1));
        CHECK(b[i] == -2.5f * static_cast<float>(trit(i) - 1));
        CHECK(i >= 128 || c[i] == static_cast<float>(trit(i) - 1));
    }
}

void the_scale_of_i2_s_lies_behind_the_tensor() {
    const Folder folder;
    for (const float scale : {0.75f, std::nanf("")}) {
        Bytes bytes;
        bytes.header(1, 0).tensor("w", {128, 2}, 36, 0).pad();
        for (int i = 0; i < 32; ++i)
            bytes.add(uint8_t(0xaa));         // all +1
        bytes.zeros(32).add(scale).zeros(28); // all -1, trailer
        const GgufFile file(folder.write(bytes));
        const Tensor &w = file.tensor("w");
        CHECK(w.bytes == 64 + i2_s_trailer && w.row_bytes() == 32);
        float rows[256];
        if (std::isnan(scale)) {
            try {
                dequantise_rows(w, 0, 2, rows);
                CHECK(!"a scale that is no number was taken");
            } catch (const FormatError &error) {
                CHECK(std::strstr(error.what(), "scale of the tensor 'w' is nan") != nullptr);
            }
            continue;
        }
        CHECK(tensor_scale(w) == 0.75f);
        dequantise_rows(w, 0, 2, rows);
        CHECK(rows[0] == 0.75f && rows[127] == 0.75f && rows[128] == -0.75f && rows[255] == -0.75f);
        dequantise_rows(w, 1, 1, rows);
        CHECK(rows[0] == -0.75f && w.row(1) == w.data + 32);
    }
}

/// xorshift64*, its top byte.
std::vector<uint8_t> random_bytes(size_t count, uint64_t seed) {
    std::vector<uint8_t> out(count);
    for (uint8_t &byte : out) {
        seed ^= seed >> 12;
        seed ^= seed << 25;
        seed ^= seed >> 27;
        byte = static_cast<uint8_t>(seed * 0x2545f4914f6cdd1d >> 56);
    }
    return out;
}

/// Where the half-precision scales of a block lie.
std::vector<size_t> scale_places(TensorType type) {
    switch (type) {
    case TensorType::q4_1:
    case TensorType::q5_1:
    case TensorType::q4_k:
    case TensorType::q5_k:
        return {0, 2};
    case TensorType::q6_k:
        return {208};
    case TensorType::tq1_0:
        return {52};
    case TensorType::tq2_0:
        return {64};
    default:
        return {0};
    }
}

void random_blocks_decode_as_elsewhere() {
    const struct {
        TensorType type;
        uint64_t hash; // FNV-1a over the bytes of all floats
    } expected[] = {
        {TensorType::f32, 0x4c26ba257cc25e07},   {TensorType::f16, 0x2e4e6d723d0ab4f1},
        {TensorType::bf16, 0x5d6b97afcad1e9a4},  {TensorType::q8_0, 0xce3543c564ef03db},
        {TensorType::q4_0, 0x92770b8382e59d7f},  {TensorType::q4_1, 0x858cdb309bda114b},
        {TensorType::q5_0, 0x9ff0a2aed17f76f7},  {TensorType::q5_1, 0xc66b96e8ba19167e},
        {TensorType::q4_k, 0xd7fe2e67cb32ddba},  {TensorType::q5_k, 0xff6751be5a2dd7dc},
        {TensorType::q6_k, 0x69a8ce93761c8e20},  {TensorType::tq1_0, 0x76af3d4fb83f747f},
        {TensorType::tq2_0, 0xa7f818522f5c2f98},
    };
    for (const auto &[type, hash] : expected) {
        const size_t width = block_bytes(type), blocks = block_elements(type) == 1 ? 256 : 64;
        std::vector<uint8_t> bytes = random_bytes(blocks * width, 1 + static_cast<uint32_t>(type));
        // One bit of each exponent is cleared, so that no scale is infinite or no number.
        for (size_t block = 0; block < blocks; ++block) {
            if (type == TensorType::f32 || type == TensorType::bf16)
                bytes[block * width + width - 1] &= 0xbf;
            else
                for (const size_t place : scale_places(type))
                    bytes[block * width + place + 1] &= 0xbb;
        }
        std::vector<float> out(blocks * block_elements(type));
        dequantise(type, reinterpret_cast<const std::byte *>(bytes.data()), out.size(), out.data());
        uint64_t got = 0xcbf29ce484222325;
        const auto *raw = reinterpret_cast<const unsigned char *>(out.data());
        for (size_t i = 0; i < out.size() * sizeof(float); ++i)
            got = (got ^ raw[i]) * 0x100000001b3;
        if (got != hash) {
            std::fprintf(stderr, "%s: random blocks hash to 0x%016lx, not 0x%016lx\n", type_name(type),
                         static_cast<unsigned long>(got), static_cast<unsigned long>(hash));
            failures++;
        }
    }
}

void half_a_block_is_refused() {
    float out[32];
    const std::byte bytes[34] = {};
    try {
        dequantise(TensorType::q8_0, bytes, 31, out);
        CHECK(!"31 weights were taken for a block");
    } catch (const LimitError &error) {
        CHECK(std::strstr(error.what(), "31 weights") != nullptr);
    }
    dequantise(TensorType::q8_0, bytes, 0, out);
    CHECK(!known_type(10) && !known_type(4) && known_type(36) == TensorType::i2_s);
    CHECK(std::strcmp(type_name(TensorType::q4_k), "Q4_K") == 0 &&
          std::strcmp(type_name(99u), "unknown") == 0);
}

} // namespace

int main() {
    every_half_is_its_number();
    blocks_of_32();
    blocks_of_256();
    ternary_blocks();
    the_scale_of_i2_s_lies_behind_the_tensor();
    random_blocks_decode_as_elsewhere();
    half_a_block_is_refused();
    if (failures == 0)
        std::puts("ok");
    return failures == 0 ? 0 : 1;
}
