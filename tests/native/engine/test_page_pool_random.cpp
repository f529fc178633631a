// 100,000 random calls of PagePool and BlockFile beside a std::map that says what each slot holds; then the same pool
// from several threads at once. Every page handed out must be the right one, at any budget, by both ways of reading.
#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "engine/paging/page_pool.hpp"
#include "paging_blocks.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

using Key = PagePool::Key;
using Priority = PagePool::Priority;

constexpr BlockShape shape{3, 4096, 8192, {}};

/// Only the ends of a page are compared: 10^5 times the whole would be mostly that.
bool is_page(const std::byte *page, uint64_t seed, uint32_t layer) {
    static thread_local std::vector<std::byte> right(shape.page_bytes);
    uint64_t there;
    std::memcpy(&there, page + seal_bytes, 8);
    if (there != seed)
        return false;
    fill(right.data(), 256, seed, static_cast<int>(layer));
    return std::memcmp(page + seal_bytes, right.data() + seal_bytes, 256 - seal_bytes) == 0;
}

struct Pin {
    const std::byte *page;
    uint64_t seed;
    Key key;
};

class Machine {
  public:
    Machine(Ring::Backend backend, bool direct, uint64_t seed)
        : file_(scratch_ / "blocks", shape, 60, {backend, 8, direct}), pool_(file_, 40 * shape.page_bytes),
          random_{seed} {}

    void run(int steps) {
        for (int step = 0; step < steps && failures < 10; step++)
            this->step();
        for (const Pin &pin : pins_)
            pool_.unpin(pin.page);
        file_.sync();
        for (const auto &[slot, seed] : model_)
            CHECK(reads_back(file_, slot, seed));
        const PagePool::Stats stats = pool_.stats();
        CHECK(stats.pinned == 0 && stats.dirty == 0 && stats.damaged == 0 && stats.resident <= stats.frames);
        CHECK(file_.used() == model_.size());
    }

  private:
    void step() {
        const uint64_t dice = random_.below(1000);
        if (dice < 15)
            make();
        else if (dice < 25)
            forget();
        else if (dice < 27)
            pool_.set_budget((11 + random_.below(60)) * shape.page_bytes);
        else if (dice < 29)
            file_.sync();
        else if (dice < 250)
            ask();
        else if (dice < 500)
            pin(false);
        else if (dice < 750)
            pin(true);
        else if (!pins_.empty())
            unpin();
    }

    std::pair<const uint32_t, uint64_t> *any() {
        if (model_.empty())
            return nullptr;
        auto at = model_.lower_bound(static_cast<uint32_t>(random_.below(60)));
        return &*(at == model_.end() ? model_.begin() : at);
    }

    void make() {
        if (model_.size() == 60) {
            CHECK(!refused<LimitError>([&] { file_.allocate(); }).empty());
            return;
        }
        while (pins_.size() > 1) // leave frames for all layers
            unpin();
        const uint32_t slot = file_.allocate();
        CHECK(!model_.contains(slot));
        const uint64_t seed = ++seeds_;
        heads_.resize(std::max<size_t>(heads_.size(), slot + 1));
        if (!heads_[slot])
            heads_[slot] = std::make_unique<Aligned>(shape.head_bytes);
        fill(heads_[slot]->get(), shape.head_bytes, seed, -1);
        std::byte *pages[shape.layers];
        for (uint32_t layer = 0; layer < shape.layers; layer++) {
            pages[layer] = pool_.new_dirty({slot, layer});
            fill(pages[layer], shape.page_bytes, seed, static_cast<int>(layer));
        }
        const bool early = random_.below(2);
        if (early)
            for (std::byte *page : pages)
                pool_.unpin(page);
        file_.write(slot, heads_[slot]->get(), pages);
        if (!early)
            for (std::byte *page : pages)
                pool_.unpin(page);
        model_[slot] = seed;
    }

    void forget() {
        const auto *entry = any();
        if (!entry)
            return;
        const uint32_t slot = entry->first;
        if (std::any_of(pins_.begin(), pins_.end(), [&](const Pin &pin) { return pin.key.slot == slot; })) {
            CHECK(has(refused<LimitError>([&] { pool_.drop(slot); }), "is pinned"));
            return;
        }
        pool_.drop(slot);
        file_.wait_written(slot);
        file_.release(slot);
        model_.erase(slot);
    }

