#include "crc32c.hpp"

#include "crc32c_kernels.hpp"

#include <array>

namespace nexus::engine {

namespace {

constexpr std::array<uint32_t, 256> remainders() {
    std::array<uint32_t, 256> table{};
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t state = byte;
        for (int bit = 0; bit < 8; bit++)
            state = (state >> 1) ^ (state & 1 ? crc32c_polynomial : 0);
        table[byte] = state;
    }
    return table;
}

constexpr std::array<uint32_t, 256> table = remainders();

} // namespace

uint32_t crc32c_scalar(uint32_t state, const unsigned char *data, size_t size) noexcept {
    for (size_t i = 0; i < size; i++)
        state = (state >> 8) ^ table[(state ^ data[i]) & 0xff];
    return state;
}

bool crc32c_usable(Crc32cKernel kernel) noexcept {
#if defined(__x86_64__)
    // These ask the CPU and, for the wide registers, the operating system too.
    const bool sse42 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
    if (kernel == Crc32cKernel::sse42)
        return sse42;
    if (kernel == Crc32cKernel::avx512)
        return sse42 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("vpclmulqdq");
#endif
    return kernel == Crc32cKernel::scalar;
}

Crc32cKernel crc32c_best() noexcept {
    static const Crc32cKernel best = crc32c_usable(Crc32cKernel::avx512)  ? Crc32cKernel::avx512
                                     : crc32c_usable(Crc32cKernel::sse42) ? Crc32cKernel::sse42
                                                                          : Crc32cKernel::scalar;
    return best;
}

uint32_t crc32c(Crc32cKernel kernel, const void *data, size_t size, uint32_t before) noexcept {
    const auto *bytes = static_cast<const unsigned char *>(data);
    switch (kernel) {
#if defined(__x86_64__)
    case Crc32cKernel::avx512:
        return ~crc32c_avx512(~before, bytes, size);
    case Crc32cKernel::sse42:
        return ~crc32c_sse42(~before, bytes, size);
#endif
    default:
        return ~crc32c_scalar(~before, bytes, size);
    }
}

uint32_t crc32c(const void *data, size_t size, uint32_t before) noexcept {
    return crc32c(crc32c_best(), data, size, before);
}

} // namespace nexus::engine
