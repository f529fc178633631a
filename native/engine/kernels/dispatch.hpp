// The kernels of each instruction set, and which of them run on this CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "layout.hpp"

namespace nexus::engine {

enum class InstructionSet { scalar, avx2, avxvnni, avx512 };

/// One token's numbers to codes. `codes` and `groups` of neighbouring groups lie `code_stride` bytes and
/// `group_stride` elements apart. Returns the sum of all codes; `*token_scale` is set where `per_token`.
using QuantiseKernel = int32_t (*)(const float *x, size_t columns, bool per_token, int8_t *codes,
                                   size_t code_stride, ActivationGroup *groups, size_t group_stride,
                                   float *token_scale) noexcept;
using MultiplyKernel = void (*)(const Tile &) noexcept;

using MultiplyKernels = std::array<MultiplyKernel, formats>; // by Format

/// The table of `of.template operator()<Format>()` for every format.
template <class Of> consteval MultiplyKernels for_each_format(Of of) {
    return [of]<size_t... format>(std::index_sequence<format...>) {
        return MultiplyKernels{of.template operator()<static_cast<Format>(format)>()...};
    }(std::make_index_sequence<formats>{});
}

struct KernelSet {
    const char *name;
    MultiplyKernels multiply;
    QuantiseKernel quantise;
    void (*rms_norm)(const float *, const float *, float, size_t, float *) noexcept;
    void (*silu_multiply)(const float *, const float *, size_t, float *) noexcept;
    void (*relu2_multiply)(const float *, const float *, size_t, float *) noexcept;
    void (*gelu_tanh_multiply)(const float *, const float *, size_t, float *) noexcept;
    void (*add_scaled)(float, const float *, size_t, float *) noexcept;
    void (*scale)(float, size_t, float *) noexcept;
    float (*exp_sum)(float *, size_t, float *) noexcept;
    size_t (*argmax)(const float *, size_t) noexcept;
    float (*dot)(const float *, const float *, size_t) noexcept;
};

extern const KernelSet scalar_kernels;
#if defined(__x86_64__)
extern const KernelSet avx2_kernels;
extern const KernelSet avxvnni_kernels;
extern const KernelSet avx512_kernels;
#endif

/// The kernels of `set`, or nullptr where the CPU or the operating system cannot run them.
const KernelSet *kernel_set(InstructionSet set) noexcept;

/// The kernels in use: the widest that this CPU has, or what `use_kernels` chose.
const KernelSet &kernels() noexcept;

/// For tests and the bench: use this set from now on, in all threads. False where it cannot run.
bool use_kernels(InstructionSet set) noexcept;

} // namespace nexus::engine
