// Pages in RAM: a fixed number of frames over a BlockFile, read ahead, kept by least recent use. It does not know
// which pages matter; the caller asks for them.
//
// Bytes of frames never exceed the budget, and no memory grows with what passed through. No page is handed out
// that was not checked against its seal, once for each read from the disk.
//
// Threads: all methods may be called from any thread; one mutex guards the table, lists and counters. It is not held
// while a checksum is computed or the disk is waited for. Content of a pinned page is not guarded: it never changes,
// except by the one who holds it from new_dirty(). The pool ends before its file.
#pragma once

#include "block_file.hpp"
#include "frames.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

namespace nexus::engine {

class PagePool {
  public:
    using Key = PageKey; // slot, layer
    enum class Priority { needed, likely };
    struct Stats {
        uint64_t hits;         // pin() found the page
        uint64_t misses;       // pin() did not
        uint64_t waits;        // wait() had to wait for the disk
        uint64_t reads;        // pages read from the disk
        uint64_t read_bytes;
        uint64_t likely_reads; // of these, asked for as likely
        uint64_t likely_used;  // of these, pinned later
        uint64_t evictions;    // pages that gave way to others
        uint64_t damaged;      // pages read and refused
        size_t frames;         // the budget in frames
        size_t resident;       // frames that hold a page, or one on its way
        size_t pinned;
        size_t dirty;          // new and not written yet; some may be pinned too
    };

    /// The smallest budget for blocks of this shape: a block being made and 8 pages being read.
    static size_t least_bytes(const BlockShape &shape) noexcept;

    /// Takes budget_bytes / page_bytes frames in one anonymous mapping (huge pages where the system gives them); a
    /// frame costs memory once it is used. Throws LimitError below least_bytes(), IoError if the system has no
    /// address space.
    PagePool(BlockFile &file, size_t budget_bytes);

    /// Waits for reads and writes that are under way in its frames. Nothing may be pinned.
    ~PagePool();
    PagePool(const PagePool &) = delete;
    PagePool &operator=(const PagePool &) = delete;

    /// A frame of zeros for a page that is made now, pinned once. It is kept until BlockFile has written its slot.
    /// A page that the slot held before is forgotten. Throws LimitError if that page is pinned or not written yet, or
    /// no frame can be had because all are pinned or wait to be written.
    std::byte *new_dirty(Key key);

    /// The page, pinned, if it is in RAM; else nullptr (also while it is being read, or if its read failed).
    const std::byte *pin(Key key) noexcept;

    /// Starts reading those that are not in RAM, in this order; does not wait. `needed` ones overtake `likely` ones,
    /// also those asked for before. Returns how many are in RAM or on their way: the others found no frame, or their
    /// slot holds no block; wait() tries again and says why. Likely ones take no frame from a page on its way.
    size_t request(std::span<const Key> keys, Priority priority) noexcept;

    /// The page, pinned, after it was read. Asks for it if nobody did. Throws, for this key only: DamagedPage, IoError
    /// (the next wait reads it again), LimitError if its slot holds no block, its head was not read, or no frame can
    /// be had.
    const std::byte *wait(Key key);

    /// Gives one pin of a page back; `page` is what new_dirty(), pin() or wait() returned.
    void unpin(const std::byte *page) noexcept;

    /// Forgets all pages of a slot (before release()); waits for those being read or written. Throws LimitError if one
    /// is pinned; then the others are gone.
    void drop(uint32_t slot);

    /// Another budget. Growing is at once. When shrinking, the least recently used give way and memory goes back to
    /// the system; frames that are pinned or not written yet follow as soon as they can. Throws LimitError below
    /// least_bytes() or above what was reserved at the start (the machine's RAM), IoError if the system refuses.
    void set_budget(size_t budget_bytes);

    Stats stats() noexcept;

  private:
    using Lock = std::unique_lock<std::mutex>;
    void want(Frame &frame) noexcept;
    bool sweep() noexcept;
    bool may_go(Frame &frame, Priority priority) noexcept;
    uint32_t spare(Priority priority) noexcept;
    void wait_for_room(Lock &lock);
    void await(Lock &lock, uint32_t frame) noexcept;
    bool start_read(Key key, Priority priority) noexcept;
    void check(Lock &lock, uint32_t frame) noexcept;
    [[noreturn]] void fail(uint32_t frame);
    void shrink(size_t frames) noexcept;

    BlockFile &file_;
    const size_t page_bytes_;
    std::mutex mutex_;
    std::condition_variable checked_;
    Frames frames_;
    Stats stats_{};
};

} // namespace nexus::engine
