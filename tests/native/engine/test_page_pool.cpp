// engine/paging/page_pool.hpp keeps its word: budget, pins, order of use, reading ahead, damage to single pages.
#include <algorithm>
#include <fcntl.h>
#include <fstream>

#include "engine/paging/page_pool.hpp"
#include "paging_blocks.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

using Key = PagePool::Key;
using Priority = PagePool::Priority;

constexpr BlockShape shape{2, 4096, 8192, {}};
constexpr size_t least = 10; // frames: 2 layers and 8

struct Setting {
    explicit Setting(uint32_t blocks, size_t frames = least, BlockFile::Options options = {})
        : file(scratch / "blocks", shape, 1000, options), pool(file, frames * shape.page_bytes) {
        for (uint32_t i = 0; i < blocks; i++) {
            const Block block(shape, i);
            file.write(file.allocate(), block.head(), block.pages());
            file.wait_written(i);
        }
    }
    bool waits_right(Key key) {
        const std::byte *page = pool.wait(key);
        const bool right = is_filled(page, shape.page_bytes, key.slot, static_cast<int>(key.layer));
        pool.unpin(page);
        return right;
    }
    bool resident(Key key) {
        const std::byte *page = pool.pin(key);
        if (page)
            pool.unpin(page);
        return page != nullptr;
    }
    void flip(Key key, uint64_t at) {
        const uint64_t slot = 8192 + key.slot * shape.bytes();
        const uint64_t offset = slot + shape.head_bytes + key.layer * shape.page_bytes + at;
        const char changed = static_cast<char>(content(scratch / "blocks").at(offset) ^ 4);
        overwrite(scratch / "blocks", offset, {&changed, 1});
    }
    Scratch scratch;
    BlockFile file;
    PagePool pool;
};

void budgets_have_a_floor() {
    Setting s(1);
    const std::string least_bytes = std::to_string(PagePool::least_bytes(shape));
    CHECK(PagePool::least_bytes(shape) == least * shape.page_bytes);
    CHECK(has(refused<LimitError>([&] { PagePool pool(s.file, least * shape.page_bytes - 1); }),
              "at least " + least_bytes));
    CHECK(has(refused<LimitError>([&] { s.pool.set_budget(0); }), "at least " + least_bytes));
    CHECK(has(refused<LimitError>([&] { s.pool.set_budget(size_t{1} << 60); }), "can grow to"));
    CHECK(s.pool.stats().frames == least && s.waits_right({0, 1}));
}

void least_recently_used_goes_first() {
    Setting s(30);
    for (uint32_t slot = 0; slot < 10; slot++)
        CHECK(s.waits_right({slot, 0}));
    CHECK(s.resident({0, 0}) && s.resident({2, 0})); // used again
    CHECK(s.waits_right({10, 0}) && s.waits_right({11, 0}));
    CHECK(!s.resident({1, 0}) && !s.resident({3, 0}));
    for (const uint32_t slot : {0, 2, 4, 5, 6, 7, 8, 9, 10, 11})
        CHECK(s.resident({slot, 0}));
    const PagePool::Stats stats = s.pool.stats();
    CHECK(stats.reads == 12 && stats.read_bytes == 12 * shape.page_bytes && stats.evictions == 2 && stats.waits == 12);
    CHECK(stats.hits == 12 && stats.misses == 2 && stats.resident == 10 && stats.pinned == 0);
}

void asking_again_is_a_use() {
    Setting s(30);
    for (uint32_t slot = 0; slot < 10; slot++)
        CHECK(s.waits_right({slot, 0}));
    const Key oldest{0, 0};
    CHECK(s.pool.request({&oldest, 1}, Priority::needed) == 1);
    CHECK(s.waits_right({10, 0}));
    CHECK(s.resident({0, 0}) && !s.resident({1, 0}));
}

void pinned_pages_stay() {
    Setting s(30);
    std::vector<const std::byte *> pinned;
    for (uint32_t slot = 0; slot < 9; slot++)
        pinned.push_back(s.pool.wait({slot, 1}));
    for (uint32_t slot = 9; slot < 30; slot++)
        CHECK(s.waits_right({slot, 1}));
    pinned.push_back(s.pool.wait({20, 0}));
    CHECK(has(refused<LimitError>([&] { s.pool.wait({21, 0}); }), "all 10 frames"));
    CHECK(has(refused<LimitError>([&] { s.pool.new_dirty({22, 0}); }), "all 10 frames"));
    const Key key{21, 0};
    CHECK(s.pool.request({&key, 1}, Priority::needed) == 0);
    for (uint32_t slot = 0; slot < 9; slot++)
        CHECK(is_filled(pinned[slot], shape.page_bytes, slot, 1));
    CHECK(s.pool.pin({20, 0}) == pinned[9]); // a second pin
    s.pool.unpin(pinned[9]);
    CHECK(!refused<LimitError>([&] { s.pool.wait({21, 0}); }).empty());
    CHECK(has(refused<LimitError>([&] { s.pool.drop(20); }), "layer 0: the page is pinned"));
    for (const std::byte *page : pinned)
        s.pool.unpin(page);
    CHECK(s.waits_right({21, 0}) && s.pool.stats().pinned == 0);
}

