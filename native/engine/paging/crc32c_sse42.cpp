// The crc32 instruction takes 8 bytes a cycle but answers after three: so three stretches are summed side by side and
// joined by moving the first two remainders over what follows them.
#include "crc32c_kernels.hpp"

#if defined(__x86_64__)

#include <cstring>
#include <immintrin.h>

namespace nexus::engine {

namespace {

uint64_t load(const unsigned char *data) noexcept {
    uint64_t value;
    std::memcpy(&value, data, 8);
    return value;
}

uint32_t moved(uint32_t state, uint32_t power) noexcept {
    const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128(static_cast<int>(state)),
                                                 _mm_cvtsi32_si128(static_cast<int>(power)), 0);
    return static_cast<uint32_t>(_mm_crc32_u64(0, static_cast<uint64_t>(_mm_cvtsi128_si64(product))));
}

template <size_t stretch>
uint32_t in_threes(uint32_t state, const unsigned char *&data, size_t &size) noexcept {
    constexpr uint32_t over_one = crc32c_power(8 * stretch - 33);
    constexpr uint32_t over_two = crc32c_power(16 * stretch - 33);
    while (size >= 3 * stretch) {
        uint64_t first = state, second = 0, third = 0;
        for (size_t i = 0; i < stretch; i += 8) {
            first = _mm_crc32_u64(first, load(data + i));
            second = _mm_crc32_u64(second, load(data + stretch + i));
            third = _mm_crc32_u64(third, load(data + 2 * stretch + i));
        }
        state = moved(static_cast<uint32_t>(first), over_two) ^ moved(static_cast<uint32_t>(second), over_one) ^
                static_cast<uint32_t>(third);
        data += 3 * stretch;
        size -= 3 * stretch;
    }
    return state;
}

} // namespace

uint32_t crc32c_sse42(uint32_t state, const unsigned char *data, size_t size) noexcept {
    state = in_threes<1344>(state, data, size);
    state = in_threes<128>(state, data, size);
    for (; size >= 8; data += 8, size -= 8)
        state = static_cast<uint32_t>(_mm_crc32_u64(state, load(data)));
    for (; size > 0; data++, size--)
        state = _mm_crc32_u8(state, *data);
    return state;
}

} // namespace nexus::engine

#endif
