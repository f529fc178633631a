// The frames of a page pool: their memory, the table that finds them by key, and the lists they wait in. It knows
// neither the disk nor which page matters, and is not thread-safe: the pool's mutex guards it.
//
// A frame is in the table unless it is empty. It is in the list `dirty` if it is dirty; in `evictable`, by last use,
// if it holds anything else and has no pins; empty ones below the budget are in the list of free ones. Nothing grows
// but by give().
#pragma once

#include "ring.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace nexus::engine {

struct PageKey {
    uint32_t slot;
    uint32_t layer;
    bool operator==(const PageKey &) const = default;
};

/// reading: asked for; once its operation is done, whoever wants the page first checks it. checking: that is going on,
/// without the mutex. failed: kept until its error has been told.
enum class Content : uint8_t { none, reading, checking, clean, dirty, failed };

struct Frame {
    PageKey key{};
    Content content = Content::none;
    bool likely = false;        // asked for as likely and not wanted since
    uint32_t pins = 0;
    uint64_t mark = 0;          // of the block it belongs to; of a dirty one, of the block that the slot held before
    const char *flaw = nullptr; // of a failed one that was damaged
    Operation read;

  private:
    friend class Frames;
    uint32_t chain_ = 0;              // next frame of the same bucket
    uint32_t older_ = 0, newer_ = 0; // neighbours in its list
};

class Frames {
  public:
    static constexpr uint32_t none = UINT32_MAX;

    /// Reserves address space for as many frames as the machine's RAM holds, so that they never move, and gives
    /// budget_bytes / page_bytes of them. Throws IoError if the system refuses.
    Frames(size_t page_bytes, size_t budget_bytes);
    ~Frames();
    Frames(const Frames &) = delete;
    Frames &operator=(const Frames &) = delete;

    std::byte *data(uint32_t frame) const noexcept { return base_ + size_t{frame} * page_bytes_; }
    uint32_t holding(const std::byte *data) const noexcept {
        return static_cast<uint32_t>(static_cast<size_t>(data - base_) / page_bytes_);
    }
    Frame &operator[](uint32_t frame) noexcept { return frames_[frame]; } // the address stays while it is not empty

    /// Frames that there are: more than target() only while those above it cannot go yet.
    std::deque<Frame> &all() noexcept { return frames_; }
    size_t target() const noexcept { return target_; }
    size_t most() const noexcept { return most_; }

    /// Frames that are not empty; that have pins; that are dirty (and may have pins too).
    size_t resident() const noexcept { return resident_; }
    size_t pinned() const noexcept { return pinned_; }
    size_t dirty() const noexcept { return dirty_count_; }

    uint32_t find(PageKey key) const noexcept; // or none
    uint32_t oldest_evictable() const noexcept { return evictable_.oldest; }
    uint32_t oldest_dirty() const noexcept { return dirty_.oldest; }
    uint32_t newer(uint32_t frame) const noexcept { return frames_[frame].newer_; } // or none

    /// Whether a frame is free; and one, which has to be filled or it is lost.
    bool has_free() const noexcept { return !free_.empty(); }
    uint32_t take() noexcept;

    /// Enters a taken frame under a key that is in no other, without pins.
    void fill(uint32_t frame, PageKey key, Content content) noexcept;

    /// One pin more, or less. A page above the budget goes with its last pin.
    void hold(uint32_t frame) noexcept;
    void unhold(uint32_t frame) noexcept;

    /// Makes an evictable frame the last to go.
    void touch(uint32_t frame) noexcept;

    /// A dirty frame becomes clean. One above the budget goes if it has no pins.
    void cleaned(uint32_t frame) noexcept;

    /// Empties a frame without pins. Above the budget its memory goes back to the system, and empty frames at the end
    /// cease to be.
    void vacate(uint32_t frame) noexcept;

    /// Puts a clean page without pins into a taken frame; in the order of use it stays where it was.
    void move(uint32_t from, uint32_t to) noexcept;

    /// More frames than before, `frames` in all. Throws IoError, and then nothing has changed.
    void give(size_t frames);

    /// Fewer: free frames above go at once, others when they are vacated.
    void lower(size_t frames) noexcept;

  private:
    struct List {
        uint32_t oldest = none, newest = none;
    };
    size_t bucket(PageKey key) const noexcept;
    void enter(uint32_t frame) noexcept;
    void append(List &list, uint32_t frame) noexcept;
    void remove(List &list, uint32_t frame) noexcept;
    void trim() noexcept;

    const size_t page_bytes_;
    void *mapping_ = nullptr;
    size_t mapped_bytes_ = 0;
    std::byte *base_ = nullptr;
    size_t most_ = 0, target_ = 0;
    size_t resident_ = 0, pinned_ = 0, dirty_count_ = 0;
    std::deque<Frame> frames_;
    std::vector<uint32_t> buckets_, free_;
    List evictable_, dirty_;
};

} // namespace nexus::engine
