// What the files of crc32c share: the polynomial, powers of x modulo it, and the kernels' functions.
//
// All numbers are bit-reflected as in the checksum itself: bit i of a 32-bit number stands for x^(31-i). A carry-less
// product of two such numbers, read as 64 bits, stands for their product times x (127 of 128 bits are used), and
// reducing 64 bits by the crc32 instruction multiplies by x^32. To move a remainder by n bits it is therefore
// multiplied by x^(n-33).
#pragma once

#include <cstddef>
#include <cstdint>

namespace nexus::engine {

inline constexpr uint32_t crc32c_polynomial = 0x82F63B78;

/// x^n modulo the polynomial.
constexpr uint32_t crc32c_power(size_t n) {
    uint32_t power = 0x80000000u;
    for (size_t i = 0; i < n; i++)
        power = (power >> 1) ^ (power & 1 ? crc32c_polynomial : 0);
    return power;
}

// Each carries a register on over bytes; the inversions at both ends are the caller's.
uint32_t crc32c_scalar(uint32_t state, const unsigned char *data, size_t size) noexcept;
#if defined(__x86_64__)
// Compiled with -msse4.2 -mpclmul, the second with -mavx512f -mavx512vl -mvpclmulqdq as well.
uint32_t crc32c_sse42(uint32_t state, const unsigned char *data, size_t size) noexcept;
uint32_t crc32c_avx512(uint32_t state, const unsigned char *data, size_t size) noexcept;
#endif

} // namespace nexus::engine
