#include "memory.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>

#include "../error.hpp"

namespace nexus::engine {
namespace {

constexpr size_t huge_page = size_t{2} << 20U;
constexpr size_t region_bytes = size_t{64} << 20U;

// A mapping whose start is aligned to a huge page. Pages that nobody writes cost nothing.
struct Region {
    void *mapped;
    size_t mapped_bytes;
    std::byte *start;
    size_t bytes, used = 0;

    explicit Region(size_t wanted) : mapped_bytes(wanted + huge_page), bytes(wanted) {
        constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        mapped = mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (mapped == MAP_FAILED) {
            throw IoError("no memory for " + std::to_string(wanted >> 20U) + " MiB of weights: " +
                          std::strerror(errno) + "; use a smaller model");
        }
        const uintptr_t address = reinterpret_cast<uintptr_t>(mapped);
        start = static_cast<std::byte *>(mapped) + (huge_page - address % huge_page) % huge_page;
#if defined(MADV_HUGEPAGE)
        madvise(start, bytes, MADV_HUGEPAGE); // refused where the system has none: then slower, not wrong
#endif
    }
    Region(const Region &) = delete;
    Region &operator=(const Region &) = delete;
    ~Region() { munmap(mapped, mapped_bytes); }
};

} // namespace

std::shared_ptr<std::byte> huge_memory(size_t bytes) {
    static std::mutex mutex;
    static std::weak_ptr<Region> shared; // the region that small pieces are cut from, while any is alive
    const size_t rounded = (bytes + 63) / 64 * 64;
    if (rounded > region_bytes / 2) {
        const auto region = std::make_shared<Region>((rounded + huge_page - 1) / huge_page * huge_page);
        return {region, region->start};
    }
    const std::lock_guard lock(mutex);
    std::shared_ptr<Region> region = shared.lock();
    if (region == nullptr || region->bytes - region->used < rounded) {
        region = std::make_shared<Region>(region_bytes);
        shared = region;
    }
    std::byte *piece = region->start + region->used;
    region->used += rounded;
    return {region, piece};
}

} // namespace nexus::engine
