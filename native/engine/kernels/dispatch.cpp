#include "dispatch.hpp"

#include <atomic>

#include "nexus_platform.h"

namespace nexus::engine {
namespace {

const KernelSet *widest() noexcept {
    for (const InstructionSet set : {InstructionSet::avx512, InstructionSet::avxvnni, InstructionSet::avx2}) {
        if (const KernelSet *found = kernel_set(set)) {
            return found;
        }
    }
    return &scalar_kernels;
}

std::atomic<const KernelSet *> &chosen() noexcept {
    static std::atomic<const KernelSet *> set{widest()};
    return set;
}

} // namespace

const KernelSet *kernel_set(InstructionSet set) noexcept {
    if (set == InstructionSet::scalar) {
        return &scalar_kernels;
    }
#if defined(__x86_64__)
    struct nx_cpu_features cpu;
    nx_cpu_features(&cpu);
    __builtin_cpu_init();
    const bool avx2 = cpu.avx2 && __builtin_cpu_supports("fma") != 0 && __builtin_cpu_supports("f16c") != 0;
    if (set == InstructionSet::avx2 && avx2) {
        return &avx2_kernels;
    }
    if (set == InstructionSet::avxvnni && avx2 && __builtin_cpu_supports("avxvnni") != 0) {
        return &avxvnni_kernels;
    }
    if (set == InstructionSet::avx512 && cpu.avx512f && cpu.avx512vnni &&
        __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
        __builtin_cpu_supports("avx512vl") != 0) {
        return &avx512_kernels;
    }
#endif
    return nullptr;
}

const KernelSet &kernels() noexcept { return *chosen().load(std::memory_order_relaxed); }

bool use_kernels(InstructionSet set) noexcept {
    const KernelSet *found = kernel_set(set);
    if (found != nullptr) {
        chosen().store(found, std::memory_order_relaxed);
    }
    return found != nullptr;
}

} // namespace nexus::engine
