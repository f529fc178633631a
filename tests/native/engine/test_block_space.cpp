// What engine/paging/block_file.hpp takes of the disk, and what it gives back.
#include <sys/mount.h>
#include <thread>

#include "paging_blocks.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

const BlockShape shape{3, 8192, 12288, {std::byte{7}}};
using State = BlockFile::State;

void write(BlockFile &file, uint32_t slot, uint64_t seed) {
    const Block block(shape, seed);
    file.write(slot, block.head(), block.pages());
    file.sync();
}

void free_space_goes_back() {
    const Scratch scratch;
    const auto path = scratch / "blocks";
    {
        BlockFile file(path, shape, 40);
        for (uint32_t slot = 0; slot < 20; slot++) {
            CHECK(file.allocate() == slot);
            write(file, slot, slot);
        }
        for (uint32_t slot = 5; slot < 20; slot += slot == 9 ? 5 : 1)
            file.release(slot); // 5 to 9 and 14 to 19
        CHECK(file.disk_bytes() >= 40 * shape.bytes()); // it had grown in a step
        file.give_back();
        CHECK(file.used() == 9 && file.slots() == 14);
        CHECK(std::filesystem::file_size(path) == 8192 + 14 * shape.bytes());
        const uint64_t kept = file.disk_bytes();
        CHECK(kept >= 9 * shape.bytes() && kept < 10 * shape.bytes());
        file.give_back();
        CHECK(file.disk_bytes() == kept && file.slots() == 14);
        for (const uint32_t slot : {0u, 4u, 10u, 13u})
            CHECK(reads_back(file, slot, slot));
        CHECK(file.allocate() == 5); // a hole is filled before it is given out
        CHECK(file.disk_bytes() >= kept + shape.bytes());
        write(file, 5, 55);
        for (const uint32_t slot : {6u, 7u, 8u, 9u, 14u})
            CHECK(file.allocate() == slot);
        write(file, 14, 77);
        CHECK(reads_back(file, 5, 55) && reads_back(file, 14, 77) && reads_back(file, 4, 4));
        file.release(6);
        file.give_back();
    }
    // Names that are back after a crash lead to nothing, and to no other block.
    BlockFile file(path, shape, 40);
    Aligned head(shape.head_bytes);
    const uint32_t named[] = {4, 5, 6}, behind[] = {15};
    file.reserve(named);
    CHECK(has(refused<LimitError>([&] { file.reserve(behind); }), "behind the end"));
    CHECK(reads_back(file, 4, 4) && reads_back(file, 5, 55));
    CHECK(has(refused<DamagedPage>([&] { file.read_head(6, head.get()); }), "nothing was written there"));
    file.release(6);
    file.give_back(); // also what a process before left behind without a name
    CHECK(file.slots() == 6 && file.disk_bytes() < 3 * shape.bytes());
    CHECK(file.allocate() == 0);
    write(file, 0, 99);
    CHECK(reads_back(file, 0, 99) && reads_back(file, 4, 4));
    for (const uint32_t slot : {0u, 4u, 5u})
        file.release(slot);
    file.give_back();
    CHECK(file.slots() == 0 && std::filesystem::file_size(path) == 8192 && file.allocate() == 0);
}

/// A hole that the disk has no room for any more is told when its slot is asked for, not when it is written.
void a_hole_on_a_full_disk() {
    const Scratch scratch;
    if (::mount("nexus-test", scratch.path().c_str(), "tmpfs", 0, "size=1m") != 0) {
        std::fprintf(stderr, "no file system can be mounted here: holes on a full disk are not tested\n");
        return;
    }
    {
        BlockFile file(scratch / "blocks", shape, 4);
        for (uint32_t slot = 0; slot < 4; slot++) {
            CHECK(file.allocate() == slot);
            write(file, slot, slot);
        }
        file.release(1);
        file.give_back();
        std::FILE *other = std::fopen((scratch / "other").c_str(), "wb");
        const std::vector<char> bytes(4096);
        std::setbuf(other, nullptr);
        while (std::fwrite(bytes.data(), 1, bytes.size(), other) == bytes.size()) {
        }
        std::fclose(other);
        const std::string why = refused<IoError>([&] { file.allocate(); });
        CHECK(has(why, "No space left") && has(why, std::to_string(shape.bytes()) + " bytes are needed"));
        CHECK(file.used() == 3 && file.state(1) == State::free && reads_back(file, 3, 3));
        std::filesystem::remove(scratch / "other");
        CHECK(file.allocate() == 1);
        write(file, 1, 11);
        CHECK(reads_back(file, 1, 11));
    }
    CHECK(::umount2(scratch.path().c_str(), MNT_DETACH) == 0);
}

/// One thread writes and syncs what another releases and gives back.
void space_goes_while_others_write() {
    const Scratch scratch;
    BlockFile file(scratch / "blocks", shape, 64);
    const auto work = [&](uint64_t name) {
        Sequence random{name};
        std::vector<std::pair<uint32_t, uint64_t>> mine;
        for (uint64_t round = 1; round <= 60; round++) {
            const uint64_t seed = name << 32 | round;
            const uint32_t slot = file.allocate();
            write(file, slot, seed);
            mine.emplace_back(slot, seed);
            while (mine.size() > random.below(6)) {
                const size_t which = random.below(mine.size());
                CHECK(reads_back(file, mine[which].first, mine[which].second));
                file.release(mine[which].first);
                mine.erase(mine.begin() + static_cast<long>(which));
            }
            if (round % 3 == 0)
                file.give_back();
        }
        for (const auto &[slot, seed] : mine)
            CHECK(reads_back(file, slot, seed));
    };
    std::thread other(work, 1);
    work(2);
    other.join();
}

} // namespace

int main() {
    free_space_goes_back();
    a_hole_on_a_full_disk();
    space_goes_while_others_write();
    return failures != 0;
}
