// A context attends what its header says: the same as attention by definition while all fits, whatever the sizes
// of steps, the pool's budget and the threads; and what it attends beyond is what was chosen.
#include "attention_case.hpp"

#include <cstring>

#include "engine/error.hpp"

using namespace attention_case;

namespace {

constexpr KvShape small = {2, 2, 6, 64};
constexpr std::array<size_t, 3> mixed = {1, 200, 37};
constexpr std::array<size_t, 1> ones = {1};
constexpr std::array<size_t, 1> large = {512};

PagingLimits exact_limits(uint32_t tokens = 1U << 20) {
    PagingLimits limits;
    limits.exact_tokens = tokens;
    return limits;
}

bool same(const std::vector<std::vector<float>> &a, const std::vector<std::vector<float>> &b) {
    for (size_t layer = 0; layer < a.size(); ++layer) {
        if (std::memcmp(a[layer].data(), b[layer].data(), a[layer].size() * sizeof(float)) != 0) {
            return false;
        }
    }
    return a.size() == b.size();
}

void equals_the_definition(const KvShape &shape, const Rope &rope, size_t tokens) {
    const Folder folder;
    Store store(shape, {rope}, {}, 4096, folder.path / "blocks");
    Pool pool(2);
    const Stream stream(shape, tokens, 7);
    Context context(shape, rope, exact_limits(), store.file, store.pages);
    const auto outs = stream.feed(context, mixed, tokens, pool);
    CHECK(context.tokens() == tokens);
    for (const size_t token : {size_t{0}, size_t{1}, size_t{127}, size_t{128}, tokens / 2, tokens - 1}) {
        for (uint32_t layer = 0; layer < shape.layers; ++layer) {
            CHECK(difference(stream, outs[layer], layer, token, rope) < 0.05); // what 8 bits cost
        }
    }
    // The last token: which blocks were full is known, so that nothing but arithmetic is left.
    const Stream rounded = through_pages(stream, tokens / page_tokens, rope);
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
        CHECK(difference(rounded, outs[layer], layer, tokens - 1, rope) < 1e-4);
    }
}

void sizes_of_steps_cost_only_quantisation() {
    const Folder folder;
    Store store(small, {Rope{}}, {}, 4096, folder.path / "blocks");
    Pool pool(2);
    const Stream stream(small, 700, 3);
    Context a(small, Rope{}, exact_limits(), store.file, store.pages);
    Context b(small, Rope{}, exact_limits(), store.file, store.pages);
    Context c(small, Rope{}, exact_limits(), store.file, store.pages);
    const auto by_one = stream.feed(a, ones, 700, pool);
    const auto by_many = stream.feed(b, large, 700, pool);
    const auto by_some = stream.feed(c, mixed, 700, pool);
    double worst = 0;
    for (uint32_t layer = 0; layer < small.layers; ++layer) {
        for (size_t at = 0; at < by_one[layer].size(); ++at) {
            worst = std::max<double>(worst, std::fabs(by_one[layer][at] - by_many[layer][at]));
            worst = std::max<double>(worst, std::fabs(by_one[layer][at] - by_some[layer][at]));
        }
    }
    for (uint32_t layer = 0; layer < small.layers; ++layer) { // the last token finds the same pages and the same tail
        for (size_t at = 699 * small.query_width(); at < by_one[layer].size(); ++at) {
            CHECK(std::fabs(by_one[layer][at] - by_many[layer][at]) < 1e-5F);
            CHECK(std::fabs(by_one[layer][at] - by_some[layer][at]) < 1e-5F);
        }
    }
    CHECK(worst < 0.06);
}

