// What attention costs, as JSON on stdout: decode over 8k tokens exactly and by choice, the choice itself in long
// contexts, and prefill of a chunk behind 8k tokens. Milliseconds for all layers of a model's shape: least and
// median of the rounds, and the least processor time of all threads, which a busy machine moves less. Usage: attention_bench [folder for the block file] [shape ...]
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include "../attention/context.hpp"
#include "../attention/kernels.hpp"
#include "../threads/pool.hpp"

using namespace nexus::engine;

namespace {

struct Model {
    const char *name;
    KvShape shape;
};

constexpr Model models[] = {{"qwen2.5-1.5b", {28, 2, 12, 128}},
                            {"smollm2-135m", {30, 3, 9, 64}},
                            {"bitnet-2b-4t", {30, 5, 20, 128}}};

bool first_line = true;

class Noise {
  public:
    float operator()() {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<float>(state_ >> 40) / 8388608.0F - 1.0F;
    }

  private:
    uint64_t state_ = 88172645463325252U;
};

std::vector<float> noise(size_t count) {
    Noise next;
    std::vector<float> values(count);
    std::generate(values.begin(), values.end(), next);
    return values;
}

template <class F> void measure(const Model &model, const char *what, size_t tokens, unsigned threads, int rounds,
                                size_t bytes, F &&work) {
    std::vector<double> times;
    double processor = 1e300;
    for (int round = 0; round < rounds + 1; ++round) {
        const auto start = std::chrono::steady_clock::now();
        const std::clock_t before = std::clock();
        work();
        processor = std::min(processor, static_cast<double>(std::clock() - before) * 1e3 / CLOCKS_PER_SEC);
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
        if (round > 0) { // the first warms up
            times.push_back(took.count());
        }
    }
    std::sort(times.begin(), times.end());
    std::printf("%s\n  {\"model\": \"%s\", \"what\": \"%s\", \"tokens\": %zu, \"threads\": %u, \"kernels\": \"%s\","
                " \"ms_least\": %.3f, \"ms_median\": %.3f, \"cpu_ms_least\": %.3f, \"mib_read\": %.1f}",
                first_line ? "" : ",", model.name, what, tokens, threads, attend_kernels().name, times.front(),
                times[times.size() / 2], processor, static_cast<double>(bytes) / 1048576.0);
    std::fflush(stdout);
    first_line = false;
}

void choices(const Model &model, Pool &pool) {
    const KvShape &shape = model.shape;
    const BlockHeadLayout layout(shape, 0);
    std::vector<std::byte> head(layout.bytes());
    BoundScales scales(shape);
    const std::vector<float> keys = noise(page_tokens * shape.kv_width() + 4096);
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
        scales.learn(layer, keys.data());
        scales.store(layer, layout.bounds(head.data(), layer));
    }
    BoundIndex index(shape, layout);
    index.add(head.data());
    const std::vector<float> queries = noise(shape.query_width() * shape.layers);
    for (const size_t tokens : {size_t{65536}, size_t{262144}, size_t{1048576}}) {
        for (size_t block = index.blocks(); block < tokens / page_tokens; ++block) {
            if (block < 64) { // some blocks again and again: the work is the same
                for (uint32_t layer = 0; layer < shape.layers; ++layer) {
                    layout.write_bounds(head.data(), layer, keys.data() + block * 37 + layer, scales);
                }
            }
            index.add(head.data());
        }
        Selector selector(shape, PagingLimits{});
        const auto end = static_cast<uint32_t>(index.blocks() - 8);
        for (unsigned threads = 1; threads <= 2; ++threads) {
            pool.resize(threads);
            measure(model, "choice", tokens, threads, 15, index.bytes(), [&] {
                for (uint32_t layer = 0; layer < shape.layers; ++layer) {
                    selector.choose(layer, index, queries.data() + layer * shape.query_width(), 1, 1, end, pool);
                }
            });
        }
    }
}

void fill(Context &context, const KvShape &shape, const std::vector<float> &rows, size_t tokens) {
    while (context.tokens() < tokens) {
        const size_t n = std::min<size_t>(512, tokens - context.tokens());
        context.begin(n);
        for (uint32_t layer = 0; layer < shape.layers; ++layer) {
            context.append(layer, rows.data() + layer * 64, rows.data() + layer * 128);
        }
        context.end();
    }
}

void attending(const Model &model, const std::filesystem::path &folder, Pool &pool) {
    const KvShape &shape = model.shape;
    const Rope rope;
    const BlockShape block = Context::block_shape(shape, {rope}, {}, {});
    const std::filesystem::path path = folder / ("attention-bench-" + std::to_string(::getpid()) + ".blocks");
    {
        BlockFile file(path, block, 1024);
        std::filesystem::remove(path); // it lives as long as it is open
        PagePool pages(file, (size_t{270} * shape.layers + 64) * block.page_bytes);
        const std::vector<float> rows = noise(512 * shape.query_width() + 128 * shape.layers);
        std::vector<float> out(512 * shape.query_width());
        PagingLimits exact;
        PagingLimits choosing;
        exact.exact_tokens = 1U << 20;
        choosing.exact_tokens = 0;
        Context all(shape, rope, exact, file, pages);
        Context some(shape, rope, choosing, file, pages);
        fill(all, shape, rows, 8192);
        fill(some, shape, rows, 16384);
        file.sync();
        const auto step = [&](Context &context, size_t n) {
            const uint64_t before = context.tokens();
            context.begin(n);
            for (uint32_t layer = 0; layer < shape.layers; ++layer) {
                context.append(layer, rows.data(), rows.data());
                context.attend(layer, rows.data() + layer * 128, out.data(), pool);
            }
            context.truncate(before);
        };
        const auto read = [&](size_t of) { return of * shape.layers * block.page_bytes; };
        for (unsigned threads = 1; threads <= 2; ++threads) {
            pool.resize(threads);
            measure(model, "decode exact", 8192, threads, 15, read(64), [&] { step(all, 1); });
            measure(model, "decode chosen", 16384, threads, 15, read(41), [&] { step(some, 1); });
            measure(model, "prefill 256 exact", 8192, threads, 1, read(66), [&] { step(all, 256); });
            measure(model, "prefill 512 exact", 8192, threads, 1, read(68), [&] { step(all, 512); });
            measure(model, "prefill 512 chosen", 16384, threads, 1, read(45), [&] { step(some, 512); });
        }
    }
}

} // namespace

int main(int count, char **arguments) {
    const std::filesystem::path folder = count > 1 ? arguments[1] : std::filesystem::temp_directory_path().c_str();
    Pool pool(1);
    std::printf("[");
    for (const Model &model : models) {
        const auto named = [&](const char *name) { return std::strcmp(name, model.name) == 0; };
        if (count > 2 && std::none_of(arguments + 2, arguments + count, named)) {
            continue;
        }
        attending(model, folder, pool);
        choices(model, pool);
    }
    std::printf("\n]\n");
    return 0;
}