void new_pages_stay_until_they_are_written() {
    Setting s(20);
    const uint32_t slot = s.file.allocate();
    CHECK(has(refused<LimitError>([&] { s.pool.new_dirty({700, 0}); }), "slot 700"));
    std::byte *pages[2];
    for (uint32_t layer = 0; layer < 2; layer++) {
        pages[layer] = s.pool.new_dirty({slot, layer});
        CHECK(std::count(pages[layer], pages[layer] + shape.page_bytes, std::byte{0}) == shape.page_bytes);
        fill(pages[layer], shape.page_bytes, slot, static_cast<int>(layer));
        CHECK(has(refused<LimitError>([&] { s.pool.new_dirty({slot, layer}); }), "still in use"));
        s.pool.unpin(pages[layer]);
    }
    for (uint32_t other = 0; other < 20; other++)
        CHECK(s.waits_right({other, 0}));
    CHECK(s.pool.stats().dirty == 2 && s.waits_right({slot, 1}));
    Block block(shape, slot);
    s.file.write(slot, block.head(), pages);
    for (uint32_t other = 0; other < 20; other++)
        CHECK(s.waits_right({other, 1}));
    s.file.sync();
    for (uint32_t other = 0; other < 20; other++)
        CHECK(s.waits_right({other, 0}));
    CHECK(s.waits_right({slot, 0}) && s.waits_right({slot, 1}));
    // A pool full of new pages goes on by itself once they are queued for writing.
    std::vector<uint32_t> slots;
    for (int i = 0; i < 30; i++) {
        slots.push_back(s.file.allocate());
        for (uint32_t layer = 0; layer < 2; layer++) {
            pages[layer] = s.pool.new_dirty({slots.back(), layer});
            fill(pages[layer], shape.page_bytes, slots.back(), static_cast<int>(layer));
            s.pool.unpin(pages[layer]);
        }
        s.file.write(slots.back(), block.head(), pages);
        if (i % 3 == 0)
            s.file.wait_written(slots.back()); // the head is used again below
    }
    for (const uint32_t one : slots)
        CHECK(s.waits_right({one, 0}) && s.waits_right({one, 1}));
    s.file.sync();
}

void a_slot_takes_another_block() {
    Setting s(3);
    CHECK(s.waits_right({1, 0}) && s.waits_right({1, 1}) && s.waits_right({2, 0}));
    const Key key{1, 0};
    s.pool.drop(1);
    CHECK(!s.resident({1, 0}) && !s.resident({1, 1}) && s.resident({2, 0}));
    s.file.release(1);
    CHECK(has(refused<LimitError>([&] { s.pool.wait(key); }), "is free"));
    CHECK(s.pool.request({&key, 1}, Priority::needed) == 0);
    CHECK(s.file.allocate() == 1);
    const Block block(shape, 77);
    s.file.write(1, block.head(), block.pages());
    s.file.sync();
    const std::byte *page = s.pool.wait(key);
    CHECK(is_filled(page, shape.page_bytes, 77, 0));
    s.pool.unpin(page);
    CHECK(has(refused<LimitError>([&] { s.pool.wait({1, 2}); }), "no layer 2"));
}

void requests_merge_and_run_ahead(Ring::Backend backend) {
    Setting s(40, 64, {backend, 1, true});
    std::vector<Key> likely, twice{{30, 0}, {30, 0}};
    for (uint32_t slot = 0; slot < 20; slot++)
        likely.push_back({slot, 0});
    // A read of an empty pipe keeps the only place, so that nothing runs, however fast the disk is.
    const bool held = backend == Ring::Backend::io_uring; // threads cannot read a pipe at an offset
    int ends[2] = {-1, -1};
    std::byte byte{};
    Operation holder;
    CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    holder.file = ends[0], holder.bytes = &byte, holder.size = 1;
    if (held)
        s.file.ring().submit(holder);
    CHECK(s.pool.request(likely, Priority::likely) == 20);
    CHECK(s.pool.request(likely, Priority::likely) == 20);
    CHECK(s.pool.request(twice, Priority::needed) == 2);
    if (held) {
        CHECK(s.file.ring().queued() == 21);
        CHECK(::write(ends[1], &byte, 1) == 1);
        s.file.ring().wait(holder);
    }
    CHECK(s.waits_right({30, 0}) && s.waits_right({19, 0})); // the last likely one is raised when it is waited for
    ::close(ends[0]), ::close(ends[1]);
    for (const Key key : likely)
        CHECK(s.waits_right(key));
    const PagePool::Stats stats = s.pool.stats();
    CHECK(stats.reads == 21 && stats.likely_reads == 20 && stats.likely_used == 20 && stats.evictions == 0);
}