    void ask() {
        std::vector<Key> keys;
        for (uint64_t i = random_.below(12); i > 0; i--)
            if (const auto *entry = any())
                keys.push_back({entry->first, static_cast<uint32_t>(random_.below(shape.layers))});
        keys.push_back({static_cast<uint32_t>(random_.below(100)), static_cast<uint32_t>(random_.below(5))}); // or none
        pool_.request(keys, random_.below(2) ? Priority::likely : Priority::needed);
    }

    void pin(bool wait) {
        const auto *entry = any();
        if (!entry)
            return;
        const Key key{entry->first, static_cast<uint32_t>(random_.below(shape.layers))};
        if (pins_.size() >= 5)
            unpin();
        const std::byte *page = wait ? pool_.wait(key) : pool_.pin(key);
        if (!page)
            return;
        CHECK(is_page(page, entry->second, key.layer));
        pins_.push_back({page, entry->second, key});
    }

    void unpin() {
        const size_t which = random_.below(pins_.size());
        CHECK(is_page(pins_[which].page, pins_[which].seed, pins_[which].key.layer));
        pool_.unpin(pins_[which].page);
        pins_.erase(pins_.begin() + static_cast<long>(which));
    }

    Scratch scratch_;
    BlockFile file_;
    PagePool pool_;
    Sequence random_;
    std::map<uint32_t, uint64_t> model_; // slot -> seed
    std::vector<Pin> pins_;
    std::vector<std::unique_ptr<Aligned>> heads_;
    uint64_t seeds_ = 0;
};

/// Four readers over blocks that stay, one engine thread that makes and drops others, and changes the budget.
void threads_share_a_pool(Ring::Backend backend) {
    constexpr uint32_t stay = 30;
    const Scratch scratch;
    BlockFile file(scratch / "blocks", shape, 60, {backend, 8, true});
    PagePool pool(file, 30 * shape.page_bytes);
    for (uint32_t slot = 0; slot < stay; slot++) {
        const Block block(shape, slot);
        file.write(file.allocate(), block.head(), block.pages());
        file.wait_written(slot);
    }
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (uint64_t t = 0; t < 4; t++)
        readers.emplace_back([&, t] {
            Sequence random{t};
            for (int i = 0; i < 1500; i++) {
                // Few pages, so that threads meet at the same ones.
                const Key key{static_cast<uint32_t>(random.below(stay)),
                              static_cast<uint32_t>(random.below(shape.layers))};
                const Key next{static_cast<uint32_t>(random.below(stay)), 0};
                pool.request({&next, 1}, random.below(2) ? Priority::likely : Priority::needed);
                const std::byte *page = random.below(2) ? pool.pin(key) : pool.wait(key);
                if (!page)
                    continue;
                wrong += !is_page(page, key.slot, key.layer);
                pool.unpin(page);
            }
        });
    const Block head(shape, 0);
    for (uint64_t i = 0; i < 150; i++) {
        const uint32_t slot = file.allocate();
        std::byte *pages[shape.layers];
        for (uint32_t layer = 0; layer < shape.layers; layer++) {
            pages[layer] = pool.new_dirty({slot, layer});
            fill(pages[layer], shape.page_bytes, 1000 + i, static_cast<int>(layer));
            pool.unpin(pages[layer]);
        }
        file.write(slot, head.head(), pages);
        if (i % 8 == 0)
            file.sync();
        if (i % 16 == 0)
            pool.set_budget((20 + i % 3 * 10) * shape.page_bytes);
        const std::byte *page = pool.wait({slot, 1});
        wrong += !is_page(page, 1000 + i, 1);
        pool.unpin(page);
        pool.drop(slot);
        file.wait_written(slot);
        file.release(slot);
    }
    for (std::thread &reader : readers)
        reader.join();
    CHECK(wrong == 0);
    CHECK(pool.stats().pinned == 0 && pool.stats().damaged == 0);
}

} // namespace

int main() {
    uint64_t seed = 1;
    for (const Ring::Backend backend : backends())
        for (const bool direct : {true, false})
            Machine(backend, direct, seed++).run(25'000);
    for (const Ring::Backend backend : backends())
        threads_share_a_pool(backend);
    return failures != 0;
}
