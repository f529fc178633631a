// A context may be stored, reopened, cut, refused and damaged, and what it then attends is what it should be.
#include "attention_case.hpp"

#include <cstring>
#include <fcntl.h>
#include <fstream>

using namespace attention_case;

namespace {

constexpr KvShape shape = {2, 2, 4, 32};
const Rope rope;

PagingLimits limits(uint32_t exact = 1U << 20) {
    PagingLimits made;
    made.exact_tokens = exact;
    made.pages = 4;
    made.window = 256;
    return made;
}

Store make_store(const Folder &folder, size_t frames = 4096, uint64_t capacity = 4096) {
    return {shape, {rope}, {}, frames, folder.path / "blocks", capacity};
}

bool same_from(const std::vector<std::vector<float>> &a, const std::vector<std::vector<float>> &b, size_t token) {
    for (size_t layer = 0; layer < a.size(); ++layer) {
        const size_t at = token * shape.query_width();
        if (std::memcmp(a[layer].data() + at, b[layer].data() + at, (a[layer].size() - at) * sizeof(float)) != 0) {
            return false;
        }
    }
    return true;
}

constexpr std::array<size_t, 1> by_100 = {100};

void reopened_goes_on(uint32_t exact) {
    const Folder folder;
    Pool pool(2);
    const Stream stream(shape, 3000, 31);
    std::vector<uint32_t> slots;
    std::vector<uint64_t> marks;
    std::vector<std::byte> tail;
    std::vector<std::vector<float>> through;
    {
        Store store = make_store(folder);
        Context first(shape, rope, limits(exact), store.file, store.pages);
        while (first.tokens() < 2500) { // as feed(), but keeping what end() returns
            const auto at = static_cast<size_t>(first.tokens());
            first.begin(100);
            for (uint32_t layer = 0; layer < 2; ++layer) {
                std::vector<float> out(100 * shape.query_width());
                first.append(layer, stream.key(layer, at, 0), stream.value(layer, at, 0));
                first.attend(layer, stream.query(layer, at, 0), out.data(), pool);
            }
            for (const NewBlock &block : first.end()) {
                CHECK(block.ordinal == slots.size());
                slots.push_back(block.slot);
                marks.push_back(block.mark);
            }
        }
        store.file.sync();
        CHECK(std::equal(slots.begin(), slots.end(), first.slots().begin(), first.slots().end()));
        tail = first.store_tail();
        CHECK(first.index_bytes() > 0 && first.ram_bytes() > first.index_bytes());
    }
    {
        Store store = make_store(folder);
        store.file.reserve(slots);
        Context again(shape, rope, limits(exact), store.file, store.pages);
        Context twin(shape, rope, limits(exact), store.file, store.pages);
        again.adopt(slots, marks);
        twin.adopt(slots);
        CHECK(again.tokens() == slots.size() * 128);
        CHECK_THROWS(LimitError, again.adopt(slots));
        again.load_tail(tail);
        twin.load_tail(tail);
        CHECK(again.tokens() == 2500 && again.store_tail() == tail);
        through = stream.feed(again, by_100, 3000, pool);
        CHECK(same_from(through, stream.feed(twin, by_100, 3000, pool), 2500));
        CHECK(store.pages.stats().pinned == 0);
    }
    const Folder other;
    Store store = make_store(other);
    Context straight(shape, rope, limits(exact), store.file, store.pages);
    const auto expected = stream.feed(straight, by_100, 3000, pool);
    CHECK(exact == 0 || same_from(through, expected, 2500)); // earlier choices are not stored
    // Not in place, or not the block that was there.
    Context empty(shape, rope, limits(exact), store.file, store.pages);
    const std::vector<uint32_t> wrong = {straight.slots()[0], straight.slots()[2]};
    CHECK_THROWS(FormatError, empty.adopt(wrong));
    CHECK(empty.tokens() == 128);
    Context none(shape, rope, limits(exact), store.file, store.pages);
    CHECK_THROWS(LimitError, none.adopt(wrong, std::vector<uint64_t>{1}));
    CHECK_THROWS(LimitError, none.adopt(std::vector<uint32_t>{4000}));
    CHECK(none.tokens() == 0);
}

void a_tail_that_does_not_fit_is_refused() {
    const Folder folder;
    Pool pool(1);
    Store store = make_store(folder);
    const Stream stream(shape, 300, 32);
    Context context(shape, rope, limits(), store.file, store.pages);
    stream.feed(context, by_100, 300, pool);
    const auto tail = context.store_tail();
    CHECK_THROWS(LimitError, context.load_tail(tail));
    context.truncate(256);
    for (size_t at = 0; at < tail.size(); at += 1 + at / 8) {
        auto bad = tail;
        bad[at] ^= std::byte{0x10};
        CHECK_THROWS(FormatError, context.load_tail(bad));
        bad.resize(at);
        CHECK_THROWS(FormatError, context.load_tail(bad));
    }
    CHECK(context.tokens() == 256);
    Context elsewhere(shape, rope, limits(), store.file, store.pages);
    CHECK_THROWS(FormatError, elsewhere.load_tail(tail));
    Context turned_otherwise(shape, Rope{5e5, 0, true, 1, {}}, limits(), store.file, store.pages);
    CHECK_THROWS(FormatError, turned_otherwise.load_tail(context.store_tail()));
    context.load_tail(tail);
    CHECK(context.tokens() == 300);
}

void misuse_is_refused() {
    const Folder folder;
    Pool pool(1);
    Store store = make_store(folder, 0, 2);
    const Stream stream(shape, 600, 33);
    Context context(shape, rope, limits(), store.file, store.pages);
    std::vector<float> out(512 * shape.query_width());
    const float *k = stream.key(0, 0, 0);
    CHECK_THROWS(LimitError, context.begin(0));
    CHECK_THROWS(LimitError, context.begin(513));
    CHECK_THROWS(LimitError, context.append(0, k, k));
    CHECK_THROWS(LimitError, context.end());
    context.begin(3);
    CHECK_THROWS(LimitError, context.begin(3));
    CHECK_THROWS(LimitError, context.append(1, k, k));
    CHECK_THROWS(LimitError, context.attend(0, k, out.data(), pool));
    std::vector<float> wild(k, k + 3 * shape.kv_width());
    for (const float bad : {NAN, INFINITY, -9e6F}) {
        wild[100] = bad;
        CHECK_THROWS(LimitError, context.append(0, wild.data(), k));
        CHECK_THROWS(LimitError, context.append(0, k, wild.data()));
    }
    context.append(0, k, k);
    context.attend(0, k, out.data(), pool);
    CHECK_THROWS(LimitError, context.attend(0, k, out.data(), pool));
    CHECK_THROWS(LimitError, context.end());
    CHECK_THROWS(LimitError, static_cast<void>(context.store_tail()));
    context.truncate(0);
    CHECK(context.tokens() == 0);
    CHECK_THROWS(LimitError, context.begin(512)); // 4 blocks of 2 pages and 8 beside: more than the pool has
    stream.feed(context, by_100, 300, pool);
    CHECK_THROWS(LimitError, context.truncate(301));
    CHECK_THROWS(LimitError, context.truncate(200));
    CHECK(store.file.used() == 2);
    CHECK_THROWS(LimitError, context.begin(100)); // the file is full
    CHECK(context.tokens() == 300 && store.file.used() == 2);
    context.begin(80);
    context.truncate(300);
    CHECK(context.tokens() == 300);
    CHECK_THROWS(LimitError, Context({3, 2, 4, 32}, rope, limits(), store.file, store.pages));
    CHECK_THROWS(LimitError, Context(shape, {rope}, {{0, 1}, {0, 0}}, limits(), store.file, store.pages));
}

/// A page that is destroyed on the disk is never attended; the context is good up to its block.
void damage_is_found() {
    const Folder folder;
    Pool pool(2);
    const Stream stream(shape, 2000, 34);
    std::vector<uint32_t> slots;
    {
        Store store = make_store(folder);
        Context context(shape, rope, limits(), store.file, store.pages);
        stream.feed(context, by_100, 2000, pool);
        store.file.sync();
        slots.assign(context.slots().begin(), context.slots().end());
    }
    const auto bytes = std::filesystem::file_size(folder.path / "blocks");
    const BlockShape block = Context::block_shape(shape, {rope}, {}, {});
    const size_t front = bytes % block.bytes(); // the file's own header
    {
        std::fstream file(folder.path / "blocks", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(front + slots[9] * block.bytes() + block.head_bytes + block.page_bytes + 5000));
        file.put('!').put('?');
    }
    Store store = make_store(folder);
    store.file.reserve(slots);
    Context context(shape, rope, limits(), store.file, store.pages);
    context.adopt(slots);
    const uint64_t whole = context.tokens();
    bool thrown = false;
    try {
        stream.feed(context, by_100, 2000, pool);
    } catch (const DamagedPage &damage) {
        thrown = true;
        CHECK(damage.slot == slots[9] && damage.layer == 1);
    }
    CHECK(thrown && context.sound_tokens() == 9 * 128 && context.tokens() == whole);
    CHECK(store.pages.stats().pinned == 0);
    context.truncate(context.sound_tokens());
    const auto mended = stream.feed(context, by_100, 2000, pool);
    for (uint32_t layer = 0; layer < 2; ++layer) {
        CHECK(difference(stream, mended[layer], layer, 1999, rope) < 0.05);
    }
}

/// Steps, cuts, dropped steps, second contexts over the same blocks: at any time the same as a fresh one.
void random_lives(uint64_t seed) {
    const Folder folder;
    Pool pool(2);
    Random random(seed);
    Store store = make_store(folder, seed % 2 ? 18 : 4096);
    const Stream stream(shape, 2600, seed);
    Context context(shape, rope, limits(seed % 3 == 0 ? 600 : 1U << 20), store.file, store.pages);
    std::vector<float> out(512 * shape.query_width());
    for (int action = 0; action < 60; ++action) {
        const auto at = static_cast<size_t>(context.tokens());
        const size_t n = std::min<size_t>(1 + random.below(random.below(2) ? 300 : 3), 2600 - at);
        const uint32_t what = random.below(10);
        if (what < 6 && n > 0) {
            context.begin(n);
            const uint32_t layers = what == 0 ? random.below(2) : 2;
            for (uint32_t layer = 0; layer < layers; ++layer) {
                context.append(layer, stream.key(layer, at, 0), stream.value(layer, at, 0));
                context.attend(layer, stream.query(layer, at, 0), out.data(), pool);
            }
            if (what == 0) { // given up half way
                context.truncate(at % 128 + n > 128 ? at - at % 128 : at);
            } else {
                context.end();
                CHECK(context.tokens() == at + n);
                if (context.exact(0)) {
                    std::vector<float> row(2600 * shape.query_width());
                    std::copy_n(out.data(), n * shape.query_width(), row.data() + at * shape.query_width());
                    CHECK(difference(stream, row, 1, at + n - 1, rope) < 0.06);
                }
            }
        } else if (what == 6) {
            context.truncate(at - at % 128 + (at % 128 == 0 ? 0 : random.below(static_cast<uint32_t>(at % 128))));
        } else if (what == 7) {
            context.truncate(random.below(static_cast<uint32_t>(at / 128 + 1)) * 128);
        } else if (what == 8 && context.tokens() > 0) { // another one from the same blocks
            store.file.sync();
            Context twin(shape, rope, limits(), store.file, store.pages);
            twin.adopt(context.slots());
            twin.load_tail(context.store_tail());
            CHECK(twin.tokens() == at && twin.index_bytes() == context.index_bytes());
        } else if (what == 9) {
            store.file.sync();
        }
        CHECK(store.pages.stats().pinned == 0);
    }
}

} // namespace

int main() {
    reopened_goes_on(1U << 20);
    reopened_goes_on(0);
    a_tail_that_does_not_fit_is_refused();
    misuse_is_refused();
    damage_is_found();
    for (uint64_t seed = 40; seed < 52; ++seed) {
        random_lives(seed);
    }
    return failures > 0 ? 1 : 0;
}
