// kill -9 in the middle of writing: a child writes blocks and says over a pipe which ones sync() has returned for; it
// is killed at a random time, and the parent reads the file. Free space is given back now and then. Rounds: the first argument, 200 without.
//
// Every block that was told of reads back whole. Of all other slots nothing comes back that is not exactly one block
// that was written there. (A process is killed, not the machine: what the disk loses without power is not tested here;
// torn pieces are made by hand in test_block_file.)
#include <csignal>
#include <map>
#include <set>
#include <sys/wait.h>

#include "engine/paging/page_pool.hpp"
#include "paging_blocks.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

constexpr BlockShape shape{8, 8192, 32768, {}};
constexpr uint64_t capacity = 40;

/// What the child says: a block is named, or its name is taken back before its slot is written again.
struct Word {
    uint32_t named;
    uint32_t slot;
    uint64_t seed;
    uint64_t mark;
};

struct Name {
    uint64_t seed, mark;
};

void say(int pipe, const Word &word) {
    if (::write(pipe, &word, sizeof word) != sizeof word)
        ::_exit(3);
}

[[noreturn]] void write_until_killed(const std::filesystem::path &path, std::map<uint32_t, Name> names, uint64_t round,
                                     int pipe) {
    BlockFile file(path, shape, capacity);
    std::vector<uint32_t> slots;
    for (const auto &[slot, name] : names)
        slots.push_back(slot);
    file.reserve(slots);
    Sequence random{round};
    std::vector<std::unique_ptr<Block>> blocks;
    for (int i = 0; i < 4; i++)
        blocks.push_back(std::make_unique<Block>(shape, 0));
    for (uint64_t seed = round << 32;;) {
        while (names.size() > capacity - 6 || (names.size() > 8 && random.below(3) == 0)) {
            auto old = names.begin();
            std::advance(old, static_cast<long>(random.below(names.size())));
            say(pipe, {0, old->first, 0, 0});
            file.release(old->first);
            names.erase(old);
        }
        if (random.below(3) == 0)
            file.give_back();
        std::map<uint32_t, Name> written;
        for (uint64_t i = 0; i <= random.below(4); i++) {
            const uint32_t slot = file.allocate();
            blocks[i]->refill(++seed);
            written[slot] = {seed, file.write(slot, blocks[i]->head(), blocks[i]->pages())};
        }
        file.sync();
        for (const auto &[slot, name] : written) {
            say(pipe, {1, slot, name.seed, name.mark});
            names[slot] = name;
        }
    }
}

/// Reads what the child had said before it ended.
void listen(int pipe, std::map<uint32_t, Name> &names) {
    Word word;
    while (::read(pipe, &word, sizeof word) == sizeof word) {
        if (word.named)
            names[word.slot] = {word.seed, word.mark};
        else
            names.erase(word.slot);
    }
}

/// Whether the slot holds exactly one block, damage, or something between the two, which must not be.
enum class Finding { whole, refused, wrong };

Finding inspect(BlockFile &file, PagePool &pool, uint32_t slot) {
    Aligned head(shape.head_bytes);
    try {
        file.read_head(slot, head.get());
    } catch (const DamagedPage &) {
        return Finding::refused;
    }
    uint64_t seed;
    std::memcpy(&seed, head.get() + seal_bytes, 8);
    if (!is_filled(head.get(), shape.head_bytes, seed, -1))
        return Finding::wrong;
    Finding finding = Finding::whole;
    for (uint32_t layer = 0; layer < shape.layers; layer++)
        try {
            const std::byte *page = pool.wait({slot, layer});
            const bool right = is_filled(page, shape.page_bytes, seed, static_cast<int>(layer));
            pool.unpin(page);
            if (!right)
                return Finding::wrong;
        } catch (const DamagedPage &) {
            finding = Finding::refused;
        }
    return finding;
}

struct Tally {
    int named = 0, whole = 0, refused = 0;
};

void check(const std::filesystem::path &path, const std::map<uint32_t, Name> &names, Tally &tally) {
    BlockFile file(path, shape, capacity);
    PagePool pool(file, 2 * PagePool::least_bytes(shape));
    std::vector<uint32_t> slots;
    for (uint32_t slot = 0; slot < file.slots(); slot++)
        slots.push_back(slot);
    file.reserve(slots);
    Aligned head(shape.head_bytes);
    for (const uint32_t slot : slots) {
        const auto name = names.find(slot);
        if (name == names.end()) {
            const Finding finding = inspect(file, pool, slot);
            CHECK(finding != Finding::wrong);
            (finding == Finding::whole ? tally.whole : tally.refused)++;
            continue;
        }
        tally.named++;
        CHECK(inspect(file, pool, slot) == Finding::whole);
        CHECK(file.read_head(slot, head.get(), name->second.mark) == name->second.mark);
        CHECK(is_filled(head.get(), shape.head_bytes, name->second.seed, -1));
    }
    for (const auto &[slot, name] : names)
        CHECK(slot < file.slots());
}

} // namespace

int main(int count, char **arguments) {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 200;
    const Scratch scratch;
    const std::filesystem::path path = scratch / "blocks";
    std::map<uint32_t, Name> names;
    Sequence random{42};
    Tally tally;
    for (int round = 1; round <= rounds && failures < 10; round++) {
        int pipe[2];
        CHECK(::pipe(pipe) == 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(pipe[0]);
            write_until_killed(path, names, static_cast<uint64_t>(round), pipe[1]);
        }
        ::close(pipe[1]);
        ::usleep(static_cast<useconds_t>(random.below(round % 2 ? 60'000 : 15'000)));
        CHECK(::kill(child, SIGKILL) == 0);
        listen(pipe[0], names);
        ::close(pipe[0]);
        int status = 0;
        CHECK(::waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        if (std::filesystem::exists(path))
            check(path, names, tally);
    }
    std::printf("%d rounds: %d named blocks read back whole; slots without a name: %d whole, %d refused\n", rounds,
                tally.named, tally.whole, tally.refused);
    CHECK(rounds < 50 || (tally.named > 0 && tally.refused > 0));
    return failures != 0;
}