void disk_equals_ram(const PagingLimits &limits) {
    const Folder folder;
    const std::vector<Rope> ropes = {Rope{}, Rope{1e6, 0, true, 1, {}}};
    const std::vector<LayerKind> kinds = {{0, 0}, {200, 1}, {0, 0}};
    const KvShape shape = {3, 2, 4, 32};
    const Stream stream(shape, 3000, 11);
    Store roomy(shape, ropes, kinds, 4096, folder.path / "a");
    Store tight(shape, ropes, kinds, 3 * 3 + 8, folder.path / "b");
    Pool two(2);
    Pool one(1);
    Context in_ram(shape, ropes, kinds, limits, roomy.file, roomy.pages);
    Context on_disk(shape, ropes, kinds, limits, tight.file, tight.pages);
    constexpr std::array<size_t, 4> sizes = {300, 1, 3, 130};
    const auto a = stream.feed(in_ram, sizes, 3000, two);
    const auto b = stream.feed(on_disk, sizes, 3000, one);
    CHECK(same(a, b));
    CHECK(roomy.pages.stats().reads == 0);
    CHECK(tight.pages.stats().reads > 100);
    CHECK(tight.pages.stats().pinned == 0 && roomy.pages.stats().pinned == 0);
}

void everything_chosen_equals_exact() {
    const Folder folder;
    Store store(small, {Rope{}}, {}, 4096, folder.path / "blocks");
    Pool pool(2);
    const Stream stream(small, 2500, 5);
    PagingLimits limits = exact_limits(0);
    limits.pages = 20;
    limits.window = 256;
    Context chosen(small, Rope{}, limits, store.file, store.pages);
    Context exact(small, Rope{}, exact_limits(), store.file, store.pages);
    constexpr std::array<size_t, 3> sizes = {500, 1, 64};
    CHECK(same(stream.feed(chosen, sizes, 2500, pool), stream.feed(exact, sizes, 2500, pool)));
}

/// What is attended beyond the exact limit is sinks, choice and window, side by side.
void the_choice_is_what_is_attended() {
    const Folder folder;
    const Rope rope;
    Store store(small, {rope}, {}, 4096, folder.path / "blocks");
    Pool pool(2);
    const Stream stream(small, 4001, 9);
    PagingLimits limits = exact_limits(1000);
    limits.pages = 4;
    limits.window = 300;
    limits.steps_kept = 0;
    Context context(small, rope, limits, store.file, store.pages);
    stream.feed(context, large, 4000, pool);
    const auto outs = stream.feed(context, ones, 4001, pool);
    const Stream rounded = through_pages(stream, 4001 / page_tokens, rope);
    for (uint32_t layer = 0; layer < small.layers; ++layer) {
        const Choice &choice = context.choice(layer);
        CHECK(choice.blocks.size() == 4);
        std::vector<size_t> blocks = {0};
        for (const uint32_t block : choice.blocks) {
            CHECK(block >= 1 && block < (4000 - 300) / 128);
            blocks.push_back(block);
        }
        for (size_t block = (4000 - 300) / 128; block * 128 <= 4000; ++block) {
            blocks.push_back(block);
        }
        for (size_t head = 0; head < small.heads; ++head) {
            std::vector<Seen> seen;
            double position = 0;
            for (const size_t block : blocks) {
                for (size_t token = block * 128; token < std::min<size_t>(block * 128 + 128, 4001); ++token) {
                    seen.push_back({rounded.key(layer, token, head / 3), rounded.value(layer, token, head / 3), position++});
                }
            }
            const auto expected = attention(stream.query(layer, 4000, head), position - 1, seen, 64, rope);
            for (size_t channel = 0; channel < 64; ++channel) {
                const float got = outs[layer][(4000 * 6 + head) * 64 + channel];
                CHECK(std::fabs(expected[channel] - static_cast<double>(got)) < 1e-4);
            }
        }
    }
}

