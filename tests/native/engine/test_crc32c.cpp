// engine/paging/crc32c.hpp keeps its word: the published values, and every kernel equal to the scalar one.
#include <cstdint>
#include <vector>

#include "engine/paging/crc32c.hpp"
#include "paging_blocks.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

constexpr Crc32cKernel kernels[] = {Crc32cKernel::scalar, Crc32cKernel::sse42, Crc32cKernel::avx512};

std::vector<Crc32cKernel> usable() {
    std::vector<Crc32cKernel> found;
    for (const Crc32cKernel kernel : kernels) {
        if (crc32c_usable(kernel))
            found.push_back(kernel);
        else
            std::fprintf(stderr, "this machine cannot run kernel %d\n", static_cast<int>(kernel));
    }
    return found;
}

/// RFC 3720, B.4, and the check value of the catalogue of CRCs.
void published_values() {
    std::vector<unsigned char> zeros(32, 0), ones(32, 0xff), rising, falling;
    for (int i = 0; i < 32; i++) {
        rising.push_back(static_cast<unsigned char>(i));
        falling.push_back(static_cast<unsigned char>(31 - i));
    }
    for (const Crc32cKernel kernel : usable()) {
        CHECK(crc32c(kernel, "123456789", 9) == 0xE3069283);
        CHECK(crc32c(kernel, zeros.data(), 32) == 0x8A9136AA);
        CHECK(crc32c(kernel, ones.data(), 32) == 0x62A8AB43);
        CHECK(crc32c(kernel, rising.data(), 32) == 0x46DD794E);
        CHECK(crc32c(kernel, falling.data(), 32) == 0x113FDB5C);
        CHECK(crc32c(kernel, nullptr, 0) == 0);
        CHECK(crc32c(kernel, nullptr, 0, 4711) == 4711);
    }
}

/// Every length up to two rounds of the longest loop, and long ones; each in memory of exactly its size.
void kernels_agree() {
    Sequence random{1};
    const std::vector<Crc32cKernel> ours = usable();
    const auto compare = [&](size_t size, size_t shift) {
        std::vector<unsigned char> bytes(size + shift);
        for (unsigned char &byte : bytes)
            byte = static_cast<unsigned char>(random.next());
        const auto before = static_cast<uint32_t>(random.next());
        const uint32_t right = crc32c(Crc32cKernel::scalar, bytes.data() + shift, size, before);
        for (const Crc32cKernel kernel : ours)
            CHECK(crc32c(kernel, bytes.data() + shift, size, before) == right);
        CHECK(crc32c(bytes.data() + shift, size, before) == right);
        const size_t cut = size ? random.below(size) : 0;
        for (const Crc32cKernel kernel : ours)
            CHECK(crc32c(kernel, bytes.data() + shift + cut, size - cut,
                         crc32c(kernel, bytes.data() + shift, cut, before)) == right);
    };
    for (size_t size = 0; size < 1100; size++)
        compare(size, size % 17);
    for (int i = 0; i < 300; i++)
        compare(1100 + random.below(20000), random.below(64));
    for (const size_t size : {4096, 53248, 65536, 69632, 167936})
        compare(size, 0);
}

/// One changed bit, or a burst of up to 32, anywhere, gives another number.
void damage_is_seen() {
    Sequence random{2};
    std::vector<unsigned char> page(69632);
    for (unsigned char &byte : page)
        byte = static_cast<unsigned char>(random.next());
    const uint32_t right = crc32c(page.data(), page.size());
    for (int i = 0; i < 3000; i++) {
        const size_t at = random.below(page.size() - 4);
        uint32_t word, burst = static_cast<uint32_t>(random.next()) | 1;
        if (i % 2)
            burst = uint32_t{1} << random.below(32);
        std::memcpy(&word, &page[at], 4);
        const uint32_t changed = word ^ burst;
        std::memcpy(&page[at], &changed, 4);
        CHECK(crc32c(page.data(), page.size()) != right);
        std::memcpy(&page[at], &word, 4);
    }
    CHECK(crc32c(page.data(), page.size()) == right);
}

} // namespace

int main() {
    published_values();
    kernels_agree();
    damage_is_seen();
    return failures != 0;
}
