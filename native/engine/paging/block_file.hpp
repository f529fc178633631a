// The file that holds blocks: 128 tokens of all layers each, head and pages side by side in a slot of fixed size. It
// does not know what a block is called (names are kept elsewhere, and written only after sync()), nor what a page
// means. Format: docs/formats/blocks.md.
//
// A slot whose write ended and was followed by sync() reads back whole after any crash. What was not synced may be
// there, torn or missing, and is told apart by the seals (seal.hpp). Damage is never returned as content.
//
// All methods may be called from any thread; a mutex inside guards the slots and is not held while the disk works
// (except in allocate(), when the file grows, and in give_back()). One process at a time has the file.
#pragma once

#include "../error.hpp"
#include "block_header.hpp"
#include "ring.hpp"
#include "seal.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace nexus::engine {

/// A page or head on disk is not what was written there. Its block has to be computed again.
class DamagedPage : public FormatError {
  public:
    DamagedPage(const std::string &text, uint32_t slot, uint32_t layer) : FormatError(text), slot(slot), layer(layer) {}
    uint32_t slot, layer;
};

/// Blocks that were written did not reach the disk. Their slots hold no block now; all other slots are as they were.
class WriteError : public IoError {
  public:
    WriteError(const std::string &text, std::vector<uint32_t> slots) : IoError(text), slots(std::move(slots)) {}
    std::vector<uint32_t> slots;
};

class BlockFile {
  public:
    struct Options {
        Ring::Backend backend = Ring::Backend::best;
        unsigned depth = Ring::default_depth;
        bool direct = true; // O_DIRECT where the file system has it
    };
    /// free: nobody's. empty: allocated, without a block. unread: reserved, its head was not read yet. writing: queued
    /// or under way. written: a block is there (on the disk for sure only after sync()).
    enum class State : uint8_t { free, empty, unread, writing, written };

    /// Opens the file, or makes it (0600). At most `capacity` slots will be in use at once.
    /// A process that has just been killed keeps the file until its last writes end: up to 5 s are waited for that.
    /// Throws IoError if another process (named) has it or the system refuses; FormatError if the file is no block
    /// file, is damaged, or was made for another version, model or shape (what differs is named); LimitError for a
    /// shape or capacity out of range. A file that is refused is left as it is.
    BlockFile(const std::filesystem::path &path, const BlockShape &shape, uint64_t capacity, Options options);
    BlockFile(const std::filesystem::path &path, const BlockShape &shape, uint64_t capacity)
        : BlockFile(path, shape, capacity, Options{}) {}

    /// Waits for writes that are under way, does not sync. No pool may use the file any more.
    ~BlockFile();
    BlockFile(const BlockFile &) = delete;
    BlockFile &operator=(const BlockFile &) = delete;

    const BlockShape &shape() const noexcept { return shape_; }
    const std::filesystem::path &path() const noexcept { return path_; }
    bool direct() const noexcept { return direct_; }
    Ring &ring() noexcept { return ring_; }

    /// Slots in use; slots that may be in use; slots that the file has room for already (a name with a slot that is
    /// not below slots() has lost its block).
    uint64_t used() const;
    uint64_t capacity() const noexcept { return capacity_; }
    uint64_t slots() const;

    /// Takes the lowest free slot and makes sure that the disk has room for it (where the file system can say so).
    /// Throws LimitError if all are in use, IoError if the disk is full (bytes needed and path are named); then
    /// nothing has changed. Under a limit on the size of files the process has to ignore SIGXFSZ, as Python does.
    uint32_t allocate();

    /// Gives a slot back. Drop it from pools first. Throws LimitError if it is free or being written.
    void release(uint32_t slot);

    /// Gives the disk the space of all free slots back: the file ends behind the last slot in use, and free ones before
    /// it become holes, where the file system has such. Their names have to be forgotten before: after a crash, one
    /// that is back leads to nothing. Throws IoError; what was given back until then stays so.
    void give_back();

    /// What the file takes of the disk.
    uint64_t disk_bytes() const noexcept;

    /// At start: these slots hold blocks by their names. Throws LimitError if one lies behind the end of the file or
    /// is in use already; then none was taken.
    void reserve(std::span<const uint32_t> used);