/// A token that answers a question far back is found when reading and when prefilling.
void a_needle_is_chosen() {
    const Folder folder;
    const Rope rope;
    Store store(small, {rope}, {}, 4096, folder.path / "blocks");
    Pool pool(2);
    for (const size_t step : {size_t{1}, size_t{256}}) {
        Stream stream(small, 6400, 21, 0.3F);
        for (size_t channel = 0; channel < small.kv_width(); ++channel) { // token 3000 is like no other
            stream.k[1][3000 * small.kv_width() + channel] = channel % 3 == 0 ? 4.0F : -3.0F;
        }
        for (size_t token = 6144; token < 6400; ++token) {
            for (size_t channel = 0; channel < small.query_width(); ++channel) {
                stream.q[1][token * small.query_width() + channel] = channel % 64 % 3 == 0 ? 2.0F : -2.0F;
            }
        }
        PagingLimits limits = exact_limits(512);
        limits.pages = 3;
        Context context(small, rope, limits, store.file, store.pages);
        stream.feed(context, std::array<size_t, 1>{512}, 6144, pool);
        stream.feed(context, std::array<size_t, 1>{step}, 6144 + step, pool);
        const auto &blocks = context.choice(1).blocks;
        CHECK(std::find(blocks.begin(), blocks.end(), 3000 / 128) != blocks.end());
    }
}

void a_window_is_kept_by_the_layers_that_have_one() {
    const Folder folder;
    const std::vector<Rope> ropes = {Rope{}, Rope{5e5, 32, false, 1, {}}};
    const std::vector<LayerKind> kinds = {{0, 0}, {150, 1}};
    Store store(small, ropes, kinds, 4096, folder.path / "blocks");
    Pool pool(2);
    const Stream stream(small, 900, 13);
    Context context(small, ropes, kinds, exact_limits(0), store.file, store.pages);
    const auto outs = stream.feed(context, mixed, 900, pool);
    for (const size_t token : {100, 149, 150, 151, 300, 640, 899}) {
        CHECK(difference(stream, outs[1], 1, token, ropes[1], token < 149 ? 0 : token - 149) < 0.05);
    }
    const Stream rounded = through_pages(stream, 7, ropes[1]);
    CHECK(difference(rounded, outs[1], 1, 899, ropes[1], 899 - 149) < 1e-4);
}

/// Pages that may be wanted later do not push out those that are wanted at each step.
void a_choice_that_stays_reads_nothing() {
    const Folder folder;
    const Rope rope;
    PagingLimits limits = exact_limits(1000);
    limits.pages = 4;
    limits.window = 300;
    limits.steps_kept = 0;
    constexpr size_t of_layer = 1 + 4 + 3; // sink, choice, window
    Store store(small, {rope}, {}, small.layers * of_layer, folder.path / "blocks");
    Pool pool(2);
    const Stream stream(small, 4001, 19);
    Context context(small, rope, limits, store.file, store.pages);
    stream.feed(context, large, 4000, pool);
    store.file.sync();
    uint64_t reads = 0;
    for (int turn = 0; turn < 6; ++turn) {
        if (turn == 2) { // the first may find pages on their way that the steps before asked for
            reads = store.pages.stats().reads;
        }
        stream.feed(context, ones, 4001, pool);
        context.truncate(4000);
    }
    CHECK(store.pages.stats().reads == reads, "%d pages", static_cast<int>(store.pages.stats().reads - reads));
}

} // namespace

int main() {
    equals_the_definition(small, Rope{}, 900);
    equals_the_definition({1, 3, 9, 64}, {1e5, 0, false, 1, {}}, 600);
    equals_the_definition({1, 1, 4, 256}, {1e6, 0, true, 1, {}}, 400);
    equals_the_definition({1, 1, 1, 32}, {1e4, 0, true, 0.125, {}}, 300);
    equals_the_definition({2, 2, 2, 96}, {1e4, 32, true, 1, std::vector<float>(16, 3.0F)}, 300);
    sizes_of_steps_cost_only_quantisation();
    disk_equals_ram(exact_limits());
    PagingLimits choosing = exact_limits(0);
    choosing.pages = 5;
    choosing.window = 256;
    choosing.groups = 1;
    disk_equals_ram(choosing);
    everything_chosen_equals_exact();
    the_choice_is_what_is_attended();
    a_choice_that_stays_reads_nothing();
    a_needle_is_chosen();
    a_window_is_kept_by_the_layers_that_have_one();
    if (failures > 0) {
        std::fprintf(stderr, "%d failed\n", failures);
    }
    return failures > 0 ? 1 : 0;
}
