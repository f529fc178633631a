// CRC-32C (Castagnoli, RFC 3720 B.4): the checksum of every page, head and file header on disk.
//
// It finds damage, not malice: who can write the file can write the checksum.
#pragma once

#include <cstddef>
#include <cstdint>

namespace nexus::engine {

/// Ways to compute the same number, slowest first. `scalar` is the definition and runs everywhere.
enum class Crc32cKernel { scalar, sse42 /* 3 chains of the crc32 instruction */, avx512 /* vpclmulqdq folding */ };

/// Whether this machine can run `kernel`.
bool crc32c_usable(Crc32cKernel kernel) noexcept;

/// The fastest usable kernel, chosen once.
Crc32cKernel crc32c_best() noexcept;

/// CRC-32C of `size` bytes at `data` (any alignment; `data` may be null when `size` is 0), following `before`, the
/// CRC of what came ahead: crc32c(b, n, crc32c(a, m)) is the CRC of a and b together. From any thread.
uint32_t crc32c(const void *data, size_t size, uint32_t before = 0) noexcept;

/// The same by a kernel that crc32c_usable() said yes to.
uint32_t crc32c(Crc32cKernel kernel, const void *data, size_t size, uint32_t before = 0) noexcept;

} // namespace nexus::engine