/// Likely pages make room for needed ones, never the other way round.
void reading_ahead_takes_nothing_needed() {
    Setting s(60, least, {Ring::Backend::best, 1, true});
    std::vector<Key> likely, needed, more;
    for (uint32_t slot = 0; slot < 50; slot++)
        (slot < 30 ? likely : slot < 40 ? needed : more).push_back({slot, 0});
    CHECK(s.pool.request(likely, Priority::likely) <= 30);
    for (const Key key : needed)
        CHECK(s.waits_right(key));
    CHECK(s.pool.request(needed, Priority::needed) == 10);
    for (const Key key : needed)
        CHECK(s.resident(key));
    CHECK(s.pool.request(more, Priority::needed) == 10);
    CHECK(s.pool.request(likely, Priority::likely) == 0);
    while (s.file.ring().in_flight() + s.file.ring().queued() > 0) // there, and not used yet
        s.file.ring().poll();
    CHECK(s.pool.request(likely, Priority::likely) == 0);
    const uint64_t before = s.pool.stats().reads;
    for (const Key key : more)
        CHECK(s.waits_right(key));
    CHECK(s.pool.stats().reads == before);
}

void damage_is_told_for_its_page_only(Ring::Backend backend) {
    Setting s(4, least, {backend, 32, true});
    const Key keys[] = {{0, 0}, {0, 1}, {1, 0}, {3, 0}, {3, 1}};
    s.flip({0, 1}, 5000);
    std::filesystem::resize_file(s.scratch / "blocks", 8192 + 3 * shape.bytes() + shape.head_bytes + 3000);
    CHECK(s.pool.request(keys, Priority::needed) == 5);
    CHECK(s.waits_right({0, 0}) && s.waits_right({1, 0}));
    try {
        s.pool.wait({0, 1});
        CHECK(!"a damaged page is refused");
    } catch (const DamagedPage &error) {
        CHECK(error.slot == 0 && error.layer == 1 && has(error.what(), "CRC-32C"));
    }
    CHECK(has(refused<IoError>([&] { s.pool.wait({3, 0}); }), "the file ends before it"));
    CHECK(has(refused<IoError>([&] { s.pool.wait({3, 1}); }), "slot 3"));
    CHECK(s.pool.pin({0, 1}) == nullptr);
    CHECK(!refused<DamagedPage>([&] { s.pool.wait({0, 1}); }).empty()); // still
    s.flip({0, 1}, 5000);
    CHECK(s.waits_right({0, 1})); // mended
    const PagePool::Stats stats = s.pool.stats();
    CHECK(stats.damaged == 2 && stats.pinned == 0);
    Sequence random{3};
    for (int i = 0; i < 200; i++) {
        const Key key{static_cast<uint32_t>(random.below(3)), static_cast<uint32_t>(random.below(2))};
        const uint64_t at = random.below(shape.page_bytes);
        s.pool.drop(key.slot);
        s.flip(key, at);
        CHECK(!refused<DamagedPage>([&] { s.pool.wait(key); }).empty());
        s.flip(key, at);
    }
}

/// A block whose writing failed stays readable in RAM until it is dropped.
void a_failed_write_keeps_its_pages() {
    Setting s(15);
    const uint32_t slot = s.file.allocate();
    std::byte *pages[2];
    for (uint32_t layer = 0; layer < 2; layer++) {
        pages[layer] = s.pool.new_dirty({slot, layer});
        fill(pages[layer], shape.page_bytes, slot, static_cast<int>(layer));
        s.pool.unpin(pages[layer]);
    }
    const Block block(shape, slot);
    const int file = ::open("/dev/full", O_WRONLY); // every write to it: no space left
    Operation probe;
    CHECK(file >= 0);
    // The descriptor of the block file is replaced for a moment.
    const int own = [&] {
        s.file.prepare_read(probe, 0, 0);
        return probe.file;
    }();
    const int kept = ::dup(own);
    CHECK(::dup2(file, own) == own);
    s.file.write(slot, block.head(), pages);
    s.file.wait_written(slot);
    CHECK(s.file.state(slot) == BlockFile::State::empty);
    CHECK(::dup2(kept, own) == own);
    CHECK(has(refused<WriteError>([&] { s.file.sync(); }), "No space left"));
    for (uint32_t other = 0; other < 15; other++)
        CHECK(s.waits_right({other, 0}));
    CHECK(s.waits_right({slot, 0}) && s.waits_right({slot, 1}) && s.pool.stats().dirty == 2);
    // Nor do the pages of a block that was to take the place of a written one give way.
    s.pool.drop(3);
    std::byte *const again[] = {s.pool.new_dirty({3, 0}), s.pool.new_dirty({3, 1})};
    for (uint32_t layer = 0; layer < 2; layer++) {
        fill(again[layer], shape.page_bytes, 333, static_cast<int>(layer));
        s.pool.unpin(again[layer]);
    }
    CHECK(s.pool.stats().dirty == 4);
    CHECK(::dup2(file, own) == own);
    s.file.write(3, block.head(), again);
    s.file.wait_written(3);
    CHECK(::dup2(kept, own) == own);
    CHECK(s.pool.stats().dirty == 4);
    CHECK(!refused<WriteError>([&] { s.file.sync(); }).empty());
    s.file.write(3, block.head(), again);
    s.file.wait_written(3);
    CHECK(s.pool.stats().dirty == 2);
    s.pool.drop(3);
    const std::byte *page = s.pool.wait({3, 1});
    CHECK(is_filled(page, shape.page_bytes, 333, 1));
    s.pool.unpin(page);
    s.file.write(slot, block.head(), pages); // again, with room
    s.file.sync();
    for (uint32_t other = 4; other < 15; other++)
        CHECK(s.waits_right({other, 0}));
    CHECK(s.pool.stats().dirty == 0 && s.waits_right({slot, 0}) && reads_back(s.file, slot, slot));
    ::close(kept);
    ::close(file);
}

