// Sixteen remainders of 128 bits in four registers are each moved over the 256 bytes read next and added to them; the
// rest is what crc32c_sse42 does.
#include "crc32c_kernels.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

namespace nexus::engine {

namespace {

/// Multipliers that move 128 bits by `bits`: the low half lies 64 bits further from the end.
template <size_t bits>
__m512i multipliers() noexcept {
    constexpr long long low = crc32c_power(bits + 64 - 33), high = crc32c_power(bits - 33);
    return _mm512_set4_epi64(high, low, high, low);
}

__m512i moved_onto(__m512i remainders, __m512i by, __m512i next) noexcept {
    const __m512i low = _mm512_clmulepi64_epi128(remainders, by, 0x00);
    const __m512i high = _mm512_clmulepi64_epi128(remainders, by, 0x11);
    return _mm512_ternarylogic_epi64(low, high, next, 0x96);
}

__m128i moved_onto(__m128i remainder, __m128i by, __m128i next) noexcept {
    const __m128i low = _mm_clmulepi64_si128(remainder, by, 0x00);
    const __m128i high = _mm_clmulepi64_si128(remainder, by, 0x11);
    return _mm_ternarylogic_epi64(low, high, next, 0x96);
}

} // namespace

uint32_t crc32c_avx512(uint32_t state, const unsigned char *data, size_t size) noexcept {
    if (size < 512)
        return crc32c_sse42(state, data, size);
    const auto load = [&](size_t at) { return _mm512_loadu_si512(data + at); };
    __m512i a = _mm512_xor_si512(load(0), _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(state))));
    __m512i b = load(64), c = load(128), d = load(192);
    data += 256;
    size -= 256;
    const __m512i by_2048 = multipliers<2048>();
    for (; size >= 256; data += 256, size -= 256) {
        a = moved_onto(a, by_2048, load(0));
        b = moved_onto(b, by_2048, load(64));
        c = moved_onto(c, by_2048, load(128));
        d = moved_onto(d, by_2048, load(192));
    }
    const __m512i by_512 = multipliers<512>();
    const __m512i all = moved_onto(moved_onto(moved_onto(a, by_512, b), by_512, c), by_512, d);
    alignas(64) __m128i parts[5];
    _mm512_store_si512(parts, all);
    _mm_store_si128(parts + 4, _mm_set_epi64x(crc32c_power(128 - 33), crc32c_power(128 + 64 - 33)));
    __m128i rest = parts[0];
    for (int i = 1; i < 4; i++)
        rest = moved_onto(rest, parts[4], parts[i]);
    uint64_t reduced = _mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(rest)));
    reduced = _mm_crc32_u64(reduced, static_cast<uint64_t>(_mm_extract_epi64(rest, 1)));
    return crc32c_sse42(static_cast<uint32_t>(reduced), data, size);
}

} // namespace nexus::engine

#endif