    State state(uint32_t slot);

    /// Seals `head` (head_bytes) and `pages` (one of page_bytes for each layer) in place, with a new mark, and queues
    /// them. The buffers start at multiples of 4096 and stay valid and, behind their first 64 bytes, unchanged until
    /// state() is not `writing`. Only an allocated slot that is not being written may be written; what it held is gone.
    /// Returns the mark: keep it with the name, to tell this block from one that takes its slot later.
    /// Throws LimitError for a wrong slot, count or alignment.
    uint64_t write(uint32_t slot, std::byte *head, std::span<std::byte *const> pages);

    /// Returns when the slot is not `writing` any more. Its outcome is told by state() and by sync().
    void wait_written(uint32_t slot);

    /// Waits until all writes queued so far are done, and fdatasync. Throws WriteError naming the slots that failed
    /// since the last sync (they are `empty` now: write them again or release them); all others are on the disk.
    void sync();

    /// Reads the head (head_bytes) to `out`, and returns its mark. If `mark` is not 0, a head with another one is
    /// refused. Pages of a reserved slot can be read only after this. Throws DamagedPage (layer 0), IoError,
    /// LimitError if the slot holds no block.
    uint64_t read_head(uint32_t slot, std::byte *out, uint64_t mark = 0);

    /// Reads one page (page_bytes) to `out` and waits; for those without a pool. Throws as read_head().
    void read_page(uint32_t slot, uint32_t layer, std::byte *out);

    // For the pool.
    /// The mark of the block in the slot, 0 if it has none, is being written, or its head was not read.
    uint64_t mark(uint32_t slot);
    /// Fills kind, file, size and offset of an operation that reads a page.
    void prepare_read(Operation &operation, uint32_t slot, uint32_t layer) const noexcept;
    /// Tells the system that the bytes of an ended read will not be read again soon (without O_DIRECT).
    void forget(const Operation &operation) const noexcept;
    /// Texts of errors, with the path and the remedy.
    std::string damage(uint32_t slot, Piece piece, uint32_t layer, const char *flaw) const;
    std::string read_failure(uint32_t slot, int error) const;
    std::string missing(uint32_t slot, uint32_t layer) const;

  private:
    /// Whether the disk has room for a slot: sure of it, a hole, or not known because another process left it.
    enum class Room : uint8_t { given, none, unknown };
    /// Under way. The operations are the ring's until all are done.
    struct Write {
        explicit Write(size_t count);
        bool done() const noexcept;
        int error() const noexcept;
        std::vector<Operation *> pieces; // head, then pages by layer

      private:
        std::unique_ptr<Operation[]> operations_;
    };
    struct Slot {
        uint64_t mark = 0;
        State state = State::free;
        bool synced = false;    // a written one
        bool failed = false;    // its write failed since the last sync
        std::shared_ptr<Write> write; // while `writing`
        Room room = Room::given;
    };
    // With mutex_.
    State settled(uint32_t slot) noexcept;
    Slot &allocated(uint32_t slot);
    void grow();
    void fill_hole(uint64_t slot);
    uint64_t new_mark() noexcept;
    std::string reading_of(uint32_t slot) const;

    std::string no_room(int error) const;
    std::string write_failure(const std::vector<uint32_t> &slots, int error) const;
    uint64_t offset(uint32_t slot, Piece piece, uint32_t layer) const noexcept;
    void prepare(Operation &operation, uint32_t slot, Piece piece, uint32_t layer) const noexcept;
    uint64_t read(uint32_t slot, Piece piece, uint32_t layer, std::byte *out, uint64_t mark);

    const std::filesystem::path path_;
    const BlockShape shape_;
    const uint64_t capacity_;
    int file_ = -1;
    bool direct_ = false;
    std::mutex sync_mutex_; // one sync at a time; taken before mutex_
    mutable std::mutex mutex_;
    std::vector<Slot> slots_; // one for each the file has room for
    uint64_t used_ = 0, first_free_ = 0;
    uint64_t mark_base_ = 0, marks_ = 0;
    int failure_ = 0; // of the write that failed last
    Ring ring_;
};

} // namespace nexus::engine