size_t resident_memory() {
    std::ifstream statm("/proc/self/statm");
    size_t all = 0, resident = 0;
    statm >> all >> resident;
    return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

void budgets_change() {
    Setting s(60, 100);
    const auto use = [&] {
        for (uint32_t slot = 0; slot < 60; slot++)
            CHECK(s.waits_right({slot, 0}) && s.waits_right({slot, 1}));
    };
    use();
    CHECK(s.pool.stats().resident == 100);
    const std::byte *pinned = s.pool.wait({59, 1});
    const Key key{58, 0};
    s.pool.set_budget(12 * shape.page_bytes + 100);
    PagePool::Stats stats = s.pool.stats();
    CHECK(stats.frames == 12 && stats.resident <= 12);
    for (uint32_t slot = 55; slot < 60; slot++) // the last used stay
        CHECK(s.resident({slot, 0}) && s.resident({slot, 1}));
    CHECK(is_filled(pinned, shape.page_bytes, 59, 1));
    use();
    CHECK(s.pool.stats().resident <= 13);
    s.pool.unpin(pinned);
    CHECK(s.pool.stats().resident <= 12);
    s.pool.set_budget(300 * shape.page_bytes);
    use();
    CHECK(s.pool.stats().resident == 120 && s.pool.stats().frames == 300);
    CHECK(s.pool.request({&key, 1}, Priority::needed) == 1);
    const uint64_t before = s.pool.stats().reads;
    use();
    CHECK(s.pool.stats().reads == before);
    for (int i = 0; i < 50; i++) {
        s.pool.set_budget((i % 2 ? 200 : least) * shape.page_bytes);
        use();
    }
}

/// Memory is used with the pages, and goes back to the system with the budget, whether frames are empty or not.
void memory_goes_back(bool empty) {
    constexpr BlockShape big{2, 4096, 1 << 20, {}};
    const Scratch scratch;
    BlockFile file(scratch / "blocks", big, 100);
    PagePool pool(file, 100 << 20);
    const size_t before = resident_memory();
    const Block head(big, 1);
    for (uint32_t i = 0; i < 48; i++) {
        const uint32_t slot = file.allocate();
        std::byte *const pages[] = {pool.new_dirty({slot, 0}), pool.new_dirty({slot, 1})};
        if (!empty)
            file.write(slot, head.head(), pages);
        for (std::byte *page : pages)
            pool.unpin(page);
        file.wait_written(slot);
    }
    const size_t full = resident_memory();
    CHECK(full > before + (90 << 20));
    for (uint32_t slot = 0; slot < 48 && empty; slot++)
        pool.drop(slot);
    CHECK(pool.stats().resident == (empty ? 0 : 96));
    pool.set_budget(PagePool::least_bytes(big));
    CHECK(resident_memory() < full - (80 << 20));
}

} // namespace

int main() {
    budgets_have_a_floor();
    least_recently_used_goes_first();
    asking_again_is_a_use();
    pinned_pages_stay();
    new_pages_stay_until_they_are_written();
    a_slot_takes_another_block();
    reading_ahead_takes_nothing_needed();
    a_failed_write_keeps_its_pages();
    budgets_change();
    memory_goes_back(true);
    memory_goes_back(false);
    for (const Ring::Backend backend : backends()) {
        requests_merge_and_run_ahead(backend);
        damage_is_told_for_its_page_only(backend);
    }
    return failures != 0;
}
