// How fast pages come from the disk: random pages of 64 KiB of a block file of about 2 GB by the ring (io_uring and
// threads, with 1, 8 and 32 in flight), by the page pool (which checks each), and by a plain loop of pread with
// O_DIRECT; and the checksum in memory. All alternate within one run; JSON on stdout.
//
//   paging_bench [FOLDER [GIGABYTES [SECONDS PER MEASUREMENT]]]     the file in FOLDER is removed at the end
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "../paging/crc32c.hpp"
#include "../paging/page_pool.hpp"

using namespace nexus::engine;

namespace {

constexpr BlockShape shape{28, 65536, 65536, {}};
constexpr int rounds = 5;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint64_t random_number() {
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

struct Free {
    void operator()(void *bytes) const { std::free(bytes); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

Buffer buffer(size_t bytes) {
    Buffer made(static_cast<std::byte *>(std::aligned_alloc(4096, bytes)));
    for (size_t at = 0; at < bytes; at += 8) {
        const uint64_t word = random_number();
        std::memcpy(made.get() + at, &word, 8);
    }
    return made;
}

/// MB/s of each round, by name, in the order of first use.
class Table {
  public:
    void add(const std::string &name, double bytes, double seconds) {
        if (!values_.contains(name))
            order_.push_back(name);
        values_[name].push_back(bytes / seconds / 1e6);
    }
    void print() {
        for (size_t i = 0; i < order_.size(); i++) {
            std::vector<double> &all = values_[order_[i]];
            std::sort(all.begin(), all.end());
            std::printf("    \"%s\": {\"min\": %.0f, \"median\": %.0f, \"max\": %.0f}%s\n", order_[i].c_str(),
                        all.front(), all[all.size() / 2], all.back(), i + 1 < order_.size() ? "," : "");
        }
    }

  private:
    std::vector<std::string> order_;
    std::map<std::string, std::vector<double>> values_;
};

PagePool::Key random_key(const BlockFile &file) {
    return {static_cast<uint32_t>(random_number() % file.used()),
            static_cast<uint32_t>(random_number() % shape.layers)};
}

/// Reads with `depth` in flight until the time is over; bytes read.
double by_ring(BlockFile &file, Ring &ring, unsigned depth, std::byte *bytes, double seconds) {
    std::vector<Operation> operations(depth);
    const auto start = [&](size_t i) {
        const PagePool::Key key = random_key(file);
        file.prepare_read(operations[i], key.slot, key.layer);
        operations[i].bytes = bytes + i * shape.page_bytes;
        ring.submit(operations[i]);
    };
    for (size_t i = 0; i < depth; i++)
        start(i);
    uint64_t ended = 0;
    for (const double end = now() + seconds; now() < end;)
        for (size_t i = 0; i < depth; i++) {
            ring.wait(operations[i]);
            if (operations[i].error() != 0)
                std::abort();
            ended++;
            start(i);
        }
    for (Operation &operation : operations)
        ring.wait(operation);
    return static_cast<double>(ended + depth) * shape.page_bytes;
}

double by_pread(BlockFile &file, std::byte *bytes, double seconds) {
    uint64_t ended = 0;
    Operation place;
    for (const double end = now() + seconds; now() < end; ended++) {
        const PagePool::Key key = random_key(file);
        file.prepare_read(place, key.slot, key.layer);
        const ssize_t got = ::pread(place.file, bytes, place.size, static_cast<off_t>(place.offset));
        if (got != static_cast<ssize_t>(place.size))
            std::abort();
    }
    return static_cast<double>(ended) * shape.page_bytes;
}

/// As an engine does: 32 pages of a layer are asked for, then taken one after the other.
double by_pool(BlockFile &file, PagePool &pool, double seconds) {
    const uint64_t before = pool.stats().read_bytes;
    for (const double end = now() + seconds; now() < end;) {
        PagePool::Key keys[32];
        for (PagePool::Key &key : keys)
            key = random_key(file);
        pool.request(keys, PagePool::Priority::needed);
        for (const PagePool::Key key : keys)
            pool.unpin(pool.wait(key));
    }
    return static_cast<double>(pool.stats().read_bytes - before);
}

void fill(BlockFile &file, uint64_t blocks, Table &table) {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 4; i++)
        buffers.push_back(buffer(shape.bytes()));
    const double start = now();
    for (uint64_t i = 0; i < blocks; i++) {
        std::byte *bytes = buffers[i % 4].get(), *pages[shape.layers];
        for (uint32_t layer = 0; layer < shape.layers; layer++)
            pages[layer] = bytes + shape.head_bytes + size_t{layer} * shape.page_bytes;
        if (i >= 4)
            file.wait_written(static_cast<uint32_t>(i - 4));
        file.write(file.allocate(), bytes, pages);
    }
    file.sync();
    table.add("write blocks, 4 at a time, and sync", static_cast<double>(blocks * shape.bytes()), now() - start);
}

void checksums(Table &table) {
    const Buffer page = buffer(shape.page_bytes);
    const char *const names[] = {"scalar", "sse42", "avx512"};
    uint32_t sum = 0;
    for (int round = 0; round < rounds; round++)
        for (int kernel = 0; kernel < 3; kernel++) {
            if (!crc32c_usable(static_cast<Crc32cKernel>(kernel)))
                continue;
            const int times = kernel == 0 ? 200 : 5000;
            const double start = now();
            for (int i = 0; i < times; i++)
                sum = crc32c(static_cast<Crc32cKernel>(kernel), page.get(), shape.page_bytes, sum);
            const double seconds = now() - start;
            table.add(std::string("crc32c ") + names[kernel], static_cast<double>(times) * shape.page_bytes, seconds);
        }
    if (sum == 1) // or the loop would be for nothing
        std::puts("");
}

} // namespace

int main(int count, char **arguments) {
    const std::filesystem::path folder = count > 1 ? arguments[1] : ".";
    const double gigabytes = count > 2 ? std::atof(arguments[2]) : 2;
    const double seconds = count > 3 ? std::atof(arguments[3]) : 0.5;
    const auto blocks =
        std::max<uint64_t>(1, static_cast<uint64_t>(gigabytes * 1e9 / static_cast<double>(shape.bytes())));
    const std::filesystem::path path = folder / ("paging-bench-" + std::to_string(::getpid()));
    try {
        Table table;
        BlockFile file(path, shape, blocks);
        std::filesystem::remove(path); // it lives as long as it is open
        fill(file, blocks, table);
        std::vector<std::unique_ptr<Ring>> rings;
        try {
            rings.push_back(std::make_unique<Ring>(Ring::Backend::io_uring));
        } catch (const IoError &error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        rings.push_back(std::make_unique<Ring>(Ring::Backend::threads));
        PagePool pool(file, PagePool::least_bytes(shape));
        const Buffer bytes = buffer(32 * size_t{shape.page_bytes});
        for (int round = 0; round < rounds; round++) {
            const auto measure = [&](const std::string &name, const std::function<double()> &read) {
                const double start = now(), got = read();
                table.add(name, got, now() - start);
            };
            measure("read pages, plain pread", [&] { return by_pread(file, bytes.get(), seconds); });
            for (const auto &ring : rings)
                for (const unsigned depth : {1u, 8u, 32u})
                    measure(std::string("read pages, ") +
                                (ring->backend() == Ring::Backend::io_uring ? "io_uring" : "threads") + ", " +
                                std::to_string(depth) + " in flight",
                            [&] { return by_ring(file, *ring, depth, bytes.get(), seconds); });
            measure("read pages, page pool, 32 asked for at once, checked",
                    [&] { return by_pool(file, pool, seconds); });
        }
        checksums(table);
        std::printf("{\n  \"page_bytes\": %u,\n  \"file_bytes\": %llu,\n  \"direct\": %s,\n  \"crc32c\": \"%s\",\n"
                    "  \"rounds\": %d,\n  \"megabytes_per_second\": {\n",
                    shape.page_bytes, static_cast<unsigned long long>(blocks * shape.bytes()),
                    file.direct() ? "true" : "false",
                    crc32c_best() == Crc32cKernel::avx512  ? "avx512"
                    : crc32c_best() == Crc32cKernel::sse42 ? "sse42"
                                                           : "scalar",
                    rounds);
        table.print();
        std::printf("  }\n}\n");
    } catch (const Error &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}
