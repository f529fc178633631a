// engine/paging/block_file.hpp keeps its word: slots, sealed content, damage, full disks, locks.
#include <csignal>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "engine/paging/block_file.hpp"
#include "paging_blocks.hpp"

using namespace nexus::engine;
using namespace nexus::test;

namespace {

const BlockShape shape{3, 8192, 12288, {std::byte{7}, std::byte{9}}};
using State = BlockFile::State;

void written_blocks_come_back(BlockFile::Options options, const char *where) {
    const Scratch scratch(where);
    uint64_t marks[20];
    {
        BlockFile file(scratch / "blocks", shape, 20, options);
        std::vector<std::unique_ptr<Block>> blocks;
        for (uint32_t i = 0; i < 20; i++) {
            blocks.push_back(std::make_unique<Block>(shape, i));
            CHECK(file.allocate() == i && file.state(i) == State::empty && file.mark(i) == 0);
            marks[i] = file.write(i, blocks[i]->head(), blocks[i]->pages());
        }
        file.wait_written(7);
        CHECK(file.state(7) == State::written && file.mark(7) == marks[7]);
        CHECK(reads_back(file, 7, 7)); // before any sync
        file.sync();
        for (uint32_t i = 0; i < 20; i++)
            CHECK(file.state(i) == State::written && reads_back(file, i, i));
        CHECK(file.used() == 20);
        CHECK(has(refused<LimitError>([&] { file.allocate(); }), "all 20 blocks"));
    }
    BlockFile file(scratch / "blocks", shape, 20, options);
    CHECK(file.used() == 0 && file.slots() >= 20 && file.state(3) == State::free);
    std::vector<uint32_t> named;
    for (uint32_t i = 0; i < 20; i += 2)
        named.push_back(i);
    file.reserve(named);
    CHECK(file.used() == 10 && file.state(4) == State::unread);
    Aligned buffer(shape.page_bytes);
    CHECK(has(refused<LimitError>([&] { file.read_page(4, 0, buffer.get()); }), "head that was not read"));
    for (const uint32_t slot : named) {
        CHECK(file.read_head(slot, buffer.get(), marks[slot]) == marks[slot]);
        CHECK(reads_back(file, slot, slot));
    }
    CHECK(has(refused<LimitError>([&] { file.read_page(4, 3, buffer.get()); }), "no layer 3"));
    CHECK(has(refused<LimitError>([&] { file.read_head(5, buffer.get()); }), "is free"));
}

void slots_are_reused_lowest_first() {
    const Scratch scratch;
    BlockFile file(scratch / "blocks", shape, 10);
    for (uint32_t i = 0; i < 10; i++)
        CHECK(file.allocate() == i);
    for (const uint32_t slot : {8u, 2u, 5u})
        file.release(slot);
    CHECK(file.used() == 7);
    CHECK(has(refused<LimitError>([&] { file.release(2); }), "slot 2"));
    CHECK(has(refused<LimitError>([&] { file.release(4711); }), "slot 4711"));
    const uint32_t taken[] = {5, 9}, behind[] = {5, 4711}, twice[] = {2, 2}, fine[] = {5};
    CHECK(has(refused<LimitError>([&] { file.reserve(taken); }), "slot 9"));
    CHECK(has(refused<LimitError>([&] { file.reserve(behind); }), "behind the end"));
    CHECK(has(refused<LimitError>([&] { file.reserve(twice); }), "slot 2"));
    CHECK(file.used() == 7 && file.state(5) == State::free && file.state(2) == State::free);
    file.reserve(fine);
    CHECK(file.allocate() == 2 && file.allocate() == 8);
    CHECK(!refused<LimitError>([&] { file.allocate(); }).empty());
}

void wrong_calls_are_refused() {
    const Scratch scratch;
    BlockFile file(scratch / "blocks", shape, 4);
    const Block block(shape, 1);
    const uint32_t slot = file.allocate();
    CHECK(has(refused<LimitError>([&] { file.write(slot, block.head(), block.pages().first(2)); }), "2 pages"));
    CHECK(has(refused<LimitError>([&] { file.write(slot, block.head() + 64, block.pages()); }), "4096"));
    CHECK(has(refused<LimitError>([&] { file.write(3, block.head(), block.pages()); }), "slot 3"));
    CHECK(file.state(slot) == State::empty);
    Aligned head(shape.head_bytes);
    CHECK(has(refused<LimitError>([&] { file.read_head(slot, head.get()); }), "holds no block"));
    for (const BlockShape &bad : {BlockShape{0, 4096, 4096, {}}, BlockShape{3, 0, 4096, {}},
                                  BlockShape{3, 4096, 5000, {}}, BlockShape{70000, 4096, 4096, {}}})
        CHECK(!refused<LimitError>([&] { BlockFile(scratch / "bad", bad, 4); }).empty());
    CHECK(!refused<LimitError>([&] { BlockFile(scratch / "bad", shape, 0); }).empty());
    CHECK(!refused<LimitError>([&] { BlockFile(scratch / "bad", shape, uint64_t{1} << 40); }).empty());
    CHECK(!std::filesystem::exists(scratch / "bad"));
    CHECK(has(refused<IoError>([&] { BlockFile(scratch / "no/such", shape, 4); }), "No such file"));
    CHECK(has(refused<Error>([&] { BlockFile(scratch.path(), shape, 4); }), scratch.path().string()));
}

/// A file of another shape, model or version, no block file, and every kind of damage to the header.
void headers_are_checked() {
    const Scratch scratch;
    const std::filesystem::path path = scratch / "blocks";
    { BlockFile file(path, shape, 4); }
    const std::vector<char> right = content(path);
    const auto open = [&](BlockShape other) {
        return refused<FormatError>([&] { BlockFile(path, other, 4); });
    };
    BlockShape other = shape;
    other.layers = 4;
    CHECK(has(open(other), "layers 3 instead of 4"));
    other.page_bytes = 4096;
    CHECK(has(open(other), "layers 3 instead of 4, page bytes 12288 instead of 4096"));
    other = shape;
    other.head_bytes = 4096;
    CHECK(has(open(other), "head bytes 8192 instead of 4096"));
    other = shape;
    other.model[31] = std::byte{1};
    CHECK(has(open(other), "another model"));
    CHECK(content(path) == right);
    Sequence random{5};
    for (int i = 0; i < 300; i++) {
        const uint64_t at = i < 64 ? static_cast<uint64_t>(i) : random.below(4096);
        const char changed = static_cast<char>(right[at] ^ (1 << random.below(8)));
        overwrite(path, at, {&changed, 1});
        CHECK(has(open(shape), path.string()));
        CHECK(content(path).at(at) == changed); // refused, not mended
        overwrite(path, at, {&right[at], 1});
    }
    CHECK(open(shape).empty());
    for (const size_t bytes : {1, 100, 4095, 5000}) {
        std::filesystem::resize_file(path, 0);
        overwrite(path, 0, std::vector<char>(bytes, 'x'));
        CHECK(has(open(shape), "no block file"));
        std::filesystem::resize_file(path, 0);
        overwrite(path, 0, {right.data(), std::min<size_t>(bytes, 4095)});
        CHECK(has(open(shape), bytes < 8 ? "no block file" : "damaged"));
    }
    std::filesystem::resize_file(path, 0); // its making was cut short
    CHECK(open(shape).empty());
}

/// Every single bit of a block is guarded; so is each piece's place and time.
void damage_is_never_returned() {
    const Scratch scratch;
    const std::filesystem::path path = scratch / "blocks";
    BlockFile file(path, shape, 4);
    Block block(shape, 1);
    const uint64_t start = 8192;
    std::vector<char> generations[2];
    for (int generation = 0; generation < 2; generation++) {
        for (uint32_t slot = 0; slot < 2; slot++) {
            if (generation == 0)
                file.allocate();
            block.refill(10 * slot + static_cast<uint64_t>(generation));
            file.write(slot, block.head(), block.pages());
            file.sync();
        }
        generations[generation] = content(path);
    }
    const std::vector<char> &right = generations[1];
    Aligned buffer(shape.page_bytes);
    const auto read = [&](uint32_t slot, int layer) {
        return refused<DamagedPage>([&] {
            if (layer < 0)
                file.read_head(slot, buffer.get());
            else
                file.read_page(slot, static_cast<uint32_t>(layer), buffer.get());
        });
    };
    Sequence random{6};
    for (int i = 0; i < 2000; i++) {
        // First all bits of one seal, then any.
        const auto next = static_cast<uint64_t>(i);
        const uint64_t bit = i < 512 ? shape.head_bytes * 8 + next : random.below(shape.bytes() * 8);
        const uint64_t within = bit / 8;
        const int layer =
            within < shape.head_bytes ? -1 : static_cast<int>((within - shape.head_bytes) / shape.page_bytes);
        const char changed = static_cast<char>(right[start + within] ^ (1 << bit % 8));
        overwrite(path, start + within, {&changed, 1});
        CHECK(has(read(0, layer), layer < 0 ? "the head of slot 0" : "of slot 0"));
        CHECK(read(0, layer == 0 ? 1 : 0).empty());
        overwrite(path, start + within, {&right[start + within], 1});
    }
    CHECK(reads_back(file, 0, 1) && reads_back(file, 1, 11));
    const auto page_at = [&](uint32_t slot, uint32_t layer) {
        return start + slot * shape.bytes() + shape.head_bytes + layer * shape.page_bytes;
    };
    const auto piece = [&](const std::vector<char> &from, uint64_t at, size_t bytes) {
        return std::span(from).subspan(at, bytes);
    };
    overwrite(path, page_at(0, 0), piece(right, page_at(0, 1), shape.page_bytes)); // a neighbour's
    CHECK(has(read(0, 0), "another place"));
    overwrite(path, page_at(0, 0), piece(right, page_at(1, 0), shape.page_bytes)); // another slot's
    CHECK(has(read(0, 0), "another place"));
    overwrite(path, page_at(0, 0), piece(generations[0], page_at(0, 0), shape.page_bytes)); // the block before
    CHECK(has(read(0, 0), "another block"));
    overwrite(path, page_at(0, 0), piece(right, page_at(0, 0), 4096)); // torn: new ahead, old behind
    CHECK(has(read(0, 0), "CRC-32C"));
    overwrite(path, page_at(0, 0), std::vector<char>(shape.page_bytes, 0)); // never written
    CHECK(has(read(0, 0), "nothing was written"));
    overwrite(path, page_at(0, 0), piece(right, page_at(0, 0), shape.page_bytes));
    overwrite(path, start, piece(generations[0], start, shape.head_bytes)); // the head of the block before
    CHECK(has(read(0, -1), "another block"));
    overwrite(path, start, piece(right, start, shape.head_bytes));
    CHECK(reads_back(file, 0, 1));
    CHECK(has(refused<DamagedPage>([&] { file.read_head(0, buffer.get(), 4711); }), "another block"));
}

void a_file_cut_under_us_is_an_error_of_its_slots() {
    const Scratch scratch;
    BlockFile file(scratch / "blocks", shape, 4);
    for (uint32_t slot = 0; slot < 2; slot++) {
        const Block block(shape, slot);
        file.allocate();
        file.write(slot, block.head(), block.pages());
        file.sync();
    }
    std::filesystem::resize_file(scratch / "blocks", 8192 + shape.bytes() + shape.head_bytes + 5000);
    Aligned buffer(shape.page_bytes);
    CHECK(has(refused<IoError>([&] { file.read_page(1, 0, buffer.get()); }), "the file ends before it"));
    CHECK(has(refused<IoError>([&] { file.read_page(1, 2, buffer.get()); }), "slot 1"));
    CHECK(reads_back(file, 0, 0));
}

/// A limit on the size of files stands for a disk that fills up. SIGXFSZ is ignored here, as Python does.
void a_full_disk(Ring::Backend backend) {
    const Scratch scratch;
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit before;
    ::getrlimit(RLIMIT_FSIZE, &before);
    BlockFile file(scratch / "blocks", shape, 2000, {backend, 32, true});
    const auto limit = [&](uint64_t blocks) {
        const rlimit less{8192 + blocks * shape.bytes() + 5000, before.rlim_max};
        CHECK(::setrlimit(RLIMIT_FSIZE, &less) == 0);
    };
    limit(3);
    for (uint32_t i = 0; i < 3; i++)
        CHECK(file.allocate() == i); // a step of many slots is too much, single ones are not
    const std::string why = refused<IoError>([&] { file.allocate(); });
    CHECK(has(why, std::to_string(shape.bytes()) + " bytes are needed") && has(why, (scratch / "blocks").string()));
    CHECK(file.used() == 3 && file.slots() == 3);
    const Block first(shape, 1), second(shape, 2), third(shape, 3);
    file.write(0, first.head(), first.pages());
    file.sync();
    limit(1); // room that was promised is taken back: the writes fail one by one
    file.write(1, second.head(), second.pages());
    file.wait_written(1);
    CHECK(file.state(1) == State::empty && file.mark(1) == 0);
    file.write(2, third.head(), third.pages());
    std::vector<uint32_t> failed;
    try {
        file.sync();
    } catch (const WriteError &error) {
        failed = error.slots;
        CHECK(has(error.what(), "2 blocks") && has(error.what(), "File too large"));
    }
    CHECK((failed == std::vector<uint32_t>{1, 2}));
    CHECK(file.state(1) == State::empty && file.state(2) == State::empty && reads_back(file, 0, 1));
    file.sync(); // told once
    CHECK(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    file.write(1, second.head(), second.pages());
    file.sync();
    CHECK(reads_back(file, 1, 2) && reads_back(file, 0, 1));
    file.release(2);
    CHECK(file.allocate() == 2 && file.allocate() == 3);
}

/// The same on a file system that really is full, where we may mount one.
void a_full_file_system() {
    const Scratch scratch;
    if (::mount("nexus-test", scratch.path().c_str(), "tmpfs", 0, "size=512k") != 0) {
        std::fprintf(stderr, "no file system can be mounted here: only the size limit is tested\n");
        return;
    }
    {
        BlockFile file(scratch / "blocks", shape, 2000);
        uint32_t got = 0;
        std::string why;
        while (why.empty() && got < 100) {
            why = refused<IoError>([&] { file.allocate(); });
            got += why.empty();
        }
        CHECK(got == (512 * 1024 - 8192) / shape.bytes());
        CHECK(has(why, "No space left") && has(why, " are free"));
        for (uint32_t slot = 0; slot < got; slot++) {
            const Block block(shape, slot);
            file.write(slot, block.head(), block.pages());
            file.sync();
        }
        for (uint32_t slot = 0; slot < got; slot++)
            CHECK(reads_back(file, slot, slot));
    }
    CHECK(::umount2(scratch.path().c_str(), MNT_DETACH) == 0);
}

void one_process_at_a_time() {
    const Scratch scratch;
    int told[2], done[2];
    char byte;
    CHECK(::pipe(told) == 0 && ::pipe(done) == 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const BlockFile file(scratch / "blocks", shape, 4, {Ring::Backend::threads, 1, true});
        CHECK(::write(told[1], "x", 1) == 1 && ::read(done[0], &byte, 1) == 1);
        for (;;)
            ::pause();
    }
    CHECK(::read(told[0], &byte, 1) == 1);
    const std::vector<char> before = content(scratch / "blocks");
    CHECK(has(refused<IoError>([&] { BlockFile(scratch / "blocks", shape, 4); }),
              "in use by process " + std::to_string(child)));
    CHECK(content(scratch / "blocks") == before);
    CHECK(::kill(child, SIGKILL) == 0 && ::waitpid(child, nullptr, 0) == child);
    const BlockFile file(scratch / "blocks", shape, 4); // the lock ended with its holder
    CHECK(has(refused<IoError>([&] { BlockFile(scratch / "blocks", shape, 4); }),
              "in use by process " + std::to_string(::getpid())));
    for (const int end : {told[0], told[1], done[0], done[1]})
        ::close(end);
}

} // namespace

int main() {
    one_process_at_a_time(); // first: it forks
    for (const Ring::Backend backend : backends()) {
        written_blocks_come_back({backend, 32, true}, "/tmp");
        written_blocks_come_back({backend, 1, true}, "/tmp");
        written_blocks_come_back({backend, 32, false}, "/tmp");
        if (std::filesystem::exists("/dev/shm"))
            written_blocks_come_back({backend, 32, true}, "/dev/shm");
        a_full_disk(backend);
    }
    a_full_file_system();
    slots_are_reused_lowest_first();
    wrong_calls_are_refused();
    headers_are_checked();
    damage_is_never_returned();
    a_file_cut_under_us_is_an_error_of_its_slots();
    return failures != 0;
}
